/* The asynchronous twins: what the blocking ones do, on copies of what they are given. */
#include <pthread.h>
#include <stdio.h>

#include "suites.h"

struct done {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool called;
	scp_status status;
	void *result;
	scp_error err;
};

#define DONE_INIT                                                                                                      \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                 \
	}

static void on_done(void *user, scp_status status, void *result, const scp_error *err)
{
	struct done *d = user;

	pthread_mutex_lock(&d->lock);
	ck_assert(!d->called);
	d->called = true;
	d->status = status;
	d->result = result;
	if (err)
		d->err = *err;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

/* What it was given; the call-back's status must be `status`. */
static void *told(struct done *d, scp_status status)
{
	pthread_mutex_lock(&d->lock);
	while (!d->called)
		pthread_cond_wait(&d->changed, &d->lock);
	d->called = false;
	pthread_mutex_unlock(&d->lock);
	ck_assert_msg(d->status == status, "%d: %s", d->status, d->err.message);
	ck_assert((status == SCP_OK) == (d->result != NULL));
	return d->result;
}

START_TEST(a_start_is_told)
{
	id run = submit(make_session(SCP_PERSISTENT), "queued", 0);
	struct done d = DONE_INIT;
	char word[] = "running";
	scp_execution *e;

	OK(scp_report_status_async(NULL, plane, run.s, 0, word, 0, on_done, &d, err));
	memset(word, 'x', 4);
	e = told(&d, SCP_OK);
	ck_assert_int_eq(e->status, SCP_EXECUTION_RUNNING);
	scp_execution_free(e);
}
END_TEST

START_TEST(a_heartbeat_is_stamped_too)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *before = get(run.s), *e;
	struct done d = DONE_INIT;
	char text[64];

	snprintf(text, sizeof(text), "%s", run.s);
	OK(scp_report_heartbeat_async(NULL, plane, text, SCP_PRESENT_ATTEMPT, on_done, &d, err));
	memset(text, 'x', 8);
	e = told(&d, SCP_OK);
	ck_assert_str_eq(e->id, run.s);
	ck_assert_int_gt(e->last_heartbeat_us, before->last_heartbeat_us);
	scp_execution_free(e);
	scp_execution_free(before);
}
END_TEST

START_TEST(artifacts_are_copied)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	char path[] = "made.txt";
	scp_artifact file = { .path = path, .size_bytes = 7 };
	const scp_artifact *files[] = { &file };
	struct done d = DONE_INIT;
	scp_execution *e;

	OK(scp_report_artifacts_async(NULL, plane, run.s, 0, files, 1, on_done, &d, err));
	memset(path, 'x', 4);
	file.size_bytes = 0;
	files[0] = NULL;
	scp_execution_free(told(&d, SCP_OK));
	fake_finish(runtime, run.s);
	await_result(run.s, "success");
	e = get(run.s);
	ck_assert_uint_eq(e->artifact_count, 1);
	ck_assert_str_eq(e->artifacts[0]->path, "made.txt");
	ck_assert_uint_eq(e->artifacts[0]->size_bytes, 7);
	scp_execution_free(e);
}
END_TEST

START_TEST(a_container_is_ready)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	struct done d = DONE_INIT;
	scp_session *made = NULL, *s;

	spec.template_id = "shell-basic";
	fake_hold_run(runtime, true);
	OK(scp_session_create(&made, plane, &spec, err));
	fake_await_held(runtime);
	OK(scp_report_container_ready_async(NULL, plane, made->id, NULL, on_done, &d, err));
	s = told(&d, SCP_OK);
	ck_assert_int_eq(s->status, SCP_SESSION_RUNNING);
	fake_hold_run(runtime, false);
	scp_session_free(s);
	scp_session_free(made);
}
END_TEST

START_TEST(a_container_has_ended)
{
	scp_container_report r = SCP_CONTAINER_REPORT_INIT;
	char session[64], reason[] = "error";
	struct done d = DONE_INIT;
	int code = 1;
	id run;

	snprintf(session, sizeof(session), "%s", make_session(SCP_EPHEMERAL));
	run = running(session, "stubborn", 0);
	r.exit_reason = reason;
	r.exit_code = &code;
	OK(scp_report_container_exited_async(NULL, plane, session, &r, on_done, &d, err));
	memset(reason, 'x', sizeof(reason) - 1);
	memset(&r, 0xff, sizeof(r));
	scp_session_free(told(&d, SCP_OK));
	await_session(session, SCP_SESSION_FAILED);
	await_result(run.s, "crashed");
}
END_TEST

START_TEST(what_is_refused_is_told_by_the_call_back)
{
	static const char nobody[] = "exec_20260101_aaaaaaaa";
	static const char no_session[] = "sess_0000000000000000";
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");
	struct done d = DONE_INIT;

	OK(scp_report_status_async(NULL, plane, nobody, 0, "running", 0, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
	ck_assert_str_eq(d.err.code, "InvalidExecution");
	OK(scp_report_heartbeat_async(NULL, plane, nobody, 0, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
	OK(scp_report_artifacts_async(NULL, plane, nobody, 0, NULL, 0, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
	OK(scp_report_status_async(NULL, plane, run.s, 0, NULL, 0, on_done, &d, err));
	(void)told(&d, SCP_EINVAL);
	OK(scp_report_result_async(NULL, NULL, plane, nobody, &r, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
	OK(scp_report_container_ready_async(NULL, plane, no_session, NULL, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
	OK(scp_report_container_exited_async(NULL, plane, no_session, NULL, on_done, &d, err));
	(void)told(&d, SCP_ENOTFOUND);
}
END_TEST

START_TEST(nothing_is_begun_without_a_call_back)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");
	scp_error why = { 0 };

	ck_assert_int_eq(scp_report_result_async(NULL, NULL, plane, run.s, &r, NULL, NULL, &why), SCP_EINVAL);
	ck_assert_str_eq(why.message, "fn must not be NULL");
	ck_assert_int_eq(scp_report_heartbeat_async(NULL, NULL, run.s, 0, on_done, NULL, &why), SCP_EINVAL);
	await_status(run.s, SCP_EXECUTION_RUNNING);
}
END_TEST

Suite *suite_twins(void)
{
	Suite *s = suite_create("twins");
	TCase *t = tcase_create("twins");

	tcase_add_checked_fixture(t, setup_plane, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_start_is_told);
	tcase_add_test(t, a_heartbeat_is_stamped_too);
	tcase_add_test(t, artifacts_are_copied);
	tcase_add_test(t, a_container_is_ready);
	tcase_add_test(t, a_container_has_ended);
	tcase_add_test(t, what_is_refused_is_told_by_the_call_back);
	tcase_add_test(t, nothing_is_begun_without_a_call_back);
	suite_add_tcase(s, t);
	return s;
}
