/* Subscriptions, asynchronous twins, dispatch, views and the end of a plane. */
#include <poll.h>
#include <stdio.h>

#include "fake.h"

static void setup_watch(void)
{
	setup();
	open_plane();
}

/* ---- what a watcher saw ---- */

struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char out[1 << 14], err[1 << 14], states[256];
	size_t out_len, err_len;
	uint64_t last;
	unsigned events, results;
	char result[16];
	unsigned pause_after, close_after; /* events; 0: never */
	scp_subscription *s;
	bool in_order;
};

static void seen_init(struct seen *w)
{
	memset(w, 0, sizeof(*w));
	w->in_order = true;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->changed, NULL);
}

static void add(char *to, size_t *len, const scp_execution_event *e)
{
	memcpy(to + *len, e->data, e->len);
	*len += e->len;
	to[*len] = 0;
}

static void on_event(void *user, const scp_execution_event *e)
{
	struct seen *w = user;
	bool pause, close_it;

	(void)pthread_mutex_lock(&w->lock);
	w->in_order = w->in_order && e->seq > w->last;
	w->last = e->seq;
	w->events++;
	if (e->kind == SCP_EVENT_STDOUT)
		add(w->out, &w->out_len, e);
	else if (e->kind == SCP_EVENT_STDERR)
		add(w->err, &w->err_len, e);
	else if (e->kind == SCP_EVENT_STATUS)
		(void)snprintf(w->states + strlen(w->states), 32, "%.*s ", (int)e->len, (const char *)e->data);
	else
		(void)snprintf(w->result, sizeof(w->result), "%s", e->execution->result);
	w->results += e->kind == SCP_EVENT_RESULT;
	pause = w->pause_after && w->events == w->pause_after;
	close_it = w->close_after && w->events == w->close_after;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
	if (pause)
		scp_subscription_pause(w->s);
	if (close_it)
		scp_subscription_close(w->s);
}

static void await_events(struct seen *w, unsigned events, unsigned results)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AWAIT_MS / 1000;
	(void)pthread_mutex_lock(&w->lock);
	while (w->events < events || w->results < results)
		ck_assert_msg(!pthread_cond_timedwait(&w->changed, &w->lock, &until), "%u events", w->events);
	(void)pthread_mutex_unlock(&w->lock);
}

static void watch(struct seen *w, const char *execution_id, uint64_t after)
{
	OK(scp_execution_subscribe(&w->s, plane, execution_id, after, on_event, w, err));
}

static void expected(char *out, char *err)
{
	out[0] = err[0] = 0;
	for (int i = 0; i < 200; i++)
		(void)snprintf((i % 2 ? err : out) + strlen(i % 2 ? err : out), 32, "line %d\n", i);
}

static void check_lines(const struct seen *w)
{
	static char out[1 << 14], err[1 << 14];

	expected(out, err);
	ck_assert_str_eq(w->out, out);
	ck_assert_str_eq(w->err, err);
	ck_assert_str_eq(w->result, "success");
	ck_assert_uint_eq(w->results, 1);
	ck_assert(w->in_order);
}

/* ---- subscriptions ---- */

START_TEST(each_byte_comes_once_live_and_replayed)
{
	id e = submit(make_session(SCP_PERSISTENT), "lines", 0);
	struct seen live, replay, stored;

	seen_init(&live);
	seen_init(&replay);
	seen_init(&stored);
	watch(&live, e.s, 0);
	await_events(&live, 202, 1);
	check_lines(&live);
	ck_assert_str_eq(live.states, "running ");
	watch(&replay, e.s, 0);
	await_events(&replay, 202, 1);
	check_lines(&replay);
	scp_subscription_close(live.s);
	scp_subscription_close(replay.s);
	reopen_plane();
	watch(&stored, e.s, 0);
	await_events(&stored, 202, 1);
	check_lines(&stored);
	ck_assert_uint_eq(stored.last, live.last);
	scp_subscription_close(stored.s);
}
END_TEST

