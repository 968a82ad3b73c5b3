/* What operators look at and rely on: metrics, health, the bound on requests in flight. */
#include "suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define API "/api/v1"
#define HAS(a, part) ck_assert_msg(strstr((a).text, part) != NULL, "no '%s' in:\n%.4000s", part, (a).text)
#define HAS_NOT(a, part) ck_assert_msg(strstr((a).text, part) == NULL, "'%s' in:\n%.4000s", part, (a).text)

/* ---- metrics ---- */

START_TEST(metrics_are_the_librarys_and_the_daemons)
{
	struct answer a = ask("GET", "/metrics", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	HAS(a, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	HAS(a, "\nfake_total 3\n");
	HAS(a, "\nsandboxcp_http_requests_in_flight 1\n");
	HAS(a, "\nsandboxcp_http_connections 1\n");
	HAS_NOT(a, "sandboxcp_http_request_seconds_count{");
	answer_free(&a);
}
END_TEST

START_TEST(a_request_counts_by_its_route_not_by_its_path)
{
	struct answer a = ask("GET", API "/sessions/sess_okokokokokokokok", NULL, NULL);

	answer_free(&a);
	a = ask("GET", API "/sessions/sess_other12345678901", NULL, NULL);
	answer_free(&a);
	a = ask("GET", "/made/up/by/a/client", NULL, NULL);
	answer_free(&a);
	a = ask("BR(W", API "/sessions", NULL, NULL);
	answer_free(&a);
	a = ask("GET", "/metrics", NULL, NULL);
	HAS(a, "\nsandboxcp_http_request_seconds_count{route=\"/api/v1/sessions/{id}\",method=\"GET\",status=\"200\"} "
	       "1\n");
	HAS(a, "\nsandboxcp_http_request_seconds_count{route=\"/api/v1/sessions/{id}\",method=\"GET\",status=\"404\"} "
	       "1\n");
	HAS(a, "\nsandboxcp_http_request_seconds_count{route=\"none\",method=\"GET\",status=\"404\"} 1\n");
	HAS(a, "\nsandboxcp_http_refused_total{status=\"400\"} 1\n");
	HAS_NOT(a, "made");
	HAS_NOT(a, "sess_");
	answer_free(&a);
}
END_TEST

START_TEST(bytes_are_counted_both_ways)
{
	static const char body[] = "{\"template_id\":\"python-basic\"}";
	struct answer a = ask("POST", API "/sessions", JSON, body);
	char line[80];
	size_t sent = a.body_len;

	ck_assert_int_eq(a.status, 201);
	answer_free(&a);
	a = ask("GET", "/metrics", NULL, NULL);
	(void)snprintf(line, sizeof(line), "\nsandboxcp_http_received_bytes_total %zu\n", sizeof(body) - 1);
	HAS(a, line);
	(void)snprintf(line, sizeof(line), "\nsandboxcp_http_sent_bytes_total %zu\n", sent);
	HAS(a, line);
	answer_free(&a);
}
END_TEST

START_TEST(metrics_want_a_token_where_there_are_tokens)
{
	struct answer a = ask("GET", "/metrics", NULL, NULL);

	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	a = ask("GET", "/metrics", "Authorization: Bearer secret-alice\r\n", NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
}
END_TEST

/* ---- health ---- */

START_TEST(health_asked_twice_is_probed_once)
{
	struct answer a, b;

	/* a second must not pass in between: where it does, for want of a processor, it says so by its probes */
	a = ask("GET", API "/health", NULL, NULL);
	b = ask("GET", API "/health", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, b.body);
	ck_assert_uint_eq(fake.probes, 1);
	answer_free(&a);
	answer_free(&b);
	a = ask("GET", API "/health/ready", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(fake.probes, 1);
	answer_free(&a);
}
END_TEST

START_TEST(health_is_probed_again_after_a_second)
{
	struct answer a = ask("GET", API "/health", NULL, NULL);

	answer_free(&a);
	fake.health = SCP_UNHEALTHY;
	usleep(1100000);
	a = ask("GET", API "/health", NULL, NULL);
	ck_assert_int_eq(a.status, 503);
	ck_assert_str_eq(field(&a, "status"), "unhealthy");
	answer_free(&a);
	a = ask("GET", API "/health/ready", NULL, NULL);
	ck_assert_int_eq(a.status, 503);
	HAS(a, "Retry-After: 1\r\n");
	answer_free(&a);
}
END_TEST

START_TEST(a_slow_backend_is_degraded_and_served)
{
	struct answer a;

	fake.health = SCP_DEGRADED;
	a = ask("GET", API "/health", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(field(&a, "status"), "degraded");
	answer_free(&a);
	a = ask("GET", API "/health/ready", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
}
END_TEST

static void *ask_health(void *arg)
{
	struct answer a = ask("GET", API "/health", NULL, NULL);

	*(int *)arg = a.status;
	answer_free(&a);
	return NULL;
}

START_TEST(many_who_ask_at_once_are_one_probe)
{
	pthread_t threads[3];
	int status[3] = { 0 };

	fake.hold_health = true;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask_health, &status[i]), 0);
	wait_for(&fake.probes, 1);
	usleep(50000); /* the others are there, or will find the answer */
	fake_release();
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(status[i], 200);
	}
	ck_assert_uint_eq(fake.probes, 1);
}
END_TEST

/* While one waits for a backend that hangs, the last answer serves all others. */
START_TEST(a_hanging_probe_holds_up_one_client)
{
	struct answer a = ask("GET", API "/health", NULL, NULL);
	pthread_t thread;
	int status = 0;

	answer_free(&a);
	usleep(1100000);
	fake.hold_health = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, ask_health, &status), 0);
	wait_for(&fake.probes, 2);
	for (int i = 0; i < 8; i++) {
		a = ask("GET", API "/health", NULL, NULL);
		ck_assert_int_eq(a.status, 200);
		answer_free(&a);
	}
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(fake.probes, 2);
	fake_release();
	pthread_join(thread, NULL);
	ck_assert_int_eq(status, 200);
}
END_TEST

/* ---- load ---- */

static void setup_small(void)
{
	daemon_start((const char *const[]){ "--max-requests", "2", NULL });
}

static int hold_one(void)
{
	static const char wait[] =
	    "GET " API "/executions/exec_live_12345678/result?wait=60 HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd = connect_daemon();

	send_all(fd, wait, sizeof(wait) - 1);
	return fd;
}

START_TEST(more_requests_than_allowed_are_429)
{
	int held[2];
	struct answer a;

	held[0] = hold_one();
	held[1] = hold_one();
	wait_for(&fake.waiting, 2);
	a = ask("GET", API "/sessions", NULL, NULL);
	ck_assert_int_eq(a.status, 429);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.TooManyRequests");
	HAS(a, "Retry-After: 1\r\n");
	answer_free(&a);
	a = ask("POST", API "/sessions", JSON, "{\"template_id\":\"python-basic\"}");
	ck_assert_int_eq(a.status, 429);
	answer_free(&a);
	close(held[0]);
	close(held[1]);
}
END_TEST

START_TEST(operators_are_served_whatever_the_load)
{
	static const char *const routes[] = { "/metrics", API "/health", API "/health/live", API "/health/ready" };
	int held[2];
	struct answer a;

	held[0] = hold_one();
	held[1] = hold_one();
	wait_for(&fake.waiting, 2);
	for (size_t i = 0; i < 4; i++) {
		a = ask("GET", routes[i], NULL, NULL);
		ck_assert_int_eq(a.status, 200);
		answer_free(&a);
	}
	close(held[0]);
	close(held[1]);
}
END_TEST

/* Its client is gone, and so is what it held. */
START_TEST(room_that_was_given_back_can_be_had)
{
	int held[2];
	struct answer a;

	held[0] = hold_one();
	held[1] = hold_one();
	wait_for(&fake.waiting, 2);
	close(held[0]);
	close(held[1]);
	for (int i = 0; i < 1000; i++) {
		a = ask("GET", API "/sessions/sess_okokokokokokokok", NULL, NULL);
		if (a.status == 200)
			break;
		answer_free(&a);
		usleep(1000);
	}
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
}
END_TEST

static void setup_small_memory(void)
{
	daemon_start((const char *const[]){ "--max-body-memory", "32Mi", NULL });
}

/* Most of a body that will never be whole. */
static int hold_body(void)
{
	static const char head[] =
	    "POST " API "/sessions/sess_ok/execute HTTP/1.1\r\nHost: a\r\n" JSON "Content-Length: 14000000\r\n\r\n";
	size_t len = 13000000;
	char *body = malloc(len);
	int fd = connect_daemon();

	memset(body, ' ', len);
	send_all(fd, head, sizeof(head) - 1);
	send_all(fd, body, len);
	free(body);
	return fd;
}

static int64_t body_memory(void)
{
	struct answer a = ask("GET", "/metrics", NULL, NULL);
	const char *at = strstr(a.body, "\nsandboxcp_http_body_memory_bytes ");
	int64_t value = at ? strtoll(at + 34, NULL, 10) : -1;

	answer_free(&a);
	return value;
}

static void await_body_memory(int64_t least, int64_t most)
{
	int64_t value = body_memory();

	for (int i = 0; i < 20000 && (value < least || value > most); i++) {
		usleep(1000);
		value = body_memory();
	}
	ck_assert_int_ge(value, least);
	ck_assert_int_le(value, most);
}

START_TEST(bodies_that_are_too_much_together_are_429)
{
	int held[2] = { hold_body(), hold_body() };
	struct answer a;

	await_body_memory(26000000, 32 << 20);
	a = read_answer(hold_body());
	ck_assert_int_eq(a.status, 429);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.TooManyRequests");
	HAS(a, "Retry-After: 1\r\n");
	answer_free(&a);
	/* who sends little is served all the same */
	a = ask("POST", API "/sessions", JSON, "{\"template_id\":\"python-basic\"}");
	ck_assert_int_eq(a.status, 201);
	answer_free(&a);
	await_body_memory(26000000, 32 << 20);
	close(held[0]);
	close(held[1]);
	await_body_memory(0, 0);
}
END_TEST

/* It may wait for minutes: what it was made of is gone. */
START_TEST(a_request_that_waits_holds_no_body)
{
	static const char head[] = "POST " API "/sessions/sess_ok/execute?wait=60 HTTP/1.1\r\nHost: a\r\n" JSON
				   "Content-Length: 200064\r\n\r\n{\"code\":\"1\",\"language\":\"python\",\"event\":\"";
	char rest[200064];
	int fd = connect_daemon();
	size_t start = strlen(strchr(head, '{')), len = sizeof(rest) - start;

	memset(rest, 'x', len);
	rest[len - 2] = '"';
	rest[len - 1] = '}';
	send_all(fd, head, sizeof(head) - 1);
	send_all(fd, rest, len);
	wait_for(&fake.waiting, 1);
	await_body_memory(0, 0);
	close(fd);
}
END_TEST

static TCase *add(Suite *s, const char *name, void (*setup)(void))
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, daemon_stop);
	suite_add_tcase(s, t);
	return t;
}

