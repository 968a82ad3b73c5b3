/* How a driver behaves to its caller: what it says when something fails, what its traits are good for, and what a
 * database that is away does to a transaction. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "database_suite.h"

static scp_status one_number(scp_db_tx *tx, const char *sql, int64_t *out, scp_error *err)
{
	question q = { sql, 0 };
	scp_status rc = ask(tx, &q, err);

	*out = q.answer;
	return rc;
}

static scp_status refuse(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)tx;
	(void)arg;
	err->status = SCP_ESTATE;
	snprintf(err->code, sizeof(err->code), "StateConflict");
	snprintf(err->message, sizeof(err->message), "a body's own words");
	return SCP_ESTATE;
}

START_TEST(what_a_body_says_is_what_comes_back)
{
	for (int mode = SCP_DB_READ; mode <= SCP_DB_WRITE; mode++) {
		scp_error err = { 0 };

		ck_assert_int_eq(scp__database_transact(db, (scp_db_mode)mode, refuse, NULL, &err), SCP_ESTATE);
		ck_assert_int_eq(err.status, SCP_ESTATE);
		ck_assert_str_eq(err.message, "a body's own words");
	}
}
END_TEST

static scp_status nonsense(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "SELECT nothing FROM nowhere", NULL, 0, err);
}

/* In rows of the error table: they become REST errors. */
START_TEST(errors_are_told)
{
	static const struct {
		scp_db_fn *fn;
		scp_status status;
	} rows[] = { { insert_key, SCP_ECONFLICT }, { nonsense, SCP_EBACKEND } };

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	for (size_t i = 0; i < 2; i++) {
		scp_error err = { 0 };

		ck_assert_int_eq(
		    scp__database_transact(db, SCP_DB_WRITE, rows[i].fn, (char[]){ "a" }, &err), rows[i].status);
		ck_assert_int_eq(err.status, rows[i].status);
		ck_assert_str_ne(err.message, "");
		ck_assert_str_ne(err.code, "");
		ck_assert_int_eq(
		    scp__database_transact(db, SCP_DB_WRITE, rows[i].fn, (char[]){ "a" }, NULL), rows[i].status);
	}
}
END_TEST

static scp_status use_traits(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_db_traits *t = tx->db->ops->traits;
	char sql[400];
	int64_t n;

	(void)arg;
	snprintf(sql, sizeof(sql), "%s INTO t (k, n) VALUES ('a', 5)", t->insert_ignore);
	for (uint64_t i = 0; i < 2; i++) {
		ck_assert_int_eq(run(tx, sql, NULL, 0, err), SCP_OK);
		ck_assert_uint_eq(tx->db->ops->matched(tx), 1 - i);
	}
	snprintf(sql, sizeof(sql), "SELECT n FROM t WHERE k = 'a'%s", t->skip_locked);
	ck_assert_int_eq(one_number(tx, sql, &n, err), SCP_OK);
	ck_assert_int_eq(n, 5);
	snprintf(sql, sizeof(sql), "%sSELECT n FROM t WHERE k = 'a'", t->explain);
	ck_assert_int_eq(run(tx, sql, NULL, 0, err), SCP_OK);
	if (t->now_us) {
		ck_assert_int_eq(one_number(tx, t->now_us, &n, err), SCP_OK);
		ck_assert_int_lt(llabs(n - scp__now_us()), INT64_C(3600000000));
	}
	if (t->schema_lock[0]) {
		ck_assert_int_eq(one_number(tx, t->schema_lock, &n, err), SCP_OK);
		ck_assert_int_eq(n, 1);
		ck_assert_int_eq(run(tx, t->schema_unlock, NULL, 0, err), SCP_OK);
	}
	snprintf(sql, sizeof(sql), "CREATE TABLE u (p %s NOT NULL PRIMARY KEY, j %s)%s", t->text_path, t->json,
	    t->table_suffix);
	return tx->db->ops->exec(tx, sql, err);
}

START_TEST(the_traits_are_what_it_understands)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_check(db, &err), SCP_OK);
	ck_assert_msg(!scp__database_transact(db, SCP_DB_WRITE, use_traits, NULL, &err), "%s", err.message);
	ck_assert_int_eq(number("SELECT count(*) FROM u"), 0);
}
END_TEST

