/* What every runtime must do alike: a container is made once, seen, ended, told of once, and taken away. */
#include "runtime_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 4
#define SOON_MS 30000

START_TEST(a_container_runs_and_answers)
{
	struct seen s;

	run_guest("scp-life");
	ck_assert_str_eq(ask("scp-life", "u echo here"), "here\n");
	s = inspect("scp-life");
	ck_assert_int_eq(s.status, SCP_CONTAINER_RUNNING);
	ck_assert_int_eq(s.exit_code, -1);
	ck_assert(!s.pid || !kill(s.pid, 0));
	ck_assert(s.created_us > 1600000000000000 && (!s.started_us || s.started_us >= s.created_us));
	ck_assert_int_eq(list_all().status, SCP_CONTAINER_RUNNING);
}
END_TEST

START_TEST(labels_come_back_as_they_went_in)
{
	struct seen all;

	run_guest("scp-labels");
	all = list_all();
	ck_assert_str_eq(inspect("scp-labels").label, "sess_0123456789abcdef");
	ck_assert_str_eq(inspect("scp-labels").odd, "\"\n\xc3\xa9");
	ck_assert_str_eq(all.name, "scp-labels");
	ck_assert_str_eq(all.label, "sess_0123456789abcdef");
	ck_assert_str_eq(all.odd, "\"\n\xc3\xa9");
}
END_TEST

START_TEST(running_a_name_again_keeps_the_one_that_runs)
{
	struct seen before;

	run_guest("scp-again");
	(void)ask("scp-again", "u echo mine > /tmp/mark");
	before = inspect("scp-again");
	for (int i = 0; i < 2; i++)
		run_guest("scp-again");
	ck_assert_int_eq(inspect("scp-again").pid, before.pid);
	ck_assert_int_eq(inspect("scp-again").created_us, before.created_us);
	ck_assert_str_eq(ask("scp-again", "u cat /tmp/mark"), "mine\n");
	ck_assert_uint_eq(list_all().count, 1);
}
END_TEST

static void assert_ends(const char *name)
{
	scp_runtime_event event;

	ck_assert_int_eq(scp__runtime_next_event(rt, &event, SOON_MS, NULL), SCP_OK);
	ck_assert_str_eq(event.name, name);
}

START_TEST(running_the_name_of_an_ended_one_makes_it_anew)
{
	run_guest("scp-anew");
	(void)ask("scp-anew", "x 3");
	assert_ends("scp-anew");
	run_guest("scp-anew");
	ck_assert_str_eq(ask("scp-anew", "u echo here"), "here\n");
	ck_assert_int_eq(inspect("scp-anew").status, SCP_CONTAINER_RUNNING);
}
END_TEST

static void *run_one(void *arg)
{
	scp_runtime_spec spec = guest_spec("scp-one");

	(void)arg;
	return (void *)(intptr_t)scp__runtime_run(rt, &spec, NULL);
}

START_TEST(one_name_made_by_many_at_once_is_one_container)
{
	pthread_t threads[AT_ONCE];
	void *rc;

	for (int i = 0; i < AT_ONCE; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_one, NULL), 0);
	for (int i = 0; i < AT_ONCE; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_int_eq((int)(intptr_t)rc, SCP_OK);
	}
	ck_assert_uint_eq(list_all().count, 1);
}
END_TEST

/* Also while it runs: it is killed. Who removes it again, after a crash, is told the same. */
START_TEST(what_was_removed_is_gone_and_may_be_removed_again)
{
	struct seen s = { 0 };
	int fd = 0;

	run_guest("scp-other");
	run_guest("scp-gone");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(scp__runtime_remove(rt, "scp-gone", NULL), SCP_OK);
		ck_assert_int_eq(scp__runtime_inspect(rt, "scp-gone", see, &s, NULL), SCP_ENOTFOUND);
		ck_assert_int_eq(scp__runtime_connect(rt, "scp-gone", &fd, NULL), SCP_ENOTFOUND);
		ck_assert_int_eq(scp__runtime_stop(rt, "scp-gone", 0, NULL), SCP_OK);
	}
	ck_assert_uint_eq(s.count, 0);
	ck_assert_uint_eq(list_all().count, 1);
	ck_assert_str_eq(ask("scp-other", "u echo here"), "here\n");
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
	struct seen s = { 0 };
	scp_runtime_stats stats;
	int fd;

	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-none", see, &s, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_inspect(rt, "../../etc", see, &s, NULL), SCP_ENOTFOUND);
	ck_assert_uint_eq(s.count, 0);
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-none", &fd, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(fd, -1);
	if (rt->ops->stats)
		ck_assert_int_eq(scp__runtime_stats(rt, "scp-none", &stats, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-none", 0, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-none", NULL), SCP_OK);
	ck_assert_uint_eq(list_all().count, 0);
}
END_TEST

/* ---- its end ---- */

/* Not every kernel tells the exit codes of others' children: -1. */
static int code_if_told(int code, int got)
{
	return got == -1 ? -1 : code;
}

