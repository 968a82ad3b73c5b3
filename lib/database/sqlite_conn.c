#include "sqlite.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"

#define BUSY_PAUSE_US 50   /* the first wait for another process's lock; doubles */
#define BUSY_PAUSE_SHIFT 6 /* up to 3.2 ms: SQLite's own handler sleeps up to 100 and starves beside a busy one */
#define WAL_KEEP_BYTES "67108864"

/* ---- opening ---- */

static int on_busy(void *arg, int count)
{
	scp__sqlite_conn *conn = arg;
	int64_t now = scp__mono_us();
	long us = BUSY_PAUSE_US << (count < BUSY_PAUSE_SHIFT ? count : BUSY_PAUSE_SHIFT);
	struct timespec pause = { 0, us * 1000 };

	if (!count)
		conn->busy_since_us = now;
	if (now - conn->busy_since_us > (int64_t)conn->busy_limit_ms * 1000)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

/* Changing the journal mode meets locks that the busy handler isn't asked about, when several processes start at once.
 */
static scp_status set_wal(scp__sqlite_conn *conn, scp_error *err)
{
	scp_db_value mode = { 0 };
	scp_db_stmt *stmt;
	scp_status rc = scp__sqlite_prepare(&conn->tx, "PRAGMA journal_mode=WAL", &stmt, err);
	bool row = false;

	if (rc)
		return rc;
	rc = scp__sqlite_step(stmt, &row, err);
	if (!rc && row)
		scp__sqlite_column(stmt, 0, &mode);
	if (!rc && (!mode.data || strcmp(mode.data, "wal"))) {
		rc = scp__fail(
		    err, SCP_ENOTSUP, "database %s: this file system can't hold a write-ahead log", conn->owner->path);
		scp__hint(err, "Keep the database on a local disk (not NFS, SMB or FUSE)");
	}
	scp__sqlite_release(stmt);
	return rc;
}

static scp_status set_wal_patiently(scp__sqlite_conn *conn, scp_error *err)
{
	int64_t until = scp__mono_us() + (int64_t)SCP__SQLITE_WAIT_MS * 1000;
	scp_status rc;

	for (unsigned tries = 0; (rc = set_wal(conn, err)) == SCP_EAGAIN && scp__mono_us() < until; tries++)
		scp__sqlite_back_off(tries);
	return rc;
}

static scp_status configure(scp__sqlite_conn *conn, bool writes, scp_error *err)
{
	const char *pragmas[] = {
		conn->owner->sync_full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
		"PRAGMA foreign_keys=ON",
		"PRAGMA temp_store=MEMORY",
		"PRAGMA trusted_schema=OFF",
		"PRAGMA journal_size_limit=" WAL_KEEP_BYTES,
		"PRAGMA wal_autocheckpoint=0", /* sqlite_checkpoint.c does it */
		writes ? "PRAGMA query_only=OFF" : "PRAGMA query_only=ON",
	};
	scp_status rc = writes ? set_wal_patiently(conn, err) : SCP_OK;

	sqlite3_db_config(conn->raw, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	for (size_t i = 0; !rc && i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
		rc = scp__sqlite_exec(&conn->tx, pragmas[i], err);
	return rc;
}

scp_status scp__sqlite_conn_open(scp__sqlite_conn **out, scp__sqlite *owner, bool writes, scp_error *err)
{
	const int flags =
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
	scp__sqlite_conn *conn = calloc(1, sizeof(*conn));
	scp_status rc = SCP_OK;
	int code;

	*out = NULL;
	if (!conn)
		return scp__nomem(err);
	conn->tx.db = &owner->base;
	conn->owner = owner;
	conn->busy_limit_ms = SCP__SQLITE_WAIT_MS;
	code = sqlite3_open_v2(owner->path, &conn->raw, flags, NULL);
	if (code)
		rc = scp__sqlite_fail(owner, conn->raw, code, "open", err);
	else
		sqlite3_busy_handler(conn->raw, on_busy, conn);
	if (!rc)
		rc = configure(conn, writes, err);
	if (rc)
		scp__sqlite_conn_close(conn);
	else
		*out = conn;
	return rc;
}

void scp__sqlite_conn_close(scp__sqlite_conn *conn)
{
	if (!conn)
		return;
	(void)scp__sqlite_conn_settle(conn, SCP_OK, NULL);
	for (size_t i = 0; i < SCP__SQLITE_SLOTS; i++)
		sqlite3_finalize(conn->slots[i].raw);
	sqlite3_close(conn->raw);
	free(conn);
}

/* ---- statements ---- */

/* Where a statement may be kept: the place of the text's address, and a few behind. */
static scp_db_stmt *slot_at(scp__sqlite_conn *conn, const char *sql, size_t way)
{
	uint64_t hash = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u;

	return &conn->slots[((hash >> 40) + way) % SCP__SQLITE_SLOTS];
}

/* The text is compared too: an address that was given to another text must not bring back the old statement. */
static scp_db_stmt *find_kept(scp__sqlite_conn *conn, const char *sql)
{
	for (size_t way = 0; way < SCP__SQLITE_WAYS; way++) {
		scp_db_stmt *stmt = slot_at(conn, sql, way);

		if (stmt->sql == sql && !stmt->live && !strcmp(sqlite3_sql(stmt->raw), sql))
			return stmt;
	}
	return NULL;
}

/* An empty slot, or one whose statement nobody uses now. NULL: all are in use. */
static scp_db_stmt *find_room(scp__sqlite_conn *conn, const char *sql)
{
	scp_db_stmt *victim = NULL;

	for (size_t way = 0; way < SCP__SQLITE_WAYS; way++) {
		scp_db_stmt *stmt = slot_at(conn, sql, way);

		if (!stmt->sql)
			return stmt;
		if (!stmt->live)
			victim = stmt;
	}
	return victim;
}

static void link_live(scp__sqlite_conn *conn, scp_db_stmt *stmt)
{
	stmt->live = true;
	stmt->prev = NULL;
	stmt->next = conn->live;
	if (conn->live)
		conn->live->prev = stmt;
	conn->live = stmt;
}

static void unlink_live(scp_db_stmt *stmt)
{
	if (stmt->prev)
		stmt->prev->next = stmt->next;
	else
		stmt->conn->live = stmt->next;
	if (stmt->next)
		stmt->next->prev = stmt->prev;
	stmt->live = false;
}

static scp_status keep_new(
    scp__sqlite_conn *conn, const char *sql, sqlite3_stmt *raw, scp_db_stmt **out, scp_error *err)
{
	scp_db_stmt *stmt = find_room(conn, sql);
	bool kept = stmt;

	if (!stmt)
		stmt = calloc(1, sizeof(*stmt));
	if (!stmt) {
		sqlite3_finalize(raw);
		return scp__nomem(err);
	}
	sqlite3_finalize(stmt->raw);
	*stmt = (scp_db_stmt){ .raw = raw, .conn = conn, .sql = sql, .kept = kept };
	*out = stmt;
	return SCP_OK;
}

scp_status scp__sqlite_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	scp__sqlite_conn *conn = (scp__sqlite_conn *)tx;
	scp_db_stmt *stmt = find_kept(conn, sql);
	sqlite3_stmt *raw = NULL;
	scp_status rc = SCP_OK;
	int code;

	*out = NULL;
	if (!stmt) {
		code = sqlite3_prepare_v3(conn->raw, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, NULL);
		if (code)
			return scp__sqlite_fail(conn->owner, conn->raw, code, "prepare", err);
		if (!raw)
			return scp__fail(err, SCP_EBACKEND, "database: prepare: an empty statement");
		rc = keep_new(conn, sql, raw, &stmt, err);
	}
	if (rc)
		return rc;
	link_live(conn, stmt);
	*out = stmt;
	return SCP_OK;
}

static int bind_bytes(sqlite3_stmt *raw, int index, const scp_db_value *value)
{
	/* A NULL pointer would bind NULL: no bytes are still bytes. */
	const void *data = value->data ? value->data : "";

	if (value->type == SCP_DB_TEXT)
		return sqlite3_bind_text64(raw, index, data, value->len, SQLITE_STATIC, SQLITE_UTF8);
	return sqlite3_bind_blob64(raw, index, data, value->len, SQLITE_STATIC);
}

static int bind_value(sqlite3_stmt *raw, int index, const scp_db_value *value)
{
	switch (value->type) {
	case SCP_DB_NULL:
		return sqlite3_bind_null(raw, index);
	case SCP_DB_INTEGER:
		return sqlite3_bind_int64(raw, index, value->integer);
	case SCP_DB_REAL:
		return sqlite3_bind_double(raw, index, value->real);
	case SCP_DB_TEXT:
	case SCP_DB_BLOB:
		return bind_bytes(raw, index, value);
	default:
		return SQLITE_MISUSE;
	}
}

scp_status scp__sqlite_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err)
{
	int code = bind_value(stmt->raw, index + 1, value);

	return code ? scp__sqlite_fail(stmt->conn->owner, stmt->conn->raw, code, "bind", err) : SCP_OK;
}

scp_status scp__sqlite_step(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp__sqlite_conn *conn = stmt->conn;
	int code = sqlite3_step(stmt->raw);

	*row = code == SQLITE_ROW;
	if (code == SQLITE_ROW)
		return SCP_OK;
	if (code != SQLITE_DONE)
		return scp__sqlite_fail(conn->owner, conn->raw, code, "step", err);
	/* SQLite counts the rows that an UPDATE's WHERE found, changed or not: that is what "matched" means. */
	conn->matched = sqlite3_stmt_readonly(stmt->raw) ? 0 : (uint64_t)sqlite3_changes64(conn->raw);
	return SCP_OK;
}

static void column_bytes(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	bool text = out->type == SCP_DB_TEXT;

	out->data = text ? (const void *)sqlite3_column_text(stmt->raw, index) : sqlite3_column_blob(stmt->raw, index);
	out->len = (size_t)sqlite3_column_bytes(stmt->raw, index);
	if (out->data)
		return;
	if (text || out->len)
		stmt->conn->no_memory = true;
	out->data = "";
	out->len = 0;
}

void scp__sqlite_column(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	*out = (scp_db_value){ .type = SCP_DB_NULL };
	switch (sqlite3_column_type(stmt->raw, index)) {
	case SQLITE_INTEGER:
		out->type = SCP_DB_INTEGER;
		out->integer = sqlite3_column_int64(stmt->raw, index);
		break;
	case SQLITE_FLOAT:
		out->type = SCP_DB_REAL;
		out->real = sqlite3_column_double(stmt->raw, index);
		break;
	case SQLITE_TEXT:
		out->type = SCP_DB_TEXT;
		column_bytes(stmt, index, out);
		break;
	case SQLITE_BLOB:
		out->type = SCP_DB_BLOB;
		column_bytes(stmt, index, out);
		break;
	default:
		break;
	}
}

void scp__sqlite_release(scp_db_stmt *stmt)
{
	unlink_live(stmt);
	sqlite3_reset(stmt->raw);
	sqlite3_clear_bindings(stmt->raw);
	if (stmt->kept)
		return;
	sqlite3_finalize(stmt->raw);
	free(stmt);
}

uint64_t scp__sqlite_matched(scp_db_tx *tx)
{
	return ((scp__sqlite_conn *)tx)->matched;
}

scp_status scp__sqlite_exec(scp_db_tx *tx, const char *sql, scp_error *err)
{
	scp__sqlite_conn *conn = (scp__sqlite_conn *)tx;
	int code = sqlite3_exec(conn->raw, sql, NULL, NULL, NULL);

	return code ? scp__sqlite_fail(conn->owner, conn->raw, code, "exec", err) : SCP_OK;
}

/* ---- transactions ---- */

scp_status scp__sqlite_conn_control(scp__sqlite_conn *conn, const char *sql, scp_error *err)
{
	scp_db_stmt *stmt;
	scp_status rc = scp__sqlite_prepare(&conn->tx, sql, &stmt, err);
	uint64_t matched = conn->matched;
	bool row;

	if (rc)
		return rc;
	rc = scp__sqlite_step(stmt, &row, err);
	conn->matched = matched;
	scp__sqlite_release(stmt);
	return rc;
}

scp_status scp__sqlite_conn_settle(scp__sqlite_conn *conn, scp_status rc, scp_error *err)
{
	while (conn->live)
		scp__sqlite_release(conn->live);
	if (conn->no_memory && !rc)
		rc = scp__nomem(err);
	conn->no_memory = false;
	return rc;
}

bool scp__sqlite_conn_rollback(scp__sqlite_conn *conn)
{
	if (!sqlite3_get_autocommit(conn->raw))
		(void)scp__sqlite_conn_control(conn, "ROLLBACK", NULL);
	return sqlite3_get_autocommit(conn->raw);
}
