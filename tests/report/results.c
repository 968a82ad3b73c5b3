/* How an execution ends by report. */
#include <stdio.h>

#include "suites.h"

#define MIB (1u << 20)

static bool give(const char *about, const scp_report *r, scp_execution **out)
{
	bool first = false;

	OK(scp_report_result(out, &first, plane, about, r, err));
	return first;
}

static void refuse(const char *about, const scp_report *r, scp_status status, const char *code)
{
	scp_execution *e = (scp_execution *)1;
	scp_error err = { 0 };
	bool first = true;

	ck_assert_int_eq(scp_report_result(&e, &first, plane, about, r, &err), status);
	ck_assert_str_eq(err.code, code);
	ck_assert_ptr_null(e);
	ck_assert(!first);
}

START_TEST(the_first_result_is_stored_whole)
{
	static const scp_metrics metrics = { 12.5, 3.25, 7, 11, 13, "cgroup" };
	static const scp_artifact file = { .path = "output/a.csv", .size_bytes = 9, .type = "log", .created_us = 5 };
	static const scp_artifact *const files[] = { &file };
	int code = 0;
	id run = submit(make_session(SCP_PERSISTENT), "queued", 0);
	scp_report r = report_of("success");
	scp_execution *e;

	r.out = "out\n";
	r.out_len = 4;
	r.err = "e";
	r.err_len = 1;
	r.err_bytes = 5;
	r.exit_code = &code;
	r.return_json = "{\"a\": 1}";
	r.metrics = &metrics;
	r.artifacts = files;
	r.artifact_count = 1;
	ck_assert(give(run.s, &r, &e));
	ck_assert_int_eq(e->status, SCP_EXECUTION_COMPLETED);
	ck_assert_str_eq(e->result, "success");
	ck_assert_str_eq(e->out, "out\n");
	ck_assert_uint_eq(e->out_bytes, 4);
	ck_assert_str_eq(e->err, "e");
	ck_assert_uint_eq(e->err_bytes, 5);
	ck_assert(e->err_truncated && !e->out_truncated);
	ck_assert_int_eq(e->exit_code, 0);
	ck_assert_str_eq(e->return_json, "{\"a\": 1}");
	ck_assert_double_eq(e->metrics->duration_ms, 12.5);
	ck_assert_double_eq(e->metrics->peak_memory_mb, 7);
	ck_assert_uint_eq(e->metrics->io_write_bytes, 13);
	ck_assert_str_eq(e->metrics->source, "cgroup");
	ck_assert_uint_eq(e->artifact_count, 1);
	ck_assert_str_eq(e->artifacts[0]->path, "output/a.csv");
	ck_assert_str_eq(e->artifacts[0]->type, "log");
	ck_assert_str_eq(e->artifacts[0]->mime_type, "text/csv");
	ck_assert_int_eq(e->artifacts[0]->created_us, 5);
	scp_execution_free(e);
}
END_TEST

START_TEST(every_repeat_gets_the_one_that_is_stored)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success"), other = report_of("failed"), none = SCP_REPORT_INIT;
	scp_execution *e;

	r.return_json = "1";
	other.return_json = "2";
	ck_assert(give(run.s, &r, NULL));
	ck_assert(!give(run.s, &r, NULL));
	ck_assert(!give(run.s, &none, NULL)); /* one that would be none */
	ck_assert(!give(run.s, &other, &e));
	ck_assert_str_eq(e->result, "success");
	ck_assert_str_eq(e->return_json, "1");
	scp_execution_free(e);
}
END_TEST

START_TEST(a_result_that_the_link_brought_is_repeated_too)
{
	id run = submit(make_session(SCP_PERSISTENT), "ok", 0);
	scp_report r = report_of("failed");
	scp_execution *e;

	await_result(run.s, "success");
	ck_assert(!give(run.s, &r, &e));
	ck_assert_str_eq(e->result, "success");
	ck_assert_str_eq(e->return_json, "6");
	scp_execution_free(e);
}
END_TEST

