/* Executions: their results, retries, cancels and ends. */
#include <stdio.h>

#include "fake.h"

static void setup_runs(void)
{
	setup();
	open_plane();
}

START_TEST(a_run_brings_its_result)
{
	scp_execution *e = await(submit(make_session(SCP_PERSISTENT), "ok", 0).s);

	ck_assert_str_eq(e->result, "success");
	ck_assert_int_eq(e->status, SCP_EXECUTION_COMPLETED);
	ck_assert_str_eq(e->out, "hello\n");
	ck_assert_uint_eq(e->out_bytes, 6);
	ck_assert_str_eq(e->return_json, "6");
	ck_assert_int_eq(e->exit_code, 0);
	ck_assert_uint_eq(e->retry_count, 0);
	ck_assert(e->created_us <= e->started_us && e->started_us <= e->completed_us);
	ck_assert(e->metrics->duration_ms > 1.4 && e->metrics->duration_ms < 1.6);
	fake_await_ack(runtime, e->id);
	scp_execution_free(e);
}
END_TEST

START_TEST(scp_run_is_both)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	const char *s = make_session(SCP_PERSISTENT);

	spec.language = SCP_SHELL;
	spec.code = "ok";
	OK(scp_run(&e, plane, s, &spec, err));
	ck_assert_str_eq(e->result, "success");
	scp_execution_free(e);
	ck_assert_int_eq(scp_run(NULL, plane, s, &spec, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_run(&e, plane, "sess_0000000000000000", &spec, NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(e);
}
END_TEST

START_TEST(a_dead_container_is_a_new_attempt)
{
	id e = submit(make_session(SCP_PERSISTENT), "die-once", 0);
	scp_execution *x = await(e.s);

	ck_assert_str_eq(x->result, "success");
	ck_assert_uint_eq(x->retry_count, 1);
	ck_assert_str_eq(x->out, "hello\n");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 2);
	scp_execution_free(x);
}
END_TEST

START_TEST(no_retries_is_a_crash)
{
	id e = submit(make_session(SCP_PERSISTENT), "die", -1);
	scp_execution *x = await(e.s);

	ck_assert_str_eq(x->result, "crashed");
	ck_assert_uint_eq(x->retry_count, 0);
	ck_assert_ptr_nonnull(x->error);
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
	scp_execution_free(x);
}
END_TEST

START_TEST(retries_have_an_end)
{
	id e = submit(make_session(SCP_PERSISTENT), "die", 2);
	scp_execution *x = await(e.s);

	ck_assert_str_eq(x->result, "crashed");
	ck_assert_uint_eq(x->retry_count, 2);
	ck_assert_uint_eq(fake_runs(runtime, e.s), 3);
	scp_execution_free(x);
}
END_TEST

START_TEST(out_of_memory_is_a_failure_and_not_retried)
{
	const char *s = make_session(SCP_PERSISTENT);
	id whole = submit(s, "oom", 0);
	scp_execution *e = await(whole.s);

	ck_assert_str_eq(e->result, "failed");
	ck_assert_ptr_nonnull(strstr(e->error, "oom_killed"));
	ck_assert_uint_eq(fake_runs(runtime, whole.s), 1);
	scp_execution_free(e);
	e = await(submit(s, "killed", 0).s);
	ck_assert_str_eq(e->result, "failed");
	ck_assert_ptr_nonnull(strstr(e->error, "oom_killed"));
	ck_assert_int_eq(e->signal, 9);
	scp_execution_free(e);
}
END_TEST

START_TEST(a_timeout_is_124)
{
	scp_execution *e = await(submit(make_session(SCP_PERSISTENT), "timeout", 0).s);

	ck_assert_str_eq(e->result, "timeout");
	ck_assert_int_eq(e->exit_code, 124);
	scp_execution_free(e);
}
END_TEST

START_TEST(a_result_that_is_none_is_a_failure)
{
	const char *s = make_session(SCP_PERSISTENT);
	id e = submit(s, "bad", 0);

	await_result(e.s, "failed");
	fake_await_ack(runtime, e.s);
	await_result(submit(s, "refuse", 0).s, "failed");
	await_result(submit(s, "ok", 0).s, "success");
}
END_TEST

START_TEST(output_beyond_its_bound_is_cut_and_counted)
{
	scp_execution *e = await(submit(make_session(SCP_PERSISTENT), "flood", 0).s);

	ck_assert_str_eq(e->result, "success");
	ck_assert_uint_eq(e->out_len, 1u << 20);
	ck_assert_uint_eq(e->out_bytes, (3u << 20) / 2 + 6);
	ck_assert(e->out_truncated);
	scp_execution_free(e);
}
END_TEST

START_TEST(large_output_comes_from_storage)
{
	scp_execution *e = await(submit(make_session(SCP_PERSISTENT), "large", 0).s);

	ck_assert_uint_eq(e->out_len, 100000);
	ck_assert(!e->out_truncated);
	ck_assert_int_eq(e->out[99999], 'x');
	scp_execution_free(e);
}
END_TEST

START_TEST(a_full_executor_is_asked_again)
{
	await_result(submit(make_session(SCP_PERSISTENT), "busy-once", 0).s, "success");
}
END_TEST

START_TEST(a_pending_one_is_cancelled_at_once)
{
	const char *s = make_session(SCP_PERSISTENT);
	id e = submit(s, "queued", 0);
	scp_execution *x = NULL;

	fake_await_run(runtime, e.s, 0);
	OK(scp_execution_cancel(&x, plane, e.s, err));
	ck_assert_str_eq(x->result, "cancelled");
	scp_execution_free(x);
	ck_assert_int_eq(scp_execution_cancel(NULL, plane, e.s, NULL), SCP_ESTATE);
	fake_await_cancel(runtime, e.s);
}
END_TEST

START_TEST(a_running_one_is_cancelled_and_keeps_its_output)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *x;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	OK(scp_execution_cancel(NULL, plane, e.s, err));
	x = await(e.s);
	ck_assert_str_eq(x->result, "cancelled");
	ck_assert_str_eq(x->out, "waits\n");
	scp_execution_free(x);
}
END_TEST

