/* What every driver must do alike: transactions, statements, values. */
#include "database_suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define ROUNDS 100

static scp_status run_text(scp_db_tx *tx, void *arg, scp_error *err)
{
	return run(tx, arg, NULL, 0, err);
}

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
	char(*texts)[64] = arg, key[16];
	scp_status rc = SCP_OK;

	for (int round = 0; round < 2; round++)
		for (int i = 0; !rc && i < 1000; i++) {
			snprintf(key, sizeof(key), "%d-%d", round, i);
			rc = run(tx, texts[i], key, 1, err);
		}
	return rc;
}

START_TEST(more_statements_than_are_kept_still_run)
{
	char(*texts)[64] = calloc(1000, sizeof(*texts));

	for (int i = 0; i < 1000; i++)
		snprintf(texts[i], sizeof(texts[i]), "INSERT INTO t (k, n) VALUES (?, ?) /* %d */", i);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, many_texts, texts, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 2000);
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

START_TEST(messages_never_hold_bound_values)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "hush-hush" }, &err), SCP_OK);
	ck_assert_int_eq(
	    scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "hush-hush" }, &err), SCP_ECONFLICT);
	ck_assert_ptr_null(strstr(err.message, "hush"));
}
END_TEST

static scp_status ask_nonsense(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "SELECT x FROM no_such_table", NULL, 0, err);
}

START_TEST(other_failures_come_in_the_databases_own_words)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, ask_nonsense, NULL, &err), SCP_EBACKEND);
	ck_assert_ptr_nonnull(strstr(err.message, "no_such_table"));
}
END_TEST

static scp_status add_one(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "UPDATE t SET n = n + 1 WHERE k = 'counter'", NULL, 0, err);
}

static scp_status add_one_and_fail(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = add_one(tx, arg, err);

	return rc ? rc : SCP_ESTATE;
}

static void *hammer(void *arg)
{
	intptr_t bad = 0;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		bad += scp__database_transact(db, SCP_DB_WRITE, add_one, NULL, NULL) != SCP_OK;
		bad += scp__database_transact(db, SCP_DB_WRITE, add_one_and_fail, NULL, NULL) != SCP_ESTATE;
	}
	return (void *)bad;
}

START_TEST(no_increment_is_lost_and_no_failed_one_counts)
{
	pthread_t threads[THREADS];
	void *bad;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "counter" }, NULL), SCP_OK);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hammer, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_int_eq(number("SELECT n FROM t WHERE k = 'counter'"), 1 + THREADS * ROUNDS);
}
END_TEST

/* ---- several statements, and what they give ---- */

static scp_status insert_three(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (const char *const *key = arg; !rc && *key; key++)
		rc = run(tx, "INSERT INTO t (k, n) VALUES (?, ?)", *key, 7, err);
	return rc;
}

static scp_status in_turns(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_database_ops *ops = tx->db->ops;
	scp_db_stmt *outer, *inner;
	scp_db_value key;
	bool row;
	int *seen = arg;

	*seen = 0;
	ck_assert_int_eq(ops->prepare(tx, "SELECT k FROM t ORDER BY k", &outer, err), SCP_OK);
	while (!ops->step(outer, &row, err) && row) {
		ops->column(outer, 0, &key);
		ck_assert_int_eq(ops->prepare(tx, "SELECT n FROM t WHERE k = ?", &inner, err), SCP_OK);
		ck_assert_int_eq(ops->bind(inner, 0, &key, err), SCP_OK);
		ck_assert_int_eq(ops->step(inner, &row, err), SCP_OK);
		ck_assert(row);
		ck_assert_int_eq(((const char *)key.data)[0], 'a' + (*seen)++);
		ops->release(inner);
	}
	ops->release(outer);
	return SCP_OK;
}

START_TEST(statements_may_be_used_in_turns)
{
	const char *keys[] = { "b", "c", "a", NULL };
	int seen = 0;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_three, keys, NULL), SCP_OK);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, in_turns, &seen, NULL), SCP_OK);
	ck_assert_int_eq(seen, 3);
}
END_TEST

START_TEST(keys_are_compared_by_their_bytes)
{
	const char *keys[] = { "a", "A", "a ", "\xc3\xa4", "a\xcc\x88", "", " ", "\xf0\x9f\x98\x80", NULL };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_three, keys, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k = 'a'"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k = ''"), 1);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k > 'a' AND k < 'b'"), 2);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k > '~'"), 2);
}
END_TEST

typedef struct big {
	char *data;
	size_t len;
} big;

