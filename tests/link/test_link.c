#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake.h"
#include "link_internal.h"

#define OK200 "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define RESULT "result 4 11\nstatus 0 0\n"
/* started 2, stdout 3 "hi\n", result 4 */
#define GOOD OK200 "c\r\nstarted 2 0\n\r\n11\r\nstdout 3 3\nhi\nres\r\n14\r\nult 4 11\nstatus 0 0\n\r\n0\r\n\r\n"
#define GOOD_TEXT "started:2:;stdout:3:hi\n;result:4:status 0 0\n;"

static scp__link *link_;
static fake *fake_;
static seen seen_;

static void begin_(fake_answer_fn *answer)
{
	ck_assert_int_eq(scp__link_new(&link_, NULL, NULL), SCP_OK);
	fake_ = fake_new(answer);
	seen_init(&seen_);
}

static void finish_(void)
{
	scp__link_free(link_);
	fake_free(fake_);
}

static void says(const char *bytes, bool keep)
{
	fake_->bytes = bytes;
	fake_->len = strlen(bytes);
	fake_->keep = keep;
}

static scp__link_run_request request_(void)
{
	return (scp__link_run_request){ .execution_id = "exec_20260131_abcdefgh",
		.attempt = 1,
		.seq = 1,
		.language = "shell",
		.timeout_ms = 30000,
		.code = "true",
		.code_len = 4,
		.event_json = "{}" };
}

static scp__link_stream *run_(seen *s)
{
	scp__link_run_request r = request_();
	scp__link_stream *out;

	ck_assert_int_eq(scp__link_run(link_, &out, &fake_->rt, "scp-a", &r, &seen_handler, s, NULL), SCP_OK);
	return out;
}

static scp_status run_to_end(seen *s)
{
	scp__link_stream *stream;
	scp_status rc;

	seen_init(s);
	stream = run_(s);
	rc = seen_wait(s);
	scp__link_stream_close(stream);
	return rc;
}

START_TEST(a_run_delivers_its_records_in_order)
{
	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_str_eq(seen_.text, GOOD_TEXT);
	finish_();
}
END_TEST

/* The body's records as "name=bytes;" */
static void describe(const char *request, size_t len, char *out)
{
	const char *at = strstr(request, "\r\n\r\n") + 4;
	const char *end = request + len;
	scp__record r;
	size_t used;

	*out = '\0';
	for (; at < end; at += used) {
		ck_assert_int_eq(scp__record_next(at, (size_t)(end - at), &r, &used), SCP_OK);
		out += sprintf(out, "%s=%.*s;", r.name, (int)r.len, (const char *)r.data);
	}
}

