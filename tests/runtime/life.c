/* A container's life: made once, watched, ended, taken away without a trace. */
#include "fixture.h"

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

/* What inspect() said, copied. */
struct seen {
	unsigned count;
	scp_container_status status;
	int pid, exit_code;
	bool oom_killed;
	int64_t created_us, started_us;
	char label[64], odd[16];
};

static scp_status look(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct seen *s = user;

	(void)err;
	s->count++;
	s->status = info->status;
	s->pid = info->host_pid;
	s->exit_code = info->exit_code;
	s->oom_killed = info->oom_killed;
	s->created_us = info->created_us;
	s->started_us = info->started_us;
	for (size_t i = 0; i < info->label_count; i++) {
		if (strcmp(info->labels[i].name, "session") == 0)
			(void)snprintf(s->label, sizeof(s->label), "%s", info->labels[i].value);
		if (strcmp(info->labels[i].name, "odd") == 0)
			(void)snprintf(s->odd, sizeof(s->odd), "%s", info->labels[i].value);
	}
	return SCP_OK;
}

static struct seen inspect(const char *name)
{
	struct seen s = { 0 };

	ck_assert_int_eq(scp__runtime_inspect(rt, name, look, &s, NULL), SCP_OK);
	ck_assert_uint_eq(s.count, 1);
	return s;
}

/* Processes, mounts, cgroups, sockets, uids, folders: nothing of this node's with this name is left on the machine. */
static void assert_no_trace(const char *name)
{
	const char *hash = strchr(scp__runtime_node_name(rt), '-') + 1;
	char command[900];

	ck_assert_uint_eq(occurs("/proc/self/mountinfo", name), 0);
	if (with_docker()) {
		struct seen s = { 0 };

		ck_assert_int_eq(scp__runtime_inspect(rt, name, look, &s, NULL), SCP_ENOTFOUND);
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

START_TEST(a_container_runs_and_answers)
{
	struct seen s;

	run_guest("scp-life");
	ck_assert_str_eq(ask("scp-life", "u echo here"), "here\n");
	s = inspect("scp-life");
	ck_assert_int_eq(s.status, SCP_CONTAINER_RUNNING);
	ck_assert(runs(s.pid));
	ck_assert_str_eq(s.label, "sess_0123456789abcdef");
	ck_assert_str_eq(s.odd, "\"\n\xc3\xa9");
	ck_assert(s.created_us > 0 && s.started_us >= s.created_us);
}
END_TEST

START_TEST(running_a_name_again_keeps_the_one_that_runs)
{
	int pid;

	run_guest("scp-again");
	pid = inspect("scp-again").pid;
	run_guest("scp-again");
	ck_assert_int_eq(inspect("scp-again").pid, pid);
}
END_TEST

START_TEST(running_the_name_of_an_ended_one_makes_it_anew)
{
	scp_runtime_event event;

	run_guest("scp-anew");
	(void)ask("scp-anew", "x 3");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	run_guest("scp-anew");
	ck_assert_str_eq(ask("scp-anew", "u echo here"), "here\n");
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
	struct seen s = { 0 };
	scp_runtime_stats stats;
	int fd;

	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-none", look, &s, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_inspect(rt, "../../etc", look, &s, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-none", &fd, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(scp__runtime_stats(rt, "scp-none", &stats, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-none", 0, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-none", NULL), SCP_OK);
}
END_TEST

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

START_TEST(one_name_made_by_many_at_once_is_one_container)
{
	pthread_t threads[4];
	struct seen s = { 0 };
	void *rc;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_one, (void *)(intptr_t)7), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_int_eq((int)(intptr_t)rc, SCP_OK);
	}
	ck_assert_int_eq(scp__runtime_list(rt, look, &s, NULL), SCP_OK);
	ck_assert_uint_eq(s.count, 1);
}
END_TEST

