/* The fake's part for reports: "right" opens all, "of-sess_…" what is that session's; what was told is kept as text. */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fake.h"

static scp_status unknown(const char *id, scp_error *err)
{
	return scp__fail_as(err, "InvalidExecution", "There is no '%s'", id);
}

scp_status scp_report_authorize(scp_plane *plane, const char *token, const char *id, scp_error *err)
{
	(void)plane;
	if (!strcmp(token, "right"))
		return SCP_OK;
	if (strncmp(token, "of-", 3) != 0)
		return scp__fail(err, SCP_EAUTH, "not that one");
	return strcmp(token + 3, id) ? unknown(id, err) : SCP_OK;
}

static scp_status told(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	scp_status rc = scp_execution_get(out, plane, id, err);

	if (rc)
		return unknown(id, err);
	if (!strncmp(id, "exec_done_late", 14)) {
		scp_execution_free(*out);
		*out = NULL;
		return scp__fail(err, SCP_ESTATE, "it was cancelled");
	}
	return SCP_OK;
}

static void say_metrics(char *at, size_t size, const scp_metrics *m)
{
	(void)snprintf(at, size, "|%g %g %g %llu %llu %s", m->duration_ms, m->cpu_time_ms, m->peak_memory_mb,
	    (unsigned long long)m->io_read_bytes, (unsigned long long)m->io_write_bytes, m->source ? m->source : "-");
}

scp_status scp_report_result(
    scp_execution **out, bool *first, scp_plane *plane, const char *id, const scp_report *r, scp_error *err)
{
	size_t n;

	pthread_mutex_lock(&fake.lock);
	n = (size_t)snprintf(fake.last, sizeof(fake.last), "%u %s %.*s/%llu %.*s/%llu %d %d %s %s %zu %s", r->attempt,
	    r->status ? r->status : "-", (int)r->out_len, r->out ? (const char *)r->out : "",
	    (unsigned long long)r->out_bytes, (int)r->err_len, r->err ? (const char *)r->err : "",
	    (unsigned long long)r->err_bytes, r->exit_code ? *r->exit_code : -1, r->signal,
	    r->return_json ? r->return_json : "-", r->error ? r->error : "-", r->artifact_count,
	    r->artifact_count ? r->artifacts[0]->path : "-");
	if (r->metrics && n < sizeof(fake.last))
		say_metrics(fake.last + n, sizeof(fake.last) - n, r->metrics);
	*first = strcmp(r->status ? r->status : "", "failed") != 0;
	pthread_mutex_unlock(&fake.lock);
	return told(out, plane, id, err);
}

static void say(const char *what, const char *id, uint32_t attempt, const char *text, long long number)
{
	pthread_mutex_lock(&fake.lock);
	(void)snprintf(fake.last, sizeof(fake.last), "%s %s %lld %s %lld", what, id,
	    attempt == SCP_PRESENT_ATTEMPT ? -1LL : (long long)attempt, text ? text : "-", number);
	pthread_mutex_unlock(&fake.lock);
}

scp_status scp_report_status(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const char *status, int64_t started_us, scp_error *err)
{
	say("status", id, attempt, status, started_us);
	return told(out, plane, id, err);
}

scp_status scp_report_heartbeat(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt, scp_error *err)
{
	say("heartbeat", id, attempt, NULL, 0);
	return told(out, plane, id, err);
}

scp_status scp_report_artifacts(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const scp_artifact *const *artifacts, size_t count, scp_error *err)
{
	say("artifacts", id, attempt, count ? artifacts[0]->path : NULL, (long long)count);
	return told(out, plane, id, err);
}

scp_status scp_report_container_ready(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *r, scp_error *err)
{
	say("ready", id, r->executor_port, r->container_id, r->time_us);
	return scp_session_get(out, plane, id, NULL) ? unknown(id, err) : SCP_OK;
}

scp_status scp_report_container_exited(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *r, scp_error *err)
{
	say("exited", id, r->exit_code ? (uint32_t)*r->exit_code : 999, r->exit_reason, r->time_us);
	return scp_session_get(out, plane, id, NULL) ? unknown(id, err) : SCP_OK;
}