START_TEST(a_watcher_resumes_behind_any_event)
{
	id e = submit(make_session(SCP_PERSISTENT), "lines", 0);
	struct seen *w = malloc(sizeof(*w));
	scp_execution *x = await(e.s);

	for (uint64_t after = 0; after < 203; after += 29) {
		seen_init(w);
		watch(w, e.s, after);
		await_events(w, 1, 1);
		ck_assert(w->in_order);
		/* 1 is "running", 2 to 201 are the lines. */
		ck_assert_uint_eq(w->events, 202 - after);
		scp_subscription_close(w->s);
	}
	scp_execution_free(x);
	free(w);
}
END_TEST

START_TEST(a_paused_watcher_misses_nothing)
{
	id e = submit(make_session(SCP_PERSISTENT), "lines", 0);
	struct seen w;

	seen_init(&w);
	w.pause_after = 50;
	watch(&w, e.s, 0);
	await_events(&w, 50, 0);
	await_result(e.s, "success");
	ck_assert_uint_eq(w.events, 50);
	scp_subscription_resume(w.s);
	await_events(&w, 202, 1);
	check_lines(&w);
	scp_subscription_close(w.s);
}
END_TEST

START_TEST(a_watcher_may_close_itself_inside_its_call)
{
	id e = submit(make_session(SCP_PERSISTENT), "lines", 0);
	struct seen w, other;

	seen_init(&w);
	seen_init(&other);
	w.close_after = 20;
	watch(&w, e.s, 0);
	await_events(&w, 20, 0);
	watch(&other, e.s, 0);
	await_events(&other, 202, 1);
	ck_assert_uint_eq(w.events, 20);
	scp_subscription_close(other.s);
}
END_TEST

START_TEST(unfinished_sequences_of_both_streams_arrive)
{
	id e = submit(make_session(SCP_PERSISTENT), "split", 0);
	struct seen w, stored;
	scp_execution *x;

	seen_init(&w);
	seen_init(&stored);
	watch(&w, e.s, 0);
	await_events(&w, 2, 1);
	ck_assert_str_eq(w.out, "a\xc3");
	ck_assert_str_eq(w.err, "b\xe2\x82");
	ck_assert(w.in_order);
	scp_subscription_close(w.s);
	x = get(e.s);
	ck_assert_uint_eq(x->out_len, 2);
	ck_assert_uint_eq(x->err_len, 3);
	scp_execution_free(x);
	reopen_plane();
	watch(&stored, e.s, 0);
	await_events(&stored, 2, 1);
	ck_assert_str_eq(stored.err, "b\xe2\x82");
	scp_subscription_close(stored.s);
}
END_TEST

START_TEST(an_executor_that_starts_for_ever_is_heard_once)
{
	id e = submit(make_session(SCP_PERSISTENT), "restarts", 0);
	struct seen w;

	seen_init(&w);
	watch(&w, e.s, 0);
	await_events(&w, 2, 1);
	ck_assert_str_eq(w.states, "running ");
	ck_assert_uint_eq(w.events, 3);
	scp_subscription_close(w.s);
}
END_TEST

