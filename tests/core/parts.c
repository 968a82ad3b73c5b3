/* The parts that need no plane: states, events, results, checks, options. */
#include <stdio.h>

#include "events.h"
#include "fake.h"
#include "house.h"
#include "plane.h"
#include "protocol.h"
#include "result.h"
#include "state.h"

#define SESSION_END SCP_SESSION_TERMINATED
#define EXECUTION_END SCP_EXECUTION_CANCELLED

/* ---- states ---- */

START_TEST(terminal_states_never_leave)
{
	for (int to = 1; to <= SESSION_END; to++)
		for (int from = 1; from <= SESSION_END; from++)
			if (scp__session_over((scp_session_status)from))
				ck_assert_uint_eq(scp__session_from((scp_session_status)to) & 1u << from, 0);
	for (int to = 1; to <= EXECUTION_END; to++)
		for (int from = 1; from <= EXECUTION_END; from++)
			if (scp__execution_over((scp_execution_status)from))
				ck_assert_uint_eq(scp__execution_from((scp_execution_status)to) & 1u << from, 0);
}
END_TEST

START_TEST(names_are_read_as_they_are_written)
{
	for (int i = 1; i <= SESSION_END; i++)
		ck_assert_int_eq(
		    scp__session_status_parse(scp_session_status_name((scp_session_status)i)), (scp_session_status)i);
	for (int i = 1; i <= EXECUTION_END; i++)
		ck_assert_int_eq(scp__execution_status_parse(scp_execution_status_name((scp_execution_status)i)),
		    (scp_execution_status)i);
	ck_assert_int_eq(scp__session_status_parse("x"), 0);
	ck_assert_int_eq(scp__execution_status_parse(""), 0);
	ck_assert_str_eq(scp_session_status_name(99), "?");
	ck_assert_str_eq(scp_execution_status_name(0), "?");
	ck_assert_str_eq(scp_language_name(SCP_SHELL), "shell");
	ck_assert_str_eq(scp_language_name(9), "?");
}
END_TEST

START_TEST(every_end_of_a_session_ends_its_executions)
{
	for (int i = SCP_SESSION_COMPLETED; i <= SESSION_END; i++)
		ck_assert(scp__execution_over(scp__execution_end_of((scp_session_status)i)));
	ck_assert_int_eq(scp__execution_end_of(SCP_SESSION_TIMEOUT), SCP_EXECUTION_TIMEOUT);
	ck_assert(scp__execution_from(SCP_EXECUTION_PENDING) & 1u << SCP_EXECUTION_RUNNING);
}
END_TEST

/* ---- events ---- */

START_TEST(events_come_back_as_they_were_stored)
{
	scp__events a, b;
	scp__buf out, err, index;

	scp__events_init(&a);
	scp__events_init(&b);
	scp__buf_init(&out, 1000);
	scp__buf_init(&err, 1000);
	scp__buf_init(&index, 1000);
	ck_assert_int_eq(scp__events_append(&a, SCP_EVENT_STDOUT, 2, "lost", 4), SCP_OK);
	a.attempt = a.count;
	ck_assert_int_eq(scp__events_append(&a, SCP_EVENT_STATUS, 300, "running", 7), SCP_OK);
	ck_assert_int_eq(scp__events_append(&a, SCP_EVENT_STDOUT, 301, "abc", 3), SCP_OK);
	ck_assert_int_eq(scp__events_append(&a, SCP_EVENT_STDERR, 40000, "de", 2), SCP_OK);
	ck_assert_int_eq(scp__events_append(&a, SCP_EVENT_STDOUT, 40001, "f", 1), SCP_OK);
	ck_assert_int_eq(scp__events_store(&a, &out, &err, &index), SCP_OK);
	ck_assert_str_eq(out.data, "abcf");
	ck_assert_str_eq(err.data, "de");
	ck_assert_int_eq(
	    scp__events_load(&b, index.data, index.len, out.data, out.len, err.data, err.len, 50000), SCP_OK);
	ck_assert_uint_eq(b.count, 4);
	for (size_t i = 0; i < b.count; i++) {
		ck_assert_uint_eq(b.list[i].seq, a.list[i + 1].seq);
		ck_assert_uint_eq(b.list[i].kind, a.list[i + 1].kind);
		ck_assert_mem_eq(b.bytes.data + b.list[i].offset, a.bytes.data + a.list[i + 1].offset, b.list[i].len);
	}
	ck_assert_uint_eq(scp__events_last(&b), 40001);
	ck_assert_uint_eq(scp__events_after(&b, 0), 0);
	ck_assert_uint_eq(scp__events_after(&b, 301), 2);
	ck_assert_uint_eq(scp__events_after(&b, 40001), 4);
	/* Every cut of the index, and every other length of the output, is refused or read: never beyond its end. */
	for (size_t cut = 0; cut < index.len; cut++) {
		scp__events_free(&b);
		scp__events_init(&b);
		(void)scp__events_load(&b, index.data, cut, out.data, out.len, err.data, err.len, 7);
	}
	scp__events_free(&b);
	scp__events_init(&b);
	ck_assert_int_eq(scp__events_load(&b, index.data, index.len, out.data, 3, err.data, err.len, 7), SCP_EBACKEND);
	scp__events_free(&a);
	scp__events_free(&b);
	scp__buf_free(&out);
	scp__buf_free(&err);
	scp__buf_free(&index);
}
END_TEST

