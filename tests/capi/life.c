/* Planes, sessions and executions. */
#include <stdio.h>

#include "capi.h"

START_TEST(the_first_program_works)
{
	scp_session *s = make_session("python-basic");
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;

	spec.language = SCP_PYTHON;
	spec.code = "def handler(event):\n    return sum(event['n'])";
	spec.event_json = "{\"n\": [1, 2, 3]}";
	OK(scp_run(&e, plane, s->id, &spec, err));
	ck_assert_str_eq(e->result, "success");
	ck_assert_str_eq(e->return_json, "6");
	ck_assert_int_eq(e->status, SCP_EXECUTION_COMPLETED);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_snapshot_holds_the_whole_result)
{
	scp_session *s = make_session("python-basic");
	scp_execution *e = run(s->id, SCP_PYTHON,
	    "import os, sys\nos.write(1, b'a\\0b')\nsys.stderr.write('err')\nopen('f.csv', "
	    "'w').write('x')\nsys.exit(3)");

	ck_assert_str_eq(e->result, "failed");
	ck_assert_int_eq(e->exit_code, 3);
	ck_assert_int_eq(e->signal, 0);
	ck_assert_uint_eq(e->out_len, 3);
	ck_assert_mem_eq(e->out, "a\0b", 4);
	ck_assert_uint_eq(e->out_bytes, 3);
	ck_assert(!e->out_truncated);
	ck_assert_str_eq(e->err, "err");
	ck_assert_ptr_null(e->return_json);
	ck_assert_ptr_nonnull(e->metrics);
	ck_assert(e->metrics->duration_ms > 0);
	ck_assert_uint_eq(e->artifact_count, 1);
	ck_assert_str_eq(e->artifacts[0]->path, "f.csv");
	ck_assert_uint_eq(e->artifacts[0]->size_bytes, 1);
	ck_assert(e->created_us <= e->started_us && e->started_us <= e->completed_us);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_signal_is_no_exit_code)
{
	scp_session *s = make_session("shell-basic");
	scp_execution *e = run(s->id, SCP_SHELL, "kill -9 $$");

	ck_assert_str_eq(e->result, "failed");
	ck_assert_int_eq(e->signal, 9);
	ck_assert_ptr_nonnull(e->error);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_wait_ends_with_its_time)
{
	scp_session *s = make_session("shell-basic");
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL, *waited = NULL;

	spec.language = SCP_SHELL;
	spec.code = "sleep 60";
	OK(scp_execute(&e, plane, s->id, &spec, err));
	ck_assert_int_eq(e->status, SCP_EXECUTION_PENDING);
	OK(scp_execution_wait(&waited, plane, e->id, 50, err));
	ck_assert_ptr_null(waited->result);
	scp_execution_free(waited);
	OK(scp_execution_cancel(NULL, plane, e->id, err));
	OK(scp_execution_wait(&waited, plane, e->id, 60000, err));
	ck_assert_str_eq(waited->result, "cancelled");
	scp_execution_free(waited);
	ck_assert_int_eq(scp_execution_cancel(NULL, plane, e->id, NULL), SCP_ESTATE);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

static void expect_error(scp_status rc, scp_status wanted, const scp_error *err, const char *code, const char *word)
{
	ck_assert_str_eq(scp_status_name(rc), scp_status_name(wanted));
	ck_assert_int_eq(err->status, wanted);
	ck_assert_str_eq(err->code, code);
	ck_assert_msg(strstr(err->message, word) != NULL, "'%s' doesn't name %s", err->message, word);
	ck_assert(err->hint[0]);
}

START_TEST(errors_name_what_is_wrong_and_leave_out_null)
{
	scp_session *s = (scp_session *)&plane;
	scp_execution *e = (scp_execution *)&plane;
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_execution_spec run_spec = SCP_EXECUTION_SPEC_INIT;
	scp_error err = { 0 };

	expect_error(scp_session_create(&s, plane, &spec, &err), SCP_EINVAL, &err, "InvalidParameter", "template_id");
	ck_assert_ptr_null(s);
	spec.template_id = "python-basic";
	spec.timeout_s = 59;
	err = (scp_error){ 0 };
	expect_error(scp_session_create(&s, plane, &spec, &err), SCP_EINVAL, &err, "InvalidParameter", "timeout");
	err = (scp_error){ 0 };
	expect_error(scp_session_get(&s, plane, "sess_0000000000000000", &err), SCP_ENOTFOUND, &err, "SessionNotFound",
	    "sess_0000000000000000");
	err = (scp_error){ 0 };
	run_spec.code = "1";
	run_spec.language = (scp_language)9;
	expect_error(scp_execute(&e, plane, "sess_0000000000000000", &run_spec, &err), SCP_EINVAL, &err,
	    "InvalidParameter", "language");
	ck_assert_ptr_null(e);
	ck_assert_int_eq(scp_session_get(&s, plane, "nonsense", NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(an_idempotency_key_makes_nothing_twice)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *a = NULL, *b = NULL;

	spec.template_id = "shell-basic";
	spec.idempotency_key = "one";
	OK(scp_session_create(&a, plane, &spec, err));
	OK(scp_session_create(&b, plane, &spec, err));
	ck_assert_str_eq(a->id, b->id);
	spec.agent_id = "another";
	ck_assert_int_eq(scp_session_create(&b, plane, &spec, NULL), SCP_ECONFLICT);
	scp_session_free(a);
}
END_TEST

START_TEST(lists_are_paged_newest_first)
{
	scp_session *first = make_session("shell-basic"), *second = make_session("shell-basic");
	scp_session_query query = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;

	query.limit = 1;
	query.status = SCP_SESSION_RUNNING;
	OK(scp_session_list(&page, plane, &query, err));
	ck_assert_uint_eq(page->count, 1);
	ck_assert_uint_eq(page->total, 2);
	ck_assert_str_eq(page->items[0]->id, second->id);
	ck_assert_str_eq(page->next, "1");
	scp_session_page_free(page);
	query.offset = 1;
	OK(scp_session_list(&page, plane, &query, err));
	ck_assert_str_eq(page->items[0]->id, first->id);
	ck_assert_ptr_null(page->next);
	scp_session_page_free(page);
	scp_session_free(first);
	scp_session_free(second);
}
END_TEST

START_TEST(secret_looking_values_are_masked)
{
	static const scp_pair env[] = { { "API_KEY", "hush" }, { "PLAIN", "seen" } };
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	scp_execution *e;

	spec.template_id = "shell-basic";
	spec.env = env;
	spec.env_count = 2;
	OK(scp_session_create(&s, plane, &spec, err));
	ck_assert_uint_eq(s->env_count, 2);
	for (size_t i = 0; i < s->env_count; i++)
		ck_assert_str_eq(s->env[i]->value, strcmp(s->env[i]->name, "API_KEY") ? "seen" : "***");
	e = run(s->id, SCP_SHELL, "printf %s \"$API_KEY\"");
	ck_assert_str_eq(e->out, "hush");
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(a_view_is_as_good_as_its_plane)
{
	scp_session *s = make_session("shell-basic"), *seen = NULL;
	scp_call call = SCP_CALL_INIT;
	scp_plane *view = NULL;

	call.request_id = "req-1";
	call.actor = "somebody";
	OK(scp_plane_with(&view, plane, &call, err));
	OK(scp_session_get(&seen, view, s->id, err));
	scp_session_free(seen);
	scp_plane_close(view);
	OK(scp_session_get(&seen, plane, s->id, err));
	scp_session_free(seen);
	call.request_id = "not sane";
	ck_assert_int_eq(scp_plane_with(&view, plane, &call, NULL), SCP_EINVAL);
	scp_session_free(s);
}
END_TEST

START_TEST(sandboxes_outlive_their_plane)
{
	scp_session *s = make_session("shell-basic");
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_execution *e = run(s->id, SCP_SHELL, "echo x >/tmp/inside");

	scp_execution_free(e);
	scp_plane_close(plane);
	options.state_dir = state_dir;
	options.log_level = SCP_LOG_OFF;
	OK(scp_plane_open(&plane, &options, err));
	e = run(s->id, SCP_SHELL, "cat /tmp/inside");
	ck_assert_str_eq(e->out, "x\n");
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(two_planes_live_in_one_process)
{
	scp_session *here = make_session("shell-basic"), *there;
	scp_plane *first = plane;
	char first_dir[sizeof(state_dir)];
	scp_execution *a, *b;

	memcpy(first_dir, state_dir, sizeof(state_dir));
	open_plane();
	there = make_session("shell-basic");
	ck_assert_int_eq(scp_session_get(&(scp_session *){ NULL }, plane, here->id, NULL), SCP_ENOTFOUND);
	a = run(there->id, SCP_SHELL, "cat /proc/self/uid_map");
	close_plane();
	plane = first;
	memcpy(state_dir, first_dir, sizeof(state_dir));
	b = run(here->id, SCP_SHELL, "cat /proc/self/uid_map");
	ck_assert_str_ne(a->out, b->out);
	scp_execution_free(a);
	scp_execution_free(b);
	scp_session_free(here);
	scp_session_free(there);
}
END_TEST

START_TEST(a_state_folder_has_one_plane)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_plane *second = NULL;

	options.state_dir = state_dir;
	ck_assert_int_eq(scp_plane_open(&second, &options, NULL), SCP_ESTATE);
	ck_assert_ptr_null(second);
}
END_TEST

START_TEST(a_schema_may_be_required_and_is_brought_up_apart)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	char dir[] = "/tmp/scp-migrate-XXXXXX", file[64];
	scp_error wrong = { 0 };
	scp_plane *other = NULL;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	options.state_dir = dir;
	options.upkeep = SCP_OFF;
	options.schema = SCP_SCHEMA_REQUIRE;
	ck_assert_int_eq(scp_plane_open(&other, &options, &wrong), SCP_ESTATE);
	ck_assert_ptr_nonnull(strstr(wrong.hint, "--migrate"));
	OK(scp_plane_migrate(&options, err));
	OK(scp_plane_migrate(&options, err));
	OK(scp_plane_open(&other, &options, err));
	/* while it is served */
	OK(scp_plane_migrate(&options, err));
	scp_plane_close(other);
	(void)snprintf(file, sizeof(file), "rm -rf %s", dir);
	ck_assert_int_eq(system(file), 0);
}
END_TEST

START_TEST(a_draining_plane_takes_nothing_new)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = make_session("shell-basic"), *seen = NULL;

	OK(scp_plane_drain(plane, 5000, err));
	spec.template_id = "shell-basic";
	ck_assert_int_eq(scp_session_create(&seen, plane, &spec, NULL), SCP_ECLOSED);
	OK(scp_session_get(&seen, plane, s->id, err));
	scp_session_free(seen);
	scp_session_free(s);
}
END_TEST

START_TEST(health_tells_backends_and_limits)
{
	scp_health *h = NULL;

	OK(scp_plane_health(&h, plane, 5000, err));
	ck_assert_int_eq(h->status, SCP_HEALTHY);
	ck_assert_uint_ge(h->probe_count, 3);
	ck_assert_uint_ge(h->limit_count, 5);
	ck_assert_str_eq(h->version, scp_version());
	for (size_t i = 0; i < h->probe_count; i++)
		ck_assert_int_eq(h->probes[i]->status, SCP_HEALTHY);
	scp_health_free(h);
}
END_TEST

START_TEST(templates_are_seeded)
{
	scp_template_page *page = NULL;
	scp_template *t = NULL;

	OK(scp_template_list(&page, plane, NULL, err));
	ck_assert_uint_ge(page->total, 4);
	scp_template_page_free(page);
	OK(scp_template_get(&t, plane, "python-basic", err));
	ck_assert_str_eq(t->id, "python-basic");
	ck_assert(!t->network_enabled && t->run_as_user == 1000);
	scp_template_free(t);
	ck_assert_int_eq(scp_template_get(&t, plane, "none", NULL), SCP_ENOTFOUND);
}
END_TEST

START_TEST(every_free_takes_null)
{
	scp_session_free(NULL);
	scp_session_page_free(NULL);
	scp_execution_free(NULL);
	scp_execution_page_free(NULL);
	scp_template_free(NULL);
	scp_template_page_free(NULL);
	scp_file_free(NULL);
	scp_file_page_free(NULL);
	scp_health_free(NULL);
	scp_check_free(NULL);
	scp_subscription_close(NULL);
	scp_request_cancel(NULL);
	scp_upload_abort(NULL);
	scp_download_close(NULL);
	scp_plane_close(NULL);
}
END_TEST

Suite *suite_life(void)
{
	Suite *s = suite_create("life");
	TCase *t = tcase_create("life");

	tcase_add_checked_fixture(t, open_plane, close_plane);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, the_first_program_works);
	tcase_add_test(t, a_snapshot_holds_the_whole_result);
	tcase_add_test(t, a_signal_is_no_exit_code);
	tcase_add_test(t, a_wait_ends_with_its_time);
	tcase_add_test(t, errors_name_what_is_wrong_and_leave_out_null);
	tcase_add_test(t, an_idempotency_key_makes_nothing_twice);
	tcase_add_test(t, lists_are_paged_newest_first);
	tcase_add_test(t, secret_looking_values_are_masked);
	tcase_add_test(t, a_view_is_as_good_as_its_plane);
	tcase_add_test(t, sandboxes_outlive_their_plane);
	tcase_add_test(t, two_planes_live_in_one_process);
	tcase_add_test(t, a_state_folder_has_one_plane);
	tcase_add_test(t, a_schema_may_be_required_and_is_brought_up_apart);
	tcase_add_test(t, a_draining_plane_takes_nothing_new);
	tcase_add_test(t, health_tells_backends_and_limits);
	tcase_add_test(t, templates_are_seeded);
	tcase_add_test(t, every_free_takes_null);
	suite_add_tcase(s, t);
	return s;
}
