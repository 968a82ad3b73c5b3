#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "storage_suite.h"

START_TEST(bytes_come_back_whatever_their_number)
{
	const size_t part = storage_subject->part;
	const struct {
		uint64_t size;
		size_t step;
	} rows[] = { { 0, 1 }, { 1, 1 }, { 100000, 777 }, { part - 1, 65536 }, { part, part }, { part + 1, 1 << 20 },
		{ 2 * part, 4 << 20 }, { 2 * part + 7, 2 * part + 7 } };
	char key[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		scp_object put, found;

		snprintf(key, sizeof(key), "sizes/%zu", i);
		assert_ok(put_large(at.st, key, rows[i].size, rows[i].step, &put, &at.err));
		ck_assert_uint_eq(put.size_bytes, rows[i].size);
		assert_ok(scp__storage_stat(at.st, key, &found, &at.err));
		ck_assert_uint_eq(found.size_bytes, rows[i].size);
		ck_assert_str_eq(found.etag, put.etag);
		assert_ok(check_large(at.st, key, rows[i].size, rows[i].step, &at.err));
	}
}
END_TEST

static const char *const odd_keys[] = { "a b/ c ", "plus+and%percent", "%2F%20%", "é/ü/日本語/𝄞", "=?#;:@,$!*()'&<>\"",
	"tilde~/-_./..x/x../...", "{}[]|\\^`", "Ä/e\xcc\x81", "http:/x", "a.b/.hidden", "+", "%", "&amp;", "]]>",
	"sessions/w/Makefile" };

