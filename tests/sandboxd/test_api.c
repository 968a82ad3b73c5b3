/* Routes that answer JSON: decoding, encoding, errors, authorisation, waiting. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define API "/api/v1"

START_TEST(an_error_has_every_field_and_the_callers_request_id)
{
	struct answer a = ask("GET", API "/sessions/sess_nope", "X-Request-ID: mine-1.2_3\r\n", NULL);

	ck_assert_int_eq(a.status, 404);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.SessionNotFound");
	ck_assert_str_eq(field(&a, "description"), "Session not found");
	ck_assert_str_eq(field(&a, "error_detail"), "Session 'sess_nope' does not exist");
	ck_assert_str_ne(field(&a, "solution"), "");
	ck_assert_str_eq(field(&a, "request_id"), "mine-1.2_3");
	ck_assert_ptr_nonnull(strstr(a.text, "X-Request-ID: mine-1.2_3\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_request_id_that_is_not_sane_is_replaced)
{
	static const char *const heads[] = { "X-Request-ID: a b\r\n", "X-Request-ID: \r\n", "",
		"X-Request-ID: 01234567890123456789012345678901234567890123456789012345678901234\r\n",
		"X-Request-ID: a\r\nX-Request-ID: b\r\n" };
	struct answer a = ask("GET", API "/health/live", heads[_i], NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_msg(strstr(a.text, "X-Request-ID: req_") != NULL, "%s", a.text);
	answer_free(&a);
}
END_TEST

START_TEST(what_the_server_refuses_by_itself_looks_like_every_other_error)
{
	int fd = connect_daemon();
	struct answer a;

	send_all(fd, "GET / HTTP/1.1\nHost: a\n\n", 24);
	a = read_answer(fd);
	ck_assert_int_eq(a.status, 400);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.InvalidParameter");
	ck_assert_ptr_nonnull(strstr(a.text, "X-Request-ID: req_"));
	answer_free(&a);
}
END_TEST

START_TEST(wrong_methods_are_405_with_allow)
{
	struct answer a = ask("PUT", API "/sessions", NULL, NULL);

	ck_assert_int_eq(a.status, 405);
	ck_assert_ptr_nonnull(strstr(a.text, "Allow: POST, GET, HEAD\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_method_that_nobody_knows_is_405_too)
{
	struct answer a = ask("QUERY", API "/sessions", NULL, NULL);

	ck_assert_int_eq(a.status, 405);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.MethodNotAllowed");
	ck_assert_ptr_nonnull(strstr(a.text, "Allow: POST, GET, HEAD\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_session_is_written_to_the_letter)
{
	struct answer a = ask("GET", API "/sessions/sess_ok", NULL, NULL);

	ck_assert_str_eq(a.body, "{\"session_id\":\"sess_ok\",\"template_id\":\"python-basic\",\"status\":\"running\","
				 "\"mode\":\"persistent\","
				 "\"runtime_type\":null,\"runtime_node\":null,\"container_id\":null,\"pod_name\":null,"
				 "\"workspace_path\":\"/workspace\","
				 "\"resources\":{\"cpu\":\"1.25\",\"memory\":\"1536Mi\",\"disk\":\"2Gi\",\"max_"
				 "processes\":64},\"env_vars\":{\"A\":\"b\"},"
				 "\"timeout\":null,\"agent_id\":null,\"network_enabled\":false,\"error\":null,"
				 "\"created_at\":\"2025-12-31T12:00:00.000Z\","
				 "\"started_at\":null,\"updated_at\":null,\"last_activity_at\":null,\"expires_at\":"
				 "null,\"terminated_at\":null}");
	answer_free(&a);
}
END_TEST

START_TEST(a_result_is_written_to_the_letter_and_bad_utf_8_is_said)
{
	struct answer a = ask("GET", API "/executions/exec_done/result", NULL, NULL);

	ck_assert_str_eq(a.body,
	    "{\"execution_id\":\"exec_done\",\"status\":\"success\",\"stdout\":\"\xef\xbf\xbd"
	    "a\",\"stderr\":\"\",\"stdout_bytes\":2,"
	    "\"stderr_bytes\":0,\"stdout_truncated\":false,\"stderr_truncated\":false,\"encoding\":\"lossy\",\"exit_"
	    "code\":0,"
	    "\"signal\":null,\"execution_time\":0.0125,\"return_value\":{\"n\": "
	    "1},\"metrics\":{\"duration_ms\":12.5,\"cpu_time_ms\":3,"
	    "\"peak_memory_mb\":4.5,\"io_read_bytes\":1,\"io_write_bytes\":2,\"source\":\"cgroup\"},\"artifacts\":[{"
	    "\"path\":\"o.csv\","
	    "\"size\":3,\"mime_type\":\"text/"
	    "csv\",\"type\":\"artifact\",\"sha256\":null,\"created_at\":\"2025-12-31T12:00:00.000Z\"}],"
	    "\"sync\":\"done\",\"error\":null}");
	answer_free(&a);
}
END_TEST

START_TEST(every_field_of_a_session_reaches_the_library)
{
	struct answer a = ask("POST", API "/sessions", JSON "Idempotency-Key: k1\r\nX-Request-ID: rid\r\n",
	    "{\"template_id\":\"t\",\"timeout\":60,\"resources\":{\"cpu\":\"0.5\",\"memory\":\"256Mi\",\"disk\":"
	    "\"50Gi\",\"max_processes\":32},"
	    "\"env_vars\":{\"A\":\"1\",\"B\":\"\"},\"mode\":\"ephemeral\",\"network_enabled\":false,\"agent_id\":"
	    "null}");

	ck_assert_int_eq(a.status, 201);
	ck_assert_uint_eq(fake.session.timeout_s, 60);
	ck_assert_uint_eq(fake.resources.cpu_millis, 500);
	ck_assert_uint_eq(fake.resources.memory_bytes, 256ull << 20);
	ck_assert_uint_eq(fake.resources.disk_bytes, 50ull << 30);
	ck_assert_uint_eq(fake.resources.max_processes, 32);
	ck_assert_str_eq(fake.env, "A=1;B=;");
	ck_assert_int_eq(fake.session.mode, SCP_EPHEMERAL);
	ck_assert_int_eq(fake.session.network, SCP_OFF);
	ck_assert_ptr_null(fake.session.agent_id);
	ck_assert_str_eq(fake.key, "k1");
	ck_assert_str_eq(fake.request_id, "rid");
	answer_free(&a);
}
END_TEST

static const struct {
	const char *path, *body, *says;
} bad_bodies[] = {
	{ "/sessions", "{}", "template_id" },
	{ "/sessions", "[]", "body" },
	{ "/sessions", "{\"template_id\":\"t\"} x", "body" },
	{ "/sessions", "{\"template_id\":\"t\",\"template_id\":\"u\"}", "template_id" },
	{ "/sessions", "{\"template_id\":1}", "template_id" },
	{ "/sessions", "{\"template_id\":\"t\",\"zzz\":1}", "zzz" },
	{ "/sessions", "{\"template_id\":\"t\",\"timeout\":59}", "timeout" },
	{ "/sessions", "{\"template_id\":\"t\",\"timeout\":3601}", "timeout" },
	{ "/sessions", "{\"template_id\":\"t\",\"timeout\":60.5}", "timeout" },
	{ "/sessions", "{\"template_id\":\"t\",\"mode\":\"forever\"}", "mode" },
	{ "/sessions", "{\"template_id\":\"t\",\"network_enabled\":\"yes\"}", "network_enabled" },
	{ "/sessions", "{\"template_id\":\"t\",\"env_vars\":[]}", "env_vars" },
	{ "/sessions", "{\"template_id\":\"t\",\"env_vars\":{\"A\":1}}", "'A'" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":3}", "resources" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"gpu\":1}}", "gpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":1}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":\"0.4\"}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":\"4.001\"}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":\"1.\"}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":\" 1\"}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"cpu\":\"0\"}}", "cpu" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"memory\":\"255Mi\"}}", "memory" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"memory\":\"9Gi\"}}", "memory" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"memory\":\"512M\"}}", "memory" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"memory\":\"512\"}}", "memory" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"disk\":\"51Gi\"}}", "disk" },
	{ "/sessions", "{\"template_id\":\"t\",\"resources\":{\"max_processes\":31}}", "max_processes" },
	{ "/sessions?wait=61", "{\"template_id\":\"t\"}", "wait" },
	{ "/sessions?wait=x", "{\"template_id\":\"t\"}", "wait" },
	{ "/sessions?wait=", "{\"template_id\":\"t\"}", "wait" },
	{ "/sessions?hurry=1", "{\"template_id\":\"t\"}", "hurry" },
	{ "/sessions/sess_ok/execute", "{}", "code" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\"}", "language" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\",\"language\":\"cobol\"}", "'cobol'" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\",\"language\":\"shell\",\"timeout\":0}", "timeout" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\",\"language\":\"shell\",\"timeout\":3601}", "timeout" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\",\"language\":\"shell\",\"max_retries\":4}", "max_retries" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"1\",\"language\":\"shell\",\"stdin\":5}", "stdin" },
	{ "/sessions/sess_ok/execute", "{\"code\":\"\\u0000\",\"language\":\"shell\"}", "body" },
	{ "/sessions/sess_ok/execute?wait=301", "{\"code\":\"1\",\"language\":\"shell\"}", "wait" },
	{ "/sessions/sess_ok/keepalive", "{\"extend_s\":59}", "extend_s" },
	{ "/sessions/sess_ok/keepalive", "{\"extend\":60}", "extend" },
	{ "/executions/exec_live/cancel", "{\"why\":1}", "why" },
};

START_TEST(each_bad_body_is_400_and_names_its_field)
{
	char target[128];
	struct answer a;

	(void)snprintf(target, sizeof(target), API "%s", bad_bodies[_i].path);
	a = ask("POST", target, JSON, bad_bodies[_i].body);
	ck_assert_msg(a.status == 400, "%s: %s", bad_bodies[_i].body, a.text);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.InvalidParameter");
	ck_assert_msg(
	    strstr(field(&a, "error_detail"), bad_bodies[_i].says) != NULL, "%s: %s", bad_bodies[_i].says, a.body);
	answer_free(&a);
}
END_TEST

START_TEST(other_media_types_are_415_and_too_much_is_413)
{
	struct answer a = ask("POST", API "/sessions", "Content-Type: text/json\r\n", "{}");
	char *big = malloc(300000);

	ck_assert_int_eq(a.status, 415);
	answer_free(&a);
	a = ask("POST", API "/sessions", NULL, "{}");
	ck_assert_int_eq(a.status, 415);
	answer_free(&a);
	a = ask(
	    "POST", API "/sessions", "Content-Type: application/json; charset=utf-8\r\n", "{\"template_id\":\"t\"}");
	ck_assert_int_eq(a.status, 201);
	answer_free(&a);
	memset(big, ' ', 299999);
	big[299999] = '\0';
	a = ask("POST", API "/sessions", JSON, big);
	ck_assert_int_eq(a.status, 413);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.PayloadTooLarge");
	answer_free(&a);
	a = ask("GET", API "/sessions", JSON, "{}");
	ck_assert_int_eq(a.status, 400);
	answer_free(&a);
	free(big);
}
END_TEST

START_TEST(an_execution_reaches_the_library_whole)
{
	struct answer a = ask("POST", API "/sessions/sess_ok/execute", JSON,
	    "{\"code\":\"print(1)\\n\",\"language\":\"python\",\"timeout\":3600,\"event\":{\"a\":[1,2.5,null,"
	    "\"\\u00e9\"]},\"stdin\":\"in\","
	    "\"max_retries\":0,\"env_vars\":{\"X\":\"y\"}}");

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{\"execution_id\":\"exec_live\",\"session_id\":\"sess_ok\",\"status\":\"submitted\","
				 "\"submitted_at\":\"2025-12-31T12:00:00.000Z\"}");
	ck_assert_str_eq(fake.code, "print(1)\n");
	ck_assert_int_eq(fake.execution.language, SCP_PYTHON);
	ck_assert_uint_eq(fake.execution.timeout_s, 3600);
	ck_assert_str_eq(fake.event, "{\"a\":[1,2.5,null,\"\xc3\xa9\"]}");
	ck_assert_str_eq(fake.input, "in");
	ck_assert_int_eq(fake.execution.retries, -1);
	answer_free(&a);
	a = ask("POST", API "/sessions/sess_ok/execute", JSON,
	    "{\"code\":\"1\",\"language\":\"shell\",\"event\":null,\"max_retries\":null}");
	ck_assert_str_eq(fake.event, "null");
	ck_assert_int_eq(fake.execution.retries, 0);
	answer_free(&a);
}
END_TEST

START_TEST(lists_carry_their_query_and_their_page)
{
	struct answer a =
	    ask("GET", API "/sessions?status=running&template_id=t%20x&agent_id=a&limit=3&offset=4", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_int_eq(fake.query.status, SCP_SESSION_RUNNING);
	ck_assert_str_eq(fake.last, "list t x a");
	ck_assert_uint_eq(fake.query.limit, 3);
	ck_assert_uint_eq(fake.query.offset, 4);
	ck_assert_ptr_nonnull(strstr(a.body, "],\"total\":7,\"limit\":3,\"offset\":4,\"next\":\"1\"}"));
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_ok/executions?status=pending", NULL, NULL);
	ck_assert_str_eq(a.body, "{\"executions\":[],\"total\":0,\"limit\":50,\"offset\":0,\"next\":null}");
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_nope/executions", NULL, NULL);
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

static const char *const bad_queries[] = { "limit=0", "limit=201", "limit=1x", "limit=", "limit=+1", "offset=-1",
	"status=done", "status=", "color=1", "limit=1&limit=2", "limit=%zz" };

START_TEST(each_bad_query_is_400)
{
	char target[128];
	struct answer a;

	(void)snprintf(target, sizeof(target), API "/sessions?%s", bad_queries[_i]);
	a = ask("GET", target, NULL, NULL);
	ck_assert_msg(a.status == 400, "%s: %s", target, a.text);
	answer_free(&a);
}
END_TEST

START_TEST(an_error_that_passes_says_when_to_come_back)
{
	struct answer a;

	fake.error = (scp_error){
		.status = SCP_ECAPACITY, .retry_after_ms = 2001, .code = "NoCapacity", .message = "every place is taken"
	};
	a = ask("POST", API "/sessions", JSON, "{\"template_id\":\"t\"}");
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(a.text, "Retry-After: 3\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_wait_answers_when_it_is_over_and_holds_no_worker)
{
	enum { N = 20 }; /* more than there are workers */
	static const char body[] = "{\"template_id\":\"slow\"}";
	char request[512];
	struct answer a;
	int fd[N];

	(void)snprintf(request, sizeof(request),
	    "POST " API "/sessions?wait=60 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" JSON
	    "Content-Length: %zu\r\n\r\n%s",
	    sizeof(body) - 1, body);
	for (int i = 0; i < N; i++) {
		fd[i] = connect_daemon();
		send_all(fd[i], request, strlen(request));
	}
	wait_for(&fake.waiting, N);
	a = ask("GET", API "/sessions/sess_ok", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
	fake_release();
	for (int i = 0; i < N; i++) {
		a = read_answer(fd[i]);
		ck_assert_int_eq(a.status, 201);
		ck_assert_str_eq(field(&a, "status"), "running");
		answer_free(&a);
	}
}
END_TEST

