/* The routes on which executors report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "handle/report.h"
#include "suites.h"

#define RIGHT "Authorization: Bearer right\r\n"
#define OF(session) "Authorization: Bearer of-" session "\r\n"

static char folder[] = "/tmp/scp-report.XXXXXX", path[64];

static void setup_inside(void)
{
	static char flag[96];
	const char *flags[] = { flag, NULL };

	strcpy(folder, "/tmp/scp-report.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/inside", folder);
	(void)snprintf(flag, sizeof(flag), "--internal-listen=unix:%s", path);
	daemon_start(flags);
}

static void stop_inside(void)
{
	daemon_stop();
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

static struct answer inside(const char *method, const char *target, const char *head, const char *body)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char text[4096];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	(void)snprintf(text, sizeof(text),
	    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" JSON "%sContent-Length: %zu\r\n\r\n%s", method, target,
	    head, strlen(body), body);
	send_all(fd, text, strlen(text));
	return read_answer(fd);
}

static void expect(const char *target, const char *head, const char *body, int status, const char *code)
{
	struct answer a = inside("POST", target, head, body);

	ck_assert_msg(a.status == status, "%s %s: %d: %s", target, body, a.status, a.text);
	ck_assert_str_eq(field(&a, "error_code"), code);
	answer_free(&a);
}

#define EXEC "/internal/executions/exec_done"
#define SESS "/internal/sessions/sess_ok"

START_TEST(a_result_is_decoded_whole)
{
	struct answer a = inside("POST", EXEC "/result", RIGHT "Idempotency-Key: exec_done_result\r\n",
	    "{\"execution_id\": \"exec_done\", \"attempt\": 2, \"status\": \"success\", \"stdout\": \"o\", \"stderr\": "
	    "\"e\", \"stdout_bytes\": 7, \"stderr_bytes\": 8, \"stdout_truncated\": true, \"stderr_truncated\": true, "
	    "\"exit_code\": 3, \"signal\": null, \"execution_time\": 0.5, \"return_value\": {\"a\": [1, null]}, "
	    "\"metrics\": {\"cpu_time_ms\": 1.5, \"peak_memory_mb\": 2, \"io_read_bytes\": 4, \"io_write_bytes\": 5, "
	    "\"source\": \"cgroup\"}, \"artifacts\": [{\"path\": \"a/b\", \"size\": 3}], \"error\": \"why\", "
	    "\"encoding\": null}");

	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(field(&a, "execution_id"), "exec_done");
	ck_assert_str_eq(fake.last, "2 success o/7 e/8 3 0 {\"a\":[1,null]} why 1 a/b|500 1.5 2 4 5 cgroup");
	answer_free(&a);
}
END_TEST

START_TEST(a_repeat_is_200)
{
	expect(EXEC "/result", RIGHT, "{\"status\": \"failed\"}", 200, "");
	ck_assert_str_eq(fake.last, "0 failed /0 /0 -1 0 - - 0 -|0 0 0 0 0 -");
}
END_TEST

START_TEST(the_others_are_decoded)
{
	static const struct {
		const char *target, *body, *last;
	} rows[] = {
		{ EXEC "/status", "{\"status\": \"running\", \"started_at\": \"2026-01-31T12:00:00.25Z\"}",
		    "status exec_done -1 running 1769860800250000" },
		{ EXEC "/status", "{\"status\": \"running\", \"attempt\": 1}", "status exec_done 1 running 0" },
		{ EXEC "/heartbeat", "{\"timestamp\": \"2026-01-31T12:00:00+01:00\", \"progress\": 0.5}",
		    "heartbeat exec_done -1 - 0" },
		{ EXEC "/artifacts", "{\"artifacts\": [{\"path\": \"x\"}, {\"path\": \"y\"}]}",
		    "artifacts exec_done -1 x 2" },
		{ SESS "/container_ready", "{\"container_id\": \"c\", \"executor_port\": 80}", "ready sess_ok 80 c 0" },
		/* before 1970 is known, if only as long ago */
		{ EXEC "/status", "{\"status\": \"running\", \"started_at\": \"0149-04-09T05:25:24Z\"}",
		    "status exec_done -1 running 1" },
		{ SESS "/container_exited",
		    "{\"exit_code\": 137, \"exit_reason\": \"sigkill\", \"exited_at\": \"1970-01-01T00:00:01Z\"}",
		    "exited sess_ok 137 sigkill 1000000" },
	};

	expect(rows[_i].target, RIGHT, rows[_i].body, 200, "");
	ck_assert_str_eq(fake.last, rows[_i].last);
}
END_TEST

