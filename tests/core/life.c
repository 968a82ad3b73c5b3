/* Sessions and what upkeep does unasked. */
#include <stdio.h>

#include "fake.h"

static void setup_life(void)
{
	setup();
	open_plane();
}

static void reopen_with(uint32_t idle_s, uint32_t age_s)
{
	options.session_idle_s = idle_s;
	options.session_max_age_s = age_s;
	reopen_plane();
}

static scp_session *session(const char *sid)
{
	scp_session *s = NULL;

	OK(scp_session_get(&s, plane, sid, err));
	return s;
}

START_TEST(a_session_has_a_container_until_it_ends)
{
	const char *sid = make_session(SCP_PERSISTENT);
	scp_session *s = session(sid);

	ck_assert_str_eq(s->runtime_node, "fake-node");
	ck_assert_ptr_nonnull(s->container_id);
	ck_assert_uint_eq(fake_containers(runtime), 1);
	scp_session_free(s);
	OK(scp_session_terminate(&s, plane, sid, err));
	ck_assert_int_eq(s->status, SCP_SESSION_TERMINATED);
	scp_session_free(s);
	fake_await_containers(runtime, 0);
	OK(scp_session_terminate(&s, plane, sid, err)); /* the same again */
	ck_assert_int_eq(s->status, SCP_SESSION_TERMINATED);
	scp_session_free(s);
	ck_assert_int_eq(scp_session_keepalive(&s, plane, sid, 60, NULL), SCP_ESTATE);
	ck_assert_int_eq(scp_session_terminate(NULL, plane, "sess_0000000000000000", NULL), SCP_ENOTFOUND);
	ck_assert_int_eq(scp_session_terminate(NULL, plane, "no id", NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(termination_cancels_what_runs)
{
	const char *s = make_session(SCP_PERSISTENT);
	id running = submit(s, "hang", 0), waiting;

	await_status(running.s, SCP_EXECUTION_RUNNING);
	waiting = submit(s, "queued", 0);
	OK(scp_session_terminate(NULL, plane, s, err));
	await_result(running.s, "cancelled");
	await_result(waiting.s, "cancelled");
	fake_await_containers(runtime, 0);
}
END_TEST

START_TEST(a_session_that_ends_while_it_is_made_leaves_nothing)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;

	spec.template_id = "shell-basic";
	fake_hold_run(runtime, true);
	OK(scp_session_create(&s, plane, &spec, err));
	fake_await_held(runtime);
	OK(scp_session_terminate(NULL, plane, s->id, err));
	fake_hold_run(runtime, false);
	fake_await_made(runtime, 1);
	fake_await_containers(runtime, 0);
	await_session(s->id, SCP_SESSION_TERMINATED);
	scp_session_free(s);
}
END_TEST

START_TEST(executions_wait_for_a_session_that_is_made)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	id e;

	spec.template_id = "shell-basic";
	fake_hold_run(runtime, true);
	OK(scp_session_create(&s, plane, &spec, err));
	e = submit(s->id, "ok", 0);
	fake_hold_run(runtime, false);
	await_result(e.s, "success");
	scp_session_free(s);
}
END_TEST

START_TEST(a_container_that_died_while_idle_is_replaced)
{
	const char *sid = make_session(SCP_PERSISTENT);
	scp_session *s = session(sid);

	fake_kill(runtime, s->container_id, true);
	await_result(submit(sid, "ok", 0).s, "success");
	scp_session_free(s);
	s = session(sid);
	ck_assert_int_eq(s->status, SCP_SESSION_RUNNING);
	scp_session_free(s);
}
END_TEST

START_TEST(a_start_that_fails_fails_the_session)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL, *w = NULL;

	spec.template_id = "shell-basic";
	fake_refuse_run(runtime, SCP_ENOTSUP, 1);
	OK(scp_session_create(&s, plane, &spec, err));
	OK(scp_session_wait(&w, plane, s->id, AWAIT_MS, err));
	ck_assert_int_eq(w->status, SCP_SESSION_FAILED);
	ck_assert_ptr_nonnull(strstr(w->error->message, "refused by the test"));
	ck_assert_str_eq(w->error->code, "NotSupported");
	scp_session_free(s);
	scp_session_free(w);
}
END_TEST

START_TEST(a_runtime_that_hiccups_is_tried_again)
{
	fake_refuse_run(runtime, SCP_EUNAVAIL, 1);
	(void)make_session(SCP_PERSISTENT);
	ck_assert_uint_eq(fake_containers(runtime), 1);
}
END_TEST

START_TEST(a_container_that_ends_at_once_is_made_again_but_not_for_ever)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL, *w = NULL;

	fake_end_at_once(runtime, 1);
	(void)make_session(SCP_PERSISTENT);
	ck_assert_uint_eq(fake_containers(runtime), 1);
	fake_end_at_once(runtime, 100);
	spec.template_id = "shell-basic";
	OK(scp_session_create(&s, plane, &spec, err));
	OK(scp_session_wait(&w, plane, s->id, AWAIT_MS, err));
	ck_assert_int_eq(w->status, SCP_SESSION_FAILED);
	ck_assert_str_eq(w->error->code, "InternalError");
	scp_session_free(s);
	scp_session_free(w);
}
END_TEST

