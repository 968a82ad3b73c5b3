/*
 * The conformance suite of the database port: what sandboxcp/sys/database.h promises, as cases that know nothing of the
 * driver.
 */
#ifndef TEST_CONTRACT_DATABASE_SUITE_H
#define TEST_CONTRACT_DATABASE_SUITE_H

#include <check.h>
#include <stdbool.h>

#include "../case.h"
#include "database.h"

/* What is put to the test. */
struct database_subject {
	void (*begin)(void); /* opens `db`, which is empty and nobody else's, and makes the table */
	void (*end)(void);   /* and ends it */
	/* The database out of reach, or back; false: that can't be done to it. NULL: likewise. */
	bool (*away)(bool away);
};
extern const struct database_subject *database_subject;
extern scp_database *db;

/** The table t: k a key, n an integer, b a blob, r a real, x a text. */
void make_table(void);
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

/** All of the suite, into a runner of one's own. */
void add_database_suites(SRunner *runner);
Suite *conformance_suite(void);
Suite *database_manners_suite(void);

#endif
