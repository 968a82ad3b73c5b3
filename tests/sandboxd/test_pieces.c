/* Parts that need no daemon: routes, ranges and tags, tokens, listening sockets, the log. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"
#include "daemon_log.h"
#include "file_headers.h"
#include "listen.h"
#include "suites.h"
#include "tokens.h"

/* ---- routes ---- */

static const struct {
	const char *method, *path, *pattern, *first, *second;
} found[] = {
	{ "GET", "/api/v1/sessions", "/api/v1/sessions", NULL, NULL },
	{ "GET", "/api/v1/sessions/sess_1", "/api/v1/sessions/{id}", "sess_1", NULL },
	{ "HEAD", "/api/v1/sessions/sess_1", "/api/v1/sessions/{id}", "sess_1", NULL },
	{ "POST", "/api/v1/sessions/s/files/upload", "/api/v1/sessions/{id}/files/upload", "s", NULL },
	{ "GET", "/api/v1/sessions/s/files/upload", "/api/v1/sessions/{id}/files/{path...}", "s", "upload" },
	{ "GET", "/api/v1/sessions/s/files/a/b//c/", "/api/v1/sessions/{id}/files/{path...}", "s", "a/b//c/" },
	{ "HEAD", "/api/v1/sessions/s/files/a", "/api/v1/sessions/{id}/files/{path...}", "s", "a" },
	{ "GET", "/api/v1/sessions/s/files", "/api/v1/sessions/{id}/files", "s", NULL },
};

START_TEST(paths_find_their_route_and_parameters)
{
	scp__arena *arena = scp__arena_new();
	const char *param[MAX_PARAMS] = { NULL, NULL }, *allow = NULL;
	scp_error err = { 0 };
	const struct route *r = route_find(found[_i].method, found[_i].path, arena, param, &allow, &err);

	ck_assert_msg(r != NULL, "%s", err.message);
	ck_assert_str_eq(r->pattern, found[_i].pattern);
	ck_assert_pstr_eq(param[0], found[_i].first);
	ck_assert_pstr_eq(param[1], found[_i].second);
	scp__arena_free(arena);
}
END_TEST

START_TEST(other_paths_are_404_and_other_methods_405_with_allow)
{
	static const char *const nowhere[] = { "/api", "/api/v1/session", "/api/v1/sessions/",
		"/api/v1/sessions//files", "/api/v1/sessions/s/files/", "/api/v1/sessions/s/x", "/api/v1/sessionsx",
		"//api/v1/sessions", "" };
	scp__arena *arena = scp__arena_new();
	const char *param[MAX_PARAMS], *allow = NULL;
	scp_error err = { 0 };

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++) {
		ck_assert_ptr_null(route_find("GET", nowhere[i], arena, param, &allow, &err));
		ck_assert_str_eq(err.code, "NotFound");
		ck_assert_ptr_null(allow);
		memset(&err, 0, sizeof(err));
	}
	ck_assert_ptr_null(route_find("PUT", "/api/v1/sessions/s", arena, param, &allow, &err));
	ck_assert_str_eq(err.code, "MethodNotAllowed");
	ck_assert_str_eq(allow, "GET, DELETE, HEAD");
	memset(&err, 0, sizeof(err));
	ck_assert_ptr_null(route_find("HEAD", "/api/v1/executions/e/events", arena, param, &allow, &err));
	ck_assert_str_eq(allow, "GET");
	scp__arena_free(arena);
}
END_TEST

START_TEST(every_route_is_well_formed_and_found_by_its_own_pattern)
{
	for (size_t i = 0; i < route_count; i++) {
		scp__arena *arena = scp__arena_new();
		const char *param[MAX_PARAMS], *allow;
		scp_error err;

		ck_assert_ptr_eq(
		    route_find(routes[i].method, routes[i].pattern, arena, param, &allow, &err), &routes[i]);
		ck_assert((routes[i].where == STREAM) == (routes[i].start != NULL));
		ck_assert((routes[i].where == STREAM) != (routes[i].handler != NULL));
		ck_assert(strlen(routes[i].query) < 64 && (!*routes[i].query || routes[i].query[0] == ' '));
		scp__arena_free(arena);
	}
}
END_TEST