static scp_status write_big(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_database_ops *ops = tx->db->ops;
	const big *b = arg;
	scp_db_value values[] = { { .type = SCP_DB_BLOB, .data = b->data, .len = b->len },
		{ .type = SCP_DB_TEXT, .data = b->data, .len = b->len } };
	scp_db_stmt *stmt;
	scp_status rc = ops->prepare(tx, "UPDATE t SET b = ?, x = ? WHERE k = 'b'", &stmt, err);
	bool row;

	for (int i = 0; !rc && i < 2; i++)
		rc = ops->bind(stmt, i, &values[i], err);
	if (!rc)
		rc = ops->step(stmt, &row, err);
	ops->release(stmt);
	return rc;
}

/* a, b, c: NULL, then large, then NULL: what one row needed is nothing to the next. */
static scp_status read_big(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_database_ops *ops = tx->db->ops;
	scp_db_value blob, text;
	const big *b = arg;
	scp_db_stmt *stmt;
	bool row;

	ck_assert_int_eq(ops->prepare(tx, "SELECT b, x FROM t ORDER BY k", &stmt, err), SCP_OK);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ops->step(stmt, &row, err), SCP_OK);
		ck_assert(row);
		ops->column(stmt, 0, &blob);
		ops->column(stmt, 1, &text);
		ck_assert_int_eq(blob.type, i == 1 ? SCP_DB_BLOB : SCP_DB_NULL);
		ck_assert_int_eq(text.type, i == 1 ? SCP_DB_TEXT : SCP_DB_NULL);
		if (i != 1)
			continue;
		ck_assert_uint_eq(blob.len, b->len);
		ck_assert_uint_eq(text.len, b->len);
		ck_assert(!b->len || !memcmp(blob.data, b->data, b->len));
		ck_assert_int_eq(memcmp(text.data, b->data, b->len), 0);
		ck_assert_int_eq(((const char *)text.data)[b->len], 0);
	}
	ck_assert_int_eq(ops->step(stmt, &row, err), SCP_OK);
	ck_assert(!row);
	ops->release(stmt);
	return SCP_OK;
}

START_TEST(values_of_every_size_come_back)
{
	static const size_t sizes[] = { 0, 1, 255, 256, 257, 70000, 2000000, 3 };
	const char *keys[] = { "a", "b", "c", NULL };
	big b = { malloc(2000000), 0 };

	memset(b.data, 'x', 2000000);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_three, keys, NULL), SCP_OK);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		b.len = sizes[i];
		ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, write_big, &b, NULL), SCP_OK);
		ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, read_big, &b, NULL), SCP_OK);
	}
	free(b.data);
}
END_TEST

START_TEST(numbers_keep_64_bits_and_sums_are_integers)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT 9223372036854775807"), INT64_MAX);
	ck_assert_int_eq(number("SELECT -9223372036854775807"), -INT64_MAX);
	ck_assert_int_eq(number("SELECT COALESCE(sum(n), 0) * 4611686018427387904 FROM t"), 1LL << 62);
	ck_assert_int_eq(number("SELECT COALESCE(sum(n), 0) FROM t WHERE k = 'none'"), 0);
	ck_assert_int_eq(number("SELECT CASE WHEN n > 0 THEN n ELSE 5 END FROM t"), 1);
}
END_TEST

/* ---- one transaction ---- */

static scp_status go_on_after_a_duplicate(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_error ignored = { 0 };

	(void)arg;
	ck_assert_int_eq(insert_key(tx, (char[]){ "a" }, err), SCP_OK);
	ck_assert_int_eq(insert_key(tx, (char[]){ "a" }, &ignored), SCP_ECONFLICT);
	ck_assert_int_ne(run(tx, "SELECT none FROM t", NULL, 0, NULL), SCP_OK);
	return insert_key(tx, (char[]){ "b" }, err);
}

START_TEST(a_statement_that_fails_leaves_the_others)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, go_on_after_a_duplicate, NULL, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 2);
}
END_TEST

static uint64_t matched_by(scp_db_tx *tx, const char *sql)
{
	ck_assert_int_eq(run(tx, sql, NULL, 0, NULL), SCP_OK);
	return tx->db->ops->matched(tx);
}

static scp_status match(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	(void)err;
	ck_assert_uint_eq(matched_by(tx, "INSERT INTO t (k, n) VALUES ('a', 1), ('b', 1), ('c', 2)"), 3);
	ck_assert_uint_eq(matched_by(tx, "UPDATE t SET n = n + 1 WHERE n = 1"), 2);
	ck_assert_uint_eq(matched_by(tx, "UPDATE t SET n = 2"), 3);
	ck_assert_uint_eq(matched_by(tx, "UPDATE t SET n = 2 WHERE k = 'z'"), 0);
	ck_assert_uint_eq(matched_by(tx, "DELETE FROM t WHERE n = 2 AND k > 'a'"), 2);
	ck_assert_uint_eq(matched_by(tx, "SELECT k FROM t WHERE k = 'none'"), 0);
	return SCP_OK;
}

