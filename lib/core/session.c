/* Sessions: the public functions, and the one way a session ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "plane.h"
#include "state.h"

#define SECOND_US INT64_C(1000000)

enum { WAIT_MAX_MS = 60000, EXTEND_MIN_S = 60, EXTEND_MAX_S = 3600 };

/* ---- get, wait, list ---- */

struct get {
	const char *id;
	scp__session *s;
};

static scp_status get_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct get *g = arg;

	if (g->s)
		scp_session_free(&g->s->pub);
	g->s = NULL;
	return scp__store_session_get(tx, g->id, &g->s, err);
}

static scp_status no_such(const char *id, scp_error *err)
{
	return scp__fail_as(err, "SessionNotFound", "Session '%.64s' does not exist", id);
}

scp_status scp__session_load(scp__core *core, const char *id, scp__session **out, scp_error *err)
{
	struct get g = { id, NULL };
	scp_status rc;

	*out = NULL;
	if (!scp__id_is_session(id))
		return no_such(id, err);
	rc = scp__database_transact(core->db, SCP_DB_READ, get_tx, &g, err);
	if (!rc)
		*out = g.s;
	else if (g.s)
		scp_session_free(&g.s->pub);
	return rc;
}

static scp_status load_out(scp_session **out, scp__core *core, const char *id, scp_error *err)
{
	scp__session *s;
	scp_status rc = scp__session_load(core, id, &s, err);

	if (!rc)
		*out = &s->pub;
	return rc;
}

static scp_status begin_call(void *out, scp_plane *plane, const char *id, scp_error *err)
{
	if (out)
		*(void **)out = NULL;
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	return scp__enter(plane, false, err);
}

scp_status scp_session_get(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	scp_status rc = out ? begin_call(out, plane, id, err) : scp__fail(err, SCP_EINVAL, "out must not be NULL");

	if (rc)
		return rc;
	rc = load_out(out, plane->core, id, err);
	scp__leave(plane);
	return rc;
}

static scp_status look_created(scp__core *core, const char *id, bool *over, scp_error *err)
{
	scp__session *s;
	scp_status rc = scp__session_load(core, id, &s, err);

	if (rc)
		return rc;
	*over = s->pub.status != SCP_SESSION_CREATING;
	scp_session_free(&s->pub);
	return SCP_OK;
}

static scp_status load_any(void **out, scp__core *core, const char *id, scp_error *err)
{
	return load_out((scp_session **)out, core, id, err);
}

static void free_any(void *snapshot)
{
	scp_session_free(snapshot);
}

static const scp__wait_kind session_wait = { look_created, load_any, free_any, WAIT_MAX_MS };

scp_status scp_session_wait(scp_session **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err)
{
	return scp__wait_blocking((void **)out, plane, id, wait_ms, &session_wait, err);
}

scp_status scp_session_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err)
{
	return scp__wait_async(out, plane, id, wait_ms, &session_wait, fn, user, err);
}

struct list {
	scp_session_query query;
	scp_session_page *page;
};

static scp_status list_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct list *l = arg;

	scp_session_page_free(l->page);
	l->page = NULL;
	return scp__store_session_list(tx, &l->query, &l->page, err);
}

scp_status scp_session_list(scp_session_page **out, scp_plane *plane, const scp_session_query *query, scp_error *err)
{
	struct list l = { SCP_SESSION_QUERY_INIT, NULL };
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
		scp_session_page_free(l.page);
	scp__leave(plane);
	return rc;
}

/* ---- keepalive ---- */

struct keepalive {
	scp__core *core;
	const char *id;
	uint32_t extend_s;
	scp__session *s;
};

static scp_status keepalive_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct keepalive *k = arg;
	int64_t now = scp__core_now_us(k->core), end, oldest;
	uint32_t extend_s;
	scp_status rc;

	if (k->s)
		scp_session_free(&k->s->pub);
	k->s = NULL;
	rc = scp__store_session_hold(tx, k->id, &k->s, err);
	if (rc)
		return rc;
	if (scp__session_over(k->s->pub.status))
		return scp__fail_as(
		    err, "SessionNotRunning", "Session '%s' is %s", k->id, scp_session_status_name(k->s->pub.status));
	extend_s = k->extend_s ? k->extend_s : k->s->pub.timeout_s;
	end = now + extend_s * SECOND_US;
	oldest = k->s->pub.created_us + k->core->limits.session_max_age_s * SECOND_US;
	/* without a time of its own it lives as long as it may */
	rc = scp__store_session_touch(tx, k->id, now, extend_s && end < oldest ? end : oldest, err);
	scp_session_free(&k->s->pub);
	k->s = NULL;
	return rc ? rc : scp__store_session_get(tx, k->id, &k->s, err);
}

