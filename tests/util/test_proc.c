#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"
#include "suites.h"

static scp__buf out, errors;
static scp__proc_options options;
static scp_error err;

static void setup(void)
{
	scp__buf_init(&out, 1 << 20);
	scp__buf_init(&errors, 1 << 20);
	options = (scp__proc_options)SCP__PROC_OPTIONS_INIT;
	options.out = &out;
	options.errors = &errors;
}

static void teardown(void)
{
	scp__buf_free(&out);
	scp__buf_free(&errors);
}

static int run(const char *const *argv)
{
	int status = -2;

	options.argv = argv;
	ck_assert_msg(!scp__proc_run(&options, &status, &err), "%s", err.message);
	return status;
}

static int shell(const char *script)
{
	return run((const char *[]){ "sh", "-c", script, NULL });
}

static const char *text(const scp__buf *b)
{
	return b->data ? b->data : "";
}

START_TEST(output_and_exit_code_come_back)
{
	ck_assert_int_eq(shell("echo out; echo err >&2; exit 7"), 7);
	ck_assert_str_eq(text(&out), "out\n");
	ck_assert_str_eq(text(&errors), "err\n");
	ck_assert_int_eq(shell("kill -9 $$"), 128 + 9);
}
END_TEST

START_TEST(arguments_are_no_shell_text)
{
	run((const char *[]){ "printf", "%s|", "$HOME", "a b", "", ";exit", NULL });
	ck_assert_str_eq(text(&out), "$HOME|a b||;exit|");
}
END_TEST

START_TEST(a_missing_program_is_not_found)
{
	options.argv = (const char *[]){ "no-such-program-anywhere", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_ENOTFOUND);
	ck_assert_ptr_nonnull(strstr(err.message, "no-such-program-anywhere"));
	options.argv = (const char *[]){ "/nowhere/program", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_ENOTFOUND);
	options.argv = (const char *[]){ "/etc/passwd", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_EINTERNAL);
	options.argv = (const char *[]){ "true", NULL };
	options.cwd = "/nowhere";
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_EINTERNAL);
}
END_TEST

START_TEST(more_output_than_the_buffer_holds_is_dropped_without_a_block)
{
	scp__buf small;

	scp__buf_init(&small, 1000);
	options.out = &small;
	ck_assert_int_eq(shell("head -c 3000000 /dev/zero | tr '\\0' x; echo done >&2"), 0);
	ck_assert_uint_eq(small.len, 1000);
	ck_assert_int_eq(small.status, SCP_OK);
	ck_assert_str_eq(text(&errors), "done\n");
	scp__buf_free(&small);
}
END_TEST

START_TEST(what_takes_too_long_is_killed_with_its_children)
{
	char alive[64];
	pid_t pid;

	options.timeout_ms = 300;
	options.argv = (const char *[]){ "sh", "-c", "sleep 600 & echo $!; wait", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_ETIMEDOUT);
	pid = atoi(text(&out));
	ck_assert_int_gt(pid, 1);
	snprintf(alive, sizeof(alive), "/proc/%d/exe", pid);
	/* Killed; its new parent may take a moment to reap it, but it has no program any more. */
	for (int i = 0; i < 5000 && !access(alive, F_OK); i++)
		usleep(1000);
	ck_assert_int_ne(access(alive, F_OK), 0);
}
END_TEST

START_TEST(a_survivor_that_holds_the_output_is_not_waited_for_if_told_so)
{
	pid_t survivor;

	options.wait_exit_only = true;
	options.timeout_ms = 60000;
	ck_assert_int_eq(shell("setsid sleep 600 & echo $!; exit 3"), 3);
	survivor = atoi(text(&out));
	ck_assert_int_gt(survivor, 1);
	ck_assert_int_eq(kill(survivor, SIGKILL), 0);
}
END_TEST

START_TEST(a_survivor_that_holds_the_output_ends_with_the_timeout_otherwise)
{
	options.timeout_ms = 300;
	options.argv = (const char *[]){ "sh", "-c", "setsid sleep 600 & echo $!", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(err.message, "held open"));
	kill(atoi(text(&out)), SIGKILL);
}
END_TEST

START_TEST(only_the_wanted_descriptors_are_inherited)
{
	int leaked = open("/dev/null", O_RDONLY), high = fcntl(leaked, F_DUPFD, 200);

	ck_assert_int_eq(shell("ls /proc/$$/fd"), 0);
	ck_assert_str_eq(text(&out), "0\n1\n2\n");
	close(leaked);
	close(high);
}
END_TEST