START_TEST(a_waiter_wakes_and_the_executor_is_let_go)
{
	const char *s = make_session(SCP_PERSISTENT);
	id run = running(s, "hang", 0);
	scp_report r = report_of("success");

	ck_assert(give(run.s, &r, NULL));
	await_result(run.s, "success");
	fake_await_ack(runtime, run.s); /* its own, useless result came and went */
	await_result(run.s, "success");
	await_result(submit(s, "ok", 0).s, "success");
}
END_TEST

START_TEST(an_ephemeral_session_is_over_with_its_result)
{
	char s[64];
	id run;
	scp_report r = report_of("failed");

	snprintf(s, sizeof(s), "%s", make_session(SCP_EPHEMERAL));
	run = running(s, "hang", 0);
	ck_assert(give(run.s, &r, NULL));
	await_session(s, SCP_SESSION_COMPLETED);
	await_result(run.s, "failed");
}
END_TEST

START_TEST(another_attempts_result_is_refused)
{
	id run = submit(make_session(SCP_PERSISTENT), "die-once", 2);
	scp_report r = report_of("failed");

	await_result(run.s, "success");
	refuse(run.s, &r, SCP_ESTATE, "StateConflict"); /* attempt 0; attempt 1 ended it */
	r.attempt = 2;
	refuse(run.s, &r, SCP_ESTATE, "StateConflict");
	r.attempt = 1;
	ck_assert(!give(run.s, &r, NULL));
	r.attempt = SCP_PRESENT_ATTEMPT;
	ck_assert(!give(run.s, &r, NULL));
}
END_TEST

START_TEST(a_live_executions_other_attempt_is_refused)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");

	r.attempt = 1;
	refuse(run.s, &r, SCP_ESTATE, "StateConflict");
	await_status(run.s, SCP_EXECUTION_RUNNING);
}
END_TEST

START_TEST(a_result_after_cancel_is_refused)
{
	const char *s = make_session(SCP_PERSISTENT);
	scp_report r = report_of("success"), none = SCP_REPORT_INIT;
	id waits, runs = running(s, "stubborn", 0);

	OK(scp_execution_cancel(NULL, plane, runs.s, err));
	refuse(runs.s, &r, SCP_ESTATE, "StateConflict"); /* it runs still */
	refuse(runs.s, &none, SCP_ESTATE, "StateConflict");
	waits = submit(s, "queued", 0);
	OK(scp_execution_cancel(NULL, plane, waits.s, err));
	await_result(waits.s, "cancelled");
	refuse(waits.s, &r, SCP_ESTATE, "StateConflict");
	r.status = "cancelled";
	refuse(waits.s, &r, SCP_ESTATE, "StateConflict"); /* no result of it is stored */
}
END_TEST

START_TEST(a_cancelled_run_may_say_that_it_was)
{
	id run = running(make_session(SCP_PERSISTENT), "stubborn", 0);
	scp_report r = report_of("cancelled");

	OK(scp_execution_cancel(NULL, plane, run.s, err));
	ck_assert(give(run.s, &r, NULL));
	ck_assert(!give(run.s, &r, NULL));
	await_result(run.s, "cancelled");
	r.status = "success";
	refuse(run.s, &r, SCP_ESTATE, "StateConflict");
}
END_TEST

START_TEST(what_its_session_ended_takes_no_result)
{
	const char *s = make_session(SCP_PERSISTENT);
	id run = running(s, "stubborn", 0);
	scp_report r = report_of("failed");

	OK(scp_session_terminate(NULL, plane, s, err));
	await_result(run.s, "cancelled");
	refuse(run.s, &r, SCP_ESTATE, "StateConflict");
}
END_TEST

