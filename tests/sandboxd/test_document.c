/* The API's document, the pages that show it, cross-origin requests and gzip. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cors.h"
#include "docs/assets.h"
#include "fixture.h"
#include "gzip.h"
#include "openapi/document.h"
#include "openapi/operation.h"
#include "suites.h"

#define API "/api/v1"
#define GZIP "Accept-Encoding: gzip\r\n"

/* ---- the document ---- */

static scp__buf text;
static scp__json *document;
static scp__buf problems;

static void write_document(void)
{
	scp_error err = { 0 };

	scp__buf_init(&text, 4u * MIB);
	scp__buf_init(&problems, 65536);
	ck_assert_msg(document_write(&text, true, &problems, &err) == SCP_OK, "%s", err.message);
	ck_assert_msg(scp__json_parse(&document, text.data, text.len, "document", &err) == SCP_OK, "%s", err.message);
}

static void free_document(void)
{
	scp__json_free(document);
	scp__buf_free(&text);
	scp__buf_free(&problems);
}

static const scp__json *operation(const struct route *route)
{
	char path[DOC_PATH_SIZE], method[16] = "";
	const scp__json *item;

	doc_path(route->pattern, path);
	for (size_t i = 0; route->method[i]; i++)
		method[i] = (char)(route->method[i] | 0x20);
	item = scp__json_get(scp__json_get(document, "paths"), path);
	return item ? scp__json_get(item, method) : NULL;
}

START_TEST(every_route_has_an_entry)
{
	ck_assert_msg(!problems.len, "what the route table or components.json lacks:\n%s", problems.data);
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		const scp__json *o = operation(r);

		ck_assert_msg(o != NULL, "%s %s has no entry", r->method, r->pattern);
		ck_assert_msg(
		    r->doc.tag && r->doc.summary && r->doc.answers, "%s %s says too little", r->method, r->pattern);
		ck_assert_uint_ge(scp__json_size(scp__json_get(o, "responses")), 2);
	}
}
END_TEST

START_TEST(no_two_operations_have_one_id)
{
	for (size_t i = 0; i < route_count; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(routes[i].doc.id, routes[j].doc.id);
}
END_TEST

START_TEST(a_route_that_takes_a_token_can_refuse_and_no_other)
{
	for (size_t i = 0; i < route_count; i++) {
		const scp__json *o = operation(&routes[i]);

		ck_assert_int_eq(routes[i].access != PUBLIC, !!scp__json_get(scp__json_get(o, "responses"), "401"));
		ck_assert_int_eq(routes[i].access != API_TOKEN, !!scp__json_get(o, "security"));
	}
}
END_TEST

START_TEST(a_route_with_a_body_says_which)
{
	for (size_t i = 0; i < route_count; i++)
		ck_assert_int_eq(routes[i].max_body > 0, !!scp__json_get(operation(&routes[i]), "requestBody"));
}
END_TEST

static const scp__json *resolve(const char *ref)
{
	const scp__json *at = document;
	char name[200];

	ck_assert_msg(strncmp(ref, "#/", 2) == 0, "%s", ref);
	for (ref += 2; at && *ref; ref += *ref == '/') {
		size_t len = strcspn(ref, "/");

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, ref);
		at = scp__json_get(at, name);
		ref += len;
	}
	return at;
}

static void check_refs(const scp__json *v)
{
	const char *ref = scp__json_typeof(v) == SCP__JSON_OBJECT && scp__json_get(v, "$ref")
			      ? scp__json_string(scp__json_get(v, "$ref"))
			      : NULL;

	if (ref)
		ck_assert_msg(resolve(ref) != NULL, "nothing is at %s", ref);
	if (scp__json_typeof(v) == SCP__JSON_OBJECT || scp__json_typeof(v) == SCP__JSON_ARRAY)
		for (size_t i = 0; i < scp__json_size(v); i++)
			check_refs(scp__json_at(v, i));
}

START_TEST(every_reference_leads_somewhere)
{
	check_refs(document);
}
END_TEST