START_TEST(a_run_sends_all_of_its_request)
{
	const scp_pair env[] = { { "A", "1" }, { "B", "x y" } };
	scp__link_run_request r = request_();
	scp__link_stream *stream;
	char text[512];

	begin_(fake_say);
	says(GOOD, true);
	r.env = env;
	r.env_count = 2;
	r.stdin_data = "in";
	r.stdin_len = 2;
	r.request_id = "req_1";
	ck_assert_int_eq(scp__link_run(link_, &stream, &fake_->rt, "scp-a", &r, &seen_handler, &seen_, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	scp__link_stream_close(stream);
	ck_assert_int_eq(strncmp(fake_->requests[0], "POST /v1/run HTTP/1.1\r\n", 23), 0);
	describe(fake_->requests[0], fake_->request_lens[0], text);
	ck_assert_str_eq(text, "execution=exec_20260131_abcdefgh;attempt=1;seq=1;language=shell;timeout_ms=30000;"
			       "request_id=req_1;env=A=1;env=B=x y;event={};stdin=in;code=true;");
	finish_();
}
END_TEST

START_TEST(a_request_of_megabytes_arrives_whole)
{
	scp__link_run_request r = request_();
	scp__link_stream *stream;
	size_t len = 3u << 20;
	char *data = calloc(1, len);

	begin_(fake_say);
	says(GOOD, true);
	memset(data, 'x', len);
	r.stdin_data = data;
	r.stdin_len = len;
	ck_assert_int_eq(scp__link_run(link_, &stream, &fake_->rt, "scp-a", &r, &seen_handler, &seen_, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	scp__link_stream_close(stream);
	ck_assert_uint_gt(fake_->request_lens[0], len);
	free(data);
	finish_();
}
END_TEST

START_TEST(an_execution_id_cannot_carry_a_header)
{
	scp__link_run_request r = request_();
	scp__link_stream *stream;

	begin_(fake_say);
	r.execution_id = "a HTTP/1.1\r\nX: ";
	ck_assert_int_eq(
	    scp__link_run(link_, &stream, &fake_->rt, "scp-a", &r, &seen_handler, &seen_, NULL), SCP_EINVAL);
	ck_assert_ptr_null(stream);
	finish_();
}
END_TEST

START_TEST(an_attach_asks_for_what_is_behind)
{
	scp__link_stream *stream;

	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(
	    scp__link_attach(link_, &stream, &fake_->rt, "scp-a", "exec_1", 2, 1, &seen_handler, &seen_, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	scp__link_stream_close(stream);
	ck_assert_str_eq(seen_.text, GOOD_TEXT);
	ck_assert_int_eq(strncmp(fake_->requests[0], "GET /v1/runs/exec_1/2?after=1 HTTP/1.1\r\n", 40), 0);
	finish_();
}
END_TEST

START_TEST(an_attach_to_an_unknown_run_is_not_found)
{
	scp__link_stream *stream;

	begin_(fake_say);
	says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true);
	ck_assert_int_eq(
	    scp__link_attach(link_, &stream, &fake_->rt, "scp-a", "exec_1", 2, 9, &seen_handler, &seen_, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&seen_), SCP_ENOTFOUND);
	scp__link_stream_close(stream);
	finish_();
}
END_TEST

START_TEST(a_second_run_uses_the_kept_connection)
{
	begin_(fake_say);
	says(GOOD, true);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 1);
	finish_();
}
END_TEST

START_TEST(an_answer_that_closes_is_not_kept)
{
	begin_(fake_say);
	says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 23\r\n\r\n" RESULT, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 2);
	finish_();
}
END_TEST

START_TEST(a_forgotten_container_has_no_kept_connection)
{
	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	scp__link_forget(link_, "scp-a");
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 2);
	finish_();
}
END_TEST

/* Closes the first connection when its second request has come. */
static bool close_the_second(fake *f, int fd, unsigned number)
{
	return number != 1 && fake_say(f, fd, number);
}

START_TEST(a_kept_connection_that_dies_unanswered_is_tried_anew)
{
	begin_(close_the_second);
	says(GOOD, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_uint_eq(fake_requests(fake_), 3);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 2);
	finish_();
}
END_TEST

static bool close_all_but_the_first(fake *f, int fd, unsigned number)
{
	return !number && fake_say(f, fd, number);
}

START_TEST(a_run_is_tried_anew_once)
{
	begin_(close_all_but_the_first);
	says(GOOD, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	ck_assert_uint_eq(fake_requests(fake_), 3);
	finish_();
}
END_TEST

START_TEST(a_new_connection_that_dies_unanswered_is_not_tried_anew)
{
	begin_(fake_say);
	says("", false);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 1);
	finish_();
}
END_TEST

START_TEST(a_kept_connection_that_closed_while_idle_is_not_used)
{
	begin_(fake_say);
	says(GOOD, false);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	finish_();
}
END_TEST

static const struct {
	const char *bytes;
	scp_status status;
} refusals[] = {
	{ "HTTP/1.1 429 Too Many\r\nContent-Length: 5\r\n\r\nqueue", SCP_EBUSY },
	{ "HTTP/1.1 503 Full\r\nContent-Length: 5\r\n\r\nspool", SCP_EBUSY },
	{ "HTTP/1.1 400 Bad\r\nContent-Length: 8\r\n\r\nlanguage", SCP_EINVAL },
	{ "HTTP/1.1 404 What\r\nContent-Length: 0\r\n\r\n", SCP_EUNAVAIL },
	{ "HTTP/1.1 204 No Content\r\n\r\n", SCP_EUNAVAIL },
	{ "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", SCP_EUNAVAIL },
};

START_TEST(a_refusal_has_its_status)
{
	begin_(fake_say);
	says(refusals[_i].bytes, true);
	ck_assert_int_eq(run_to_end(&seen_), refusals[_i].status);
	ck_assert_uint_eq(seen_.records, 0);
	finish_();
}
END_TEST

START_TEST(a_refusal_says_why_in_printable_text)
{
	begin_(fake_say);
	says("HTTP/1.1 400 Bad\r\nContent-Length: 7\r\n\r\nwhy\n\x1b[m", true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(seen_.err.message, "400: why  [m"));
	finish_();
}
END_TEST

static const char *const hostile[] = {
	"\x16\x03\x01",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n",
	"HTTP/1.0 200 OK\r\n\r\nresult 4 0\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	OK200 "0\r\n\r\n",
	OK200 "c\r\nstarted 2 0\n\r\n0\r\n\r\n",
	OK200 "c\r\nStarted 2 0\n\r\n",
	OK200 "c\r\nstarted02 0\n\r\n",
	OK200 "d\r\nstdout 2 03\nx\r\n",
	OK200 "d\r\nstdout 2 -3\nx\r\n",
	OK200 "17\r\nstdout 2 4194305\nxxxxxx\r\n",
	OK200 "22\r\nstdout 2 18446744073709551616\nxxxx\r\n",
	OK200 "18\r\nstarted 2 0\nstarted 2 0\n\r\n",
	OK200 "18\r\nstarted 3 0\nstarted 2 0\n\r\n",
	OK200 "c\r\nstarted 1 0\n\r\n",
	OK200 "c\r\nstarted 0 0\n\r\n",
	OK200 "e\r\nheartbeat 5 0\n\r\n",
	OK200 "50\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
};

/* Keeps the connection open: what must end the stream is what was said. */
START_TEST(a_broken_answer_ends_the_stream)
{
	begin_(fake_say);
	says(hostile[_i], true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	ck_assert_uint_gt(strlen(seen_.err.message), 0);
	ck_assert_uint_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 2);
	finish_();
}
END_TEST

static bool endless_headers(fake *f, int fd, unsigned number)
{
	const char *line = "X-Header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";

	(void)number;
	if (!fake_send(f, fd, "HTTP/1.1 200 OK\r\n", 17))
		return false;
	while (fake_send(f, fd, line, strlen(line)))
		;
	return false;
}

START_TEST(endless_headers_end_the_stream)
{
	begin_(endless_headers);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	finish_();
}
END_TEST

/* Chunks of 64 KiB: a record of as much, from seq 2 on; `limit` of them. */
static bool flood(fake *f, int fd, unsigned limit)
{
	static char data[65536];
	char head[64];

	if (!fake_send(f, fd, OK200, strlen(OK200)))
		return false;
	for (unsigned i = 0; i < limit; i++) {
		size_t n = (size_t)snprintf(head, sizeof(head), "stdout %u %zu\n", i + 2, sizeof(data));
		char chunk[32];
		size_t m = (size_t)snprintf(chunk, sizeof(chunk), "%zx\r\n", n + sizeof(data));

		if (!fake_send(f, fd, chunk, m) || !fake_send(f, fd, head, n) ||
		    !fake_send(f, fd, data, sizeof(data)) || !fake_send(f, fd, "\r\n", 2))
			return false;
	}
	return true;
}

static bool endless_output(fake *f, int fd, unsigned number)
{
	(void)number;
	return flood(f, fd, UINT32_MAX);
}

START_TEST(endless_output_ends_the_stream)
{
	begin_(endless_output);
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	finish_();
}
END_TEST

static bool much_output(fake *f, int fd, unsigned number)
{
	const char *end = "1a\r\nresult 9999 11\nstatus 0 0\n\r\n0\r\n\r\n";

	(void)number;
	return flood(f, fd, 128) && fake_send(f, fd, end, strlen(end));
}

/* Waits for `count` records; how many there are. */
static unsigned wait_records(seen *s, unsigned count)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	while (s->records < count)
		pthread_cond_wait(&s->changed, &s->lock);
	n = s->records;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void pause_at_first(void *user, const scp__record *r)
{
	seen *s = user;

	if (!s->records)
		scp__link_stream_pause(s->stream);
	seen_record(user, r);
}

static const scp__link_handler pausing = { .record = pause_at_first, .end = seen_end };

START_TEST(a_paused_stream_makes_the_executor_wait)
{
	scp__link_run_request r = request_();

	begin_(much_output);
	ck_assert_int_eq(scp__link_run(link_, &seen_.stream, &fake_->rt, "scp-a", &r, &pausing, &seen_, NULL), SCP_OK);
	while (!atomic_load(&fake_->blocked))
		usleep(1000);
	ck_assert_uint_eq(wait_records(&seen_, 1), 1);
	ck_assert_uint_lt(atomic_load(&fake_->sent), 2u << 20);
	scp__link_stream_resume(seen_.stream);
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	ck_assert_uint_eq(seen_.records, 129);
	ck_assert_uint_eq(seen_.bytes, 128u * 65536 + 11);
	scp__link_stream_close(seen_.stream);
	finish_();
}
END_TEST

static void pause_always(void *user, const scp__record *r)
{
	scp__link_stream_pause(((seen *)user)->stream);
	seen_record(user, r);
}

static const scp__link_handler pausing_always = { .record = pause_always, .end = seen_end };

START_TEST(each_resume_brings_what_is_behind_and_the_end_comes_last)
{
	scp__link_run_request r = request_();

	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(
	    scp__link_run(link_, &seen_.stream, &fake_->rt, "scp-a", &r, &pausing_always, &seen_, NULL), SCP_OK);
	for (unsigned i = 1; i <= 3; i++) {
		ck_assert_uint_eq(wait_records(&seen_, i), i);
		scp__link_stream_resume(seen_.stream);
	}
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	ck_assert_str_eq(seen_.text, GOOD_TEXT);
	scp__link_stream_close(seen_.stream);
	finish_();
}
END_TEST

static bool byte_by_byte(fake *f, int fd, unsigned number)
{
	(void)number;
	for (size_t i = 0; i < f->len; i++) {
		if (!fake_send(f, fd, f->bytes + i, 1))
			return false;
		usleep(10);
	}
	return true;
}

START_TEST(an_answer_may_come_byte_by_byte)
{
	begin_(byte_by_byte);
	says(GOOD, true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_str_eq(seen_.text, GOOD_TEXT);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	finish_();
}
END_TEST

START_TEST(a_result_ends_the_stream_before_the_answer_ends)
{
	begin_(fake_say);
	says(OK200 "17\r\n" RESULT "\r\n", true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	finish_();
}
END_TEST

START_TEST(a_result_before_a_break_counts)
{
	begin_(fake_say);
	says(OK200 "17\r\n" RESULT "\r\nzz\r\n", true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	finish_();
}
END_TEST

START_TEST(a_heartbeat_flood_is_thinned)
{
	begin_(fake_say);
	says("HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n"
	     "heartbeat 0 0\nheartbeat 0 0\nheartbeat 0 0\n" RESULT,
	    true);
	ck_assert_int_eq(run_to_end(&seen_), SCP_OK);
	ck_assert_str_eq(seen_.text, "heartbeat:0:;result:4:status 0 0\n;");
	finish_();
}
END_TEST

static bool say_nothing(fake *f, int fd, unsigned number)
{
	char byte;

	(void)f;
	(void)number;
	return read(fd, &byte, 1) > 0;
}

START_TEST(an_executor_that_does_not_answer_ends_the_stream)
{
	begin_(say_nothing);
	link_->answer_ms = 50;
	ck_assert_int_eq(run_to_end(&seen_), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(seen_.err.message, "didn't answer"));
	finish_();
}
END_TEST

static bool only_headers(fake *f, int fd, unsigned number)
{
	(void)number;
	fake_send(f, fd, OK200 "c\r\nstarted 2 0\n\r\n", strlen(OK200) + 17);
	return say_nothing(f, fd, number);
}

static void slow_record(void *user, const scp__record *r)
{
	seen_record(user, r);
	usleep(20000);
	pthread_mutex_lock(&((seen *)user)->lock);
	((seen *)user)->bytes = 4711;
	pthread_mutex_unlock(&((seen *)user)->lock);
}

static const scp__link_handler slow = { .record = slow_record, .end = seen_end };

START_TEST(a_close_waits_for_the_call_back_that_runs)
{
	scp__link_run_request r = request_();
	scp__link_stream *stream;

	begin_(only_headers);
	ck_assert_int_eq(scp__link_run(link_, &stream, &fake_->rt, "scp-a", &r, &slow, &seen_, NULL), SCP_OK);
	wait_records(&seen_, 1);
	scp__link_stream_close(stream);
	ck_assert_uint_eq(seen_.bytes, 4711);
	ck_assert_uint_eq(seen_.ends, 0);
	finish_();
}
END_TEST

static void close_at_once(void *user, const scp__record *r)
{
	seen_record(user, r);
	scp__link_stream_close(((seen *)user)->stream);
}

static const scp__link_handler closing = { .record = close_at_once, .end = seen_end };

START_TEST(a_stream_closed_in_a_call_back_has_no_other)
{
	scp__link_run_request r = request_();

	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(scp__link_run(link_, &seen_.stream, &fake_->rt, "scp-a", &r, &closing, &seen_, NULL), SCP_OK);
	wait_records(&seen_, 1);
	scp__link_free(link_);
	ck_assert_uint_eq(seen_.records, 1);
	ck_assert_uint_eq(seen_.ends, 0);
	fake_free(fake_);
}
END_TEST

static void close_at_end(void *user, scp_status status, const scp_error *err)
{
	scp__link_stream *stream = ((seen *)user)->stream;

	scp__link_stream_close(stream);
	seen_end(user, status, err);
}

static const scp__link_handler closing_at_end = { .record = seen_record, .end = close_at_end };

START_TEST(a_stream_may_be_closed_in_its_end)
{
	scp__link_run_request r = request_();

	begin_(fake_say);
	says(GOOD, true);
	ck_assert_int_eq(
	    scp__link_run(link_, &seen_.stream, &fake_->rt, "scp-a", &r, &closing_at_end, &seen_, NULL), SCP_OK);
	ck_assert_int_eq(seen_wait(&seen_), SCP_OK);
	finish_();
}
END_TEST

START_TEST(freeing_the_link_ends_every_stream)
{
	scp__link_stream *stream;

	begin_(only_headers);
	stream = run_(&seen_);
	wait_records(&seen_, 1);
	scp__link_free(link_);
	ck_assert_uint_eq(seen_.ends, 1);
	ck_assert_int_eq(seen_.status, SCP_ECLOSED);
	scp__link_stream_close(stream);
	fake_free(fake_);
}
END_TEST

START_TEST(a_container_that_is_gone_starts_no_stream)
{
	scp__link_run_request r = request_();
	scp__link_stream *stream;

	begin_(fake_say);
	atomic_store(&fake_->refuse, SCP_ENOTFOUND);
	ck_assert_int_eq(
	    scp__link_run(link_, &stream, &fake_->rt, "scp-a", &r, &seen_handler, &seen_, NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(stream);
	ck_assert_uint_eq(seen_.ends, 0);
	finish_();
}
END_TEST

START_TEST(an_acknowledgement_is_told_in_the_background)
{
	begin_(fake_say);
	says("HTTP/1.1 204 No Content\r\n\r\n", true);
	scp__link_ack(link_, &fake_->rt, "scp-a", "exec_1", 3);
	fake_wait_requests(fake_, 1);
	scp__link_cancel(link_, &fake_->rt, "scp-a", "exec_1", 3);
	fake_wait_requests(fake_, 2);
	ck_assert_int_eq(strncmp(fake_->requests[0], "POST /v1/runs/exec_1/3/ack HTTP/1.1\r\n", 37), 0);
	ck_assert_int_eq(strncmp(fake_->requests[1], "POST /v1/runs/exec_1/3/cancel HTTP/1.1\r\n", 40), 0);
	finish_();
}
END_TEST

static void count_log(const scp_log_record *record, void *user)
{
	if (record->level == SCP_LOG_WARN && strstr(record->message, "/ack") && strstr(record->message, "closed"))
		atomic_fetch_add((atomic_uint *)user, 1);
}

START_TEST(an_acknowledgement_that_fails_is_only_logged)
{
	atomic_uint lines = 0;
	scp__log log = { .fn = count_log, .user = &lines, .level = SCP_LOG_INFO };

	ck_assert_int_eq(scp__link_new(&link_, &log, NULL), SCP_OK);
	fake_ = fake_new(fake_say);
	says("", false);
	scp__link_ack(link_, &fake_->rt, "scp-a", "exec_1", 3);
	while (!atomic_load(&lines))
		usleep(1000);
	finish_();
}
END_TEST

#define INFO                                                                                                           \
	"HTTP/1.1 200 OK\r\nContent-Length: 72\r\n\r\nprotocol 0 1\n1language 0 6\npythonlanguage 0 5\nshelluid_mode " \
	"0 8\nsame-uid"

START_TEST(a_ping_tells_what_the_executor_can)
{
	scp__link_info info;

	begin_(fake_say);
	says(INFO, true);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 5000, &info, NULL), SCP_OK);
	ck_assert(info.python && info.shell && info.same_uid && !info.javascript);
	finish_();
}
END_TEST

static bool late(fake *f, int fd, unsigned number)
{
	return number >= 3 && fake_say(f, fd, number);
}

START_TEST(a_ping_waits_until_the_executor_answers)
{
	begin_(late);
	says(INFO, true);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 5000, NULL, NULL), SCP_OK);
	ck_assert_uint_eq(fake_requests(fake_), 4);
	finish_();
}
END_TEST

START_TEST(a_ping_nobody_answers_times_out)
{
	begin_(say_nothing);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 30, NULL, NULL), SCP_ETIMEDOUT);
	finish_();
}
END_TEST

START_TEST(a_ping_refused_all_the_time_times_out)
{
	begin_(fake_say);
	says("", false);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 30, NULL, NULL), SCP_ETIMEDOUT);
	finish_();
}
END_TEST

