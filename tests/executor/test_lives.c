/* How runs end, and what is left of them: nothing. */
#include "box.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct box box;
static struct outcome o;
static char marker[32]; /* in the command line of what must not survive */

static void set_up(void)
{
	(void)snprintf(marker, sizeof(marker), "77%d", (int)getpid()); /* seconds for sleep */
	box_start(&box, NULL);
}

static void tear_down(void)
{
	outcome_free(&o);
	box_stop(&box);
	ck_assert(!process_with(marker));
}

static const char *text(const scp__buf *b)
{
	return b->data ? b->data : "";
}

static char *coded(const char *format)
{
	static char code[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(code, sizeof(code), format, marker);
#pragma GCC diagnostic pop
	return code;
}

START_TEST(a_timeout_keeps_partial_output)
{
	run(&o, &box, &(struct spec){ .code = coded("echo partial; echo too >&2; sleep %s"), .timeout_ms = 1000 });
	ck_assert_str_eq(o.status, "timeout");
	ck_assert_int_eq(o.exit_code, 124);
	ck_assert_str_eq(text(&o.out), "partial\n");
	ck_assert_str_eq(text(&o.errors), "too\n");
	ck_assert(!process_with(marker));
}
END_TEST

START_TEST(a_python_timeout_keeps_lines)
{
	run(&o, &box,
	    &(struct spec){
		.language = "python", .code = "print('partial')\nimport time\ntime.sleep(60)", .timeout_ms = 4000 });
	ck_assert_str_eq(o.status, "timeout");
	ck_assert_str_eq(text(&o.out), "partial\n");
}
END_TEST

START_TEST(a_timeout_ends_what_called_setsid)
{
	run(&o, &box,
	    &(struct spec){
		.code = coded("setsid sh -c 'trap \"\" TERM HUP; (setsid sleep %s &) ; echo up; sleep 60' & wait"),
		.timeout_ms = 1500 });
	ck_assert_str_eq(o.status, "timeout");
	ck_assert(!process_with(marker));
}
END_TEST

START_TEST(a_daemon_does_not_outlive_its_run)
{
	run(&o, &box,
	    &(struct spec){ .code = coded("(setsid sh -c '(setsid sleep %s &)' &); setsid -f sleep 60; echo out") });
	ck_assert_str_eq(o.status, "completed");
	ck_assert_str_eq(text(&o.out), "out\n");
	ck_assert(!process_with(marker));
}
END_TEST

START_TEST(a_child_that_holds_the_output_holds_up_nobody)
{
	run(&o, &box, &(struct spec){ .code = coded("sleep %s & echo out"), .timeout_ms = 20000 });
	ck_assert_str_eq(o.status, "completed");
	ck_assert_str_eq(text(&o.out), "out\n");
	ck_assert(!process_with(marker));
}
END_TEST

static void cancel(const char *execution)
{
	char target[128];

	(void)snprintf(target, sizeof(target), "/v1/runs/%s/0/cancel", execution);
	ck_assert_int_eq(ask(&box, "POST", target), 202);
}

START_TEST(a_cancel_lets_the_code_clean_up)
{
	struct stream s;

	run_open(&s, &box, &(struct spec){ .code = "trap 'echo bye; exit 7' TERM; echo up; sleep 60 & wait" });
	await_output(&s, "up");
	cancel("exec_1");
	outcome_read(&o, &s);
	stream_close(&s);
	ck_assert_str_eq(o.status, "cancelled");
	ck_assert_str_eq(text(&o.out), "bye\n");
	ck_assert_int_eq(o.exit_code, 7);
}
END_TEST

START_TEST(a_cancel_that_is_ignored_kills)
{
	struct stream s;

	run_open(&s, &box, &(struct spec){ .code = coded("trap '' TERM; echo up; sleep %s; sleep 60") });
	await_output(&s, "up");
	cancel("exec_1");
	outcome_read(&o, &s);
	stream_close(&s);
	ck_assert_str_eq(o.status, "cancelled");
	ck_assert_int_eq(o.signal, SIGKILL);
	ck_assert(!process_with(marker));
}
END_TEST

START_TEST(a_cancel_of_what_is_over_changes_nothing)
{
	run(&o, &box, &(struct spec){ .code = "echo x" });
	cancel("exec_1");
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .code = "echo x" });
	ck_assert_str_eq(o.status, "completed");
}
END_TEST