/* Descriptors whose numbers are each other's targets. Check's own, which may be 3 and 4, step aside meanwhile. */
START_TEST(kept_descriptors_find_their_places_even_if_they_overlap)
{
	int a[2], b[2], aside[2] = { fcntl(3, F_DUPFD_CLOEXEC, 50), fcntl(4, F_DUPFD_CLOEXEC, 50) };
	char got[8] = "";

	ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
	a[0] = fcntl(a[0], F_DUPFD_CLOEXEC, 50);
	ck_assert_int_eq(write(b[1], "B", 1), 1);
	options.keep_fds = (int[]){ 4, 3, 4 }; /* become 3, 4 and 5 */
	options.keep_fd_count = 3;
	dup2(fcntl(b[0], F_DUPFD_CLOEXEC, 50), 3);
	dup2(fcntl(a[1], F_DUPFD_CLOEXEC, 50), 4);
	options.argv = (const char *[]){ "sh", "-c", "head -c 1 <&4 >&3; printf x >&5; ls /proc/$$/fd", NULL };
	scp__proc_run(&options, NULL, &err);
	dup2(aside[0], 3);
	dup2(aside[1], 4);
	ck_assert_str_eq(text(&out), "0\n1\n2\n3\n4\n5\n");
	ck_assert_int_eq(fcntl(a[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(read(a[0], got, sizeof(got)), 2);
	ck_assert_str_eq(got, "Bx");
}
END_TEST

START_TEST(given_streams_are_used)
{
	int in[2];
	char path[] = "/tmp/scp-test-proc-XXXXXX";
	char got[8] = "";

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(write(in[1], "hello", 5), 5);
	close(in[1]);
	options.stdin_fd = in[0];
	options.stdout_fd = mkstemp(path);
	ck_assert_int_eq(run((const char *[]){ "cat", NULL }), 0);
	ck_assert_int_eq(pread(options.stdout_fd, got, sizeof(got), 0), 5);
	ck_assert_str_eq(got, "hello");
	ck_assert_uint_eq(out.len, 0);
	unlink(path);
	close(in[0]);
	close(options.stdout_fd);
}
END_TEST

START_TEST(environment_and_folder_are_the_given_ones)
{
	options.env = (const char *[]){ "ONLY=this", NULL };
	options.cwd = "/usr";
	ck_assert_int_eq(run((const char *[]){ "/usr/bin/env", NULL }), 0);
	ck_assert_str_eq(text(&out), "ONLY=this\n");
	scp__buf_clear(&out);
	ck_assert_int_eq(run((const char *[]){ "/bin/pwd", NULL }), 0);
	ck_assert_str_eq(text(&out), "/usr\n");
}
END_TEST

START_TEST(signals_are_default_and_unblocked_in_the_child)
{
	sigset_t all;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	ck_assert_int_eq(run((const char *[]){ "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status", NULL }), 0);
	ck_assert_str_eq(text(&out), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	ck_assert(signal(SIGTERM, SIG_DFL) == SIG_IGN);
}
END_TEST

/* From Linux 6.15 on the kernel still tells the exit code of what it reaped itself. */
START_TEST(a_host_that_ignores_sigchld_is_no_error)
{
	int status;

	signal(SIGCHLD, SIG_IGN);
	status = shell("echo ran; exit 5");
	signal(SIGCHLD, SIG_DFL);
	ck_assert(status == 5 || status == -1);
	ck_assert_str_eq(text(&out), "ran\n");
}
END_TEST

static int note_call(void *arg)
{
	*(int *)arg = 1;
	return fcntl(99, F_GETFD) < 0 ? EBADF : 0;
}

static int refuse(void *arg)
{
	(void)arg;
	return EPERM;
}

START_TEST(a_hook_runs_in_the_child_with_our_descriptors)
{
	int called = 0;

	ck_assert_int_eq(dup2(0, 99), 99);
	options.before_exec = note_call;
	options.before_exec_arg = &called;
	ck_assert_int_eq(shell("ls /proc/$$/fd"), 0);
	ck_assert_str_eq(text(&out), "0\n1\n2\n");
	ck_assert_int_eq(called, 0); /* it had a copy */
	close(99);
	options.argv = (const char *[]){ "true", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_EINTERNAL); /* 99 is closed: EBADF */
	options.before_exec = refuse;
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_EINTERNAL);
	ck_assert_ptr_nonnull(strstr(err.message, "not permitted"));
}
END_TEST

START_TEST(no_descriptor_and_no_child_is_left_behind)
{
	int before = dup(0), after;

	close(before);
	for (int i = 0; i < 20; i++)
		shell("true");
	options.argv = (const char *[]){ "/nowhere", NULL };
	ck_assert_int_eq(scp__proc_run(&options, NULL, &err), SCP_ENOTFOUND);
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(programs_are_found_outside_of_path_too)
{
	char path[256];

	ck_assert(scp__proc_find("sh", path, sizeof(path)));
	ck_assert(!scp__proc_find("", path, sizeof(path)));
	ck_assert(!scp__proc_find("no-such-program-anywhere", path, sizeof(path)));
	setenv("PATH", "::relative:/nowhere", 1);
	ck_assert(scp__proc_find("sh", path, sizeof(path)));
	ck_assert_int_eq(path[0], '/');
	ck_assert(!scp__proc_find("sh", path, 4));
	unsetenv("PATH");
	ck_assert(scp__proc_find("sh", path, sizeof(path)));
}
END_TEST

TCase *util_proc_case(void)
{
	TCase *c = tcase_create("proc");

	tcase_set_timeout(c, 30);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, output_and_exit_code_come_back);
	tcase_add_test(c, arguments_are_no_shell_text);
	tcase_add_test(c, a_missing_program_is_not_found);
	tcase_add_test(c, more_output_than_the_buffer_holds_is_dropped_without_a_block);
	tcase_add_test(c, what_takes_too_long_is_killed_with_its_children);
	tcase_add_test(c, a_survivor_that_holds_the_output_is_not_waited_for_if_told_so);
	tcase_add_test(c, a_survivor_that_holds_the_output_ends_with_the_timeout_otherwise);
	tcase_add_test(c, only_the_wanted_descriptors_are_inherited);
	tcase_add_test(c, kept_descriptors_find_their_places_even_if_they_overlap);
	tcase_add_test(c, given_streams_are_used);
	tcase_add_test(c, environment_and_folder_are_the_given_ones);
	tcase_add_test(c, signals_are_default_and_unblocked_in_the_child);
	tcase_add_test(c, a_host_that_ignores_sigchld_is_no_error);
	tcase_add_test(c, a_hook_runs_in_the_child_with_our_descriptors);
	tcase_add_test(c, no_descriptor_and_no_child_is_left_behind);
	tcase_add_test(c, programs_are_found_outside_of_path_too);
	return c;
}
