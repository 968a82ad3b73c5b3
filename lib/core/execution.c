/* Executions: the public functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "plane.h"
#include "state.h"

enum { WAIT_MAX_MS = 3700000, OUTPUT_LOAD_MAX = (int)SCP__OUTPUT_MAX };

/* ---- get, wait, list ---- */

struct get {
	const char *id;
	unsigned load;
	scp__execution *e;
};

static scp_status get_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct get *g = arg;

	if (g->e)
		scp_execution_free(&g->e->pub);
	g->e = NULL;
	return scp__store_execution_get(tx, g->id, g->load, &g->e, err);
}

/* Output that stands in storage, not in the row. */
static scp_status load_blob(
    scp__core *core, scp__execution *e, const char *key, const char **data, size_t *len, scp_error *err)
{
	void *bytes;
	size_t n;
	scp_status rc;

	if (!key)
		return SCP_OK;
	rc = scp__storage_get_bytes(core->storage, key, OUTPUT_LOAD_MAX, &bytes, &n, err);
	if (rc == SCP_ENOTFOUND) {
		*data = ""; /* retention was faster, or its node is lost: the byte count still tells */
		*len = 0;
		return scp__output_missing(core, e, err);
	}
	if (rc)
		return rc;
	*data = scp__arena_memdup(e->arena, bytes, n);
	*len = *data ? n : 0;
	free(bytes);
	return *data ? SCP_OK : scp__nomem(err);
}

scp_status scp__execution_load(scp__core *core, const char *id, unsigned load, scp__execution **out, scp_error *err)
{
	struct get g = { id, load, NULL };
	scp_status rc;

	*out = NULL;
	if (!scp__id_is_execution(id))
		return scp__fail_as(err, "ExecutionNotFound", "Execution '%.64s' does not exist", id);
	rc = scp__database_transact(core->db, SCP_DB_READ, get_tx, &g, err);
	if (!rc && load & SCP__LOAD_RESULT) {
		rc = load_blob(core, g.e, g.e->stdout_key, &g.e->pub.out, &g.e->pub.out_len, err);
		if (!rc)
			rc = load_blob(core, g.e, g.e->stderr_key, &g.e->pub.err, &g.e->pub.err_len, err);
		if (!rc) {
			g.e->pub.out_truncated = g.e->pub.out_len < g.e->pub.out_bytes;
			g.e->pub.err_truncated = g.e->pub.err_len < g.e->pub.err_bytes;
		}
	}
	if (!rc)
		*out = g.e;
	else if (g.e)
		scp_execution_free(&g.e->pub);
	return rc;
}

static scp_status load_any(void **out, scp__core *core, const char *id, scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, SCP__LOAD_CODE | SCP__LOAD_RESULT, &e, err);

	*out = rc ? NULL : &e->pub;
	return rc;
}

static void free_any(void *snapshot)
{
	scp_execution_free(snapshot);
}

static scp_status look_over(scp__core *core, const char *id, bool *over, scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, 0, &e, err);

	if (rc)
		return rc;
	*over = scp__execution_over(e->pub.status);
	scp_execution_free(&e->pub);
	return SCP_OK;
}

static const scp__wait_kind execution_wait = { look_over, load_any, free_any, WAIT_MAX_MS };

scp_status scp_execution_get(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	void *snapshot = NULL;
	scp_status rc;

	if (!out || !id)
		return scp__fail(err, SCP_EINVAL, "out and id must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = load_any(&snapshot, plane->core, id, err);
	*out = snapshot;
	scp__leave(plane);
	return rc;
}

scp_status scp_execution_wait(scp_execution **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err)
{
	return scp__wait_blocking((void **)out, plane, id, wait_ms, &execution_wait, err);
}

scp_status scp_execution_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err)
{
	return scp__wait_async(out, plane, id, wait_ms, &execution_wait, fn, user, err);
}

