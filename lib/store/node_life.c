/* Whether a node is heard of. One that falls silent is lost; it is back once its process has tidied up behind it. */
#include "err.h"
#include "sql.h"

/* When a node is lost unless it is heard of before. A release that writes no lost_after_us meant a minute. */
#define LOST_AT "heartbeat_us + CASE WHEN lost_after_us > 0 THEN lost_after_us ELSE 60000000 END"

enum { HEARTBEAT, SILENT, LOSE, LOST, FIND_AGAIN, HOLD, ORPHAN };
const char *const scp__store_node_life_sql[] = {
	[HEARTBEAT] = "UPDATE node SET heartbeat_us = ? WHERE id = ? AND lost_us = 0",
	[SILENT] = "SELECT id FROM node WHERE lost_us = 0 AND " LOST_AT " < ? ORDER BY id",
	[LOSE] = "UPDATE node SET lost_us = ? WHERE id = ? AND lost_us = 0 AND " LOST_AT " < ?",
	[LOST] = "SELECT id FROM node WHERE lost_us > 0 ORDER BY lost_us, id",
	[FIND_AGAIN] = "UPDATE node SET lost_us = 0, heartbeat_us = ? WHERE id = ?",
	[HOLD] = "SELECT lost_us FROM node WHERE id = ?" HELD_SHARE,
	/* The epoch: whoever drove them may live, and must find that they aren't its any more. */
	[ORPHAN] = "UPDATE execution SET owner = '', lease_until_us = 0, epoch = epoch + 1 WHERE status IN (1, 2) AND "
		   "EXISTS (SELECT 1 FROM session WHERE session.id = execution.session_id AND session.node = ?)",
	NULL,
};
#define SQL(name) scp__store_node_life_sql[name]

scp_status scp__store_node_heartbeat(scp_db_tx *tx, const char *id, int64_t now_us, bool *heard, scp_error *err)
{
	return scp__sql_change(tx, SQL(HEARTBEAT), ARGS(I(now_us), T(id)), heard, err);
}

scp_status scp__store_node_silent(scp_db_tx *tx, int64_t now_us, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(SILENT), ARGS(I(now_us)), out, err);
}

scp_status scp__store_node_lose(scp_db_tx *tx, const char *id, int64_t now_us, bool *changed, scp_error *err)
{
	scp_status rc = scp__sql_change(tx, SQL(LOSE), ARGS(I(now_us), T(id), I(now_us)), changed, err);

	return rc || !*changed ? rc : scp__sql_run(tx, SQL(ORPHAN), ARGS(T(id)), NULL, err);
}

scp_status scp__store_node_lost(scp_db_tx *tx, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(LOST), NO_ARGS, out, err);
}

scp_status scp__store_node_find_again(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(FIND_AGAIN), ARGS(I(now_us), T(id)), NULL, err);
}

scp_status scp__store_node_hold(scp_db_tx *tx, const char *id, bool *lost, scp_error *err)
{
	uint64_t lost_us = 0;
	scp_status rc = scp__sql_number(tx, SQL(HOLD), ARGS(T(id)), &lost_us, err);

	*lost = lost_us != 0;
	return rc;
}
