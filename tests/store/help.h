/* What the store's suites share: a migrated database, rows to insert, and a transaction around each call. */
#ifndef TEST_STORE_HELP_H
#define TEST_STORE_HELP_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "err.h"
#include "store.h"

extern scp_database *db;
extern char db_path[96];

bool on_mariadb(void); /* SCP_TEST_MARIADB in the environment says so; else it is SQLite */
void fixture_open(void);
void fixture_close(void);
void fixture_open_fresh(void);
void fixture_close_fresh(void);
/** Another database of the test's, empty; and away with it. */
scp_status open_named(scp_database **out, const char *name, scp_error *err);
void drop_named(const char *name);

/** A plain row to change before it is inserted; static parts only. */
scp__session plain_session(const char *id);
scp__execution plain_execution(const char *id, const char *session_id);
scp_template plain_template(const char *id);
scp__container plain_container(const char *id);

/* Bodies run in a transaction each: BODY(name) { … tx, arg, err … }; and DO(mode, name, arg) that must succeed. */
#define BODY(name) static scp_status name(scp_db_tx *tx, void *arg, scp_error *err)
scp_status transact(scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err);
#define WRITE(fn, arg) ck_assert_ok(transact(SCP_DB_WRITE, fn, arg, NULL))
#define READ(fn, arg) ck_assert_ok(transact(SCP_DB_READ, fn, arg, NULL))
#define ck_assert_ok(rc) ck_assert_int_eq(rc, SCP_OK)

scp_status insert_session(scp_db_tx *tx, void *arg, scp_error *err);
scp_status insert_execution(scp_db_tx *tx, void *arg, scp_error *err);

/** In transactions of their own; the caller's to free. NULL: no such row. */
scp__session *get_session(const char *id);
scp__execution *get_execution(const char *id, unsigned load);

/** A session, its execution pending, as most tests want them. */
void seed_session(const char *id);
void seed_execution(const char *id, const char *session_id, int64_t created_us);

/** Text of SQL run on the database itself, apart from the store: to play another hand. */
void raw_sql(const char *sql);
int64_t raw_number(const char *sql);

Suite *session_suite(void);
Suite *execution_suite(void);
Suite *nodes_suite(void);
Suite *rows_suite(void);
Suite *schema_suite(void);
Suite *template_suite(void);
Suite *history_suite(void);
Suite *fault_suite(void);

#endif
