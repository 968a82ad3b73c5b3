#include "help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

scp_database *db;
char folder[64];

const char *file_url(const char *name, const char *query)
{
	static char url[160];

	snprintf(url, sizeof(url), "sqlite:%s/%s%s", folder, name, query);
	return url;
}

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

typedef struct question {
	const char *sql;
	int64_t answer;
} question;

static scp_status ask(scp_db_tx *tx, void *arg, scp_error *err)
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

static scp_status make_table(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return tx->db->ops->exec(tx, "CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, n INTEGER, b BLOB)", err);
}

void fixture_open(void)
{
	scp_error err = { 0 };

	strcpy(folder, "/tmp/scp-database-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_msg(!scp__database_open(&db, file_url("state.db", ""), &err), "%s", err.message);
	ck_assert_msg(!scp__database_transact(db, SCP_DB_WRITE, make_table, NULL, &err), "%s", err.message);
}

void reopen(void)
{
	scp_error err = { 0 };

	ck_assert_msg(!scp__database_open(&db, file_url("state.db", ""), &err), "%s", err.message);
}

void fixture_close(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	scp__database_close(db);
	db = NULL;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* ---- the port and one connection ---- */

START_TEST(an_unknown_scheme_is_refused_without_showing_the_url)
{
	scp_database *none;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_open(&none, "oracle://u:secret@host/x", &err), SCP_EINVAL);
	ck_assert_ptr_null(none);
	ck_assert_ptr_nonnull(strstr(err.message, "sqlite:"));
	ck_assert_ptr_null(strstr(err.message, "secret"));
}
END_TEST

START_TEST(a_missing_operation_is_named)
{
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_OK);
	ops.matched = NULL;
	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'matched'"));
}
END_TEST

START_TEST(a_missing_trait_is_named)
{
	scp_db_traits traits = *db->ops->traits;
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };
	scp_error err = { 0 };

	ops.traits = &traits;
	traits.text_key = NULL;
	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'text_key'"));
}
END_TEST

START_TEST(an_older_vtable_is_refused)
{
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };

	ops.struct_size -= 8;
	ck_assert_int_eq(scp__database_check(&broken, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(every_file_is_for_its_owner_alone)
{
	static const char *const names[] = { "state.db", "state.db-wal", "state.db-shm" };
	char path[128];
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0600);
	}
}
END_TEST

START_TEST(parameters_of_the_url_are_checked)
{
	scp_database *other;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_open(&other, file_url("x.db", "?mode=memory"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "mode=memory"));
	ck_assert_int_eq(scp__database_open(&other, "sqlite:relative.db", &err), SCP_EINVAL);
	ck_assert_int_eq(scp__database_open(&other, file_url("x.db", "?sync=full"), &err), SCP_OK);
	scp__database_close(other);
}
END_TEST

START_TEST(a_duplicate_is_a_conflict_and_leaves_nothing)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_OK);
	ck_assert_int_eq(err.status, 0);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_ECONFLICT);
	ck_assert_int_eq(err.status, SCP_ECONFLICT);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

static scp_status matched_three(scp_db_tx *tx, void *arg, scp_error *err)
{
	uint64_t *matched = arg;

	insert_key(tx, (char[]){ "a" }, err);
	insert_key(tx, (char[]){ "b" }, err);
	run(tx, "UPDATE t SET n = 1", NULL, 0, err);
	*matched = tx->db->ops->matched(tx);
	return SCP_OK;
}

START_TEST(rows_that_an_update_leaves_as_they_were_are_matched)
{
	uint64_t matched = 0;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, matched_three, &matched, NULL), SCP_OK);
	ck_assert_uint_eq(matched, 2);
}
END_TEST

START_TEST(a_read_can_not_write)
{
	scp_error err = { 0 };

	ck_assert_int_ne(scp__database_transact(db, SCP_DB_READ, insert_key, (char[]){ "a" }, &err), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
}
END_TEST

static scp_status fail_late(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = insert_key(tx, (char[]){ "a" }, err);

	(void)arg;
	return rc ? rc : SCP_ESTATE;
}

START_TEST(a_body_that_fails_leaves_nothing)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, fail_late, NULL, NULL), SCP_ESTATE);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
}
END_TEST

static scp_status again_twice(scp_db_tx *tx, void *arg, scp_error *err)
{
	int *runs = arg;
	scp_status rc = insert_key(tx, (char[]){ "a" }, err);

	return rc ? rc : ++*runs < 3 ? SCP_EAGAIN : SCP_OK;
}

START_TEST(a_conflict_runs_the_body_again_from_the_start)
{
	int runs = 0;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, again_twice, &runs, NULL), SCP_OK);
	ck_assert_int_eq(runs, 3);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

static scp_status again_always(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)tx;
	(void)err;
	++*(int *)arg;
	return SCP_EAGAIN;
}

START_TEST(running_again_has_an_end)
{
	int writes = 0, reads = 0;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, again_always, &writes, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, again_always, &reads, NULL), SCP_EUNAVAIL);
	ck_assert_int_le(writes, 16);
	ck_assert_int_le(reads, 16);
}
END_TEST

