/* How many rows are alive: for the metrics, which are then alike on every replica. */
#include "sql.h"

enum { SESSIONS, EXECUTIONS, CONTAINERS, UNSYNCED };
const char *const scp__store_census_sql[] = {
	[SESSIONS] = "SELECT count(*) FROM session WHERE status = ?",
	[EXECUTIONS] = "SELECT count(*) FROM execution WHERE status = ?",
	[CONTAINERS] = "SELECT count(*) FROM container WHERE node = ? AND status = ?",
	[UNSYNCED] = "SELECT count(*) FROM workspace WHERE dirty_us > 0",
	NULL,
};
#define SQL(name) scp__store_census_sql[name]

static scp_status count_containers(scp_db_tx *tx, const char *node, scp__census *out, scp_error *err)
{
	scp_status rc = SCP_OK;
	uint64_t n;

	for (int status = SCP_CONTAINER_WARM; !rc && status <= SCP_CONTAINER_EXITED; status++) {
		rc = scp__sql_number(tx, SQL(CONTAINERS), ARGS(T(node), I(status)), &n, err);
		if (!rc)
			out->containers[status] += n;
	}
	return rc;
}

static scp_status count_all_containers(scp_db_tx *tx, scp__census *out, scp_error *err)
{
	scp__ids nodes = { 0 };
	scp_status rc = scp__store_node_ids(tx, &nodes, err);

	for (size_t i = 0; !rc && i < nodes.count; i++)
		rc = count_containers(tx, nodes.ids[i], out, err);
	scp__ids_free(&nodes);
	return rc;
}

scp_status scp__store_census(scp_db_tx *tx, scp__census *out, scp_error *err)
{
	scp_status rc;

	*out = (scp__census){ 0 };
	rc = scp__sql_number(tx, SQL(SESSIONS), ARGS(I(SCP_SESSION_CREATING)), &out->sessions_creating, err);
	if (!rc)
		rc = scp__sql_number(tx, SQL(SESSIONS), ARGS(I(SCP_SESSION_RUNNING)), &out->sessions_running, err);
	if (!rc)
		rc =
		    scp__sql_number(tx, SQL(EXECUTIONS), ARGS(I(SCP_EXECUTION_PENDING)), &out->executions_pending, err);
	if (!rc)
		rc =
		    scp__sql_number(tx, SQL(EXECUTIONS), ARGS(I(SCP_EXECUTION_RUNNING)), &out->executions_running, err);
	if (!rc)
		rc = scp__sql_number(tx, SQL(UNSYNCED), NO_ARGS, &out->workspaces_unsynced, err);
	return rc ? rc : count_all_containers(tx, out, err);
}
