#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"

#define OPTIONS(...) (&(scp_list_options){ .struct_size = sizeof(scp_list_options), __VA_ARGS__ })

static void assert_list(const char *prefix, const char *after, const scp_list_options *options, const char *wanted)
{
	char next[1401], *text = list(prefix, after, options, next);

	ck_assert_str_eq(text, wanted);
	free(text);
}

static void some_tree(void)
{
	put("w/b/2", "");
	put("w/b/1", "");
	put("w/b-c", "");
	put("w/b.d/x", "");
	put("w/a", "");
	put("w/ü", "");
	make_dir("w/empty");
	put("w2/other", "");
}

START_TEST(a_directory_lists_its_own_entries_in_order)
{
	some_tree();
	assert_list("w", "", NULL, "w/a\nw/b/\nw/b-c\nw/b.d/\nw/empty/\nw/ü\n");
	assert_list("", "", NULL, "w/\nw2/\n");
}
END_TEST

START_TEST(a_recursive_listing_is_in_the_order_of_keys)
{
	some_tree();
	/* '-' and '.' come before '/', so b-c before what is in b. */
	assert_list("w", "", OPTIONS(.recursive = true), "w/a\nw/b-c\nw/b.d/x\nw/b/1\nw/b/2\nw/ü\n");
}
END_TEST

START_TEST(a_listing_goes_on_behind_any_key)
{
	some_tree();
	assert_list("w", "w/b", NULL, "w/b-c\nw/b.d/\nw/empty/\nw/ü\n");
	assert_list("w", "w/b/1", OPTIONS(.recursive = true), "w/b/2\nw/ü\n");
	assert_list("w", "w/b.d/x", OPTIONS(.recursive = true), "w/b/1\nw/b/2\nw/ü\n");
	assert_list("w", "w/b.d/nothing-of-that-name", OPTIONS(.recursive = true), "w/b.d/x\nw/b/1\nw/b/2\nw/ü\n");
	assert_list("w", "a", NULL, "w/a\nw/b/\nw/b-c\nw/b.d/\nw/empty/\nw/ü\n");
	assert_list("w", "x", NULL, "");
	assert_list("w", "w2", OPTIONS(.recursive = true), "");
}
END_TEST

START_TEST(what_is_not_there_lists_as_nothing)
{
	put("f", "x");
	assert_list("none", "", NULL, "");
	assert_list("f", "", NULL, "");
	assert_list("f/g", "", NULL, "");
	ck_assert_int_eq(symlink(fx.outside, below("link")), 0);
	assert_list("link", "", NULL, "");
}
END_TEST

/* Directories and files whose names sort before and behind '/'. */
static void wide_tree(int count)
{
	char key[64];

	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "big/%c%d", "-z.A"[i % 4], i * 7919 % count);
		if (i % 5)
			make_file(key, "");
		else
			make_dir(key);
		if (i % 10)
			continue;
		strcat(key, "/leaf");
		make_file(key, "");
	}
}

static void assert_pages_are_the_whole(const scp_list_options *options, uint32_t limit)
{
	scp_list_options page = *options;
	char next[1401] = "", after[1401], *whole, *text;
	char *joined = calloc(1, 1 << 20);
	unsigned pages = 0;

	page.limit = 1000000;
	whole = list("big", "", &page, next);
	ck_assert_str_eq(next, "");
	page.limit = limit;
	do {
		memcpy(after, next, sizeof(after));
		text = list("big", after, &page, next);
		strcat(joined, text);
		free(text);
		pages++;
	} while (next[0]);
	ck_assert_str_eq(joined, whole);
	ck_assert_uint_gt(pages, 1);
	free(joined);
	free(whole);
}

START_TEST(pages_join_to_the_whole)
{
	make_dir("big");
	wide_tree(3000);
	assert_pages_are_the_whole(OPTIONS(.recursive = false), 7 + 400 * (unsigned)_i);
	assert_pages_are_the_whole(OPTIONS(.recursive = true), 13 + 400 * (unsigned)_i);
}
END_TEST

static scp_status count_in_order(void *user, const scp_object *object, scp_error *err)
{
	char *last = user;

	(void)err;
	ck_assert_int_lt(strcmp(last, object->key), 0);
	snprintf(last, 64, "%s", object->key);
	return SCP_OK;
}