START_TEST(what_is_unknown_takes_no_result)
{
	scp_report r = report_of("success");

	refuse("exec_20260101_aaaaaaaa", &r, SCP_ENOTFOUND, "InvalidExecution");
	refuse("sess_0000000000000000", &r, SCP_ENOTFOUND, "InvalidExecution");
	refuse("../etc", &r, SCP_ENOTFOUND, "InvalidExecution");
	ck_assert_int_eq(scp_report_result(NULL, NULL, plane, NULL, &r, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(a_bad_result_changes_nothing)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	int codes[] = { 256, -2 };
	scp_report r = report_of("running");

	refuse(run.s, &r, SCP_EINVAL, "InvalidParameter");
	r.status = NULL;
	refuse(run.s, &r, SCP_EINVAL, "InvalidParameter");
	r.status = "success";
	for (int i = 0; i < 2; i++) {
		r.exit_code = &codes[i];
		refuse(run.s, &r, SCP_EINVAL, "InvalidParameter");
	}
	r.exit_code = NULL;
	r.signal = 65;
	refuse(run.s, &r, SCP_EINVAL, "InvalidParameter");
	r.signal = 0;
	r.artifact_count = 1;
	refuse(run.s, &r, SCP_EINVAL, "InvalidParameter");
	await_status(run.s, SCP_EXECUTION_RUNNING);
}
END_TEST

START_TEST(a_return_value_that_is_none_is_a_failure)
{
	static const char *const bad[] = { "{\"a\": NaN}", "[1", "1 2", "" };
	const char *s = make_session(SCP_PERSISTENT);

	for (size_t i = 0; i < 4; i++) {
		id run = running(s, "hang", 0);
		scp_report r = report_of("success");
		scp_execution *e;

		r.return_json = bad[i];
		ck_assert(give(run.s, &r, &e));
		ck_assert_str_eq(e->result, "failed");
		ck_assert_ptr_null(e->return_json);
		ck_assert_ptr_nonnull(strstr(e->error, "return value"));
		scp_execution_free(e);
	}
}
END_TEST

START_TEST(what_is_too_long_is_cut_and_counted)
{
	id run = submit(make_session(SCP_PERSISTENT), "queued", 0);
	scp_report r = report_of("success");
	char *out = malloc(MIB + 100), *text = malloc(2 * MIB + 1);
	scp_execution *e;

	memset(out, 'x', MIB + 100);
	memset(text, '1', 2 * MIB);
	text[2 * MIB] = '\0';
	r.out = out;
	r.out_len = MIB + 100;
	r.return_json = text;
	r.error = text;
	ck_assert(give(run.s, &r, &e));
	ck_assert_uint_eq(e->out_len, MIB);
	ck_assert_uint_eq(e->out_bytes, MIB + 100);
	ck_assert(e->out_truncated);
	ck_assert_str_eq(e->result, "failed");
	ck_assert_ptr_null(e->return_json);
	scp_execution_free(e);
	free(out);
	free(text);
}
END_TEST

START_TEST(paths_that_lead_out_are_dropped)
{
	static const scp_artifact list[] = { { .path = "../x" }, { .path = "/etc/shadow" }, { .path = "a" },
		{ .path = NULL }, { .path = "a" }, { .path = "b/../c" } };
	const scp_artifact *items[6];
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("success");
	scp_execution *e;

	for (size_t i = 0; i < 6; i++)
		items[i] = &list[i];
	r.artifacts = items;
	r.artifact_count = 6;
	ck_assert(give(run.s, &r, &e));
	ck_assert_uint_eq(e->artifact_count, 1);
	ck_assert_str_eq(e->artifacts[0]->path, "a");
	scp_execution_free(e);
}
END_TEST

START_TEST(a_crash_can_be_reported)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of("crashed");

	ck_assert(give(run.s, &r, NULL));
	await_result(run.s, "crashed");
}
END_TEST

START_TEST(a_result_may_come_before_its_start_was_told)
{
	id run = submit(make_session(SCP_PERSISTENT), "queued", 0);
	scp_report r = report_of("success");
	scp_execution *e;

	ck_assert(give(run.s, &r, &e));
	ck_assert_str_eq(e->result, "success");
	ck_assert(e->started_us >= e->created_us && e->started_us <= e->completed_us);
	scp_execution_free(e);
}
END_TEST

/* ---- what the link brought before ---- */

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char bytes[256];
	size_t len;
	uint64_t last;
	bool over, disorder;
};

