/* Requests that another process serves: what is passed on, what comes back, and what is said where it doesn't. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define API "/api/v1"
#define ALICE "Authorization: Bearer secret-alice\r\n"
#define FILES API "/sessions/sess_elsewhere/files"

/* The other process: says `answer` once it has read the whole request (or its head), and ends the connection. */
static struct peer {
	int listener;
	pthread_t thread;
	bool running;
	const char *answer;
	bool at_once;	  /* having read the head */
	bool nothing;	  /* reads nothing, and ends */
	char text[65536]; /* what it was asked */
	size_t len;
	char url[64];
} peer;

static bool has_all(void)
{
	char *body = strstr(peer.text, "\r\n\r\n"), *length = strcasestr(peer.text, "\r\nContent-Length: ");

	if (!body || peer.at_once)
		return body != NULL;
	if (strcasestr(peer.text, "\r\nTransfer-Encoding: chunked"))
		return strstr(body, "\r\n0\r\n\r\n") != NULL;
	return !length || peer.len - (size_t)(body + 4 - peer.text) >= strtoul(length + 18, NULL, 10);
}

static void *peer_main(void *arg)
{
	int fd = accept(peer.listener, NULL, NULL);
	ssize_t n = 1;

	(void)arg;
	while (fd >= 0 && !peer.nothing && n > 0 && !has_all()) {
		n = recv(fd, peer.text + peer.len, sizeof(peer.text) - 1 - peer.len, 0);
		peer.len += n > 0 ? (size_t)n : 0;
		peer.text[peer.len] = '\0';
	}
	if (fd >= 0)
		send_all(fd, peer.answer, strlen(peer.answer));
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void peer_listen(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	peer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(peer.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(getsockname(peer.listener, (struct sockaddr *)&a, &len), 0);
	snprintf(peer.url, sizeof(peer.url), "http://127.0.0.1:%u", ntohs(a.sin_port));
	fake.peer_url = peer.url;
}

static void peer_answers(const char *answer)
{
	peer.answer = answer;
	ck_assert_int_eq(listen(peer.listener, 4), 0);
	ck_assert_int_eq(pthread_create(&peer.thread, NULL, peer_main, NULL), 0);
	peer.running = true;
}

static void peer_join(void)
{
	if (peer.running)
		pthread_join(peer.thread, NULL);
	peer.running = false;
}

static void setup(void)
{
	memset(&peer, 0, sizeof(peer));
	daemon_setup_tokens();
	peer_listen();
}

static void teardown(void)
{
	peer_join();
	close(peer.listener);
	fake.peer_url = NULL;
	daemon_stop();
}

static bool asked(const char *text)
{
	return strcasestr(peer.text, text) != NULL;
}

START_TEST(what_is_passed_on_says_on_whose_behalf_and_never_a_token)
{
	struct answer a;

	peer_answers(
	    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-Request-ID: theirs\r\n"
	    "ETag: \"e\"\r\nConnection: close\r\nDate: then\r\n\r\n{}");
	a = ask("GET", FILES "?recursive=true", ALICE "X-Request-ID: mine\r\nCookie: c=1\r\nRange: bytes=0-\r\n", NULL);
	peer_join();
	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(a.body, "{}");
	ck_assert(!strncmp(peer.text, "GET " FILES "?recursive=true HTTP/1.1\r\n", strlen(FILES) + 28));
	ck_assert(asked("\r\nSandboxd-Peer: proof\r\n"));
	ck_assert(asked("\r\nSandboxd-Actor: alice\r\n"));
	ck_assert(asked("\r\nX-Request-ID: mine\r\n"));
	ck_assert(asked("\r\nRange: bytes=0-\r\n"));
	ck_assert(!asked("secret") && !asked("authorization") && !asked("cookie"));
	ck_assert_ptr_nonnull(strstr(a.text, "\r\nETag: \"e\"\r\n"));
	ck_assert_ptr_nonnull(strstr(a.text, "\r\nX-Request-ID: mine\r\n"));
	ck_assert_ptr_null(strstr(a.text, "theirs"));
	ck_assert_ptr_null(strstr(a.text, "Date: then"));
	answer_free(&a);
}
END_TEST

START_TEST(who_may_not_ask_here_may_not_ask_there)
{
	struct answer a = ask("GET", FILES, NULL, NULL);

	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	a = ask("GET", FILES, "Sandboxd-Peer: forged\r\nSandboxd-Actor: alice\r\n", NULL);
	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	/* A proof opens what processes pass on, and nothing else. */
	a = ask("GET", API "/sessions", "Sandboxd-Peer: proof\r\n", NULL);
	ck_assert_int_eq(a.status, 401);
	answer_free(&a);
	ck_assert_uint_eq(peer.len, 0);
}
END_TEST

START_TEST(what_was_passed_on_is_not_passed_on_again)
{
	struct answer a = ask("GET", FILES, "Sandboxd-Peer: proof\r\n", NULL);

	ck_assert_int_eq(a.status, 503);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.BackendUnavailable");
	ck_assert_ptr_nonnull(strstr(a.text, "Retry-After: 1\r\n"));
	ck_assert_uint_eq(peer.len, 0);
	answer_free(&a);
	a = ask("GET", API "/containers/scp-run/logs", "Sandboxd-Peer: proof\r\n", NULL);
	ck_assert_int_eq(a.status, 200); /* it is here */
	answer_free(&a);
}
END_TEST

START_TEST(without_an_address_the_node_and_the_option_are_named)
{
	struct answer a;

	fake.peer_url = NULL;
	a = ask("GET", FILES, ALICE, NULL);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(field(&a, "error_detail"), "n2"));
	ck_assert_ptr_nonnull(strstr(field(&a, "solution"), "--advertise"));
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_lost/files", ALICE, NULL);
	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(field(&a, "error_detail"), "n3"));
	ck_assert_ptr_nonnull(strstr(field(&a, "error_detail"), "lost"));
	answer_free(&a);
}
END_TEST

