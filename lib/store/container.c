#include "columns.h"
#include "err.h"

#define COLUMNS                                                                                                        \
	"id, node, runtime_type, status, session_id, workspace_id, image, cpu_millis, memory_bytes, disk_bytes, "      \
	"max_processes, created_us, started_us, exited_us, exit_code, exit_reason, labels"

enum { INSERT, GET, SET_STATUS, SET_RUNNING, SET_EXITED, SET_REMOVED, IN, OF_OVER };
const char *const scp__store_container_sql[] = {
	[INSERT] = "INSERT INTO container (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GET] = "SELECT " COLUMNS " FROM container WHERE id = ?",
	[SET_STATUS] = "UPDATE container SET status = ? WHERE id = ? AND status " IN_5,
	[SET_RUNNING] = "UPDATE container SET status = ?, started_us = ? WHERE id = ? AND status " IN_5,
	[SET_EXITED] = "UPDATE container SET status = ?, exited_us = ?, exit_code = ?, exit_reason = ? "
		       "WHERE id = ? AND status " IN_5,
	/* One that ended by itself keeps what is known of its end. */
	[SET_REMOVED] = "UPDATE container SET status = ?, "
			"exited_us = CASE WHEN exited_us = 0 THEN ? ELSE exited_us END, "
			"exit_reason = CASE WHEN exit_reason IS NULL AND started_us > 0 THEN ? ELSE exit_reason END "
			"WHERE id = ? AND status " IN_5,
	[IN] = "SELECT id FROM container WHERE node = ? AND status " IN_5 " AND id > ? ORDER BY id LIMIT ?",
	[OF_OVER] = "SELECT c.session_id FROM container c JOIN session s ON s.id = c.session_id "
		    "WHERE c.node = ? AND c.status IN (2, 3, 4) AND s.status > 2 LIMIT ?",
	NULL,
};
#define SQL(name) scp__store_container_sql[name]

scp_status scp__store_container_insert(scp_db_tx *tx, const scp__container *c, scp_error *err)
{
	return scp__sql_run(tx, SQL(INSERT),
	    ARGS(T(c->id), T(c->node), T(c->runtime_type), I(c->status), T(c->session_id), T(c->workspace_id),
		T(c->image), RESOURCES(c->resources), I(c->created_us), I(c->started_us), I(c->exited_us),
		I(c->exit_code), T(c->exit_reason), T(c->labels_json ? c->labels_json : "{}")),
	    NULL, err);
}

static scp__container *read_row(scp__rows *rows)
{
	scp__container *c = scp__arena_alloc(rows->arena, sizeof(*c));

	if (!c) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	c->id = scp__row_text(rows);
	c->node = scp__row_text(rows);
	c->runtime_type = scp__row_text(rows);
	c->status = (scp_container_status)scp__row_int(rows);
	c->session_id = scp__row_text(rows);
	c->workspace_id = scp__row_text(rows);
	c->image = scp__row_text(rows);
	c->resources = scp__resources_read(rows);
	c->created_us = scp__row_int(rows);
	c->started_us = scp__row_int(rows);
	c->exited_us = scp__row_int(rows);
	c->exit_code = (int)scp__row_int(rows);
	c->exit_reason = scp__row_text(rows);
	c->labels_json = scp__row_text(rows);
	c->arena = rows->arena;
	return c;
}

scp_status scp__store_container_get(scp_db_tx *tx, const char *id, scp__container **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__container *c = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		c = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !c)
		rc = scp__fail_as(err, "ContainerNotFound", "container '%.64s' does not exist", id);
	if (rc)
		scp__arena_free(arena);
	else
		*out = c;
	return rc;
}

void scp__container_free(scp__container *c)
{
	if (c)
		scp__arena_free(c->arena);
}

scp_status scp__store_container_set_status(scp_db_tx *tx, const char *id, uint32_t from_bits, scp_container_status to,
    int exit_code, const char *exit_reason, int64_t now_us, bool *changed, scp_error *err)
{
	switch (to) {
	case SCP_CONTAINER_RUNNING:
		return scp__sql_change(
		    tx, SQL(SET_RUNNING), ARGS(I(to), I(now_us), T(id), BITS_5(from_bits)), changed, err);
	case SCP_CONTAINER_EXITED:
		return scp__sql_change(tx, SQL(SET_EXITED),
		    ARGS(I(to), I(now_us), I(exit_code), T(exit_reason), T(id), BITS_5(from_bits)), changed, err);
	case SCP_CONTAINER_REMOVED:
		return scp__sql_change(tx, SQL(SET_REMOVED),
		    ARGS(I(to), I(now_us), T(exit_reason), T(id), BITS_5(from_bits)), changed, err);
	default:
		return scp__sql_change(tx, SQL(SET_STATUS), ARGS(I(to), T(id), BITS_5(from_bits)), changed, err);
	}
}

scp_status scp__store_container_in(scp_db_tx *tx, const char *node, uint32_t status_bits, const char *after,
    uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(IN), ARGS(T(node), BITS_5(status_bits), T(after ? after : ""), I(limit)), out, err);
}

scp_status scp__store_container_of_over(scp_db_tx *tx, const char *node, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(OF_OVER), ARGS(T(node), I(limit)), out, err);
}
