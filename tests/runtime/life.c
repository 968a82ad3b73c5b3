/* What is more than the port promises: nothing is left on this machine, whoever is killed. */
#include "../contract/runtime/runtime_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "oci.h"

#define MANY 20

/* Processes, mounts, cgroups, sockets, uids, folders: nothing of this node's with this name is left on the machine. */
static void assert_no_trace(const char *name)
{
	const char *hash = strchr(scp__runtime_node_name(rt), '-') + 1;
	char command[900];

	ck_assert_uint_eq(occurs("/proc/self/mountinfo", name), 0);
	if (with_docker()) {
		struct seen s = { 0 };

		ck_assert_int_eq(scp__runtime_inspect(rt, name, see, &s, NULL), SCP_ENOTFOUND);
		(void)snprintf(command, sizeof(command),
		    "test -z \"$(find /run/sandboxcp/docker-%s -name '%s*' 2>&-)\"", hash, name);
		ck_assert_msg(system(command) == 0, "a folder of %s is left", name);
		return;
	}
	(void)snprintf(command, sizeof(command),
	    "test -z \"$(find /sys/fs/cgroup -path '*/sandboxcp-%s[-/]%s*' 2>&-; find %s/%s -name '%s*' 2>&-; "
	    "find %s/uids -lname '*/%s/c/%s*' 2>&-)\"",
	    hash, name, run_root(), hash, name, run_root(), hash, name);
	ck_assert_msg(system(command) == 0, "something of %s is left", name);
}

/* One that has ended but that init has not reaped yet doesn't run. */
static bool runs(int pid)
{
	return pid > 0 && scp__oci_start_ticks(pid) != 0;
}

START_TEST(removing_leaves_no_trace)
{
	int pid;

	run_guest("scp-trace");
	(void)ask("scp-trace", "u setsid sleep 1000 >/dev/null 2>&1 </dev/null &");
	pid = inspect("scp-trace").pid;
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-trace", NULL), SCP_OK);
	ck_assert(!runs(pid));
	assert_no_trace("scp-trace");
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-trace", NULL), SCP_OK);
}
END_TEST

static void many_name(long i, char *out)
{
	(void)snprintf(out, 32, "scp-many%ld", i);
}

static void *make_one(void *arg)
{
	scp_error err = { 0 };
	char name[32];
	scp_runtime_spec spec;

	many_name((long)(intptr_t)arg, name);
	spec = guest_spec(name);
	if (scp__runtime_run(rt, &spec, &err))
		fprintf(stderr, "%s: %s\n", name, err.message);
	return (void *)(intptr_t)err.status;
}

static void *remove_one(void *arg)
{
	char name[32];

	many_name((long)(intptr_t)arg, name);
	return (void *)(intptr_t)scp__runtime_remove(rt, name, NULL);
}

static void all_at_once(void *(*fn)(void *))
{
	pthread_t threads[MANY];
	void *rc;

	for (long i = 0; i < MANY; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, (void *)(intptr_t)i), 0);
	for (long i = 0; i < MANY; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_int_eq((int)(intptr_t)rc, SCP_OK);
	}
}

START_TEST(twenty_at_once_all_run_and_all_go)
{
	char name[32];

	all_at_once(make_one);
	for (long i = 0; i < MANY; i++) {
		many_name(i, name);
		ck_assert_str_eq(ask(name, "u echo here"), "here\n");
	}
	all_at_once(remove_one);
	assert_no_trace("scp-many");
}
END_TEST

START_TEST(containers_live_on_and_are_found_by_the_next_process)
{
	scp_runtime_event event;
	struct seen s = { 0 };
	int pid;

	run_guest("scp-on");
	pid = inspect("scp-on").pid;
	reopen();
	ck_assert_int_eq(scp__runtime_list(rt, see, &s, NULL), SCP_OK);
	ck_assert_uint_eq(s.count, 1);
	ck_assert_int_eq(s.pid, pid);
	ck_assert_str_eq(s.label, "sess_0123456789abcdef");
	ck_assert_str_eq(ask("scp-on", "u echo here"), "here\n");
	kill(pid, SIGKILL);
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-on");
}
END_TEST

static void wait_for_end(int pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	kill(pid, SIGKILL);
	ck_assert(fd < 0 || poll(&p, 1, 30000) == 1);
	if (fd >= 0)
		close(fd);
}

START_TEST(an_end_while_nobody_watched_is_told_later)
{
	scp_runtime_event event;
	int pid;

	run_guest("scp-later");
	pid = inspect("scp-later").pid;
	scp__runtime_close(rt);
	rt = NULL;
	wait_for_end(pid);
	reopen();
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-later");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 20, NULL), SCP_ETIMEDOUT);
}
END_TEST

