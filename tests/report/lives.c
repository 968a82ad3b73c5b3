/* What is reported of executions and containers that live. */
#include <stdio.h>

#include "suites.h"

#define HOUR_US INT64_C(3600000000)

START_TEST(running_is_told_once)
{
	id run = submit(make_session(SCP_PERSISTENT), "queued", 0);
	scp_execution *e = NULL;
	int64_t told;

	OK(scp_report_status(&e, plane, run.s, 0, "running", 0, err));
	ck_assert_int_eq(e->status, SCP_EXECUTION_RUNNING);
	ck_assert_int_gt(e->started_us, 0);
	told = e->started_us;
	scp_execution_free(e);
	OK(scp_report_status(&e, plane, run.s, SCP_PRESENT_ATTEMPT, "running", told - 1, err));
	ck_assert_int_eq(e->started_us, told);
	scp_execution_free(e);
	fake_finish(runtime, run.s);
	await_result(run.s, "success");
}
END_TEST

START_TEST(a_start_is_when_it_says_so_but_never_outside_its_life)
{
	const char *s = make_session(SCP_PERSISTENT);
	id ids[] = { submit(s, "queued", 0), submit(s, "queued", 0), submit(s, "queued", 0) };
	scp_execution *e = get(ids[0].s);
	int64_t created = e->created_us;

	scp_execution_free(e);
	OK(scp_report_status(&e, plane, ids[0].s, 0, "running", created, err));
	ck_assert_int_eq(e->started_us, created);
	scp_execution_free(e);
	OK(scp_report_status(&e, plane, ids[1].s, 0, "running", created - HOUR_US, err));
	ck_assert_int_ge(e->started_us, e->created_us);
	scp_execution_free(e);
	OK(scp_report_status(&e, plane, ids[2].s, 0, "running", created + HOUR_US, err));
	ck_assert_int_lt(e->started_us, created + HOUR_US);
	scp_execution_free(e);
}
END_TEST

START_TEST(what_is_over_can_not_run_beat_or_make_files)
{
	static const scp_artifact file = { .path = "a" };
	static const scp_artifact *const files[] = { &file };
	id run = submit(make_session(SCP_PERSISTENT), "ok", 0);

	await_result(run.s, "success");
	ck_assert_int_eq(scp_report_status(NULL, plane, run.s, 0, "running", 0, NULL), SCP_ESTATE);
	ck_assert_int_eq(scp_report_heartbeat(NULL, plane, run.s, 0, NULL), SCP_ESTATE);
	ck_assert_int_eq(scp_report_artifacts(NULL, plane, run.s, 0, files, 1, NULL), SCP_ESTATE);
}
END_TEST

START_TEST(another_attempt_and_unknown_ones_are_refused)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_error err = { 0 };

	ck_assert_int_eq(scp_report_status(NULL, plane, run.s, 1, "running", 0, NULL), SCP_ESTATE);
	ck_assert_int_eq(scp_report_heartbeat(NULL, plane, run.s, 1, NULL), SCP_ESTATE);
	ck_assert_int_eq(scp_report_status(NULL, plane, run.s, 0, "completed", 0, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_report_status(NULL, plane, run.s, 0, NULL, 0, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_report_heartbeat(NULL, plane, "exec_20260101_aaaaaaaa", 0, &err), SCP_ENOTFOUND);
	ck_assert_str_eq(err.code, "InvalidExecution");
}
END_TEST

START_TEST(a_heartbeat_is_stamped)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *e = get(run.s), *f;

	OK(scp_report_heartbeat(&f, plane, run.s, SCP_PRESENT_ATTEMPT, err));
	ck_assert_int_gt(f->last_heartbeat_us, e->last_heartbeat_us);
	scp_execution_free(e);
	scp_execution_free(f);
}
END_TEST

/* ---- artifacts ---- */

static void tell(const char *about, const char *path, uint64_t size)
{
	scp_artifact file = { .path = path, .size_bytes = size };
	const scp_artifact *files[] = { &file };

	OK(scp_report_artifacts(NULL, plane, about, 0, files, 1, err));
}

