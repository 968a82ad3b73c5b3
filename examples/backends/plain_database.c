/*
 * A database driver by public headers alone, and the least that one must do. The library's own keeps connections and
 * statements and has one writer who groups commits; here a transaction is a connection, and SQLite's file locks do the
 * rest.
 */
#include "plain_database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRIES 8
#define WAIT_MS 5000

struct plain {
	scp_database base; /* first */
	char path[];
};

struct plain_tx {
	scp_db_tx base; /* first */
	sqlite3 *connection;
	scp_db_stmt *statements;
	uint64_t matched;
};

struct scp_db_stmt {
	struct plain_tx *tx;
	sqlite3_stmt *s;
	scp_db_stmt *next;
};

/* `code` is of the library's table: that is what a REST client sees. */
static scp_status fail(scp_error *err, scp_status status, const char *code, const char *message)
{
	const scp_error_kind *kind = scp_error_kind_get(code);

	if (!err)
		return status;
	memset(err, 0, sizeof(*err));
	err->status = status;
	snprintf(err->code, sizeof(err->code), "%s", kind->code);
	snprintf(err->message, sizeof(err->message), "database: %s", message);
	snprintf(err->hint, sizeof(err->hint), "%s", kind->solution);
	return status;
}

/* SQLite's messages name tables and columns, never values. */
static scp_status told(sqlite3 *connection, int rc, scp_error *err)
{
	const char *message = sqlite3_errmsg(connection);

	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return SCP_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fail(err, SCP_EAGAIN, "BackendUnavailable", message);
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
	case SQLITE_FULL:
		return fail(err, SCP_EUNAVAIL, "BackendUnavailable", message);
	case SQLITE_NOMEM:
		return fail(err, SCP_ENOMEM, "InternalError", message);
	}
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
		return fail(err, SCP_ECONFLICT, "Conflict", message);
	return fail(err, SCP_EBACKEND, "InternalError", message);
}

static scp_status say(sqlite3 *connection, const char *sql, scp_error *err)
{
	return told(connection, sqlite3_exec(connection, sql, NULL, NULL, NULL), err);
}

static scp_status join(const char *path, int wait_ms, sqlite3 **out, scp_error *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	scp_status rc = told(*out, sqlite3_open_v2(path, out, flags, NULL), err);

	if (!*out)
		return fail(err, SCP_ENOMEM, "InternalError", "no memory");
	(void)sqlite3_extended_result_codes(*out, 1);
	(void)sqlite3_busy_timeout(*out, wait_ms);
	return rc;
}

/* ---- statements ---- */

static scp_status plain_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	struct plain_tx *t = (struct plain_tx *)tx;
	scp_db_stmt *stmt = calloc(1, sizeof(*stmt));
	int rc = stmt ? sqlite3_prepare_v2(t->connection, sql, -1, &stmt->s, NULL) : SQLITE_NOMEM;

	*out = NULL;
	if (rc) {
		free(stmt);
		return told(t->connection, rc, err);
	}
	stmt->tx = t;
	stmt->next = t->statements;
	t->statements = stmt;
	*out = stmt;
	return SCP_OK;
}

static int bind_value(sqlite3_stmt *s, int at, const scp_db_value *v)
{
	const void *data = v->data ? v->data : "";

	switch (v->type) {
	case SCP_DB_INTEGER:
		return sqlite3_bind_int64(s, at, v->integer);
	case SCP_DB_REAL:
		return sqlite3_bind_double(s, at, v->real);
	case SCP_DB_TEXT: /* borrowed until the release: no copy is needed */
		return sqlite3_bind_text64(s, at, data, v->len, SQLITE_STATIC, SQLITE_UTF8);
	case SCP_DB_BLOB:
		return sqlite3_bind_blob64(s, at, data, v->len, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(s, at);
	}
}

static scp_status plain_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err)
{
	return told(stmt->tx->connection, bind_value(stmt->s, index + 1, value), err);
}

static scp_status plain_step(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	struct plain_tx *t = stmt->tx;
	int rc = sqlite3_step(stmt->s);

	*row = rc == SQLITE_ROW;
	if (rc == SQLITE_DONE)
		t->matched = sqlite3_stmt_readonly(stmt->s) ? 0 : (uint64_t)sqlite3_changes64(t->connection);
	return told(t->connection, rc, err);
}

static void plain_column(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	static const scp_db_type types[] = { [SQLITE_INTEGER] = SCP_DB_INTEGER,
		[SQLITE_FLOAT] = SCP_DB_REAL,
		[SQLITE_TEXT] = SCP_DB_TEXT,
		[SQLITE_BLOB] = SCP_DB_BLOB,
		[SQLITE_NULL] = SCP_DB_NULL };

	*out = (scp_db_value){ .type = SCP_DB_NULL };
	if (index >= sqlite3_data_count(stmt->s))
		return;
	out->type = types[sqlite3_column_type(stmt->s, index)];
	out->integer = out->type == SCP_DB_INTEGER ? sqlite3_column_int64(stmt->s, index) : 0;
	out->real = out->type == SCP_DB_REAL ? sqlite3_column_double(stmt->s, index) : 0;
	if (out->type == SCP_DB_TEXT)
		out->data = sqlite3_column_text(stmt->s, index);
	if (out->type == SCP_DB_BLOB)
		out->data = sqlite3_column_blob(stmt->s, index);
	out->len = out->data ? (size_t)sqlite3_column_bytes(stmt->s, index) : 0;
	out->data = out->data ? out->data : ""; /* an empty blob */
}

