#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pool.h"
#include "suites.h"

/* A place where a test waits for what jobs do. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int arrived;
	bool open;
	char order[64];
};
#define GATE_INIT                                                                                                      \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                 \
	}

static void arrive(void *arg)
{
	struct gate *g = arg;

	pthread_mutex_lock(&g->lock);
	g->arrived++;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static void wait_for(struct gate *g, int count)
{
	pthread_mutex_lock(&g->lock);
	while (g->arrived < count)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

/* Occupies its thread until the gate opens. */
static void stand(void *arg)
{
	struct gate *g = arg;

	arrive(g);
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void let_go(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static scp__pool *pool_of(unsigned threads, unsigned queue_max)
{
	scp_error err = { 0 };
	scp__pool *pool;

	ck_assert_msg(!scp__pool_new(&pool, "test", threads, queue_max, &err), "%s", err.message);
	return pool;
}

START_TEST(every_submitted_job_runs_before_the_pool_ends)
{
	struct gate g = GATE_INIT;
	scp__pool *pool = pool_of(4, 0);

	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(scp__pool_submit(pool, arrive, &g), SCP_OK);
	scp__pool_free(pool);
	ck_assert_int_eq(g.arrived, 1000);
	scp__pool_free(NULL);
}
END_TEST

START_TEST(a_full_queue_says_so)
{
	struct gate g = GATE_INIT, later = GATE_INIT;
	scp__pool *pool = pool_of(1, 2);

	ck_assert_int_eq(scp__pool_submit(pool, stand, &g), SCP_OK);
	wait_for(&g, 1);
	ck_assert_int_eq(scp__pool_submit(pool, arrive, &later), SCP_OK);
	ck_assert_int_eq(scp__pool_submit_after(pool, 3600000, arrive, &later, NULL), SCP_OK);
	ck_assert_int_eq(scp__pool_submit(pool, arrive, &later), SCP_EBUSY);
	ck_assert_int_eq(scp__pool_submit_after(pool, 1, arrive, &later, NULL), SCP_EBUSY);
	let_go(&g);
	scp__pool_free(pool);
	ck_assert_int_eq(later.arrived, 1);
}
END_TEST

struct step {
	struct gate *gate;
	char letter;
};

static void write_letter(void *arg)
{
	struct step *s = arg;
	size_t len;

	pthread_mutex_lock(&s->gate->lock);
	len = strlen(s->gate->order);
	s->gate->order[len] = s->letter;
	pthread_mutex_unlock(&s->gate->lock);
	arrive(s->gate);
}

START_TEST(delayed_jobs_run_in_the_order_of_their_times)
{
	struct gate g = GATE_INIT;
	struct step steps[] = { { &g, 'a' }, { &g, 'b' }, { &g, 'c' }, { &g, 'd' }, { &g, 'e' } };
	static const uint32_t delays[] = { 40, 10, 30, 0, 20 };
	scp__pool *pool = pool_of(1, 0);

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(scp__pool_submit_after(pool, delays[i], write_letter, &steps[i], NULL), SCP_OK);
	wait_for(&g, 5);
	scp__pool_free(pool);
	ck_assert_str_eq(g.order, "dbeca");
}
END_TEST

START_TEST(a_long_delay_holds_no_other_job_up)
{
	struct gate g = GATE_INIT;
	scp__pool *pool = pool_of(1, 0);

	ck_assert_int_eq(scp__pool_submit_after(pool, 3600000, arrive, &g, NULL), SCP_OK);
	ck_assert_int_eq(scp__pool_submit_after(pool, 5, arrive, &g, NULL), SCP_OK);
	ck_assert_int_eq(scp__pool_submit(pool, arrive, &g), SCP_OK);
	wait_for(&g, 2);
	scp__pool_free(pool);
	ck_assert_int_eq(g.arrived, 2);
}
END_TEST

START_TEST(what_still_waits_at_the_end_is_dropped)
{
	struct gate ran = GATE_INIT, dropped = GATE_INIT;
	scp__pool *pool = pool_of(2, 0);

	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(
		    scp__pool_submit_after(pool, 3600000, arrive, i % 2 ? &dropped : &ran, i % 2 ? arrive : NULL),
		    SCP_OK);
	scp__pool_free(pool);
	ck_assert_int_eq(ran.arrived, 0);
	ck_assert_int_eq(dropped.arrived, 20);
}
END_TEST

struct chain {
	scp__pool *pool;
	struct gate gate;
	scp_status last;
};

static void submit_again(void *arg)
{
	struct chain *c = arg;

	stand(&c->gate);
	do
		c->last = scp__pool_submit(c->pool, arrive, &c->gate);
	while (!c->last);
}

static void *end_pool(void *arg)
{
	scp__pool_free(arg);
	return NULL;
}

START_TEST(a_closing_pool_takes_no_jobs)
{
	struct chain c = { .gate = GATE_INIT };
	pthread_t closer;

	c.pool = pool_of(1, 1000000);
	ck_assert_int_eq(scp__pool_submit(c.pool, submit_again, &c), SCP_OK);
	wait_for(&c.gate, 1);
	ck_assert_int_eq(pthread_create(&closer, NULL, end_pool, c.pool), 0);
	let_go(&c.gate);
	pthread_join(closer, NULL);
	ck_assert(c.last == SCP_ECLOSED || c.last == SCP_EBUSY);
}
END_TEST

struct look {
	struct gate gate;
	char name[16];
	bool all_blocked;
};

static void look(void *arg)
{
	struct look *l = arg;
	sigset_t mask;

	pthread_getname_np(pthread_self(), l->name, sizeof(l->name));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	l->all_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT) && sigismember(&mask, SIGCHLD) &&
			 sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGRTMAX);
	arrive(&l->gate);
}

START_TEST(threads_are_named_and_take_no_signals)
{
	struct look l = { .gate = GATE_INIT };
	scp__pool *pool = pool_of(1, 0);
	sigset_t mask;

	ck_assert_int_eq(scp__pool_submit(pool, look, &l), SCP_OK);
	wait_for(&l.gate, 1);
	ck_assert_str_eq(l.name, "test0");
	ck_assert(l.all_blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	ck_assert(!sigismember(&mask, SIGTERM));
	scp__pool_free(pool);
}
END_TEST

START_TEST(a_pool_has_between_1_and_256_threads)
{
	scp__pool *pool = (scp__pool *)&pool;

	ck_assert_int_eq(scp__pool_new(&pool, "test", 0, 0, NULL), SCP_EINVAL);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(scp__pool_new(&pool, "test", 257, 0, NULL), SCP_EINVAL);
}
END_TEST

TCase *util_pool_case(void)
{
	TCase *c = tcase_create("pool");

	tcase_set_timeout(c, 30);
	tcase_add_test(c, every_submitted_job_runs_before_the_pool_ends);
	tcase_add_test(c, a_full_queue_says_so);
	tcase_add_test(c, delayed_jobs_run_in_the_order_of_their_times);
	tcase_add_test(c, a_long_delay_holds_no_other_job_up);
	tcase_add_test(c, what_still_waits_at_the_end_is_dropped);
	tcase_add_test(c, a_closing_pool_takes_no_jobs);
	tcase_add_test(c, threads_are_named_and_take_no_signals);
	tcase_add_test(c, a_pool_has_between_1_and_256_threads);
	return c;
}