/* A wait has a bound; an execution that waits for its turn may take longer. */
static scp_status wait_over(scp_execution **e, scp_plane *plane, scp_error *err)
{
	char id[SCP__ID_SIZE];
	scp_status rc;

	do {
		snprintf(id, sizeof(id), "%s", (*e)->id);
		scp_execution_free(*e);
		*e = NULL;
		rc = scp_execution_wait(e, plane, id, WAIT_MAX_MS, err);
	} while (!rc && !(*e)->result && !plane->deadline_ms);
	return rc;
}

scp_status scp_run(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	/* From the first call to the last: between them the plane must not go. */
	rc = scp__enter(plane, true, err);
	if (rc)
		return rc;
	rc = scp_execute(out, plane, session_id, spec, err);
	if (!rc && !(*out)->result)
		rc = wait_over(out, plane, err);
	scp__leave(plane);
	return rc;
}

struct list {
	scp_execution_query query;
	scp_execution_page *page;
};

static scp_status list_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct list *l = arg;
	scp__session *s;
	scp_status rc;

	scp_execution_page_free(l->page);
	l->page = NULL;
	if (l->query.session_id) {
		rc = scp__store_session_get(tx, l->query.session_id, &s, err);
		if (rc)
			return rc;
		scp_session_free(&s->pub);
	}
	return scp__store_execution_list(tx, &l->query, &l->page, err);
}

scp_status scp_execution_list(
    scp_execution_page **out, scp_plane *plane, const scp_execution_query *query, scp_error *err)
{
	struct list l = { SCP_EXECUTION_QUERY_INIT, NULL };
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	if (query)
		l.query = *query;
	rc = scp__check_page(l.query.limit, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_READ, list_tx, &l, err);
	if (!rc)
		*out = l.page;
	else
		scp_execution_page_free(l.page);
	scp__leave(plane);
	return rc;
}

/* ---- cancel ---- */

static scp_status request_cancel_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_execution_request_cancel(tx, arg, err);
}

static scp_status over_already(const scp__execution *e, scp_error *err)
{
	return scp__fail(err, SCP_ESTATE, "Execution '%s' is %s", e->pub.id, scp_execution_status_name(e->pub.status));
}

static scp_status check_live(scp__core *core, const char *id, char session_id[SCP__ID_SIZE], scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, 0, &e, err);

	if (rc)
		return rc;
	if (scp__execution_over(e->pub.status))
		rc = over_already(e, err);
	snprintf(session_id, SCP__ID_SIZE, "%s", e->pub.session_id);
	scp_execution_free(&e->pub);
	return rc;
}

static scp_status cancel(scp__core *core, char *id, scp_error *err)
{
	char session_id[SCP__ID_SIZE];
	bool changed = false;
	scp_status rc = check_live(core, id, session_id, err);

	if (!rc)
		rc = scp__execution_force(core, id, SCP__BIT(SCP_EXECUTION_PENDING), SCP_EXECUTION_CANCELLED,
		    "cancelled before it started", &changed, err);
	if (!rc && changed)
		scp__session_settle(core, session_id); /* an ephemeral one is over with it */
	if (rc || changed)
		return rc;
	/* It runs, or is over by now: the flag is for whoever drives it, also if that is another process. */
	rc = check_live(core, id, session_id, err);
	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, request_cancel_tx, id, err);
	if (!rc)
		scp__run_cancel(core, id);
	return rc;
}

scp_status scp_execution_cancel(scp_execution **out, scp_plane *plane, const char *id, scp_error *err)
{
	char copy[SCP__ID_SIZE];
	void *snapshot = NULL;
	scp_status rc;

	if (out)
		*out = NULL;
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	snprintf(copy, sizeof(copy), "%.*s", SCP__ID_SIZE - 1, id);
	rc = cancel(plane->core, copy, err);
	scp__audit(plane, "execution.cancel", NULL, copy, rc, err);
	if (!rc && out) {
		rc = load_any(&snapshot, plane->core, copy, err);
		*out = snapshot;
	}
	scp__leave(plane);
	return rc;
}

/* For execution_async.c. */
scp_status scp__execution_wait_view(scp_plane *view, const char *id, scp_error *err)
{
	return scp__wait_then_complete(view, id, WAIT_MAX_MS, &execution_wait, err);
}
