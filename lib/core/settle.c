/*
 * Settling: bring reality in line with a session's row. Whatever happened (created, ended, a container died, code was
 * submitted, the process was restarted), the answer is the same look at the row and the next step towards it; so any
 * process can take up where another was killed. One job at a time for each session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "placement.h"
#include "plane.h"
#include "run.h"
#include "state.h"

enum { TRIES = 3, TRY_AGAIN_MS = 500, LIVE_MAX = 4096 };

struct settling {
	scp__core *core;
	_Atomic bool again;
	unsigned failures; /* in a row */
	char id[SCP__ID_SIZE];
};

/* ---- small transactions ---- */

struct container_args {
	const char *id, *session_id;
	scp__container *c;
	const scp__container *made;
	const char *node, *runtime_type;
	uint32_t from_bits;
	scp_container_status to;
	bool first; /* the session was creating */
	bool changed;
};

static scp_status read_container_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct container_args *a = arg;

	scp__container_free(a->c);
	a->c = NULL;
	return scp__store_container_get(tx, a->id, &a->c, err);
}

/* The row first, then the container: whatever runs is known. */
static scp_status intend_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct container_args *a = arg;
	int64_t now = scp__now_us();
	scp_status rc;

	rc = scp__store_session_place(tx, a->session_id, a->node, a->runtime_type, now, err);
	if (!rc)
		rc = scp__store_session_set_container(tx, a->session_id, NULL, a->id, now, &a->changed, err);
	if (!rc && a->changed)
		rc = scp__store_container_insert(tx, a->made, err);
	return rc;
}

static scp_status running_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct container_args *a = arg;
	int64_t now = scp__now_us();
	bool ignored;
	scp_status rc;

	rc = scp__store_container_set_status(
	    tx, a->id, SCP__BIT(SCP_CONTAINER_CREATING), SCP_CONTAINER_RUNNING, -1, NULL, now, &a->changed, err);
	if (!rc && a->changed && a->first)
		rc = scp__store_session_set_status(
		    tx, a->session_id, SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_RUNNING, NULL, now, &ignored, err);
	return rc;
}

#define NOT_REMOVED                                                                                                    \
	(SCP__BIT(SCP_CONTAINER_WARM) | SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING) |           \
	    SCP__BIT(SCP_CONTAINER_EXITED))

static scp_status removed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct container_args *a = arg;
	int64_t now = scp__now_us();
	scp_status rc;

	rc = scp__store_container_set_status(
	    tx, a->id, NOT_REMOVED, SCP_CONTAINER_REMOVED, -1, NULL, now, &a->changed, err);
	if (!rc)
		rc = scp__store_session_set_container(tx, a->session_id, a->id, NULL, now, &a->changed, err);
	return rc;
}

/* ---- taking down ---- */

/* Remove the container and forget it. SCP_OK: it is gone and the rows say so. */
static scp_status take_down(scp__core *core, const scp__session *s, scp_runtime *rt, const char *container_id)
{
	struct container_args a = { .id = container_id, .session_id = s->pub.id };
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, container_id };
	scp_error err = { 0 };
	scp_status rc = scp__provision_remove(&core->provision, rt, container_id, &err);

	if (rc) {
		scp__core_log(core, SCP_LOG_ERROR, &ids, "the container can't be removed: %s", err.message);
		return rc;
	}
	scp__runs_lost(core, container_id, false);
	return scp__database_transact(core->db, SCP_DB_WRITE, removed_tx, &a, NULL);
}

static void force_all(scp__core *core, const char *session_id, scp_execution_status to, const char *why);

static const char *why_over(const scp__session *s)
{
	if (s->pub.error)
		return s->pub.error->message;
	return s->pub.status == SCP_SESSION_TERMINATED ? "the session was terminated" : "the session is over";
}