START_TEST(unknown_and_repeated_query_parameters_are_refused_by_name)
{
	struct route r = { .query = " status template_id agent_id limit offset " };
	scp_error err = { 0 };

	ck_assert_int_eq(route_check_query(&r, "limit=1&offset=2&status=&agent%5Fid=x", &err), SCP_OK);
	ck_assert_int_eq(route_check_query(&r, "limit=1&lim=2", &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'lim'"));
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(route_check_query(&r, "offset=1&offset=1", &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'offset' is given more than once"));
	ck_assert_int_eq(route_check_query(&r, "limit%20offset=1", NULL), SCP_EINVAL);
	ck_assert_int_eq(route_check_query(&r, "limit=%zz", NULL), SCP_EINVAL);
}
END_TEST

/* ---- files ---- */

static const struct {
	const char *header;
	uint64_t size;
	enum range_kind kind;
	uint64_t offset, length;
} ranges[] = {
	{ "bytes=0-0", 10, RANGE_ONE, 0, 1 },
	{ "bytes=0-", 10, RANGE_ONE, 0, 10 },
	{ "Bytes=3-5", 10, RANGE_ONE, 3, 3 },
	{ "bytes=3-500", 10, RANGE_ONE, 3, 7 },
	{ "bytes=-3", 10, RANGE_ONE, 7, 3 },
	{ "bytes=-30", 10, RANGE_ONE, 0, 10 },
	{ "bytes=9-9", 10, RANGE_ONE, 9, 1 },
	{ "bytes=10-", 10, RANGE_BAD, 0, 0 },
	{ "bytes=10-11", 10, RANGE_BAD, 0, 0 },
	{ "bytes=-0", 10, RANGE_BAD, 0, 0 },
	{ "bytes=0-", 0, RANGE_BAD, 0, 0 },
	{ "bytes=-1", 0, RANGE_BAD, 0, 0 },
	{ "bytes=5-3", 10, RANGE_NONE, 0, 0 },
	{ "bytes=0-1,3-4", 10, RANGE_NONE, 0, 0 },
	{ "bytes=", 10, RANGE_NONE, 0, 0 },
	{ "bytes=-", 10, RANGE_NONE, 0, 0 },
	{ "bytes=a-b", 10, RANGE_NONE, 0, 0 },
	{ "bytes= 0-1", 10, RANGE_NONE, 0, 0 },
	{ "bytes=99999999999999999999-", 10, RANGE_NONE, 0, 0 },
	{ "lines=0-1", 10, RANGE_NONE, 0, 0 },
	{ "b", 10, RANGE_NONE, 0, 0 },
};

START_TEST(ranges_are_read_as_rfc_9110_says)
{
	scp_range r = { 0, 0 };

	ck_assert_msg(range_parse(ranges[_i].header, ranges[_i].size, &r) == ranges[_i].kind, "%s", ranges[_i].header);
	ck_assert_uint_eq(r.offset, ranges[_i].offset);
	ck_assert_uint_eq(r.length, ranges[_i].length);
}
END_TEST

START_TEST(entity_tags_match_in_lists)
{
	ck_assert(etag_matches("\"a\"", "a"));
	ck_assert(etag_matches("\"b\", W/\"a\"", "a"));
	ck_assert(etag_matches("*", "a"));
	ck_assert(!etag_matches("\"ab\"", "a"));
	ck_assert(!etag_matches("\"a\"", NULL));
	ck_assert(etag_same("\"a\"", "a"));
	ck_assert(!etag_same("W/\"a\"", "a"));
}
END_TEST

START_TEST(a_hostile_file_name_stays_inside_its_header)
{
	scp_file f = { .path = "d/a\";b\\ \xc3\xa9.html", .size_bytes = 1, .mime_type = "text/html", .etag = "v" };
	struct file_headers h;

	file_headers_fill(&h, &f, NULL, "X-Request-ID: r");
	ck_assert_str_eq(h.disposition,
	    "Content-Disposition: attachment; filename=\"a__b_ __.html\"; filename*=UTF-8''a%22%3Bb%5C%20%C3%A9.html");
}
END_TEST

START_TEST(the_longest_file_name_fits)
{
	char name[256];
	scp_file f = { .path = name, .size_bytes = 1 };
	struct file_headers h;

	memset(name, '\x80', 255);
	name[255] = '\0';
	file_headers_fill(&h, &f, NULL, "X-Request-ID: r");
	ck_assert_str_eq(h.disposition + strlen(h.disposition) - 6, "%80%80");
	ck_assert_uint_gt(strlen(h.disposition), 255u * 4);
}
END_TEST

/* ---- tokens ---- */

static void rewrite(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

START_TEST(tokens_open_for_their_bearers_alone_and_are_read_again)
{
	char path[] = "/tmp/scp-tokens-XXXXXX";
	struct tokens *t = NULL;
	scp_error err = { 0 };

	close(mkstemp(path));
	rewrite(path, "# ours\nalice:secret-one\n\nsecret-two\n");
	ck_assert_int_eq(tokens_open(&t, path, NULL, &err), SCP_OK);
	ck_assert_uint_eq(tokens_count(t), 2);
	ck_assert_pstr_eq(tokens_check(t, "Bearer secret-one"), "alice");
	ck_assert_pstr_eq(tokens_check(t, "bearer  secret-two"), "token-4");
	ck_assert_ptr_null(tokens_check(t, "Bearer alice:secret-one"));
	ck_assert_ptr_null(tokens_check(t, "Bearer secret-on"));
	ck_assert_ptr_null(tokens_check(t, "Bearer "));
	ck_assert_ptr_null(tokens_check(t, "Basic secret-one"));
	ck_assert_ptr_null(tokens_check(t, NULL));
	rewrite(path, "short\n");
	ck_assert_int_eq(tokens_reload(t, &err), SCP_EINVAL);
	ck_assert_ptr_null(strstr(err.message, "short")); /* a secret, however bad */
	ck_assert_pstr_eq(tokens_check(t, "Bearer secret-one"), "alice");
	rewrite(path, "bob:secret-three\n");
	ck_assert_int_eq(tokens_reload(t, &err), SCP_OK);
	ck_assert_ptr_null(tokens_check(t, "Bearer secret-one"));
	ck_assert_pstr_eq(tokens_check(t, "Bearer secret-three"), "bob");
	tokens_free(t);
	unlink(path);
}
END_TEST

START_TEST(a_token_that_stands_twice_is_refused_and_an_open_file_is_noticed)
{
	char path[] = "/tmp/scp-tokens-XXXXXX";
	struct tokens *t = NULL;
	scp_error err = { 0 };

	close(mkstemp(path));
	rewrite(path, "alice:secret-one\nbob:secret-one\n");
	ck_assert_int_eq(tokens_open(&t, path, NULL, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "line 2"));
	ck_assert_ptr_null(strstr(err.message, "secret-one"));
	rewrite(path, "alice:secret-one\n");
	ck_assert_int_eq(tokens_open(&t, path, NULL, &err), SCP_OK);
	ck_assert(!tokens_exposed(t));
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(tokens_reload(t, &err), SCP_OK);
	ck_assert(!tokens_exposed(t)); /* root's, for the group that it runs as */
	ck_assert_int_eq(chmod(path, 0644), 0);
	ck_assert_int_eq(tokens_reload(t, &err), SCP_OK);
	ck_assert(tokens_exposed(t));
	tokens_free(t);
	unlink(path);
}
END_TEST

START_TEST(a_file_without_tokens_is_an_error_not_an_open_door)
{
	char path[] = "/tmp/scp-tokens-XXXXXX";
	struct tokens *t = NULL;

	close(mkstemp(path));
	rewrite(path, "# nothing\n");
	ck_assert_int_eq(tokens_open(&t, path, NULL, NULL), SCP_EINVAL);
	ck_assert_int_eq(tokens_open(&t, "/nonexistent", NULL, NULL), SCP_EINVAL);
	ck_assert_int_eq(tokens_open(&t, NULL, "short", NULL), SCP_EINVAL);
	ck_assert_int_eq(tokens_open(&t, NULL, "has:a-colon", NULL), SCP_OK);
	ck_assert_ptr_nonnull(tokens_check(t, "Bearer has:a-colon"));
	tokens_free(t);
	unlink(path);
}
END_TEST

/* ---- listening ---- */

START_TEST(addresses_are_bound_and_told_with_their_port)
{
	struct listeners l = { 0 };
	scp_error err = { 0 };

	ck_assert_msg(listen_open(&l, "127.0.0.1:0", &err) == SCP_OK, "%s", err.message);
	ck_assert_msg(listen_open(&l, "0.0.0.0:0", &err) == SCP_OK, "%s", err.message);
	ck_assert_uint_eq(l.count, 2);
	ck_assert(strncmp(l.list[0].name, "127.0.0.1:", 10) == 0 && atoi(l.list[0].name + 10) > 0);
	ck_assert(l.list[0].local);
	ck_assert(!l.list[1].local);
	listen_close(&l);
}
END_TEST

static const char *const bad_addresses[] = { "", "8000", ":8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
	"127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]", "unix:relative", "unix:",
	("unix:/"
	 "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	 "8") };

START_TEST(bad_addresses_are_refused_by_name)
{
	struct listeners l = { 0 };
	scp_error err = { 0 };

	ck_assert_int_eq(listen_open(&l, bad_addresses[_i], &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "--listen"));
	listen_close(&l);
}
END_TEST

START_TEST(a_stale_unix_socket_is_replaced_a_served_one_is_not)
{
	char path[64], address[80];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct listeners l = { 0 }, twin = { 0 };
	scp_error err = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(path, sizeof(path), "/tmp/scp-listen-%d", getpid());
	(void)snprintf(address, sizeof(address), "unix:%s", path);
	strcpy(a.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd); /* it stays behind */
	ck_assert_msg(listen_open(&l, address, &err) == SCP_OK, "%s", err.message);
	ck_assert_int_eq(listen_open(&twin, address, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "served by another process"));
	listen_close(&twin);
	ck_assert_int_eq(access(path, F_OK), 0);
	listen_close(&l);
	ck_assert_int_ne(access(path, F_OK), 0);
	rewrite(path, "x");
	ck_assert_int_eq(listen_open(&l, address, NULL), SCP_EINVAL);
	ck_assert_int_eq(access(path, F_OK), 0);
	listen_close(&l);
	unlink(path);
}
END_TEST

/* ---- the log ---- */

static const scp_pair fields[] = { { "status", "200" }, { "latency_ms", "1.250" }, { "route", "/x" },
	{ "note", "a\nb\x1b[31m\xff" } };
static const scp_log_record record = { .struct_size = sizeof(record),
	.level = SCP_LOG_WARN,
	.time_us = 1767182400123456,
	.component = "http",
	.message = "requ\"est",
	.request_id = "req_1",
	.field_count = 4,
	.fields = fields };

static void logged(const char *format, char *out, size_t size)
{
	char path[] = "/tmp/scp-log-XXXXXX";
	struct daemon_log *log = NULL;
	FILE *f;

	close(mkstemp(path));
	ck_assert_int_eq(daemon_log_open(&log, path, format, NULL), SCP_OK);
	daemon_log_write(&record, log);
	unlink(path);
	ck_assert_int_eq(daemon_log_reopen(log, NULL), SCP_OK);
	daemon_log_write(&record, log); /* to the new file */
	daemon_log_free(log);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	out[fread(out, 1, size - 1, f)] = '\0';
	fclose(f);
	unlink(path);
}

START_TEST(a_record_is_one_line_of_json_also_after_reopening)
{
	char text[2048];
	scp__json *json = NULL;

	logged("json", text, sizeof(text));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	ck_assert_int_eq(scp__json_parse(&json, text, strlen(text) - 1, "line", NULL), SCP_OK);
	ck_assert_str_eq(scp__json_string(scp__json_get(json, "time")), "2025-12-31T12:00:00.123Z");
	ck_assert_str_eq(scp__json_string(scp__json_get(json, "level")), "warn");
	ck_assert_str_eq(scp__json_string(scp__json_get(json, "message")), "requ\"est");
	ck_assert(scp__json_number(scp__json_get(json, "latency_ms")) == 1.25);
	ck_assert(scp__json_number(scp__json_get(json, "status")) == 200);
	ck_assert_ptr_null(scp__json_get(json, "session_id"));
	scp__json_free(json);
}
END_TEST

START_TEST(no_control_character_reaches_a_terminal)
{
	char text[2048];

	logged("text", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, " status=200 latency_ms=1.250 route=/x note=a?b?[31m"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	ck_assert_ptr_null(strchr(text, '\x1b'));
}
END_TEST

Suite *pieces_suite(void)
{
	Suite *s = suite_create("pieces");
	TCase *t = tcase_create("pieces");

	tcase_add_loop_test(t, paths_find_their_route_and_parameters, 0, (int)(sizeof(found) / sizeof(*found)));
	tcase_add_test(t, other_paths_are_404_and_other_methods_405_with_allow);
	tcase_add_test(t, every_route_is_well_formed_and_found_by_its_own_pattern);
	tcase_add_test(t, unknown_and_repeated_query_parameters_are_refused_by_name);
	tcase_add_loop_test(t, ranges_are_read_as_rfc_9110_says, 0, (int)(sizeof(ranges) / sizeof(*ranges)));
	tcase_add_test(t, entity_tags_match_in_lists);
	tcase_add_test(t, a_hostile_file_name_stays_inside_its_header);
	tcase_add_test(t, the_longest_file_name_fits);
	tcase_add_test(t, tokens_open_for_their_bearers_alone_and_are_read_again);
	tcase_add_test(t, a_token_that_stands_twice_is_refused_and_an_open_file_is_noticed);
	tcase_add_test(t, a_file_without_tokens_is_an_error_not_an_open_door);
	tcase_add_test(t, addresses_are_bound_and_told_with_their_port);
	tcase_add_loop_test(
	    t, bad_addresses_are_refused_by_name, 0, (int)(sizeof(bad_addresses) / sizeof(*bad_addresses)));
	tcase_add_test(t, a_stale_unix_socket_is_replaced_a_served_one_is_not);
	tcase_add_test(t, a_record_is_one_line_of_json_also_after_reopening);
	tcase_add_test(t, no_control_character_reaches_a_terminal);
	suite_add_tcase(s, t);
	return s;
}
