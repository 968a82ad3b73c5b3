/* A server that vanishes, and what only S3 has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "s3/s3.h"
#include "suite.h"

#define BIG (UINT64_C(24) << 20)

/* Uploads in parts that are under way at the server, below this place. */
static int uploads(void)
{
	struct s3 *s = (struct s3 *)at.st;
	struct s3_call c = { .method = "GET" };
	int count = 0;

	s3_call_query(&c, "uploads", "");
	s3_call_query(&c, "prefix", s->config.prefix);
	assert_ok(s3_call_run(s, &c, &at.err));
	for (const char *p = c.answer.data; (p = strstr(p, "<UploadId>")); p++)
		count++;
	s3_call_free(&c);
	return count;
}

static scp_object_writer *begin_upload(const char *key, size_t size)
{
	char *data = calloc(1, size);
	scp_object_writer *w;

	assert_ok(scp__storage_put_open(at.st, key, NULL, &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, data, size, &at.err));
	free(data);
	return w;
}

START_TEST(an_upload_that_is_closed_uncommitted_is_aborted)
{
	scp_object_writer *w = begin_upload("d/f", 6 << 20);

	ck_assert_int_eq(uploads(), 1);
	scp__storage_put_close(at.st, w);
	ck_assert_int_eq(uploads(), 0);
}
END_TEST