static scp_status settle_over(scp__core *core, const scp__session *s)
{
	struct container_args a = { .id = s->pub.container_id };
	scp_runtime *rt = s->pub.runtime_node ? scp__node_runtime(core, s->pub.runtime_node) : NULL;
	scp_status rc = SCP_OK;

	force_all(core, s->pub.id, scp__execution_end_of(s->pub.status), why_over(s));
	if (rt && a.id && !scp__database_transact(core->db, SCP_DB_READ, read_container_tx, &a, NULL)) {
		if (a.c->status != SCP_CONTAINER_REMOVED)
			rc = take_down(core, s, rt, a.id);
		scp__container_free(a.c);
	}
	if (!rc && rt)
		scp__provision_workspace_rest(&core->provision, s->workspace_id);
	return rc;
}

/* ---- live executions ---- */

struct live {
	const char *session_id;
	scp__ids ids;
};

static scp_status live_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct live *l = arg;

	scp__ids_clear(&l->ids);
	return scp__store_execution_live(tx, l->session_id,
	    SCP__BIT(SCP_EXECUTION_PENDING) | SCP__BIT(SCP_EXECUTION_RUNNING), LIVE_MAX, &l->ids, err);
}

static struct live live_of(scp__core *core, const char *session_id)
{
	struct live l = { session_id, { 0 } };

	if (scp__database_transact(core->db, SCP_DB_READ, live_tx, &l, NULL))
		scp__ids_clear(&l.ids);
	return l;
}

static void force_all(scp__core *core, const char *session_id, scp_execution_status to, const char *why)
{
	struct live l = live_of(core, session_id);
	bool changed;

	for (size_t i = 0; i < l.ids.count; i++)
		(void)scp__execution_force(core, l.ids.ids[i], scp__execution_from(to), to, why, &changed, NULL);
	scp__ids_free(&l.ids);
}

struct claim {
	scp__core *core;
	const char *id, *container_id;
	bool claimed;
	int64_t epoch;
	scp__execution *e;
};

static scp_status claim_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct claim *c = arg;
	int64_t now = scp__now_us();
	bool ignored;
	scp_status rc;

	if (c->e)
		scp_execution_free(&c->e->pub);
	c->e = NULL;
	rc = scp__store_execution_claim(
	    tx, c->id, c->core->instance, now, now + SCP__LEASE_US, &c->claimed, &c->epoch, err);
	if (!rc && c->claimed)
		rc = scp__store_execution_get(tx, c->id, SCP__LOAD_CODE, &c->e, err);
	if (!rc && c->claimed && c->e->pub.status == SCP_EXECUTION_PENDING && c->e->not_before_us <= now)
		rc = scp__store_execution_sent(tx, c->id, c->epoch, c->container_id, &ignored, err);
	return rc;
}

/* One that the executor of a container that is no more was to run, is retried; the rest is sent or attached to. */
static void take_up(scp__core *core, const scp__session *s, scp__run *run, const scp__execution *e)
{
	bool running = e->pub.status == SCP_EXECUTION_RUNNING;

	if (running && (!e->container_id || strcmp(e->container_id, s->pub.container_id))) {
		scp__run_release(run);
		scp__execution_lost(core, e, false);
	} else if (!running && e->not_before_us > scp__now_us()) {
		scp__run_release(run);
	} else {
		scp__run_go(run, e, s);
	}
}

static void dispatch_one(scp__core *core, const scp__session *s, const char *id)
{
	struct claim c = { .core = core, .id = id, .container_id = s->pub.container_id };
	scp__run *run = scp__run_reserve(core, id);

	if (!run)
		return; /* driven already */
	if (scp__database_transact(core->db, SCP_DB_WRITE, claim_tx, &c, NULL) || !c.claimed)
		scp__run_release(run);
	else
		take_up(core, s, run, c.e);
	if (c.e)
		scp_execution_free(&c.e->pub);
}

static void dispatch(scp__core *core, const scp__session *s, const struct live *l)
{
	for (size_t i = 0; i < l->ids.count; i++)
		dispatch_one(core, s, l->ids.ids[i]);
}

/* ---- bringing up ---- */

