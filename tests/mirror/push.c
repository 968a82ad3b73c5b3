/* From the disk to the storage: only what changed, and all of it. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void seed(void)
{
	make_dir("d", 0755);
	write_text("a.txt", "one");
	write_text("d/b", "two");
	write_text("d/c", "three");
	make_link("l", "a.txt");
}

START_TEST(what_is_new_goes_to_the_storage)
{
	seed();
	push();
	ck_assert_uint_eq(fx.puts, 3);
	ck_assert_uint_eq(fx.done.copied, 5);
	ck_assert_uint_eq(fx.done.copied_bytes, 11);
	ck_assert(stored("a.txt") && stored("d/b") && stored("d/c"));
	ck_assert_int_eq(rows(), 5);
}
END_TEST

START_TEST(what_is_there_already_stays)
{
	seed();
	push();
	push();
	ck_assert_uint_eq(fx.puts, 0);
	ck_assert_uint_eq(fx.removes, 0);
	ck_assert_uint_eq(fx.done.copied, 0);
}
END_TEST

START_TEST(what_changed_goes_again_and_what_is_gone_goes)
{
	seed();
	push();
	write_text("a.txt", "other");
	remove_path("d/b");
	remove_path("l");
	push();
	ck_assert_uint_eq(fx.puts, 1);
	ck_assert_uint_eq(fx.done.removed, 2);
	ck_assert(!stored("d/b"));
	ck_assert(!has_row("l", NULL) && !has_row("d/b", NULL) && has_row("d/c", NULL));
	restore_elsewhere();
	assert_text(fx.other, "a.txt", "other");
}
END_TEST

/* Times can be set, sizes kept: only the ctime can't be forged. */
START_TEST(a_change_with_the_old_size_and_time_is_seen)
{
	struct stat before;
	struct timespec times[2];

	write_text("f", "11111");
	push();
	ck_assert(look(fx.disk, "f", &before));
	write_text("f", "22222");
	times[0] = times[1] = before.st_mtim;
	{
		char path[200];

		snprintf(path, sizeof(path), "%s/f", fx.disk);
		ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
	}
	push();
	ck_assert_uint_eq(fx.puts, 1);
}
END_TEST

START_TEST(the_same_bytes_with_another_mode_do_not_travel)
{
	scp__workspace_file row;

	write_text("f", "text");
	push();
	change_mode("f", 0751);
	push();
	ck_assert_uint_eq(fx.puts, 0);
	ck_assert(has_row("f", &row));
	ck_assert_uint_eq(row.mode, 0751);
}
END_TEST

START_TEST(a_name_may_become_another_kind_of_thing)
{
	write_text("x", "file");
	make_dir("y", 0755);
	write_text("y/in", "in");
	push();
	remove_path("x");
	remove_path("y");
	make_dir("x", 0755);
	write_text("x/new", "new");
	write_text("y", "file");
	push();
	ck_assert(stored("x/new") && stored("y") && !stored("x") && !stored("y/in"));
	restore_elsewhere();
	assert_text(fx.other, "x/new", "new");
	assert_text(fx.other, "y", "file");
	ck_assert_int_eq(rows(), 3);
}
END_TEST

START_TEST(pipes_sockets_and_our_own_uploads_are_left_out)
{
	char path[200];

	write_text("f", "text");
	write_text(SCP__STORAGE_HIDDEN "abc", "half");
	snprintf(path, sizeof(path), "%s/pipe", fx.disk);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	push();
	ck_assert_int_eq(rows(), 1);
}
END_TEST

START_TEST(names_that_no_key_can_have_are_counted)
{
	write_text("bad\xff", "text");
	write_text("line\nfeed", "text");
	write_text("good", "text");
	push();
	ck_assert_uint_eq(fx.done.left_out, 2);
	ck_assert_int_eq(rows(), 1);
}
END_TEST

START_TEST(a_key_that_the_storage_refuses_is_counted_and_the_rest_goes)
{
	write_text("refused", "text");
	write_text("taken", "text");
	push();
	ck_assert_uint_eq(fx.done.left_out, 1);
	ck_assert(stored("taken") && has_row("taken", NULL) && !has_row("refused", NULL));
}
END_TEST

/* What was copied before the storage went away needn't be again. */
START_TEST(a_storage_that_goes_away_is_gone_on_with_later)
{
	const scp__mirror_place place = place_at(fx.disk);
	char name[32];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%03d", i);
		write_text(name, name);
	}
	atomic_store(&fx.fail_after, 40);
	ck_assert_int_eq(scp__mirror_push(fx.m, &place, &fx.done, &fx.err), SCP_EUNAVAIL);
	ck_assert_str_eq(fx.err.message, "the storage is away");
	ck_assert(scp__mirror_is_down(fx.m));
	ck_assert_int_eq(rows(), 40);
	atomic_store(&fx.fail_after, -1);
	push();
	ck_assert_uint_eq(fx.puts, 60);
	ck_assert_int_eq(rows(), 100);
}
END_TEST

