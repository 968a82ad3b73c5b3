/* The output that a reported result is stored with. */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "events.h"
#include "report.h"
#include "run.h"
#include "utf8.h"

enum { INLINE_MAX = 64 << 10, INDEX_MAX = 32 << 20 };

static void init(scp__report_output *o)
{
	memset(o, 0, sizeof(*o));
	scp__buf_init(&o->out, SCP__OUTPUT_MAX + 8);
	scp__buf_init(&o->err, SCP__OUTPUT_MAX + 8);
	scp__buf_init(&o->index, INDEX_MAX);
}

void scp__report_output_free(scp__report_output *o)
{
	scp__buf_free(&o->out);
	scp__buf_free(&o->err);
	scp__buf_free(&o->index);
}

/* The head of a stream, as much as an honest executor keeps. */
static size_t head(const void *data, size_t len)
{
	return len > SCP__OUTPUT_MAX ? scp__utf8_complete(data, SCP__OUTPUT_MAX) : len;
}

/* What of a reported stream stands behind what the link brought: from *from on. False: it is another stream than that,
 * and its sender is believed. Where nothing is missing ours are the bytes themselves; the report's may be their text.
 */
static bool tail_of(const scp__buf *have, const void *data, size_t len, uint64_t total, size_t *from)
{
	uint64_t kept = total > len ? total : len;

	*from = len;
	if (!data || have->len == (kept < SCP__OUTPUT_MAX ? kept : SCP__OUTPUT_MAX))
		return true;
	if (have->len && len && memcmp(have->data, data, have->len < len ? have->len : len) != 0)
		return false;
	*from = have->len < len ? have->len : len;
	return true;
}

static scp_status append(scp__events *e, scp_event_kind kind, const void *data, size_t from, size_t len)
{
	if (from >= len)
		return SCP_OK;
	return scp__events_append(e, kind, scp__events_last(e) + 1, (const char *)data + from, len - from);
}

static void clear(scp__report_output *o)
{
	scp__buf_clear(&o->out);
	scp__buf_clear(&o->err);
	scp__buf_clear(&o->index);
}

/* The link's events stay in their order, and those whom they reached read on behind them. */
static scp_status continue_with(scp__report_output *o, const scp_report *r, size_t from[2], scp__finish *f)
{
	scp__events events;
	scp_status rc;

	scp__events_init(&events);
	rc = scp__events_load(
	    &events, o->index.data, o->index.len, o->out.data, o->out.len, o->err.data, o->err.len, f->seq);
	if (!rc)
		rc = append(&events, SCP_EVENT_STDOUT, r->out, from[0], head(r->out, r->out_len));
	if (!rc)
		rc = append(&events, SCP_EVENT_STDERR, r->err, from[1], head(r->err, r->err_len));
	clear(o);
	if (!rc)
		rc = scp__events_store(&events, &o->out, &o->err, &o->index);
	if (!rc && scp__events_last(&events) >= f->seq)
		f->seq = scp__events_last(&events) + 1;
	scp__events_free(&events);
	return rc;
}

/* Stdout, then stderr, numbered behind all that was seen. */
static scp_status replace_with(scp__report_output *o, const scp_report *r, scp__finish *f)
{
	scp_status rc;

	clear(o);
	f->seq += 3;
	rc = scp__buf_append(&o->out, r->out, head(r->out, r->out_len));
	return rc ? rc : scp__buf_append(&o->err, r->err, head(r->err, r->err_len));
}

static scp_status add_report(scp__report_output *o, const scp_report *r, scp__finish *f)
{
	size_t from[2], out_len = head(r->out, r->out_len), err_len = head(r->err, r->err_len);
	bool same = tail_of(&o->out, r->out, out_len, r->out_bytes, &from[0]);

	same = tail_of(&o->err, r->err, err_len, r->err_bytes, &from[1]) && same;
	o->tail = !same || from[0] < out_len || from[1] < err_len;
	if (!o->tail)
		return SCP_OK;
	return same && o->index.len ? continue_with(o, r, from, f) : replace_with(o, r, f);
}

/* ---- where it goes ---- */

