/* Threads that write at once: what is grouped into one commit must look as if each had had its own. */
#include "help.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "sqlite.h"

#define THREADS 8

/* A leader that stays in its body until the test has seen its followers queue up. */
typedef struct gate {
	sem_t inside, open;
} gate;

static scp_status wait_at_gate(scp_db_tx *tx, void *arg, scp_error *err)
{
	gate *g = arg;

	(void)tx;
	(void)err;
	sem_post(&g->inside);
	sem_wait(&g->open);
	return SCP_OK;
}

static void *lead(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, wait_at_gate, arg, NULL);
}

/* Until so many stand behind the leader, who then takes them along as one group. */
static void await_queue(unsigned count)
{
	scp__sqlite_writer *writer = &((scp__sqlite *)db)->writer;
	unsigned waiting = 0;

	while (waiting < count) {
		sched_yield();
		pthread_mutex_lock(&writer->lock);
		waiting = writer->waiting;
		pthread_mutex_unlock(&writer->lock);
	}
}

typedef struct member {
	pthread_t thread;
	char key[16];
	scp_status rc;
	scp_error err;
} member;

static void *take_part(void *arg)
{
	member *m = arg;

	m->rc = scp__database_transact(db, SCP_DB_WRITE, insert_key, m->key, &m->err);
	return NULL;
}

START_TEST(one_member_of_a_group_fails_alone)
{
	member members[THREADS] = { 0 };
	pthread_t leader;
	int good = 0;
	gate g;

	sem_init(&g.inside, 0, 0);
	sem_init(&g.open, 0, 0);
	pthread_create(&leader, NULL, lead, &g);
	sem_wait(&g.inside);
	for (int i = 0; i < THREADS; i++) {
		snprintf(members[i].key, sizeof(members[i].key), "k%d", i / 2);
		pthread_create(&members[i].thread, NULL, take_part, &members[i]);
	}
	await_queue(THREADS);
	sem_post(&g.open);
	pthread_join(leader, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(members[i].thread, NULL);
		good += members[i].rc == SCP_OK;
		ck_assert(members[i].rc == SCP_OK || members[i].rc == SCP_ECONFLICT);
		ck_assert_int_eq(members[i].err.status, members[i].rc);
	}
	ck_assert_int_eq(good, THREADS / 2);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), THREADS / 2);
	sem_destroy(&g.inside);
	sem_destroy(&g.open);
}
END_TEST

static atomic_int others_ran;

/* Ends the transaction under everybody's feet, as a full disk does. */
static scp_status lose_everything(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	tx->db->ops->exec(tx, "ROLLBACK", NULL);
	return run(tx, "SELECT nothing FROM nowhere", NULL, 0, err);
}

static scp_status count_and_insert(scp_db_tx *tx, void *arg, scp_error *err)
{
	atomic_fetch_add(&others_ran, 1);
	return insert_key(tx, arg, err);
}

static void *do_lose(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, lose_everything, NULL, NULL);
}

static void *do_count(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_WRITE, count_and_insert, arg, NULL);
}

START_TEST(a_body_that_loses_the_transaction_takes_nobody_along)
{
	char keys[6][4] = { "a", "b", "c", "d", "e", "f" };
	pthread_t leader, loser, threads[6];
	void *rc;
	gate g;

	sem_init(&g.inside, 0, 0);
	sem_init(&g.open, 0, 0);
	pthread_create(&leader, NULL, lead, &g);
	sem_wait(&g.inside);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, do_count, keys[i]);
	await_queue(3);
	pthread_create(&loser, NULL, do_lose, NULL);
	for (int i = 3; i < 6; i++)
		pthread_create(&threads[i], NULL, do_count, keys[i]);
	await_queue(7);
	sem_post(&g.open);
	pthread_join(leader, NULL);
	pthread_join(loser, &rc);
	ck_assert_ptr_nonnull(rc);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_ptr_null(rc);
	}
	ck_assert_int_gt(atomic_load(&others_ran), 6); /* some had to run again */
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 6);
	sem_destroy(&g.inside);
	sem_destroy(&g.open);
}
END_TEST

static scp_status read_at_gate(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = run(tx, "SELECT count(*) FROM t", NULL, 0, err);

	return rc ? rc : wait_at_gate(tx, arg, err);
}

static void *read_in_thread(void *arg)
{
	return (void *)(intptr_t)scp__database_transact(db, SCP_DB_READ, read_at_gate, arg, NULL);
}

START_TEST(readers_wait_neither_for_each_other_nor_for_the_writer)
{
	pthread_t threads[4];
	void *rc;
	gate g;

	sem_init(&g.inside, 0, 0);
	sem_init(&g.open, 0, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, read_in_thread, &g);
	for (int i = 0; i < 4; i++)
		sem_wait(&g.inside); /* all four are inside at once */
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 1);
	for (int i = 0; i < 4; i++)
		sem_post(&g.open);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_ptr_null(rc);
	}
	sem_destroy(&g.inside);
	sem_destroy(&g.open);
}
END_TEST

START_TEST(a_reader_beyond_the_pool_is_told_so_in_time)
{
	pthread_t threads[8];
	char detail[100];
	scp_error err = { 0 };
	gate g;

	sem_init(&g.inside, 0, 0);
	sem_init(&g.open, 0, 0);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, read_in_thread, &g);
	for (int i = 0; i < 8; i++)
		sem_wait(&g.inside);
	ck_assert_int_eq(scp__database_health(db, 20, detail, sizeof(detail), &err), SCP_EUNAVAIL);
	ck_assert_uint_gt(err.retry_after_ms, 0);
	for (int i = 0; i < 8; i++)
		sem_post(&g.open);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(scp__database_health(db, 20, detail, sizeof(detail), &err), SCP_OK);
	sem_destroy(&g.inside);
	sem_destroy(&g.open);
}
END_TEST

START_TEST(a_writer_behind_a_stuck_one_is_told_so_in_time)
{
	pthread_t leader;
	scp_error err = { 0 };
	gate g;

	sem_init(&g.inside, 0, 0);
	sem_init(&g.open, 0, 0);
	pthread_create(&leader, NULL, lead, &g);
	sem_wait(&g.inside);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "late" }, &err), SCP_EUNAVAIL);
	ck_assert_uint_gt(err.retry_after_ms, 0);
	sem_post(&g.open);
	pthread_join(leader, NULL);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "next" }, &err), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE k = 'late'"), 0);
	sem_destroy(&g.inside);
	sem_destroy(&g.open);
}
END_TEST

Suite *group_suite(void)
{
	Suite *s = suite_create("group");
	TCase *c = tcase_create("group");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, one_member_of_a_group_fails_alone);
	tcase_add_test(c, a_body_that_loses_the_transaction_takes_nobody_along);
	tcase_add_test(c, readers_wait_neither_for_each_other_nor_for_the_writer);
	tcase_add_test(c, a_reader_beyond_the_pool_is_told_so_in_time);
	tcase_add_test(c, a_writer_behind_a_stuck_one_is_told_so_in_time);
	suite_add_tcase(s, c);
	return s;
}