static const scp_artifact *find(const scp_execution *e, const char *path)
{
	for (size_t i = 0; i < e->artifact_count; i++)
		if (!strcmp(e->artifacts[i]->path, path))
			return e->artifacts[i];
	ck_abort_msg("no %s", path);
}

START_TEST(artifacts_merge_by_path_also_with_the_results)
{
	static const scp_artifact last[] = { { .path = "b", .size_bytes = 20 }, { .path = "c", .size_bytes = 30 } };
	static const scp_artifact *const files[] = { &last[0], &last[1] };
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");
	scp_execution *e;

	tell(run.s, "a", 1);
	tell(run.s, "b", 2);
	tell(run.s, "a", 10);
	tell(run.s, "../out", 1);
	r.artifacts = files;
	r.artifact_count = 2;
	OK(scp_report_result(&e, NULL, plane, run.s, &r, err));
	ck_assert_uint_eq(e->artifact_count, 3);
	ck_assert_uint_eq(find(e, "a")->size_bytes, 10);
	ck_assert_uint_eq(find(e, "b")->size_bytes, 20);
	ck_assert_uint_eq(find(e, "c")->size_bytes, 30);
	scp_execution_free(e);
}
END_TEST

START_TEST(artifacts_stay_where_the_result_names_none)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *e;

	tell(run.s, "a", 1);
	fake_finish(runtime, run.s); /* by the link */
	await_result(run.s, "success");
	e = get(run.s);
	ck_assert_uint_eq(e->artifact_count, 1);
	scp_execution_free(e);
}
END_TEST

START_TEST(a_thousand_artifacts_are_the_most)
{
	enum { MANY = 1000 };
	static scp_artifact list[MANY];
	static char paths[MANY][16];
	const scp_artifact *files[MANY];
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");
	scp_execution *e;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(paths[i], sizeof(paths[i]), "f%zu", i);
		list[i].path = paths[i];
		files[i] = &list[i];
	}
	tell(run.s, "first", 1);
	ck_assert_int_eq(scp_report_artifacts(NULL, plane, run.s, 0, files, MANY + 1, NULL), SCP_EINVAL);
	r.artifacts = files;
	r.artifact_count = MANY;
	OK(scp_report_result(&e, NULL, plane, run.s, &r, err));
	ck_assert_uint_eq(e->artifact_count, MANY);
	(void)find(e, "first");
	scp_execution_free(e);
}
END_TEST

/* ---- containers ---- */

START_TEST(a_ready_container_makes_its_session_run)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_container_report strange = SCP_CONTAINER_REPORT_INIT;
	scp_session *s = NULL, *t = NULL;

	strange.container_id = "scp-somebody-elses";
	spec.template_id = "shell-basic";
	fake_hold_run(runtime, true);
	OK(scp_session_create(&s, plane, &spec, err));
	fake_await_held(runtime);
	ck_assert_int_eq(scp_report_container_ready(NULL, plane, s->id, &strange, NULL), SCP_ESTATE);
	OK(scp_report_container_ready(&t, plane, s->id, NULL, err));
	ck_assert_int_eq(t->status, SCP_SESSION_RUNNING);
	ck_assert_int_gt(t->started_us, 0);
	scp_session_free(t);
	OK(scp_report_container_ready(NULL, plane, s->id, NULL, err));
	fake_hold_run(runtime, false);
	await_result(submit(s->id, "ok", 0).s, "success");
	scp_session_free(s);
}
END_TEST

START_TEST(a_session_that_is_over_takes_no_report)
{
	const char *s = make_session(SCP_PERSISTENT);
	scp_error why = { 0 };

	OK(scp_session_terminate(NULL, plane, s, err));
	ck_assert_int_eq(scp_report_container_ready(NULL, plane, s, NULL, &why), SCP_ESTATE);
	ck_assert_str_eq(why.code, "StateConflict");
	ck_assert_int_eq(scp_report_container_exited(NULL, plane, s, NULL, &why), SCP_ESTATE);
	ck_assert_int_eq(scp_report_container_ready(NULL, plane, "sess_0000000000000000", NULL, &why), SCP_ENOTFOUND);
	ck_assert_str_eq(why.code, "InvalidExecution");
	ck_assert_int_eq(scp_report_container_exited(NULL, plane, "x", NULL, &why), SCP_ENOTFOUND);
}
END_TEST

