/* Event streams, uploads and downloads: order, resumption, backpressure, ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "suites.h"

#define API "/api/v1"
#define EVENTS(id) "GET " API "/executions/" id "/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

static struct answer ask_events(const char *request, const char *head)
{
	int fd = connect_daemon();

	send_all(fd, request, strlen(request));
	send_all(fd, head, strlen(head));
	send_all(fd, "\r\n", 2);
	return read_answer(fd);
}

START_TEST(past_events_are_replayed_and_the_result_is_the_last)
{
	struct answer a;

	fake.events = 2;
	a = ask_events(EVENTS("exec_done"), "");
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Type: text/event-stream"));
	ck_assert_ptr_nonnull(strstr(a.body, "id: 1\nevent: stdout\ndata: {\"text\":\"1 \"}\n\n"));
	ck_assert_ptr_nonnull(
	    strstr(strstr(a.body, "id: 2\n"), "id: 3\nevent: result\ndata: {\"execution_id\":\"exec_done\""));
	ck_assert_str_eq(a.body + a.body_len - 5, "0\r\n\r\n");
	answer_free(&a);
}
END_TEST

START_TEST(last_event_id_resumes_behind_it)
{
	struct answer a;

	fake.events = 3;
	a = ask_events(EVENTS("exec_done"), "Last-Event-ID: 2\r\n");
	ck_assert_uint_eq(fake.after, 2);
	ck_assert_ptr_null(strstr(a.body, "id: 2\n"));
	ck_assert_ptr_nonnull(strstr(a.body, "id: 3\n"));
	answer_free(&a);
	a = ask_events(EVENTS("exec_done"), "Last-Event-ID: x\r\n");
	ck_assert_int_eq(a.status, 400);
	answer_free(&a);
	a = ask_events(EVENTS("exec_nope"), "");
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

START_TEST(a_slow_reader_pauses_the_execution_s_events_and_loses_none)
{
	enum { EVENT = 10000, COUNT = 2000 };
	static const char request[] = EVENTS("exec_done") "\r\n";
	int fd = connect_daemon(), small = 4096;
	unsigned before = 0, now = 1, seen = 0;
	struct answer a;

	fake.events = COUNT;
	fake.event_size = EVENT;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	send_all(fd, request, sizeof(request) - 1);
	/* until nothing moves any more */
	for (int still = 0; still < 100; still = now == before ? still + 1 : 0) {
		before = now;
		usleep(5000);
		pthread_mutex_lock(&fake.lock);
		now = fake.delivered;
		pthread_mutex_unlock(&fake.lock);
	}
	ck_assert_uint_gt(now, 0);
	ck_assert_uint_lt(now * EVENT, 2u << 20); /* of 20 MB */
	a = read_answer(fd);
	for (const char *at = a.body; (at = strstr(at, "event: stdout")); at++)
		seen++;
	ck_assert_uint_eq(seen, COUNT);
	ck_assert_ptr_nonnull(strstr(a.body, "event: result"));
	answer_free(&a);
}
END_TEST

START_TEST(a_client_that_leaves_its_events_ends_the_subscription)
{
	static const char request[] = EVENTS("exec_live") "\r\n";
	int fd = connect_daemon();
	unsigned before = fake.live;
	char byte;

	send_all(fd, request, sizeof(request) - 1);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	close(fd);
	for (int i = 0; i < 60000 && fake.live > before; i++)
		usleep(1000);
	ck_assert_uint_eq(fake.live, before);
}
END_TEST

START_TEST(a_drain_ends_event_streams)
{
	static const char request[] = EVENTS("exec_live") "\r\n";
	int fd = connect_daemon();
	struct answer a;

	send_all(fd, request, sizeof(request) - 1);
	wait_for(&fake.waiting, 1);
	daemon_signal(SIGTERM);
	a = read_answer(fd);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(strstr(a.body, "event: result"));
	answer_free(&a);
	daemon_join();
}
END_TEST

/* ---- uploads ---- */

static unsigned char *pattern(size_t size)
{
	unsigned char *p = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		p[i] = fake_byte(i);
	return p;
}

static struct answer upload(const char *target, const char *head, const char *before, size_t size, const char *after)
{
	char text[1024];
	unsigned char *bytes = pattern(size);
	int fd = connect_daemon();
	int n = snprintf(text, sizeof(text),
	    "POST " API "/sessions/%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
	    target, head, strlen(before) + size + strlen(after), before);

