#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage_suite.h"

/* Names that sort before and behind '/'. */
static void some_tree(void)
{
	put("w/b/2", "");
	put("w/b/1", "");
	put("w/b-c", "");
	put("w/b.d/x", "");
	put("w/a", "");
	put("w/ü", "");
	put("w/é +%/x", "");
	put("w2/other", "");
}

START_TEST(a_directory_lists_its_own_entries_in_order)
{
	some_tree();
	assert_list("w", "", NULL, "w/a\nw/b/\nw/b-c\nw/b.d/\nw/é +%/\nw/ü\n");
	assert_list("", "", NULL, "w/\nw2/\n");
}
END_TEST

START_TEST(a_recursive_listing_is_in_the_order_of_keys)
{
	some_tree();
	assert_list("w", "", LIST_OPTIONS(.recursive = true), "w/a\nw/b-c\nw/b.d/x\nw/b/1\nw/b/2\nw/é +%/x\nw/ü\n");
}
END_TEST

START_TEST(a_listing_goes_on_behind_any_key)
{
	some_tree();
	assert_list("w", "w/b", NULL, "w/b-c\nw/b.d/\nw/é +%/\nw/ü\n");
	assert_list("w", "w/b-c", NULL, "w/b.d/\nw/é +%/\nw/ü\n");
	assert_list("w", "w/b/1", LIST_OPTIONS(.recursive = true), "w/b/2\nw/é +%/x\nw/ü\n");
	assert_list("w", "w/b.d/x", LIST_OPTIONS(.recursive = true), "w/b/1\nw/b/2\nw/é +%/x\nw/ü\n");
	assert_list("w", "a", NULL, "w/a\nw/b/\nw/b-c\nw/b.d/\nw/é +%/\nw/ü\n");
	assert_list("w", "x", NULL, "");
	assert_list("w", "w2", LIST_OPTIONS(.recursive = true), "");
}
END_TEST

START_TEST(what_is_not_there_lists_as_nothing)
{
	put("f", "x");
	assert_list("none", "", NULL, "");
	assert_list("f", "", NULL, "");
	assert_list("f/g", "", LIST_OPTIONS(.recursive = true), "");
}
END_TEST

START_TEST(an_exact_page_is_the_last)
{
	char next[1401];

	some_tree();
	free(list("w", "", LIST_OPTIONS(.limit = 6), next));
	ck_assert_str_eq(next, "");
	free(list("w", "", LIST_OPTIONS(.limit = 2), next));
	ck_assert_str_eq(next, "w/b");
}
END_TEST

static void assert_pages_are_the_whole(bool recursive, uint32_t limit)
{
	char next[1401] = "", after[1401], *whole, *text;
	char *joined = calloc(1, 1 << 20);
	int pages = 0;

	whole = list("big", "", LIST_OPTIONS(.recursive = recursive, .limit = 100000), next);
	ck_assert_str_eq(next, "");
	do {
		memcpy(after, next, sizeof(after));
		text = list("big", after, LIST_OPTIONS(.recursive = recursive, .limit = limit), next);
		ck_assert_int_lt(++pages, 200);
		strcat(joined, text);
		free(text);
	} while (next[0]);
	ck_assert_str_eq(joined, whole);
	free(joined);
	free(whole);
}

/* Directories whose names are beginnings of others', which sort behind them here and before them in S3. */
START_TEST(pages_join_to_the_whole)
{
	char key[64];

	for (int i = 0; i < 12; i++) {
		snprintf(key, sizeof(key), "big/d%d/x", i);
		put(key, "");
		for (int k = 0; k < 4; k++) {
			snprintf(key, sizeof(key), "big/d%d%c%d%s", i, "-.+ "[k], k, k % 2 ? "/y" : "");
			put(key, "");
		}
	}
	put("big/d1-1-x/z", "");
	for (uint32_t limit = 1; limit <= 7; limit += 3) {
		assert_pages_are_the_whole(false, limit);
		assert_pages_are_the_whole(true, limit);
	}
	/* Whatever an adapter's own page is, some end inside such a group. */
	for (uint32_t limit = 17; limit <= 22; limit++)
		assert_pages_are_the_whole(false, limit);
}
END_TEST

START_TEST(depth_is_bounded)
{
	put("a/b/c/d/e", "");
	assert_list("a", "", LIST_OPTIONS(.recursive = true, .max_depth = 3), "");
	assert_list("a", "", LIST_OPTIONS(.recursive = true, .max_depth = 4), "a/b/c/d/e\n");
}
END_TEST

static scp_status look(void *user, const scp_object *object, scp_error *err)
{
	(void)err;
	ck_assert_uint_eq(object->size_bytes, object->directory ? 0 : 5);
	ck_assert(object->directory || (object->etag[0] && object->modified_us > 1600000000000000));
	++*(int *)user;
	return SCP_OK;
}

static scp_status stop(void *user, const scp_object *object, scp_error *err)
{
	(void)object;
	(void)err;
	return ++*(int *)user == 2 ? SCP_ECANCELED : SCP_OK;
}

START_TEST(entries_say_what_they_are_and_the_listing_may_be_ended)
{
	char next[1401];
	int calls = 0;

	put("w/a", "12345");
	put("w/b/c", "12345");
	put("w/d", "12345");
	assert_ok(scp__storage_list(at.st, "w", "", NULL, look, &calls, next, sizeof(next), &at.err));
	ck_assert_int_eq(calls, 3);
	calls = 0;
	assert_status(
	    scp__storage_list(at.st, "w", "", NULL, stop, &calls, next, sizeof(next), &at.err), SCP_ECANCELED);
	ck_assert_int_eq(calls, 2);
	ck_assert_str_eq(next, "");
}
END_TEST

Suite *listings_suite(void)
{
	Suite *suite = suite_create("storage contract: listings");
	TCase *tc = tcase_create("listings");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, open_place, close_place);
	add_case(tc, a_directory_lists_its_own_entries_in_order);
	add_case(tc, a_recursive_listing_is_in_the_order_of_keys);
	add_case(tc, a_listing_goes_on_behind_any_key);
	add_case(tc, what_is_not_there_lists_as_nothing);
	add_case(tc, an_exact_page_is_the_last);
	add_case(tc, pages_join_to_the_whole);
	add_case(tc, depth_is_bounded);
	add_case(tc, entries_say_what_they_are_and_the_listing_may_be_ended);
	suite_add_tcase(suite, tc);
	return suite;
}