START_TEST(one_that_cannot_be_reached_is_503)
{
	struct answer a = ask("GET", FILES, ALICE, NULL); /* nobody listens */

	ck_assert_int_eq(a.status, 503);
	ck_assert_ptr_nonnull(strstr(field(&a, "error_detail"), peer.url));
	answer_free(&a);
	fake.peer_url = "http://no-such-host.invalid:80";
	a = ask("GET", FILES, ALICE, NULL);
	ck_assert_int_eq(a.status, 503);
	answer_free(&a);
}
END_TEST

static const char *const bad_answers[] = { "", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-",
	"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 two OK\r\n\r\n" };

START_TEST(an_answer_that_is_none_is_503)
{
	struct answer a;

	peer_answers(bad_answers[_i]);
	a = ask("GET", FILES, ALICE, NULL);
	ck_assert_int_eq(a.status, 503);
	ck_assert_str_eq(field(&a, "error_code"), "Sandbox.BackendUnavailable");
	answer_free(&a);
}
END_TEST

START_TEST(an_answer_that_is_cut_is_cut)
{
	struct answer a;

	peer_answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
	a = ask("GET", FILES "/f", ALICE, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 5);
	answer_free(&a);
}
END_TEST

START_TEST(whatever_its_framing_an_answer_comes_whole)
{
	static const struct {
		const char *answer, *head, *body;
	} rows[] = {
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		    "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n" },
		{ "HTTP/1.0 200 OK\r\n\r\nuntil the end", "Transfer-Encoding: chunked\r\n",
		    "d\r\nuntil the end\r\n0\r\n\r\n" },
		{ "HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Next: n\r\nContent-Length: 0\r\n\r\n", "\r\nX-Next: n\r\n", "" },
		{ "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://s3/x\r\nContent-Length: 0\r\n\r\n",
		    "\r\nLocation: http://s3/x\r\n", "" },
		{ "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "\r\nETag: \"x\"\r\n", "" },
	};
	struct answer a;

	peer_answers(rows[_i].answer);
	a = ask("GET", FILES "/f", ALICE, NULL);
	ck_assert_ptr_nonnull(strstr(a.text, rows[_i].head));
	ck_assert_str_eq(a.body, rows[_i].body);
	answer_free(&a);
}
END_TEST

START_TEST(a_head_alone_has_its_length_and_no_body)
{
	struct answer a;

	peer_answers("HTTP/1.1 200 OK\r\nContent-Length: 4711\r\n\r\n");
	a = ask("HEAD", FILES "/f", ALICE, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.text, "\r\nContent-Length: 4711\r\n"));
	ck_assert_uint_eq(a.body_len, 0);
	answer_free(&a);
}
END_TEST

START_TEST(a_body_is_passed_on_as_it_came)
{
	struct answer a;

	peer_answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
	a = ask("POST", FILES "/upload?path=a", ALICE "Content-Type: application/octet-stream\r\n", "all of it");
	peer_join();
	ck_assert_int_eq(a.status, 200);
	ck_assert(asked("\r\nContent-Length: 9\r\n"));
	ck_assert(asked("\r\nContent-Type: application/octet-stream\r\n"));
	ck_assert(asked("\r\n\r\nall of it"));
	answer_free(&a);
}
END_TEST

START_TEST(an_answer_may_come_before_the_body_has)
{
	static const char head[] = "POST " FILES "/upload?path=a HTTP/1.1\r\nHost: a\r\n" ALICE
				   "Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\nsome";
	struct answer a;
	int fd = connect_daemon();

	peer.at_once = true;
	peer_answers("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 2\r\n\r\n{}");
	send_all(fd, head, strlen(head));
	a = read_answer(fd);
	ck_assert_int_eq(a.status, 413);
	ck_assert_str_eq(a.body, "{}");
	answer_free(&a);
}
END_TEST

Suite *proxy_suite(void)
{
	Suite *s = suite_create("proxy");
	TCase *t = tcase_create("proxy");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_is_passed_on_says_on_whose_behalf_and_never_a_token);
	tcase_add_test(t, who_may_not_ask_here_may_not_ask_there);
	tcase_add_test(t, what_was_passed_on_is_not_passed_on_again);
	tcase_add_test(t, without_an_address_the_node_and_the_option_are_named);
	tcase_add_test(t, one_that_cannot_be_reached_is_503);
	tcase_add_loop_test(t, an_answer_that_is_none_is_503, 0, 5);
	tcase_add_test(t, an_answer_that_is_cut_is_cut);
	tcase_add_loop_test(t, whatever_its_framing_an_answer_comes_whole, 0, 5);
	tcase_add_test(t, a_head_alone_has_its_length_and_no_body);
	tcase_add_test(t, a_body_is_passed_on_as_it_came);
	tcase_add_test(t, an_answer_may_come_before_the_body_has);
	suite_add_tcase(s, t);
	return s;
}
