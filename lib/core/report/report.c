/* Reports about an execution that goes on: it runs, it lives, it made files. */
#include "report.h"

#include <string.h>

#include "clock.h"
#include "err.h"
#include "state.h"

#define SECOND_US INT64_C(1000000)

scp_status scp__report_unknown(const char *id, scp_error *err)
{
	return scp__fail_as(err, "InvalidExecution", "There is no session or execution '%.64s'", id);
}

static scp_status other_attempt(const scp__execution *e, uint32_t attempt, scp_error *err)
{
	return scp__fail(err, SCP_ESTATE, "Execution '%s' is at attempt %u; this is about attempt %u", e->pub.id,
	    e->attempt, attempt);
}

scp_status scp__report_live(scp_db_tx *tx, const char *id, uint32_t attempt, scp__execution **out, scp_error *err)
{
	scp_status rc = scp__store_execution_get(tx, id, SCP__LOAD_HELD, out, err);

	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(id, err) : rc;
	if (attempt != SCP_PRESENT_ATTEMPT && attempt != (*out)->attempt)
		rc = other_attempt(*out, attempt, err);
	else if (scp__execution_over((*out)->pub.status))
		rc = scp__fail(
		    err, SCP_ESTATE, "Execution '%s' is %s", id, scp_execution_status_name((*out)->pub.status));
	if (!rc)
		return SCP_OK;
	scp_execution_free(&(*out)->pub);
	*out = NULL;
	return rc;
}

scp_status scp__report_begin(void *out, scp_plane *plane, const char *id, scp_error *err)
{
	if (out)
		*(void **)out = NULL;
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	return scp__enter(plane, false, err);
}

scp_status scp__report_answer(scp_execution **out, scp__core *core, const char *id, scp_error *err)
{
	scp__execution *e;
	scp_status rc = SCP_OK;

	if (!out)
		return SCP_OK;
	rc = scp__execution_load(core, id, SCP__LOAD_CODE | SCP__LOAD_RESULT, &e, err);
	if (!rc)
		*out = &e->pub;
	return rc;
}

/* ---- one report, in one transaction ---- */

struct change {
	const char *id;
	uint32_t attempt;
	int64_t now_us, started_us;
	const scp__result *result; /* its artifacts */
	scp_status (*apply)(scp_db_tx *tx, const struct change *c, const scp__execution *e, scp_error *err);
};

static scp_status change_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct change *c = arg;
	scp__execution *e;
	scp_status rc = scp__report_live(tx, c->id, c->attempt, &e, err);

	if (rc)
		return rc;
	rc = c->apply(tx, c, e, err);
	scp_execution_free(&e->pub);
	return rc;
}

static scp_status report(scp_execution **out, scp_plane *plane, struct change *c, scp_error *err)
{
	scp_status rc = SCP_OK;

	c->now_us = scp__core_now_us(plane->core);
	if (!scp__id_is_execution(c->id))
		rc = scp__report_unknown(c->id, err);
	if (!rc)
		rc = scp__database_transact(plane->core->db, SCP_DB_WRITE, change_tx, c, err);
	return rc ? rc : scp__report_answer(out, plane->core, c->id, err);
}

static scp_status apply_running(scp_db_tx *tx, const struct change *c, const scp__execution *e, scp_error *err)
{
	/* A clock that goes wrong, or a liar, can't give itself more time than it has. */
	bool sane = c->started_us >= e->pub.created_us && c->started_us <= c->now_us;
	int64_t started_us = sane ? c->started_us : c->now_us;
	bool ignored;

	if (e->pub.status == SCP_EXECUTION_RUNNING)
		return SCP_OK;
	return scp__store_execution_started(tx, c->id, e->attempt, e->epoch, started_us,
	    started_us + (int64_t)e->pub.timeout_s * SECOND_US, &ignored, err);
}

scp_status scp_report_status(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const char *status, int64_t started_us, scp_error *err)
{
	struct change c = { .id = id, .attempt = attempt, .started_us = started_us, .apply = apply_running };
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	if (!status || strcmp(status, "running") != 0)
		rc = scp__fail(err, SCP_EINVAL, "status is '%.40s'; allowed is running: an end is a result",
		    status ? status : "missing");
	if (!rc)
		rc = report(out, plane, &c, err);
	scp__leave(plane);
	return rc;
}

static scp_status apply_heartbeat(scp_db_tx *tx, const struct change *c, const scp__execution *e, scp_error *err)
{
	if (c->now_us <= e->pub.last_heartbeat_us)
		return SCP_OK;
	return scp__store_execution_heartbeat(tx, c->id, e->epoch, c->now_us, err);
}

scp_status scp_report_heartbeat(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt, scp_error *err)
{
	struct change c = { .id = id, .attempt = attempt, .apply = apply_heartbeat };
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	rc = report(out, plane, &c, err);
	scp__leave(plane);
	return rc;
}

static scp_status apply_artifacts(scp_db_tx *tx, const struct change *c, const scp__execution *e, scp_error *err)
{
	const scp__finish *f = &c->result->finish;

	return scp__store_artifacts_merge(tx, e->pub.id, f->artifacts, f->artifact_count, err);
}

scp_status scp_report_artifacts(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const scp_artifact *const *artifacts, size_t count, scp_error *err)
{
	scp_report whole = { sizeof(whole), .status = "success", .artifacts = artifacts, .artifact_count = count };
	struct change c = { .id = id, .attempt = attempt, .apply = apply_artifacts };
	scp__result result = { 0 };
	scp_status rc = scp__report_begin(out, plane, id, err);

	if (rc)
		return rc;
	c.result = &result;
	rc = scp__report_parse(&result, &whole, scp__core_now_us(plane->core), err);
	if (!rc)
		rc = report(out, plane, &c, err);
	scp__result_free(&result);
	scp__leave(plane);
	return rc;
}