static scp_status leave_open(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_db_stmt *stmt;
	bool row;

	(void)arg;
	if (tx->db->ops->prepare(tx, "SELECT k FROM t", &stmt, err))
		return SCP_EBACKEND;
	return tx->db->ops->step(stmt, &row, err);
}

START_TEST(a_statement_that_a_body_forgot_is_taken_back)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, leave_open, NULL, NULL), SCP_OK);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "b" }, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 2);
}
END_TEST

static scp_status many_texts(scp_db_tx *tx, void *arg, scp_error *err)
{
	char(*texts)[64] = arg;
	scp_status rc = SCP_OK;

	for (int round = 0; round < 2; round++)
		for (int i = 0; !rc && i < 2000; i++)
			rc = run(tx, texts[i], NULL, 0, err);
	return rc;
}

START_TEST(more_statements_than_are_kept_still_run)
{
	char(*texts)[64] = calloc(2000, sizeof(*texts));

	for (int i = 0; i < 2000; i++)
		snprintf(texts[i], sizeof(texts[i]), "INSERT INTO t (k, n) VALUES (%d || '-' || random(), 1)", i);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, many_texts, texts, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 4000);
	free(texts);
}
END_TEST

static scp_status same_address(scp_db_tx *tx, void *arg, scp_error *err)
{
	char sql[64] = "INSERT INTO t (k, n) VALUES ('a', 1)";
	scp_status rc = run(tx, sql, NULL, 0, err);

	(void)arg;
	strcpy(sql, "INSERT INTO t (k, n) VALUES ('b', 1)");
	return rc ? rc : run(tx, sql, NULL, 0, err);
}

START_TEST(another_text_at_the_same_address_is_another_statement)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, same_address, NULL, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k = 'b'"), 1);
}
END_TEST

static scp_status odd_values(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_database_ops *ops = tx->db->ops;
	scp_db_value out[3], in[] = { { .type = SCP_DB_TEXT, .data = "a\0b", .len = 3 },
		{ .type = SCP_DB_REAL, .real = 0.1 }, { .type = SCP_DB_BLOB, .data = "\xff", .len = 1 } };
	scp_db_stmt *stmt;
	bool row;

	(void)arg;
	ck_assert_int_eq(ops->prepare(tx, "SELECT ?, ?, ?", &stmt, err), SCP_OK);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ops->bind(stmt, i, &in[i], err), SCP_OK);
	ck_assert_int_eq(ops->step(stmt, &row, err), SCP_OK);
	ck_assert(row);
	for (int i = 0; i < 3; i++)
		ops->column(stmt, i, &out[i]);
	ck_assert_uint_eq(out[0].len, 3);
	ck_assert_mem_eq(out[0].data, "a\0b", 4);
	ck_assert_double_eq(out[1].real, 0.1);
	ck_assert_mem_eq(out[2].data, "\xff", 1);
	ops->column(stmt, 7, &out[0]);
	ck_assert_int_eq(out[0].type, SCP_DB_NULL);
	ops->release(stmt);
	return SCP_OK;
}

START_TEST(values_come_back_as_they_went_in)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, odd_values, NULL, NULL), SCP_OK);
}
END_TEST

START_TEST(health_says_what_it_is_and_misses_a_deleted_file)
{
	char detail[200];
	char path[100];
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_OK);
	ck_assert_ptr_nonnull(strstr(detail, "state.db"));
	snprintf(path, sizeof(path), "%s/state.db", folder);
	unlink(path);
	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_EUNAVAIL);
}
END_TEST

static Suite *port_suite(void)
{
	Suite *s = suite_create("port");
	TCase *c = tcase_create("port");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, an_unknown_scheme_is_refused_without_showing_the_url);
	tcase_add_test(c, a_missing_operation_is_named);
	tcase_add_test(c, a_missing_trait_is_named);
	tcase_add_test(c, an_older_vtable_is_refused);
	tcase_add_test(c, every_file_is_for_its_owner_alone);
	tcase_add_test(c, parameters_of_the_url_are_checked);
	tcase_add_test(c, a_duplicate_is_a_conflict_and_leaves_nothing);
	tcase_add_test(c, rows_that_an_update_leaves_as_they_were_are_matched);
	tcase_add_test(c, a_read_can_not_write);
	tcase_add_test(c, a_body_that_fails_leaves_nothing);
	tcase_add_test(c, a_conflict_runs_the_body_again_from_the_start);
	tcase_add_test(c, running_again_has_an_end);
	tcase_add_test(c, a_statement_that_a_body_forgot_is_taken_back);
	tcase_add_test(c, more_statements_than_are_kept_still_run);
	tcase_add_test(c, another_text_at_the_same_address_is_another_statement);
	tcase_add_test(c, values_come_back_as_they_went_in);
	tcase_add_test(c, health_says_what_it_is_and_misses_a_deleted_file);
	suite_add_tcase(s, c);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(port_suite());
	int failed;

	srunner_add_suite(runner, group_suite());
	srunner_add_suite(runner, process_suite());
	srunner_add_suite(runner, fault_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
