/*
 * Settling: bring reality in line with a session's row. Whatever happened (created, ended, a container died, code was
 * submitted, the process was restarted), the answer is the same look at the row and the next step towards it; so any
 * process can take up where another was killed. One job at a time for each session.
 */
#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "state.h"
#include "sync.h"

enum { TRY_AGAIN_MS = 500, DOUBLINGS_MAX = 4, LIVE_MAX = 4096 };

/* ---- live executions ---- */

static scp_status live_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__live *l = arg;

	scp__ids_clear(&l->ids);
	return scp__store_execution_live(tx, l->session_id,
	    SCP__BIT(SCP_EXECUTION_PENDING) | SCP__BIT(SCP_EXECUTION_RUNNING), LIVE_MAX, &l->ids, err);
}

scp_status scp__live_load(scp__core *core, scp__live *l, scp_error *err)
{
	return scp__database_transact(core->db, SCP_DB_READ, live_tx, l, err);
}

static const char *why_over(const scp__session *s)
{
	if (s->pub.error)
		return s->pub.error->message;
	return s->pub.status == SCP_SESSION_TERMINATED ? "the session was terminated" : "the session is over";
}

/* One that lives, and has what the code wrote: it ends the run as soon as it finds that the session is over. */
static bool is_driven_elsewhere(scp__core *core, const scp__session *s, const char *execution_id)
{
	scp__execution *e;
	bool is;

	if (!s->pub.runtime_node || scp__node_runtime(core, s->pub.runtime_node) ||
	    scp__execution_load(core, execution_id, 0, &e, NULL))
		return false;
	is = e->owner[0] && e->lease_until_us > scp__core_now_us(core);
	scp_execution_free(&e->pub);
	return is;
}

scp_status scp__session_end_executions(scp__core *core, const scp__session *s, scp_error *err)
{
	scp_execution_status to = scp__execution_end_of(s->pub.status);
	scp__live l = { s->pub.id, { 0 } };
	scp_status rc = scp__live_load(core, &l, err);
	bool changed, left = false;

	for (size_t i = 0; !rc && i < l.ids.count; i++) {
		if (is_driven_elsewhere(core, s, l.ids.ids[i]))
			left = true;
		else
			rc = scp__execution_force(
			    core, l.ids.ids[i], scp__execution_from(to), to, why_over(s), &changed, err);
	}
	scp__ids_free(&l.ids);
	return rc || !left ? rc : SCP_EAGAIN;
}

/* ---- the step ---- */

static scp_status remove_container(scp__core *core, const scp__session *s, scp_runtime *rt)
{
	scp__container *c;
	scp_status rc = scp__container_load(core, s->pub.container_id, &c, NULL);

	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	if (c->status != SCP_CONTAINER_REMOVED)
		rc = scp__take_down(core, s, rt, c->id, false);
	scp__container_free(c);
	return rc;
}

static void put_to_rest(scp__core *core, const char *workspace_id)
{
	if (core->provision.mirror)
		scp__sync_request(core, workspace_id, NULL, NULL); /* then the disk goes */
	else
		scp__workspace_rest(&core->provision, workspace_id);
}

static scp_status settle_over(scp__core *core, const scp__session *s)
{
	scp_runtime *rt = s->pub.runtime_node ? scp__node_runtime(core, s->pub.runtime_node) : NULL;
	scp_status rc = scp__session_end_executions(core, s, NULL);

	if (!rc && rt && s->pub.container_id)
		rc = remove_container(core, s, rt);
	/* Also where it never got a node: its files could be used. */
	if (!rc && (rt || !s->pub.runtime_node))
		put_to_rest(core, s->workspace_id);
	return rc;
}

static bool by_oom(const scp__container *c)
{
	return c->exit_reason && !strcmp(c->exit_reason, "oom_killed");
}

static scp_status settle_container(scp__settling *st, const scp__session *s, const scp__live *l)
{
	scp_runtime *rt = s->pub.runtime_node ? scp__node_runtime(st->core, s->pub.runtime_node) : NULL;
	scp__container *c;
	scp_status rc;

	if (!rt)
		return SCP_OK; /* another process reaches that node */
	rc = scp__container_load(st->core, s->pub.container_id, &c, NULL);
	if (rc)
		return rc;
	if (c->status == SCP_CONTAINER_RUNNING) {
		rc = scp__dispatch(st->core, s, l);
	} else {
		/* Dead, or left half-made by a process that was killed. */
		rc = scp__take_down(st->core, s, rt, c->id, by_oom(c));
		st->again = !rc;
	}
	scp__container_free(c);
	return rc;
}

static bool wants_container(const scp__session *s, const scp__live *l)
{
	return s->pub.status == SCP_SESSION_CREATING || l->ids.count;
}

/* One that has a node has its files there: another process makes its container. */
static bool is_in_reach(scp__core *core, const scp__session *s)
{
	return !s->pub.runtime_node || scp__node_runtime(core, s->pub.runtime_node);
}

/* The row was read before: an ephemeral session's one execution is among the live ones, or over. */
static scp_status settle_live(scp__settling *st, const scp__session *s)
{
	scp__live l = { s->pub.id, { 0 } };
	scp_status rc = scp__live_load(st->core, &l, NULL);

	if (rc)
		;
	else if (s->pub.mode == SCP_EPHEMERAL && s->execution_count && !l.ids.count)
		rc = scp__session_end(st->core, s->pub.id, SCP_SESSION_COMPLETED, NULL, NULL, NULL);
	else if (s->pub.container_id)
		rc = settle_container(st, s, &l);
	else if (wants_container(s, &l) && is_in_reach(st->core, s))
		rc = scp__bring_up(st, s);
	scp__ids_free(&l.ids);
	return rc;
}

static scp_status step(scp__settling *st)
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
	scp__settling *st = arg;
	scp__core *core = st->core;

	pthread_mutex_lock(&core->lock);
	scp__map_remove(core->settling, st->id);
	pthread_mutex_unlock(&core->lock);
	free(st);
}

/* True: nothing is left to do, and `st` is the caller's to free. */
static bool done(scp__settling *st, bool wanted)
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

/* Something doesn't answer: later again. */
static void run_later(scp__settling *st, scp_status why)
{
	unsigned doublings = 0;

	if (done(st, true)) {
		free(st);
		return;
	}
	st->failures += why != SCP_EAGAIN && st->failures < DOUBLINGS_MAX; /* else it was counted already */
	if (st->failures)
		doublings = st->failures <= DOUBLINGS_MAX ? st->failures - 1 : DOUBLINGS_MAX;
	if (scp__pool_submit_after(st->core->slow, (uint32_t)TRY_AGAIN_MS << doublings, run_job, st, drop_job))
		drop_job(st);
}

static void run_job(void *arg)
{
	scp__settling *st = arg;
	scp_status rc;

	for (;;) {
		st->again = false;
		rc = step(st);
		if (rc)
			break;
		if (done(st, false)) {
			free(st);
			return;
		}
	}
	run_later(st, rc);
}

static scp__settling *settling_new(scp__core *core, const char *session_id)
{
	scp__settling *st = calloc(1, sizeof(*st));

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
	scp__settling *st;
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

bool scp__session_is_settling(scp__core *core, const char *session_id)
{
	bool is;

	pthread_mutex_lock(&core->lock);
	is = scp__map_get(core->settling, session_id) != NULL;
	pthread_mutex_unlock(&core->lock);
	return is;
}