START_TEST(bad_reports_are_400)
{
	static const struct {
		const char *target, *body;
	} rows[] = {
		{ EXEC "/result", "[]" },
		{ EXEC "/result", "{\"status\": 1}" },
		{ EXEC "/result", "{\"status\": \"success\", \"extra\": 1}" },
		{ EXEC "/result", "{\"status\": \"success\", \"execution_id\": \"exec_other\"}" },
		{ EXEC "/result", "{\"status\": \"success\", \"exit_code\": 256}" },
		{ EXEC "/result", "{\"status\": \"success\", \"stdout_bytes\": -1}" },
		{ EXEC "/result", "{\"status\": \"success\", \"metrics\": {\"speed\": 1}}" },
		{ EXEC "/result", "{\"status\": \"success\", \"metrics\": {\"cpu_time_ms\": \"1\"}}" },
		{ EXEC "/result", "{\"status\": \"success\", \"artifacts\": [{\"size\": 1}]}" },
		{ EXEC "/result", "{\"status\": \"success\", \"artifacts\": {}}" },
		{ EXEC "/status", "{\"status\": \"running\", \"started_at\": \"yesterday\"}" },
		{ EXEC "/status", "{\"status\": \"running\", \"started_at\": \"2026-01-31 12:00:00Z\"}" },
		{ EXEC "/status", "{\"status\": \"running\", \"started_at\": \"2026-01-31T12:00:00\"}" },
		{ EXEC "/status", "{\"status\": \"running\", \"attempt\": -1}" },
		{ EXEC "/heartbeat", "{\"timestamp\": 5}" },
		{ EXEC "/artifacts", "{}" },
		{ SESS "/container_ready", "{\"executor_port\": 0}" },
		{ SESS "/container_ready", "{\"exit_code\": 0}" },
		{ SESS "/container_exited", "{\"exit_code\": \"0\"}" },
	};

	expect(rows[_i].target, RIGHT, rows[_i].body, 400, "Internal.InvalidParameter");
}
END_TEST

START_TEST(tokens_open_what_is_theirs)
{
	expect(EXEC "/heartbeat", "", "{}", 401, "Internal.Unauthorized");
	expect(EXEC "/heartbeat", "Authorization: Basic right\r\n", "{}", 401, "Internal.Unauthorized");
	expect(EXEC "/heartbeat", "Authorization: Bearer \r\n", "{}", 401, "Internal.Unauthorized");
	expect(EXEC "/heartbeat", "Authorization: Bearer wrong\r\n", "{}", 401, "Internal.Unauthorized");
	expect(SESS "/container_ready", OF("sess_ok"), "{}", 200, "");
	expect(SESS "2/container_ready", OF("sess_ok"), "{}", 404, "Internal.InvalidExecution");
	expect("/internal/executions/exec_none/heartbeat", RIGHT, "{}", 404, "Internal.InvalidExecution");
	expect("/internal/executions/exec_done_late/result", RIGHT, "{\"status\": \"success\"}", 409,
	    "Internal.StateConflict");
}
END_TEST

START_TEST(a_wrong_token_is_told_before_a_wrong_body)
{
	fake.last[0] = '\0';
	expect(EXEC "/result", "Authorization: Bearer wrong\r\n", "{\"status\": 1}", 401, "Internal.Unauthorized");
	ck_assert_str_eq(fake.last, "");
}
END_TEST

START_TEST(each_side_has_its_own_routes_alone)
{
	struct answer a = ask("POST", EXEC "/heartbeat", JSON RIGHT, "{}");

	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.NotFound");
	answer_free(&a);
	a = inside("GET", "/api/v1/sessions/sess_ok", RIGHT, "");
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
	a = inside("GET", "/", RIGHT, "");
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
	expect("/internal/nothing", RIGHT, "{}", 404, "Internal.NotFound");
}
END_TEST

START_TEST(executors_of_every_uid_may_connect)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
}
END_TEST

START_TEST(without_the_option_there_is_nothing)
{
	struct answer a = ask("POST", EXEC "/heartbeat", JSON RIGHT, "{}");

	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.NotFound");
	answer_free(&a);
}
END_TEST

START_TEST(times_are_read_as_rfc_3339_says)
{
	int64_t us;

	ck_assert(time_parse("1970-01-01T00:00:01Z", &us) && us == 1000000);
	ck_assert(time_parse("2026-01-31T12:00:00.123456789Z", &us) && us == INT64_C(1769860800123456));
	ck_assert(time_parse("2026-01-31T14:30:00+02:30", &us) && us == INT64_C(1769860800000000));
	ck_assert(time_parse("2026-01-31T09:30:00-02:30", &us) && us == INT64_C(1769860800000000));
	ck_assert(time_parse("0149-04-09T05:25:24Z", &us) && us < 0);
	ck_assert(!time_parse("2026-01-31T12:00:00", &us));
	ck_assert(!time_parse("2026-01-31T12:00:00.Z", &us));
	ck_assert(!time_parse("2026-13-31T12:00:00Z", &us));
	ck_assert(!time_parse("2026-01-31T12:00:00Zx", &us));
	ck_assert(!time_parse("2026-01-31T12:00:00+2:300", &us));
	ck_assert(!time_parse("2026-01-31T12:00:00+25:00", &us));
}
END_TEST

Suite *report_suite(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("inside"), *off = tcase_create("off"), *plain = tcase_create("times");

	tcase_add_checked_fixture(t, setup_inside, stop_inside);
	tcase_add_test(t, a_result_is_decoded_whole);
	tcase_add_test(t, a_repeat_is_200);
	tcase_add_loop_test(t, the_others_are_decoded, 0, 7);
	tcase_add_loop_test(t, bad_reports_are_400, 0, 19);
	tcase_add_test(t, tokens_open_what_is_theirs);
	tcase_add_test(t, a_wrong_token_is_told_before_a_wrong_body);
	tcase_add_test(t, each_side_has_its_own_routes_alone);
	tcase_add_test(t, executors_of_every_uid_may_connect);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(off, daemon_setup, daemon_stop);
	tcase_add_test(off, without_the_option_there_is_nothing);
	suite_add_tcase(s, off);
	tcase_add_test(plain, times_are_read_as_rfc_3339_says);
	suite_add_tcase(s, plain);
	return s;
}
