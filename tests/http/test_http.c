#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "buf.h"
#include "http.h"
#include "server.h"

static struct server *server;
static scp__http *client;
static scp_error err;
static char url[128];
static char folder[] = "/tmp/scp-test-http-XXXXXX";
static char socket_path[64];

/* What the call-backs saw. */
struct seen {
	scp__buf body;
	size_t bytes;
	int heads;
	int status;
	char final[16];
	bool trailer;
	scp_status refuse_head, refuse_body;
};
static struct seen seen;

static void setup(void)
{
	server = server_start(NULL);
	ck_assert_int_eq(scp__http_new(&client, NULL, &err), SCP_OK);
	memset(&seen, 0, sizeof(seen));
	scp__buf_init(&seen.body, 8192);
}

static void teardown(void)
{
	scp__http_free(client);
	server_stop(server);
	scp__buf_free(&seen.body);
}

static scp_status on_head(void *user, int status, const char *const *headers, scp_error *e)
{
	struct seen *s = user;
	const char *final = scp__http_header(headers, "x-final");

	(void)e;
	s->heads++;
	s->status = status;
	s->trailer = scp__http_header(headers, "X-Trailer") || scp__http_header(headers, "Link");
	snprintf(s->final, sizeof(s->final), "%s", final ? final : "");
	return s->refuse_head;
}

static scp_status on_body(void *user, const void *data, size_t len, scp_error *e)
{
	struct seen *s = user;

	(void)e;
	s->bytes += len;
	if (s->body.len + len <= s->body.max)
		scp__buf_append(&s->body, data, len);
	return s->refuse_body;
}

static scp__http_request request(const char *method, const char *path)
{
	snprintf(url, sizeof(url), "%s%s", server_url(server), path);
	return (scp__http_request){
		.method = method, .url = url, .on_head = on_head, .on_body = on_body, .user = &seen, .timeout_ms = 20000
	};
}

static int done(const scp__http_request *q)
{
	int status = -1;

	ck_assert_msg(!scp__http_do(client, q, &status, &err), "%s", err.message);
	return status;
}

static scp_status failed(const scp__http_request *q)
{
	int status = -1;
	scp_status rc = scp__http_do(client, q, &status, &err);

	ck_assert_int_ne(rc, SCP_OK);
	ck_assert_int_eq(status, -1);
	ck_assert_int_eq(rc, err.status);
	return rc;
}

START_TEST(status_headers_and_body_come_back)
{
	scp__http_request q = request("GET", "/");

	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(seen.heads, 1);
	ck_assert_str_eq(seen.body.data, "0");
	q = request("HEAD", "/");
	ck_assert_int_eq(done(&q), 200);
	q = request("GET", "/busy");
	ck_assert_int_eq(done(&q), 503);
}
END_TEST

