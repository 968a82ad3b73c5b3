/* Prepared statements: kept for each connection by the address of their static text. */
#include "mariadb.h"

#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* ---- one statement's memory ---- */

scp_db_stmt *scp__mariadb_slots_new(void)
{
	return calloc(SCP__MARIADB_SLOTS, sizeof(scp_db_stmt));
}

/* mysql_stmt_close() tells the server only where the connection still is. */
static void clear(scp_db_stmt *stmt)
{
	if (stmt->raw)
		(void)mysql_stmt_close(stmt->raw);
	scp__mariadb_cells_free(stmt);
	free(stmt->text);
	free(stmt->params);
	free(stmt->numbers);
	memset(stmt, 0, sizeof(*stmt));
}

void scp__mariadb_slots_free(scp_db_stmt *slots)
{
	for (size_t i = 0; i < SCP__MARIADB_SLOTS; i++)
		if (slots[i].sql)
			clear(&slots[i]);
	free(slots);
}

/* ---- where a statement is kept ---- */

static scp_db_stmt *slot_at(scp__mariadb_conn *conn, const char *sql, size_t way)
{
	uint64_t hash = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u;

	return &conn->slots[((hash >> 40) + way) % SCP__MARIADB_SLOTS];
}

/* The text is compared too: an address that was given to another text must not bring back the old statement. */
static scp_db_stmt *find_kept(scp__mariadb_conn *conn, const char *sql)
{
	for (size_t way = 0; way < SCP__MARIADB_WAYS; way++) {
		scp_db_stmt *stmt = slot_at(conn, sql, way);

		if (stmt->sql == sql && !stmt->live && !strcmp(stmt->text, sql))
			return stmt;
	}
	return NULL;
}

/* An empty slot, or one whose statement nobody uses now. NULL: all are in use. */
static scp_db_stmt *find_room(scp__mariadb_conn *conn, const char *sql)
{
	scp_db_stmt *victim = NULL;

	for (size_t way = 0; way < SCP__MARIADB_WAYS; way++) {
		scp_db_stmt *stmt = slot_at(conn, sql, way);

		if (!stmt->sql)
			return stmt;
		if (!stmt->live)
			victim = stmt;
	}
	if (victim)
		clear(victim);
	return victim;
}

/* All replicas share one bound of the server's: who meets it does with fewer. */
static void forget_kept(scp__mariadb_conn *conn)
{
	for (size_t i = 0; i < SCP__MARIADB_SLOTS; i++)
		if (conn->slots[i].sql && !conn->slots[i].live)
			clear(&conn->slots[i]);
}

static void link_live(scp__mariadb_conn *conn, scp_db_stmt *stmt)
{
	stmt->live = true;
	stmt->executed = stmt->ended = false;
	stmt->prev = NULL;
	stmt->next = conn->live;
	if (conn->live)
		conn->live->prev = stmt;
	conn->live = stmt;
}

static void unlink_live(scp_db_stmt *stmt)
{
	*(stmt->prev ? &stmt->prev->next : &stmt->conn->live) = stmt->next;
	if (stmt->next)
		stmt->next->prev = stmt->prev;
	stmt->live = false;
}

/* ---- prepare ---- */

static scp_status ask_server(scp__mariadb_conn *conn, const char *sql, MYSQL_STMT **out, scp_error *err)
{
	scp_error failure = { 0 };
	MYSQL_STMT *raw = mysql_stmt_init(conn->raw);
	scp_status rc = SCP_OK;

	*out = NULL;
	if (!raw)
		return scp__nomem(err);
	if (mysql_stmt_prepare(raw, sql, strlen(sql)) &&
	    (mysql_stmt_errno(raw) != ER_MAX_PREPARED_STMT_COUNT_REACHED ||
		(forget_kept(conn), mysql_stmt_prepare(raw, sql, strlen(sql)))))
		rc = scp__mariadb_fail(conn, mysql_stmt_errno(raw), mysql_stmt_error(raw), "prepare", &failure);
	if (!rc) {
		*out = raw;
		return SCP_OK;
	}
	scp__error_copy(err, &failure);
	(void)mysql_stmt_close(raw);
	return rc;
}