static void see(void *user, const scp_execution_event *event)
{
	struct seen *s = user;

	pthread_mutex_lock(&s->lock);
	s->disorder |= event->seq <= s->last;
	s->last = event->seq;
	if (event->kind == SCP_EVENT_STDOUT && s->len + event->len < sizeof(s->bytes)) {
		memcpy(s->bytes + s->len, event->data, event->len);
		s->len += event->len;
	}
	s->over |= event->kind == SCP_EVENT_RESULT;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void await_seen(struct seen *s, const char *text, bool over)
{
	pthread_mutex_lock(&s->lock);
	while (s->len < strlen(text) || s->over != over)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	ck_assert_str_eq(s->bytes, text);
}

START_TEST(who_watches_sees_every_byte_once)
{
	static struct seen live = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER },
			   late = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_subscription *one, *two;
	scp_report r = report_of("success");
	scp_execution *e;

	OK(scp_execution_subscribe(&one, plane, run.s, 0, see, &live, err));
	await_seen(&live, "waits\n", false);
	r.out = "waits\nand more\n";
	r.out_len = r.out_bytes = 15;
	ck_assert(give(run.s, &r, &e));
	ck_assert_str_eq(e->out, "waits\nand more\n");
	await_seen(&live, "waits\nand more\n", true);
	OK(scp_execution_subscribe(&two, plane, run.s, 0, see, &late, err));
	await_seen(&late, "waits\nand more\n", true);
	ck_assert(!live.disorder && !late.disorder);
	scp_subscription_close(one);
	scp_subscription_close(two);
	scp_execution_free(e);
}
END_TEST

START_TEST(less_than_the_link_brought_takes_nothing_away)
{
	static struct seen live = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_subscription *one;
	scp_report r = report_of("success");
	scp_execution *e;

	OK(scp_execution_subscribe(&one, plane, run.s, 0, see, &live, err));
	await_seen(&live, "waits\n", false);
	ck_assert(give(run.s, &r, &e));
	ck_assert_str_eq(e->out, "waits\n");
	ck_assert_uint_eq(e->out_bytes, 6);
	await_seen(&live, "waits\n", true);
	scp_subscription_close(one);
	scp_execution_free(e);
}
END_TEST

enum { MANY = 16 };

static struct twin {
	pthread_t thread;
	const char *about;
	char value[8];
	bool first;
} twins[MANY];

static void *post(void *arg)
{
	struct twin *t = arg;
	scp_report r = report_of("success");

	r.return_json = t->value;
	t->first = give(t->about, &r, NULL);
	return NULL;
}

START_TEST(another_output_than_the_link_brought_is_believed)
{
	static struct seen live = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_subscription *one;
	scp_report r = report_of("success");
	scp_execution *e;

	OK(scp_execution_subscribe(&one, plane, run.s, 0, see, &live, err));
	await_seen(&live, "waits\n", false);
	r.out = "else";
	r.out_len = 4;
	ck_assert(give(run.s, &r, &e));
	ck_assert_str_eq(e->out, "else");
	ck_assert_uint_eq(e->out_bytes, 4);
	scp_subscription_close(one);
	scp_execution_free(e);
}
END_TEST