static void exited(const char *s, const char *reason, int64_t time_us)
{
	scp_container_report r = SCP_CONTAINER_REPORT_INIT;
	int code = 137;

	r.exit_code = &code;
	r.exit_reason = reason;
	r.time_us = time_us;
	OK(scp_report_container_exited(NULL, plane, s, &r, err));
}

START_TEST(what_ran_crashes_and_a_persistent_session_goes_on)
{
	char s[64];
	id run;

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	run = running(s, "stubborn", -1);
	exited(s, "sigkill", 0);
	await_result(run.s, "crashed");
	await_result(submit(s, "ok", 0).s, "success");
	await_session(s, SCP_SESSION_RUNNING);
	fake_await_containers(runtime, 1);
}
END_TEST

START_TEST(what_ran_is_retried_where_it_may_be)
{
	char s[64];
	id run;

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	run = running(s, "stubborn", 1);
	exited(s, "error", 0);
	fake_await_run(runtime, run.s, 1);
	fake_finish(runtime, run.s);
	await_result(run.s, "success");
}
END_TEST

START_TEST(an_exit_by_memory_is_a_failure)
{
	char s[64];
	id run;

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	run = running(s, "stubborn", 2);
	exited(s, "oom_killed", 0);
	await_result(run.s, "failed");
}
END_TEST

START_TEST(an_ephemeral_session_fails_and_what_ran_in_it_crashes)
{
	char s[64];
	id run;
	scp_execution *e;

	snprintf(s, sizeof(s), "%s", make_session(SCP_EPHEMERAL));
	run = running(s, "stubborn", 2);
	exited(s, "error", 0);
	await_session(s, SCP_SESSION_FAILED);
	await_result(run.s, "crashed");
	e = get(run.s);
	ck_assert_int_eq(e->retry_count, 0);
	scp_execution_free(e);
	fake_await_containers(runtime, 0);
}
END_TEST

START_TEST(an_exit_of_an_earlier_container_changes_nothing)
{
	scp_container_report strange = SCP_CONTAINER_REPORT_INIT, bad = SCP_CONTAINER_REPORT_INIT;
	char s[64];
	id run;

	snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	run = running(s, "hang", 0);
	strange.container_id = "scp-aaaaaaaaaaaaaaaaaaaa";
	exited(s, "error", 1);
	OK(scp_report_container_exited(NULL, plane, s, &strange, err));
	bad.exit_reason = "boredom";
	ck_assert_int_eq(scp_report_container_exited(NULL, plane, s, &bad, NULL), SCP_EINVAL);
	await_status(run.s, SCP_EXECUTION_RUNNING);
	ck_assert_uint_eq(fake_containers(runtime), 1);
	fake_finish(runtime, run.s);
	await_result(run.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, run.s), 1);
}
END_TEST

Suite *suite_lives(void)
{
	Suite *s = suite_create("lives");
	TCase *t = tcase_create("lives");

	tcase_add_checked_fixture(t, setup_plane, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, running_is_told_once);
	tcase_add_test(t, a_start_is_when_it_says_so_but_never_outside_its_life);
	tcase_add_test(t, what_is_over_can_not_run_beat_or_make_files);
	tcase_add_test(t, another_attempt_and_unknown_ones_are_refused);
	tcase_add_test(t, a_heartbeat_is_stamped);
	tcase_add_test(t, artifacts_merge_by_path_also_with_the_results);
	tcase_add_test(t, artifacts_stay_where_the_result_names_none);
	tcase_add_test(t, a_thousand_artifacts_are_the_most);
	tcase_add_test(t, a_ready_container_makes_its_session_run);
	tcase_add_test(t, a_session_that_is_over_takes_no_report);
	tcase_add_test(t, what_ran_crashes_and_a_persistent_session_goes_on);
	tcase_add_test(t, what_ran_is_retried_where_it_may_be);
	tcase_add_test(t, an_exit_by_memory_is_a_failure);
	tcase_add_test(t, an_ephemeral_session_fails_and_what_ran_in_it_crashes);
	tcase_add_test(t, an_exit_of_an_earlier_container_changes_nothing);
	suite_add_tcase(s, t);
	return s;
}