static bool make_room(scp_db_stmt *stmt, const char *sql)
{
	size_t params = mysql_stmt_param_count(stmt->raw);

	stmt->param_count = (unsigned)params;
	stmt->text = strdup(sql);
	stmt->params = calloc(params + 1, sizeof(*stmt->params));
	stmt->numbers = calloc(params + 1, sizeof(*stmt->numbers));
	return stmt->text && stmt->params && stmt->numbers;
}

static scp_status keep_new(scp__mariadb_conn *conn, const char *sql, MYSQL_STMT *raw, scp_db_stmt **out, scp_error *err)
{
	scp_db_stmt *stmt = find_room(conn, sql);
	bool kept = stmt;

	if (!stmt)
		stmt = calloc(1, sizeof(*stmt));
	if (!stmt) {
		(void)mysql_stmt_close(raw);
		return scp__nomem(err);
	}
	*stmt = (scp_db_stmt){ .raw = raw, .conn = conn, .sql = sql, .kept = kept };
	*out = stmt;
	if (make_room(stmt, sql))
		return SCP_OK;
	clear(stmt);
	if (!kept)
		free(stmt);
	*out = NULL;
	return scp__nomem(err);
}

scp_status scp__mariadb_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	scp__mariadb_conn *conn = (scp__mariadb_conn *)(void *)tx;
	scp_db_stmt *stmt = find_kept(conn, sql);
	MYSQL_STMT *raw = NULL;
	scp_status rc = SCP_OK;

	*out = NULL;
	if (!stmt) {
		rc = ask_server(conn, sql, &raw, err);
		if (!rc)
			rc = keep_new(conn, sql, raw, &stmt, err);
	}
	if (rc)
		return rc;
	link_live(conn, stmt);
	*out = stmt;
	return SCP_OK;
}

/* ---- bind ---- */

static void bind_bytes(MYSQL_BIND *to, const scp_db_value *value)
{
	to->buffer_type = value->type == SCP_DB_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
	to->buffer = (void *)(uintptr_t)(value->data ? value->data : "");
	to->buffer_length = to->length_value = value->len;
	to->length = &to->length_value;
}

scp_status scp__mariadb_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err)
{
	MYSQL_BIND *to = &stmt->params[index];

	if (index < 0 || (unsigned)index >= stmt->param_count)
		return scp__fail(err, SCP_EBACKEND, "database: bind: the statement has no parameter %d", index);
	memset(to, 0, sizeof(*to));
	to->buffer = &stmt->numbers[index];
	switch (value->type) {
	case SCP_DB_INTEGER:
		to->buffer_type = MYSQL_TYPE_LONGLONG;
		stmt->numbers[index] = value->integer;
		break;
	case SCP_DB_REAL:
		to->buffer_type = MYSQL_TYPE_DOUBLE;
		memcpy(&stmt->numbers[index], &value->real, sizeof(value->real));
		break;
	case SCP_DB_TEXT:
	case SCP_DB_BLOB:
		bind_bytes(to, value);
		break;
	default:
		to->buffer_type = MYSQL_TYPE_NULL;
	}
	return SCP_OK;
}

/* ---- release ---- */

void scp__mariadb_release(scp_db_stmt *stmt)
{
	unlink_live(stmt);
	scp__mariadb_rows_end(stmt);
	for (unsigned i = 0; i < stmt->param_count; i++)
		stmt->params[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_NULL };
	if (stmt->kept)
		return;
	clear(stmt);
	free(stmt);
}

void scp__mariadb_release_all(scp__mariadb_conn *conn)
{
	while (conn->live)
		scp__mariadb_release(conn->live);
}
