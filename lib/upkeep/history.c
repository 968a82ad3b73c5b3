/* What was over long ago is forgotten: a bounded number at a time, so that nobody waits for it. */
#include <stdio.h>

#include "clock.h"
#include "err.h"
#include "upkeep.h"

#define SECOND_US INT64_C(1000000)

enum { BATCH = 500 };

struct batch {
	int64_t before_us;
	scp__ids executions;
	uint64_t sessions;
};

static scp_status find_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct batch *b = arg;

	scp__ids_clear(&b->executions);
	return scp__store_history_executions(tx, b->before_us, BATCH, &b->executions, err);
}

static scp_status drop_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct batch *b = arg;
	scp_status rc = scp__store_history_drop(tx, &b->executions, err);

	return rc ? rc : scp__store_history_sweep(tx, b->before_us, BATCH, &b->sessions, err);
}

/* What is in storage goes first: whoever is killed in between finds the row again. Where it can't, rows stay too. */
static void remove_outputs(scp__core *core, scp__ids *executions)
{
	char prefix[16 + SCP__ID_SIZE];
	scp_error err = { 0 };

	for (size_t i = 0; i < executions->count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "executions/%s", executions->ids[i]);
		if (!scp__storage_remove_prefix(core->storage, prefix, &err))
			continue;
		scp__log_write(&core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "the output of %s can't be removed: %s",
		    executions->ids[i], err.message);
		executions->count = i;
	}
}

/* A session is known for as long as its files are kept, whatever its history may last. */
static int64_t forget_before(scp__core *core)
{
	uint32_t s =
	    core->limits.history_s > core->limits.retention_s ? core->limits.history_s : core->limits.retention_s;

	return scp__core_now_us(core) - (int64_t)s * SECOND_US;
}

void scp__forget(scp__core *core)
{
	struct batch b = { .before_us = 0 };
	scp_error err = { 0 };
	scp_status rc;

	if (!core->limits.history_s)
		return;
	b.before_us = forget_before(core);
	rc = scp__database_transact(core->db, SCP_DB_READ, find_tx, &b, &err);
	if (!rc) {
		remove_outputs(core, &b.executions);
		rc = scp__database_transact(core->db, SCP_DB_WRITE, drop_tx, &b, &err);
	}
	if (rc)
		scp__log_write(
		    &core->log, SCP_LOG_WARN, "upkeep", NULL, NULL, "old rows can't be removed: %s", err.message);
	else if (b.executions.count || b.sessions)
		scp__log_write(&core->log, SCP_LOG_DEBUG, "upkeep", NULL, NULL,
		    "forgot %zu executions and %llu sessions", b.executions.count, (unsigned long long)b.sessions);
	scp__ids_free(&b.executions);
}
