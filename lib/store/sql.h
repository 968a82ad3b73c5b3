/*
 * How the store's files speak SQL: values bound by type, rows read column after column, every statement in a table.
 *
 * A statement is static text in a NULL-terminated array that its file exports (below), so that a test can ask the
 * database how it would run each one. Values are only ever bound.
 */
#ifndef SCP_STORE_SQL_H
#define SCP_STORE_SQL_H

#include <string.h>

#include "store.h"

/* ---- values to bind; what they point to must live until the call is over ---- */

static inline scp_db_value scp__sql_text(const char *s)
{
	return (scp_db_value){ .type = s ? SCP_DB_TEXT : SCP_DB_NULL, .data = s, .len = s ? strlen(s) : 0 };
}

static inline scp_db_value scp__sql_text_len(const void *data, size_t len)
{
	return (scp_db_value){ .type = data ? SCP_DB_TEXT : SCP_DB_NULL, .data = data, .len = len };
}

static inline scp_db_value scp__sql_blob(const void *data, size_t len)
{
	return (scp_db_value){ .type = data && len ? SCP_DB_BLOB : SCP_DB_NULL, .data = data, .len = len };
}

static inline scp_db_value scp__sql_int(int64_t value)
{
	return (scp_db_value){ .type = SCP_DB_INTEGER, .integer = value };
}

#define T(s) scp__sql_text(s)
#define I(value) scp__sql_int((int64_t)(value))

typedef struct scp__args {
	const scp_db_value *values;
	size_t count;
} scp__args;

#define ARGS(...)                                                                                                      \
	((scp__args){ (const scp_db_value[]){ __VA_ARGS__ },                                                           \
	    sizeof((const scp_db_value[]){ __VA_ARGS__ }) / sizeof(scp_db_value) })
#define NO_ARGS ((scp__args){ 0 })

/*
 * A set of states as `IN (?, …)` with a fixed number of places, so that the text stays static: what isn't in the set
 * is bound as 0, which is nobody's state.
 */
#define IN_5 "IN (?, ?, ?, ?, ?)"
#define IN_6 "IN (?, ?, ?, ?, ?, ?)"
#define IN_7 "IN (?, ?, ?, ?, ?, ?, ?)"
#define BIT(bits, state) I((bits)&SCP__BIT(state) ? (state) : 0)
#define BITS_5(bits) BIT(bits, 1), BIT(bits, 2), BIT(bits, 3), BIT(bits, 4), BIT(bits, 5)
#define BITS_6(bits) BITS_5(bits), BIT(bits, 6)
#define BITS_7(bits) BITS_6(bits), BIT(bits, 7)

/*
 * Behind a SELECT that a writer decides by: until its transaction ends nobody else changes the row (or, with SHARE,
 * nobody changes it at all). A comment where there is one writer anyway; MariaDB executes it. A transaction that holds
 * several rows takes a node's first, then an execution's, then its session's.
 */
#define HELD " /*! FOR UPDATE */"
#define HELD_SHARE " /*! LOCK IN SHARE MODE */"

/* ---- statements ---- */

/** Run a statement that gives no rows. `matched` may be NULL. */
scp_status scp__sql_run(scp_db_tx *tx, const char *sql, scp__args args, uint64_t *matched, scp_error *err);
/** As scp__sql_run(); *changed: a row matched. */
scp_status scp__sql_change(scp_db_tx *tx, const char *sql, scp__args args, bool *changed, scp_error *err);
/** The one number of the one row; no row or NULL: 0. */
scp_status scp__sql_number(scp_db_tx *tx, const char *sql, scp__args args, uint64_t *out, scp_error *err);
/** Append the first column of each row. */
scp_status scp__sql_ids(scp_db_tx *tx, const char *sql, scp__args args, scp__ids *out, scp_error *err);

/** Rows being read, copied into `arena`. Errors are sticky in `rc`. */
typedef struct scp__rows {
	const scp_database_ops *ops;
	scp_db_stmt *stmt;
	scp__arena *arena; /* may be NULL where no text is read */
	int column;	   /* the next one */
	scp_status rc;
	scp_error *err;
} scp__rows;

/** Start. Always followed by scp__rows_close(), also after an error. */
void scp__rows_open(scp__rows *rows, scp_db_tx *tx, const char *sql, scp__args args, scp__arena *arena, scp_error *err);
/** On to the next row; false: no more, or an error. */
bool scp__rows_next(scp__rows *rows);
/** The end: gives `rc`. */
scp_status scp__rows_close(scp__rows *rows);
/** Something that was read makes no sense, or memory is out. */
void scp__rows_fail(scp__rows *rows, scp_status rc);

/* The next column of this row. */
int64_t scp__row_int(scp__rows *rows);
static inline uint64_t scp__row_uint(scp__rows *rows)
{
	return (uint64_t)scp__row_int(rows);
}
static inline uint32_t scp__row_u32(scp__rows *rows)
{
	return (uint32_t)scp__row_int(rows);
}
static inline bool scp__row_bool(scp__rows *rows)
{
	return scp__row_int(rows) != 0;
}
const char *scp__row_text(scp__rows *rows);		  /* a copy in the arena; NULL for NULL */
const char *scp__row_bytes(scp__rows *rows, size_t *len); /* likewise, text or blob; a NUL behind */
scp_db_value scp__row_value(scp__rows *rows);		  /* borrowed until the next row */

/** Where an insert lost against a twin that a SELECT hadn't seen: the whole transaction is to run again. */
scp_status scp__sql_twin(scp_status rc, scp_error *err);

/** `limit` of a query, 50 where it says none; never above 200. */
uint32_t scp__sql_limit(uint32_t limit);

/** The list's `next` as text in `arena`, or NULL. SCP_ENOMEM. */
scp_status scp__sql_next(
    scp__arena *arena, uint64_t offset, size_t count, uint64_t total, const char **out, scp_error *err);

/* ---- every statement there is; the tables end with NULL ---- */

extern const char *const scp__store_schema_sql[];
extern const char *const scp__store_session_sql[];
extern const char *const scp__store_session_list_sql[];
extern const char *const scp__store_execution_sql[];
extern const char *const scp__store_execution_list_sql[];
extern const char *const scp__store_execution_drive_sql[];
extern const char *const scp__store_output_sql[];
extern const char *const scp__store_artifact_sql[];
extern const char *const scp__store_workspace_sql[];
extern const char *const scp__store_workspace_file_sql[];
extern const char *const scp__store_container_sql[];
extern const char *const scp__store_container_list_sql[];
extern const char *const scp__store_node_sql[];
extern const char *const scp__store_node_life_sql[];
extern const char *const scp__store_node_list_sql[];
extern const char *const scp__store_template_sql[];
extern const char *const scp__store_template_write_sql[];
extern const char *const scp__store_idempotency_sql[];
extern const char *const scp__store_history_sql[];
extern const char *const scp__store_meta_sql[];
extern const char *const scp__store_census_sql[];

#endif
