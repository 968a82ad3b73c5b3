/* What http_parser lets through and this server must not: one request a row. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define H "Host: a\r\n"

static const struct {
	const char *what;
	const char *request;
	int status;
} rows[] = {
	{ "plain", "GET /hello HTTP/1.1\r\n" H "\r\n", 200 },
	{ "HTTP/1.0 without Host", "GET /hello HTTP/1.0\r\n\r\n", 200 },
	{ "empty lines first", "\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n", 200 },
	{ "absolute form", "GET http://a/hello?x=1 HTTP/1.1\r\n" H "\r\n", 200 },
	{ "a tab in a value", "GET /hello HTTP/1.1\r\n" H "X-A: a\tb\r\n\r\n", 200 },
	{ "bytes above 127 in a value", "GET /hello HTTP/1.1\r\n" H "X-A: \xc3\xa9\r\n\r\n", 200 },
	{ "bare LF", "GET /hello HTTP/1.1\n" H "\r\n", 400 },
	{ "bare LF alone", "GET /hello HTTP/1.1\nHost: a\n\n", 400 },
	{ "bare LF in a header", "GET /hello HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", 400 },
	{ "bare LF at the end", "GET /hello HTTP/1.1\r\nHost: a\r\n\n", 400 },
	{ "bare CR in a value", "GET /hello HTTP/1.1\r\n" H "X-A: a\rb\r\n\r\n", 400 },
	{ "bare CR in the line", "GET /hello\r HTTP/1.1\r\n" H "\r\n", 400 },
	{ "folded header", "GET /hello HTTP/1.1\r\n" H "X-A: a\r\n b\r\n\r\n", 400 },
	{ "folded by a tab", "GET /hello HTTP/1.1\r\n" H "X-A: a\r\n\tb\r\n\r\n", 400 },
	{ "folded Transfer-Encoding", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	    400 },
	{ "first header folded", "GET /hello HTTP/1.1\r\n Host: a\r\n\r\n", 400 },
	{ "blank before the colon", "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
	{ "blank in a name", "GET /hello HTTP/1.1\r\n" H "X A: a\r\n\r\n", 400 },
	{ "no name", "GET /hello HTTP/1.1\r\n" H ": a\r\n\r\n", 400 },
	{ "no colon", "GET /hello HTTP/1.1\r\n" H "X-A\r\n\r\n", 400 },
	{ "a control character in a value", "GET /hello HTTP/1.1\r\n" H "X-A: a\x01 b\r\n\r\n", 400 },
	{ "DEL in a value", "GET /hello HTTP/1.1\r\n" H "X-A: \x7f\r\n\r\n", 400 },
	{ "no Host", "GET /hello HTTP/1.1\r\n\r\n", 400 },
	{ "two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400 },
	{ "two Hosts, other case", "GET /hello HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400 },
	{ "a path in Host", "GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400 },
	{ "HTTP/1.9", "GET /hello HTTP/1.9\r\n" H "\r\n", 400 },
	{ "HTTP/2.0", "GET /hello HTTP/2.0\r\n" H "\r\n", 400 },
	{ "HTTP/0.9", "GET /hello\r\n\r\n", 400 },
	{ "lower-case version", "GET /hello http/1.1\r\n" H "\r\n", 400 },
	{ "two blanks", "GET  /hello HTTP/1.1\r\n" H "\r\n", 400 },
	{ "a blank behind the version", "GET /hello HTTP/1.1 \r\n" H "\r\n", 400 },
	{ "malformed method", "BR(W /hello HTTP/1.1\r\n" H "\r\n", 400 },
	{ "method in small letters", "get /hello HTTP/1.1\r\n" H "\r\n", 400 },
	{ "endless method", "ABCDEFGHIJKLMNOPQRSTUVWXYZ /hello HTTP/1.1\r\n" H "\r\n", 400 },
	{ "unknown method, malformed head", "BREW /hello HTTP/1.1\r\n" H "A : b\r\n\r\n", 400 },
	{ "authority form", "CONNECT a:80 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "no slash", "GET hello HTTP/1.1\r\n" H "\r\n", 400 },
	{ "fragment", "GET /hello#x HTTP/1.1\r\n" H "\r\n", 400 },
	{ "%00", "GET /hello%00 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "bad escape", "GET /hello%zz HTTP/1.1\r\n" H "\r\n", 400 },
	{ "cut escape", "GET /hello%4 HTTP/1.1\r\n" H "\r\n", 400 },
	{ "CL and TE", "POST /count HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    400 },
	{ "TE and CL", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
	    400 },
	{ "CL twice", "POST /count HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400 },
	{ "CL twice, differing", "POST /count HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 1\r\n\r\na", 400 },
	{ "CL list", "POST /count HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\na", 400 },
	{ "CL +1", "POST /count HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\na", 400 },
	{ "CL -1", "POST /count HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\na", 400 },
	{ "CL hex", "POST /count HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\na", 400 },
	{ "CL empty", "POST /count HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400 },
	{ "CL of 2^64", "POST /count HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", 400 },
	{ "CL with a blank inside", "POST /count HTTP/1.1\r\n" H "Content-Length: 1 1\r\n\r\na", 400 },
	{ "TE identity", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 400 },
	{ "TE gzip, chunked", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "TE chunked twice",
	    "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    400 },
	{ "TE chunked;x", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n", 400 },
	{ "TE xchunked", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400 },
	{ "TE in 1.0", "POST /count HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "TE CHUNKED", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", 200 },
	{ "chunks",
	    "POST /count HTTP/1.1\r\n" H
	    "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
	    200 },
	{ "chunk size negative", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400 },
	{ "chunk size 0x", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
	    400 },
	{ "chunk size empty", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\n", 400 },
	{ "chunk size with a blank",
	    "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", 400 },
	{ "chunk size overflow",
	    "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n", 400 },
	{ "chunk with bare LF", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
	    400 },
	{ "chunk without its CRLF",
	    "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400 },
	{ "chunk with CR X", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\rXa\r\n0\r\n\r\n", 400 },
	{ "trailer with bare LF", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nT: 1\n\r\n",
	    400 },
	{ "folded trailer", "POST /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nT: 1\r\n x\r\n\r\n",
	    400 },
	{ "unknown expectation", "POST /count HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 1\r\n\r\na", 417 },
};

START_TEST(each_shape_gets_its_status_and_a_refusal_closes)
{
	char answer[4096];

	client_exchange(rows[_i].request, answer, sizeof(answer));
	ck_assert_msg(atoi(answer + 9) == rows[_i].status, "%s: %s", rows[_i].what, answer);
	if (rows[_i].status != 200)
		ck_assert_msg(strstr(answer, "Connection: close") != NULL, "%s: %s", rows[_i].what, answer);
}
END_TEST

START_TEST(nothing_behind_a_refused_request_is_served)
{
	char answer[4096], request[2048];

	if (rows[_i].status == 200)
		return;
	(void)snprintf(request, sizeof(request), "%sGET /hello HTTP/1.1\r\n" H "\r\n", rows[_i].request);
	client_exchange(request, answer, sizeof(answer));
	ck_assert_msg(strstr(answer, "hello\n") == NULL, "%s: %s", rows[_i].what, answer);
}
END_TEST

/* The same however the network cuts it. */
START_TEST(a_head_that_comes_byte_by_byte_is_judged_alike)
{
	char answer[4096];
	int fd = client_connect();

	for (const char *at = rows[_i].request; *at; at++)
		client_send(fd, at, 1);
	shutdown(fd, SHUT_WR);
	client_read_all(fd, answer, sizeof(answer));
	close(fd);
	ck_assert_msg(atoi(answer + 9) == rows[_i].status, "%s: %s", rows[_i].what, answer);
}
END_TEST

static void setup(void)
{
	fixture_start(NULL);
}

Suite *strict_suite(void)
{
	Suite *s = suite_create("strict");
	TCase *t = tcase_create("shapes");
	int n = sizeof(rows) / sizeof(*rows);

	tcase_add_checked_fixture(t, setup, fixture_stop);
	tcase_add_loop_test(t, each_shape_gets_its_status_and_a_refusal_closes, 0, n);
	tcase_add_loop_test(t, nothing_behind_a_refused_request_is_served, 0, n);
	tcase_add_loop_test(t, a_head_that_comes_byte_by_byte_is_judged_alike, 0, n);
	suite_add_tcase(s, t);
	return s;
}