START_TEST(a_server_killed_during_an_upload_leaves_no_object)
{
	scp_object_writer *w = begin_upload("d/f", 6 << 20);
	char *more = calloc(1, 12 << 20);
	scp_object object;

	ck_assert_int_eq(server("kill"), 0);
	assert_status(scp__storage_put_write(at.st, w, more, 12 << 20, &at.err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(at.err.hint, "endpoint="));
	assert_status(scp__storage_put_commit(at.st, w, NULL, &at.err), SCP_EINTERNAL);
	scp__storage_put_close(at.st, w);
	assert_status(scp__storage_stat(at.st, "d/f", &object, &at.err), SCP_EUNAVAIL);
	ck_assert_int_eq(server("revive"), 0);
	assert_status(scp__storage_stat(at.st, "d/f", &object, &at.err), SCP_ENOTFOUND);
	ck_assert_int_eq(uploads(), 1);
	/* Nobody could abort it; who removes its folder does. */
	assert_ok(scp__storage_remove_prefix(at.st, "d", &at.err));
	ck_assert_int_eq(uploads(), 0);
	put("d/f", "again");
	assert_holds("d/f", "again");
	free(more);
}
END_TEST

static void read_on(scp_object_reader *r, uint64_t *done, uint64_t until, scp_status *rc)
{
	static char data[65536], wanted[65536];
	size_t len = 1;

	for (*rc = SCP_OK; !*rc && len && *done < until; *done += len) {
		*rc = scp__storage_get_read(at.st, r, data, sizeof(data), &len, &at.err);
		fill(wanted, len, *done);
		ck_assert(*rc || !memcmp(data, wanted, len));
	}
}

START_TEST(a_server_killed_during_a_download_is_told)
{
	scp_object_reader *r;
	uint64_t done = 0;
	scp_status rc;

	assert_ok(put_large(at.st, "f", BIG, 1 << 20, NULL, &at.err));
	assert_ok(scp__storage_get_open(at.st, "f", 0, 0, &r, NULL, &at.err));
	read_on(r, &done, 1 << 20, &rc);
	assert_ok(rc);
	ck_assert_int_eq(server("kill"), 0);
	read_on(r, &done, UINT64_MAX, &rc);
	ck_assert_int_eq(rc, SCP_EUNAVAIL);
	ck_assert_uint_lt(done, BIG);
	scp__storage_get_close(at.st, r);
	ck_assert_int_eq(server("revive"), 0);
	assert_ok(check_large(at.st, "f", BIG, 1 << 20, &at.err));
}
END_TEST

START_TEST(a_download_survives_a_server_that_comes_back)
{
	scp_object_reader *r;
	uint64_t done = 0;
	scp_status rc;

	assert_ok(put_large(at.st, "f", BIG, 1 << 20, NULL, &at.err));
	assert_ok(scp__storage_get_open(at.st, "f", 0, 0, &r, NULL, &at.err));
	read_on(r, &done, 1 << 20, &rc);
	ck_assert_int_eq(server("kill"), 0);
	ck_assert_int_eq(server("revive"), 0);
	read_on(r, &done, UINT64_MAX, &rc);
	assert_ok(rc);
	ck_assert_uint_eq(done, BIG);
	scp__storage_get_close(at.st, r);
}
END_TEST

/* ---- presigned ---- */

static scp_status take(void *user, const void *data, size_t len, scp_error *err)
{
	(void)err;
	return scp__buf_append(user, data, len);
}

static int ask(const char *method, const char *url, const char *body, char text[256])
{
	scp__http_request q = { .method = method, .url = url, .body = body, .body_len = body ? strlen(body) : 0 };
	scp__http *http;
	scp__buf answer;
	int status = 0;

	scp__buf_init(&answer, 1 << 20);
	q.on_body = take;
	q.user = &answer;
	ck_assert_int_eq(scp__http_new(&http, NULL, NULL), SCP_OK);
	assert_ok(scp__http_do(http, &q, &status, &at.err));
	snprintf(text, 256, "%.250s", answer.len ? answer.data : "");
	scp__buf_free(&answer);
	scp__http_free(http);
	return status;
}

START_TEST(presigned_urls_read_and_write_without_a_key)
{
	static const char *const keys[] = { "d/f", "a b/ü+%&=?#.txt" };
	char *url, text[256];

	for (size_t i = 0; i < 2; i++) {
		assert_ok(scp__storage_presign(at.st, keys[i], "PUT", 60, &url, &at.err));
		ck_assert_ptr_null(strstr(url, "testing"));
		ck_assert_int_eq(ask("PUT", url, "from outside", text), 200);
		ck_assert_int_eq(ask("GET", url, NULL, text), 403);
		free(url);
		assert_holds(keys[i], "from outside");
		assert_ok(scp__storage_presign(at.st, keys[i], "GET", 60, &url, &at.err));
		ck_assert_int_eq(ask("GET", url, NULL, text), 200);
		ck_assert_str_eq(text, "from outside");
		ck_assert_int_eq(ask("PUT", url, "x", text), 403);
		free(url);
	}
	assert_status(scp__storage_presign(at.st, "f", "DELETE", 60, &url, &at.err), SCP_EINVAL);
	assert_status(scp__storage_presign(at.st, "f", "GET", 0, &url, &at.err), SCP_EINVAL);
	assert_status(scp__storage_presign(at.st, "f", "GET", 604801, &url, &at.err), SCP_EINVAL);
}
END_TEST

START_TEST(presigned_urls_end)
{
	char *url, text[256];

	put("f", "x");
	assert_ok(scp__storage_presign(at.st, "f", "GET", 1, &url, &at.err));
	sleep(3);
	ck_assert_int_eq(ask("GET", url, NULL, text), 403);
	free(url);
}
END_TEST

START_TEST(presigned_urls_carry_the_public_endpoint)
{
	scp_storage *st;
	char *url;

	assert_ok(open_s3(&st, "contract", "&public_endpoint=https://files.example.org:443/&prefix=p"));
	assert_ok(scp__storage_presign(st, "a/f", "GET", 60, &url, &at.err));
	ck_assert_ptr_eq(strstr(url, "https://files.example.org/contract/p/a/f?X-Amz-Algorithm="), url);
	free(url);
	scp__storage_close(st);
	assert_ok(open_s3(&st, "contract", "&public_endpoint=https://files.example.org&style=virtual"));
	assert_ok(scp__storage_presign(st, "a/f", "GET", 60, &url, &at.err));
	ck_assert_ptr_eq(strstr(url, "https://contract.files.example.org/a/f?"), url);
	free(url);
	scp__storage_close(st);
}
END_TEST

/* "contract.localhost": libcurl knows that it is this machine. */
START_TEST(addresses_by_host_work_too)
{
	static const char key[] = "a b/\303\274+%&=?#.txt";
	char url[256], text[256], *presigned;
	scp_storage *st;
	void *data;
	size_t len;

	snprintf(url, sizeof(url), "s3://contract?endpoint=http://localhost%s&style=virtual&prefix=virtual",
	    strrchr(endpoint, ':'));
	assert_ok(scp__storage_open(&st, url, NULL, &at.err));
	assert_ok(scp__storage_put_bytes(st, key, "x", 1, &at.err));
	assert_ok(scp__storage_get_bytes(st, key, 10, &data, &len, &at.err));
	free(data);
	assert_ok(scp__storage_presign(st, key, "GET", 60, &presigned, &at.err));
	ck_assert_ptr_eq(strstr(presigned, "http://contract.localhost:"), presigned);
	ck_assert_int_eq(ask("GET", presigned, NULL, text), 200);
	free(presigned);
	assert_ok(scp__storage_remove_prefix(st, "a b", &at.err));
	assert_status(scp__storage_get_bytes(st, key, 10, &data, &len, &at.err), SCP_ENOTFOUND);
	scp__storage_close(st);
}
END_TEST

START_TEST(names_that_others_made_are_neither_shown_nor_in_the_way)
{
	struct s3 *s = (struct s3 *)at.st;
	static const char *const keys[] = { "d/", "d//x", "d/../e", "d/a" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct s3_call c = { .method = "PUT", .key = keys[i] };

		assert_ok(s3_call_run(s, &c, &at.err));
		s3_call_free(&c);
	}
	assert_list("d", "", NULL, "d/a\n");
	assert_list("d", "", LIST_OPTIONS(.recursive = true), "d/a\n");
	assert_ok(scp__storage_remove_prefix(at.st, "d", &at.err));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "");
}
END_TEST

Suite *faults_suite(void)
{
	Suite *suite = suite_create("storage contract: faults");
	TCase *tc = tcase_create("faults");

	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, open_place, close_place);
	tcase_add_test(tc, an_upload_that_is_closed_uncommitted_is_aborted);
	tcase_add_test(tc, a_server_killed_during_an_upload_leaves_no_object);
	tcase_add_test(tc, a_server_killed_during_a_download_is_told);
	tcase_add_test(tc, a_download_survives_a_server_that_comes_back);
	tcase_add_test(tc, presigned_urls_read_and_write_without_a_key);
	tcase_add_test(tc, presigned_urls_end);
	tcase_add_test(tc, presigned_urls_carry_the_public_endpoint);
	tcase_add_test(tc, addresses_by_host_work_too);
	tcase_add_test(tc, names_that_others_made_are_neither_shown_nor_in_the_way);
	suite_add_tcase(suite, tc);
	return suite;
}