static scp_status spill(scp__core *core, const char *id, const char *name, const scp__buf *b, char key[96],
    const char **out, scp_error *err)
{
	scp_status rc;

	*out = NULL;
	if (b->len <= INLINE_MAX)
		return SCP_OK;
	/* Not the run's own name: its result may be on the way too. */
	snprintf(key, 96, "executions/%s/reported-%s", id, name);
	rc = scp__storage_put_bytes(core->storage, key, b->data, b->len, err);
	*out = rc ? NULL : key;
	return rc;
}

/* How many bytes there were in all: at least as many as somebody has seen. */
static uint64_t total_of(uint64_t said, const scp__buf *kept, const void *data, size_t len)
{
	uint64_t seen = data && len > kept->len ? len : kept->len;

	return said > seen ? said : seen;
}

static void point_to(scp__finish *f, const scp__report_output *o, const scp_report *r)
{
	f->out = o->out.data;
	f->out_len = o->out.len;
	f->err = o->err.data;
	f->err_len = o->err.len;
	f->index = o->index.data;
	f->index_len = o->index.len;
	f->out_bytes = total_of(f->out_bytes, &o->out, r ? r->out : NULL, r ? r->out_len : 0);
	f->err_bytes = total_of(f->err_bytes, &o->err, r ? r->err : NULL, r ? r->err_len : 0);
}

/* What the link has brought so far, if this process drives the execution. */
static scp_status collect(scp__report_output *o, scp__core *core, const char *id, scp__finish *f)
{
	scp__run *run = scp__run_find(core, id);
	uint64_t last;
	scp_status rc;

	if (!run)
		return SCP_OK;
	o->driven = true;
	last = scp__topic_last_seq(run->topic);
	f->seq = last > run->seq ? last : atomic_load(&run->seq);
	rc = scp__topic_output(run->topic, &o->out, &o->err, &o->index);
	scp__run_unref(run);
	return rc;
}

scp_status scp__report_output_make(
    scp__report_output *o, scp__core *core, const char *id, const scp_report *report, scp__finish *f, scp_error *err)
{
	scp_status rc;

	init(o);
	rc = collect(o, core, id, f);
	if (!rc && report)
		rc = add_report(o, report, f);
	if (rc)
		return scp__fail(err, rc, "output of %s", id);
	rc = spill(core, id, "stdout", &o->out, o->out_key, &f->stdout_key, err);
	if (!rc)
		rc = spill(core, id, "stderr", &o->err, o->err_key, &f->stderr_key, err);
	point_to(f, o, report);
	return rc;
}

void scp__report_note(scp__report_end *end, const scp__execution *e, const scp__finish *f)
{
	*end = (scp__report_end){ .exit_code = f->exit_code, .signal = f->signal };
	end->figures.language = e->pub.language;
	end->figures.to = f->to;
	end->figures.created_us = e->pub.created_us;
	end->figures.started_us = e->pub.started_us;
	end->figures.ended_us = f->now_us;
	end->figures.first_attempt = !e->attempt;
	snprintf(end->session_id, sizeof(end->session_id), "%s", e->pub.session_id);
	snprintf(end->request_id, sizeof(end->request_id), "%s", e->request_id ? e->request_id : "");
}

/* Never why: an error's text is the code's own. */
static void say(scp__core *core, const char *id, const scp__report_end *end)
{
	scp__log_ids ids = { end->request_id[0] ? end->request_id : NULL, end->session_id, id, NULL };

	scp__count_execution_ended(core->figures, &end->figures);
	scp__core_log(core, SCP_LOG_INFO, &ids, "execution %s by report: exit code %d, signal %d",
	    scp_execution_status_name(end->figures.to), end->exit_code, end->signal);
}

void scp__report_announce(scp__core *core, const char *id, const scp__report_output *o, const scp__report_end *end)
{
	scp__run *run = scp__run_find(core, id);

	say(core, id, end);
	if (!run) {
		scp__topics_over(core->topics, id);
		return;
	}
	/* Those who watch get the rest from the database. */
	if (o->tail)
		scp__topic_drive(run->topic, false);
	scp__run_announce(run);
	scp__run_stop(run); /* over, if the report is true; the executor's own result lets go of it */
	scp__run_unref(run);
}