START_TEST(a_run_goes_on_without_its_client)
{
	struct stream s;

	run_open(&s, &box, &(struct spec){ .code = "echo up; while [ ! -e go ]; do sleep 0.02; done; echo down" });
	await_output(&s, "up");
	stream_close(&s);
	box_write_file(&box, "go", "");
	stream_open(&s, &box, "GET", "/v1/runs/exec_1/0", NULL, 0);
	outcome_read(&o, &s);
	stream_close(&s);
	ck_assert_str_eq(o.status, "completed");
	ck_assert_str_eq(text(&o.out), "up\ndown\n");
}
END_TEST

/* Each process in a session of its own, so that no signal reaches two; some 300 of them by the limit. */
#define BOMB                                                                                                           \
	"import os, resource, time\n"                                                                                  \
	"resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))\n"                                                      \
	"open('up', 'w').close()\n"                                                                                    \
	"while True:\n"                                                                                                \
	"    try:\n"                                                                                                   \
	"        if os.fork() == 0:\n"                                                                                 \
	"            os.setsid()\n"                                                                                    \
	"    except OSError:\n"                                                                                        \
	"        time.sleep(0.001)\n"                                                                                  \
	"#%s\n"

START_TEST(a_fork_bomb_ends_at_its_timeout)
{
	run(&o, &box, &(struct spec){ .language = "python", .code = coded(BOMB), .timeout_ms = 4000 });
	ck_assert_str_eq(o.status, "timeout");
	ck_assert(box_has_file(&box, "up"));
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "next", .code = "ps -u 1000 -o args= | grep -c '[p]ython3 -I'" });
	ck_assert_str_eq(text(&o.out), "0\n");
}
END_TEST

/* A process that lives for one fork: whoever looks for it finds its parent gone. */
START_TEST(a_chain_of_forks_ends)
{
	run(&o, &box,
	    &(struct spec){ .language = "python",
		.code = "import os\nwhile True:\n    if os.fork():\n        os._exit(0)\n    os.setsid()\n",
		.timeout_ms = 500 });
	ck_assert_str_eq(o.status, "completed"); /* its first process ended at once */
	outcome_free(&o);
	run(&o, &box, &(struct spec){ .execution = "next", .code = "ps -u 1000 -o args= | grep -c '[p]ython3 -I'" });
	ck_assert_str_eq(text(&o.out), "0\n");
}
END_TEST

START_TEST(a_stopped_process_is_ended)
{
	run(&o, &box,
	    &(struct spec){
		.code = coded("(setsid sh -c 'kill -STOP $$; sleep %s' &); kill -STOP $$"), .timeout_ms = 1000 });
	ck_assert_str_eq(o.status, "timeout");
	ck_assert(!process_with(marker));
}
END_TEST

/* Root kills what the code can't. */
static void kill_supervisors(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "kill -9 $(ps -o pid= --ppid %d)", (int)box.pid);
	ck_assert_int_eq(system(command), 0);
}

/* Those it hasn't noticed yet are dead children of it. */
static void await_noticed(void)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };
	char command[128];

	(void)snprintf(command, sizeof(command), "ps -o stat= --ppid %d | grep -q Z", (int)box.pid);
	for (int tries = 0; tries < 1000 && system(command) == 0; tries++)
		(void)nanosleep(&pause, NULL);
}

START_TEST(a_lost_supervisor_fails_its_run_and_leaves_nothing)
{
	struct stream s;

	run_open(&s, &box, &(struct spec){ .code = coded("(setsid sleep %s &); echo up; sleep 60") });
	await_output(&s, "up");
	kill_supervisors();
	outcome_read(&o, &s);
	stream_close(&s);
	ck_assert_str_eq(o.status, "failed");
	ck_assert(strstr(o.error, "supervisor"));
	ck_assert(process_with_goes(marker, 5000));
	outcome_free(&o);
	await_noticed();
	run(&o, &box, &(struct spec){ .execution = "next", .code = "echo still here" });
	ck_assert_str_eq(text(&o.out), "still here\n");
}
END_TEST

