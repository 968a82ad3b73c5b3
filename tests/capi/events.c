/* Subscriptions. */
#include "capi.h"

#include <stdio.h>

struct seen {
	struct slot slot; /* calls: events; text: output */
	uint64_t seqs[256];
	scp_event_kind last;
	int exit_code;
	scp_subscription **close_after_first, **pause_after_first;
};

static void see(void *user, const scp_execution_event *e)
{
	struct seen *s = user;
	size_t at;

	/* Before anybody can see this event, and resume. */
	if (s->pause_after_first && e->seq)
		scp_subscription_pause(*s->pause_after_first);
	(void)pthread_mutex_lock(&s->slot.lock);
	if (s->slot.calls < 256)
		s->seqs[s->slot.calls] = e->seq;
	s->slot.calls++;
	s->last = e->kind;
	at = strlen(s->slot.text);
	if (e->kind == SCP_EVENT_STDOUT || e->kind == SCP_EVENT_STDERR)
		(void)snprintf(
		    s->slot.text + at, sizeof(s->slot.text) - at, "%.*s", (int)e->len, (const char *)e->data);
	if (e->kind == SCP_EVENT_RESULT)
		s->exit_code = e->execution->exit_code;
	(void)pthread_cond_broadcast(&s->slot.changed);
	(void)pthread_mutex_unlock(&s->slot.lock);
	if (s->close_after_first)
		scp_subscription_close(*s->close_after_first);
}

static void await_result(struct seen *s)
{
	unsigned calls = 0;

	do
		slot_await(&s->slot, ++calls);
	while (s->last != SCP_EVENT_RESULT);
}

static scp_execution *start(const char *session_id, const char *code)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;

	spec.language = SCP_SHELL;
	spec.code = code;
	OK(scp_execute(&e, plane, session_id, &spec, err));
	return e;
}

static const char *const chatter = "for i in 1 2 3; do echo o$i; sleep 0.05; done; exit 5";

START_TEST(events_arrive_in_order_and_the_result_last)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = start(s->id, chatter);
	struct seen seen = { .slot = SLOT_INIT };
	scp_subscription *sub = NULL;

	OK(scp_execution_subscribe(&sub, plane, e->id, 0, see, &seen, err));
	await_result(&seen);
	scp_subscription_close(sub);
	ck_assert_str_eq(seen.slot.text, "o1\no2\no3\n");
	ck_assert_int_eq(seen.exit_code, 5);
	for (unsigned i = 1; i < seen.slot.calls; i++)
		ck_assert_uint_gt(seen.seqs[i], seen.seqs[i - 1]);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_late_subscriber_resumes_behind_what_it_saw)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = start(s->id, chatter), *over = NULL;
	struct seen all = { .slot = SLOT_INIT }, rest = { .slot = SLOT_INIT };
	scp_subscription *sub = NULL;

	OK(scp_execution_wait(&over, plane, e->id, 60000, err));
	scp_execution_free(over);
	OK(scp_execution_subscribe(&sub, plane, e->id, 0, see, &all, err));
	await_result(&all);
	scp_subscription_close(sub);
	ck_assert_str_eq(all.slot.text, "o1\no2\no3\n");
	OK(scp_execution_subscribe(&sub, plane, e->id, all.seqs[0], see, &rest, err));
	await_result(&rest);
	scp_subscription_close(sub);
	ck_assert_uint_eq(rest.slot.calls, all.slot.calls - 1);
	ck_assert_uint_eq(rest.seqs[0], all.seqs[1]);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_subscription_may_be_closed_from_inside)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = start(s->id, chatter), *over = NULL;
	scp_subscription *sub = NULL;
	struct seen seen = { .slot = SLOT_INIT, .close_after_first = &sub };

	OK(scp_execution_subscribe(&sub, plane, e->id, 0, see, &seen, err));
	OK(scp_execution_wait(&over, plane, e->id, 60000, err));
	slot_await(&seen.slot, 1);
	ck_assert_uint_eq(seen.slot.calls, 1);
	scp_execution_free(over);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(nothing_is_lost_while_paused)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = start(s->id, chatter), *over = NULL;
	scp_subscription *sub = NULL;
	struct seen seen = { .slot = SLOT_INIT, .pause_after_first = &sub };

	OK(scp_execution_subscribe(&sub, plane, e->id, 0, see, &seen, err));
	OK(scp_execution_wait(&over, plane, e->id, 60000, err));
	scp_execution_free(over);
	slot_await(&seen.slot, 1);
	ck_assert_uint_eq(seen.slot.calls, 1);
	for (unsigned calls = 1; seen.last != SCP_EVENT_RESULT; calls++) {
		slot_await(&seen.slot, calls);
		scp_subscription_resume(sub);
		if (seen.last != SCP_EVENT_RESULT)
			slot_await(&seen.slot, calls + 1);
	}
	ck_assert_str_eq(seen.slot.text, "o1\no2\no3\n");
	scp_subscription_close(sub);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(an_unknown_execution_has_no_events)
{
	scp_subscription *sub = NULL;

	ck_assert_int_eq(
	    scp_execution_subscribe(&sub, plane, "exec_20260101_00000000", 0, see, NULL, NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(sub);
}
END_TEST

Suite *suite_events(void)
{
	Suite *s = suite_create("events");
	TCase *t = tcase_create("events");

	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, events_arrive_in_order_and_the_result_last);
	tcase_add_test(t, a_late_subscriber_resumes_behind_what_it_saw);
	tcase_add_test(t, a_subscription_may_be_closed_from_inside);
	tcase_add_test(t, nothing_is_lost_while_paused);
	tcase_add_test(t, an_unknown_execution_has_no_events);
	suite_add_tcase(s, t);
	return s;
}