START_TEST(an_idle_session_ends_and_a_busy_one_does_not)
{
	char idle[64], busy[64];
	id e;

	reopen_with(1, 0);
	(void)snprintf(busy, sizeof(busy), "%s", make_session(SCP_PERSISTENT));
	e = submit(busy, "hang", 0);
	(void)snprintf(idle, sizeof(idle), "%s", make_session(SCP_PERSISTENT));
	await_session(idle, SCP_SESSION_TIMEOUT);
	await_status(e.s, SCP_EXECUTION_RUNNING);
	fake_finish(runtime, e.s);
	await_result(e.s, "success");
	await_session(busy, SCP_SESSION_TIMEOUT);
}
END_TEST

START_TEST(an_old_session_ends_with_what_runs_in_it)
{
	char s[64];
	id e;

	reopen_with(0, 1);
	(void)snprintf(s, sizeof(s), "%s", make_session(SCP_PERSISTENT));
	e = submit(s, "hang", 0);
	await_result(e.s, "timeout");
	await_session(s, SCP_SESSION_TIMEOUT);
	fake_await_containers(runtime, 0);
}
END_TEST

START_TEST(keepalive_moves_the_end_but_not_beyond_the_greatest_age)
{
	const char *sid = make_session(SCP_PERSISTENT);
	scp_session *before = session(sid), *after = NULL;

	OK(scp_session_keepalive(&after, plane, sid, 60, err));
	ck_assert(after->expires_us < before->expires_us);
	ck_assert(after->expires_us >= after->last_activity_us + 60000000);
	scp_session_free(before);
	scp_session_free(after);
	after = (scp_session *)before;
	ck_assert_int_eq(scp_session_keepalive(&after, plane, sid, 59, NULL), SCP_EINVAL);
	ck_assert_ptr_null(after);
	/* without a time of its own it lives as long as it may */
	OK(scp_session_keepalive(&after, plane, sid, 0, err));
	ck_assert_int_eq(after->expires_us, after->created_us + 21600 * 1000000LL);
	scp_session_free(after);
	options.session_max_age_s = 100;
	reopen_plane();
	OK(scp_session_keepalive(&after, plane, sid, 3600, err));
	ck_assert_int_eq(after->expires_us, after->created_us + 100000000);
	scp_session_free(after);
}
END_TEST

START_TEST(a_session_key_gives_the_same_session)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *a = NULL, *b = NULL;

	spec.template_id = "shell-basic";
	spec.idempotency_key = "k";
	OK(scp_session_create(&a, plane, &spec, err));
	OK(scp_session_create(&b, plane, &spec, err));
	ck_assert_str_eq(a->id, b->id);
	scp_session_free(b);
	spec.timeout_s = 60;
	ck_assert_int_eq(scp_session_create(&b, plane, &spec, NULL), SCP_ECONFLICT);
	ck_assert_ptr_null(b);
	scp_session_free(a);
}
END_TEST

