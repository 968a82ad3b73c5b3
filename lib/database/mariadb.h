/* What the files of the MariaDB adapter share: settings, connections with their statements, and the pool of them. */
#ifndef SCP_DATABASE_MARIADB_H
#define SCP_DATABASE_MARIADB_H

#include <mysql.h>
#include <pthread.h>
#include <signal.h>

#include "database.h"

#define SCP__MARIADB_SLOTS 256 /* kept statements a connection */
#define SCP__MARIADB_WAYS 8    /* places that one statement may have among them */
#define SCP__MARIADB_OLDEST 100600

typedef struct scp__mariadb scp__mariadb;
typedef struct scp__mariadb_conn scp__mariadb_conn;

/* ---- mariadb_url.c ---- */

typedef enum scp__mariadb_tls {
	SCP__TLS_AUTO = 0, /* off where nobody can listen: a unix socket, this machine; else verify */
	SCP__TLS_OFF,
	SCP__TLS_REQUIRE, /* encrypted, whoever answers */
	SCP__TLS_VERIFY	  /* and the certificate is that host's */
} scp__mariadb_tls;

typedef struct scp__mariadb_settings {
	char *user, *host, *name, *socket;
	char *password; /* never in a message */
	char *tls_ca, *tls_cert, *tls_key;
	scp__mariadb_tls tls; /* not AUTO once it is read */
	uint32_t port;
	uint32_t pool, extra; /* connections kept, and more under load */
	uint32_t idle_s;      /* after which one that is kept is closed */
	uint32_t wait_ms;     /* for a connection */
	uint32_t connect_s, io_s;
	char where[128]; /* for messages: host:port/name */
} scp__mariadb_settings;

/** Zero `s` first; scp__mariadb_settings_free() also after an error. Messages never hold the URL. */
scp_status scp__mariadb_settings_read(scp__mariadb_settings *s, const char *url, const char *password, scp_error *err);
void scp__mariadb_settings_free(scp__mariadb_settings *s);

/* ---- mariadb_conn.c: one connection; used by one thread at a time ---- */

struct scp__mariadb_conn {
	scp_db_tx tx; /* first */
	scp__mariadb *owner;
	MYSQL *raw;
	scp_db_stmt *slots; /* SCP__MARIADB_SLOTS of them */
	scp_db_stmt *live;  /* prepared and not released yet */
	uint64_t matched;
	int mode;	 /* the session's: an scp_db_mode, -1: not set yet */
	bool lost;	 /* nothing goes over it any more */
	bool doomed;	 /* the server took the transaction back, or part of it: it must not be committed */
	bool conflict;	 /* and may run again */
	bool ran_exec;	 /* may hold a lock that outlives a transaction */
	bool no_memory;	 /* a column couldn't be read; the transaction fails */
	int64_t idle_us; /* since when, by the monotonic clock */
	uint64_t generation;
	scp__mariadb_conn *newer, *older; /* among the idle ones */
};

/** What connects: where to, as whom, and how patiently. */
typedef struct scp__mariadb_reach {
	const char *name;   /* the database; NULL: none */
	uint32_t connect_s; /* 0: as in the settings; likewise */
	uint32_t io_s;
} scp__mariadb_reach;

scp_status scp__mariadb_conn_open(
    scp__mariadb_conn **out, scp__mariadb *owner, const scp__mariadb_reach *reach, scp_error *err);
void scp__mariadb_conn_close(scp__mariadb_conn *conn); /* NULL is accepted */
/** One statement of the adapter's own, without rows: static text. */
scp_status scp__mariadb_conn_run(scp__mariadb_conn *conn, const char *sql, scp_error *err);
/** A cheap look, and a ping after some idleness. False: dead. */
bool scp__mariadb_conn_alive(scp__mariadb_conn *conn);
/** Make the session one that reads or writes. */
scp_status scp__mariadb_conn_set_mode(scp__mariadb_conn *conn, scp_db_mode mode, scp_error *err);

/** Around everything of the vendor's: what this thread needs, and no SIGPIPE for the host (TLS writes to sockets that
 * may be closed). */
typedef struct scp__mariadb_quiet {
	sigset_t pipe, before;
	bool pending;
} scp__mariadb_quiet;
void scp__mariadb_enter(scp__mariadb_quiet *q);
void scp__mariadb_leave(const scp__mariadb_quiet *q);

/* ---- mariadb_stmt.c ---- */

scp_status scp__mariadb_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err);
scp_status scp__mariadb_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err);
void scp__mariadb_release(scp_db_stmt *stmt);
/** Take back what a body left open. */
void scp__mariadb_release_all(scp__mariadb_conn *conn);
scp_db_stmt *scp__mariadb_slots_new(void);
/** After the connection is closed: frees without saying so to the server. */
void scp__mariadb_slots_free(scp_db_stmt *slots);

/* ---- mariadb_row.c ---- */

typedef struct scp__mariadb_cell {
	scp_db_type type; /* once it isn't NULL */
	int64_t integer;
	double real;
	char *data;
	size_t capacity;
	unsigned long len;
	my_bool is_null, error;
} scp__mariadb_cell;

struct scp_db_stmt {
	MYSQL_STMT *raw;
	scp__mariadb_conn *conn;
	const char *sql; /* the address is the key; NULL: an empty slot */
	char *text;	 /* a copy of what stood there */
	unsigned param_count, column_count;
	MYSQL_BIND *params;
	int64_t *numbers; /* the parameters' that are integers, or reals' bits */
	MYSQL_BIND *columns;
	scp__mariadb_cell *cells;
	bool executed, ended;
	bool kept;		  /* lives in a slot, else on the heap */
	bool live;		  /* among those in use */
	scp_db_stmt *next, *prev; /* there */
};

scp_status scp__mariadb_step(scp_db_stmt *stmt, bool *row, scp_error *err);
void scp__mariadb_column(scp_db_stmt *stmt, int index, scp_db_value *out);
/** Forget rows, and memory that a large one took. */
void scp__mariadb_rows_end(scp_db_stmt *stmt);
void scp__mariadb_cells_free(scp_db_stmt *stmt);

/* ---- mariadb_error.c ---- */

/** The status of an error's number, the server's own words where they hold no values, and what to do about it. Notes
 *  on `conn` what is left of it. */
scp_status scp__mariadb_fail(
    scp__mariadb_conn *conn, unsigned number, const char *words, const char *what, scp_error *err);

/* ---- mariadb_pool.c ---- */

typedef struct scp__mariadb_pool {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	scp__mariadb_conn *newest, *oldest; /* the idle ones */
	uint32_t idle, open, waiting;
	uint64_t generation; /* what was opened in an earlier one is suspect: the server went away since */
} scp__mariadb_pool;

void scp__mariadb_pool_init(scp__mariadb_pool *pool);
void scp__mariadb_pool_fini(scp__mariadb_pool *pool);
scp_status scp__mariadb_take(scp__mariadb *db, scp_db_mode mode, scp__mariadb_conn **out, scp_error *err);
void scp__mariadb_give(scp__mariadb_conn *conn);

/* ---- mariadb_transact.c ---- */

scp_status scp__mariadb_transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err);

/* ---- mariadb.c ---- */

struct scp__mariadb {
	scp_database base; /* first */
	scp__mariadb_settings settings;
	scp__mariadb_pool pool;
};

#endif
