/*
 * The database port: what a driver gives so that the store's SQL can run on it. For people who write a backend.
 *
 * All SQL is the store's and is written once, in what SQLite and MariaDB both understand: `?` parameters, no RETURNING,
 * JSON as text, times as integers in microseconds. A driver connects, runs transactions, prepares, binds and steps.
 *
 * A SELECT that a writer decides by ends with a comment that some databases execute: it holds the row until the
 * transaction ends. To a database with one writer it may stay a comment.
 */
#ifndef SANDBOXCP_SYS_DATABASE_H
#define SANDBOXCP_SYS_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>
#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef struct scp_db_tx scp_db_tx;	/* one transaction on one connection; see below */
typedef struct scp_db_stmt scp_db_stmt; /* one prepared statement; the driver's */

typedef enum scp_db_type { SCP_DB_NULL = 0, SCP_DB_INTEGER, SCP_DB_REAL, SCP_DB_TEXT, SCP_DB_BLOB } scp_db_type;

/** A value to bind or a column read. Text and blob bytes are borrowed: bound, until the release; read, until the next
 * step. */
typedef struct scp_db_value {
	scp_db_type type;
	int64_t integer;
	double real;
	const void *data; /* text is also NUL-terminated when read */
	size_t len;
} scp_db_value;

typedef enum scp_db_mode {
	SCP_DB_READ = 0, /* a consistent view; may run beside others */
	SCP_DB_WRITE = 1 /* all or nothing; durable as configured once transact() has returned SCP_OK */
} scp_db_mode;

/**
 * The body of a transaction. Anything but SCP_OK rolls back and is what transact() returns. It may run in another
 * thread than the caller's, and again from the start after a conflict, or after a connection was lost before anything
 * was committed: it keeps its effects inside the database and `arg`, and sets the whole of `arg` anew each time. It
 * must not start another transaction.
 */
typedef scp_status scp_db_fn(scp_db_tx *tx, void *arg, scp_error *err);

/** What the SQL must know of a database's dialect. */
typedef struct scp_db_traits {
	const char *name;      /* "sqlite", "mariadb" */
	const char *text_key;  /* column type of short keys compared byte by byte: "TEXT", "VARCHAR(255) …" */
	const char *text_path; /* of paths up to 1,024 bytes, likewise, in a key: "TEXT", "VARBINARY(1024)" */
	const char *text;      /* of long text */
	const char *json;      /* of text that is JSON of little depth, with a check of it where there is one */
	const char *blob;      /* of long bytes */
	const char *integer;   /* of 64-bit integers */
	const char *real;
	const char *insert_ignore; /* "INSERT OR IGNORE", "INSERT IGNORE" */
	const char *skip_locked;   /* "" or " FOR UPDATE SKIP LOCKED" */
	const char *table_suffix;  /* what follows CREATE TABLE (…) */
	const char *explain;	   /* "EXPLAIN QUERY PLAN " */
	/*
	 * Where schema changes commit by themselves, a SELECT that takes a lock which outlives them, waits for it for
	 * 10 s at most, and gives 1 once it has it; and one that gives it back. "" where a transaction holds them.
	 */
	const char *schema_lock;
	const char *schema_unlock;
	/*
	 * A SELECT of the database's own time, in microseconds since 1970, where its clock isn't that of the processes
	 * which use it: leases, deadlines and all times in rows are by it. NULL: the process's clock.
	 */
	const char *now_us;
} scp_db_traits;

/** How a driver's connections are used, for metrics. */
typedef struct scp_db_load {
	uint32_t held;	  /* by transactions */
	uint32_t idle;	  /* open, and used by nobody */
	uint32_t waiting; /* transactions that wait for one */
} scp_db_load;

/**
 * The vtable. Errors that any operation may return besides its own: SCP_EUNAVAIL the connection is lost and the
 * transaction with it (or, if it was lost while it committed, the message says that nobody knows; it isn't repeated),
 * SCP_ECONFLICT a unique key exists already, SCP_EAGAIN deadlock or lock wait (transact() itself retries those, with a
 * bound), SCP_ENOMEM, SCP_EBACKEND anything else, with the database's own words in the message. Messages never hold
 * bound values.
 */
typedef struct scp_database_ops {
	uint32_t struct_size;
	const scp_db_traits *traits;
	/* Required. Blocks. Any thread. Waits are bounded (5 s for a free connection or writer, then SCP_EUNAVAIL). */
	scp_status (*transact)(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err);
	/* Required. `sql` is static text, so that a driver may keep statements by its address. Borrowed until released.
	 */
	scp_status (*prepare)(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err);
	/* Required. Index from 0. */
	scp_status (*bind)(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err);
	/* Required. *row: a row is there to read; false is the end. */
	scp_status (*step)(scp_db_stmt *stmt, bool *row, scp_error *err);
	/* Required. Index from 0; never fails: what isn't there is NULL. */
	void (*column)(scp_db_stmt *stmt, int index, scp_db_value *out);
	/* Required. Gives the statement back; its rows end. */
	void (*release)(scp_db_stmt *stmt);
	/* Required. How many rows the last statement that was stepped to its end matched (not: changed). */
	uint64_t (*matched)(scp_db_tx *tx);
	/* Required. One statement of text made at run time, without parameters: schema changes only. */
	scp_status (*exec)(scp_db_tx *tx, const char *sql, scp_error *err);
	/* Required. Blocks for `deadline_ms` at most. `detail`: a sentence, at most `detail_size` bytes. */
	scp_status (*health)(scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
	/* Required. Ends all connections and frees `db`. No transaction is under way. */
	void (*close)(scp_database *db);
	/* Optional. Doesn't block. */
	void (*load)(scp_database *db, scp_db_load *out);
} scp_database_ops;

/** A backend is a struct of its own whose first member is this. */
struct scp_database {
	const scp_database_ops *ops;
};

/** So is its transaction: what holds one finds the operations through it. */
struct scp_db_tx {
	scp_database *db;
};

SCP_END_DECLS

#endif