START_TEST(all_places_taken_is_said_at_once)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	scp_error err = { 0 };

	options.max_sessions = 1;
	reopen_plane();
	(void)make_session(SCP_PERSISTENT);
	spec.template_id = "shell-basic";
	ck_assert_int_eq(scp_session_create(&s, plane, &spec, &err), SCP_ECAPACITY);
	ck_assert_str_eq(err.code, "NoCapacity");
	ck_assert_uint_gt(err.retry_after_ms, 0);
	spec.template_id = "no-such";
	ck_assert_int_eq(scp_session_create(&s, plane, &spec, NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(what_nobody_knows_is_removed_at_start)
{
	const char *sid = make_session(SCP_PERSISTENT);

	scp_plane_close(plane);
	plane = NULL;
	fake_stray(runtime);
	ck_assert_uint_eq(fake_containers(runtime), 2);
	open_plane();
	fake_await_containers(runtime, 1);
	await_result(submit(sid, "ok", 0).s, "success");
}
END_TEST

START_TEST(files_of_an_ended_session_are_read_only)
{
	const char *sid = make_session(SCP_PERSISTENT);
	void *data = NULL;
	size_t len;

	OK(scp_file_put_bytes(NULL, plane, sid, "a", "x", 1, err));
	OK(scp_session_terminate(NULL, plane, sid, err));
	fake_await_containers(runtime, 0);
	OK(scp_file_get_bytes(&data, &len, plane, sid, "a", 0, err));
	free(data);
	ck_assert_int_eq(scp_file_put_bytes(NULL, plane, sid, "b", "x", 1, NULL), SCP_ESTATE);
}
END_TEST

START_TEST(two_planes_live_in_one_process)
{
	scp_plane *first = plane, *second = NULL;
	char dir[80];
	fake *other = fake_new();
	scp_runtime *list[1] = { fake_runtime(other) };
	scp_plane_options o = options;
	id e, f;

	(void)snprintf(dir, sizeof(dir), "%s/second", state_dir);
	o.state_dir = dir;
	o.runtimes = list;
	OK(scp_plane_open(&second, &o, err));
	e = submit(make_session(SCP_PERSISTENT), "ok", 0);
	plane = second;
	f = submit(make_session(SCP_PERSISTENT), "ok", 0);
	await_result(f.s, "success");
	ck_assert_int_eq(scp_execution_cancel(NULL, plane, e.s, NULL), SCP_ENOTFOUND);
	plane = first;
	await_result(e.s, "success");
	scp_plane_close(second);
}
END_TEST

START_TEST(runtimes_that_want_different_owners_are_refused)
{
	fake *one = fake_new(), *other = fake_new();
	scp_runtime *list[2] = { fake_runtime(one), fake_runtime(other) };
	scp_plane_options o = options;
	scp_plane *second = NULL;
	scp_error why = { 0 };
	char dir[80];

	(void)snprintf(dir, sizeof(dir), "%s/second", state_dir);
	o.state_dir = dir;
	o.runtimes = list;
	o.runtime_count = 2;
	fake_set_owner(other, 1000);
	ck_assert_int_eq(scp_plane_open(&second, &o, &why), SCP_ENOTSUP);
	ck_assert_ptr_nonnull(strstr(why.message, "different owners"));
	fake_free(one);
	fake_free(other);
}
END_TEST

START_TEST(one_state_folder_has_one_plane)
{
	scp_plane *second = NULL;
	scp_error err = { 0 };

	ck_assert_int_eq(scp_plane_open(&second, &options, &err), SCP_ESTATE);
	ck_assert_ptr_null(second);
	(void)make_session(SCP_PERSISTENT);
}
END_TEST

START_TEST(health_says_what_is_ill)
{
	scp_health *h = NULL;

	OK(scp_plane_health(&h, plane, 0, err));
	ck_assert_int_eq(h->status, SCP_HEALTHY);
	ck_assert_uint_ge(h->probe_count, 3);
	ck_assert_uint_ge(h->limit_count, 2);
	scp_health_free(h);
	fake_unreachable(runtime, true);
	OK(scp_plane_health(&h, plane, 0, err));
	ck_assert_int_eq(h->status, SCP_UNHEALTHY);
	scp_health_free(h);
	fake_unreachable(runtime, false);
}
END_TEST

START_TEST(sessions_and_templates_are_listed)
{
	scp_session_query q = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;
	scp_template_page *templates = NULL;
	scp_template *t = NULL;

	(void)make_session(SCP_PERSISTENT);
	q.template_id = "shell-basic";
	OK(scp_session_list(&page, plane, &q, err));
	ck_assert_uint_eq(page->total, 1);
	scp_session_page_free(page);
	OK(scp_template_list(&templates, plane, NULL, err));
	ck_assert_uint_eq(templates->total, 4);
	scp_template_page_free(templates);
	OK(scp_template_get(&t, plane, "python-basic", err));
	scp_template_free(t);
	ck_assert_int_eq(scp_template_get(&t, plane, "x", NULL), SCP_ENOTFOUND);
}
END_TEST

Suite *suite_life(void)
{
	Suite *s = suite_create("life");
	TCase *c = tcase_create("life");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, setup_life, teardown);
	tcase_add_test(c, a_session_has_a_container_until_it_ends);
	tcase_add_test(c, termination_cancels_what_runs);
	tcase_add_test(c, a_session_that_ends_while_it_is_made_leaves_nothing);
	tcase_add_test(c, executions_wait_for_a_session_that_is_made);
	tcase_add_test(c, a_container_that_died_while_idle_is_replaced);
	tcase_add_test(c, a_start_that_fails_fails_the_session);
	tcase_add_test(c, a_runtime_that_hiccups_is_tried_again);
	tcase_add_test(c, a_container_that_ends_at_once_is_made_again_but_not_for_ever);
	tcase_add_test(c, an_idle_session_ends_and_a_busy_one_does_not);
	tcase_add_test(c, an_old_session_ends_with_what_runs_in_it);
	tcase_add_test(c, keepalive_moves_the_end_but_not_beyond_the_greatest_age);
	tcase_add_test(c, a_session_key_gives_the_same_session);
	tcase_add_test(c, all_places_taken_is_said_at_once);
	tcase_add_test(c, what_nobody_knows_is_removed_at_start);
	tcase_add_test(c, files_of_an_ended_session_are_read_only);
	tcase_add_test(c, two_planes_live_in_one_process);
	tcase_add_test(c, runtimes_that_want_different_owners_are_refused);
	tcase_add_test(c, one_state_folder_has_one_plane);
	tcase_add_test(c, health_says_what_is_ill);
	tcase_add_test(c, sessions_and_templates_are_listed);
	suite_add_tcase(s, c);
	return s;
}