START_TEST(what_is_sent_is_what_was_given_and_nothing_more)
{
	scp__http_request q = request("DELETE", "/echo-head/../a%2Fb?x=1");
	const char *const headers[] = { "X-One: 1", NULL };

	q.headers = headers;
	ck_assert_int_eq(done(&q), 200);
	ck_assert_ptr_nonnull(strstr(seen.body.data, "DELETE /echo-head/../a%2Fb?x=1 HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(seen.body.data, "\r\nX-One: 1\r\n"));
	ck_assert_ptr_null(strcasestr(seen.body.data, "Expect"));
	ck_assert_ptr_null(strcasestr(seen.body.data, "Content-Type"));
	ck_assert_ptr_null(strcasestr(seen.body.data, "Content-Length"));
}
END_TEST

START_TEST(a_body_in_memory_is_sent_with_its_length)
{
	scp__http_request q = request("POST", "/");
	char *body = calloc(1, 3 << 20);

	q.body = body;
	q.body_len = 3 << 20;
	ck_assert_int_eq(done(&q), 200);
	ck_assert_str_eq(seen.body.data, "3145728");
	scp__buf_clear(&seen.body);
	q = request("POST", "/echo-head");
	ck_assert_int_eq(done(&q), 200);
	ck_assert_ptr_nonnull(strstr(seen.body.data, "Content-Length: 0\r\n"));
	free(body);
}
END_TEST

struct source {
	size_t left;
	scp_status refuse;
};

static scp_status give(void *user, void *data, size_t capacity, size_t *len, scp_error *e)
{
	struct source *s = user;

	if (s->refuse && !s->left) {
		snprintf(e->message, sizeof(e->message), "the disk is gone");
		e->status = s->refuse;
		return s->refuse;
	}
	*len = s->left < capacity ? s->left : capacity;
	memset(data, 'x', *len);
	s->left -= *len;
	return SCP_OK;
}

START_TEST(a_body_is_streamed_with_and_without_its_length)
{
	struct source source = { .left = 20 << 20 };
	scp__http_request q = request("PUT", "/");

	q.source = give;
	q.source_user = &source;
	q.source_len = 20 << 20;
	ck_assert_int_eq(done(&q), 200);
	ck_assert_str_eq(seen.body.data, "20971520");
	scp__buf_clear(&seen.body);
	source.left = 5 << 20;
	q.source_len = -1;
	q.method = "POST";
	ck_assert_int_eq(done(&q), 200);
	ck_assert_str_eq(seen.body.data, "5242880");
}
END_TEST

START_TEST(an_answer_is_streamed)
{
	scp__http_request q = request("GET", "/much");

	ck_assert_int_eq(done(&q), 200);
	ck_assert_uint_eq(seen.bytes, 64 << 20);
}
END_TEST

START_TEST(a_source_that_fails_ends_the_request_with_its_error)
{
	struct source source = { .left = 100000, .refuse = SCP_ENOTFOUND };
	scp__http_request q = request("PUT", "/");

	q.source = give;
	q.source_user = &source;
	q.source_len = 200000;
	ck_assert_int_eq(failed(&q), SCP_ENOTFOUND);
	ck_assert_str_eq(err.message, "the disk is gone");
}
END_TEST

static scp_status refuse_body(void *user, const void *data, size_t len, scp_error *e)
{
	(void)data, (void)len;
	e->status = *(scp_status *)user;
	return e->status;
}

START_TEST(a_call_back_that_refuses_ends_the_request)
{
	scp_status refusal = SCP_ETOOBIG;
	scp__http_request q = request("GET", "/much");

	q.on_head = NULL;
	q.on_body = refuse_body;
	q.user = &refusal;
	q.idempotent = true;
	q.retries = 3;
	ck_assert_int_eq(failed(&q), SCP_ETOOBIG);
	ck_assert_int_eq(server_requests(server), 1);
}
END_TEST

START_TEST(an_early_answer_to_a_large_body_is_heard)
{
	struct source source = { .left = 64 << 20 };
	scp__http_request q = request("PUT", "/early");

	q.source = give;
	q.source_user = &source;
	q.source_len = 64 << 20;
	ck_assert_int_eq(done(&q), 413);
	ck_assert_str_eq(seen.body.data, "early");
}
END_TEST

START_TEST(only_the_final_head_is_shown)
{
	scp__http_request q = request("GET", "/interim");

	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(seen.heads, 1);
	ck_assert_str_eq(seen.final, "yes");
	ck_assert(!seen.trailer);
	ck_assert_str_eq(seen.body.data, "body");
}
END_TEST

START_TEST(redirects_are_answers)
{
	scp__http_request q = request("GET", "/redirect");

	ck_assert_int_eq(done(&q), 302);
	ck_assert_int_eq(server_requests(server), 1);
}
END_TEST

START_TEST(headers_are_bounded)
{
	scp__http_request q = request("GET", "/huge-head");

	ck_assert_int_eq(failed(&q), SCP_EBACKEND);
}
END_TEST

START_TEST(connections_are_kept)
{
	scp__http_request q = request("GET", "/");

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(server_connections(server), 1);
	ck_assert_int_eq(server_requests(server), 10);
}
END_TEST

static void *many(void *arg)
{
	char address[64];
	int status;

	snprintf(address, sizeof(address), "%s/", server_url(server));
	for (int i = 0; i < 50; i++) {
		scp__http_request q = {
			.method = "POST", .url = address, .body = "x", .body_len = 1, .timeout_ms = 20000
		};

		if (scp__http_do(client, &q, &status, NULL) || status != 200)
			return arg;
	}
	return NULL;
}

START_TEST(several_threads_share_a_client)
{
	pthread_t threads[6];
	void *bad;

	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, many, server), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_int_eq(server_requests(server), 300);
	ck_assert_int_le(server_connections(server), 6);
}
END_TEST

static size_t pull_all(scp__http_stream *s, size_t step, scp_status *rc)
{
	static char bytes[300000];
	size_t total = 0, len = 1;

	for (*rc = SCP_OK; !*rc && len; total += len)
		*rc = scp__http_read(s, bytes, step, &len, &err);
	return total;
}

START_TEST(a_body_is_pulled_in_steps_of_any_size)
{
	static const size_t steps[] = { 1000, 65536, 300000 };
	scp__http_request q = request("GET", "/much");
	scp__http_stream *s;
	scp_status rc;
	int status;

	ck_assert_int_eq(scp__http_open(client, &q, &s, &status, &err), SCP_OK);
	ck_assert_int_eq(status, 200);
	ck_assert_int_eq(seen.heads, 1);
	ck_assert_uint_eq(pull_all(s, steps[_i], &rc), 64 << 20);
	ck_assert_int_eq(rc, SCP_OK);
	scp__http_close(s);
	ck_assert_uint_eq(seen.bytes, 0);
}
END_TEST

START_TEST(a_pulled_body_that_ends_early_says_so)
{
	scp__http_request q = request("GET", "/cut");
	scp__http_stream *s;
	scp_status rc;

	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_uint_eq(pull_all(s, 100, &rc), 4);
	ck_assert_int_eq(rc, SCP_EUNAVAIL);
	scp__http_close(s);
	q = request("GET", "/stall");
	q.stall_timeout_s = 1;
	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_uint_eq(pull_all(s, 100, &rc), 4);
	ck_assert_int_eq(rc, SCP_ETIMEDOUT);
	scp__http_close(s);
}
END_TEST

START_TEST(a_pulled_answer_is_tried_again_and_its_connection_kept)
{
	scp__http_request q = request("GET", "/flaky");
	scp__http_stream *s;
	scp_status rc;
	int status;

	q.idempotent = true;
	q.retries = 4;
	ck_assert_int_eq(scp__http_open(client, &q, &s, &status, &err), SCP_OK);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(pull_all(s, 3, &rc), 7);
	scp__http_close(s);
	ck_assert_int_eq(server_requests(server), 3);
	ck_assert_int_eq(server_connections(server), 1);
	q = request("GET", "/never");
	q.timeout_ms = 200;
	ck_assert_int_eq(scp__http_open(client, &q, &s, &status, &err), SCP_ETIMEDOUT);
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(a_pulled_body_may_be_left)
{
	scp__http_request q = request("GET", "/much");
	scp__http_stream *s;
	char some[10];
	size_t len;

	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_int_eq(scp__http_read(s, some, sizeof(some), &len, &err), SCP_OK);
	ck_assert_uint_eq(len, 10);
	scp__http_close(s);
	q = request("GET", "/");
	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_int_eq(scp__http_read(s, some, sizeof(some), &len, &err), SCP_OK);
	ck_assert_mem_eq(some, "0", 1);
	scp__http_close(s);
}
END_TEST

/* "/stall" says 4 bytes and is silent then. */
START_TEST(a_wait_for_a_pulled_body_has_an_end_and_the_stream_goes_on)
{
	scp__http_request q = request("GET", "/stall");
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const uint64_t one = 1;
	scp__http_stream *s;
	char some[10];
	size_t len;

	ck_assert_int_ge(wake, 0);
	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_int_eq(scp__http_read_for(s, some, 2, &len, 10000, wake, &err), SCP_OK);
	ck_assert_uint_eq(len, 2);
	ck_assert_int_eq(scp__http_read_for(s, some, sizeof(some), &len, 10000, wake, &err), SCP_OK);
	ck_assert_uint_eq(len, 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(scp__http_read_for(s, some, sizeof(some), &len, 20, wake, &err), SCP_EAGAIN);
		ck_assert_uint_eq(len, 0);
	}
	ck_assert_int_eq(write(wake, &one, sizeof(one)), sizeof(one));
	ck_assert_int_eq(scp__http_read_for(s, some, sizeof(some), &len, 10000, wake, &err), SCP_ECANCELED);
	scp__http_close(s);
	close(wake);
	q = request("GET", "/cut");
	ck_assert_int_eq(scp__http_open(client, &q, &s, NULL, &err), SCP_OK);
	ck_assert_int_eq(scp__http_read_for(s, some, sizeof(some), &len, 10000, -1, &err), SCP_OK);
	ck_assert_int_eq(scp__http_read_for(s, some, sizeof(some), &len, 10000, -1, &err), SCP_EUNAVAIL);
	scp__http_close(s);
}
END_TEST

/* A kept connection that dies under the second request. */
START_TEST(what_is_not_idempotent_is_sent_once)
{
	scp__http_request q = request("POST", "/second");

	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(failed(&q), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "may not be repeated"));
	ck_assert_int_eq(server_requests(server), 2);
	q = request("POST", "/busy");
	q.retries = 5;
	ck_assert_int_eq(done(&q), 503);
	ck_assert_int_eq(server_requests(server), 3);
}
END_TEST

START_TEST(what_is_idempotent_is_repeated_on_a_fresh_connection)
{
	scp__http_request q = request("GET", "/second");

	q.idempotent = true;
	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(server_requests(server), 3);
	ck_assert_int_eq(server_connections(server), 2);
}
END_TEST

START_TEST(a_passing_failure_is_tried_again)
{
	scp__http_request q = request("GET", "/flaky");

	q.idempotent = true;
	q.retries = 4;
	ck_assert_int_eq(done(&q), 200);
	ck_assert_int_eq(seen.heads, 1);
	ck_assert_str_eq(seen.body.data, "at last");
	ck_assert_int_eq(server_requests(server), 3);
}
END_TEST

START_TEST(the_last_try_is_the_answer)
{
	scp__http_request q = request("GET", "/busy");

	q.idempotent = true;
	q.retries = 1;
	ck_assert_int_eq(done(&q), 503);
	ck_assert_int_eq(seen.heads, 1);
	ck_assert_str_eq(seen.body.data, "busy");
	ck_assert_int_eq(server_requests(server), 2);
}
END_TEST

START_TEST(a_wait_that_does_not_fit_makes_it_the_answer)
{
	scp__http_request q = request("GET", "/wait-long");

	q.idempotent = true;
	q.retries = 3;
	q.timeout_ms = 10000; /* the server says 20 s */
	ck_assert_int_eq(done(&q), 503);
	ck_assert_str_eq(seen.body.data, "busy");
	ck_assert_int_eq(server_requests(server), 1);
}
END_TEST

START_TEST(a_broken_answer_is_not_tried_again_once_it_was_shown)
{
	scp__http_request q = request("GET", "/cut");

	q.idempotent = true;
	q.retries = 3;
	ck_assert_int_eq(failed(&q), SCP_EUNAVAIL);
	ck_assert_str_eq(seen.body.data, "some");
	ck_assert_int_eq(server_requests(server), 1);
	q = request("GET", "/drop");
	q.idempotent = true;
	q.retries = 2;
	ck_assert_int_eq(failed(&q), SCP_EUNAVAIL);
	ck_assert_int_eq(server_requests(server), 4);
}
END_TEST

START_TEST(a_server_that_never_answers_times_out)
{
	scp__http_request q = request("GET", "/never");

	q.timeout_ms = 200;
	ck_assert_int_eq(failed(&q), SCP_ETIMEDOUT);
}
END_TEST

START_TEST(a_stalled_answer_times_out)
{
	scp__http_request q = request("GET", "/stall");

	q.timeout_ms = 0;
	q.stall_timeout_s = 1;
	ck_assert_int_eq(failed(&q), SCP_ETIMEDOUT);
	ck_assert_str_eq(seen.body.data, "some");
}
END_TEST

START_TEST(nobody_there_is_unavailable_and_named_without_secrets)
{
	scp__http_request q = {
		.method = "GET", .url = "http://user:pass@127.0.0.1:1/x?signature=s", .timeout_ms = 5000
	};

	ck_assert_int_eq(failed(&q), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "127.0.0.1:1"));
	ck_assert_ptr_null(strstr(err.message, "pass"));
	ck_assert_ptr_null(strstr(err.message, "signature"));
}
END_TEST