	send_all(fd, text, (size_t)n);
	send_all(fd, bytes, size);
	send_all(fd, after, strlen(after));
	free(bytes);
	return read_answer(fd);
}

#define RAW "Content-Type: application/octet-stream\r\n"
#define FORM "Content-Type: multipart/form-data; boundary=B\r\n"
#define PART(name) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static const struct {
	const char *what, *target, *head, *before, *after;
	size_t size;
	int status;
	const char *says;
} uploads[] = {
	{ "raw", "sess_ok/files/upload?path=a%2Fb", RAW, "", "", 300000, 200,
	    "{\"path\":\"a/b\",\"size\":300000,\"sha256\":\"00\"}" },
	{ "raw and empty", "sess_ok/files/upload?path=a", RAW, "", "", 0, 200, "\"size\":0" },
	{ "path first", "sess_ok/files/upload", FORM, PART("path") "p\r\n" PART("file"), "\r\n--B--\r\n", 300000, 200,
	    "{\"path\":\"p\",\"size\":300000" },
	{ "path last", "sess_ok/files/upload", FORM, PART("file"), "\r\n" PART("path") "p\r\n--B--\r\n", 300000, 200,
	    "{\"path\":\"p\",\"size\":300000" },
	{ "path in the query", "sess_ok/files/upload?path=q", FORM, PART("file"), "\r\n--B--\r\n", 300000, 200,
	    "{\"path\":\"q\",\"size\":300000" },
	{ "an empty file", "sess_ok/files/upload?path=q", FORM, PART("file"), "\r\n--B--\r\n", 0, 200, "\"size\":0" },
	{ "no path", "sess_ok/files/upload", FORM, PART("file"), "\r\n--B--\r\n", 10, 400, "path: is required" },
	{ "raw without path", "sess_ok/files/upload", RAW, "", "", 10, 400, "path: is required" },
	{ "no file", "sess_ok/files/upload?path=p", FORM, "--B--\r\n", "", 0, 400, "file: is required" },
	{ "two files", "sess_ok/files/upload?path=p", FORM, PART("file") "\r\n" PART("file"), "\r\n--B--\r\n", 0, 400,
	    "file: more than one" },
	{ "two paths", "sess_ok/files/upload?path=p", FORM, PART("path") "q\r\n" PART("file"), "\r\n--B--\r\n", 0, 400,
	    "path: is given more than once" },
	{ "a path that is too long", "sess_ok/files/upload", FORM, PART("path"), "\r\n--B--\r\n", 2000, 400,
	    "path: longer" },
	{ "another part", "sess_ok/files/upload?path=p", FORM, PART("fiel"), "\r\n--B--\r\n", 10, 400, "'fiel'" },
	{ "no end", "sess_ok/files/upload?path=p", FORM, PART("file"), "\r\n--B", 10, 400, "closing boundary" },
	{ "no boundary", "sess_ok/files/upload?path=p", "Content-Type: multipart/form-data\r\n", "", "", 10, 400,
	    "boundary" },
	{ "another type", "sess_ok/files/upload?path=p", "Content-Type: text/csv\r\n", "", "", 10, 415, "text/csv" },
	{ "a bad path", "sess_ok/files/upload?path=../x", RAW, "", "", 10, 400, "path" },
	{ "no such session", "sess_nope/files/upload?path=x", RAW, "", "", 10, 404, "sess_nope" },
	{ "a full disk", "sess_ok/files/upload?path=full", RAW, "", "", 3000000, 413, "the disk is full" },
	{ "a full disk, spooled", "sess_ok/files/upload", FORM, PART("file"), "\r\n" PART("path") "full\r\n--B--\r\n",
	    3000000, 413, "full" },
	{ "too large", "sess_ok/files/upload?path=x", RAW, "", "", 6000000, 413, "" },
	{ "too large in a form", "sess_ok/files/upload?path=x", FORM, PART("file"), "\r\n--B--\r\n", 7000000, 413, "" },
};

START_TEST(each_upload_ends_as_it_should)
{
	struct answer a =
	    upload(uploads[_i].target, uploads[_i].head, uploads[_i].before, uploads[_i].size, uploads[_i].after);

	ck_assert_msg(a.status == uploads[_i].status, "%s: %s", uploads[_i].what, a.text);
	ck_assert_msg(strstr(a.body, uploads[_i].says) != NULL, "%s: %s", uploads[_i].what, a.body);
	answer_free(&a);
}
END_TEST