START_TEST(output_without_an_index_is_stdout_then_stderr)
{
	scp__events e;

	scp__events_init(&e);
	ck_assert_int_eq(scp__events_load(&e, NULL, 0, "out", 3, "err", 3, 10), SCP_OK);
	ck_assert_uint_eq(e.count, 2);
	ck_assert_uint_eq(e.list[0].kind, SCP_EVENT_STDOUT);
	ck_assert_uint_lt(e.list[0].seq, e.list[1].seq);
	ck_assert_uint_lt(e.list[1].seq, 10);
	scp__events_free(&e);
}
END_TEST

/* ---- results ---- */

static scp__buf record_of(const char *const *pairs)
{
	scp__buf b;

	scp__buf_init(&b, 1 << 20);
	for (; *pairs; pairs += 2)
		ck_assert_int_eq(scp__record_put_text(&b, pairs[0], pairs[1]), SCP_OK);
	return b;
}

static scp_status parse(scp__result *r, const char *const *pairs)
{
	scp__buf b = record_of(pairs);
	scp_status rc = scp__result_parse(r, b.data, b.len, 1000, NULL);

	scp__buf_free(&b);
	return rc;
}

START_TEST(a_result_is_read_whole)
{
	static const char *const all[] = { "status", "failed", "exit_code", "3", "stdout_bytes", "7", "stderr_bytes",
		"8", "duration_us", "2500", "cpu_us", "1500", "peak_bytes", "1048576", "io_read_bytes", "1",
		"io_write_bytes", "2", "source", "cgroup", "return", "{\"a\": [1]}", "error", "why", "unknown", "x",
		NULL };
	scp__result r;

	ck_assert_int_eq(parse(&r, all), SCP_OK);
	ck_assert_int_eq(r.finish.to, SCP_EXECUTION_FAILED);
	ck_assert_int_eq(r.finish.exit_code, 3);
	ck_assert_uint_eq(r.finish.out_bytes, 7);
	ck_assert_uint_eq(r.finish.err_bytes, 8);
	ck_assert(r.metrics.duration_ms > 2.4 && r.metrics.duration_ms < 2.6);
	ck_assert(r.metrics.peak_memory_mb > 0.9 && r.metrics.peak_memory_mb < 1.1);
	ck_assert_str_eq(r.metrics.source, "cgroup");
	ck_assert_str_eq(r.finish.return_json, "{\"a\": [1]}");
	ck_assert_str_eq(r.finish.error, "why");
	scp__result_free(&r);
}
END_TEST

START_TEST(an_executor_that_lies_is_refused_or_put_right)
{
	static const char *const none[] = { "exit_code", "0", NULL };
	static const char *const odd[] = { "status", "running", NULL };
	static const char *const crashed[] = { "status", "crashed", NULL };
	static const char *const late[] = { "return", "[NaN]", "status", "completed", NULL };
	static const char *const slow[] = { "exit_code", "0", "status", "timeout", NULL };
	static const char *const large[] = { "status", "completed", "exit_code", "99999", "signal", "7777",
		"stdout_bytes", "-1", NULL };
	scp__result r;

	ck_assert_int_eq(parse(&r, none), SCP_EINVAL);
	ck_assert_int_eq(parse(&r, odd), SCP_EINVAL);
	ck_assert_int_eq(parse(&r, crashed), SCP_EINVAL);
	ck_assert_int_eq(scp__result_parse(&r, "", 0, 1, NULL), SCP_EINVAL);
	ck_assert_int_eq(scp__result_parse(&r, "status 0 99\nx", 13, 1, NULL), SCP_EINVAL);
	ck_assert_int_eq(parse(&r, late), SCP_OK);
	ck_assert_int_eq(r.finish.to, SCP_EXECUTION_FAILED);
	ck_assert_ptr_null(r.finish.return_json);
	ck_assert_ptr_nonnull(r.finish.error);
	scp__result_free(&r);
	ck_assert_int_eq(parse(&r, slow), SCP_OK);
	ck_assert_int_eq(r.finish.exit_code, 124);
	scp__result_free(&r);
	ck_assert_int_eq(parse(&r, large), SCP_OK);
	ck_assert_int_eq(r.finish.exit_code, 255);
	ck_assert_int_eq(r.finish.signal, 0);
	ck_assert_uint_eq(r.finish.out_bytes, 0);
	scp__result_free(&r);
}
END_TEST