START_TEST(more_names_than_fit_a_batch_come_in_order)
{
	char last[64] = "", next[1401], key[32];
	unsigned count = 0;

	make_dir("big");
	for (int i = 0; i < 10500; i++) {
		snprintf(key, sizeof(key), "big/%d", i);
		make_file(key, "");
	}
	do {
		memcpy(next, last, sizeof(last));
		assert_ok(scp__storage_list(
		    fx.st, "big", last, OPTIONS(.limit = 3500), count_in_order, last, next, sizeof(next), &fx.err));
		count++;
	} while (next[0]);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(last, "big/9999");
}
END_TEST

START_TEST(an_exact_page_is_the_last)
{
	char next[1401];

	some_tree();
	free(list("w", "", OPTIONS(.limit = 6), next));
	ck_assert_str_eq(next, "");
	free(list("w", "", OPTIONS(.limit = 5), next));
	ck_assert_str_eq(next, "w/empty");
}
END_TEST

START_TEST(only_files_and_directories_with_proper_names_are_shown)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	make_dir("w");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", below("w/socket"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(mkfifo(below("w/fifo"), 0666), 0);
	ck_assert_int_eq(symlink("f", below("w/link")), 0);
	make_file("w/f", "");
	make_file("w/new\nline", "");
	make_file("w/\xff\xfe", "");
	assert_list("w", "", NULL, "w/f\n");
	assert_list("w", "", OPTIONS(.recursive = true), "w/f\n");
	close(fd);
}
END_TEST

START_TEST(depth_is_bounded)
{
	put("a/b/c/d/e", "");
	assert_list("a", "", OPTIONS(.recursive = true, .max_depth = 3), "");
	assert_list("a", "", OPTIONS(.recursive = true, .max_depth = 4), "a/b/c/d/e\n");
}
END_TEST

START_TEST(a_tree_deeper_than_any_key_ends)
{
	int fd = open(fx.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	put("top", "");
	for (int i = 0; i < 2000; i++) {
		int below_it;

		ck_assert_int_eq(mkdirat(fd, "d", 0755), 0);
		below_it = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = below_it;
	}
	close(fd);
	assert_list("", "", OPTIONS(.recursive = true, .max_depth = UINT32_MAX), "top\n");
}
END_TEST

START_TEST(leftovers_of_crashed_uploads_are_hidden_and_swept)
{
	int fd;

	put("w/f", "");
	make_file("w/.scp-upload-dead", "x");
	make_file("w/.scp-upload-alive", "x");
	fd = open(below("w/.scp-upload-alive"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	assert_list("w", "", NULL, "w/f\n");
	ck_assert_int_eq(access(below("w/.scp-upload-dead"), F_OK), -1);
	ck_assert_int_eq(access(below("w/.scp-upload-alive"), F_OK), 0);
	close(fd);
}
END_TEST

static scp_status stop(void *user, const scp_object *object, scp_error *err)
{
	(void)object;
	(void)err;
	return ++*(int *)user == 2 ? SCP_ECANCELED : SCP_OK;
}

START_TEST(who_is_called_may_end_the_listing)
{
	char next[1401];
	int calls = 0;

	some_tree();
	assert_status(
	    scp__storage_list(fx.st, "w", "", NULL, stop, &calls, next, sizeof(next), &fx.err), SCP_ECANCELED);
	ck_assert_int_eq(calls, 2);
	ck_assert_str_eq(next, "");
}
END_TEST

Suite *list_suite(void)
{
	Suite *suite = suite_create("localfs list");
	TCase *tc = tcase_create("list");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_directory_lists_its_own_entries_in_order);
	tcase_add_test(tc, a_recursive_listing_is_in_the_order_of_keys);
	tcase_add_test(tc, a_listing_goes_on_behind_any_key);
	tcase_add_test(tc, what_is_not_there_lists_as_nothing);
	tcase_add_loop_test(tc, pages_join_to_the_whole, 0, 3);
	tcase_add_test(tc, more_names_than_fit_a_batch_come_in_order);
	tcase_add_test(tc, an_exact_page_is_the_last);
	tcase_add_test(tc, only_files_and_directories_with_proper_names_are_shown);
	tcase_add_test(tc, depth_is_bounded);
	tcase_add_test(tc, a_tree_deeper_than_any_key_ends);
	tcase_add_test(tc, leftovers_of_crashed_uploads_are_hidden_and_swept);
	tcase_add_test(tc, who_is_called_may_end_the_listing);
	suite_add_tcase(suite, tc);
	return suite;
}