/* A creator that is killed `after_us` into its work. */
static void killed_creator(long after_us)
{
	struct timespec nap = { .tv_nsec = after_us * 1000 };
	scp_runtime_spec spec = guest_spec("scp-killed");
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		/* What talks to an engine has connections, which two processes can't share. */
		if (with_docker())
			open_another();
		(void)!write(ready[1], "", 1);
		(void)scp__runtime_run(rt, &spec, NULL);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	(void)nanosleep(&nap, NULL);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(whatever_a_killed_creator_leaves_can_be_removed)
{
	scp_error err = { 0 };

	/* From before the first folder to after the last word. */
	for (long after_us = 200; after_us < 60000; after_us += after_us / 4 + 100) {
		killed_creator(after_us);
		ck_assert_msg(!scp__runtime_remove(rt, "scp-killed", &err), "%s", err.message);
		assert_no_trace("scp-killed");
	}
}
END_TEST

START_TEST(a_killed_creators_container_can_be_made_again)
{
	for (long after_us = 1000; after_us < 30000; after_us += 7000) {
		killed_creator(after_us);
		run_guest("scp-killed");
		ck_assert_str_eq(ask("scp-killed", "u echo here"), "here\n");
		ck_assert_int_eq(scp__runtime_remove(rt, "scp-killed", NULL), SCP_OK);
	}
}
END_TEST

START_TEST(a_run_that_fails_leaves_nothing_and_says_why)
{
	scp_runtime_spec spec = guest_spec("scp-fails");
	scp_error err = { 0 };

	spec.executor_path = "/etc/passwd"; /* no program */
	ck_assert_int_eq(scp__runtime_run(rt, &spec, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "chmod 755"));
	assert_no_trace("scp-fails");
	spec.image = "dir:/var/empty-of-everything"; /* there is none */
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), with_docker() ? SCP_ENOTSUP : SCP_ENOTFOUND);
	assert_no_trace("scp-fails");
	spec.image = guest_image();
	spec.executor_path = "/nonexistent";
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_EINVAL);
	assert_no_trace("scp-fails");
	spec = guest_spec("scp-fails");
	spec.workspace_path = "/nonexistent";
	ck_assert_int_ne(scp__runtime_run(rt, &spec, NULL), SCP_OK);
	assert_no_trace("scp-fails");
	spec = guest_spec("scp-fails");
	spec.executor_path = "/bin/true"; /* starts, and is over: nobody would ever answer */
	(void)scp__runtime_run(rt, &spec, NULL);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-fails", NULL), SCP_OK);
	assert_no_trace("scp-fails");
}
END_TEST

START_TEST(a_network_that_is_refused_says_why_and_leaves_no_trace)
{
	scp_runtime_spec spec = guest_spec("scp-net");
	scp_error err = { 0 };

	if (!scp__runtime_network(rt, NULL))
		return; /* tests/runtime/network.c is of those */
	spec.network = true;
	ck_assert_int_eq(scp__runtime_run(rt, &spec, &err), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(err.message, "no network to a sandbox"));
	ck_assert(err.hint[0]);
	assert_no_trace("scp-net");
}
END_TEST

START_TEST(a_paused_one_leaves_no_trace_when_it_is_removed)
{
	run_guest("scp-pause");
	ck_assert_int_eq(rt->ops->pause(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-pause", NULL), SCP_OK);
	assert_no_trace("scp-pause");
}
END_TEST

START_TEST(limits_capacity_and_health_are_told)
{
	const scp_runtime_limit *rows;
	scp_runtime_capacity capacity;
	char detail[600];
	size_t count;

	scp__runtime_limits(rt, &rows, &count);
	ck_assert_uint_eq(count, 4);
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(rows[i].state, "enforced");
	ck_assert_int_eq(scp__runtime_capacity(rt, &capacity, NULL), SCP_OK);
	ck_assert_uint_ge(capacity.cpu_millis, 1000);
	ck_assert_uint_gt(capacity.containers, 100);
	ck_assert_int_eq(scp__runtime_health(rt, 1000, detail, sizeof(detail), NULL), SCP_OK);
	ck_assert_ptr_nonnull(strstr(detail, "cgroup v"));
}
END_TEST

Suite *life_suite(void)
{
	Suite *s = suite_create("runtime life");
	TCase *t = tcase_create("life");

	tcase_add_checked_fixture(t, test_begin, test_end);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, removing_leaves_no_trace);
	tcase_add_test(t, twenty_at_once_all_run_and_all_go);
	tcase_add_test(t, containers_live_on_and_are_found_by_the_next_process);
	tcase_add_test(t, an_end_while_nobody_watched_is_told_later);
	tcase_add_test(t, whatever_a_killed_creator_leaves_can_be_removed);
	tcase_add_test(t, a_killed_creators_container_can_be_made_again);
	tcase_add_test(t, a_run_that_fails_leaves_nothing_and_says_why);
	tcase_add_test(t, a_network_that_is_refused_says_why_and_leaves_no_trace);
	tcase_add_test(t, a_paused_one_leaves_no_trace_when_it_is_removed);
	tcase_add_test(t, limits_capacity_and_health_are_told);
	suite_add_tcase(s, t);
	return s;
}
