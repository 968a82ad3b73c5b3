/* What is long over: found, and thrown away. Everything that hangs on a row goes with it, by its foreign keys. */
#include "err.h"
#include "sql.h"

enum { EXECUTIONS, SESSIONS, CONTAINERS, DROP_EXECUTION, DROP_SESSION, DROP_WORKSPACE, DROP_CONTAINER };
const char *const scp__store_history_sql[] = {
	/* What ended before a time was created before it too, and that is what there is an index for. */
	[EXECUTIONS] = "SELECT id FROM execution WHERE created_us <= ? AND completed_us > 0 AND completed_us <= ? "
		       "ORDER BY created_us, id LIMIT ?",
	[SESSIONS] = "SELECT id FROM session WHERE created_us <= ? AND terminated_us > 0 AND terminated_us <= ? "
		     "AND NOT EXISTS (SELECT 1 FROM execution WHERE execution.session_id = session.id) "
		     "AND NOT EXISTS (SELECT 1 FROM container WHERE container.session_id = session.id) "
		     "AND NOT EXISTS (SELECT 1 FROM workspace WHERE workspace.id = session.workspace_id "
		     "AND workspace.removed_us = 0) ORDER BY created_us, id LIMIT ?",
	[CONTAINERS] = "SELECT id FROM container WHERE created_us <= ? AND status = ? AND exited_us <= ? "
		       "ORDER BY created_us, id LIMIT ?",
	[DROP_EXECUTION] = "DELETE FROM execution WHERE id = ? AND completed_us > 0",
	[DROP_SESSION] = "DELETE FROM session WHERE id = ? AND terminated_us > 0",
	[DROP_WORKSPACE] = "DELETE FROM workspace WHERE removed_us > 0 "
			   "AND id = (SELECT workspace_id FROM session WHERE id = ?)",
	[DROP_CONTAINER] = "DELETE FROM container WHERE id = ?",
	NULL,
};
#define SQL(name) scp__store_history_sql[name]

scp_status scp__store_history_executions(
    scp_db_tx *tx, int64_t before_us, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(EXECUTIONS), ARGS(I(before_us), I(before_us), I(limit)), out, err);
}

static scp_status drop_all(scp_db_tx *tx, const char *sql, const scp__ids *ids, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < ids->count; i++)
		rc = scp__sql_run(tx, sql, ARGS(T(ids->ids[i])), NULL, err);
	return rc;
}

scp_status scp__store_history_drop(scp_db_tx *tx, const scp__ids *executions, scp_error *err)
{
	return drop_all(tx, SQL(DROP_EXECUTION), executions, err);
}

/* Found and dropped in one transaction: `found` is only what the queries' rows are put into. */
static scp_status sweep_containers(scp_db_tx *tx, int64_t before_us, uint32_t limit, scp__ids *found, scp_error *err)
{
	scp_status rc = scp__sql_ids(
	    tx, SQL(CONTAINERS), ARGS(I(before_us), I(SCP_CONTAINER_REMOVED), I(before_us), I(limit)), found, err);

	return rc ? rc : drop_all(tx, SQL(DROP_CONTAINER), found, err);
}

static scp_status sweep_sessions(scp_db_tx *tx, int64_t before_us, uint32_t limit, scp__ids *found, scp_error *err)
{
	scp_status rc = scp__sql_ids(tx, SQL(SESSIONS), ARGS(I(before_us), I(before_us), I(limit)), found, err);

	if (!rc)
		rc = drop_all(tx, SQL(DROP_WORKSPACE), found, err);
	return rc ? rc : drop_all(tx, SQL(DROP_SESSION), found, err);
}

scp_status scp__store_history_sweep(
    scp_db_tx *tx, int64_t before_us, uint32_t limit, uint64_t *sessions, scp_error *err)
{
	scp__ids found = { 0 };
	scp_status rc = sweep_containers(tx, before_us, limit, &found, err);

	scp__ids_clear(&found);
	if (!rc)
		rc = sweep_sessions(tx, before_us, limit, &found, err);
	*sessions = rc ? 0 : found.count;
	scp__ids_free(&found);
	return rc;
}
