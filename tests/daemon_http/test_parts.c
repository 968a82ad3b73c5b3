/* The parsers that need no socket: chunks, queries, multipart. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "multipart.h"
#include "suites.h"

START_TEST(chunks_decode_alike_wherever_they_are_cut)
{
	static const char text[] = "5;a=b\r\nhello\r\n1\r\n \r\n00A\r\n0123456789\r\n0\r\nX: y\r\nZ: 1\r\n\r\nnext";
	struct http__chunked d;
	char out[64];
	size_t len = 0, at = 0, used, size;
	enum http__chunked_got got = HTTP__CHUNKED_MORE;

	http__chunked_init(&d);
	for (size_t end = (size_t)_i; got != HTTP__CHUNKED_END && at < sizeof(text) - 1;) {
		const char *body = NULL;

		got = http__chunked_next(&d, text + at, end - at, &used, &body, &size);
		ck_assert_int_ne(got, HTTP__CHUNKED_BAD);
		if (got == HTTP__CHUNKED_DATA) {
			memcpy(out + len, body, size);
			len += size;
		}
		at += used;
		if (at == end)
			end = sizeof(text) - 1;
	}
	ck_assert_int_eq(got, HTTP__CHUNKED_END);
	ck_assert_uint_eq(len, 16);
	ck_assert_mem_eq(out, "hello 0123456789", 16);
	ck_assert_str_eq(text + at, "next");
}
END_TEST

START_TEST(endless_extensions_and_trailers_are_refused)
{
	struct http__chunked d;
	const char *body;
	size_t used, size;
	static char text[20000];

	(void)snprintf(text, sizeof(text), "1;%010000d\r\n", 0);
	http__chunked_init(&d);
	ck_assert_int_eq(http__chunked_next(&d, text, strlen(text), &used, &body, &size), HTTP__CHUNKED_BAD);
	(void)snprintf(text, sizeof(text), "0\r\nX: %010000d\r\n\r\n", 0);
	http__chunked_init(&d);
	ck_assert_int_eq(http__chunked_next(&d, text, strlen(text), &used, &body, &size), HTTP__CHUNKED_BAD);
}
END_TEST

START_TEST(query_parameters_are_found_by_their_decoded_name)
{
	char out[16];

	ck_assert_int_eq(http_query_get("a=1&b%62=x+y%2B&c", "bb", out, sizeof(out)), 1);
	ck_assert_str_eq(out, "x y+");
	ck_assert_int_eq(http_query_get("a=1&c", "c", out, sizeof(out)), 1);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(http_query_get("ab=1", "a", out, sizeof(out)), 0);
	ck_assert_int_eq(http_query_get("a=%zz", "a", out, sizeof(out)), -1);
	ck_assert_int_eq(http_query_get("a=%00", "a", out, sizeof(out)), -1);
	ck_assert_int_eq(http_query_get("a=0123456789012345", "a", out, sizeof(out)), -1);
	ck_assert_int_eq(http_query_get("a=012345678901234", "a", out, sizeof(out)), 1);
}
END_TEST

START_TEST(query_pairs_come_one_by_one)
{
	const char *at = "&a=1&&b=%32&c";
	char name[8], value[8];

	ck_assert_int_eq(http_query_next(&at, name, sizeof(name), value, sizeof(value)), 1);
	ck_assert_str_eq(name, "a");
	ck_assert_int_eq(http_query_next(&at, name, sizeof(name), value, sizeof(value)), 1);
	ck_assert_str_eq(value, "2");
	ck_assert_int_eq(http_query_next(&at, name, sizeof(name), value, sizeof(value)), 1);
	ck_assert_str_eq(name, "c");
	ck_assert_str_eq(value, "");
	ck_assert_int_eq(http_query_next(&at, name, sizeof(name), value, sizeof(value)), 0);
	at = "%zz=1";
	ck_assert_int_eq(http_query_next(&at, name, sizeof(name), value, sizeof(value)), -1);
}
END_TEST

/* A log of what came out: "[name|file|type:data]" a part. */
struct seen {
	char text[4096];
	size_t len;
	int stop_at; /* a call-back that says stop */
};

