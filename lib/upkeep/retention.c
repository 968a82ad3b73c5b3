/* Leases pushed on, and what has been kept long enough thrown away. */
#include "clock.h"
#include "err.h"
#include "upkeep.h"

#define SECOND_US INT64_C(1000000)

enum { BATCH = 50, BATCHES_MAX = 100, PURGE_BATCH = 1000 };

static scp_status renew_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__core *core = arg;
	int64_t now = scp__now_us();
	scp_status rc = scp__store_execution_renew(tx, core->instance, now + SCP__LEASE_US, err);

	for (size_t i = 0; !rc && i < core->runtime_count; i++)
		rc = scp__store_node_heartbeat(tx, scp__runtime_node_name(core->runtimes[i]), now, err);
	return rc;
}

void scp__renew(scp__core *core)
{
	scp_error err = { 0 };

	if (scp__database_transact(core->db, SCP_DB_WRITE, renew_tx, core, &err))
		scp__log_write(
		    &core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "leases can't be renewed: %s", err.message);
}

struct due {
	int64_t before_us;
	const char *home;
	uint64_t failed; /* in this round; they stay at the front */
	scp__ids ids;
};

static scp_status due_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct due *d = arg;

	scp__ids_clear(&d->ids);
	return scp__store_workspace_due(tx, d->before_us, d->home, d->failed, BATCH, &d->ids, err);
}

static scp_status removed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_workspace_removed(tx, arg, scp__now_us(), err);
}

static scp_status purge_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return scp__store_idempotency_purge(tx, scp__now_us(), PURGE_BATCH, err);
}

static bool remove_workspace(scp__core *core, char *id)
{
	scp_error err = { 0 };
	scp_status rc = scp__workspace_remove(&core->provision, id, &err);

	if (!rc)
		rc = scp__database_transact(core->db, SCP_DB_WRITE, removed_tx, id, &err);
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
	struct due d = { .before_us = scp__now_us() - (int64_t)core->limits.retention_s * SECOND_US,
		.home = core->home };

	for (unsigned i = 0; i < BATCHES_MAX && remove_batch(core, &d); i++)
		;
	scp__ids_free(&d.ids);
	(void)scp__database_transact(core->db, SCP_DB_WRITE, purge_tx, NULL, NULL);
}
