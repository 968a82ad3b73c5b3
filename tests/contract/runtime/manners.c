/* How a runtime behaves to its caller: who owns what, what it says when it fails or is away, and what it keeps. */
#include "runtime_suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

START_TEST(each_connection_is_a_stream_of_its_own)
{
	int fd[2];

	run_guest("scp-wire");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(scp__runtime_connect(rt, "scp-wire", &fd[i], NULL), SCP_OK);
		ck_assert_int_ge(fd[i], 0);
		ck_assert(fcntl(fd[i], F_GETFL) & O_NONBLOCK);
		ck_assert(fcntl(fd[i], F_GETFD) & FD_CLOEXEC);
	}
	ck_assert_int_ne(fd[0], fd[1]);
	ck_assert_int_eq(close(fd[0]), 0);
	ck_assert_int_eq(close(fd[1]), 0);
	ck_assert_str_eq(ask("scp-wire", "u echo here"), "here\n");
}
END_TEST

START_TEST(what_was_given_is_the_callers_again)
{
	char name[] = "scp-given", value[] = "sess_0123456789abcdef";
	scp_pair labels[] = { { "session", value } };
	scp_runtime_spec spec = guest_spec(name);
	scp_error err = { 0 };

	spec.labels = labels;
	spec.label_count = 1;
	ck_assert_msg(!scp__runtime_run(rt, &spec, &err), "%s", err.message);
	ck_assert_int_eq(err.status, SCP_OK);
	memset(name, 'n', sizeof(name) - 1);
	memset(value, 'v', sizeof(value) - 1);
	memset(&spec, 0xff, sizeof(spec));
	ck_assert_str_eq(inspect("scp-given").label, "sess_0123456789abcdef");
	ck_assert_str_eq(ask("scp-given", "u echo here"), "here\n");
}
END_TEST

static void assert_told(scp_status got, const scp_error *err)
{
	ck_assert_int_ne(got, SCP_OK);
	ck_assert_int_eq(err->status, got);
	ck_assert_str_ne(err->message, "");
	/* A row of the table: it becomes the REST error. */
	ck_assert_str_ne(err->code, "");
}

START_TEST(errors_are_told)
{
	struct seen s = { 0 };
	scp_error err[3] = { 0 };
	int fd;

	assert_told(scp__runtime_inspect(rt, "scp-none", see, &s, &err[0]), &err[0]);
	assert_told(scp__runtime_connect(rt, "scp-none", &fd, &err[1]), &err[1]);
	assert_told(scp__runtime_image_prepare(rt, "\x01 no image", NULL, 0, &err[2]), &err[2]);
	ck_assert(err[2].status == SCP_ENOTFOUND || err[2].status == SCP_ENOTSUP || err[2].status == SCP_EINVAL);
}
END_TEST

START_TEST(a_run_that_fails_leaves_nothing)
{
	scp_runtime_spec spec = guest_spec("scp-fails");
	struct seen s = { 0 };
	scp_error err[2] = { 0 };

	spec.executor_path = "/nonexistent";
	assert_told(scp__runtime_run(rt, &spec, &err[0]), &err[0]);
	spec = guest_spec("scp-fails");
	spec.workspace_path = "/nonexistent";
	assert_told(scp__runtime_run(rt, &spec, &err[1]), &err[1]);
	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-fails", see, &s, NULL), SCP_ENOTFOUND);
	ck_assert_uint_eq(list_all().count, 0);
	run_guest("scp-fails");
}
END_TEST

START_TEST(preparing_an_image_may_be_repeated)
{
	char first[128] = "", second[128] = "";
	bool here = false;

	ck_assert_int_eq(scp__runtime_image_prepare(rt, guest_image(), first, sizeof(first), NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, guest_image(), second, sizeof(second), NULL), SCP_OK);
	ck_assert_str_eq(first, second);
	ck_assert_int_eq(scp__runtime_image_prepare(rt, guest_image(), NULL, 0, NULL), SCP_OK);
	ck_assert_int_eq(scp__runtime_image_look(rt, guest_image(), &here, NULL), SCP_OK);
	ck_assert(here);
	ck_assert_int_eq(scp__runtime_image_fetch(rt, guest_image(), NULL, NULL, NULL), SCP_OK);
}
END_TEST

static scp_runtime_ops some_ops; /* what is missing differs; static: threads of the adapter may look at it */