/* Whether the kernel tells exit codes of others' children (Linux 6.15). */
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
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-ends");
	ck_assert_int_eq(event.exit_code, code_if_told(7, event.exit_code));
	ck_assert(!event.oom_killed);
	s = inspect("scp-ends");
	ck_assert_int_eq(s.status, SCP_CONTAINER_EXITED);
	ck_assert_int_eq(s.exit_code, event.exit_code);
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
	ck_assert_int_eq(event.exit_code, code_if_told(137, event.exit_code));
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
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_int_eq(event.exit_code, code_if_told(137, event.exit_code));
	ck_assert(!event.oom_killed);
	ck_assert_int_eq(inspect("scp-stop").status, SCP_CONTAINER_EXITED);
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-stop", 20, NULL), SCP_OK);
}
END_TEST

START_TEST(nobody_listens_in_one_that_ended)
{
	scp_runtime_event event;
	int fd;

	run_guest("scp-quiet");
	(void)ask("scp-quiet", "x 0");
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_connect(rt, "scp-quiet", &fd, NULL), SCP_ENOTFOUND);
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
	ck_assert_int_eq(scp__runtime_list(rt, look, &s, NULL), SCP_OK);
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

static void *wait_for_event(void *arg)
{
	scp_runtime_event event;

	(void)arg;
	return (void *)(intptr_t)scp__runtime_next_event(rt, &event, 60000, NULL);
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
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 60000, NULL), SCP_ECLOSED);
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

START_TEST(a_network_that_is_not_to_be_had_is_refused)
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

START_TEST(the_log_is_what_pid_1_said)
{
	char text[256];

	run_guest("scp-log");
	(void)ask("scp-log", "u true");
	ck_assert_int_eq(scp__runtime_logs(rt, "scp-log", 10, text, sizeof(text), NULL), SCP_OK);
	ck_assert_ptr_nonnull(strstr(text, "guest listens\n"));
}
END_TEST

START_TEST(a_paused_one_stands_still_until_resumed_and_can_be_removed)
{
	run_guest("scp-pause");
	ck_assert_int_eq(rt->ops->pause(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_int_eq(rt->ops->resume(rt, "scp-pause", NULL), SCP_OK);
	ck_assert_str_eq(ask("scp-pause", "u echo here"), "here\n");
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
	tcase_add_test(t, a_container_runs_and_answers);
	tcase_add_test(t, running_a_name_again_keeps_the_one_that_runs);
	tcase_add_test(t, running_the_name_of_an_ended_one_makes_it_anew);
	tcase_add_test(t, what_is_not_there_is_not_found);
	tcase_add_test(t, removing_leaves_no_trace);
	tcase_add_test(t, twenty_at_once_all_run_and_all_go);
	tcase_add_test(t, one_name_made_by_many_at_once_is_one_container);
	tcase_add_test(t, an_end_is_told_once_with_its_code);
	tcase_add_test(t, the_memory_limit_taking_pid_1_is_told);
	tcase_add_test(t, a_stop_is_no_memory_limit_and_kills_after_its_grace);
	tcase_add_test(t, nobody_listens_in_one_that_ended);
	tcase_add_test(t, containers_live_on_and_are_found_by_the_next_process);
	tcase_add_test(t, an_end_while_nobody_watched_is_told_later);
	tcase_add_test(t, an_interrupt_ends_every_wait);
	tcase_add_test(t, whatever_a_killed_creator_leaves_can_be_removed);
	tcase_add_test(t, a_killed_creators_container_can_be_made_again);
	tcase_add_test(t, a_run_that_fails_leaves_nothing_and_says_why);
	tcase_add_test(t, a_network_that_is_not_to_be_had_is_refused);
	tcase_add_test(t, the_log_is_what_pid_1_said);
	tcase_add_test(t, a_paused_one_stands_still_until_resumed_and_can_be_removed);
	tcase_add_test(t, limits_capacity_and_health_are_told);
	suite_add_tcase(s, t);
	return s;
}
