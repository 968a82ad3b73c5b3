/* What the suites of the database share: a database in a folder of its own, and short ways to run statements. */
#ifndef TEST_DATABASE_HELP_H
#define TEST_DATABASE_HELP_H

#include <check.h>
#include <stdbool.h>

#include "database.h"

/* Open in every test, on a fresh database with the table t (k: key, n: integer, b: blob, r: real, x: text). SQLite's,
 * or with SCP_TEST_MARIADB in the environment that server's. */
extern scp_database *db;
extern char folder[64];

void fixture_open(void);
void fixture_close(void);
/** Open the test's file again, after scp__database_close(db). */
void reopen(void);
/** The test's database file behind "sqlite:"; static. */
const char *file_url(const char *name, const char *query);

bool on_mariadb(void);
/** The test's own database; static. */
const char *test_url(const char *query);
/** As whom the tests are; makes the database. */
scp_status open_it(scp_database **out, const char *url, scp_error *err);

/** Run one statement; `key` (if any) and `n` are its two parameters. */
scp_status run(scp_db_tx *tx, const char *sql, const char *key, int64_t n, scp_error *err);
/** A body: inserts the key that `arg` is. */
scp_status insert_key(scp_db_tx *tx, void *arg, scp_error *err);
/** In a transaction of its own: the first column of the first row. */
int64_t number(const char *sql);

/** A body that asks for a number. */
typedef struct question {
	const char *sql;
	int64_t answer;
} question;
scp_status ask(scp_db_tx *tx, void *arg, scp_error *err);

Suite *conformance_suite(void);
Suite *mariadb_suite(void);
Suite *group_suite(void);
Suite *process_suite(void);
Suite *fault_suite(void);

#endif