START_TEST(what_another_home_has_is_not_touched)
{
	const scp__mirror_place place = place_at(fx.disk);

	write_text("f", "mine");
	push();
	restore_elsewhere();
	write_text("f", "of a home that was lost");
	ck_assert_int_eq(scp__mirror_push(fx.m, &place, &fx.done, &fx.err), SCP_ESTATE);
	ck_assert_ptr_nonnull(strstr(fx.err.message, "another node's"));
}
END_TEST

START_TEST(a_mirror_that_is_stopped_does_nothing_more)
{
	const scp__mirror_place place = place_at(fx.disk);

	write_text("f", "text");
	scp__mirror_stop(fx.m);
	ck_assert_int_eq(scp__mirror_push(fx.m, &place, &fx.done, &fx.err), SCP_ECLOSED);
	ck_assert_int_eq(rows(), 0);
}
END_TEST

/* More than a page of rows, and more than a batch of names. */
START_TEST(thousands_of_files_in_order)
{
	char name[64];

	make_dir("many", 0755);
	make_dir("many-more", 0755); /* between "many" and "many/…" */
	for (int i = 0; i < 2500; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		write_text(name, "x");
	}
	push();
	ck_assert_uint_eq(fx.puts, 2500);
	remove_path("many/7");
	remove_path("many/2499");
	write_text("many/8", "yy");
	push();
	ck_assert_uint_eq(fx.puts, 1);
	ck_assert_uint_eq(fx.done.removed, 2);
	ck_assert_int_eq(rows(), 2500);
	remove_path("many");
	push();
	ck_assert_int_eq(rows(), 1);
	ck_assert(!stored("many/8"));
}
END_TEST

START_TEST(one_path_goes_by_itself)
{
	const scp__mirror_place place = place_at(fx.disk);

	seed();
	assert_ok(scp__mirror_push_path(fx.m, &place, "d/b", &fx.err));
	ck_assert_int_eq(rows(), 1);
	ck_assert(stored("d/b") && !stored("a.txt"));
	remove_path("d");
	assert_ok(scp__mirror_push_path(fx.m, &place, "d/b", &fx.err));
	ck_assert(!stored("d/b") && !rows());
}
END_TEST

static void *push_forever(void *arg)
{
	const scp__mirror_place place = place_at(fx.disk);
	scp__mirror_done done;

	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(scp__mirror_push(fx.m, &place, &done, NULL), SCP_OK);
	return arg;
}

/* What the storage ends with is what the disk has, whoever came last. */
START_TEST(a_push_and_uploads_at_once_agree)
{
	const scp__mirror_place place = place_at(fx.disk);
	pthread_t thread;
	char text[16];

	write_text("f", "first");
	ck_assert_int_eq(pthread_create(&thread, NULL, push_forever, NULL), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		write_text("f", text);
		assert_ok(scp__mirror_push_path(fx.m, &place, "f", &fx.err));
	}
	pthread_join(thread, NULL);
	push();
	restore_elsewhere();
	assert_text(fx.other, "f", "text 199");
}
END_TEST

START_TEST(a_link_is_given_only_for_what_the_storage_has)
{
	const scp__mirror_place place = place_at(fx.disk);
	char path[200];
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	write_text("f", "text");
	ck_assert(!scp__mirror_has(fx.m, &place, "f"));
	push();
	write_text("f", "other");
	ck_assert(!scp__mirror_has(fx.m, &place, "f"));
	push();
	snprintf(path, sizeof(path), "%s/f", fx.disk);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
	ck_assert(!scp__mirror_has(fx.m, &place, "f"));
	ck_assert(!scp__mirror_has(fx.m, &place, "nothing"));
}
END_TEST

TCase *push_case(void)
{
	TCase *tc = tcase_create("push");

	tcase_add_test(tc, what_is_new_goes_to_the_storage);
	tcase_add_test(tc, what_is_there_already_stays);
	tcase_add_test(tc, what_changed_goes_again_and_what_is_gone_goes);
	tcase_add_test(tc, a_change_with_the_old_size_and_time_is_seen);
	tcase_add_test(tc, the_same_bytes_with_another_mode_do_not_travel);
	tcase_add_test(tc, a_name_may_become_another_kind_of_thing);
	tcase_add_test(tc, pipes_sockets_and_our_own_uploads_are_left_out);
	tcase_add_test(tc, names_that_no_key_can_have_are_counted);
	tcase_add_test(tc, a_key_that_the_storage_refuses_is_counted_and_the_rest_goes);
	tcase_add_test(tc, a_storage_that_goes_away_is_gone_on_with_later);
	tcase_add_test(tc, what_another_home_has_is_not_touched);
	tcase_add_test(tc, a_mirror_that_is_stopped_does_nothing_more);
	tcase_add_test(tc, thousands_of_files_in_order);
	tcase_add_test(tc, one_path_goes_by_itself);
	tcase_add_test(tc, a_push_and_uploads_at_once_agree);
	tcase_add_test(tc, a_link_is_given_only_for_what_the_storage_has);
	return tc;
}
