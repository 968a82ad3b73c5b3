#include "database_suite.h"

#include <stdio.h>
#include <string.h>

const char *contract_case;
const struct database_subject *database_subject;
scp_database *db;

scp_status run(scp_db_tx *tx, const char *sql, const char *key, int64_t n, scp_error *err)
{
	scp_db_value values[] = { { .type = SCP_DB_TEXT, .data = key, .len = key ? strlen(key) : 0 },
		{ .type = SCP_DB_INTEGER, .integer = n } };
	const scp_database_ops *ops = tx->db->ops;
	scp_db_stmt *stmt;
	scp_status rc = ops->prepare(tx, sql, &stmt, err);
	bool row;

	if (rc)
		return rc;
	for (int i = 0; !rc && key && i < 2; i++)
		rc = ops->bind(stmt, i, &values[i], err);
	if (!rc)
		rc = ops->step(stmt, &row, err);
	ops->release(stmt);
	return rc;
}

scp_status insert_key(scp_db_tx *tx, void *arg, scp_error *err)
{
	return run(tx, "INSERT INTO t (k, n) VALUES (?, ?)", arg, 1, err);
}

scp_status ask(scp_db_tx *tx, void *arg, scp_error *err)
{
	question *q = arg;
	scp_db_value value = { 0 };
	scp_db_stmt *stmt;
	scp_status rc = tx->db->ops->prepare(tx, q->sql, &stmt, err);
	bool row;

	if (rc)
		return rc;
	rc = tx->db->ops->step(stmt, &row, err);
	if (!rc && row)
		tx->db->ops->column(stmt, 0, &value);
	q->answer = value.integer;
	tx->db->ops->release(stmt);
	return rc;
}

int64_t number(const char *sql)
{
	question q = { sql, 0 };
	scp_error err = { 0 };

	ck_assert_msg(!scp__database_transact(db, SCP_DB_READ, ask, &q, &err), "%s", err.message);
	return q.answer;
}

static scp_status make_table_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_db_traits *t = tx->db->ops->traits;
	char sql[400];

	(void)arg;
	snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS t (k %s NOT NULL PRIMARY KEY, n %s, b %s, r %s, x %s)%s",
	    t->text_key, t->integer, t->blob, t->real, t->text, t->table_suffix);
	return tx->db->ops->exec(tx, sql, err);
}

void make_table(void)
{
	scp_error err = { 0 };

	ck_assert_msg(!scp__database_transact(db, SCP_DB_WRITE, make_table_tx, NULL, &err), "%s", err.message);
}

void add_database_suites(SRunner *runner)
{
	srunner_add_suite(runner, conformance_suite());
	srunner_add_suite(runner, database_manners_suite());
}