/* A cancel that comes while its sandbox dies must not run the code again. */
START_TEST(a_cancelled_one_is_not_retried)
{
	id e = submit(make_session(SCP_PERSISTENT), "stubborn", 0);
	scp_session *s = NULL;
	scp_execution *x;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	OK(scp_execution_cancel(NULL, plane, e.s, err));
	x = get(e.s);
	OK(scp_session_get(&s, plane, x->session_id, err));
	fake_kill(runtime, s->container_id, true);
	await_result(e.s, "cancelled");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
	scp_session_free(s);
	scp_execution_free(x);
}
END_TEST

START_TEST(a_broken_connection_loses_nothing)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_session *s = NULL;
	scp_execution *x;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	x = get(e.s);
	OK(scp_session_get(&s, plane, x->session_id, err));
	scp_execution_free(x);
	for (int i = 0; i < 3; i++)
		fake_break(runtime, s->container_id);
	fake_finish(runtime, e.s);
	x = await(e.s);
	ck_assert_str_eq(x->result, "success");
	ck_assert_str_eq(x->out, "waits\n");
	ck_assert_uint_eq(x->retry_count, 0);
	scp_execution_free(x);
	scp_session_free(s);
}
END_TEST

START_TEST(a_runtime_that_does_not_answer_leaves_it_running)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_session *s = NULL;
	scp_execution *x;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	x = get(e.s);
	OK(scp_session_get(&s, plane, x->session_id, err));
	scp_execution_free(x);
	fake_unreachable(runtime, true);
	fake_break(runtime, s->container_id);
	OK(scp_execution_wait(&x, plane, e.s, 300, err));
	ck_assert_str_eq(scp_execution_status_name(x->status), "running");
	scp_execution_free(x);
	fake_unreachable(runtime, false);
	fake_finish(runtime, e.s);
	await_result(e.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
	scp_session_free(s);
}
END_TEST