static scp_status make_container(
    scp__core *core, const scp__session *s, scp_runtime *rt, char id[SCP__ID_SIZE], bool *made, scp_error *err)
{
	scp__container row = { 0 };
	struct container_args a = { .id = id, .session_id = s->pub.id, .made = &row };
	scp__provision_spec spec = { 0 };
	scp_status rc = scp__id_make(id, "scp-", 20, err);

	if (rc)
		return rc;
	row.id = id;
	a.node = row.node = scp__runtime_node_name(rt);
	a.runtime_type = row.runtime_type = scp__runtime_type(rt);
	row.status = SCP_CONTAINER_CREATING;
	row.session_id = s->pub.id;
	row.workspace_id = s->workspace_id;
	row.image = s->image;
	row.resources = s->pub.resources;
	row.labels_json = "{}";
	row.created_us = scp__now_us();
	row.exit_code = -1;
	rc = scp__database_transact(core->db, SCP_DB_WRITE, intend_tx, &a, err);
	*made = !rc && a.changed;
	if (!*made)
		return rc; /* over meanwhile, or somebody was faster */
	spec.container_id = id;
	spec.session_id = s->pub.id;
	spec.workspace_id = s->workspace_id;
	spec.image = s->image;
	spec.resources = s->pub.resources;
	spec.network = s->pub.network_enabled;
	spec.read_only_root = s->read_only_root;
	return scp__provision_container(&core->provision, rt, &spec, err);
}

static void brought_up(scp__core *core, const scp__session *s, const char *container_id)
{
	struct container_args a = {
		.id = container_id, .session_id = s->pub.id, .first = s->pub.status == SCP_SESSION_CREATING
	};
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, container_id };
	double took_ms = (double)(scp__now_us() - s->pub.created_us) / 1000.0;

	if (scp__database_transact(core->db, SCP_DB_WRITE, running_tx, &a, NULL))
		return;
	if (a.first)
		scp__core_log(core, SCP_LOG_INFO, &ids, "session running after %.1f ms", took_ms);
	else
		scp__core_log(core, SCP_LOG_INFO, &ids, "session has a fresh container");
	scp__topics_over(core->topics, s->pub.id);
}

static bool passes(scp_status rc)
{
	return rc == SCP_EUNAVAIL || rc == SCP_ECAPACITY || rc == SCP_EBUSY || rc == SCP_ETIMEDOUT || rc == SCP_EAGAIN;
}

/* SCP_EAGAIN: try later. */
static scp_status not_brought_up(struct settling *st, const scp__session *s, const scp_error *why)
{
	scp__core *core = st->core;
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, NULL };

	scp__core_log(core, SCP_LOG_WARN, &ids, "the sandbox can't be started: %s", why->message);
	if (passes(why->status) && ++st->failures < TRIES)
		return SCP_EAGAIN;
	st->failures = 0;
	if (s->pub.status == SCP_SESSION_CREATING)
		return scp__session_end(core, s->pub.id, SCP_SESSION_FAILED, why, NULL, NULL);
	force_all(core, s->pub.id, SCP_EXECUTION_FAILED, why->message);
	return SCP_OK;
}

static scp_status bring_up(struct settling *st, const scp__session *s)
{
	scp__core *core = st->core;
	scp_runtime *rt = NULL;
	char id[SCP__ID_SIZE];
	bool made = false;
	scp_error err = { 0 };
	scp_status rc;

	rc = scp__schedule_place(&rt, core->runtimes, core->runtime_count, s->pub.runtime_node, s->image, &err);
	if (!rc)
		rc = make_container(core, s, rt, id, &made, &err);
	if (rc && made)
		(void)take_down(core, s, rt, id);
	if (rc)
		return not_brought_up(st, s, &err);
	st->failures = 0;
	if (made)
		brought_up(core, s, id);
	st->again = true; /* look again: dispatch, or take it down if the session ended meanwhile */
	return SCP_OK;
}

/* ---- the step ---- */

