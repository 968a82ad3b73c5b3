#include "err.h"
#include "sql.h"

#define COLUMNS "id, session_id, node, node_ready, disk_bytes, created_us, ended_us, removed_us, dirty_us"

enum {
	INSERT,
	GET,
	END,
	DUE,
	KEPT,
	OWED,
	REMOVED,
	CLAIM,
	READY,
	LEAVE,
	ABANDON,
	UNPLACED,
	OURS,
	DIRTY,
	CLEAN,
	CLEAN_RESULTS
};
const char *const scp__store_workspace_sql[] = {
	[INSERT] = "INSERT INTO workspace (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GET] = "SELECT " COLUMNS " FROM workspace WHERE id = ?",
	[END] = "UPDATE workspace SET ended_us = ? WHERE id = ? AND ended_us = 0",
	[DUE] = "SELECT id FROM workspace WHERE removed_us = 0 AND ended_us > 0 AND ended_us <= ? ORDER BY ended_us, "
		"id LIMIT ? OFFSET ?",
	[KEPT] = "SELECT w.id FROM workspace w JOIN session s ON s.id = w.session_id WHERE w.removed_us = 0 AND "
		 "w.ended_us > 0 AND w.id > ? AND s.node = ? ORDER BY w.id LIMIT ?",
	[OWED] = "SELECT id FROM workspace WHERE node = ? AND removed_us = 0 AND (dirty_us > 0 OR ended_us > 0) "
		 "AND id > ? ORDER BY id LIMIT ?",
	[REMOVED] = "UPDATE workspace SET removed_us = ? WHERE id = ? AND removed_us = 0",
	[CLAIM] = "UPDATE workspace SET node = ?, node_ready = 0 WHERE id = ? AND removed_us = 0",
	[READY] = "UPDATE workspace SET node_ready = 1 WHERE id = ? AND node = ?",
	[LEAVE] = "UPDATE workspace SET node = NULL, node_ready = 0 WHERE id = ? AND node = ?",
	[ABANDON] = "UPDATE workspace SET node = NULL WHERE node IS NOT NULL AND ended_us > 0 "
		    "AND id IN (SELECT workspace_id FROM session WHERE session.node = ? AND session.status > 2)",
	[UNPLACED] = "UPDATE workspace SET node_ready = 0 WHERE id = ? AND node IS NULL AND removed_us = 0",
	[OURS] = "SELECT COUNT(*) FROM workspace WHERE id = ? AND node = ?" HELD_SHARE,
	[DIRTY] =
	    "UPDATE workspace SET dirty_us = ? WHERE id = (SELECT workspace_id FROM session WHERE session.id = ?) "
	    "AND dirty_us = 0",
	[CLEAN] = "UPDATE workspace SET dirty_us = 0 WHERE id = ? AND dirty_us <= ?",
	[CLEAN_RESULTS] = "UPDATE execution SET sync_pending = 0 WHERE session_id = ? AND status > 2 "
			  "AND completed_us <= ? AND sync_pending = 1",
	NULL,
};
#define SQL(name) scp__store_workspace_sql[name]

scp_status scp__store_workspace_insert(scp_db_tx *tx, const scp__workspace *w, scp_error *err)
{
	return scp__sql_run(tx, SQL(INSERT),
	    ARGS(T(w->id), T(w->session_id), T(w->node), I(w->node_ready), I(w->disk_bytes), I(w->created_us),
		I(w->ended_us), I(w->removed_us), I(w->dirty_us)),
	    NULL, err);
}

static scp__workspace *read_row(scp__rows *rows)
{
	scp__workspace *w = scp__arena_alloc(rows->arena, sizeof(*w));

	if (!w) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	w->id = scp__row_text(rows);
	w->session_id = scp__row_text(rows);
	w->node = scp__row_text(rows);
	w->node_ready = scp__row_bool(rows);
	w->disk_bytes = scp__row_uint(rows);
	w->created_us = scp__row_int(rows);
	w->ended_us = scp__row_int(rows);
	w->removed_us = scp__row_int(rows);
	w->dirty_us = scp__row_int(rows);
	w->arena = rows->arena;
	return w;
}

scp_status scp__store_workspace_get(scp_db_tx *tx, const char *id, scp__workspace **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__workspace *w = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		w = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !w)
		rc = scp__fail(err, SCP_ENOTFOUND, "workspace '%.64s' does not exist", id);
	if (rc)
		scp__arena_free(arena);
	else
		*out = w;
	return rc;
}

void scp__workspace_free(scp__workspace *w)
{
	if (w)
		scp__arena_free(w->arena);
}

scp_status scp__store_workspace_end(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(END), ARGS(I(now_us), T(id)), NULL, err);
}

scp_status scp__store_workspace_due(
    scp_db_tx *tx, int64_t ended_before_us, uint64_t skip, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(DUE), ARGS(I(ended_before_us), I(limit), I(skip)), out, err);
}

scp_status scp__store_workspace_kept(
    scp_db_tx *tx, const char *node, const char *after, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(KEPT), ARGS(T(after), T(node), I(limit)), out, err);
}

scp_status scp__store_workspace_removed(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(REMOVED), ARGS(I(now_us), T(id)), NULL, err);
}

scp_status scp__store_workspace_owed(
    scp_db_tx *tx, const char *home, const char *after, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(OWED), ARGS(T(home), T(after), I(limit)), out, err);
}

scp_status scp__store_workspace_claim(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(CLAIM), ARGS(T(home), T(id)), changed, err);
}

scp_status scp__store_workspace_ready(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(READY), ARGS(T(id), T(home)), changed, err);
}

scp_status scp__store_workspace_leave(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(LEAVE), ARGS(T(id), T(home)), changed, err);
}

scp_status scp__store_workspace_abandon(scp_db_tx *tx, const char *node, scp_error *err)
{
	return scp__sql_run(tx, SQL(ABANDON), ARGS(T(node)), NULL, err);
}

scp_status scp__store_workspace_unplaced(scp_db_tx *tx, const char *id, bool *is, scp_error *err)
{
	return scp__sql_change(tx, SQL(UNPLACED), ARGS(T(id)), is, err);
}

scp_status scp__store_workspace_ours(scp_db_tx *tx, const char *id, const char *home, bool *are, scp_error *err)
{
	uint64_t count;
	scp_status rc = scp__sql_number(tx, SQL(OURS), ARGS(T(id), T(home)), &count, err);

	*are = count > 0;
	return rc;
}

scp_status scp__store_workspace_dirty(scp_db_tx *tx, const char *session_id, int64_t now_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(DIRTY), ARGS(I(now_us), T(session_id)), NULL, err);
}

scp_status scp__store_workspace_clean(
    scp_db_tx *tx, const char *id, const char *session_id, int64_t since_us, scp_error *err)
{
	scp_status rc = scp__sql_run(tx, SQL(CLEAN), ARGS(T(id), I(since_us)), NULL, err);

	return rc ? rc : scp__sql_run(tx, SQL(CLEAN_RESULTS), ARGS(T(session_id), I(since_us)), NULL, err);
}