START_TEST(every_error_of_the_table_is_an_example)
{
	const scp_error_kind *kind;
	char ref[200];

	for (size_t i = 0; (kind = scp_error_kind_at(i)); i++) {
		(void)snprintf(ref, sizeof(ref), "#/components/responses/Error%d/content", kind->http_status);
		const scp__json *content = resolve(ref);

		ck_assert_msg(content != NULL, "%s", ref);
		ck_assert_ptr_nonnull(
		    scp__json_get(scp__json_get(scp__json_get(content, "application/json"), "examples"), kind->code));
	}
}
END_TEST

START_TEST(parameters_of_a_path_have_names_of_their_own)
{
	char path[DOC_PATH_SIZE];

	doc_path("/api/v1/sessions/{id}/files/{path...}", path);
	ck_assert_str_eq(path, "/api/v1/sessions/{session_id}/files/{path}");
	doc_path("/docs/{asset}", path);
	ck_assert_str_eq(path, "/docs/{asset}");
}
END_TEST

/* ---- how it is served ---- */

static void check_unpacked(const struct answer *packed, const char *plain, size_t len)
{
	scp__buf out;

	scp__buf_init(&out, 4u * MIB);
	ck_assert_ptr_nonnull(strstr(packed->text, "Content-Encoding: gzip\r\n"));
	ck_assert_ptr_nonnull(strstr(packed->text, "Vary: Accept-Encoding\r\n"));
	ck_assert_int_eq(gzip_inflate(&out, packed->body, packed->body_len), SCP_OK);
	ck_assert_uint_eq(out.len, len);
	ck_assert_mem_eq(out.data, plain, len);
	scp__buf_free(&out);
}

START_TEST(pages_are_served_packed_and_plain_without_a_token)
{
	static const char *const targets[] = { "/", "/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css",
		"/docs/init.js", "/docs/page.css", "/openapi.json" };
	struct answer plain = ask("GET", targets[_i], NULL, NULL), packed = ask("GET", targets[_i], GZIP, NULL);

	ck_assert_int_eq(plain.status, 200);
	ck_assert_int_eq(packed.status, 200);
	ck_assert_ptr_null(strstr(plain.text, "Content-Encoding"));
	ck_assert_ptr_nonnull(strstr(plain.text, "Content-Security-Policy: default-src 'none'; script-src 'self'; "));
	plain.body[-1] = '\0'; /* from here on `text` is the head */
	ck_assert_ptr_null(strstr(plain.text, "unsafe"));
	check_unpacked(&packed, plain.body, plain.body_len);
	answer_free(&plain);
	answer_free(&packed);
}
END_TEST

START_TEST(a_page_that_is_known_is_not_sent_again)
{
	static const char *const targets[] = { "/docs", "/openapi.json" };
	struct answer first = ask("GET", targets[_i], NULL, NULL), second;
	const char *tag = strstr(first.text, "ETag: ");
	char head[128];

	ck_assert_ptr_nonnull(tag);
	(void)snprintf(head, sizeof(head), "If-None-Match: %.*s\r\n", (int)strcspn(tag + 6, "\r"), tag + 6);
	second = ask("GET", targets[_i], head, NULL);
	ck_assert_int_eq(second.status, 304);
	ck_assert_uint_eq(second.body_len, 0);
	answer_free(&first);
	answer_free(&second);
}
END_TEST