START_TEST(a_full_queue_says_when_to_come_again)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp_error err = { 0 };
	const char *s;

	scp_plane_close(plane);
	options.max_pending_per_session = 2;
	open_plane();
	s = make_session(SCP_PERSISTENT);
	(void)submit(s, "queued", 0);
	(void)submit(s, "queued", 0);
	spec.language = SCP_SHELL;
	spec.code = "ok";
	ck_assert_int_eq(scp_execute(&e, plane, s, &spec, &err), SCP_EBUSY);
	ck_assert_ptr_null(e);
	ck_assert_str_eq(err.code, "TooManyRequests");
	ck_assert_uint_gt(err.retry_after_ms, 0);
}
END_TEST

struct twin {
	pthread_t thread;
	char session[64];
	scp_status status;
	char id[64];
};

static void *submit_twin(void *arg)
{
	struct twin *t = arg;
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;

	spec.language = SCP_SHELL;
	spec.code = "ok";
	spec.idempotency_key = "twins";
	t->status = scp_execute(&e, plane, t->session, &spec, NULL);
	(void)snprintf(t->id, sizeof(t->id), "%s", e ? e->id : "");
	scp_execution_free(e);
	return NULL;
}

START_TEST(twins_with_one_key_are_one_execution)
{
	struct twin twins[8];
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	const char *s = make_session(SCP_PERSISTENT);

	for (int i = 0; i < 8; i++) {
		(void)snprintf(twins[i].session, 64, "%s", s);
		ck_assert_int_eq(pthread_create(&twins[i].thread, NULL, submit_twin, &twins[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		(void)pthread_join(twins[i].thread, NULL);
		ck_assert_int_eq(twins[i].status, SCP_OK);
		ck_assert_str_eq(twins[i].id, twins[0].id);
	}
	await_result(twins[0].id, "success");
	ck_assert_uint_eq(fake_runs(runtime, twins[0].id), 1);
	spec.language = SCP_SHELL;
	spec.code = "other";
	spec.idempotency_key = "twins";
	ck_assert_int_eq(scp_execute(&e, plane, s, &spec, NULL), SCP_ECONFLICT);
}
END_TEST

START_TEST(an_ephemeral_session_takes_one)
{
	char s[64];
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp_error err = { 0 };
	id first;

	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_EPHEMERAL));
	first = submit(s, "hang", 0);
	spec.language = SCP_SHELL;
	spec.code = "ok";
	ck_assert_int_eq(scp_execute(&e, plane, s, &spec, &err), SCP_ESTATE);
	ck_assert_str_eq(err.code, "SessionNotRunning");
	fake_finish(runtime, first.s);
	await_result(first.s, "success");
	await_session(s, SCP_SESSION_COMPLETED);
	ck_assert_int_eq(scp_execute(&e, plane, s, &spec, &err), SCP_ESTATE);
	fake_await_containers(runtime, 0);
}
END_TEST

START_TEST(a_cancelled_execution_ends_its_ephemeral_session)
{
	char s[64];
	id e;

	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_EPHEMERAL));
	e = submit(s, "queued", 0);
	OK(scp_execution_cancel(NULL, plane, e.s, err));
	await_session(s, SCP_SESSION_COMPLETED);
}
END_TEST

