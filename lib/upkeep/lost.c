/*
 * Nodes that fall silent. Another process says that they are lost; what was on them goes on elsewhere, or ends saying
 * so; and the process that drives one, if it comes back, first removes what was given up.
 *
 * Each step is conditional and may be repeated: whoever is killed in between, another one goes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "map.h"
#include "state.h"
#include "upkeep.h"

enum { BATCH = 200 };

#define NOT_REMOVED                                                                                                    \
	(SCP__BIT(SCP_CONTAINER_WARM) | SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING) |           \
	    SCP__BIT(SCP_CONTAINER_EXITED))

/* ---- who is silent ---- */

struct silence {
	const char *node;
	bool changed;
	scp__ids ids;
};

static scp_status silent_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct silence *s = arg;
	int64_t now;
	scp_status rc = scp__store_now(tx, &now, err);

	scp__ids_clear(&s->ids);
	return rc ? rc : scp__store_node_silent(tx, now, &s->ids, err);
}

static scp_status lose_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct silence *s = arg;
	int64_t now;
	scp_status rc = scp__store_now(tx, &now, err);

	s->changed = false;
	return rc ? rc : scp__store_node_lose(tx, s->node, now, &s->changed, err);
}

/* It has been heard of itself for as long as it would take to lose it: whoever else lives was heard of too. */
static bool may_judge(scp__core *core)
{
	int64_t since_us = atomic_load(&core->heard_since_us);

	return since_us && scp__mono_us() - since_us >= (int64_t)core->limits.node_lost_after_s * 1000000;
}

/* Of its own nodes a process knows better. */
static void lose_silent(scp__core *core)
{
	struct silence s = { 0 };

	if (!may_judge(core))
		return;
	if (scp__database_transact(core->db, SCP_DB_READ, silent_tx, &s, NULL))
		s.ids.count = 0;
	for (size_t i = 0; i < s.ids.count; i++) {
		s.node = s.ids.ids[i];
		if (scp__node_runtime(core, s.node) ||
		    scp__database_transact(core->db, SCP_DB_WRITE, lose_tx, &s, NULL) || !s.changed)
			continue;
		scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL,
		    "node %s is lost: its process isn't heard of any more", s.node);
	}
	scp__ids_free(&s.ids);
}

/* ---- what was there ---- */

struct leave {
	scp__core *core;
	const char *node, *id;
	bool changed;
};

static scp_status give_up_container(scp_db_tx *tx, const scp__session *s, int64_t now_us, scp_error *err)
{
	bool ignored;

	if (!s->pub.container_id)
		return SCP_OK;
	return scp__store_container_set_status(
	    tx, s->pub.container_id, NOT_REMOVED, SCP_CONTAINER_REMOVED, -1, "error", now_us, &ignored, err);
}

static scp_status move(scp_db_tx *tx, struct leave *l, const scp__session *s, scp_error *err)
{
	int64_t now = scp__core_now_us(l->core);
	scp_status rc = scp__store_session_move(tx, l->id, l->node, now, &l->changed, err);

	return rc || !l->changed ? rc : give_up_container(tx, s, now, err);
}

static scp_status move_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct leave *l = arg;
	scp__session *s;
	bool lost;
	scp_status rc = scp__store_node_hold(tx, l->node, &lost, err);

	l->changed = false;
	if (rc || !lost)
		return rc;
	rc = scp__store_session_hold(tx, l->id, &s, err);
	if (rc)
		return rc;
	rc = move(tx, l, s, err);
	scp_session_free(&s->pub);
	return rc;
}

static scp_status still_there(scp_db_tx *tx, const scp__session *s, void *arg, bool *still, scp_error *err)
{
	struct leave *l = arg;
	bool lost;
	scp_status rc = scp__store_node_hold(tx, l->node, &lost, err);

	*still = !rc && lost && !scp__session_over(s->pub.status) && s->pub.runtime_node &&
		 !strcmp(s->pub.runtime_node, l->node);
	return *still ? give_up_container(tx, s, scp__core_now_us(l->core), err) : rc;
}