START_TEST(nothing_else_is_below_docs)
{
	static const char *const targets[] = { "/docs/components.json", "/docs/docs.html", "/docs/x", "/docs/../docs" };
	struct answer a = ask("GET", targets[_i], NULL, NULL);

	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

START_TEST(there_is_no_icon)
{
	struct answer a = ask("GET", "/favicon.ico", NULL, NULL);

	ck_assert_int_eq(a.status, 204);
	ck_assert_uint_eq(a.body_len, 0);
	answer_free(&a);
}
END_TEST

START_TEST(the_document_says_whether_a_token_is_wanted)
{
	struct answer a = ask("GET", "/openapi.json", NULL, NULL);

	/* this daemon has tokens: the alternative "none" isn't there */
	ck_assert_uint_eq(scp__json_size(scp__json_get(a.json, "security")), 1);
	answer_free(&a);
}
END_TEST

/* ---- gzip ---- */

START_TEST(gzip_is_taken_only_by_who_says_so)
{
	static const struct {
		const char *header;
		bool accepted;
	} cases[] = { { NULL, false }, { "", false }, { "gzip", true }, { "GZip", true },
		{ "deflate, gzip;q=0.5", true }, { "gzip;q=0", false }, { "gzip; q=0.000", false },
		{ "gzip;q=0.001", true }, { "*", true }, { "*;q=0", false }, { "*, gzip;q=0", false },
		{ "identity", false }, { "xgzip", false }, { "gzipx", false }, { "br , gzip", true }, { ",,,", false },
		{ "gzip;q=", true } };

	ck_assert_int_eq(gzip_accepted(cases[_i].header), cases[_i].accepted);
}
END_TEST

START_TEST(what_is_packed_comes_out_the_same)
{
	static char data[300000];
	scp__buf packed, plain;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i >> 7);
	scp__buf_init(&packed, sizeof(data));
	scp__buf_init(&plain, sizeof(data));
	ck_assert_int_eq(gzip_deflate(&packed, data, sizeof(data)), SCP_OK);
	ck_assert_int_eq(gzip_inflate(&plain, packed.data, packed.len), SCP_OK);
	ck_assert_uint_eq(plain.len, sizeof(data));
	ck_assert_mem_eq(plain.data, data, sizeof(data));
	ck_assert_int_ne(gzip_inflate(&plain, packed.data, packed.len), SCP_OK); /* twice is too much */
	scp__buf_free(&plain);
	ck_assert_int_ne(gzip_inflate(&plain, packed.data, packed.len / 2), SCP_OK);
	scp__buf_free(&plain);
	scp__buf_free(&packed);
}
END_TEST

START_TEST(a_large_answer_is_packed_for_who_takes_it)
{
	struct answer plain = ask("GET", API "/executions/exec_done_big", NULL, NULL),
		      packed = ask("GET", API "/executions/exec_done_big", GZIP, NULL);

	ck_assert_int_eq(plain.status, 200);
	ck_assert_uint_ge(plain.body_len, GZIP_FROM);
	ck_assert_ptr_nonnull(strstr(plain.text, "Vary: Accept-Encoding\r\n"));
	ck_assert_uint_lt(packed.body_len, plain.body_len);
	check_unpacked(&packed, plain.body, plain.body_len);
	answer_free(&plain);
	answer_free(&packed);
}
END_TEST

START_TEST(what_a_wait_brings_is_packed_too)
{
	int fd = connect_daemon();
	struct answer plain, packed;
	static const char request[] = "GET " API "/executions/exec_live_big/result?wait=60 HTTP/1.1\r\nHost: a\r\n"
				      "Connection: close\r\n" GZIP "\r\n";

	send_all(fd, request, sizeof(request) - 1);
	wait_for(&fake.waiting, 1);
	fake_release();
	packed = read_answer(fd);
	plain = ask("GET", API "/executions/exec_live_big/result", NULL, NULL);
	ck_assert_int_eq(packed.status, 200);
	check_unpacked(&packed, plain.body, plain.body_len);
	answer_free(&plain);
	answer_free(&packed);
}
END_TEST

START_TEST(small_answers_streams_and_files_are_never_packed)
{
	static const char *const targets[] = { API "/health/live", API "/executions/exec_done/events",
		API "/sessions/sess_ok/files/a.txt" };
	struct answer a = ask("GET", targets[_i], GZIP, NULL);

	ck_assert_int_eq(a.status, 200);
	ck_assert_ptr_null(strstr(a.text, "Content-Encoding"));
	answer_free(&a);
}
END_TEST