START_TEST(odd_keys_are_keys_like_any_other)
{
	scp_object object;
	char *all, next[1401];

	for (size_t i = 0; i < sizeof(odd_keys) / sizeof(odd_keys[0]); i++)
		put(odd_keys[i], odd_keys[i]);
	all = list("", "", LIST_OPTIONS(.recursive = true), next);
	for (size_t i = 0; i < sizeof(odd_keys) / sizeof(odd_keys[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s\n", odd_keys[i]);
		ck_assert_msg(strstr(all, line) != NULL, "%s isn't listed in: %s", odd_keys[i], all);
		assert_holds(odd_keys[i], odd_keys[i]);
		assert_ok(scp__storage_stat(at.st, odd_keys[i], &object, &at.err));
		assert_ok(scp__storage_remove(at.st, odd_keys[i], &at.err));
		assert_status(scp__storage_stat(at.st, odd_keys[i], &object, &at.err), SCP_ENOTFOUND);
	}
	free(all);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
	static const char *const keys[] = { "", "/a", "a//b", "a/", "./a", "a/../b", "a\nb", "\xff" };
	scp_object object;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_status(scp__storage_stat(at.st, keys[i], &object, &at.err), SCP_EINVAL);
}
END_TEST

START_TEST(a_put_tells_size_and_digest)
{
	char sha256[65];
	scp_object put, found;
	scp_object_writer *w;

	scp__sha256_hex("hello", 5, sha256);
	assert_ok(scp__storage_put_open(at.st, "d/f", NULL, &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, "hel", 3, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, "lo", 2, &at.err));
	assert_ok(scp__storage_put_commit(at.st, w, &put, &at.err));
	ck_assert_str_eq(put.key, "d/f");
	ck_assert(!put.sha256[0] || !strcmp(put.sha256, sha256));
	scp__storage_put_close(at.st, w);
	assert_ok(scp__storage_stat(at.st, "d/f", &found, &at.err));
	ck_assert(!found.sha256[0] || !strcmp(found.sha256, sha256));
	ck_assert_str_eq(found.etag, put.etag);
	/* S3 says when in its head only by the second. */
	ck_assert_int_le(llabs(found.modified_us - put.modified_us), 2000000);
}
END_TEST

START_TEST(nothing_is_seen_before_commit)
{
	uint64_t size = _i ? 2 * storage_subject->part + 1000 : 1;
	char *data = calloc(1, size);
	scp_object_writer *w;
	scp_object object;

	assert_ok(scp__storage_put_open(at.st, "a/f", NULL, &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, data, size, &at.err));
	assert_status(scp__storage_stat(at.st, "a/f", &object, &at.err), SCP_ENOTFOUND);
	assert_list("a", "", LIST_OPTIONS(.recursive = true), "");
	assert_ok(scp__storage_put_commit(at.st, w, NULL, &at.err));
	scp__storage_put_close(at.st, w);
	assert_ok(scp__storage_stat(at.st, "a/f", &object, &at.err));
	ck_assert_uint_eq(object.size_bytes, size);
	free(data);
}
END_TEST

START_TEST(an_uncommitted_put_leaves_what_was)
{
	uint64_t size = _i ? 2 * storage_subject->part + 1000 : 1;
	char *data = calloc(1, size);
	scp_object_writer *w;

	put("a/f", "old");
	assert_ok(scp__storage_put_open(at.st, "a/f", NULL, &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, data, size, &at.err));
	scp__storage_put_close(at.st, w);
	assert_holds("a/f", "old");
	free(data);
}
END_TEST

START_TEST(a_put_replaces_and_the_etag_tells)
{
	scp_object before, after;

	put("a/f", "old");
	assert_ok(scp__storage_stat(at.st, "a/f", &before, &at.err));
	put("a/f", "new");
	assert_holds("a/f", "new");
	assert_ok(scp__storage_stat(at.st, "a/f", &after, &at.err));
	ck_assert_str_ne(before.etag, after.etag);
}
END_TEST

START_TEST(more_than_max_bytes_is_too_big)
{
	scp_object_writer *w;
	scp_object object;

	assert_ok(scp__storage_put_open(at.st, "a/f", PUT_OPTIONS(.max_bytes = 4), &w, &at.err));
	assert_ok(scp__storage_put_write(at.st, w, "1234", 4, &at.err));
	assert_status(scp__storage_put_write(at.st, w, "5", 1, &at.err), SCP_ETOOBIG);
	ck_assert_int_ne(scp__storage_put_write(at.st, w, "5", 1, &at.err), SCP_OK);
	ck_assert_int_ne(scp__storage_put_commit(at.st, w, NULL, &at.err), SCP_OK);
	scp__storage_put_close(at.st, w);
	assert_status(scp__storage_stat(at.st, "a/f", &object, &at.err), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_put_where_something_else_is_conflicts)
{
	scp_object_writer *w;

	put("d/sub/x", "x");
	put("d/f", "x");
	put("f", "x");
	assert_status(scp__storage_put_open(at.st, "d", NULL, &w, &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(at.st, "d/sub", NULL, &w, &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(at.st, "d/f/g", NULL, &w, &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(at.st, "d/f/g/h/i", NULL, &w, &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(at.st, "f/g", NULL, &w, &at.err), SCP_ECONFLICT);
	ck_assert_ptr_null(w);
	put("d/sub/y/z", "x");
	assert_holds("d/f", "x");
}
END_TEST

static const struct range {
	uint64_t offset, length;
	scp_status status;
	const char *text;
} ranges[] = { { 0, 0, SCP_OK, "0123456789" }, { 0, 1, SCP_OK, "0" }, { 3, 4, SCP_OK, "3456" }, { 9, 0, SCP_OK, "9" },
	{ 8, 100, SCP_OK, "89" }, { 0, UINT64_MAX, SCP_OK, "0123456789" }, { 10, 0, SCP_EINVAL, NULL },
	{ 11, 1, SCP_EINVAL, NULL }, { UINT64_MAX, UINT64_MAX, SCP_EINVAL, NULL } };

static void assert_range(const struct range *range)
{
	scp_object_reader *r;
	scp_object object;
	char text[32] = "";
	size_t len, n = 0;

	assert_status(
	    scp__storage_get_open(at.st, "f", range->offset, range->length, &r, &object, &at.err), range->status);
	if (!r)
		return;
	ck_assert_uint_eq(object.size_bytes, 10);
	do {
		assert_ok(scp__storage_get_read(at.st, r, text + n, sizeof(text) - n, &len, &at.err));
		n += len;
	} while (len);
	text[n] = '\0';
	ck_assert_str_eq(text, range->text);
	scp__storage_get_close(at.st, r);
}

START_TEST(ranges_give_what_they_say)
{
	put("f", "0123456789");
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		assert_range(&ranges[i]);
}
END_TEST

START_TEST(a_range_of_an_empty_object_is_empty)
{
	scp_object_reader *r;
	scp_object object;
	char text[4];
	size_t len;

	put("f", "");
	assert_holds("f", "");
	for (uint64_t length = 0; length < 10; length += 5) {
		assert_ok(scp__storage_get_open(at.st, "f", 0, length, &r, &object, &at.err));
		assert_ok(scp__storage_get_read(at.st, r, text, sizeof(text), &len, &at.err));
		ck_assert_uint_eq(len + object.size_bytes, 0);
		scp__storage_get_close(at.st, r);
	}
	assert_status(scp__storage_get_open(at.st, "f", 1, 0, &r, &object, &at.err), SCP_EINVAL);
}
END_TEST

START_TEST(reading_may_stop_anywhere)
{
	scp_object_reader *r;
	char text[10];
	size_t len;

	assert_ok(put_large(at.st, "f", 3 << 20, 1 << 20, NULL, &at.err));
	for (int i = 0; i < 3; i++) {
		assert_ok(scp__storage_get_open(at.st, "f", 0, 0, &r, NULL, &at.err));
		assert_ok(scp__storage_get_read(at.st, r, text, sizeof(text), &len, &at.err));
		ck_assert_uint_eq(len, sizeof(text));
		scp__storage_get_close(at.st, r);
	}
	assert_ok(check_large(at.st, "f", 3 << 20, 1000, &at.err));
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
	scp_object_reader *r;
	scp_object object;

	put("d/f", "x");
	assert_status(scp__storage_stat(at.st, "none", &object, &at.err), SCP_ENOTFOUND);
	assert_status(scp__storage_stat(at.st, "d/f/g", &object, &at.err), SCP_ENOTFOUND);
	assert_status(scp__storage_get_open(at.st, "none", 0, 0, &r, &object, &at.err), SCP_ENOTFOUND);
	assert_status(scp__storage_get_open(at.st, "none", 5, 2, &r, &object, &at.err), SCP_ENOTFOUND);
	assert_status(scp__storage_get_open(at.st, "none", UINT64_MAX, 0, &r, &object, &at.err), SCP_ENOTFOUND);
	assert_status(scp__storage_get_open(at.st, "d", 0, 0, &r, &object, &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_remove(at.st, "none", &at.err), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_directory_is_there_while_something_is_in_it)
{
	scp_object object;

	put("d/sub/f", "x");
	assert_ok(scp__storage_stat(at.st, "d", &object, &at.err));
	ck_assert(object.directory && !object.size_bytes);
	assert_status(scp__storage_remove(at.st, "d", &at.err), SCP_ECONFLICT);
	assert_status(scp__storage_remove(at.st, "d/sub", &at.err), SCP_ECONFLICT);
	assert_ok(scp__storage_remove(at.st, "d/sub/f", &at.err));
	assert_status(scp__storage_remove(at.st, "d/sub/f", &at.err), SCP_ENOTFOUND);
}
END_TEST

START_TEST(a_prefix_goes_with_everything_below_and_nothing_beside)
{
	scp_object object;

	put("p/a/b/c", "x");
	put("p/d e+%é&<", "x");
	put("p2/keep", "x");
	put("p-x", "x");
	put("q", "x");
	assert_ok(scp__storage_remove_prefix(at.st, "p", &at.err));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "p-x\np2/keep\nq\n");
	assert_ok(scp__storage_remove_prefix(at.st, "p", &at.err));
	assert_ok(scp__storage_remove_prefix(at.st, "none/at/all", &at.err));
	assert_ok(scp__storage_remove_prefix(at.st, "q", &at.err));
	assert_status(scp__storage_stat(at.st, "q", &object, &at.err), SCP_ENOTFOUND);
}
END_TEST

START_TEST(health_leaves_nothing)
{
	char detail[256];

	assert_ok(scp__storage_health(at.st, 20000, detail, sizeof(detail), &at.err));
	ck_assert_str_ne(detail, "");
	ck_assert_ptr_null(strstr(detail, "testing"));
	assert_list("", "", LIST_OPTIONS(.recursive = true), "");
}
END_TEST

START_TEST(what_an_adapter_lacks_is_not_supported)
{
	scp_storage_ops ops = *at.st->ops;
	const scp_storage_ops *whole = at.st->ops;
	char *text = (char[]){ "" };

	assert_ok(scp__storage_check(at.st, &at.err));
	ops.presign = NULL;
	ops.local_folder = NULL;
	at.st->ops = &ops;
	put("f", "x");
	assert_status(scp__storage_local_folder(at.st, "d", -1, -1, &text, &at.err), SCP_ENOTSUP);
	ck_assert_ptr_null(text);
	text = (char[]){ "" };
	assert_status(scp__storage_presign(at.st, "f", "GET", 60, &text, &at.err), SCP_ENOTSUP);
	ck_assert_ptr_null(text);
	at.st->ops = whole;
}
END_TEST

static void *many(void *arg)
{
	char key[32], text[64];
	void *data;
	size_t len;

	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "threads/%d/%d", *(int *)arg, i);
		snprintf(text, sizeof(text), "text of %s", key);
		if (scp__storage_put_bytes(at.st, key, text, strlen(text), NULL) ||
		    scp__storage_get_bytes(at.st, key, 100, &data, &len, NULL))
			return arg;
		if (strcmp(data, text))
			return arg;
		free(data);
	}
	return NULL;
}

START_TEST(several_threads_share_a_storage)
{
	pthread_t threads[6];
	int numbers[6];
	void *bad;

	for (int i = 0; i < 6; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, many, &numbers[i]), 0);
	}
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
}
END_TEST

Suite *objects_suite(void)
{
	Suite *suite = suite_create("storage contract");
	TCase *tc = tcase_create("objects");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, open_place, close_place);
	add_case(tc, bytes_come_back_whatever_their_number);
	add_case(tc, odd_keys_are_keys_like_any_other);
	add_case(tc, what_is_no_key_is_refused);
	add_case(tc, a_put_tells_size_and_digest);
	add_loop_case(tc, nothing_is_seen_before_commit, 0, 2);
	add_loop_case(tc, an_uncommitted_put_leaves_what_was, 0, 2);
	add_case(tc, a_put_replaces_and_the_etag_tells);
	add_case(tc, more_than_max_bytes_is_too_big);
	add_case(tc, a_put_where_something_else_is_conflicts);
	add_case(tc, ranges_give_what_they_say);
	add_case(tc, a_range_of_an_empty_object_is_empty);
	add_case(tc, reading_may_stop_anywhere);
	add_case(tc, what_is_not_there_is_not_found);
	add_case(tc, a_directory_is_there_while_something_is_in_it);
	add_case(tc, a_prefix_goes_with_everything_below_and_nothing_beside);
	add_case(tc, health_leaves_nothing);
	add_case(tc, what_an_adapter_lacks_is_not_supported);
	add_case(tc, several_threads_share_a_storage);
	suite_add_tcase(suite, tc);
	return suite;
}
