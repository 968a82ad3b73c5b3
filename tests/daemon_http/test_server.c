/* Requests and answers: keep-alive, pipelining, HEAD, continue, limits, times, ends. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

START_TEST(pipelined_requests_are_answered_in_order)
{
	char answer[4096];

	client_exchange(GET("/show?1") "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" GET("/later")
			    GET("/show?2"),
	    answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "GET /show|/show|1|-\n"));
	ck_assert_ptr_nonnull(strstr(strstr(answer, "|1|-"), "\r\n\r\n3\n"));
	ck_assert_ptr_nonnull(strstr(strstr(answer, "\r\n\r\n3\n"), "later\n"));
	ck_assert_ptr_nonnull(strstr(strstr(answer, "later\n"), "GET /show|/show|2|-\n"));
}
END_TEST

START_TEST(thousands_of_pipelined_requests_are_answered_without_deepening_the_stack)
{
	enum { N = 20000 };
	static const char one[] = GET("/hello");
	char *all = malloc(N * (sizeof(one) - 1) + 1), *answer = malloc(N * 128);
	int fd = client_connect();
	size_t got = 0;
	char *at = all;

	for (int i = 0; i < N; i++)
		at = stpcpy(at, one);
	/* in turns, as the server stops reading where its answers aren't read */
	for (size_t sent = 0, total = strlen(all); sent < total;) {
		size_t n = total - sent < 65536 ? total - sent : 65536;

		client_send(fd, all + sent, n);
		sent += n;
		got += (size_t)recv(fd, answer + got, N * 128 - 1 - got, MSG_DONTWAIT) + 0;
		got = got > N * 128 ? 0 : got;
	}
	shutdown(fd, SHUT_WR);
	got += client_read_all(fd, answer + got, N * 128 - got);
	ck_assert_uint_gt(got, 0);
	wait_for(&app_closes, N);
	free(all);
	free(answer);
	close(fd);
}
END_TEST

START_TEST(escapes_are_decoded_and_repeated_headers_joined)
{
	char answer[4096];

	client_exchange("GET /sh%6fw?a=%20b HTTP/1.1\r\nHost: a\r\nX-A: 1 \r\nX-B: 2\r\nx-a: 3\r\nX-A:4\r\n\r\n",
	    answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "GET /show|/sh%6fw|a=%20b|1, 3, 4\n") != NULL, "%s", answer);
}
END_TEST

START_TEST(head_is_answered_without_a_body_and_the_connection_goes_on)
{
	char answer[4096];

	client_exchange(
	    "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /big?n=10&chunked HTTP/1.1\r\nHost: a\r\n\r\n" GET("/show"),
	    answer, sizeof(answer));
	ck_assert_uint_eq(count(answer, "HTTP/1.1 200 OK"), 3);
	ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 6\r\n"));
	ck_assert_ptr_null(strstr(answer, "hello\n"));
	ck_assert_ptr_nonnull(strstr(answer, "GET /show"));
}
END_TEST

