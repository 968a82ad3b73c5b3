/* Asynchronous calls, call-backs in library threads and by dispatch. */
#include "capi.h"

#include <poll.h>

static scp_session *create_async(void)
{
	struct slot slot = SLOT_INIT;
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_request *q = NULL;

	spec.template_id = "shell-basic";
	OK(scp_session_create_async(&q, plane, &spec, slot_done, &slot, err));
	slot_await(&slot, 1);
	scp_request_cancel(q);
	ck_assert_int_eq(slot.status, SCP_OK);
	ck_assert(!pthread_equal(slot.thread, pthread_self()));
	return slot.result;
}

static void run_async(scp_request **q, const char *session_id, const char *code, struct slot *slot)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;

	spec.language = SCP_SHELL;
	spec.code = code;
	OK(scp_run_async(q, plane, session_id, &spec, slot_done, slot, err));
}

START_TEST(twins_give_what_their_blocking_ones_do)
{
	scp_session *s = create_async();
	struct slot slot = SLOT_INIT;
	scp_execution *e;
	scp_request *q = NULL;

	run_async(&q, s->id, "echo $((6*7))", &slot);
	slot_await(&slot, 1);
	scp_request_cancel(q);
	e = slot.result;
	ck_assert_str_eq(e->out, "42\n");
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(errors_come_by_call_back_too)
{
	struct slot slot = SLOT_INIT;

	OK(scp_session_get_async(NULL, plane, "sess_0000000000000000", slot_done, &slot, err));
	slot_await(&slot, 1);
	ck_assert_int_eq(slot.status, SCP_ENOTFOUND);
	ck_assert_ptr_null(slot.result);
	ck_assert_ptr_nonnull(strstr(slot.text, "sess_0000000000000000"));
}
END_TEST

START_TEST(a_cancelled_request_calls_nobody)
{
	scp_session *s = create_async();
	struct slot slot = SLOT_INIT;
	scp_request *q = NULL;
	scp_execution *e;

	run_async(&q, s->id, "sleep 0.3", &slot);
	scp_request_cancel(q);
	e = run(s->id, SCP_SHELL, "sleep 0.6");
	ck_assert_uint_eq(slot.calls, 0);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_closing_plane_answers_every_waiter)
{
	scp_session *s = create_async();
	struct slot slots[20];
	scp_request *q[20];

	for (size_t i = 0; i < 20; i++) {
		slots[i] = (struct slot)SLOT_INIT;
		run_async(&q[i], s->id, "sleep 60", &slots[i]);
	}
	scp_plane_close(plane);
	plane = NULL;
	for (size_t i = 0; i < 20; i++) {
		ck_assert_uint_eq(slots[i].calls, 1);
		ck_assert(slots[i].status == SCP_ECLOSED || slots[i].status == SCP_OK);
		if (!slots[i].status)
			scp_execution_free(slots[i].result);
		scp_request_cancel(q[i]);
	}
	scp_session_free(s);
	OK(scp_plane_open(
	    &plane, &(scp_plane_options){ .struct_size = sizeof(scp_plane_options), .state_dir = state_dir }, err));
}
END_TEST

START_TEST(a_thousand_waits_hold_no_thread)
{
	scp_session *s = create_async();
	static struct slot slots[1000];
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;

	spec.language = SCP_SHELL;
	spec.code = "sleep 0.5; exit 2";
	OK(scp_execute(&e, plane, s->id, &spec, err));
	for (size_t i = 0; i < 1000; i++) {
		slots[i] = (struct slot)SLOT_INIT;
		OK(scp_execution_wait_async(NULL, plane, e->id, 60000, slot_done, &slots[i], err));
	}
	for (size_t i = 0; i < 1000; i++) {
		slot_await(&slots[i], 1);
		ck_assert_int_eq(((scp_execution *)slots[i].result)->exit_code, 2);
		scp_execution_free(slots[i].result);
	}
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

static void dispatch_until(struct slot *slot, unsigned calls)
{
	struct pollfd p = { .fd = scp_plane_event_fd(plane), .events = POLLIN };

	ck_assert_int_ge(p.fd, 0);
	while (slot->calls < calls) {
		ck_assert_int_eq(poll(&p, 1, 60000), 1);
		(void)scp_plane_dispatch(plane);
	}
}

START_TEST(dispatched_call_backs_run_where_they_are_dispatched)
{
	struct slot made = SLOT_INIT, ran = SLOT_INIT;
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s;
	scp_request *q = NULL;

	spec.template_id = "shell-basic";
	OK(scp_session_create_async(NULL, plane, &spec, slot_done, &made, err));
	dispatch_until(&made, 1);
	ck_assert(pthread_equal(made.thread, pthread_self()));
	s = made.result;
	run_async(&q, s->id, "echo x", &ran);
	dispatch_until(&ran, 1);
	ck_assert(pthread_equal(ran.thread, pthread_self()));
	scp_request_cancel(q);
	scp_execution_free(ran.result);
	scp_session_free(s);
}
END_TEST

START_TEST(without_dispatch_there_is_no_descriptor)
{
	ck_assert_int_eq(scp_plane_event_fd(plane), -1);
}
END_TEST

Suite *suite_async(void)
{
	Suite *s = suite_create("async");
	TCase *t = tcase_create("threads"), *d = tcase_create("dispatch");

	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, twins_give_what_their_blocking_ones_do);
	tcase_add_test(t, errors_come_by_call_back_too);
	tcase_add_test(t, a_cancelled_request_calls_nobody);
	tcase_add_test(t, a_closing_plane_answers_every_waiter);
	tcase_add_test(t, a_thousand_waits_hold_no_thread);
	tcase_add_test(t, without_dispatch_there_is_no_descriptor);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(d, open_plane_to_dispatch, close_plane);
	tcase_set_timeout(d, 120);
	tcase_add_test(d, dispatched_call_backs_run_where_they_are_dispatched);
	suite_add_tcase(s, d);
	return s;
}