START_TEST(a_retry_is_an_event_and_numbers_go_on)
{
	id e = submit(make_session(SCP_PERSISTENT), "die-once", 0);
	struct seen w;

	seen_init(&w);
	watch(&w, e.s, 0);
	await_events(&w, 3, 1);
	ck_assert_ptr_nonnull(strstr(w.states, "running "));
	ck_assert_str_eq(w.out, "hello\n");
	ck_assert(w.in_order);
	scp_subscription_close(w.s);
	ck_assert_int_eq(
	    scp_execution_subscribe(&w.s, plane, "exec_20260101_aaaaaaaa", 0, on_event, &w, NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(w.s);
}
END_TEST

START_TEST(subscriptions_may_outlive_their_plane)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	struct seen w;

	seen_init(&w);
	watch(&w, e.s, 0);
	await_events(&w, 2, 0);
	scp_plane_close(plane);
	plane = NULL;
	scp_subscription_pause(w.s);
	scp_subscription_resume(w.s);
	scp_subscription_close(w.s);
	ck_assert_uint_eq(w.results, 0);
}
END_TEST

/* ---- asynchronous twins ---- */

struct slot {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls;
	scp_status status;
	void *result;
	pthread_t thread;
	scp_request *request;
	bool cancel;
};

static void slot_init(struct slot *s)
{
	memset(s, 0, sizeof(*s));
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
}

static void on_done(void *user, scp_status status, void *result, const scp_error *err)
{
	struct slot *s = user;

	(void)err;
	(void)pthread_mutex_lock(&s->lock);
	s->calls++;
	s->status = status;
	s->result = result;
	s->thread = pthread_self();
	if (s->cancel)
		scp_request_cancel(s->request);
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void await_calls(struct slot *s, unsigned calls)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AWAIT_MS / 1000;
	(void)pthread_mutex_lock(&s->lock);
	while (s->calls < calls)
		ck_assert_msg(!pthread_cond_timedwait(&s->changed, &s->lock, &until), "no call-back");
	(void)pthread_mutex_unlock(&s->lock);
}

START_TEST(twins_give_what_their_blocking_ones_do)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_session_spec session = SCP_SESSION_SPEC_INIT;
	struct slot s;
	char sid[64], eid[64];

	slot_init(&s);
	session.template_id = "shell-basic";
	OK(scp_session_create_async(NULL, plane, &session, on_done, &s, err));
	await_calls(&s, 1);
	(void)snprintf(sid, sizeof(sid), "%s", ((scp_session *)s.result)->id);
	scp_session_free(s.result);
	OK(scp_session_wait_async(NULL, plane, sid, 60000, on_done, &s, err));
	await_calls(&s, 2);
	ck_assert_int_eq(((scp_session *)s.result)->status, SCP_SESSION_RUNNING);
	scp_session_free(s.result);
	spec.language = SCP_SHELL;
	spec.code = "ok";
	OK(scp_run_async(NULL, plane, sid, &spec, on_done, &s, err));
	await_calls(&s, 3);
	ck_assert_int_eq(s.status, SCP_OK);
	ck_assert_str_eq(((scp_execution *)s.result)->result, "success");
	(void)snprintf(eid, sizeof(eid), "%s", ((scp_execution *)s.result)->id);
	scp_execution_free(s.result);
	OK(scp_execution_get_async(NULL, plane, eid, on_done, &s, err));
	await_calls(&s, 4);
	scp_execution_free(s.result);
	OK(scp_execution_cancel_async(NULL, plane, eid, on_done, &s, err));
	await_calls(&s, 5);
	ck_assert_int_eq(s.status, SCP_ESTATE);
	ck_assert_ptr_null(s.result);
	OK(scp_execute_async(NULL, plane, sid, NULL, on_done, &s, err));
	await_calls(&s, 6);
	ck_assert_int_eq(s.status, SCP_EINVAL);
	OK(scp_session_list_async(NULL, plane, NULL, on_done, &s, err));
	await_calls(&s, 7);
	scp_session_page_free(s.result);
	OK(scp_execution_list_async(NULL, plane, NULL, on_done, &s, err));
	await_calls(&s, 8);
	scp_execution_page_free(s.result);
	OK(scp_template_list_async(NULL, plane, NULL, on_done, &s, err));
	await_calls(&s, 9);
	scp_template_page_free(s.result);
	OK(scp_template_get_async(NULL, plane, "shell-basic", on_done, &s, err));
	await_calls(&s, 10);
	scp_template_free(s.result);
	OK(scp_session_keepalive_async(NULL, plane, sid, 60, on_done, &s, err));
	await_calls(&s, 11);
	scp_session_free(s.result);
	OK(scp_session_terminate_async(NULL, plane, sid, on_done, &s, err));
	await_calls(&s, 12);
	ck_assert_int_eq(((scp_session *)s.result)->status, SCP_SESSION_TERMINATED);
	scp_session_free(s.result);
}
END_TEST