static void put_artifact(scp__buf *to, const char *path, const char *sha256)
{
	scp__buf a;

	scp__buf_init(&a, 4096);
	ck_assert_int_eq(scp__record_put_text(&a, "path", path), SCP_OK);
	ck_assert_int_eq(scp__record_put_uint(&a, "size", 5), SCP_OK);
	ck_assert_int_eq(scp__record_put_uint(&a, "mtime_us", 5000), SCP_OK);
	ck_assert_int_eq(scp__record_put_text(&a, "sha256", sha256), SCP_OK);
	ck_assert_int_eq(scp__record_put(to, "artifact", 0, a.data, a.len), SCP_OK);
	scp__buf_free(&a);
}

START_TEST(artifacts_are_files_of_the_workspace_and_no_more_than_a_thousand)
{
	static const char digest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const scp_artifact *last;
	scp__result r;
	scp__buf b;
	char path[32];

	scp__buf_init(&b, 4 << 20);
	ck_assert_int_eq(scp__record_put_text(&b, "status", "completed"), SCP_OK);
	put_artifact(&b, "../etc/passwd", digest);
	put_artifact(&b, "/etc/passwd", digest);
	put_artifact(&b, "a\nb", digest);
	put_artifact(&b, "run.log", digest);
	put_artifact(&b, "run.log", digest);
	put_artifact(&b, "output/x.csv", "no digest");
	for (int i = 0; i < 1200; i++) {
		(void)snprintf(path, sizeof(path), "f%d", i);
		put_artifact(&b, path, digest);
	}
	ck_assert_int_eq(scp__result_parse(&r, b.data, b.len, 1000, NULL), SCP_OK);
	ck_assert_uint_eq(r.finish.artifact_count, SCP__ARTIFACTS_MAX);
	for (size_t i = 1; i < SCP__ARTIFACTS_MAX; i++) /* by path, each once */
		ck_assert_int_lt(strcmp(r.finish.artifacts[i - 1].path, r.finish.artifacts[i].path), 0);
	last = &r.finish.artifacts[SCP__ARTIFACTS_MAX - 1];
	ck_assert_str_eq(last->path, "run.log");
	ck_assert_str_eq(last->type, "log");
	ck_assert_int_eq(last->created_us, 1000); /* not in the future */
	ck_assert_str_eq(last[-1].type, "output");
	ck_assert_str_eq(last[-1].sha256, "");
	ck_assert_str_eq(last[-2].type, "artifact");
	scp__result_free(&r);
	scp__buf_free(&b);
}
END_TEST

/* A small generator of its own: every run does the same. */
static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

START_TEST(results_of_any_bytes_are_survived)
{
	static const char *const good[] = { "status", "completed", "exit_code", "0", "return", "[1, 2]", "error", "e",
		"artifact", "path 0 1\nasize 0 1\n1", "source", "cgroup", NULL };
	scp__buf b = record_of(good);
	uint32_t state = 1;
	char *copy = malloc(b.len);

	for (int round = 0; round < 20000; round++) {
		size_t len = next_random(&state) % (b.len + 1);
		scp__result r;

		memcpy(copy, b.data, b.len);
		for (uint32_t n = next_random(&state) % 4; n && len; n--)
			copy[next_random(&state) % len] = (char)next_random(&state);
		if (!scp__result_parse(&r, copy, len, 1000, NULL)) {
			ck_assert(scp__execution_over(r.finish.to));
			ck_assert_uint_le(r.finish.artifact_count, 1);
			scp__result_free(&r);
		}
	}
	free(copy);
	scp__buf_free(&b);
}
END_TEST

/* ---- checks ---- */

static void bad_session(const scp_session_spec *spec, const char *field)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__check_session_spec(spec, &err), SCP_EINVAL);
	ck_assert_msg(strstr(err.message, field) != NULL, "'%s' doesn't name %s", err.message, field);
}