/* What may have begun there is tried again, or has crashed: nobody who could tell is heard of. */
static void end_run(scp__core *core, const struct leave *l, const char *execution_id, bool again)
{
	char why[160];
	scp__execution *e;
	bool changed;

	if (scp__execution_load(core, execution_id, 0, &e, NULL))
		return;
	snprintf(why, sizeof(why), "node %s was lost while the code ran", l->node);
	if (e->pub.status == SCP_EXECUTION_PENDING && !e->container_id)
		;
	else if (!again || e->attempt >= e->pub.max_retries)
		(void)scp__execution_force(core, execution_id, scp__execution_from(SCP_EXECUTION_CRASHED),
		    SCP_EXECUTION_CRASHED, why, &changed, NULL);
	else
		scp__execution_lost(core, e, false);
	scp_execution_free(&e->pub);
}

struct live {
	const char *session_id;
	scp__ids ids;
};

static scp_status live_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct live *l = arg;

	scp__ids_clear(&l->ids);
	return scp__store_execution_live(
	    tx, l->session_id, SCP__BIT(SCP_EXECUTION_PENDING) | SCP__BIT(SCP_EXECUTION_RUNNING), BATCH, &l->ids, err);
}

static void end_runs(const struct leave *l, bool again)
{
	struct live live = { .session_id = l->id };

	if (!scp__database_transact(l->core->db, SCP_DB_READ, live_tx, &live, NULL))
		for (size_t i = 0; i < live.ids.count; i++)
			end_run(l->core, l, live.ids.ids[i], again);
	scp__ids_free(&live.ids);
}

static void fail_session(struct leave *l)
{
	scp_error why = { 0 };

	end_runs(l, false);
	scp__fail(&why, SCP_EUNAVAIL, "node %s is lost, and the session's files with it", l->node);
	scp__hint(&why, "Create a new session; start the process that drove the node to read the files of this one");
	(void)scp__session_end_if(l->core, l->id, SCP_SESSION_FAILED, &why, still_there, l, NULL);
}

static void move_session(struct leave *l)
{
	scp__log_ids ids = { .session_id = l->id };

	end_runs(l, true);
	if (scp__database_transact(l->core->db, SCP_DB_WRITE, move_tx, l, NULL) || !l->changed)
		return;
	scp__log_write(
	    &l->core->log, SCP_LOG_WARN, "upkeep", &ids, NULL, "session leaves node %s, which is lost", l->node);
	scp__session_settle(l->core, l->id);
}

static void leave_session(scp__core *core, const char *node, const char *id)
{
	struct leave l = { core, node, id, false };
	scp__session *s;

	if (scp__session_load(core, id, &s, NULL))
		return;
	if (scp__workspace_elsewhere(core, s))
		move_session(&l);
	else
		fail_session(&l);
	scp_session_free(&s->pub);
}

struct on_node {
	const char *node;
	scp__ids ids;
};

static scp_status on_node_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct on_node *n = arg;

	scp__ids_clear(&n->ids);
	return scp__store_session_in(
	    tx, SCP__BIT(SCP_SESSION_CREATING) | SCP__BIT(SCP_SESSION_RUNNING), n->node, NULL, BATCH, &n->ids, err);
}

static scp_status abandon_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_workspace_abandon(tx, arg, err);
}

/* What was synced of sessions that are over is to be had of the storage. */
static void abandon_files(scp__core *core, char *node)
{
	if (core->provision.mirror)
		(void)scp__database_transact(core->db, SCP_DB_WRITE, abandon_tx, node, NULL);
}

static void leave_node(scp__core *core, char *node)
{
	struct on_node n = { .node = node };

	abandon_files(core, node);

	if (!scp__database_transact(core->db, SCP_DB_READ, on_node_tx, &n, NULL))
		for (size_t i = 0; i < n.ids.count; i++)
			leave_session(core, node, n.ids.ids[i]);
	scp__ids_free(&n.ids);
}

static scp_status lost_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__ids_clear(arg);
	return scp__store_node_lost(tx, arg, err);
}

