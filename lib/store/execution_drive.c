/* How an execution is driven: claimed, sent, started, retried, ended. Every change is conditional; the row count
 * decides. */
#include "columns.h"
#include "rows.h"

enum { DUE, CLAIM, EPOCH, ORPHAN, RENEW, SENT, STARTED, HEARTBEAT, RETRY, REQUEST_CANCEL, TO_CANCEL, FINISH };
const char *const scp__store_execution_drive_sql[] = {
	[DUE] = "SELECT e.id FROM execution e JOIN session s ON s.id = e.session_id "
		"WHERE e.status = 1 AND e.not_before_us <= ? AND (e.owner = '' OR e.lease_until_us < ?) "
		"AND (s.node = ? OR s.node IS NULL) ORDER BY e.created_us, e.id LIMIT ?",
	[CLAIM] = "UPDATE execution SET owner = ?, epoch = epoch + 1, lease_until_us = ? "
		  "WHERE id = ? AND status IN (1, 2) AND (owner = '' OR owner = ? OR lease_until_us < ?)",
	[EPOCH] = "SELECT epoch FROM execution WHERE id = ?",
	[ORPHAN] =
	    "UPDATE execution SET owner = '', lease_until_us = 0 WHERE status IN (1, 2) AND owner <> ? AND EXISTS "
	    "(SELECT 1 FROM session WHERE session.id = execution.session_id AND session.node = ?)",
	[RENEW] = "UPDATE execution SET lease_until_us = ? WHERE status IN (1, 2) AND owner = ?",
	[SENT] = "UPDATE execution SET container_id = ? WHERE id = ? AND epoch = ? AND status = 1",
	[STARTED] = "UPDATE execution SET status = 2, started_us = ?, deadline_us = ?, last_heartbeat_us = ? "
		    "WHERE id = ? AND status = 1 AND attempt = ? AND epoch = ?",
	[HEARTBEAT] = "UPDATE execution SET last_heartbeat_us = ? WHERE id = ? AND epoch = ? AND status IN (1, 2)",
	[RETRY] =
	    "UPDATE execution SET status = 1, attempt = attempt + 1, not_before_us = ?, seq = ?, container_id = NULL, "
	    "started_us = 0, deadline_us = 0, last_heartbeat_us = 0 "
	    "WHERE id = ? AND status IN (1, 2) AND attempt = ? AND epoch = ?",
	[REQUEST_CANCEL] = "UPDATE execution SET cancel_requested = 1 WHERE id = ? AND status IN (1, 2)",
	[TO_CANCEL] = "SELECT id FROM execution WHERE status = 2 AND owner = ? AND cancel_requested = 1 "
		      "ORDER BY created_us, id LIMIT ?",
	[FINISH] = "UPDATE execution SET status = ?, completed_us = ?, error = ?, exit_code = ?, signal_number = ?, "
		   "return_value = ?, metrics = ?, seq = ?, has_output = ?, sync_pending = ?, "
		   "artifact_count = CASE WHEN artifact_count > ? THEN artifact_count ELSE ? END, owner = '', "
		   "lease_until_us = 0 "
		   "WHERE id = ? AND status " IN_7 " AND (? < 0 OR attempt = ?) AND (? < 0 OR epoch = ?)",
	NULL,
};
#define SQL(name) scp__store_execution_drive_sql[name]

scp_status scp__store_execution_due(
    scp_db_tx *tx, const char *node, int64_t now_us, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(DUE), ARGS(I(now_us), I(now_us), T(node), I(limit)), out, err);
}

scp_status scp__store_execution_claim(scp_db_tx *tx, const char *id, const char *owner, int64_t now_us,
    int64_t lease_until_us, bool *claimed, int64_t *epoch, scp_error *err)
{
	uint64_t number = 0;
	scp_status rc = scp__sql_change(
	    tx, SQL(CLAIM), ARGS(T(owner), I(lease_until_us), T(id), T(owner), I(now_us)), claimed, err);

	*epoch = 0;
	if (rc || !*claimed)
		return rc;
	rc = scp__sql_number(tx, SQL(EPOCH), ARGS(T(id)), &number, err);
	*epoch = (int64_t)number;
	return rc;
}

scp_status scp__store_execution_orphan(scp_db_tx *tx, const char *node, const char *not_owner, scp_error *err)
{
	return scp__sql_run(tx, SQL(ORPHAN), ARGS(T(not_owner), T(node)), NULL, err);
}

scp_status scp__store_execution_renew(scp_db_tx *tx, const char *owner, int64_t lease_until_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(RENEW), ARGS(I(lease_until_us), T(owner)), NULL, err);
}

scp_status scp__store_execution_sent(
    scp_db_tx *tx, const char *id, int64_t epoch, const char *container_id, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(SENT), ARGS(T(container_id), T(id), I(epoch)), changed, err);
}

scp_status scp__store_execution_started(scp_db_tx *tx, const char *id, uint32_t attempt, int64_t epoch, int64_t now_us,
    int64_t deadline_us, bool *changed, scp_error *err)
{
	return scp__sql_change(
	    tx, SQL(STARTED), ARGS(I(now_us), I(deadline_us), I(now_us), T(id), I(attempt), I(epoch)), changed, err);
}

scp_status scp__store_execution_heartbeat(scp_db_tx *tx, const char *id, int64_t epoch, int64_t now_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(HEARTBEAT), ARGS(I(now_us), T(id), I(epoch)), NULL, err);
}

scp_status scp__store_execution_retry(scp_db_tx *tx, const char *id, uint32_t attempt, int64_t epoch,
    int64_t not_before_us, uint64_t seq, bool *changed, scp_error *err)
{
	return scp__sql_change(
	    tx, SQL(RETRY), ARGS(I(not_before_us), I(seq), T(id), I(attempt), I(epoch)), changed, err);
}

scp_status scp__store_execution_request_cancel(scp_db_tx *tx, const char *id, scp_error *err)
{
	return scp__sql_run(tx, SQL(REQUEST_CANCEL), ARGS(T(id)), NULL, err);
}

scp_status scp__store_execution_to_cancel(
    scp_db_tx *tx, const char *owner, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(TO_CANCEL), ARGS(T(owner), I(limit)), out, err);
}

static scp_status finish_row(scp_db_tx *tx, const char *id, uint32_t from_bits, int64_t attempt, int64_t epoch,
    const scp__finish *f, bool *changed, scp_error *err)
{
	scp_status rc;
	scp__buf metrics;

	scp__column_init(&metrics);
	rc = scp__metrics_write(&metrics, f->metrics, err);
	if (!rc)
		rc = scp__sql_change(tx, SQL(FINISH),
		    ARGS(I(f->to), I(f->now_us), T(f->error), I(f->exit_code), I(f->signal), T(f->return_json),
			scp__column_value(&metrics), I(f->seq), I(scp__output_any(f)), I(f->sync_pending),
			I(f->artifact_count), I(f->artifact_count), T(id), BITS_7(from_bits), I(attempt), I(attempt),
			I(epoch), I(epoch)),
		    changed, err);
	scp__buf_free(&metrics);
	return rc;
}

scp_status scp__store_execution_finish(scp_db_tx *tx, const char *id, uint32_t from_bits, int64_t attempt,
    int64_t epoch, const scp__finish *f, bool *changed, scp_error *err)
{
	scp_status rc;

	*changed = false;
	rc = finish_row(tx, id, from_bits, attempt, epoch, f, changed, err);
	if (!rc && *changed)
		rc = scp__output_insert(tx, id, f, err);
	return rc;
}