START_TEST(of_many_at_once_one_is_the_first)
{
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	unsigned firsts = 0;

	for (int i = 0; i < MANY; i++) {
		twins[i].about = run.s;
		snprintf(twins[i].value, sizeof(twins[i].value), "%d", i);
		ck_assert_int_eq(pthread_create(&twins[i].thread, NULL, post, &twins[i]), 0);
	}
	for (int i = 0; i < MANY; i++) {
		pthread_join(twins[i].thread, NULL);
		firsts += twins[i].first;
	}
	ck_assert_uint_eq(firsts, 1);
	for (int i = 0; i < MANY; i++)
		if (twins[i].first) {
			scp_execution *e = get(run.s);

			ck_assert_str_eq(e->return_json, twins[i].value);
			scp_execution_free(e);
		}
}
END_TEST

/* ---- the twin ---- */

struct done {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool called;
	scp_status status;
	scp_execution *e;
};

static void on_done(void *user, scp_status status, void *result, const scp_error *err)
{
	struct done *d = user;

	(void)err;
	pthread_mutex_lock(&d->lock);
	d->called = true;
	d->status = status;
	d->e = result;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

START_TEST(the_asynchronous_twin_copies_what_it_is_given)
{
	struct done d = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	char id_text[64], word[] = "success", path[] = "made.txt";
	scp_artifact file = { .path = path };
	const scp_artifact *files[] = { &file };
	id run = running(make_session(SCP_PERSISTENT), "hang", 0);
	scp_report r = report_of(word);
	bool first = false;

	snprintf(id_text, sizeof(id_text), "%s", run.s);
	r.artifacts = files;
	r.artifact_count = 1;
	OK(scp_report_result_async(NULL, &first, plane, id_text, &r, on_done, &d, err));
	memset(id_text, 'x', 8);
	memset(word, 'x', 4);
	memset(path, 'x', 4);
	files[0] = NULL;
	pthread_mutex_lock(&d.lock);
	while (!d.called)
		pthread_cond_wait(&d.changed, &d.lock);
	pthread_mutex_unlock(&d.lock);
	ck_assert_int_eq(d.status, SCP_OK);
	ck_assert(first);
	ck_assert_str_eq(d.e->result, "success");
	ck_assert_str_eq(d.e->artifacts[0]->path, "made.txt");
	scp_execution_free(d.e);
}
END_TEST

Suite *suite_results(void)
{
	Suite *s = suite_create("results");
	TCase *t = tcase_create("results");

	tcase_add_checked_fixture(t, setup_plane, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_first_result_is_stored_whole);
	tcase_add_test(t, every_repeat_gets_the_one_that_is_stored);
	tcase_add_test(t, a_result_that_the_link_brought_is_repeated_too);
	tcase_add_test(t, a_waiter_wakes_and_the_executor_is_let_go);
	tcase_add_test(t, an_ephemeral_session_is_over_with_its_result);
	tcase_add_test(t, another_attempts_result_is_refused);
	tcase_add_test(t, a_live_executions_other_attempt_is_refused);
	tcase_add_test(t, a_result_after_cancel_is_refused);
	tcase_add_test(t, a_cancelled_run_may_say_that_it_was);
	tcase_add_test(t, what_its_session_ended_takes_no_result);
	tcase_add_test(t, what_is_unknown_takes_no_result);
	tcase_add_test(t, a_bad_result_changes_nothing);
	tcase_add_test(t, a_return_value_that_is_none_is_a_failure);
	tcase_add_test(t, what_is_too_long_is_cut_and_counted);
	tcase_add_test(t, paths_that_lead_out_are_dropped);
	tcase_add_test(t, a_crash_can_be_reported);
	tcase_add_test(t, a_result_may_come_before_its_start_was_told);
	tcase_add_test(t, who_watches_sees_every_byte_once);
	tcase_add_test(t, less_than_the_link_brought_takes_nothing_away);
	tcase_add_test(t, another_output_than_the_link_brought_is_believed);
	tcase_add_test(t, of_many_at_once_one_is_the_first);
	tcase_add_test(t, the_asynchronous_twin_copies_what_it_is_given);
	suite_add_tcase(s, t);
	return s;
}