void scp__look_for_lost(scp__core *core)
{
	scp__ids lost = { 0 };

	lose_silent(core);
	if (!scp__database_transact(core->db, SCP_DB_READ, lost_tx, &lost, NULL))
		for (size_t i = 0; i < lost.count; i++)
			if (!scp__node_runtime(core, lost.ids[i]))
				leave_node(core, lost.ids[i]);
	scp__ids_free(&lost);
}

/* ---- back again ---- */

static scp_status take(void *user, const scp_runtime_info *info, scp_error *err)
{
	return scp__map_put(user, info->name, user) ? SCP_OK : scp__nomem(err);
}

struct look {
	const char *id;
	bool given_up;
	char workspace_id[SCP__ID_SIZE];
};

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct look *l = arg;
	scp__container *c;
	scp_status rc = scp__store_container_get(tx, l->id, &c, err);

	l->given_up = rc == SCP_ENOTFOUND || (!rc && c->status == SCP_CONTAINER_REMOVED);
	l->workspace_id[0] = '\0';
	if (!rc && c->workspace_id)
		snprintf(l->workspace_id, sizeof(l->workspace_id), "%s", c->workspace_id);
	if (!rc)
		scp__container_free(c);
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}

struct tidy {
	scp__core *core;
	scp_runtime *rt;
	scp_status rc;
};

static void tidy_one(void *user, const char *id, void *value)
{
	struct tidy *t = user;
	struct look l = { .id = id };
	scp_status rc = scp__database_transact(t->core->db, SCP_DB_READ, look_tx, &l, NULL);

	(void)value;
	if (!rc && l.given_up)
		rc = scp__provision_remove(&t->core->provision, t->rt, id, NULL);
	t->rc = t->rc ? t->rc : rc;
	if (rc || !l.given_up)
		return;
	scp__runs_lost(t->core, id, false);
	if (l.workspace_id[0])
		scp__workspace_rest(&t->core->provision, l.workspace_id);
}

/* All that others gave up is gone. */
static scp_status tidy(scp__core *core, scp_runtime *rt, scp_error *err)
{
	struct tidy t = { core, rt, SCP_OK };
	scp__map *there = scp__map_new();
	scp_status rc = there ? scp__runtime_list(rt, take, there, err) : scp__nomem(err);

	if (!rc)
		scp__map_each(there, tidy_one, &t);
	if (there)
		scp__map_free(there);
	if (!rc && t.rc)
		rc = scp__fail(err, t.rc, "a container that was given up can't be removed yet");
	return rc;
}

struct back {
	scp__core *core;
	const char *node;
	bool lost;
};

static scp_status is_lost_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct back *b = arg;

	return scp__store_node_hold(tx, b->node, &b->lost, err);
}

static scp_status back_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct back *b = arg;
	int64_t now;
	scp_status rc = scp__store_now(tx, &now, err);

	return rc ? rc : scp__store_node_find_again(tx, b->node, now, err);
}

/* SCP_OK: it isn't lost (any more). */
static scp_status bring_back(scp__core *core, scp_runtime *rt, bool *was_lost)
{
	struct back b = { core, scp__runtime_node_name(rt), false };
	scp_error err = { 0 };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, is_lost_tx, &b, NULL);

	if (rc || !b.lost)
		return rc;
	*was_lost = true;
	rc = tidy(core, rt, &err);
	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, back_tx, &b, &err);
	scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "node %s was lost and is %s%s", b.node,
	    rc ? "still: " : "back: what others gave up is removed", rc ? err.message : "");
	return rc;
}

void scp__return_nodes(scp__core *core, bool first)
{
	bool was_lost = false;
	scp_status rc = SCP_OK;

	if (!first && !atomic_exchange(&core->node_lost, false))
		return;
	for (size_t i = 0; i < core->runtime_count; i++) {
		scp_status one = bring_back(core, core->runtimes[i], &was_lost);

		rc = rc ? rc : one;
	}
	if (rc)
		atomic_store(&core->node_lost, true); /* once more */
	else if (was_lost && !first)
		scp__reconcile(core, false); /* what is still there goes on here */
	if (!rc && (was_lost || first))
		scp__sweep_disks(core);
}