Suite *figures_suite(void)
{
	Suite *s = suite_create("figures");
	TCase *t = add(s, "metrics", daemon_setup);

	tcase_add_test(t, metrics_are_the_librarys_and_the_daemons);
	tcase_add_test(t, a_request_counts_by_its_route_not_by_its_path);
	tcase_add_test(t, bytes_are_counted_both_ways);
	t = add(s, "metrics-tokens", daemon_setup_tokens);
	tcase_add_test(t, metrics_want_a_token_where_there_are_tokens);
	t = add(s, "health", daemon_setup);
	tcase_add_test(t, health_asked_twice_is_probed_once);
	tcase_add_test(t, health_is_probed_again_after_a_second);
	tcase_add_test(t, a_slow_backend_is_degraded_and_served);
	tcase_add_test(t, many_who_ask_at_once_are_one_probe);
	tcase_add_test(t, a_hanging_probe_holds_up_one_client);
	t = add(s, "load", setup_small);
	tcase_add_test(t, more_requests_than_allowed_are_429);
	tcase_add_test(t, operators_are_served_whatever_the_load);
	tcase_add_test(t, room_that_was_given_back_can_be_had);
	t = add(s, "bodies", setup_small_memory);
	tcase_add_test(t, bodies_that_are_too_much_together_are_429);
	tcase_add_test(t, a_request_that_waits_holds_no_body);
	return s;
}