START_TEST(a_client_that_leaves_its_wait_costs_nothing_further)
{
	static const char request[] = "GET " API "/executions/exec_live/result?wait=300 HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd = connect_daemon();
	unsigned before = fake.live;

	send_all(fd, request, sizeof(request) - 1);
	wait_for(&fake.waiting, 1);
	close(fd);
	for (int i = 0; i < 60000 && fake.live > before; i++)
		usleep(1000);
	ck_assert_uint_eq(fake.live, before);
}
END_TEST

START_TEST(a_result_that_is_not_there_is_409_with_the_state)
{
	struct answer a = ask("GET", API "/executions/exec_live/result", NULL, NULL);

	ck_assert_int_eq(a.status, 409);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.StateConflict");
	ck_assert_ptr_nonnull(strstr(field(&a, "error_detail"), "running"));
	answer_free(&a);
}
END_TEST

START_TEST(a_drain_answers_waits_at_once_and_ends)
{
	static const char request[] =
	    "GET " API "/executions/exec_live/result?wait=300 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	int fd = connect_daemon();
	struct answer a;

	send_all(fd, request, sizeof(request) - 1);
	wait_for(&fake.waiting, 1);
	daemon_signal(SIGTERM);
	a = read_answer(fd);
	ck_assert_int_eq(a.status, 409);
	answer_free(&a);
	daemon_join();
}
END_TEST