START_TEST(malformed_requests_are_refused)
{
	static const char *const headers[] = { "X: a\r\nY: b", NULL }, *const bare[] = { "nothing", NULL };
	scp__http_request q = request("GET", "/");

	q.headers = headers;
	ck_assert_int_eq(failed(&q), SCP_EINVAL);
	q.headers = bare;
	ck_assert_int_eq(failed(&q), SCP_EINVAL);
	q.headers = NULL;
	q.method = "GET / HTTP/1.1\r\nX:";
	ck_assert_int_eq(failed(&q), SCP_EINVAL);
	q.method = "GET";
	q.url = "file:///etc/passwd";
	ck_assert_int_eq(failed(&q), SCP_EINVAL);
	q.url = "http://127.0.0.1:1/a b\r\n";
	ck_assert_int_eq(failed(&q), SCP_EINVAL);
	ck_assert_int_eq(server_connections(server), 0);
}
END_TEST

START_TEST(unix_sockets_serve_as_well)
{
	struct server *local;
	scp__http *c;
	scp__http_request q = { .method = "POST",
		.url = "http://localhost/",
		.body = "abc",
		.body_len = 3,
		.on_body = on_body,
		.user = &seen };
	int status;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
	local = server_start(socket_path);
	ck_assert_int_eq(scp__http_new(&c, &(scp__http_options){ .unix_socket = socket_path }, &err), SCP_OK);
	ck_assert_int_eq(scp__http_do(c, &q, &status, &err), SCP_OK);
	ck_assert_int_eq(scp__http_do(c, &q, &status, &err), SCP_OK);
	ck_assert_str_eq(seen.body.data, "33");
	ck_assert_int_eq(server_connections(local), 1);
	server_stop(local);
	unlink(socket_path);
	ck_assert_int_eq(scp__http_do(c, &q, &status, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, socket_path));
	scp__http_free(c);
	rmdir(folder);
}
END_TEST

