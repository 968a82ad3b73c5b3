/* Reports about a session's container: it is ready, it has ended. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "report.h"
#include "state.h"

static const char ended_text[] = "the sandbox ended while the code ran";
static const char oom_text[] = "oom_killed: the sandbox was ended by its memory limit";

static scp_status over(const scp__session *s, scp_error *err)
{
	return scp__fail(err, SCP_ESTATE, "Session '%s' is %s", s->pub.id, scp_session_status_name(s->pub.status));
}

static scp_status load(scp__core *core, const char *id, scp__session **s, scp_error *err)
{
	scp_status rc = scp__session_load(core, id, s, err);

	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(id, err) : rc;
	if (!scp__session_over((*s)->pub.status))
		return SCP_OK;
	rc = over(*s, err);
	scp_session_free(&(*s)->pub);
	*s = NULL;
	return rc;
}

static scp_status answer(scp_session **out, scp__core *core, const char *id, scp_error *err)
{
	scp__session *s;
	scp_status rc = out ? scp__session_load(core, id, &s, err) : SCP_OK;

	if (!rc && out)
		*out = &s->pub;
	return rc;
}

static scp_status check_reason(const char *reason, scp_error *err)
{
	static const char *const reasons[] = { "normal", "sigterm", "sigkill", "oom_killed", "error" };

	for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(reason, reasons[i]))
			return SCP_OK;
	return reason ? scp__fail(err, SCP_EINVAL,
			    "exit_reason is '%.40s'; allowed are normal, sigterm, sigkill, oom_killed, error", reason)
		      : SCP_OK;
}

static scp_status read_report(scp_container_report *to, const scp_container_report *from, scp_error *err)
{
	*to = (scp_container_report)SCP_CONTAINER_REPORT_INIT;
	if (from && from->struct_size < sizeof(uint32_t))
		return scp__fail(err, SCP_EINVAL, "report must be set up with SCP_CONTAINER_REPORT_INIT");
	if (from)
		memcpy(to, from, from->struct_size < sizeof(*to) ? from->struct_size : sizeof(*to));
	if (to->executor_port > 65535)
		return scp__fail(err, SCP_EINVAL, "executor_port is %u; allowed is 1 to 65535", to->executor_port);
	if (to->exit_code && (*to->exit_code < -1 || *to->exit_code > 255))
		return scp__fail(err, SCP_EINVAL, "exit_code is %d; allowed is 0 to 255", *to->exit_code);
	return check_reason(to->exit_reason, err);
}

/* ---- ready ---- */

struct ready {
	scp__core *core;
	const char *id, *container_id;
	bool changed;
};

static scp_status ready_row(scp_db_tx *tx, struct ready *r, const scp__session *s, scp_error *err)
{
	if (scp__session_over(s->pub.status))
		return over(s, err);
	if (r->container_id && s->pub.container_id && strcmp(r->container_id, s->pub.container_id) != 0)
		return scp__fail(err, SCP_ESTATE, "Session '%s' has another container by now", r->id);
	/* The container's own row is for whoever made it, who hears of it over the link. */
	return scp__store_session_set_status(tx, r->id, SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_RUNNING, NULL,
	    scp__core_now_us(r->core), &r->changed, err);
}

static scp_status ready_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct ready *r = arg;
	scp__session *s;
	scp_status rc = scp__store_session_hold(tx, r->id, &s, err);

	r->changed = false;
	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(r->id, err) : rc;
	rc = ready_row(tx, r, s, err);
	scp_session_free(&s->pub);
	return rc;
}

static scp_status take_ready(scp__core *core, const char *id, const scp_container_report *report, scp_error *err)
{
	struct ready r = { .core = core, .id = id, .container_id = report->container_id };
	scp_status rc = SCP_OK;

	if (!scp__id_is_session(id))
		rc = scp__report_unknown(id, err);
	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, ready_tx, &r, err);
	if (rc || !r.changed)
		return rc;
	scp__topics_over(core->topics, id);
	scp__session_settle(core, id);
	return SCP_OK;
}

scp_status scp_report_container_ready(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *report, scp_error *err)
{
	scp_container_report r;
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	rc = read_report(&r, report, err);
	if (!rc)
		rc = take_ready(plane->core, id, &r, err);
	if (!rc)
		rc = answer(out, plane->core, id, err);
	scp__leave(plane);
	return rc;
}

/* ---- exited ---- */

struct container {
	const char *id;
	scp__container *c;
};

static scp_status container_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct container *a = arg;

	scp__container_free(a->c);
	a->c = NULL;
	return scp__store_container_get(tx, a->id, &a->c, err);
}