START_TEST(an_end_is_told_once_with_its_code)
{
	scp_runtime_event event;
	struct seen s;

	run_guest("scp-ends");
	(void)ask("scp-ends", "x 7");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, SOON_MS, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-ends");
	ck_assert_int_eq(event.exit_code, code_if_told(7, event.exit_code));
	ck_assert(!event.oom_killed);
	s = inspect("scp-ends");
	ck_assert_int_eq(s.status, SCP_CONTAINER_EXITED);
	ck_assert_int_eq(s.exit_code, event.exit_code);
	ck_assert_int_eq(list_all().status, SCP_CONTAINER_EXITED);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 50, NULL), SCP_ETIMEDOUT);
}
END_TEST

static void *use_memory(void *name)
{
	(void)ask(name, "m 400000000");
	return NULL;
}

/* Somebody waits for events while it happens: a cgroup that goes with its last process tells nothing afterwards. */
START_TEST(the_memory_limit_taking_pid_1_is_told)
{
	char name[] = "scp-oom";
	scp_runtime_event event;
	scp_runtime_stats stats;
	pthread_t thread;

	run_guest(name);
	ck_assert_int_eq(pthread_create(&thread, NULL, use_memory, name), 0);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 60000, NULL), SCP_OK);
	pthread_join(thread, NULL);
	ck_assert_str_eq(event.name, "scp-oom");
	ck_assert(event.oom_killed);
	ck_assert(inspect("scp-oom").oom_killed);
	ck_assert_int_eq(event.exit_code, code_if_told(137, event.exit_code));
	if (!rt->ops->stats)
		return;
	ck_assert_int_eq(scp__runtime_stats(rt, "scp-oom", &stats, NULL), SCP_OK);
	ck_assert_uint_ge(stats.oom_kills, 1);
}
END_TEST

START_TEST(a_stop_is_no_memory_limit_and_kills_after_its_grace)
{
	scp_runtime_event event;

	/* As pid 1 without a handler it doesn't hear SIGTERM. */
	run_guest("scp-stop");
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-stop", 20, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, SOON_MS, NULL), SCP_OK);
	ck_assert_int_eq(event.exit_code, code_if_told(137, event.exit_code));
	ck_assert(!event.oom_killed);
	ck_assert_int_eq(inspect("scp-stop").status, SCP_CONTAINER_EXITED);
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-stop", 20, NULL), SCP_OK);
}
END_TEST

START_TEST(nobody_listens_in_one_that_ended)
{
	int fd;

	run_guest("scp-quiet");
	(void)ask("scp-quiet", "x 0");
	assert_ends("scp-quiet");
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-quiet", &fd, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(fd, -1);
}
END_TEST

static void *wait_for_event(void *arg)
{
	scp_runtime_event event;

	(void)arg;
	return (void *)(intptr_t)scp__runtime_next_event(rt, &event, 5000, NULL);
}

START_TEST(an_interrupt_ends_every_wait)
{
	scp_runtime_event event;
	pthread_t thread;
	void *rc;

	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_event, NULL), 0);
	scp__runtime_interrupt(rt);
	pthread_join(thread, &rc);
	ck_assert_int_eq((int)(intptr_t)rc, SCP_ECLOSED);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 5000, NULL), SCP_ECLOSED);
}
END_TEST

START_TEST(a_closed_runtimes_containers_go_on_and_their_ends_are_told_to_the_next)
{
	scp_runtime_event event;

	run_guest("scp-on");
	reopen();
	ck_assert_uint_eq(list_all().count, 1);
	ck_assert_str_eq(inspect("scp-on").label, "sess_0123456789abcdef");
	ck_assert_str_eq(ask("scp-on", "u echo here"), "here\n");
	(void)ask("scp-on", "x 0");
	reopen();
	assert_ends("scp-on");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 20, NULL), SCP_ETIMEDOUT);
}
END_TEST

START_TEST(a_paused_one_stands_still_until_resumed_and_can_be_removed)
{
	if (!rt->ops->pause || !rt->ops->resume)
		return;
	run_guest("scp-pause");
	ck_assert_int_eq(rt->ops->pause(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_int_eq(rt->ops->resume(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_str_eq(ask("scp-pause", "u echo here"), "here\n");
	ck_assert_int_eq(rt->ops->pause(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_uint_eq(list_all().count, 0);
}
END_TEST

Suite *runtime_conformance_suite(void)
{
	Suite *s = suite_create("runtime contract");
	TCase *t = tcase_create("contract");

	tcase_add_checked_fixture(t, test_begin, test_end);
	tcase_set_timeout(t, 120);
	add_case(t, a_container_runs_and_answers);
	add_case(t, labels_come_back_as_they_went_in);
	add_case(t, running_a_name_again_keeps_the_one_that_runs);
	add_case(t, running_the_name_of_an_ended_one_makes_it_anew);
	add_case(t, one_name_made_by_many_at_once_is_one_container);
	add_case(t, what_was_removed_is_gone_and_may_be_removed_again);
	add_case(t, what_is_not_there_is_not_found);
	add_case(t, an_end_is_told_once_with_its_code);
	add_case(t, the_memory_limit_taking_pid_1_is_told);
	add_case(t, a_stop_is_no_memory_limit_and_kills_after_its_grace);
	add_case(t, nobody_listens_in_one_that_ended);
	add_case(t, an_interrupt_ends_every_wait);
	add_case(t, a_closed_runtimes_containers_go_on_and_their_ends_are_told_to_the_next);
	add_case(t, a_paused_one_stands_still_until_resumed_and_can_be_removed);
	suite_add_tcase(s, t);
	return s;
}