START_TEST(a_session_spec_has_ranges)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_resources r = SCP_RESOURCES_INIT;
	scp_pair env = { "1A", "x" };
	char key[300];

	bad_session(NULL, "SCP_SESSION_SPEC_INIT");
	bad_session(&spec, "template_id");
	spec.template_id = "Bad_Id";
	bad_session(&spec, "template_id");
	spec.template_id = "ok";
	ck_assert_int_eq(scp__check_session_spec(&spec, NULL), SCP_OK);
	for (unsigned t = 59; t <= 3601; t += 3542) {
		spec.timeout_s = t;
		bad_session(&spec, "timeout");
	}
	spec.timeout_s = 60;
	spec.resources = &r;
	r.cpu_millis = 499;
	bad_session(&spec, "cpu");
	r.cpu_millis = 4000;
	r.memory_bytes = (UINT64_C(256) << 20) - 1;
	bad_session(&spec, "memory");
	r.memory_bytes = UINT64_C(8) << 30;
	r.disk_bytes = (UINT64_C(50) << 30) + 1;
	bad_session(&spec, "disk");
	r.disk_bytes = UINT64_C(1) << 30;
	r.max_processes = 31;
	bad_session(&spec, "max_processes");
	r.max_processes = 1024;
	ck_assert_int_eq(scp__check_session_spec(&spec, NULL), SCP_OK);
	spec.env = &env;
	spec.env_count = 1;
	bad_session(&spec, "env_vars");
	spec.env_count = 0;
	spec.mode = (scp_session_mode)3;
	bad_session(&spec, "mode");
	spec.mode = SCP_EPHEMERAL;
	spec.network = (scp_switch)3;
	bad_session(&spec, "network_enabled");
	spec.network = SCP_OFF;
	spec.agent_id = "a\nb";
	bad_session(&spec, "agent_id");
	spec.agent_id = "agent";
	memset(key, 'k', sizeof(key));
	key[256] = 0;
	spec.idempotency_key = key;
	bad_session(&spec, "idempotency_key");
	spec.idempotency_key = "with space";
	bad_session(&spec, "idempotency_key");
}
END_TEST

static void bad_execution(const scp_execution_spec *spec, const char *field)
{
	scp_error err = { 0 };

	ck_assert_int_eq(scp__check_execution_spec(spec, &err), SCP_EINVAL);
	ck_assert_msg(strstr(err.message, field) != NULL, "'%s' doesn't name %s", err.message, field);
}

START_TEST(an_execution_spec_has_ranges)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	char *code = malloc(SCP__CODE_MAX + 2);

	bad_execution(&spec, "code");
	memset(code, 'x', SCP__CODE_MAX + 1);
	code[SCP__CODE_MAX + 1] = 0;
	spec.code = code;
	spec.language = SCP_SHELL;
	bad_execution(&spec, "code");
	spec.code_len = SCP__CODE_MAX;
	ck_assert_int_eq(scp__check_execution_spec(&spec, NULL), SCP_OK);
	spec.code_len = 0;
	spec.code = "\xff";
	bad_execution(&spec, "UTF-8");
	spec.code = "a\0b";
	spec.code_len = 3;
	bad_execution(&spec, "NUL");
	spec.code = "ok";
	spec.code_len = 2;
	spec.language = (scp_language)4;
	bad_execution(&spec, "language");
	spec.language = SCP_PYTHON;
	spec.timeout_s = 3601;
	bad_execution(&spec, "timeout");
	spec.timeout_s = 3600;
	spec.event_json = "{";
	bad_execution(&spec, "event");
	spec.event_json = "null";
	spec.retries = 4;
	bad_execution(&spec, "max_retries");
	spec.retries = -2;
	bad_execution(&spec, "max_retries");
	spec.retries = -1;
	spec.stdin_len = 5;
	bad_execution(&spec, "stdin");
	spec.stdin_data = "12345";
	ck_assert_int_eq(scp__check_execution_spec(&spec, NULL), SCP_OK);
	spec.stdin_len = SCP__STDIN_MAX + 1;
	bad_execution(&spec, "stdin");
	free(code);
}
END_TEST

START_TEST(digests_tell_specs_apart)
{
	scp_execution_spec a = SCP_EXECUTION_SPEC_INIT, b;
	char x[65], y[65];

	a.code = "x";
	a.language = SCP_SHELL;
	b = a;
	scp__digest_execution_spec("s", &a, x);
	b.idempotency_key = "k";
	scp__digest_execution_spec("s", &b, y);
	ck_assert_str_eq(x, y);
	b.event_json = "{}";
	scp__digest_execution_spec("s", &b, y);
	ck_assert_str_ne(x, y);
	b = a;
	b.retries = -1;
	scp__digest_execution_spec("s", &b, y);
	ck_assert_str_ne(x, y);
	scp__digest_execution_spec("t", &a, y);
	ck_assert_str_ne(x, y);
}
END_TEST