/* Whether it is about the session's present container, and not told before. */
static scp_status is_news(
    scp__core *core, const scp__session *s, const scp_container_report *r, bool *news, scp_error *err)
{
	struct container a = { .id = s->pub.container_id };
	int64_t exited_us = r->time_us ? r->time_us : scp__core_now_us(core);
	scp_status rc;

	*news = a.id && (!r->container_id || !strcmp(r->container_id, a.id));
	if (!*news)
		return SCP_OK;
	rc = scp__database_transact(core->db, SCP_DB_READ, container_tx, &a, err);
	if (!rc)
		*news = a.c->status <= SCP_CONTAINER_RUNNING && a.c->created_us <= exited_us;
	scp__container_free(a.c);
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}

/* An ephemeral session ends with what runs in it: both in one transaction, so that neither takes the other's word. */
struct last {
	char id[SCP__ID_SIZE]; /* of the execution; "" none runs */
	scp__finish finish;
	scp__report_output output;
	scp__report_end end;
	bool ended;
};

static scp_status end_execution(scp_db_tx *tx, const scp__session *s, void *arg, bool *still, scp_error *err)
{
	struct last *l = arg;
	scp__execution *e;
	scp_status rc;

	l->ended = false;
	*still = !scp__session_over(s->pub.status);
	if (!*still || !l->id[0])
		return SCP_OK;
	rc = scp__store_execution_get(tx, l->id, 0, &e, err);
	if (rc)
		return rc;
	scp__report_note(&l->end, e, &l->finish);
	if (l->finish.seq <= e->seq)
		l->finish.seq = e->seq + 1;
	rc =
	    scp__store_execution_finish(tx, l->id, SCP__BIT(SCP_EXECUTION_RUNNING), -1, -1, &l->finish, &l->ended, err);
	scp_execution_free(&e->pub);
	return rc;
}

struct running {
	const char *session_id;
	scp__ids ids;
};

static scp_status running_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct running *r = arg;

	scp__ids_clear(&r->ids);
	return scp__store_execution_live(tx, r->session_id, SCP__BIT(SCP_EXECUTION_RUNNING), 1, &r->ids, err);
}

static scp_status find_running(scp__core *core, const char *session_id, char id[SCP__ID_SIZE], scp_error *err)
{
	struct running r = { session_id, { 0 } };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, running_tx, &r, err);

	id[0] = '\0';
	if (!rc && r.ids.count)
		snprintf(id, SCP__ID_SIZE, "%s", r.ids.ids[0]);
	scp__ids_free(&r.ids);
	return rc;
}

static scp_status fail_ephemeral(scp__core *core, const scp__session *s, bool oom, scp_error *err)
{
	struct last l = { .finish = { .to = oom ? SCP_EXECUTION_FAILED : SCP_EXECUTION_CRASHED,
			      .error = oom ? oom_text : ended_text,
			      .exit_code = -1,
			      .now_us = scp__core_now_us(core) } };
	scp_error why = { 0 };
	scp_status rc = find_running(core, s->pub.id, l.id, err);

	scp__fail(&why, SCP_EBACKEND, "%s", oom ? oom_text : "the session's sandbox ended");
	if (!rc && l.id[0])
		rc = scp__report_output_make(&l.output, core, l.id, NULL, &l.finish, err);
	if (!rc)
		rc = scp__session_end_if(core, s->pub.id, SCP_SESSION_FAILED, &why, end_execution, &l, err);
	if (!rc && l.ended)
		scp__report_announce(core, l.id, &l.output, &l.end);
	scp__report_output_free(&l.output);
	return rc;
}

static scp_status take_exited(scp__core *core, const scp__session *s, const scp_container_report *r, scp_error *err)
{
	bool oom = r->exit_reason && !strcmp(r->exit_reason, "oom_killed"), news;
	scp_status rc = is_news(core, s, r, &news, err);

	if (rc || !news)
		return rc;
	if (s->pub.mode == SCP_EPHEMERAL)
		rc = fail_ephemeral(core, s, oom, err);
	/* Retries what ran, has the container removed and, where it is wanted, another one made. */
	if (!rc)
		scp__container_gone(core, s->pub.container_id, r->exit_code ? *r->exit_code : -1, oom);
	return rc;
}

scp_status scp_report_container_exited(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *report, scp_error *err)
{
	scp_container_report r;
	scp__session *s = NULL;
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	rc = read_report(&r, report, err);
	if (!rc)
		rc = load(plane->core, id, &s, err);
	if (!rc)
		rc = take_exited(plane->core, s, &r, err);
	if (s)
		scp_session_free(&s->pub);
	if (!rc)
		rc = answer(out, plane->core, id, err);
	scp__leave(plane);
	return rc;
}