START_TEST(lists_tell_executions_without_bytes)
{
	char s[64];
	scp_execution_query q = SCP_EXECUTION_QUERY_INIT;
	scp_execution_page *page = NULL;

	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	await_result(submit(s, "ok", 0).s, "success");
	await_result(submit(s, "ok", 0).s, "success");
	q.session_id = s;
	q.limit = 1;
	OK(scp_execution_list(&page, plane, &q, err));
	ck_assert_uint_eq(page->count, 1);
	ck_assert_uint_eq(page->total, 2);
	ck_assert_ptr_null(page->items[0]->code);
	scp_execution_page_free(page);
	q.limit = 201;
	ck_assert_int_eq(scp_execution_list(&page, plane, &q, NULL), SCP_EINVAL);
	q.limit = 1;
	q.session_id = "sess_0000000000000000";
	ck_assert_int_eq(scp_execution_list(&page, plane, &q, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_execution_get(NULL, plane, "x", NULL), SCP_EINVAL);
}
END_TEST

START_TEST(a_run_in_flight_survives_its_plane)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	id quick;
	scp_execution *x;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	x = get(e.s);
	quick = submit(x->session_id, "queued", 0);
	scp_execution_free(x);
	fake_await_run(runtime, quick.s, 0);
	reopen_plane();
	fake_finish(runtime, e.s);
	fake_finish(runtime, quick.s);
	x = await(e.s);
	ck_assert_str_eq(x->result, "success");
	ck_assert_str_eq(x->out, "waits\n");
	scp_execution_free(x);
	await_result(quick.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
	ck_assert_uint_eq(fake_runs(runtime, quick.s), 1);
}
END_TEST

START_TEST(what_ended_while_no_plane_was_there_is_found)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);

	await_status(e.s, SCP_EXECUTION_RUNNING);
	scp_plane_close(plane);
	plane = NULL;
	fake_finish(runtime, e.s);
	open_plane();
	await_result(e.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
}
END_TEST

START_TEST(a_container_that_died_meanwhile_is_a_new_attempt)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *x;
	scp_session *s = NULL;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	x = get(e.s);
	OK(scp_session_get(&s, plane, x->session_id, err));
	scp_execution_free(x);
	scp_plane_close(plane);
	plane = NULL;
	fake_kill(runtime, s->container_id, false);
	scp_session_free(s);
	open_plane();
	fake_await_run(runtime, e.s, 1);
	fake_finish(runtime, e.s);
	x = await(e.s);
	ck_assert_str_eq(x->result, "success");
	ck_assert_uint_eq(x->retry_count, 1);
	scp_execution_free(x);
}
END_TEST

Suite *suite_runs(void)
{
	Suite *s = suite_create("runs");
	TCase *c = tcase_create("runs");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup_runs, teardown);
	tcase_add_test(c, a_run_brings_its_result);
	tcase_add_test(c, scp_run_is_both);
	tcase_add_test(c, a_dead_container_is_a_new_attempt);
	tcase_add_test(c, no_retries_is_a_crash);
	tcase_add_test(c, retries_have_an_end);
	tcase_add_test(c, out_of_memory_is_a_failure_and_not_retried);
	tcase_add_test(c, a_timeout_is_124);
	tcase_add_test(c, a_result_that_is_none_is_a_failure);
	tcase_add_test(c, output_beyond_its_bound_is_cut_and_counted);
	tcase_add_test(c, large_output_comes_from_storage);
	tcase_add_test(c, a_full_executor_is_asked_again);
	tcase_add_test(c, a_pending_one_is_cancelled_at_once);
	tcase_add_test(c, a_running_one_is_cancelled_and_keeps_its_output);
	tcase_add_test(c, a_cancelled_one_is_not_retried);
	tcase_add_test(c, a_broken_connection_loses_nothing);
	tcase_add_test(c, a_runtime_that_does_not_answer_leaves_it_running);
	tcase_add_test(c, a_full_queue_says_when_to_come_again);
	tcase_add_test(c, twins_with_one_key_are_one_execution);
	tcase_add_test(c, an_ephemeral_session_takes_one);
	tcase_add_test(c, a_cancelled_execution_ends_its_ephemeral_session);
	tcase_add_test(c, lists_tell_executions_without_bytes);
	tcase_add_test(c, a_run_in_flight_survives_its_plane);
	tcase_add_test(c, what_ended_while_no_plane_was_there_is_found);
	tcase_add_test(c, a_container_that_died_meanwhile_is_a_new_attempt);
	suite_add_tcase(s, c);
	return s;
}
