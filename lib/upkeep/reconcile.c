/*
 * Runtime against rows, at start and then regularly. Rows are read before the runtime is asked where a row without a
 * container matters, and after where a container without a row does: what is being made or taken down right now is
 * never mistaken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "map.h"
#include "state.h"
#include "upkeep.h"

enum { BATCH = 500 };

struct page {
	const char *node;
	uint32_t bits;
	char after[SCP__ID_SIZE];
	scp__ids ids;
};

static scp_status containers_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct page *p = arg;

	scp__ids_clear(&p->ids);
	return scp__store_container_in(tx, p->node, p->bits, p->after, BATCH, &p->ids, err);
}

static scp_status sessions_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct page *p = arg;

	scp__ids_clear(&p->ids);
	return scp__store_session_in(tx, p->bits, p->node, p->after, BATCH, &p->ids, err);
}

static scp_status workspaces_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct page *p = arg;

	scp__ids_clear(&p->ids);
	return scp__store_workspace_kept(tx, p->node, p->after, BATCH, &p->ids, err);
}

/* Calls fn for every id, a page at a time. */
static void each(scp__core *core, scp_db_fn *find, const char *node, uint32_t bits,
    void (*fn)(scp__core *core, void *user, const char *id), void *user)
{
	struct page p = { .node = node, .bits = bits };

	do {
		if (scp__database_transact(core->db, SCP_DB_READ, find, &p, NULL))
			break;
		for (size_t i = 0; i < p.ids.count; i++)
			fn(core, user, p.ids.ids[i]);
		if (p.ids.count)
			snprintf(p.after, sizeof(p.after), "%s", p.ids.ids[p.ids.count - 1]);
	} while (p.ids.count == BATCH);
	scp__ids_free(&p.ids);
}

/* ---- what the runtime has ---- */

struct found {
	scp__map *running; /* names of containers that run */
	scp__map *all;
};

static scp_status take(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct found *f = user;

	if (!scp__map_put(f->all, info->name, f))
		return scp__nomem(err);
	if (info->status != SCP_CONTAINER_EXITED && !scp__map_put(f->running, info->name, f))
		return scp__nomem(err);
	return SCP_OK;
}

/* ---- rows without a container ---- */

static void keep_name(scp__core *core, void *user, const char *id)
{
	(void)core;
	(void)scp__map_put(user, id, user);
}

struct lost {
	scp__core *core;
	const struct found *found;
};

static void check_row(void *user, const char *id, void *value)
{
	struct lost *l = user;

	(void)value;
	if (!scp__map_get(l->found->running, id))
		scp__container_gone(l->core, id, -1, false);
}

/* ---- containers without a row ---- */

struct look {
	const char *id;
	bool known;
};

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct look *l = arg;
	scp__container *c;
	scp_status rc = scp__store_container_get(tx, l->id, &c, err);

	l->known = !rc && c->status != SCP_CONTAINER_REMOVED;
	if (!rc)
		scp__container_free(c);
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}

struct unknown {
	scp__core *core;
	scp_runtime *rt;
};

static void check_container(void *user, const char *id, void *value)
{
	struct unknown *u = user;
	struct look l = { id, true };
	scp__log_ids ids = { .container_id = id };

	(void)value;
	if (scp__database_transact(u->core->db, SCP_DB_READ, look_tx, &l, NULL) || l.known)
		return;
	scp__log_write(&u->core->log, SCP_LOG_WARN, "upkeep", &ids, NULL, "a container that nobody knows is removed");
	(void)scp__provision_remove(&u->core->provision, u->rt, id, NULL);
}

static void reconcile_node(scp__core *core, scp_runtime *rt)
{
	struct found f = { scp__map_new(), scp__map_new() };
	struct lost lost = { core, &f };
	struct unknown unknown = { core, rt };
	scp__map *rows = scp__map_new();
	scp_error err = { 0 };

	if (f.running && f.all && rows) {
		each(core, containers_tx, scp__runtime_node_name(rt), SCP__BIT(SCP_CONTAINER_RUNNING), keep_name, rows);
		if (!scp__runtime_list(rt, take, &f, &err)) {
			scp__map_each(rows, check_row, &lost);
			scp__map_each(f.all, check_container, &unknown);
		} else {
			scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "the runtime doesn't answer: %s",
			    err.message);
		}
	}
	if (f.running)
		scp__map_free(f.running);
	if (f.all)
		scp__map_free(f.all);
	if (rows)
		scp__map_free(rows);
}

/* ---- sessions ---- */

static void settle(scp__core *core, void *user, const char *id)
{
	(void)user;
	scp__session_settle(core, id);
}

struct session_of {
	const char *container_id;
	char id[SCP__ID_SIZE];
};

static scp_status session_of_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct session_of *s = arg;
	scp__container *c;
	scp_status rc = scp__store_container_get(tx, s->container_id, &c, err);

	if (rc)
		return rc;
	snprintf(s->id, sizeof(s->id), "%s", c->session_id ? c->session_id : "");
	scp__container_free(c);
	return SCP_OK;
}

/* A container that isn't removed belongs to a session that may be over. */
static void settle_owner(scp__core *core, void *user, const char *container_id)
{
	struct session_of s = { container_id, "" };

	(void)user;
	if (!scp__database_transact(core->db, SCP_DB_READ, session_of_tx, &s, NULL) && s.id[0])
		scp__session_settle(core, s.id);
}

/* Of a session that is over: a process that was killed may have left its disk in place. */
static void put_to_rest(scp__core *core, void *user, const char *workspace_id)
{
	(void)user;
	scp__workspace_rest(&core->provision, workspace_id);
}

struct orphan {
	const char *node, *instance;
};

static scp_status orphan_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct orphan *o = arg;

	return scp__store_execution_orphan(tx, o->node, o->instance, err);
}

void scp__reconcile(scp__core *core, bool first)
{
	const uint32_t live = SCP__BIT(SCP_SESSION_CREATING) | SCP__BIT(SCP_SESSION_RUNNING);
	const uint32_t left =
	    SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING) | SCP__BIT(SCP_CONTAINER_EXITED);

	for (size_t i = 0; i < core->runtime_count; i++) {
		struct orphan o = { scp__runtime_node_name(core->runtimes[i]), core->instance };

		if (first)
			(void)scp__database_transact(core->db, SCP_DB_WRITE, orphan_tx, &o, NULL);
		reconcile_node(core, core->runtimes[i]);
		each(core, sessions_tx, o.node, live, settle, NULL);
		each(core, containers_tx, o.node, left, settle_owner, NULL);
		if (first && !core->provision.mirror)
			each(core, workspaces_tx, o.node, 0, put_to_rest, NULL);
	}
	each(core, sessions_tx, NULL, live, settle, NULL);
}