/* ---- cross-origin requests ---- */

#define FROM_APP "Origin: https://app.example\r\n"
#define PREFLIGHT FROM_APP "Access-Control-Request-Method: POST\r\n"

static void setup_cors(void)
{
	daemon_start((const char *const[]){
	    "--cors-origin", "https://app.example", "--cors-origin", "http://localhost:3000", NULL });
}

static void setup_cors_any(void)
{
	daemon_start((const char *const[]){ "--cors-origin", "*", NULL });
}

static bool has(const struct answer *a, const char *line)
{
	return strstr(a->text, line) != NULL;
}

START_TEST(without_the_option_no_origin_is_spoken_to)
{
	struct answer a = ask("GET", API "/health/live", FROM_APP, NULL),
		      b = ask("OPTIONS", API "/sessions", PREFLIGHT, NULL);

	ck_assert(!has(&a, "Access-Control-") && !has(&a, "Vary"));
	ck_assert_int_eq(b.status, 405);
	ck_assert(!has(&b, "Access-Control-"));
	answer_free(&a);
	answer_free(&b);
}
END_TEST

START_TEST(a_named_origin_may_ask_and_read)
{
	struct answer a = ask("OPTIONS", API "/sessions", PREFLIGHT, NULL);

	ck_assert_int_eq(a.status, 204);
	ck_assert(has(&a, "Access-Control-Allow-Origin: https://app.example\r\n"));
	ck_assert(has(&a, "Access-Control-Allow-Methods: POST, GET, HEAD\r\n"));
	ck_assert(has(&a, "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, "));
	ck_assert(has(&a, "Vary: Origin\r\n"));
	answer_free(&a);
	/* answers and errors alike, also a stream's */
	static const struct {
		const char *target;
		int status;
	} cases[] = { { API "/sessions/sess_ok", 200 }, { API "/sessions/sess_nope", 404 }, { "/nowhere", 404 },
		{ API "/executions/exec_done/events", 200 }, { API "/sessions/sess_ok/files/a.txt", 200 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		a = ask("GET", cases[i].target, FROM_APP, NULL);
		ck_assert_int_eq(a.status, cases[i].status);
		ck_assert(has(&a, "Access-Control-Allow-Origin: https://app.example\r\n"));
		ck_assert(has(&a, "Access-Control-Expose-Headers: Allow, Content-Disposition, Content-Range, ETag, "
				  "Location, Retry-After, WWW-Authenticate, X-Request-ID\r\n"));
		ck_assert(!has(&a, "Allow-Credentials"));
		answer_free(&a);
	}
}
END_TEST

START_TEST(another_origin_hears_nothing)
{
	static const char *const origins[] = { "https://app.example.evil", "http://app.example",
		"https://app.example:444", "null", "https://APP.example" };
	char head[200];
	struct answer a;

	(void)snprintf(head, sizeof(head), "Origin: %s\r\nAccess-Control-Request-Method: POST\r\n", origins[_i]);
	a = ask("OPTIONS", API "/sessions", head, NULL);
	ck_assert_int_eq(a.status, 405);
	ck_assert(!has(&a, "Access-Control-"));
	ck_assert(has(&a, "Vary: Origin\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_star_is_every_origin)
{
	struct answer a =
	    ask("OPTIONS", API "/sessions/x", "Origin: null\r\nAccess-Control-Request-Method: DELETE\r\n", NULL);

	ck_assert_int_eq(a.status, 204);
	ck_assert(has(&a, "Access-Control-Allow-Origin: *\r\n"));
	ck_assert(has(&a, "Access-Control-Allow-Methods: GET, DELETE, HEAD\r\n"));
	answer_free(&a);
}
END_TEST

START_TEST(a_preflight_to_nowhere_is_404)
{
	struct answer a = ask("OPTIONS", "/nowhere", PREFLIGHT, NULL);

	ck_assert_int_eq(a.status, 404);
	answer_free(&a);
}
END_TEST

START_TEST(what_is_no_origin_is_refused_at_the_start)
{
	static const char *const bad[] = { "app.example", "https://", "https://a/", "https://a/x", "https://a b",
		"HTTPS://a", "https://*.a", "null", "https://u@a", "://a", "https://a\r\nX: y", "" };
	const char *const one[] = { bad[_i], NULL };
	scp_error err = { 0 };

	ck_assert_int_eq(cors_check_origins(one, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "--cors-origin"));
}
END_TEST

START_TEST(origins_as_browsers_send_them_are_taken)
{
	static const char *const good[] = { "*", "https://a", "http://localhost:3000", "http://[::1]:8080",
		"chrome-extension://abcdef", NULL };

	ck_assert_int_eq(cors_check_origins(good, NULL), SCP_OK);
	ck_assert_int_eq(cors_check_origins(NULL, NULL), SCP_OK);
}
END_TEST

static void add_pages(Suite *s)
{
	TCase *t = tcase_create("pages");

	tcase_add_checked_fixture(t, daemon_setup_tokens, daemon_stop);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, pages_are_served_packed_and_plain_without_a_token, 0, 7);
	tcase_add_loop_test(t, a_page_that_is_known_is_not_sent_again, 0, 2);
	tcase_add_loop_test(t, nothing_else_is_below_docs, 0, 4);
	tcase_add_test(t, there_is_no_icon);
	tcase_add_test(t, the_document_says_whether_a_token_is_wanted);
	suite_add_tcase(s, t);
}

static void add_cors(Suite *s)
{
	TCase *named = tcase_create("cors"), *any = tcase_create("cors-any"), *none = tcase_create("no-cors");

	tcase_add_checked_fixture(named, setup_cors, daemon_stop);
	tcase_add_test(named, a_named_origin_may_ask_and_read);
	tcase_add_loop_test(named, another_origin_hears_nothing, 0, 5);
	tcase_add_test(named, a_preflight_to_nowhere_is_404);
	tcase_add_checked_fixture(any, setup_cors_any, daemon_stop);
	tcase_add_test(any, a_star_is_every_origin);
	tcase_add_checked_fixture(none, daemon_setup, daemon_stop);
	tcase_add_test(none, without_the_option_no_origin_is_spoken_to);
	tcase_add_test(none, a_large_answer_is_packed_for_who_takes_it);
	tcase_add_test(none, what_a_wait_brings_is_packed_too);
	tcase_add_loop_test(none, small_answers_streams_and_files_are_never_packed, 0, 3);
	tcase_set_timeout(named, 120);
	tcase_set_timeout(any, 120);
	tcase_set_timeout(none, 120);
	suite_add_tcase(s, named);
	suite_add_tcase(s, any);
	suite_add_tcase(s, none);
}

Suite *document_suite(void)
{
	Suite *s = suite_create("document");
	TCase *doc = tcase_create("document"), *pieces = tcase_create("pieces");

	tcase_add_checked_fixture(doc, write_document, free_document);
	tcase_add_test(doc, every_route_has_an_entry);
	tcase_add_test(doc, no_two_operations_have_one_id);
	tcase_add_test(doc, a_route_that_takes_a_token_can_refuse_and_no_other);
	tcase_add_test(doc, a_route_with_a_body_says_which);
	tcase_add_test(doc, every_reference_leads_somewhere);
	tcase_add_test(doc, every_error_of_the_table_is_an_example);
	suite_add_tcase(s, doc);
	tcase_add_test(pieces, parameters_of_a_path_have_names_of_their_own);
	tcase_add_loop_test(pieces, gzip_is_taken_only_by_who_says_so, 0, 17);
	tcase_add_test(pieces, what_is_packed_comes_out_the_same);
	tcase_add_loop_test(pieces, what_is_no_origin_is_refused_at_the_start, 0, 12);
	tcase_add_test(pieces, origins_as_browsers_send_them_are_taken);
	suite_add_tcase(s, pieces);
	add_pages(s);
	add_cors(s);
	return s;
}