static void note(struct seen *s, const char *data, size_t len)
{
	ck_assert_uint_lt(s->len + len, sizeof(s->text));
	memcpy(s->text + s->len, data, len);
	s->len += len;
	s->text[s->len] = '\0';
}

static int saw_part(void *user, const multipart_part *p)
{
	struct seen *s = user;
	char line[512];
	int n = snprintf(line, sizeof(line), "[%s|%s|%s:", p->name, p->filename ? p->filename : "-",
	    p->content_type ? p->content_type : "-");

	note(s, line, (size_t)n);
	return s->stop_at == 1;
}

static int saw_data(void *user, const void *data, size_t len)
{
	note(user, data, len);
	return ((struct seen *)user)->stop_at == 2;
}

static int saw_end(void *user)
{
	note(user, "]", 1);
	return ((struct seen *)user)->stop_at == 3;
}

static const multipart_handler watch = { saw_part, saw_data, saw_end };

static int feed_in_two(struct seen *s, const char *type, const char *body, size_t len, size_t cut)
{
	const char *why = NULL;
	multipart *m = multipart_new(type, 4, &watch, s, &why);
	int rc;

	ck_assert_msg(m != NULL, "%s", why);
	rc = multipart_feed(m, body, cut);
	rc = rc ? rc : multipart_feed(m, body + cut, len - cut);
	rc = rc ? rc : multipart_end(m);
	multipart_free(m);
	return rc;
}

static const char type_b[] = "multipart/form-data; boundary=BoUnD";
static const char good[] =
    "preamble\r\n--BoUnD\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\na/b\r\n"
    "--BoUnD \t\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=\"fi%22le\"; "
    "filename=\"x\\\"y;.txt\"\r\n\r\n"
    "\r\nline\r\n--BoUn\r\r\n-\r\n--BoUnX--\r\n\r\n--BoUnD--\r\nepilogue";
static const char expected[] = "[path|-|-:a/b][fi\"le|x\"y;.txt|text/plain:\r\nline\r\n--BoUn\r\r\n-\r\n--BoUnX--\r\n]";

START_TEST(parts_come_out_alike_wherever_the_body_is_cut)
{
	struct seen s = { .len = 0 };

	ck_assert_int_eq(feed_in_two(&s, type_b, good, sizeof(good) - 1, (size_t)_i), 0);
	ck_assert_str_eq(s.text, expected);
}
END_TEST

START_TEST(parts_come_out_alike_byte_by_byte)
{
	struct seen s = { .len = 0 };
	multipart *m = multipart_new(type_b, 4, &watch, &s, NULL);

	for (size_t i = 0; i < sizeof(good) - 1; i++)
		ck_assert_int_eq(multipart_feed(m, good + i, 1), 0);
	ck_assert_int_eq(multipart_end(m), 0);
	ck_assert_str_eq(s.text, expected);
	multipart_free(m);
}
END_TEST

START_TEST(boundaries_may_be_quoted_and_bodies_empty)
{
	struct seen s = { .len = 0 };
	static const char body[] = "--a b:c\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--a b:c--";

	ck_assert_int_eq(
	    feed_in_two(&s, "Multipart/Form-Data; charset=utf-8; boundary=\"a b:c\"", body, sizeof(body) - 1, 9), 0);
	ck_assert_str_eq(s.text, "[x|-|-:]");
	memset(&s, 0, sizeof(s));
	ck_assert_int_eq(feed_in_two(&s, type_b, "--BoUnD--\r\n", 11, 3), 0);
	ck_assert_str_eq(s.text, "");
}
END_TEST