START_TEST(what_a_driver_lacks_is_answered_by_the_port)
{
	const scp_database_ops *whole = db->ops;
	scp_database_ops ops = *whole;
	scp_db_load load = { 1, 2, 3 };

	ops.load = NULL;
	db->ops = &ops;
	ck_assert_int_eq(scp__database_check(db, NULL), SCP_OK);
	scp__database_load(db, &load);
	ck_assert_uint_eq(load.held + load.idle + load.waiting, 0);
	db->ops = whole;
}
END_TEST

static void assert_health(scp_status wanted)
{
	int64_t before = scp__mono_us();
	char detail[16];

	memset(detail, 'x', sizeof(detail));
	ck_assert_int_eq(scp__database_health(db, 500, detail, sizeof(detail), NULL), wanted);
	ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
	ck_assert_int_lt(scp__mono_us() - before, 2000000);
}

START_TEST(health_keeps_its_deadline_and_its_buffer)
{
	assert_health(SCP_OK);
}
END_TEST

/* ---- a writer who takes long ---- */

static sem_t held, enough;

static scp_status write_long(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = insert_key(tx, arg, err);

	sem_post(&held);
	while (sem_wait(&enough))
		;
	return rc;
}

static void *write_in_thread(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, write_long, arg, NULL);
}

/* The header says 5 s; a driver that tries again takes a few times that. */
START_TEST(who_waits_for_a_writer_gives_up_in_time)
{
	char key[] = "a"; /* as long as the thread */
	int64_t before;
	pthread_t thread;
	void *rc;

	ck_assert(!sem_init(&held, 0, 0) && !sem_init(&enough, 0, 0));
	ck_assert_int_eq(pthread_create(&thread, NULL, write_in_thread, key), 0);
	while (sem_wait(&held))
		;
	before = scp__mono_us();
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, key, NULL), SCP_EUNAVAIL);
	ck_assert_int_lt(scp__mono_us() - before, 30000000);
	sem_post(&enough);
	pthread_join(thread, &rc);
	ck_assert_ptr_null(rc);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
}
END_TEST

/* ---- a database that is away ---- */

struct loss {
	bool swallow; /* the body doesn't notice */
	int runs;
};

static scp_status lose_it(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct loss *l = arg;
	scp_status rc = insert_key(tx, (char[]){ "a" }, err);

	l->runs++;
	if (rc)
		return rc;
	ck_assert(database_subject->away(true));
	rc = insert_key(tx, (char[]){ "b" }, l->swallow ? NULL : err);
	ck_assert_int_eq(rc, SCP_EUNAVAIL);
	return l->swallow ? SCP_OK : rc;
}

START_TEST(a_lost_transaction_is_told_and_leaves_nothing)
{
	if (!database_subject->away)
		return;
	for (int i = 0; i < 2; i++) {
		struct loss l = { i, 0 };
		scp_error err = { 0 };

		ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, lose_it, &l, &err), SCP_EUNAVAIL);
		ck_assert_int_eq(err.status, SCP_EUNAVAIL);
		ck_assert_int_ge(l.runs, 1);
		ck_assert(database_subject->away(false));
		ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
	}
}
END_TEST

START_TEST(a_database_that_is_away_is_unavailable_until_it_is_back)
{
	scp_error err = { 0 };

	if (!database_subject->away || !database_subject->away(true))
		return;
	for (int mode = SCP_DB_READ; mode <= SCP_DB_WRITE; mode++)
		ck_assert_int_eq(
		    scp__database_transact(db, (scp_db_mode)mode, insert_key, (char[]){ "a" }, &err), SCP_EUNAVAIL);
	ck_assert_int_eq(err.status, SCP_EUNAVAIL);
	assert_health(SCP_EUNAVAIL);
	ck_assert(database_subject->away(false));
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 0);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
}
END_TEST

Suite *database_manners_suite(void)
{
	Suite *s = suite_create("manners");
	TCase *c = tcase_create("manners");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, database_subject->begin, database_subject->end);
	add_case(c, what_a_body_says_is_what_comes_back);
	add_case(c, errors_are_told);
	add_case(c, the_traits_are_what_it_understands);
	add_case(c, what_a_driver_lacks_is_answered_by_the_port);
	add_case(c, health_keeps_its_deadline_and_its_buffer);
	add_case(c, who_waits_for_a_writer_gives_up_in_time);
	add_case(c, a_lost_transaction_is_told_and_leaves_nothing);
	add_case(c, a_database_that_is_away_is_unavailable_until_it_is_back);
	suite_add_tcase(s, c);
	return s;
}