scp_status scp_session_keepalive(scp_session **out, scp_plane *plane, const char *id, uint32_t extend_s, scp_error *err)
{
	struct keepalive k = { NULL, id, extend_s, NULL };
	scp_status rc = SCP_OK;

	if (out)
		*out = NULL;
	if (extend_s && (extend_s < EXTEND_MIN_S || extend_s > EXTEND_MAX_S))
		rc = scp__fail(
		    err, SCP_EINVAL, "extend_s is %u; allowed is %d to %d", extend_s, EXTEND_MIN_S, EXTEND_MAX_S);
	if (!rc)
		rc = begin_call(out, plane, id, err);
	if (rc)
		return rc;
	k.core = plane->core;
	if (!scp__id_is_session(id))
		rc = no_such(id, err);
	else
		rc = scp__database_transact(k.core->db, SCP_DB_WRITE, keepalive_tx, &k, err);
	if (!rc && out)
		*out = &k.s->pub;
	else if (k.s)
		scp_session_free(&k.s->pub);
	scp__leave(plane);
	return rc;
}

/* ---- the end ---- */

struct end {
	scp__core *core;
	const char *id;
	scp_session_status to;
	const scp_error *why;
	scp__still_fn *still; /* NULL: in any case */
	void *still_arg;
	bool changed;
	scp__session *s;
};

static scp_status check_still(scp_db_tx *tx, const struct end *e, bool *still, scp_error *err)
{
	scp__session *s;
	scp_status rc;

	*still = true;
	if (!e->still)
		return SCP_OK;
	rc = scp__store_session_hold(tx, e->id, &s, err);
	if (rc)
		return rc;
	rc = e->still(tx, s, e->still_arg, still, err);
	scp_session_free(&s->pub);
	return rc;
}

static scp_status end_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct end *e = arg;
	int64_t now = scp__core_now_us(e->core);
	bool still;
	scp_status rc;

	if (e->s)
		scp_session_free(&e->s->pub);
	e->s = NULL;
	e->changed = false;
	rc = check_still(tx, e, &still, err);
	if (!rc && still)
		rc = scp__store_session_set_status(
		    tx, e->id, scp__session_from(e->to), e->to, e->why, now, &e->changed, err);
	if (!rc)
		rc = scp__store_session_get(tx, e->id, &e->s, err);
	if (!rc && e->changed)
		rc = scp__store_workspace_end(tx, e->s->workspace_id, now, err);
	return rc;
}

static void ended(scp__core *core, const struct end *e)
{
	scp__log_ids ids = { e->s->request_id, e->id, NULL, e->s->pub.container_id };

	scp__core_log(core, SCP_LOG_INFO, &ids, "session %s%s%s", scp_session_status_name(e->to), e->why ? ": " : "",
	    e->why ? e->why->message : "");
	scp__count_session_ended(core->figures, e->to);
	scp__topics_over(core->topics, e->id);
	scp__session_settle(core, e->id);
	/* The container is for a process with upkeep; what runs in it need not wait for that one. */
	if (!core->upkeep)
		(void)scp__session_end_executions(core, e->s, NULL);
}

static scp_status end_session(scp__core *core, struct end *e, scp_error *err)
{
	scp_status rc;

	e->core = core;
	rc = scp__database_transact(core->db, SCP_DB_WRITE, end_tx, e, err);
	if (!rc && e->changed)
		ended(core, e);
	return rc;
}

scp_status scp__session_end(
    scp__core *core, const char *session_id, scp_session_status to, const scp_error *why, bool *changed, scp_error *err)
{
	struct end e = { .id = session_id, .to = to, .why = why };
	scp_status rc = end_session(core, &e, err);

	if (changed)
		*changed = !rc && e.changed;
	if (e.s)
		scp_session_free(&e.s->pub);
	return rc;
}

scp_status scp__session_end_if(scp__core *core, const char *session_id, scp_session_status to, const scp_error *why,
    scp__still_fn *still, void *arg, scp_error *err)
{
	struct end e = { .id = session_id, .to = to, .why = why, .still = still, .still_arg = arg };
	scp_status rc = end_session(core, &e, err);

	if (e.s)
		scp_session_free(&e.s->pub);
	return rc;
}

scp_status scp_session_terminate(scp_session **out, scp_plane *plane, const char *id, scp_error *err)
{
	struct end e = { .id = id, .to = SCP_SESSION_TERMINATED };
	scp_status rc = begin_call(out, plane, id, err);

	if (rc)
		return rc;
	if (!scp__id_is_session(id))
		rc = no_such(id, err);
	else
		rc = end_session(plane->core, &e, err);
	scp__audit(plane, "session.terminate", id, NULL, rc, err);
	if (!rc && out)
		*out = &e.s->pub;
	else if (e.s)
		scp_session_free(&e.s->pub);
	scp__leave(plane);
	return rc;
}
