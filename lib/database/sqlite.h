/* What the files of the SQLite adapter share: connections and the two ways to get one. */
#ifndef SCP_DATABASE_SQLITE_H
#define SCP_DATABASE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "database.h"

#define SCP__SQLITE_WAIT_MS 5000 /* for a free connection, the writer's role, another process's lock */
#define SCP__SQLITE_TRIES 8	 /* of a body that says SCP_EAGAIN */
#define SCP__SQLITE_READERS 8
#define SCP__SQLITE_SLOTS 256 /* kept statements a connection */
#define SCP__SQLITE_WAYS 8    /* places that one statement may have among them */

typedef struct scp__sqlite scp__sqlite;
typedef struct scp__sqlite_conn scp__sqlite_conn;

/* ---- sqlite_conn.c: one connection; used by one thread at a time ---- */

struct scp_db_stmt {
	sqlite3_stmt *raw;
	scp__sqlite_conn *conn;
	const char *sql;	  /* the address is the key; NULL: an empty slot */
	bool kept;		  /* lives in a slot, else on the heap */
	scp_db_stmt *next, *prev; /* among those in use */
	bool live;
};

struct scp__sqlite_conn {
	scp_db_tx tx; /* first */
	scp__sqlite *owner;
	sqlite3 *raw;
	scp_db_stmt *live; /* prepared and not released yet */
	uint64_t matched;
	bool no_memory; /* a column couldn't be read; the transaction fails */
	uint32_t busy_limit_ms;
	int64_t busy_since_us;
	scp_db_stmt slots[SCP__SQLITE_SLOTS];
};

scp_status scp__sqlite_conn_open(scp__sqlite_conn **out, scp__sqlite *owner, bool writes, scp_error *err);
void scp__sqlite_conn_close(scp__sqlite_conn *conn); /* NULL is accepted */
/** Run a statement of the transaction's own ("COMMIT"): static text. */
scp_status scp__sqlite_conn_control(scp__sqlite_conn *conn, const char *sql, scp_error *err);
/** Take back what a body left open; turns its success into SCP_ENOMEM where a column couldn't be read. */
scp_status scp__sqlite_conn_settle(scp__sqlite_conn *conn, scp_status rc, scp_error *err);
/** Give up the transaction, if there still is one. False: the connection can't be used any more. */
bool scp__sqlite_conn_rollback(scp__sqlite_conn *conn);

scp_status scp__sqlite_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err);
scp_status scp__sqlite_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err);
scp_status scp__sqlite_step(scp_db_stmt *stmt, bool *row, scp_error *err);
void scp__sqlite_column(scp_db_stmt *stmt, int index, scp_db_value *out);
void scp__sqlite_release(scp_db_stmt *stmt);
uint64_t scp__sqlite_matched(scp_db_tx *tx);
scp_status scp__sqlite_exec(scp_db_tx *tx, const char *sql, scp_error *err);

/* ---- sqlite_error.c ---- */

/** The status of an extended result code, SQLite's own words, and what to do about it. `raw` may be NULL. */
scp_status scp__sqlite_fail(const scp__sqlite *db, sqlite3 *raw, int code, const char *what, scp_error *err);

/* ---- sqlite_read.c: a few connections that share nothing ---- */

typedef struct scp__sqlite_readers {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	scp__sqlite_conn *idle[SCP__SQLITE_READERS];
	unsigned idle_count;
	unsigned open_count;
} scp__sqlite_readers;

void scp__sqlite_readers_init(scp__sqlite_readers *readers);
void scp__sqlite_readers_fini(scp__sqlite_readers *readers);
scp_status scp__sqlite_read(scp__sqlite *db, uint32_t wait_ms, scp_db_fn *fn, void *arg, scp_error *err);

/* ---- sqlite_write.c: one connection; who waits is taken along in one commit ---- */

typedef struct scp__sqlite_job scp__sqlite_job;

typedef struct scp__sqlite_writer {
	pthread_mutex_t lock;
	scp__sqlite_conn *conn; /* the leader's */
	bool led;		/* somebody is the leader */
	scp__sqlite_job *head, **tail;
	unsigned waiting; /* how many that is */
} scp__sqlite_writer;

void scp__sqlite_writer_init(scp__sqlite_writer *writer, scp__sqlite_conn *conn);
void scp__sqlite_writer_fini(scp__sqlite_writer *writer);
scp_status scp__sqlite_write(scp__sqlite *db, scp_db_fn *fn, void *arg, scp_error *err);

/* ---- sqlite_checkpoint.c: the log's way into the database file ---- */

typedef struct scp__sqlite_checkpoint {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool wanted;
	bool stop;
	scp__sqlite_conn *conn; /* the thread's */
	int asked_at_pages;	/* the writer's: how long the log was at the last request */
} scp__sqlite_checkpoint;

/** Start the thread and listen to the writer's commits. Zero `c` first. */
scp_status scp__sqlite_checkpoint_start(scp__sqlite_checkpoint *c, scp__sqlite *db, sqlite3 *writer, scp_error *err);
/** Before the writer is closed; also where it never started. */
void scp__sqlite_checkpoint_stop(scp__sqlite_checkpoint *c);

/* ---- sqlite.c ---- */

struct scp__sqlite {
	scp_database base; /* first */
	char *path;
	bool sync_full;
	dev_t device; /* which file it was when it was opened */
	ino_t inode;
	scp__sqlite_readers readers;
	scp__sqlite_writer writer;
	scp__sqlite_checkpoint checkpoint;
};

/** What the caller is told: SCP_EAGAIN, tried often enough, is SCP_EUNAVAIL. */
scp_status scp__sqlite_final(scp_status rc, scp_error *err);
/** Wait a little, longer with each try, before a body runs again. */
void scp__sqlite_back_off(unsigned tries);

#endif