START_TEST(a_ping_to_a_container_that_is_gone_says_so_at_once)
{
	begin_(fake_say);
	atomic_store(&fake_->refuse, SCP_ENOTFOUND);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 60000, NULL, NULL), SCP_ENOTFOUND);
	ck_assert_uint_eq(atomic_load(&fake_->connects), 1);
	finish_();
}
END_TEST

START_TEST(a_ping_refuses_another_protocol)
{
	scp_error err;

	begin_(fake_say);
	says("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nprotocol 0 2\n99", true);
	ck_assert_int_eq(scp__link_ping(link_, &fake_->rt, "scp-a", 5000, NULL, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "'99'"));
	finish_();
}
END_TEST

/* A few changed bytes of a good answer, from a fixed seed. */
static bool mutate(fake *f, int fd, unsigned number)
{
	char bytes[sizeof(GOOD)];
	unsigned seed = number;

	memcpy(bytes, GOOD, sizeof(GOOD));
	for (unsigned i = 0; i <= number % 4; i++)
		bytes[(size_t)rand_r(&seed) % (sizeof(GOOD) - 1)] = (char)rand_r(&seed);
	fake_send(f, fd, bytes, (size_t)rand_r(&seed) % 8 ? sizeof(GOOD) - 1 : (size_t)rand_r(&seed) % sizeof(GOOD));
	return false;
}