/* ---- options ---- */

static scp_status choose(const scp_plane_options *o, scp__limits *l, scp_error *err)
{
	struct scp__choice c = { 0 };
	scp_plane_options whole;
	scp_status rc = scp__options_read(&whole, o, err);

	if (!rc)
		rc = scp__choose(&c, l, &whole, err);
	scp__choice_free(&c);
	return rc;
}

START_TEST(options_have_defaults_and_ranges)
{
	scp_plane_options o = SCP_PLANE_OPTIONS_INIT;
	scp__limits l;
	scp_error err = { 0 };

	ck_assert_int_eq(choose(&o, &l, NULL), SCP_OK);
	ck_assert_uint_eq(l.session_idle_s, 1800);
	ck_assert_uint_eq(l.heartbeat_timeout_s, 15);
	ck_assert_uint_eq(l.max_upload_bytes, 100u << 20);
	ck_assert_uint_eq(l.retry_base_ms, 1000);
	ck_assert_int_eq(choose(NULL, &l, NULL), SCP_OK);
	o.heartbeat_timeout_s = 5;
	ck_assert_int_eq(choose(&o, &l, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "heartbeat_timeout_s is 5"));
	o.heartbeat_timeout_s = 0;
	o.disk_stock = UINT32_MAX;
	ck_assert_int_eq(choose(&o, &l, NULL), SCP_OK);
	o.disk_stock = 1000000;
	ck_assert_int_eq(choose(&o, &l, NULL), SCP_EINVAL);
	o.disk_stock = 0;
	o.allow_unenforced = "disk,sound";
	ck_assert_int_eq(choose(&o, &l, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'sound'"));
	o.allow_unenforced = "disk,cpu,network";
	ck_assert_int_eq(choose(&o, &l, NULL), SCP_OK);
	o.runtime_count = 1;
	ck_assert_int_eq(choose(&o, &l, NULL), SCP_EINVAL);
	o.runtime_count = 0;
	o.runtime_url_count = 1;
	ck_assert_int_eq(choose(&o, &l, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(an_older_programs_options_are_read_as_far_as_they_go)
{
	scp_plane_options o = SCP_PLANE_OPTIONS_INIT, read;

	o.state_dir = "/x";
	o.seed_images = "never read";
	o.struct_size = offsetof(scp_plane_options, seed_images);
	ck_assert_int_eq(scp__options_read(&read, &o, NULL), SCP_OK);
	ck_assert_str_eq(read.state_dir, "/x");
	ck_assert_ptr_null(read.seed_images);
	o.struct_size = 0;
	ck_assert_int_eq(scp__options_read(&read, &o, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(a_list_holds_whole_names)
{
	ck_assert(scp__list_has("disk,cpu", "cpu"));
	ck_assert(!scp__list_has("disks,cpu", "disk"));
	ck_assert(!scp__list_has(NULL, "disk"));
	ck_assert(!scp__list_has("", "disk"));
}
END_TEST

Suite *suite_parts(void)
{
	Suite *s = suite_create("parts");
	TCase *c = tcase_create("parts");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, terminal_states_never_leave);
	tcase_add_test(c, names_are_read_as_they_are_written);
	tcase_add_test(c, every_end_of_a_session_ends_its_executions);
	tcase_add_test(c, events_come_back_as_they_were_stored);
	tcase_add_test(c, output_without_an_index_is_stdout_then_stderr);
	tcase_add_test(c, a_result_is_read_whole);
	tcase_add_test(c, an_executor_that_lies_is_refused_or_put_right);
	tcase_add_test(c, artifacts_are_files_of_the_workspace_and_no_more_than_a_thousand);
	tcase_add_test(c, results_of_any_bytes_are_survived);
	tcase_add_test(c, a_session_spec_has_ranges);
	tcase_add_test(c, an_execution_spec_has_ranges);
	tcase_add_test(c, digests_tell_specs_apart);
	tcase_add_test(c, options_have_defaults_and_ranges);
	tcase_add_test(c, an_older_programs_options_are_read_as_far_as_they_go);
	tcase_add_test(c, a_list_holds_whole_names);
	suite_add_tcase(s, c);
	return s;
}
