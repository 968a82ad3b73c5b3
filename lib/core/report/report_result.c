/* A reported result: the first is stored, by one UPDATE that the link's own result races for. */
#include <string.h>

#include "clock.h"
#include "err.h"
#include "report.h"
#include "state.h"
#include "sync.h"

struct finish {
	const char *id;
	uint32_t attempt;
	scp__finish *f;
	scp__report_end end;
	bool stored;
};

static scp_status conflict(const scp__execution *e, const char *why, scp_error *err)
{
	return scp__fail(
	    err, SCP_ESTATE, "Execution '%s' is %s: %s", e->pub.id, scp_execution_status_name(e->pub.status), why);
}

/* What a result ended has measures; what was ended from outside has none. */
static bool ended_by_result(const scp__execution *e)
{
	return e->pub.metrics != NULL;
}

/* SCP_OK and *repeat: it is over, by a result of this attempt. */
static scp_status judge(const scp__execution *e, const struct finish *a, bool *repeat, scp_error *err)
{
	bool cancelled = e->cancel_requested || e->pub.status == SCP_EXECUTION_CANCELLED;

	*repeat = scp__execution_over(e->pub.status);
	if (a->attempt != SCP_PRESENT_ATTEMPT && a->attempt != e->attempt)
		return conflict(e, "the result is another attempt's", err);
	if (cancelled && a->f->to != SCP_EXECUTION_CANCELLED && (!*repeat || e->pub.status == SCP_EXECUTION_CANCELLED))
		return conflict(e, "it was cancelled", err);
	if (*repeat && !ended_by_result(e))
		return conflict(e, "it was ended without a result", err);
	return SCP_OK;
}

/* Its start may never have been told. */
static scp_status start(scp_db_tx *tx, const struct finish *a, const scp__execution *e, scp_error *err)
{
	int64_t took_us = (int64_t)(a->f->metrics->duration_ms * 1000);
	int64_t started_us = a->f->now_us - took_us;
	bool ignored;

	if (e->pub.status != SCP_EXECUTION_PENDING)
		return SCP_OK;
	if (started_us < e->pub.created_us)
		started_us = e->pub.created_us;
	return scp__store_execution_started(tx, a->id, e->attempt, e->epoch, started_us, a->f->now_us, &ignored, err);
}

static scp_status store(scp_db_tx *tx, struct finish *a, const scp__execution *e, scp_error *err)
{
	scp_status rc = start(tx, a, e, err);

	if (a->f->seq <= e->seq)
		a->f->seq = e->seq + 1;
	scp__report_note(&a->end, e, a->f);
	if (!rc)
		rc = scp__store_execution_finish(
		    tx, a->id, scp__execution_from(a->f->to), e->attempt, -1, a->f, &a->stored, err);
	if (!rc && a->stored)
		rc = scp__store_session_touch(tx, e->pub.session_id, a->f->now_us, 0, err);
	if (!rc && a->stored && a->f->sync_pending)
		rc = scp__store_workspace_dirty(tx, e->pub.session_id, a->f->now_us, err);
	return rc;
}

static scp_status finish_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct finish *a = arg;
	scp__execution *e;
	bool repeat;
	scp_status rc = scp__store_execution_get(tx, a->id, SCP__LOAD_HELD, &e, err);

	a->stored = false;
	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(a->id, err) : rc;
	rc = judge(e, a, &repeat, err);
	if (!rc && !repeat)
		rc = store(tx, a, e, err);
	scp_execution_free(&e->pub);
	return rc;
}

/* What is stored already answers whatever this one says. SCP_EAGAIN: it isn't over. */
static scp_status look(scp__core *core, const char *id, uint32_t attempt, const char *status, scp_error *err)
{
	scp__finish f = { .to =
			      status && !strcmp(status, "cancelled") ? SCP_EXECUTION_CANCELLED : SCP_EXECUTION_FAILED };
	struct finish a = { .id = id, .attempt = attempt, .f = &f };
	scp__execution *e;
	bool repeat;
	scp_status rc;

	if (!scp__id_is_execution(id))
		return scp__report_unknown(id, err);
	rc = scp__execution_load(core, id, 0, &e, err);
	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(id, err) : rc;
	rc = judge(e, &a, &repeat, err);
	scp_execution_free(&e->pub);
	return rc ? rc : repeat ? SCP_OK : SCP_EAGAIN;
}

/* As for a result of the link's: its files first. */
static bool is_sync_pending(scp__core *core, const char *id)
{
	scp__execution *e = NULL;
	scp__session *s = NULL;
	bool pending = true;

	if (!core->provision.mirror)
		return false;
	if (!scp__execution_load(core, id, 0, &e, NULL) && !scp__session_load(core, e->pub.session_id, &s, NULL))
		pending = scp__sync_wait(core, s->workspace_id, SCP__SYNC_PATIENCE_MS) != SCP_OK;
	if (e)
		scp_execution_free(&e->pub);
	if (s)
		scp_session_free(&s->pub);
	return pending;
}

static scp_status take(scp__core *core, const char *id, const scp_report *r, bool *first, scp_error *err)
{
	scp__report_output output = { 0 };
	scp__result result;
	struct finish a = { .id = id, .attempt = r->attempt, .f = &result.finish };
	scp_status rc = scp__report_parse(&result, r, scp__core_now_us(core), err);

	if (rc)
		return rc;
	a.f->sync_pending = is_sync_pending(core, id);
	rc = scp__report_output_make(&output, core, id, r, a.f, err);
	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, finish_tx, &a, err);
	*first = !rc && a.stored;
	if (*first) {
		scp__report_announce(core, id, &output, &a.end);
		scp__session_settle(core, a.end.session_id); /* an ephemeral one is over with it */
	}
	scp__report_output_free(&output);
	scp__result_free(&result);
	return rc;
}

static scp_status read_report(scp_report *to, const scp_report *from, scp_error *err)
{
	memset(to, 0, sizeof(*to));
	if (!from || from->struct_size < 2 * sizeof(void *))
		return scp__fail(err, SCP_EINVAL, "report must be set up with SCP_REPORT_INIT");
	memcpy(to, from, from->struct_size < sizeof(*to) ? from->struct_size : sizeof(*to));
	if ((to->out_len && !to->out) || (to->err_len && !to->err) || (to->artifact_count && !to->artifacts))
		return scp__fail(err, SCP_EINVAL, "report: out, err and artifacts must not be NULL where they count");
	return SCP_OK;
}

scp_status scp_report_result(
    scp_execution **out, bool *first, scp_plane *plane, const char *id, const scp_report *report, scp_error *err)
{
	scp_report r;
	bool ignored;
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	first = first ? first : &ignored;
	*first = false;
	rc = read_report(&r, report, err);
	if (!rc)
		rc = look(plane->core, id, r.attempt, r.status, err);
	if (rc == SCP_EAGAIN)
		rc = take(plane->core, id, &r, first, err);
	if (!rc)
		rc = scp__report_answer(out, plane->core, id, err);
	scp__leave(plane);
	return rc;
}