START_TEST(rows_that_match_are_counted)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, match, NULL, NULL), SCP_OK);
}
END_TEST

static void *insert_in_thread(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, insert_key, arg, NULL);
}

static scp_status look_twice(scp_db_tx *tx, void *arg, scp_error *err)
{
	question before = { "SELECT count(*) FROM t", 0 }, after = before;
	pthread_t other;
	void *rc;

	(void)arg;
	ck_assert_int_eq(ask(tx, &before, err), SCP_OK);
	pthread_create(&other, NULL, insert_in_thread, (char[]){ "new" });
	pthread_join(other, &rc);
	ck_assert_ptr_null(rc);
	ck_assert_int_eq(ask(tx, &after, err), SCP_OK);
	ck_assert_int_eq(before.answer, after.answer);
	return SCP_OK;
}

START_TEST(a_reader_sees_one_moment)
{
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_READ, look_twice, NULL, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

/* Read, think, write: what the store's writers do. */
static scp_status hold_and_add(scp_db_tx *tx, void *arg, scp_error *err)
{
	question q = { "SELECT n FROM t WHERE k = 'counter' /*! FOR UPDATE */", 0 };
	scp_status rc = ask(tx, &q, err);

	(void)arg;
	if (!rc)
		rc = run(tx, "UPDATE t SET k = ?, n = ? WHERE k = 'counter'", "counter", q.answer + 1, err);
	return rc;
}

static void *hold_and_add_often(void *arg)
{
	intptr_t bad = 0;

	(void)arg;
	for (int i = 0; i < 50; i++)
		bad += scp__database_transact(db, SCP_DB_WRITE, hold_and_add, NULL, NULL) != SCP_OK;
	return (void *)bad;
}

START_TEST(a_row_that_is_held_is_nobody_elses)
{
	pthread_t threads[THREADS];
	void *bad;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "counter" }, NULL), SCP_OK);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hold_and_add_often, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_int_eq(number("SELECT n FROM t"), 1 + THREADS * 50);
}
END_TEST

/* ---- the schema ---- */

static scp_status widen(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return tx->db->ops->exec(tx, "ALTER TABLE t ADD COLUMN more INTEGER", err);
}

START_TEST(kept_statements_outlive_a_change_of_the_schema)
{
	static const char all[] = "SELECT n FROM t WHERE k = 'a'", sql[] = "INSERT INTO t (k, n) VALUES ('a', 4)";

	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
	ck_assert_int_eq(number(all), 0);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, widen, NULL, NULL), SCP_OK);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, run_text, (void *)(uintptr_t)sql, NULL), SCP_OK);
	ck_assert_int_eq(number(all), 4);
}
END_TEST

START_TEST(health_says_what_it_is)
{
	char detail[200];
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_OK);
	ck_assert_ptr_nonnull(strcasestr(detail, db->ops->traits->name));
}
END_TEST

Suite *conformance_suite(void)
{
	Suite *s = suite_create("conformance");
	TCase *c = tcase_create("conformance");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, database_subject->begin, database_subject->end);
	add_case(c, a_duplicate_is_a_conflict_and_leaves_nothing);
	add_case(c, rows_that_an_update_leaves_as_they_were_are_matched);
	add_case(c, a_read_can_not_write);
	add_case(c, a_body_that_fails_leaves_nothing);
	add_case(c, a_conflict_runs_the_body_again_from_the_start);
	add_case(c, running_again_has_an_end);
	add_case(c, a_statement_that_a_body_forgot_is_taken_back);
	add_case(c, more_statements_than_are_kept_still_run);
	add_case(c, another_text_at_the_same_address_is_another_statement);
	add_case(c, values_come_back_as_they_went_in);
	add_case(c, messages_never_hold_bound_values);
	add_case(c, other_failures_come_in_the_databases_own_words);
	add_case(c, no_increment_is_lost_and_no_failed_one_counts);
	add_case(c, statements_may_be_used_in_turns);
	add_case(c, keys_are_compared_by_their_bytes);
	add_case(c, values_of_every_size_come_back);
	add_case(c, numbers_keep_64_bits_and_sums_are_integers);
	add_case(c, a_statement_that_fails_leaves_the_others);
	add_case(c, rows_that_match_are_counted);
	add_case(c, a_reader_sees_one_moment);
	add_case(c, a_row_that_is_held_is_nobody_elses);
	add_case(c, kept_statements_outlive_a_change_of_the_schema);
	add_case(c, health_says_what_it_is);
	suite_add_tcase(s, c);
	return s;
}
