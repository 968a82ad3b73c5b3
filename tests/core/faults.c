/* The database fails at any moment: nothing that was acknowledged is lost. */
#include <stdio.h>

#include "fake.h"

static faulty *db;

static void setup_faults(void)
{
	char url[128];

	setup();
	(void)snprintf(url, sizeof(url), "sqlite:%s/state.db", state_dir);
	db = faulty_new(url);
	options.database = faulty_database(db);
	open_plane();
}

START_TEST(a_submit_that_fails_is_not_there)
{
	const char *s = make_session(SCP_PERSISTENT);
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution_page *page = NULL;
	scp_execution *e = NULL;

	spec.language = SCP_SHELL;
	spec.code = "ok";
	faulty_fail(db, true, 1, 1, false);
	/* Upkeep writes too: whoever was hit, the next one is whole. */
	if (!scp_execute(&e, plane, s, &spec, NULL))
		scp_execution_free(e);
	faulty_fail(db, true, 1, 0, false);
	await_result(submit(s, "ok", 0).s, "success");
	OK(scp_execution_list(&page, plane, NULL, err));
	ck_assert_uint_le(page->total, 2);
	scp_execution_page_free(page);
}
END_TEST

/* The n-th transaction after the submit fails, and the ones behind it. */
START_TEST(a_result_is_stored_whatever_fails_first)
{
	char s[64];

	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	for (unsigned n = 1; n <= 4; n++) {
		id e = submit(s, "hang", 0);

		await_status(e.s, SCP_EXECUTION_RUNNING);
		faulty_fail(db, true, n, 2, false);
		fake_finish(runtime, e.s);
		await_result(e.s, "success");
		fake_await_ack(runtime, e.s);
		ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
		faulty_fail(db, true, 1, 0, false);
	}
}
END_TEST

START_TEST(a_result_is_not_acknowledged_before_it_is_stored)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *x = NULL;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	faulty_fail(db, true, 1, 1000000, false);
	fake_finish(runtime, e.s);
	while (faulty_failed(db) < 3) /* the result, tried again and again */
		(void)scp_execution_wait(&x, plane, e.s, 50, NULL), scp_execution_free(x), x = NULL;
	ck_assert(!fake_acknowledged(runtime, e.s));
	/* Its sandbox dies meanwhile: the result is here already. */
	{
		scp_session *s = NULL;

		x = get(e.s);
		OK(scp_session_get(&s, plane, x->session_id, err));
		fake_kill(runtime, s->container_id, true);
		scp_session_free(s);
		scp_execution_free(x);
	}
	faulty_fail(db, true, 1, 0, false);
	await_result(e.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
}
END_TEST

/* The commit went through, but its answer was lost. */
START_TEST(a_lost_answer_wakes_the_waiters_all_the_same)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);

	await_status(e.s, SCP_EXECUTION_RUNNING);
	faulty_fail(db, true, 1, 2, true);
	fake_finish(runtime, e.s);
	await_result(e.s, "success");
	fake_await_ack(runtime, e.s);
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
}
END_TEST

START_TEST(a_retry_that_can_not_be_stored_comes_later)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *x;
	scp_session *s = NULL;

	await_status(e.s, SCP_EXECUTION_RUNNING);
	x = get(e.s);
	OK(scp_session_get(&s, plane, x->session_id, err));
	scp_execution_free(x);
	faulty_fail(db, true, 1, 3, false);
	fake_kill(runtime, s->container_id, true);
	fake_await_run(runtime, e.s, 1);
	fake_finish(runtime, e.s);
	x = await(e.s);
	ck_assert_str_eq(x->result, "success");
	ck_assert_uint_eq(x->retry_count, 1);
	scp_execution_free(x);
	scp_session_free(s);
}
END_TEST

/* Reads that fail must not look like "nothing is left". */
START_TEST(an_ephemeral_session_is_not_over_because_a_read_failed)
{
	char s[64];
	id e;

	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_EPHEMERAL));
	e = submit(s, "hang", 0);
	await_status(e.s, SCP_EXECUTION_RUNNING);
	for (unsigned n = 1; n < 30; n++) {
		scp_execution *x = NULL;

		faulty_fail(db, false, n % 4 + 1, 2, false);
		(void)scp_execution_wait(&x, plane, e.s, 10, NULL);
		scp_execution_free(x);
	}
	faulty_fail(db, false, 1, 0, false);
	await_status(e.s, SCP_EXECUTION_RUNNING);
	fake_finish(runtime, e.s);
	await_result(e.s, "success");
	await_session(s, SCP_SESSION_COMPLETED);
}
END_TEST

START_TEST(the_end_of_a_session_reaches_its_executions_whatever_fails)
{
	for (unsigned n = 1; n <= 5; n++) {
		const char *s = make_session(SCP_PERSISTENT);
		id e = submit(s, "hang", 0);

		await_status(e.s, SCP_EXECUTION_RUNNING);
		OK(scp_session_terminate(NULL, plane, s, err));
		faulty_fail(db, false, n, 2, false);
		fake_await_containers(runtime, 0);
		faulty_fail(db, false, 1, 0, false);
		await_result(e.s, "cancelled");
	}
}
END_TEST

START_TEST(a_session_is_made_whatever_fails)
{
	for (unsigned n = 1; n <= 6; n++) {
		scp_session_spec spec = SCP_SESSION_SPEC_INIT;
		scp_session *s = NULL, *w = NULL;

		spec.template_id = "shell-basic";
		OK(scp_session_create(&s, plane, &spec, err));
		faulty_fail(db, false, n, 1, false);
		await_session(s->id, SCP_SESSION_RUNNING);
		faulty_fail(db, false, 1, 0, false);
		OK(scp_session_wait(&w, plane, s->id, AWAIT_MS, err));
		await_result(submit(s->id, "ok", 0).s, "success");
		scp_session_free(s);
		scp_session_free(w);
	}
	fake_await_containers(runtime, 6);
}
END_TEST

Suite *suite_faults(void)
{
	Suite *s = suite_create("faults");
	TCase *c = tcase_create("faults");

	tcase_set_timeout(c, 180);
	tcase_add_checked_fixture(c, setup_faults, teardown);
	tcase_add_test(c, a_submit_that_fails_is_not_there);
	tcase_add_test(c, a_result_is_stored_whatever_fails_first);
	tcase_add_test(c, a_result_is_not_acknowledged_before_it_is_stored);
	tcase_add_test(c, a_lost_answer_wakes_the_waiters_all_the_same);
	tcase_add_test(c, a_retry_that_can_not_be_stored_comes_later);
	tcase_add_test(c, an_ephemeral_session_is_not_over_because_a_read_failed);
	tcase_add_test(c, the_end_of_a_session_reaches_its_executions_whatever_fails);
	tcase_add_test(c, a_session_is_made_whatever_fails);
	suite_add_tcase(s, c);
	return s;
}
