#include "err.h"
#include "sql.h"

enum { UPDATE, INSERT, GET, ALLOCATED, IDS };
const char *const scp__store_node_sql[] = {
	[UPDATE] = "UPDATE node SET runtime_type = ?, url = ?, advertise_url = ?, cpu_millis = ?, memory_bytes = ?, "
		   "containers = ?, heartbeat_us = ?, lost_after_us = ?, status = CASE WHEN status = 'draining' THEN "
		   "status ELSE ? END WHERE id = ?",
	[INSERT] =
	    "INSERT INTO node (runtime_type, url, advertise_url, cpu_millis, memory_bytes, containers, heartbeat_us, "
	    "lost_after_us, status, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GET] =
	    "SELECT id, runtime_type, url, status, cpu_millis, memory_bytes, containers, heartbeat_us, advertise_url, "
	    "lost_after_us, lost_us FROM node WHERE id = ?",
	[ALLOCATED] = "SELECT COALESCE(sum(cpu_millis), 0), COALESCE(sum(memory_bytes), 0), count(*) FROM container "
		      "WHERE node = ? AND status IN (1, 2, 3)",
	[IDS] = "SELECT id FROM node ORDER BY id",
	NULL,
};
#define SQL(name) scp__store_node_sql[name]

scp_status scp__store_node_put(scp_db_tx *tx, const scp__node *n, scp_error *err)
{
	scp__args args = ARGS(T(n->runtime_type), T(n->url), T(n->advertise_url), I(n->cpu_millis), I(n->memory_bytes),
	    I(n->containers), I(n->heartbeat_us), I(n->lost_after_us), T(n->status), T(n->id));
	bool there;
	scp_status rc = scp__sql_change(tx, SQL(UPDATE), args, &there, err);

	if (!rc && !there)
		rc = scp__sql_twin(scp__sql_run(tx, SQL(INSERT), args, NULL, err), err);
	return rc;
}

static scp__node *read_row(scp__rows *rows)
{
	scp__node *n = scp__arena_alloc(rows->arena, sizeof(*n));

	if (!n) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	n->id = scp__row_text(rows);
	n->runtime_type = scp__row_text(rows);
	n->url = scp__row_text(rows);
	n->status = scp__row_text(rows);
	n->cpu_millis = scp__row_uint(rows);
	n->memory_bytes = scp__row_uint(rows);
	n->containers = scp__row_u32(rows);
	n->heartbeat_us = scp__row_int(rows);
	n->advertise_url = scp__row_text(rows);
	n->lost_after_us = scp__row_int(rows);
	n->lost_us = scp__row_int(rows);
	n->arena = rows->arena;
	return n;
}

static scp_status read_allocated(scp_db_tx *tx, scp__node *n, scp_error *err)
{
	scp__rows rows;

	scp__rows_open(&rows, tx, SQL(ALLOCATED), ARGS(T(n->id)), NULL, err);
	if (scp__rows_next(&rows)) {
		n->allocated_cpu_millis = scp__row_uint(&rows);
		n->allocated_memory_bytes = scp__row_uint(&rows);
		n->allocated_containers = scp__row_u32(&rows);
	}
	return scp__rows_close(&rows);
}

scp_status scp__store_node_get(scp_db_tx *tx, const char *id, scp__node **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__node *n = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		n = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !n)
		rc = scp__fail(err, SCP_ENOTFOUND, "node '%.64s' does not exist", id);
	if (!rc)
		rc = read_allocated(tx, n, err);
	if (rc)
		scp__arena_free(arena);
	else
		*out = n;
	return rc;
}

void scp__node_free(scp__node *n)
{
	if (n)
		scp__arena_free(n->arena);
}

scp_status scp__store_node_ids(scp_db_tx *tx, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(IDS), NO_ARGS, out, err);
}