START_TEST(a_stop_ends_what_runs)
{
	struct stream s;
	struct box other;

	box_start(&other, NULL);
	run_open(&s, &other, &(struct spec){ .code = coded("(setsid sleep %s &); echo up; exec sleep 60") });
	await_output(&s, "up");
	ck_assert_int_eq(kill(other.pid, SIGTERM), 0);
	outcome_read(&o, &s);
	stream_close(&s);
	ck_assert_str_eq(o.status, "cancelled");
	ck_assert(process_with_goes(marker, 5000));
	(void)kill(other.pid, SIGTERM);
	box_stop(&other);
}
END_TEST

START_TEST(nothing_outlives_a_killed_executor)
{
	struct stream s;
	struct box other;

	box_start(&other, NULL);
	run_open(&s, &other, &(struct spec){ .code = coded("(setsid sleep %s &); echo up; exec sleep 60") });
	await_output(&s, "up");
	box_kill(&other);
	ck_assert(process_with_goes(marker, 5000));
	stream_close(&s);
}
END_TEST

START_TEST(with_one_uid_the_code_cannot_reach_its_executor)
{
	struct box same;
	char code[1024];

	box_start_same_uid(&same);
	(void)snprintf(code, sizeof(code),
	    "import ctypes, os, resource\n"
	    "call = ctypes.CDLL(None, use_errno=True).syscall\n"
	    "call.argtypes = [ctypes.c_long] * 4\n"
	    "pid = %d\n"
	    "high = 1 << 32\n"
	    "calls = {'kill': (62, pid, 9), 'kill, high bits': (62, high | pid, 9), 'all': (62, -1, 9),\n"
	    "    'group': (62, -%d, 9), 'tgkill': (234, pid, pid, 9), 'tkill': (200, pid, 9),\n"
	    "    'affinity': (203, pid, 8), 'nice': (141, 0, pid, 19), 'nice of all': (141, 2, 0, 19),\n"
	    "    'pidfd': (424, 0, 9), 'prlimit': (302, pid, 0)}\n"
	    "def handler(event):\n"
	    "    resource.setrlimit(resource.RLIMIT_CPU, (50, 50))\n"
	    "    return [n for n, c in calls.items() if call(*c, *[0] * (4 - len(c))) != -1 or ctypes.get_errno() != "
	    "1]\n",
	    (int)same.pid, (int)getpgrp());
	run(&o, &same, &(struct spec){ .language = "python", .code = code });
	ck_assert_msg(!strcmp(o.status, "completed"), "%s %s", o.error, text(&o.errors));
#ifdef __x86_64__
	ck_assert_str_eq(text(&o.returned), "[]");
#endif
	outcome_free(&o);
	/* It is set from outside, once the code runs. */
	run(&o, &same,
	    &(struct spec){ .execution = "2",
		.code = "until [ $(cat /proc/$$/oom_score_adj) = 1000 ]; do :; done; cat /proc/$$/oom_score_adj" });
	ck_assert_str_eq(text(&o.out), "1000\n");
	box_stop(&same);
}
END_TEST

Suite *lives_suite(void)
{
	Suite *suite = suite_create("executor lives");
	TCase *t = tcase_create("lives");

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_timeout_keeps_partial_output);
	tcase_add_test(t, a_python_timeout_keeps_lines);
	tcase_add_test(t, a_timeout_ends_what_called_setsid);
	tcase_add_test(t, a_daemon_does_not_outlive_its_run);
	tcase_add_test(t, a_child_that_holds_the_output_holds_up_nobody);
	tcase_add_test(t, a_cancel_lets_the_code_clean_up);
	tcase_add_test(t, a_cancel_that_is_ignored_kills);
	tcase_add_test(t, a_cancel_of_what_is_over_changes_nothing);
	tcase_add_test(t, a_run_goes_on_without_its_client);
	tcase_add_test(t, a_fork_bomb_ends_at_its_timeout);
	tcase_add_test(t, a_chain_of_forks_ends);
	tcase_add_test(t, a_stopped_process_is_ended);
	tcase_add_test(t, a_lost_supervisor_fails_its_run_and_leaves_nothing);
	tcase_add_test(t, a_stop_ends_what_runs);
	tcase_add_test(t, nothing_outlives_a_killed_executor);
	tcase_add_test(t, with_one_uid_the_code_cannot_reach_its_executor);
	return suite;
}
