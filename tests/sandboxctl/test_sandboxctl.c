/* The parts of sandboxctl that need no daemon; the whole program is tried in tests/integration. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "err.h"
#include "remote.h"
#include "sse.h"
#include "values.h"

#define COUNT(words) ((int)(sizeof(words) / sizeof((words)[0])) - 1)

static scp_status parse(struct args *a, char *const words[], int count, scp_error *err)
{
	args_init(a);
	memset(err, 0, sizeof(*err));
	return args_parse(a, count, words, err);
}

START_TEST(options_may_stand_anywhere)
{
	char *words[] = { "sandboxctl", "--json", "exec", "-T", "5", "sess_x", "--language=shell", "-c", "id", NULL };
	struct args a;
	scp_error err;

	ck_assert_int_eq(parse(&a, words, COUNT(words), &err), SCP_OK);
	ck_assert(a.json);
	ck_assert_uint_eq(a.timeout_s, 5);
	ck_assert_str_eq(a.language, "shell");
	ck_assert_str_eq(a.code, "id");
	ck_assert_uint_eq(a.words.count, 2);
	ck_assert_str_eq(a.words.item[1], "sess_x");
}
END_TEST

START_TEST(letters_can_be_joined_and_carry_their_value)
{
	char *words[] = { "sandboxctl", "ps", "-jan7", NULL };
	struct args a;
	scp_error err;

	ck_assert_int_eq(parse(&a, words, COUNT(words), &err), SCP_OK);
	ck_assert(a.json && a.all);
	ck_assert_uint_eq(a.limit, 7);
}
END_TEST

START_TEST(what_follows_two_dashes_is_no_option)
{
	char *words[] = { "sandboxctl", "run", "--", "--json", "-", NULL };
	struct args a;
	scp_error err;

	ck_assert_int_eq(parse(&a, words, COUNT(words), &err), SCP_OK);
	ck_assert(!a.json);
	ck_assert_uint_eq(a.words.count, 3);
}
END_TEST

START_TEST(a_wrong_option_is_named)
{
	static char *const wrong[][4] = {
		{ "sandboxctl", "--nonsense", NULL },
		{ "sandboxctl", "-Z", NULL },
		{ "sandboxctl", "--timeout", NULL },
		{ "sandboxctl", "--timeout=x", NULL },
		{ "sandboxctl", "--timeout=0", NULL },
		{ "sandboxctl", "--timeout=-1", NULL },
		{ "sandboxctl", "--retries=4", NULL },
		{ "sandboxctl", "--json=yes", NULL },
		{ "sandboxctl", "--timeout=9999", NULL },
	};
	static const char *const named[] = { "--nonsense", "-Z", "--timeout", "--timeout", "--timeout", "--timeout",
		"--retries", "--json", "--timeout" };
	struct args a;
	scp_error err;

	ck_assert_int_eq(parse(&a, wrong[_i], wrong[_i][2] ? 3 : 2, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, named[_i]));
}
END_TEST

START_TEST(an_option_of_another_command_is_refused)
{
	char *words[] = { "sandboxctl", "ps", "--event", "{}", NULL };
	struct args a;
	scp_error err;

	ck_assert_int_eq(parse(&a, words, COUNT(words), &err), SCP_OK);
	ck_assert_int_eq(args_only(&a, "all,limit", "json", &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "--event"));
	ck_assert_int_eq(args_only(&a, "all,event", "json", &err), SCP_OK);
}
END_TEST

static scp_language language(const char *option, const char *name, const char *code)
{
	struct input in = { (char *)(uintptr_t)code, strlen(code) };
	scp_language l = 0;

	return language_of(&l, option, name, &in, NULL) ? 0 : l;
}

START_TEST(the_language_is_told_by_option_then_name_then_first_line)
{
	ck_assert_int_eq(language("shell", "x.py", "#!/usr/bin/node\n"), SCP_SHELL);
	ck_assert_int_eq(language(NULL, "x.mjs", "#!/bin/sh\n"), SCP_JAVASCRIPT);
	ck_assert_int_eq(language(NULL, "-", "#!/usr/bin/env python3 -u\nprint()"), SCP_PYTHON);
	ck_assert_int_eq(language(NULL, NULL, "#!/usr/bin/python3.11\n"), SCP_PYTHON);
	ck_assert_int_eq(language(NULL, "run", "#! /bin/bash"), SCP_SHELL);
	ck_assert_int_eq(language(NULL, "x.rb", "puts 1"), 0);
	ck_assert_int_eq(language("ruby", "x.py", ""), 0);
	ck_assert_int_eq(language(NULL, "x.", ""), 0);
}
END_TEST

START_TEST(environment_is_cut_at_the_first_equals_sign)
{
	struct list env = { { "A=1", "B=x=y", "C=" }, 3 };
	scp_pair pairs[ARGS_LIST_MAX];
	char *storage;

	ck_assert_int_eq(env_pairs(pairs, &storage, &env, NULL), SCP_OK);
	ck_assert_str_eq(pairs[1].name, "B");
	ck_assert_str_eq(pairs[1].value, "x=y");
	ck_assert_str_eq(pairs[2].value, "");
	free(storage);
	env.item[1] = "B";
	ck_assert_int_eq(env_pairs(pairs, &storage, &env, NULL), SCP_EINVAL);
	free(storage);
}
END_TEST

START_TEST(sizes_need_their_unit)
{
	struct args a;
	scp_resources r = SCP_RESOURCES_INIT;
	bool given;

	args_init(&a);
	ck_assert_int_eq(resources_of(&r, &given, &a, NULL), SCP_OK);
	ck_assert(!given);
	a.memory = "512Mi";
	a.disk = "2Gi";
	a.cpu = "1.5";
	ck_assert_int_eq(resources_of(&r, &given, &a, NULL), SCP_OK);
	ck_assert(given);
	ck_assert_uint_eq(r.memory_bytes, 512u << 20);
	ck_assert_uint_eq(r.disk_bytes, 2ull << 30);
	ck_assert_uint_eq(r.cpu_millis, 1500);
	for (const char *const *bad = (const char *[]){ "512", "512MB", "-1Mi", "Mi", "0Gi", "99999999999Gi", NULL };
	     *bad; bad++) {
		r.memory_bytes = 0;
		a.memory = *bad;
		ck_assert_int_eq(resources_of(&r, &given, &a, NULL), SCP_EINVAL);
	}
}
END_TEST

START_TEST(only_a_session_id_before_the_colon_is_remote)
{
	char id[64];

	ck_assert_str_eq(remote_path("sess_0123456789abcdef:a/b:c", id), "a/b:c");
	ck_assert_str_eq(id, "sess_0123456789abcdef");
	ck_assert_ptr_null(remote_path("file:with:colons", id));
	ck_assert_ptr_null(remote_path("sess_0123456789abcdef", id));
	ck_assert_ptr_null(remote_path("./sess_0123456789abcdef:x", id));
}
END_TEST

struct seen {
	char text[512];
	unsigned count;
};

static scp_status see(void *user, const struct sse_event *e, scp_error *err)
{
	struct seen *s = user;
	size_t at = strlen(s->text);

	(void)err;
	s->count++;
	(void)snprintf(s->text + at, sizeof(s->text) - at, "%s[%s]%s;", e->name, e->id, e->data);
	return strcmp(e->data, "stop") ? SCP_OK : SCP_ECANCELED;
}

START_TEST(events_are_the_same_however_the_bytes_are_cut)
{
	static const char stream[] = ": hello\n\nid: 1\nevent: stdout\ndata: {\"text\": \"a\"}\n\ndata:b\ndata: "
				     "c\r\n\r\nid:7\nretry: 5\n\nevent: "
				     "status\ndata: x\n\n";
	struct seen s = { 0 };
	struct sse sse;

	sse_init(&sse, see, &s);
	for (size_t at = 0; at < sizeof(stream) - 1; at += (size_t)_i) {
		size_t n = sizeof(stream) - 1 - at;

		ck_assert_int_eq(sse_feed(&sse, stream + at, n < (size_t)_i ? n : (size_t)_i, NULL), SCP_OK);
	}
	ck_assert_str_eq(s.text, "stdout[1]{\"text\": \"a\"};message[1]b\nc;status[7]x;");
	sse_free(&sse);
}
END_TEST

START_TEST(a_restarted_stream_drops_half_an_event_and_keeps_the_id)
{
	struct seen s = { 0 };
	struct sse sse;

	sse_init(&sse, see, &s);
	ck_assert_int_eq(sse_feed(&sse, "id: 3\ndata: a\n\nevent: x\ndata: ha", 33, NULL), SCP_OK);
	sse_restart(&sse);
	ck_assert_str_eq(sse.id, "3");
	ck_assert_int_eq(sse_feed(&sse, "data: b\n\n", 9, NULL), SCP_OK);
	ck_assert_str_eq(s.text, "message[3]a;message[3]b;");
	sse_free(&sse);
}
END_TEST

START_TEST(a_refused_event_ends_the_parsing)
{
	struct seen s = { 0 };
	struct sse sse;

	sse_init(&sse, see, &s);
	ck_assert_int_eq(sse_feed(&sse, "data: stop\n\ndata: more\n\n", 24, NULL), SCP_ECANCELED);
	ck_assert_uint_eq(s.count, 1);
	sse_free(&sse);
}
END_TEST

static scp__json *parse_answer(struct answer *a, const char *text)
{
	scp__buf_init(&a->text, 4096);
	(void)scp__buf_puts(&a->text, text);
	ck_assert_int_eq(answer_parse(a, "test", NULL), SCP_OK);
	return a->json;
}

START_TEST(a_nul_in_the_output_does_not_hide_the_result)
{
	struct answer a = { 0 };

	parse_answer(&a, "{\"stdout\": \"a\\u0000b\", \"error\": \"c:\\\\u0000\"}");
	ck_assert_str_eq(answer_text(a.json, "stdout"), "a\xef\xbf\xbd"
							"b");
	ck_assert_str_eq(answer_text(a.json, "error"), "c:\\u0000");
	ck_assert_str_eq(answer_text(a.json, "missing"), "");
	answer_free(&a);
}
END_TEST

START_TEST(a_session_body_says_what_was_asked_and_no_more)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_resources r = SCP_RESOURCES_INIT;
	scp_pair env[] = { { "A", "\"quoted\"" } };
	scp__buf b;

	scp__buf_init(&b, 4096);
	spec.template_id = "python-basic";
	remote_session_body(&b, &spec);
	ck_assert_str_eq(b.data, "{\"template_id\":\"python-basic\"}");
	scp__buf_clear(&b);
	r.cpu_millis = 1500;
	r.memory_bytes = 1u << 30;
	spec.resources = &r;
	spec.env = env;
	spec.env_count = 1;
	spec.mode = SCP_EPHEMERAL;
	remote_session_body(&b, &spec);
	ck_assert_str_eq(b.data,
	    "{\"template_id\":\"python-basic\",\"resources\":{\"cpu\":\"1.500\",\"memory\":\"1024Mi\"},"
	    "\"env_vars\":{\"A\":\"\\\"quoted\\\"\"},\"mode\":\"ephemeral\"}");
	scp__buf_free(&b);
}
END_TEST

START_TEST(no_retries_are_asked_for_as_zero)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp__buf b;

	scp__buf_init(&b, 4096);
	spec.code = "x";
	spec.code_len = 1;
	spec.language = SCP_SHELL;
	spec.retries = -1;
	remote_execution_body(&b, &spec);
	ck_assert_str_eq(b.data, "{\"code\":\"x\",\"language\":\"shell\",\"max_retries\":0}");
	scp__buf_free(&b);
}
END_TEST

START_TEST(paths_are_escaped_byte_by_byte)
{
	scp__buf b;

	scp__buf_init(&b, 256);
	remote_escape(&b, "a b/ä?#%+", true);
	ck_assert_str_eq(b.data, "a%20b/%C3%A4%3F%23%25%2B");
	scp__buf_clear(&b);
	remote_escape(&b, "a/b", false);
	ck_assert_str_eq(b.data, "a%2Fb");
	scp__buf_free(&b);
}
END_TEST

START_TEST(a_server_must_be_an_address)
{
	static const char *const bad[] = { "localhost:8000", "unix:relative", "ftp://x", "" };
	struct target *t;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(remote_open(&t, bad[i], NULL, NULL), SCP_EINVAL);
	ck_assert_int_eq(remote_open(&t, "unix:/run/x.sock", "token", NULL), SCP_OK);
	t->ops->close(t);
}
END_TEST

static Suite *sandboxctl_suite(void)
{
	Suite *s = suite_create("sandboxctl");
	TCase *args = tcase_create("words"), *parts = tcase_create("parts");

	tcase_add_test(args, options_may_stand_anywhere);
	tcase_add_test(args, letters_can_be_joined_and_carry_their_value);
	tcase_add_test(args, what_follows_two_dashes_is_no_option);
	tcase_add_loop_test(args, a_wrong_option_is_named, 0, 9);
	tcase_add_test(args, an_option_of_another_command_is_refused);
	tcase_add_test(args, the_language_is_told_by_option_then_name_then_first_line);
	tcase_add_test(args, environment_is_cut_at_the_first_equals_sign);
	tcase_add_test(args, sizes_need_their_unit);
	tcase_add_test(args, only_a_session_id_before_the_colon_is_remote);
	tcase_add_loop_test(parts, events_are_the_same_however_the_bytes_are_cut, 1, 40);
	tcase_add_test(parts, a_restarted_stream_drops_half_an_event_and_keeps_the_id);
	tcase_add_test(parts, a_refused_event_ends_the_parsing);
	tcase_add_test(parts, a_nul_in_the_output_does_not_hide_the_result);
	tcase_add_test(parts, a_session_body_says_what_was_asked_and_no_more);
	tcase_add_test(parts, no_retries_are_asked_for_as_zero);
	tcase_add_test(parts, paths_are_escaped_byte_by_byte);
	tcase_add_test(parts, a_server_must_be_an_address);
	suite_add_tcase(s, args);
	suite_add_tcase(s, parts);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(sandboxctl_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