START_TEST(a_request_may_be_cancelled_inside_its_call)
{
	struct slot s;

	slot_init(&s);
	s.cancel = true;
	(void)pthread_mutex_lock(&s.lock); /* the call-back waits until the request is known */
	OK(scp_session_list_async(&s.request, plane, NULL, on_done, &s, err));
	(void)pthread_mutex_unlock(&s.lock);
	await_calls(&s, 1);
	scp_session_page_free(s.result);
}
END_TEST

START_TEST(closing_ends_waits_with_eclosed_and_cancelled_ones_not_at_all)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	struct slot s, cancelled;

	slot_init(&s);
	slot_init(&cancelled);
	OK(scp_execution_wait_async(&s.request, plane, e.s, 3600000, on_done, &s, err));
	OK(scp_execution_wait_async(&cancelled.request, plane, e.s, 3600000, on_done, &cancelled, err));
	scp_request_cancel(cancelled.request);
	scp_plane_close(plane);
	plane = NULL;
	ck_assert_uint_eq(s.calls, 1);
	ck_assert_int_eq(s.status, SCP_ECLOSED);
	ck_assert_uint_eq(cancelled.calls, 0);
	scp_request_cancel(s.request);
}
END_TEST

static void *blocked_wait(void *arg)
{
	scp_execution *e = NULL;
	scp_status *rc = arg;

	*rc = scp_execution_wait(&e, plane, (const char *)(rc + 1), 3600000, NULL);
	scp_execution_free(e);
	return NULL;
}

START_TEST(closing_wakes_blocked_callers)
{
	struct {
		scp_status rc;
		char id[64];
	} w = { SCP_OK, "" };
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	pthread_t thread;

	(void)snprintf(w.id, sizeof(w.id), "%s", e.s);
	ck_assert_int_eq(pthread_create(&thread, NULL, blocked_wait, &w), 0);
	/* Draining reports the call that is under way; then the close ends it. */
	while (scp_plane_drain(plane, 1, NULL) == SCP_OK)
		;
	scp_plane_close(plane);
	plane = NULL;
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(w.rc, SCP_ECLOSED);
}
END_TEST

START_TEST(a_draining_plane_takes_nothing_new)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	const char *sid = make_session(SCP_PERSISTENT);

	OK(scp_plane_drain(plane, 1000, err));
	spec.template_id = "shell-basic";
	ck_assert_int_eq(scp_session_create(&s, plane, &spec, NULL), SCP_ECLOSED);
	OK(scp_session_get(&s, plane, sid, err));
	scp_session_free(s);
}
END_TEST