static scp_status settle_container(struct settling *st, const scp__session *s, const struct live *l)
{
	struct container_args a = { .id = s->pub.container_id };
	scp_runtime *rt = s->pub.runtime_node ? scp__node_runtime(st->core, s->pub.runtime_node) : NULL;
	scp_status rc;

	if (!rt)
		return SCP_OK; /* another process reaches that node */
	rc = scp__database_transact(st->core->db, SCP_DB_READ, read_container_tx, &a, NULL);
	if (rc)
		return rc;
	if (a.c->status == SCP_CONTAINER_RUNNING) {
		dispatch(st->core, s, l);
	} else {
		/* Dead, or left half-made by a process that was killed. */
		rc = take_down(st->core, s, rt, a.id);
		st->again = !rc;
	}
	scp__container_free(a.c);
	return rc;
}

static bool wants_container(const scp__session *s, const struct live *l)
{
	return s->pub.status == SCP_SESSION_CREATING || l->ids.count;
}

static scp_status settle_live(struct settling *st, const scp__session *s)
{
	struct live l = live_of(st->core, s->pub.id);
	scp_status rc = SCP_OK;

	if (s->pub.mode == SCP_EPHEMERAL && s->execution_count && !l.ids.count)
		rc = scp__session_end(st->core, s->pub.id, SCP_SESSION_COMPLETED, NULL, NULL, NULL);
	else if (s->pub.container_id)
		rc = settle_container(st, s, &l);
	else if (wants_container(s, &l))
		rc = bring_up(st, s);
	scp__ids_free(&l.ids);
	return rc;
}

static scp_status step(struct settling *st)
{
	scp__session *s;
	scp_status rc = scp__session_load(st->core, st->id, &s, NULL);

	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	if (scp__session_over(s->pub.status))
		rc = settle_over(st->core, s);
	else
		rc = settle_live(st, s);
	scp_session_free(&s->pub);
	return rc;
}

/* ---- one job a session ---- */

static void run_job(void *arg);

static void drop_job(void *arg)
{
	struct settling *st = arg;
	scp__core *core = st->core;

	pthread_mutex_lock(&core->lock);
	scp__map_remove(core->settling, st->id);
	pthread_mutex_unlock(&core->lock);
	free(st);
}

static bool done(struct settling *st, bool wanted)
{
	scp__core *core = st->core;
	bool over;

	pthread_mutex_lock(&core->lock);
	over = core->closing || !(st->again || wanted);
	if (over)
		scp__map_remove(core->settling, st->id);
	pthread_mutex_unlock(&core->lock);
	return over;
}

static void run_job(void *arg)
{
	struct settling *st = arg;
	scp_status rc;

	for (;;) {
		pthread_mutex_lock(&st->core->lock);
		st->again = false;
		pthread_mutex_unlock(&st->core->lock);
		rc = step(st);
		if (rc)
			break;
		if (done(st, false)) {
			free(st);
			return;
		}
	}
	/* Something doesn't answer: later again. */
	if (done(st, true))
		free(st);
	else if (scp__pool_submit_after(st->core->slow, TRY_AGAIN_MS << (st->failures & 7), run_job, st, drop_job))
		drop_job(st);
}

static struct settling *settling_new(scp__core *core, const char *session_id)
{
	struct settling *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->core = core;
	snprintf(st->id, sizeof(st->id), "%s", session_id);
	if (scp__map_put(core->settling, session_id, st))
		return st;
	free(st);
	return NULL;
}

void scp__session_settle(scp__core *core, const char *session_id)
{
	struct settling *st;
	bool post = false;

	pthread_mutex_lock(&core->lock);
	st = scp__map_get(core->settling, session_id);
	if (st) {
		st->again = true;
	} else if (!core->closing && core->upkeep) {
		st = settling_new(core, session_id);
		post = st != NULL;
	}
	pthread_mutex_unlock(&core->lock);
	if (post && scp__pool_submit(core->slow, run_job, st))
		drop_job(st);
}
