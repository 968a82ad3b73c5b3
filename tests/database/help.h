/* What the suites of the database share: a database in a folder of its own, and short ways to run statements. */
#ifndef TEST_DATABASE_HELP_H
#define TEST_DATABASE_HELP_H

#include "../contract/database/database_suite.h"

/* db, open in every test, is on a fresh database with the table t (k: key, n: integer, b: blob, r: real, x: text).
 * SQLite's, or with SCP_TEST_MARIADB in the environment that server's. */
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

Suite *mariadb_suite(void);
Suite *group_suite(void);
Suite *process_suite(void);
Suite *fault_suite(void);

#endif