START_TEST(headers_are_found_whatever_their_case)
{
	const char *const headers[] = { "Content-Type:text/plain", "X-A:  b", "X: y", NULL };

	ck_assert_str_eq(scp__http_header(headers, "content-type"), "text/plain");
	ck_assert_str_eq(scp__http_header(headers, "x-a"), "b");
	ck_assert_str_eq(scp__http_header(headers, "X"), "y");
	ck_assert_ptr_null(scp__http_header(headers, "Content"));
	ck_assert_ptr_null(scp__http_header(NULL, "X"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *c = tcase_create("client");
	SRunner *runner;
	int failures;

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, status_headers_and_body_come_back);
	tcase_add_test(c, what_is_sent_is_what_was_given_and_nothing_more);
	tcase_add_test(c, a_body_in_memory_is_sent_with_its_length);
	tcase_add_test(c, a_body_is_streamed_with_and_without_its_length);
	tcase_add_test(c, an_answer_is_streamed);
	tcase_add_test(c, a_source_that_fails_ends_the_request_with_its_error);
	tcase_add_test(c, a_call_back_that_refuses_ends_the_request);
	tcase_add_test(c, an_early_answer_to_a_large_body_is_heard);
	tcase_add_test(c, only_the_final_head_is_shown);
	tcase_add_test(c, redirects_are_answers);
	tcase_add_test(c, headers_are_bounded);
	tcase_add_test(c, connections_are_kept);
	tcase_add_loop_test(c, a_body_is_pulled_in_steps_of_any_size, 0, 3);
	tcase_add_test(c, a_pulled_body_that_ends_early_says_so);
	tcase_add_test(c, a_pulled_answer_is_tried_again_and_its_connection_kept);
	tcase_add_test(c, a_pulled_body_may_be_left);
	tcase_add_test(c, a_wait_for_a_pulled_body_has_an_end_and_the_stream_goes_on);
	tcase_add_test(c, several_threads_share_a_client);
	tcase_add_test(c, what_is_not_idempotent_is_sent_once);
	tcase_add_test(c, what_is_idempotent_is_repeated_on_a_fresh_connection);
	tcase_add_test(c, a_passing_failure_is_tried_again);
	tcase_add_test(c, the_last_try_is_the_answer);
	tcase_add_test(c, a_wait_that_does_not_fit_makes_it_the_answer);
	tcase_add_test(c, a_broken_answer_is_not_tried_again_once_it_was_shown);
	tcase_add_test(c, a_server_that_never_answers_times_out);
	tcase_add_test(c, a_stalled_answer_times_out);
	tcase_add_test(c, nobody_there_is_unavailable_and_named_without_secrets);
	tcase_add_test(c, malformed_requests_are_refused);
	tcase_add_test(c, unix_sockets_serve_as_well);
	tcase_add_test(c, headers_are_found_whatever_their_case);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	for (const char *const *name = (const char *const[]){ "http_proxy", "all_proxy", "ALL_PROXY", NULL }; *name;
	     name++)
		unsetenv(*name);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