START_TEST(health_tells_what_was_probed)
{
	struct answer a = ask("GET", API "/health", NULL, NULL);

	ck_assert_str_eq(a.body,
	    "{\"status\":\"healthy\",\"version\":\"0.1.0\",\"uptime_seconds\":1.5,\"auth\":\"none\",\"checks\":{"
	    "\"database\":{\"status\":"
	    "\"healthy\",\"latency_ms\":0.5,\"detail\":\"fine\"}},\"limits\":{\"memory\":\"enforced\"}}");
	answer_free(&a);
	a = ask("GET", API "/health/ready", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
	a = ask("HEAD", API "/health/live", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 0);
	answer_free(&a);
}
END_TEST

START_TEST(templates_and_delete_are_served)
{
	struct answer a = ask("GET", API "/templates/python-basic", NULL, NULL);

	ck_assert_str_eq(field(&a, "id"), "python-basic");
	ck_assert_ptr_nonnull(strstr(a.body, "\"languages\":[\"python\",\"shell\"]"));
	answer_free(&a);
	a = ask("GET", API "/templates", NULL, NULL);
	ck_assert_str_eq(a.body, "{\"templates\":[],\"total\":0,\"limit\":50,\"offset\":0,\"next\":null}");
	answer_free(&a);
	a = ask("DELETE", API "/sessions/sess_ok", NULL, NULL);
	ck_assert_str_eq(
	    a.body, "{\"message\":\"Session terminated\",\"session_id\":\"sess_ok\",\"status\":\"terminated\"}");
	answer_free(&a);
	a = ask("POST", API "/sessions/sess_ok/keepalive", NULL, NULL);
	ck_assert_str_eq(fake.last, "keepalive 0");
	answer_free(&a);
	a = ask("POST", API "/sessions/sess_ok/keepalive", JSON, "{\"extend_s\":90}");
	ck_assert_str_eq(fake.last, "keepalive 90");
	answer_free(&a);
	a = ask("POST", API "/executions/exec_done/cancel", NULL, NULL);
	ck_assert_str_eq(field(&a, "status"), "completed");
	answer_free(&a);
}
END_TEST

START_TEST(without_its_token_nobody_comes_in)
{
	struct answer a = ask("GET", API "/sessions/sess_ok", NULL, NULL);

	ck_assert_int_eq(a.status, 401);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.Unauthorized");
	ck_assert_ptr_nonnull(strstr(a.text, "WWW-Authenticate: Bearer"));
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_ok", "Authorization: Bearer secret-alicf\r\n", NULL);
	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	a = ask("POST", API "/sessions", JSON "Authorization: Bearer secret-alice\r\n", "{\"template_id\":\"t\"}");
	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(fake.actor, "alice");
	answer_free(&a);
	a = ask("GET", API "/health/live", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
	a = ask("GET", API "/health", NULL, NULL);
	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	a = ask("GET", API "/health", "Authorization: Bearer secret-alice\r\n", NULL);
	ck_assert_str_eq(field(&a, "auth"), "tokens");
	answer_free(&a);
}
END_TEST

START_TEST(sighup_brings_new_tokens)
{
	struct answer a = { 0 };

	tokens_rewrite("bob:secret-of-bob\n");
	daemon_signal(SIGHUP);
	for (int i = 0; i < 1000 && a.status != 200; i++) {
		answer_free(&a);
		a = ask("GET", API "/sessions/sess_ok", "Authorization: Bearer secret-of-bob\r\n", NULL);
	}
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_ok", "Authorization: Bearer secret-alice\r\n", NULL);
	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
}
END_TEST

START_TEST(a_bad_token_file_keeps_the_old_ones)
{
	struct answer a;

	tokens_rewrite("short\n");
	daemon_signal(SIGHUP);
	daemon_await_log("the old tokens stay");
	a = ask("GET", API "/sessions/sess_ok", "Authorization: Bearer secret-alice\r\n", NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
}
END_TEST

static int status_of(const char *head)
{
	struct answer a = ask("GET", API "/sessions/sess_ok", head, NULL);
	int status = a.status;

	answer_free(&a);
	return status;
}

START_TEST(a_gateway_is_believed_who_asks_and_nobody_comes_in_unnamed)
{
	struct answer a;

	ck_assert_int_eq(status_of(NULL), 401);
	ck_assert_int_eq(status_of("X-Forwarded-User: \r\n"), 401);
	ck_assert_int_eq(status_of("X-Forwarded-User: carol smith\r\n"), 401);
	ck_assert_int_eq(status_of("X-Forwarded-User: mallory,carol\r\n"), 401);
	/* its line behind one of the client's own */
	ck_assert_int_eq(status_of("X-Forwarded-User: mallory\r\nX-Forwarded-User: carol\r\n"), 401);
	ck_assert_int_eq(status_of("Authorization: Bearer secret-alice\r\n"), 401);
	a = ask("POST", API "/sessions", JSON "X-Forwarded-User: carol@example.org\r\n", "{\"template_id\":\"t\"}");
	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(fake.actor, "carol@example.org");
	answer_free(&a);
	daemon_await_log("\"actor\":\"carol@example.org\"");
	a = ask("GET", API "/health", "X-Forwarded-User: carol\r\n", NULL);
	ck_assert_str_eq(field(&a, "auth"), "upstream");
	answer_free(&a);
}
END_TEST

START_TEST(a_name_as_long_as_an_actor_fits_and_a_longer_one_is_refused)
{
	char head[200];

	(void)snprintf(head, sizeof(head), "X-Forwarded-User: %0128d\r\n", 1);
	ck_assert_int_eq(status_of(head), 200);
	(void)snprintf(head, sizeof(head), "X-Forwarded-User: %0129d\r\n", 1);
	ck_assert_int_eq(status_of(head), 401);
}
END_TEST

START_TEST(a_gateway_with_a_token_may_say_on_whose_behalf_it_asks)
{
#define TOKEN "Authorization: Bearer secret-alice\r\n"
	struct answer a;

	ck_assert_int_eq(status_of("X-Remote: dave\r\n"), 401);
	ck_assert_int_eq(status_of(TOKEN "X-Remote: a b\r\n"), 401);
	a = ask("POST", API "/sessions", JSON TOKEN "X-Remote: dave\r\n", "{\"template_id\":\"t\"}");
	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(fake.actor, "dave");
	answer_free(&a);
	a = ask("POST", API "/sessions", JSON TOKEN, "{\"template_id\":\"t\"}");
	ck_assert_str_eq(fake.actor, "alice");
	answer_free(&a);
}
END_TEST

static void setup_upstream(void)
{
	daemon_start((const char *const[]){ "--trust-upstream-auth", NULL });
}

static void setup_both(void)
{
	daemon_setup_tokens_and(
	    (const char *const[]){ "--trust-upstream-auth", "--upstream-auth-header=X-Remote", NULL });
}

Suite *api_suite(void)
{
	Suite *s = suite_create("api");
	TCase *t = tcase_create("api");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, daemon_setup, daemon_stop);
	tcase_add_test(t, an_error_has_every_field_and_the_callers_request_id);
	tcase_add_loop_test(t, a_request_id_that_is_not_sane_is_replaced, 0, 5);
	tcase_add_test(t, what_the_server_refuses_by_itself_looks_like_every_other_error);
	tcase_add_test(t, wrong_methods_are_405_with_allow);
	tcase_add_test(t, a_method_that_nobody_knows_is_405_too);
	tcase_add_test(t, a_session_is_written_to_the_letter);
	tcase_add_test(t, a_result_is_written_to_the_letter_and_bad_utf_8_is_said);
	tcase_add_test(t, every_field_of_a_session_reaches_the_library);
	tcase_add_loop_test(
	    t, each_bad_body_is_400_and_names_its_field, 0, (int)(sizeof(bad_bodies) / sizeof(*bad_bodies)));
	tcase_add_test(t, other_media_types_are_415_and_too_much_is_413);
	tcase_add_test(t, an_execution_reaches_the_library_whole);
	tcase_add_test(t, lists_carry_their_query_and_their_page);
	tcase_add_loop_test(t, each_bad_query_is_400, 0, (int)(sizeof(bad_queries) / sizeof(*bad_queries)));
	tcase_add_test(t, an_error_that_passes_says_when_to_come_back);
	tcase_add_test(t, a_wait_answers_when_it_is_over_and_holds_no_worker);
	tcase_add_test(t, a_client_that_leaves_its_wait_costs_nothing_further);
	tcase_add_test(t, a_result_that_is_not_there_is_409_with_the_state);
	tcase_add_test(t, a_drain_answers_waits_at_once_and_ends);
	tcase_add_test(t, health_tells_what_was_probed);
	tcase_add_test(t, templates_and_delete_are_served);
	suite_add_tcase(s, t);
	t = tcase_create("tokens");
	tcase_add_checked_fixture(t, daemon_setup_tokens, daemon_stop);
	tcase_add_test(t, without_its_token_nobody_comes_in);
	tcase_add_test(t, sighup_brings_new_tokens);
	tcase_add_test(t, a_bad_token_file_keeps_the_old_ones);
	suite_add_tcase(s, t);
	t = tcase_create("upstream");
	tcase_add_checked_fixture(t, setup_upstream, daemon_stop);
	tcase_add_test(t, a_gateway_is_believed_who_asks_and_nobody_comes_in_unnamed);
	tcase_add_test(t, a_name_as_long_as_an_actor_fits_and_a_longer_one_is_refused);
	suite_add_tcase(s, t);
	t = tcase_create("gateway with a token");
	tcase_add_checked_fixture(t, setup_both, daemon_stop);
	tcase_add_test(t, a_gateway_with_a_token_may_say_on_whose_behalf_it_asks);
	suite_add_tcase(s, t);
	return s;
}