START_TEST(whatever_comes_a_stream_ends_once)
{
	begin_(mutate);
	for (unsigned i = 0; i < 3000; i++) {
		(void)run_to_end(&seen_);
		ck_assert_uint_eq(seen_.ends, 1);
		ck_assert(seen_.status != SCP_OK || strstr(seen_.text, "result:"));
	}
	finish_();
}
END_TEST

static void *many(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++) {
		seen s;

		seen_init(&s);
		if (i % 5 == 4) {
			scp__link_stream_close(run_(&s));
		} else {
			scp__link_stream *stream = run_(&s);

			scp__link_stream_pause(stream);
			scp__link_stream_resume(stream);
			ck_assert_int_eq(seen_wait(&s), SCP_OK);
			scp__link_stream_close(stream);
			scp__link_ack(link_, &fake_->rt, "scp-a", "exec_1", 1);
		}
	}
	return NULL;
}

static bool good_or_ack(fake *f, int fd, unsigned number)
{
	(void)number;
	return fake_send(f, fd, f->bytes, f->len);
}

START_TEST(many_threads_run_at_once)
{
	pthread_t t[8];

	begin_(good_or_ack);
	says(GOOD, true);
	for (size_t i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, many, NULL);
	for (size_t i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	finish_();
}
END_TEST

static void add_runs(TCase *tc)
{
	tcase_add_test(tc, a_run_delivers_its_records_in_order);
	tcase_add_test(tc, a_run_sends_all_of_its_request);
	tcase_add_test(tc, a_request_of_megabytes_arrives_whole);
	tcase_add_test(tc, an_execution_id_cannot_carry_a_header);
	tcase_add_test(tc, an_attach_asks_for_what_is_behind);
	tcase_add_test(tc, an_attach_to_an_unknown_run_is_not_found);
	tcase_add_test(tc, a_result_ends_the_stream_before_the_answer_ends);
	tcase_add_test(tc, a_container_that_is_gone_starts_no_stream);
	tcase_add_test(tc, an_answer_may_come_byte_by_byte);
	tcase_add_test(tc, many_threads_run_at_once);
}

static void add_kept(TCase *tc)
{
	tcase_add_test(tc, a_second_run_uses_the_kept_connection);
	tcase_add_test(tc, an_answer_that_closes_is_not_kept);
	tcase_add_test(tc, a_forgotten_container_has_no_kept_connection);
	tcase_add_test(tc, a_kept_connection_that_dies_unanswered_is_tried_anew);
	tcase_add_test(tc, a_run_is_tried_anew_once);
	tcase_add_test(tc, a_new_connection_that_dies_unanswered_is_not_tried_anew);
	tcase_add_test(tc, a_kept_connection_that_closed_while_idle_is_not_used);
}

static void add_hostile(TCase *tc)
{
	tcase_add_loop_test(tc, a_refusal_has_its_status, 0, sizeof(refusals) / sizeof(refusals[0]));
	tcase_add_test(tc, a_refusal_says_why_in_printable_text);
	tcase_add_loop_test(tc, a_broken_answer_ends_the_stream, 0, sizeof(hostile) / sizeof(hostile[0]));
	tcase_add_test(tc, endless_headers_end_the_stream);
	tcase_add_test(tc, endless_output_ends_the_stream);
	tcase_add_test(tc, a_result_before_a_break_counts);
	tcase_add_test(tc, a_heartbeat_flood_is_thinned);
	tcase_add_test(tc, an_executor_that_does_not_answer_ends_the_stream);
	tcase_add_test(tc, whatever_comes_a_stream_ends_once);
}

static void add_streams(TCase *tc)
{
	tcase_add_test(tc, a_paused_stream_makes_the_executor_wait);
	tcase_add_test(tc, each_resume_brings_what_is_behind_and_the_end_comes_last);
	tcase_add_test(tc, a_close_waits_for_the_call_back_that_runs);
	tcase_add_test(tc, a_stream_closed_in_a_call_back_has_no_other);
	tcase_add_test(tc, a_stream_may_be_closed_in_its_end);
	tcase_add_test(tc, freeing_the_link_ends_every_stream);
}

static void add_calls(TCase *tc)
{
	tcase_add_test(tc, an_acknowledgement_is_told_in_the_background);
	tcase_add_test(tc, an_acknowledgement_that_fails_is_only_logged);
	tcase_add_test(tc, a_ping_tells_what_the_executor_can);
	tcase_add_test(tc, a_ping_waits_until_the_executor_answers);
	tcase_add_test(tc, a_ping_nobody_answers_times_out);
	tcase_add_test(tc, a_ping_refused_all_the_time_times_out);
	tcase_add_test(tc, a_ping_to_a_container_that_is_gone_says_so_at_once);
	tcase_add_test(tc, a_ping_refuses_another_protocol);
}

static void add(Suite *suite, const char *name, void (*fill)(TCase *))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	fill(tc);
	suite_add_tcase(suite, tc);
}

int main(void)
{
	Suite *suite = suite_create("link");
	SRunner *runner = srunner_create(suite);
	int failed;

	add(suite, "runs", add_runs);
	add(suite, "kept", add_kept);
	add(suite, "hostile", add_hostile);
	add(suite, "streams", add_streams);
	add(suite, "calls", add_calls);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