START_TEST(what_a_runtime_lacks_is_answered_by_the_port)
{
	const scp_runtime_ops *whole = rt->ops;
	scp_runtime_stats stats;
	scp_error err = { 0 };
	char text[64];
	bool here = false;

	ck_assert_int_eq(scp__runtime_check(rt, &err), SCP_OK);
	some_ops = *whole;
	some_ops.logs = NULL;
	some_ops.stats = NULL;
	some_ops.network = NULL;
	some_ops.image_look = NULL;
	some_ops.image_fetch = NULL;
	rt->ops = &some_ops;
	ck_assert_int_eq(scp__runtime_check(rt, &err), SCP_OK);
	ck_assert_int_eq(scp__runtime_logs(rt, "scp-x", 1, text, sizeof(text), &err), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_stats(rt, "scp-x", &stats, NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_network(rt, NULL), SCP_ENOTSUP);
	ck_assert_int_eq(scp__runtime_image_look(rt, guest_image(), &here, NULL), SCP_OK);
	ck_assert(here);
	some_ops.image_prepare = NULL;
	ck_assert_int_eq(scp__runtime_check(rt, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "image_prepare"));
	rt->ops = whole;
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
	ck_assert_str_ne(err.hint, "");
	ck_assert_uint_eq(list_all().count, 0);
}
END_TEST

START_TEST(the_log_is_what_pid_1_said_and_fits)
{
	char text[256], little[6];

	if (!rt->ops->logs)
		return;
	run_guest("scp-log");
	(void)ask("scp-log", "u true");
	ck_assert_int_eq(scp__runtime_logs(rt, "scp-log", 10, text, sizeof(text), NULL), SCP_OK);
	ck_assert_ptr_nonnull(strstr(text, "guest listens\n"));
	memset(little, 'x', sizeof(little));
	(void)scp__runtime_logs(rt, "scp-log", 10, little, sizeof(little), NULL);
	ck_assert_ptr_nonnull(memchr(little, '\0', sizeof(little)));
}
END_TEST

static void assert_health(scp_status wanted)
{
	int64_t before = scp__mono_us();
	char detail[16];

	memset(detail, 'x', sizeof(detail));
	ck_assert_int_eq(scp__runtime_health(rt, 500, detail, sizeof(detail), NULL), wanted);
	ck_assert_ptr_nonnull(memchr(detail, '\0', sizeof(detail)));
	ck_assert_int_lt(scp__mono_us() - before, 2000000);
}

START_TEST(node_limits_capacity_and_health_are_told)
{
	const scp_runtime_limit *rows = NULL;
	scp_runtime_capacity capacity = { 0 };
	char node[128];
	size_t count = 0;

	(void)snprintf(node, sizeof(node), "%s", scp__runtime_node_name(rt));
	ck_assert_str_ne(node, "");
	scp__runtime_limits(rt, &rows, &count);
	for (size_t i = 0; i < count; i++) {
		ck_assert(!strcmp(rows[i].state, "enforced") || !strcmp(rows[i].state, "delayed") ||
			  !strcmp(rows[i].state, "not enforced"));
		ck_assert(rows[i].name[0] && rows[i].detail);
	}
	ck_assert_int_eq(scp__runtime_capacity(rt, &capacity, NULL), SCP_OK);
	ck_assert(capacity.cpu_millis && capacity.memory_bytes && capacity.containers);
	assert_health(SCP_OK);
	reopen();
	ck_assert_str_eq(scp__runtime_node_name(rt), node);
}
END_TEST

/* Nothing is known of what can't be asked: "not found" would have a session's code run twice. */
START_TEST(a_runtime_that_is_away_knows_nothing)
{
	scp_runtime_spec spec = guest_spec("scp-new");
	scp_runtime_event event;
	struct seen s = { 0 };
	scp_status rc;
	int fd;

	if (!runtime_away)
		return;
	run_guest("scp-far");
	ck_assert(runtime_away(true));
	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-far", see, &s, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_inspect(rt, "scp-none", see, &s, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_list(rt, see, &s, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_run(rt, &spec, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_stop(rt, "scp-far", 0, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(scp__runtime_remove(rt, "scp-far", NULL), SCP_EUNAVAIL);
	/* There may be a way to the container that doesn't lead through what is away. */
	rc = scp__runtime_connect(rt, "scp-far", &fd, NULL);
	ck_assert(rc == SCP_EUNAVAIL ? fd == -1 : !rc && !close(fd));
	ck_assert_uint_eq(s.count, 0);
	assert_health(SCP_EUNAVAIL);
	rc = scp__runtime_next_event(rt, &event, 100, NULL);
	ck_assert(rc == SCP_ETIMEDOUT || rc == SCP_EUNAVAIL);
	ck_assert(runtime_away(false));
	assert_health(SCP_OK);
	ck_assert_uint_eq(list_all().count, 1);
	/* Either it goes on, or its end is told. */
	if (inspect("scp-far").status == SCP_CONTAINER_RUNNING) {
		ck_assert_str_eq(ask("scp-far", "u echo here"), "here\n");
		return;
	}
	ck_assert_int_eq(scp__runtime_next_event(rt, &event, 30000, NULL), SCP_OK);
	ck_assert_str_eq(event.name, "scp-far");
}
END_TEST

Suite *runtime_manners_suite(void)
{
	Suite *s = suite_create("runtime contract: manners");
	TCase *t = tcase_create("contract");

	tcase_add_checked_fixture(t, test_begin, test_end);
	tcase_set_timeout(t, 120);
	add_case(t, each_connection_is_a_stream_of_its_own);
	add_case(t, what_was_given_is_the_callers_again);
	add_case(t, errors_are_told);
	add_case(t, a_run_that_fails_leaves_nothing);
	add_case(t, preparing_an_image_may_be_repeated);
	add_case(t, what_a_runtime_lacks_is_answered_by_the_port);
	add_case(t, a_network_that_is_not_to_be_had_is_refused);
	add_case(t, the_log_is_what_pid_1_said_and_fits);
	add_case(t, node_limits_capacity_and_health_are_told);
	add_case(t, a_runtime_that_is_away_knows_nothing);
	suite_add_tcase(s, t);
	return s;
}
