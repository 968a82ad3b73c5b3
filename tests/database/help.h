/* What the suites of the database share: a database in a folder of its own, and short ways to run statements. */
#ifndef TEST_DATABASE_HELP_H
#define TEST_DATABASE_HELP_H

#include <check.h>
#include <stdbool.h>

#include "database.h"

extern scp_database *db; /* open in every test, on a fresh file with the table t (k TEXT PRIMARY KEY, n INTEGER) */
extern char folder[64];

void fixture_open(void);
void fixture_close(void);
/** Open the test's file again, after scp__database_close(db). */
void reopen(void);
/** The test's database file behind "sqlite:"; static. */
const char *file_url(const char *name, const char *query);

/** Run one statement; `key` (if any) and `n` are its two parameters. */
scp_status run(scp_db_tx *tx, const char *sql, const char *key, int64_t n, scp_error *err);
/** A body: inserts the key that `arg` is. */
scp_status insert_key(scp_db_tx *tx, void *arg, scp_error *err);
/** In a transaction of its own: the first column of the first row. */
int64_t number(const char *sql);

Suite *group_suite(void);
Suite *process_suite(void);
Suite *fault_suite(void);

#endif