static void plain_release(scp_db_stmt *stmt)
{
	scp_db_stmt **p = stmt ? &stmt->tx->statements : NULL;

	if (!p)
		return;
	while (*p != stmt)
		p = &(*p)->next;
	*p = stmt->next;
	(void)sqlite3_finalize(stmt->s);
	free(stmt);
}

static uint64_t plain_matched(scp_db_tx *tx)
{
	return ((struct plain_tx *)tx)->matched;
}

static scp_status plain_exec(scp_db_tx *tx, const char *sql, scp_error *err)
{
	return say(((struct plain_tx *)tx)->connection, sql, err);
}

/* ---- transactions ---- */

static scp_status begin(struct plain_tx *t, scp_db_mode mode, scp_error *err)
{
	scp_status rc;

	if (mode == SCP_DB_READ)
		return say(t->connection, "PRAGMA query_only=ON; BEGIN", err);
	rc = say(t->connection, "BEGIN IMMEDIATE", err);
	/* It has waited already. */
	return rc == SCP_EAGAIN ? fail(err, SCP_EUNAVAIL, "BackendUnavailable", "others write without an end") : rc;
}

static scp_status once(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct plain_tx t = { .base = { db } };
	scp_status rc = join(((struct plain *)db)->path, WAIT_MS, &t.connection, err);

	if (!rc)
		rc = begin(&t, mode, err);
	if (!rc)
		rc = fn(&t.base, arg, err);
	while (t.statements) /* that the body forgot */
		plain_release(t.statements);
	if (!rc)
		rc = say(t.connection, "COMMIT", err);
	/* What isn't committed goes with the connection. */
	(void)sqlite3_close(t.connection);
	return rc;
}

static scp_status plain_transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_status rc = SCP_EAGAIN;
	scp_error why;

	for (int i = 0; rc == SCP_EAGAIN && i < TRIES; i++) {
		struct timespec nap = { .tv_nsec = 1000000L << i };

		if (i)
			(void)nanosleep(&nap, NULL);
		memset(&why, 0, sizeof(why));
		rc = once(db, mode, fn, arg, &why);
	}
	if (rc == SCP_EAGAIN)
		return fail(err, SCP_EUNAVAIL, "BackendUnavailable", "one transaction after the other was in the way");
	if (rc && err)
		*err = why;
	return rc;
}

static scp_status plain_health(scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	const char *path = ((struct plain *)db)->path;
	sqlite3 *connection = NULL;
	scp_status rc = join(path, (int)(deadline_ms < WAIT_MS ? deadline_ms : WAIT_MS), &connection, err);

	if (!rc)
		rc = say(connection, "SELECT count(*) FROM sqlite_schema", err);
	(void)sqlite3_close(connection);
	snprintf(detail, detail_size, "plain: %s, SQLite %s", path, sqlite3_libversion());
	return rc;
}

static void plain_close(scp_database *db)
{
	free(db);
}

static const scp_db_traits plain_traits = {
	.name = "plain",
	.text_key = "TEXT",
	.text_path = "TEXT",
	.text = "TEXT",
	.json = "TEXT",
	.blob = "BLOB",
	.integer = "INTEGER",
	.real = "REAL",
	.insert_ignore = "INSERT OR IGNORE",
	.skip_locked = "",
	.table_suffix = " STRICT",
	.explain = "EXPLAIN QUERY PLAN ",
	.schema_lock = "", /* a transaction holds schema changes */
	.schema_unlock = "",
};

static const scp_database_ops plain_ops = {
	.struct_size = sizeof(plain_ops),
	.traits = &plain_traits,
	.transact = plain_transact,
	.prepare = plain_prepare,
	.bind = plain_bind,
	.step = plain_step,
	.column = plain_column,
	.release = plain_release,
	.matched = plain_matched,
	.exec = plain_exec,
	.health = plain_health,
	.close = plain_close,
};

/* WAL is the file's own and stays: readers then have their moment while others write. */
scp_status plain_database_open(scp_database **out, const char *path, scp_error *err)
{
	struct plain *p = calloc(1, sizeof(*p) + strlen(path) + 1);
	sqlite3 *connection = NULL;
	scp_status rc = p ? join(path, WAIT_MS, &connection, err) : fail(err, SCP_ENOMEM, "InternalError", "no memory");

	if (!rc)
		rc = say(connection, "PRAGMA journal_mode=WAL", err);
	(void)sqlite3_close(connection);
	if (rc) {
		free(p);
		return rc;
	}
	p->base.ops = &plain_ops;
	memcpy(p->path, path, strlen(path) + 1);
	*out = &p->base;
	return SCP_OK;
}
