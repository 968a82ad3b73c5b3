/* Leases pushed on, and what has been kept long enough thrown away. */
#include "clock.h"
#include "err.h"
#include "upkeep.h"

#define SECOND_US INT64_C(1000000)

enum { BATCH = 50, BATCHES_MAX = 100, PURGE_BATCH = 1000 };

struct renewal {
	scp__core *core;
	bool lost; /* a node is, as the others say */
};

static scp_status renew_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct renewal *r = arg;
	scp__core *core = r->core;
	int64_t now;
	bool heard = true;
	scp_status rc = scp__store_now(tx, &now, err);

	r->lost = false;
	for (size_t i = 0; !rc && i < core->runtime_count; i++) {
		rc = scp__store_node_heartbeat(tx, scp__runtime_node_name(core->runtimes[i]), now, &heard, err);
		r->lost |= !heard;
	}
	return rc ? rc : scp__store_execution_renew(tx, core->instance, now + SCP__LEASE_US, err);
}

/* Whoever couldn't be heard of itself doesn't know who else could: after an outage everybody has some time. */
static void note_renewal(scp__core *core, bool renewed, int64_t begun_us)
{
	int64_t now_us = scp__mono_us(), late_us = (int64_t)core->limits.node_lost_after_s * SECOND_US / 2;

	if (!renewed)
		atomic_store(&core->heard_since_us, 0);
	else if (!atomic_load(&core->heard_since_us) || now_us - core->renewed_us > late_us ||
		 now_us - begun_us > late_us)
		atomic_store(&core->heard_since_us, now_us);
	core->renewed_us = now_us;
}

void scp__renew(scp__core *core)
{
	struct renewal r = { core, false };
	scp_error err = { 0 };
	int64_t begun_us = scp__mono_us();
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, renew_tx, &r, &err);

	note_renewal(core, !rc, begun_us);
	if (rc)
		scp__log_write(
		    &core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "leases can't be renewed: %s", err.message);
	else if (r.lost)
		atomic_store(&core->node_lost, true);
}

struct due {
	int64_t before_us;
	uint64_t failed; /* in this round, or another process's; they stay at the front */
	scp__ids ids;
};

static scp_status due_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct due *d = arg;

	scp__ids_clear(&d->ids);
	return scp__store_workspace_due(tx, d->before_us, d->failed, BATCH, &d->ids, err);
}

struct workspace {
	scp__core *core;
	const char *id;
	bool ours;
};

static scp_status removed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct workspace *w = arg;

	return scp__store_workspace_removed(tx, w->id, scp__core_now_us(w->core), err);
}

static scp_status purge_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_idempotency_purge(tx, scp__core_now_us(arg), PURGE_BATCH, err);
}

/* What a storage of all processes has, any of them may remove; but not what lies on another's disk still. */
static bool is_ours(scp__core *core, const scp__workspace *w, const scp__session *s)
{
	if (!s->pub.runtime_node || scp__node_runtime(core, s->pub.runtime_node))
		return true;
	return core->provision.mirror ? !w->node : scp__workspace_elsewhere(core, s);
}

/* Files in a folder are for the process in whose folder they are. */
static scp_status whose_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct workspace *w = arg;
	scp__workspace *row;
	scp__session *s = NULL;
	scp_status rc = scp__store_workspace_get(tx, w->id, &row, err);

	w->ours = true;
	if (rc)
		return rc;
	rc = row->session_id ? scp__store_session_get(tx, row->session_id, &s, err) : SCP_OK;
	if (s)
		w->ours = is_ours(w->core, row, s);
	if (s)
		scp_session_free(&s->pub);
	scp__workspace_free(row);
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}

static bool remove_workspace(scp__core *core, const char *id)
{
	struct workspace w = { core, id, true };
	scp_error err = { 0 };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, whose_tx, &w, &err);

	if (!rc && !w.ours)
		return false;
	if (!rc)
		rc = scp__workspace_remove(&core->provision, id, &err);
	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, removed_tx, &w, &err);
	if (rc)
		scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "workspace %s can't be removed: %s", id,
		    err.message);
	return !rc;
}

/* True: there may be more. */
static bool remove_batch(scp__core *core, struct due *d)
{
	if (scp__database_transact(core->db, SCP_DB_READ, due_tx, d, NULL))
		return false;
	for (size_t i = 0; i < d->ids.count; i++)
		d->failed += !remove_workspace(core, d->ids.ids[i]);
	return d->ids.count == BATCH;
}

void scp__retain(scp__core *core)
{
	struct due d = { .before_us = scp__core_now_us(core) - (int64_t)core->limits.retention_s * SECOND_US };

	for (unsigned i = 0; i < BATCHES_MAX && remove_batch(core, &d); i++)
		;
	scp__ids_free(&d.ids);
	(void)scp__database_transact(core->db, SCP_DB_WRITE, purge_tx, core, NULL);
}