START_TEST(http_1_0_closes_unless_asked_to_stay)
{
	char answer[4096];

	client_exchange("GET /hello HTTP/1.0\r\n\r\n" GET("/hello"), answer, sizeof(answer));
	ck_assert_uint_eq(count(answer, "hello\n"), 1);
	client_exchange("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET("/hello"), answer, sizeof(answer));
	ck_assert_uint_eq(count(answer, "hello\n"), 2);
	client_exchange("GET /big?n=3&chunked HTTP/1.0\r\n\r\n", answer, sizeof(answer));
	ck_assert_ptr_null(strstr(answer, "chunked\r\n"));
}
END_TEST

START_TEST(connection_close_is_obeyed)
{
	char answer[4096];
	int fd = client_connect();

	client_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	client_read_all(fd, answer, sizeof(answer)); /* ends, as the server closes */
	ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
	close(fd);
}
END_TEST

START_TEST(continue_is_sent_before_the_body_and_not_before_a_refusal)
{
	char answer[4096];
	int fd = client_connect();

	client_text(fd, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	client_read_until(fd, answer, sizeof(answer), "HTTP/1.1 100 Continue\r\n\r\n");
	client_text(fd, "ab");
	client_read_until(fd, answer, sizeof(answer), "\r\n\r\n2\n");
	client_text(fd, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	client_read_all(fd, answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 403 "));
	ck_assert_ptr_null(strstr(answer, "100 Continue"));
	close(fd);
}
END_TEST

START_TEST(an_answer_before_the_body_reaches_a_client_that_still_sends)
{
	static char block[65536];
	char answer[4096];
	int fd = client_connect();

	client_text(fd, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 8388608\r\n\r\n");
	for (int i = 0; i < 128; i++)
		client_send(fd, block, sizeof(block));
	client_read_all(fd, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 403 ") && strstr(answer, "Connection: close"), "%s", answer);
	close(fd);
}
END_TEST

START_TEST(an_early_answer_keeps_the_connection_where_the_body_is_there)
{
	char answer[4096];

	client_exchange("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
			"a\r\n\r\n01234567" GET("/show"),
	    answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "GET /show|") != NULL, "%s", answer);
	ck_assert_ptr_null(strstr(answer, "hello\n"));
}
END_TEST

START_TEST(bodies_over_the_limit_are_413)
{
	char answer[4096];

	client_exchange(
	    "POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\n10\n"));
	client_exchange(
	    "POST /limit HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890", answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 413 "));
	client_exchange("POST /limit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
			"chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n",
	    answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 413 "));
}
END_TEST

START_TEST(heads_over_the_limit_are_431_and_urls_414)
{
	char *request = malloc(70000), answer[4096];

	(void)snprintf(request, 70000, "GET /%040000d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	client_exchange(request, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 414 ") != NULL, "%s", answer);
	(void)snprintf(request, 70000, "GET /hello HTTP/1.1\r\nHost: a\r\nX: %040000d\r\n\r\n", 0);
	client_exchange(request, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 431 ") != NULL, "%s", answer);
	(void)snprintf(request, 70000, "GET /hello HTTP/1.1\r\nHost: a\r\nX: %030000d\r\n\r\n", 0);
	client_exchange(request, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 200 ") != NULL, "%s", answer);
	strcpy(request, "GET /hello HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 100; i++)
		strcat(request, "X: 1\r\n");
	strcat(request, "\r\n");
	client_exchange(request, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 431 ") != NULL, "%s", answer);
	free(request);
}
END_TEST

START_TEST(a_header_with_a_line_break_is_never_sent)
{
	char answer[4096];

	client_exchange(GET("/forge"), answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "X-Good: 1\r\n"));
	ck_assert_ptr_null(strstr(answer, "X-Forged"));
}
END_TEST

START_TEST(an_answer_that_ends_short_cuts_the_connection)
{
	char answer[4096];

	client_exchange(GET("/short") GET("/hello"), answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "short"));
	ck_assert_ptr_null(strstr(answer, "hello\n"));
	client_exchange(GET("/abort") GET("/hello"), answer, sizeof(answer));
	ck_assert_str_eq(answer, "");
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answers)
{
	char answer[4096];
	int fd = client_connect();

	client_text(fd, GET("/wait"));
	shutdown(fd, SHUT_WR);
	wait_for(&app_ends, 1);
	client_exchange(GET("/release"), answer, sizeof(answer));
	client_read_all(fd, answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "released\n"));
	close(fd);
}
END_TEST

START_TEST(a_client_that_goes_away_in_its_body_is_noticed)
{
	int fd = client_connect();

	client_text(fd, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
	wait_for(&app_heads, 1);
	close(fd);
	wait_for(&app_closes, 1);
	ck_assert_uint_eq(app_ends, 0);
}
END_TEST

START_TEST(a_client_that_resets_while_it_waits_is_noticed)
{
	struct linger hard = { .l_onoff = 1 };
	int fd = client_connect();

	client_text(fd, GET("/wait"));
	wait_for(&app_ends, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
	wait_for(&app_closes, 1);
}
END_TEST

START_TEST(a_drain_serves_what_was_begun_and_accepts_nothing_new)
{
	char answer[4096];
	int idle = client_connect(), busy = client_connect(), late = client_connect();

	client_text(busy, GET("/wait"));
	client_text(idle, GET("/hello"));
	client_read_until(idle, answer, sizeof(answer), "hello\n");
	wait_for(&app_ends, 2);
	client_text(late, GET("/later"));
	client_text(idle, GET("/release"));
	fixture_drain();
	client_read_all(busy, answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "released\n"));
	client_read_all(late, answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "later\n"));
	client_read_all(idle, answer, sizeof(answer)); /* is closed */
	fixture_wait_drained();
	close(idle);
	close(busy);
	close(late);
}
END_TEST

/* It said that the connection stays: the next request is answered too, as the last one. */
START_TEST(an_answer_that_began_before_a_drain_keeps_its_word)
{
	enum { BIG = 8000000 };
	static char answer[BIG + 4096];
	int fd = client_connect();
	size_t len;

	client_text(fd, GET("/big?n=8000000"));
	wait_for(&app_ends, 1);
	fixture_drain();
	client_text(fd, GET("/hello"));
	len = client_read_all(fd, answer, sizeof(answer));
	ck_assert_uint_gt(len, BIG);
	ck_assert_ptr_null(memmem(answer, BIG, "Connection: close", 17));
	ck_assert_ptr_nonnull(memmem(answer + BIG, len - BIG, "Connection: close\r\n", 19));
	ck_assert_mem_eq(answer + len - 6, "hello\n", 6);
	fixture_wait_drained();
	close(fd);
}
END_TEST

static void setup(void)
{
	fixture_start(NULL);
}

START_TEST(slow_heads_slow_bodies_and_idle_clients_are_ended)
{
	char answer[4096];
	int head = client_connect(), body = client_connect(), idle = client_connect(), nothing = client_connect();

	client_text(head, "GET /hello HTTP/1.1\r\nHos");
	client_text(body, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
	client_text(idle, GET("/hello"));
	client_read_all(head, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 408 ") != NULL, "%s", answer);
	client_read_all(body, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 408 ") != NULL, "%s", answer);
	client_read_all(idle, answer, sizeof(answer));
	ck_assert_ptr_nonnull(strstr(answer, "hello\n"));
	client_read_all(nothing, answer, sizeof(answer));
	ck_assert_str_eq(answer, "");
	close(head);
	close(body);
	close(idle);
	close(nothing);
}
END_TEST

START_TEST(a_client_that_does_not_read_its_answer_is_cut)
{
	int fd = client_connect();

	client_text(fd, GET("/big?n=1000000000"));
	wait_for(&app_closes, 1);
	close(fd);
}
END_TEST

START_TEST(a_header_drip_does_not_prolong_its_time)
{
	char answer[4096];
	int fd = client_connect();

	client_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
	/* a byte now and then, until the server has had enough */
	while (send(fd, "x", 1, MSG_NOSIGNAL) == 1 && recv(fd, answer, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
		usleep(50000);
	client_read_all(fd, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "HTTP/1.1 408 ") != NULL, "%s", answer);
	close(fd);
}
END_TEST

static void setup_short(void)
{
	http_server_options o = { .header_timeout_s = 1, .idle_timeout_s = 1, .stall_timeout_s = 1 };

	fixture_start(&o);
}

START_TEST(a_unix_client_that_goes_away_while_it_waits_is_noticed_at_once)
{
	int fd = client_connect();

	client_text(fd, GET("/wait"));
	wait_for(&app_ends, 1);
	close(fd);
	wait_for(&app_closes, 1);
}
END_TEST

START_TEST(connections_beyond_the_limit_wait_for_their_turn)
{
	char answer[4096];
	int first = client_connect(), second = client_connect(), third = client_connect();

	client_text(first, GET("/wait"));
	client_text(second, GET("/wait"));
	client_text(third, GET("/release"));
	wait_for(&app_ends, 2);
	close(first); /* its place is what the third one gets, once it is noticed */
	client_text(second, "x");
	client_read_until(third, answer, sizeof(answer), "ok\n");
	client_read_until(second, answer, sizeof(answer), "released\n");
	close(second);
	close(third);
}
END_TEST

static void setup_two(void)
{
	http_server_options o = { .max_connections = 2, .stall_timeout_s = 1 };

	fixture_start(&o);
}

static TCase *with(Suite *s, const char *name, void (*set_up)(void))
{
	TCase *t = tcase_create(name);

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, set_up, fixture_stop);
	suite_add_tcase(s, t);
	return t;
}

Suite *server_suite(void)
{
	Suite *s = suite_create("server");
	TCase *t = with(s, "requests", setup);

	tcase_add_test(t, pipelined_requests_are_answered_in_order);
	tcase_add_test(t, thousands_of_pipelined_requests_are_answered_without_deepening_the_stack);
	tcase_add_test(t, escapes_are_decoded_and_repeated_headers_joined);
	tcase_add_test(t, head_is_answered_without_a_body_and_the_connection_goes_on);
	tcase_add_test(t, http_1_0_closes_unless_asked_to_stay);
	tcase_add_test(t, connection_close_is_obeyed);
	tcase_add_test(t, continue_is_sent_before_the_body_and_not_before_a_refusal);
	tcase_add_test(t, an_answer_before_the_body_reaches_a_client_that_still_sends);
	tcase_add_test(t, an_early_answer_keeps_the_connection_where_the_body_is_there);
	tcase_add_test(t, bodies_over_the_limit_are_413);
	tcase_add_test(t, heads_over_the_limit_are_431_and_urls_414);
	tcase_add_test(t, a_header_with_a_line_break_is_never_sent);
	tcase_add_test(t, an_answer_that_ends_short_cuts_the_connection);
	tcase_add_test(t, a_half_closed_client_gets_its_answers);
	tcase_add_test(t, a_client_that_goes_away_in_its_body_is_noticed);
	tcase_add_test(t, a_client_that_resets_while_it_waits_is_noticed);
	tcase_add_test(t, a_drain_serves_what_was_begun_and_accepts_nothing_new);
	tcase_add_test(t, an_answer_that_began_before_a_drain_keeps_its_word);
	t = with(s, "times", setup_short);
	tcase_add_test(t, slow_heads_slow_bodies_and_idle_clients_are_ended);
	tcase_add_test(t, a_client_that_does_not_read_its_answer_is_cut);
	tcase_add_test(t, a_header_drip_does_not_prolong_its_time);
	t = with(s, "unix", fixture_start_unix);
	tcase_add_test(t, a_unix_client_that_goes_away_while_it_waits_is_noticed_at_once);
	t = with(s, "two connections", setup_two);
	tcase_add_test(t, connections_beyond_the_limit_wait_for_their_turn);
	return s;
}