#define CD "Content-Disposition: form-data; name=\"a\"\r\n"
static const char *const hostile[] = {
	"",
	"--BoUnD",
	"--BoUnD\r\n",
	"--BoUnD\r\n" CD "\r\nno end",
	"--BoUnD\r\n" CD "\r\nno end\r\n--BoUnD",
	"--BoUnD\r\n" CD "\r\nno end\r\n--BoUnD-",
	"--BoUnDx\r\n" CD "\r\nx\r\n--BoUnD--",
	"--BoUnD\n" CD "\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: form-data; name=\"a\"\n\nx\r\n--BoUnD--",
	"--BoUnD\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Type: text/plain\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\nContent-Disposition: form-data; name\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD CD "\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD " folded\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD "X : y\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD "no colon\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD "X: \x01\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD "Content-Transfer-Encoding: base64\r\n\r\nx\r\n--BoUnD--",
	"--BoUnD\r\n" CD "\r\n1\r\n--BoUnD\r\n" CD "\r\n2\r\n--BoUnD\r\n" CD "\r\n3\r\n--BoUnD\r\n" CD
	"\r\n4\r\n--BoUnD\r\n" CD "\r\n5\r\n--BoUnD--",
};

START_TEST(hostile_bodies_are_refused_with_a_reason)
{
	struct seen s = { .len = 0 };
	multipart *m = multipart_new(type_b, 4, &watch, &s, NULL);
	int rc = multipart_feed(m, hostile[_i], strlen(hostile[_i]));

	ck_assert_msg((rc ? rc : multipart_end(m)) == -1, "%s", hostile[_i]);
	ck_assert_ptr_nonnull(multipart_error(m));
	ck_assert_int_eq(multipart_feed(m, "x", 1), -1);
	multipart_free(m);
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
	struct seen s = { .len = 0 };
	multipart *m = multipart_new(type_b, 4, &watch, &s, NULL);
	int rc = multipart_feed(m, "--BoUnD\r\nX: ", 12);

	for (int i = 0; !rc && i < 10000; i++)
		rc = multipart_feed(m, "x", 1);
	ck_assert_int_eq(rc, -1);
	multipart_free(m);
}
END_TEST

START_TEST(a_call_back_that_stops_is_final)
{
	struct seen s = { .stop_at = _i };

	ck_assert_int_eq(feed_in_two(&s, type_b, good, sizeof(good) - 1, 40), -1);
}
END_TEST

static const char *const wrong_types[] = { "text/plain", "multipart/form-data",
	"multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=\"a",
	"multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=a\x01",
	"multipart/form-data; boundary=\"a \"", "multipart/form-dataX; boundary=a",
	"multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890" };

START_TEST(wrong_content_types_are_refused)
{
	const char *why = NULL;

	ck_assert_msg(multipart_new(wrong_types[_i], 0, &watch, NULL, &why) == NULL, "%s", wrong_types[_i]);
	ck_assert_ptr_nonnull(why);
}
END_TEST

Suite *parts_suite(void)
{
	Suite *s = suite_create("parsers");
	TCase *t = tcase_create("parsers");

	tcase_add_loop_test(t, chunks_decode_alike_wherever_they_are_cut, 0, 64);
	tcase_add_test(t, endless_extensions_and_trailers_are_refused);
	tcase_add_test(t, query_parameters_are_found_by_their_decoded_name);
	tcase_add_test(t, query_pairs_come_one_by_one);
	tcase_add_loop_test(t, parts_come_out_alike_wherever_the_body_is_cut, 0, (int)sizeof(good));
	tcase_add_test(t, parts_come_out_alike_byte_by_byte);
	tcase_add_test(t, boundaries_may_be_quoted_and_bodies_empty);
	tcase_add_loop_test(t, hostile_bodies_are_refused_with_a_reason, 0, (int)(sizeof(hostile) / sizeof(*hostile)));
	tcase_add_test(t, a_head_without_end_is_refused);
	tcase_add_loop_test(t, a_call_back_that_stops_is_final, 1, 4);
	tcase_add_loop_test(t, wrong_content_types_are_refused, 0, (int)(sizeof(wrong_types) / sizeof(*wrong_types)));
	suite_add_tcase(s, t);
	return s;
}