START_TEST(waits_end_with_their_time)
{
	id e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	scp_execution *x = NULL;
	scp_call call = SCP_CALL_INIT;
	scp_plane *view = NULL;

	OK(scp_execution_wait(&x, plane, e.s, 0, err));
	ck_assert_ptr_null(x->result);
	scp_execution_free(x);
	call.deadline_ms = 20;
	call.request_id = "req-1";
	call.actor = "tests";
	OK(scp_plane_with(&view, plane, &call, err));
	OK(scp_execution_wait(&x, view, e.s, 3600000, err));
	ck_assert_ptr_null(x->result);
	scp_execution_free(x);
	scp_plane_close(view);
	call.request_id = "not one";
	ck_assert_int_eq(scp_plane_with(&view, plane, &call, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_execution_wait(&x, plane, e.s, 3700001, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp_execution_wait(&x, plane, "exec_20260101_aaaaaaaa", 10, NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_session_wait(NULL, plane, "x", 10, NULL), SCP_EINVAL);
}
END_TEST

/* ---- dispatch ---- */

static void dispatch_until(struct slot *s, unsigned calls)
{
	struct pollfd p = { .fd = scp_plane_event_fd(plane), .events = POLLIN };

	ck_assert_int_ge(p.fd, 0);
	while (s->calls < calls) {
		ck_assert_int_eq(poll(&p, 1, AWAIT_MS), 1);
		(void)scp_plane_dispatch(plane);
	}
}

START_TEST(dispatched_calls_run_in_the_hosts_thread)
{
	struct slot s, late;
	id e;

	scp_plane_close(plane);
	options.callbacks = SCP_CALLBACKS_DISPATCH;
	open_plane();
	slot_init(&s);
	slot_init(&late);
	e = submit(make_session(SCP_PERSISTENT), "hang", 0);
	OK(scp_execution_get_async(NULL, plane, e.s, on_done, &s, err));
	dispatch_until(&s, 1);
	ck_assert(pthread_equal(s.thread, pthread_self()));
	scp_execution_free(s.result);
	OK(scp_execution_wait_async(NULL, plane, e.s, 3600000, on_done, &late, err));
	scp_plane_close(plane);
	plane = NULL;
	ck_assert_uint_eq(late.calls, 1);
	ck_assert_int_eq(late.status, SCP_ECLOSED);
	ck_assert(pthread_equal(late.thread, pthread_self()));
}
END_TEST

/* ---- a process that only submits ---- */

START_TEST(another_process_does_what_one_without_upkeep_submits)
{
	scp_plane *worker = plane, *submitter = NULL;
	scp_plane_options o = options;
	fake *second = fake_new();
	scp_runtime *list[1] = { fake_runtime(second) };
	id e;

	o.runtimes = list;
	o.upkeep = SCP_OFF;
	OK(scp_plane_open(&submitter, &o, err));
	plane = submitter;
	e = submit(make_session(SCP_PERSISTENT), "ok", 0);
	await_result(e.s, "success");
	plane = worker;
	ck_assert_uint_eq(fake_runs(runtime, e.s), 1);
	plane = submitter;
	{
		scp_execution *x = get(e.s);
		id hang = submit(x->session_id, "hang", 0);

		await_status(hang.s, SCP_EXECUTION_RUNNING);
		OK(scp_execution_cancel(NULL, plane, hang.s, err));
		await_result(hang.s, "cancelled");
		hang = submit(x->session_id, "hang", 0);
		await_status(hang.s, SCP_EXECUTION_RUNNING);
		OK(scp_session_terminate(NULL, plane, x->session_id, err));
		await_result(hang.s, "cancelled");
		scp_execution_free(x);
	}
	scp_plane_close(submitter);
	plane = worker;
}
END_TEST

Suite *suite_watch(void)
{
	Suite *s = suite_create("watch");
	TCase *c = tcase_create("watch");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup_watch, teardown);
	tcase_add_test(c, each_byte_comes_once_live_and_replayed);
	tcase_add_test(c, a_watcher_resumes_behind_any_event);
	tcase_add_test(c, a_paused_watcher_misses_nothing);
	tcase_add_test(c, a_watcher_may_close_itself_inside_its_call);
	tcase_add_test(c, unfinished_sequences_of_both_streams_arrive);
	tcase_add_test(c, an_executor_that_starts_for_ever_is_heard_once);
	tcase_add_test(c, a_retry_is_an_event_and_numbers_go_on);
	tcase_add_test(c, subscriptions_may_outlive_their_plane);
	tcase_add_test(c, twins_give_what_their_blocking_ones_do);
	tcase_add_test(c, a_request_may_be_cancelled_inside_its_call);
	tcase_add_test(c, closing_ends_waits_with_eclosed_and_cancelled_ones_not_at_all);
	tcase_add_test(c, closing_wakes_blocked_callers);
	tcase_add_test(c, a_draining_plane_takes_nothing_new);
	tcase_add_test(c, waits_end_with_their_time);
	tcase_add_test(c, dispatched_calls_run_in_the_hosts_thread);
	tcase_add_test(c, another_process_does_what_one_without_upkeep_submits);
	suite_add_tcase(s, c);
	return s;
}