START_TEST(an_upload_that_cannot_go_on_stops_its_client)
{
	static const char head[] =
	    "POST " API "/sessions/sess_ok/files/upload?path=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" RAW
	    "Content-Length: 5000000\r\n\r\n";
	unsigned char *bytes = pattern(5000000);
	int fd = connect_daemon();
	size_t sent = 0;
	struct answer a;

	fake.hold_uploads = true;
	send_all(fd, head, sizeof(head) - 1);
	for (int still = 0; still < 100;) {
		ssize_t n = send(fd, bytes + sent, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		still = n > 0 ? 0 : still + 1;
		if (n <= 0)
			usleep(2000);
	}
	ck_assert_uint_lt(sent, 2000000);
	ck_assert_uint_eq(fake.uploaded, 0);
	fake_release();
	send_all(fd, bytes + sent, 5000000 - sent);
	a = read_answer(fd);
	ck_assert_msg(a.status == 200, "%s", a.text);
	ck_assert_uint_eq(fake.uploaded, 5000000);
	answer_free(&a);
	free(bytes);
}
END_TEST

START_TEST(a_client_that_leaves_its_upload_leaves_nothing)
{
	static const char head[] = "POST " API "/sessions/sess_ok/files/upload?path=x HTTP/1.1\r\nHost: a\r\n" RAW
				   "Content-Length: 5000000\r\n\r\n";
	unsigned char *bytes = pattern(50000);
	unsigned before = fake.live;
	int fd = connect_daemon();

	send_all(fd, head, sizeof(head) - 1);
	send_all(fd, bytes, 50000);
	close(fd);
	for (int i = 0; i < 60000 && fake.live > before; i++)
		usleep(1000);
	ck_assert_uint_eq(fake.live, before);
	free(bytes);
}
END_TEST

static void setup_small(void)
{
	daemon_start((const char *const[]){ "--max-upload", "5Mi", NULL });
}

/* ---- downloads ---- */

#define FILES API "/sessions/sess_ok/files/"

START_TEST(a_file_comes_whole_and_is_never_shown_as_ours)
{
	struct answer a;

	fake.file_size = 3000000;
	a = ask("GET", FILES "big", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 3000000);
	for (size_t i = 0; i < a.body_len; i++)
		ck_assert((unsigned char)a.body[i] == fake_byte(i));
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Disposition: attachment; filename=\"big\""));
	ck_assert_ptr_nonnull(strstr(a.text, "X-Content-Type-Options: nosniff\r\n"));
	ck_assert_ptr_nonnull(strstr(a.text, "ETag: \"v1\"\r\n"));
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Length: 3000000\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(ranges_tags_and_head_are_honoured)
{
	struct answer a = ask("GET", FILES "big", "Range: bytes=10-19\r\n", NULL);

	ck_assert_int_eq(a.status, 206);
	ck_assert_uint_eq(a.body_len, 10);
	ck_assert((unsigned char)a.body[0] == fake_byte(10));
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Range: bytes 10-19/1000\r\n"));
	answer_free(&a);
	a = ask("GET", FILES "big", "Range: bytes=1000-\r\n", NULL);
	ck_assert_int_eq(a.status, 416);
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Range: bytes */1000\r\n"));
	answer_free(&a);
	a = ask("GET", FILES "big", "Range: bytes=0-1\r\nIf-Range: \"v0\"\r\n", NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 1000);
	answer_free(&a);
	a = ask("GET", FILES "big", "If-None-Match: \"x\", \"v1\"\r\n", NULL);
	ck_assert_int_eq(a.status, 304);
	ck_assert_uint_eq(a.body_len, 0);
	answer_free(&a);
	a = ask("HEAD", FILES "big", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_nonnull(strstr(a.text, "Content-Length: 1000\r\n"));
	ck_assert_uint_eq(a.body_len, 0);
	answer_free(&a);
	a = ask("GET", FILES "missing", NULL, NULL);
	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

START_TEST(a_file_that_changes_under_a_range_comes_whole)
{
	struct answer a = ask("GET", FILES "changing", "Range: bytes=10-19\r\n", NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 1000);
	answer_free(&a);
}
END_TEST

START_TEST(a_file_that_breaks_off_ends_the_connection)
{
	struct answer a = ask("GET", FILES "broken", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_lt(a.body_len, 1000);
	answer_free(&a);
}
END_TEST

START_TEST(a_storage_that_can_link_is_linked_to_unless_told_not_to)
{
	struct answer a;

	fake.file_size = 11u << 20;
	fake.links = true;
	a = ask("GET", FILES "big", NULL, NULL);
	ck_assert_int_eq(a.status, 307);
	ck_assert_ptr_nonnull(strstr(a.text, "Location: https://storage.example/signed?x=1\r\n"));
	answer_free(&a);
	a = ask("GET", FILES "big?redirect=false", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 11u << 20);
	answer_free(&a);
	fake.links = false;
	a = ask("GET", FILES "big", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	ck_assert_uint_eq(a.body_len, 11u << 20);
	answer_free(&a);
}
END_TEST

START_TEST(a_slow_download_holds_little_and_others_are_served)
{
	static const char request[] =
	    "GET " FILES "big?redirect=false HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	int fd = connect_daemon();
	struct answer a;

	fake.file_size = 50u << 20;
	send_all(fd, request, sizeof(request) - 1);
	a = ask("GET", API "/sessions/sess_ok", NULL, NULL);
	ck_assert_int_eq(a.status, 200);
	answer_free(&a);
	a = read_answer(fd);
	ck_assert_uint_eq(a.body_len, 50u << 20);
	answer_free(&a);
}
END_TEST

START_TEST(a_client_that_leaves_its_download_leaves_nothing)
{
	static const char request[] = "GET " FILES "big HTTP/1.1\r\nHost: a\r\n\r\n";
	unsigned before = fake.live;
	int fd = connect_daemon();
	char byte;

	fake.file_size = 9u << 20;
	send_all(fd, request, sizeof(request) - 1);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	close(fd);
	for (int i = 0; i < 60000 && fake.live > before; i++)
		usleep(1000);
	ck_assert_uint_eq(fake.live, before);
}
END_TEST

START_TEST(files_are_listed_and_deleted)
{
	struct answer a = ask("GET", API "/sessions/sess_ok/files?path=a%2Fb&recursive=true", NULL, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_str_eq(fake.last, "files a/b 1");
	answer_free(&a);
	a = ask("GET", API "/sessions/sess_ok/files?recursive=maybe", NULL, NULL);
	ck_assert_int_eq(a.status, 400);
	answer_free(&a);
	a = ask("DELETE", FILES "a/b%20c", NULL, NULL);
	ck_assert_int_eq(a.status, 204);
	ck_assert_str_eq(fake.last, "delete sess_ok a/b c");
	answer_free(&a);
}
END_TEST

Suite *streams_suite(void)
{
	Suite *s = suite_create("streams");
	TCase *t = tcase_create("streams");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup_small, daemon_stop);
	tcase_add_test(t, past_events_are_replayed_and_the_result_is_the_last);
	tcase_add_test(t, last_event_id_resumes_behind_it);
	tcase_add_test(t, a_slow_reader_pauses_the_execution_s_events_and_loses_none);
	tcase_add_test(t, a_client_that_leaves_its_events_ends_the_subscription);
	tcase_add_test(t, a_drain_ends_event_streams);
	tcase_add_loop_test(t, each_upload_ends_as_it_should, 0, (int)(sizeof(uploads) / sizeof(*uploads)));
	tcase_add_test(t, an_upload_that_cannot_go_on_stops_its_client);
	tcase_add_test(t, a_client_that_leaves_its_upload_leaves_nothing);
	tcase_add_test(t, a_file_comes_whole_and_is_never_shown_as_ours);
	tcase_add_test(t, ranges_tags_and_head_are_honoured);
	tcase_add_test(t, a_file_that_changes_under_a_range_comes_whole);
	tcase_add_test(t, a_file_that_breaks_off_ends_the_connection);
	tcase_add_test(t, a_storage_that_can_link_is_linked_to_unless_told_not_to);
	tcase_add_test(t, a_slow_download_holds_little_and_others_are_served);
	tcase_add_test(t, a_client_that_leaves_its_download_leaves_nothing);
	tcase_add_test(t, files_are_listed_and_deleted);
	suite_add_tcase(s, t);
	return s;
}
