/*
 * Disks here of workspaces that are another home's by now, or nobody's: left by a process that was killed, or while
 * this one was taken for lost. Where the storage is folders there are none: those are the workspaces.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "upkeep.h"

enum { BATCH = 500 };

struct page {
	scp__core *core;
	scp__ids ids;
};

static scp_status take(void *user, const scp_object *object, scp_error *err)
{
	struct page *p = user;
	const char *slash = strrchr(object->key, '/');
	const char *name = slash ? slash + 1 : object->key;

	(void)err;
	if (object->directory && !strncmp(name, "ws_", 3) && strlen(name) < SCP__ID_SIZE && p->ids.count < BATCH)
		memcpy(p->ids.ids[p->ids.count++], name, strlen(name) + 1);
	return SCP_OK;
}

struct look {
	scp__core *core;
	const char *id;
	bool stale;
};

/* Nobody has changed it since it was given up: what this disk has, and the storage hasn't, still counts. */
static bool is_given_up(const scp__workspace *w)
{
	return !w->removed_us && !w->node && w->node_ready && w->ended_us;
}

static scp_status take_back(scp_db_tx *tx, const struct look *l, const scp__workspace *w, scp_error *err)
{
	bool ignored;
	scp_status rc = scp__store_workspace_claim(tx, l->id, l->core->home, &ignored, err);

	if (!rc)
		rc = scp__store_workspace_ready(tx, l->id, l->core->home, &ignored, err);
	return rc ? rc : scp__store_workspace_dirty(tx, w->session_id, scp__core_now_us(l->core), err);
}

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct look *l = arg;
	scp__workspace *w;
	scp_status rc = scp__store_workspace_get(tx, l->id, &w, err);

	l->stale = rc == SCP_ENOTFOUND;
	if (rc)
		return l->stale ? SCP_OK : rc;
	if (is_given_up(w))
		rc = take_back(tx, l, w, err);
	else
		l->stale = w->removed_us || !w->node || strcmp(w->node, l->core->home);
	scp__workspace_free(w);
	return rc;
}

static void sweep_one(scp__core *core, const char *id)
{
	struct look l = { core, id, false };
	scp_error err = { 0 };

	if (scp__database_transact(core->db, SCP_DB_WRITE, look_tx, &l, NULL) || !l.stale)
		return;
	if (!scp__workspace_scrap(&core->provision, id, &err))
		scp__log_write(
		    &core->log, SCP_LOG_INFO, "upkeep", NULL, NULL, "an old disk of workspace %s is removed", id);
	else
		scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL,
		    "an old disk of workspace %s can't be removed: %s", id, err.message);
}

void scp__sweep_disks(scp__core *core)
{
	const scp_list_options options = { .struct_size = sizeof(options), .limit = BATCH };
	char after[SCP__ID_SIZE + 16] = "", next[SCP__ID_SIZE + 16];
	struct page p = { core, { .capacity = BATCH } };

	if (!core->provision.mirror || !(p.ids.ids = calloc(BATCH, sizeof(*p.ids.ids))))
		return;
	do {
		next[0] = '\0';
		scp__ids_clear(&p.ids);
		if (scp__storage_list(
			core->provision.local, "sessions", after, &options, take, &p, next, sizeof(next), NULL))
			break;
		for (size_t i = 0; i < p.ids.count; i++)
			sweep_one(core, p.ids.ids[i]);
		memcpy(after, next, sizeof(after));
	} while (next[0]);
	scp__ids_free(&p.ids);
}
