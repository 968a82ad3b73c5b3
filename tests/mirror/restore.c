/* From the storage to an empty disk: as it was. */
#include "fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(a_workspace_is_restored_as_it_was)
{
	struct stat was, is;

	make_dir("d", 0750);
	make_dir("d/empty", 0700);
	make_dir("d-x", 0755);
	write_text("d/run.sh", "#!/bin/sh\n");
	change_mode("d/run.sh", 0755);
	write_text("d/a b+c%41 \xc3\xa9", "odd");
	write_text("zero", "");
	make_link("d/dangling", "../nowhere");
	make_link("abs", "/etc/passwd");
	push();
	restore_elsewhere();
	ck_assert_uint_eq(fx.done.copied, 3);
	assert_text(fx.other, "d/a b+c%41 \xc3\xa9", "odd");
	assert_text(fx.other, "zero", "");
	assert_link(fx.other, "d/dangling", "../nowhere");
	assert_link(fx.other, "abs", "/etc/passwd");
	ck_assert(look(fx.other, "d/empty", &is) && (is.st_mode & 07777) == 0700);
	ck_assert(look(fx.other, "d", &is) && (is.st_mode & 07777) == 0750);
	ck_assert(look(fx.disk, "d/run.sh", &was) && look(fx.other, "d/run.sh", &is));
	ck_assert_uint_eq(is.st_mode & 07777, 0755);
	ck_assert_int_eq(is.st_mtim.tv_sec, was.st_mtim.tv_sec);
	ck_assert_int_eq(is.st_mtim.tv_nsec / 1000, was.st_mtim.tv_nsec / 1000);
}
END_TEST

START_TEST(what_was_restored_is_not_copied_back)
{
	const scp__mirror_place place = place_at(fx.other);
	scp__mirror *b;

	make_dir("d", 0755);
	write_text("d/f", "text");
	push();
	restore_elsewhere();
	atomic_store(&fx.puts, 0);
	b = mirror_of("home_b");
	assert_ok(scp__mirror_push(b, &place, &fx.done, &fx.err));
	ck_assert_uint_eq(fx.puts, 0);
	ck_assert_uint_eq(fx.done.copied, 0);
	scp__mirror_close(b);
}
END_TEST

START_TEST(a_folder_that_nobody_may_write_comes_back_with_its_files)
{
	struct stat at;

	make_dir("locked", 0755);
	write_text("locked/f", "text");
	change_mode("locked", 0555);
	push();
	change_mode("locked", 0755); /* for the test's end */
	restore_elsewhere();
	assert_text(fx.other, "locked/f", "text");
	ck_assert(look(fx.other, "locked", &at) && (at.st_mode & 07777) == 0555);
}
END_TEST

START_TEST(nothing_comes_back_that_becomes_another_user)
{
	struct stat at;

	write_text("su", "text");
	change_mode("su", 06755);
	push();
	restore_elsewhere();
	ck_assert(look(fx.other, "su", &at) && (at.st_mode & 07777) == 0755);
}
END_TEST

START_TEST(an_object_that_was_dropped_before_its_row_is_dropped)
{
	write_text("gone", "text");
	write_text("kept", "text");
	push();
	assert_ok(scp__storage_remove(fx.behind, "sessions/" WS "/gone", &fx.err));
	restore_elsewhere();
	ck_assert(!look(fx.other, "gone", NULL) && look(fx.other, "kept", NULL));
	ck_assert(!has_row("gone", NULL));
}
END_TEST

struct row_change {
	const char *path;
	unsigned kind;
};

static scp_status change_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct row_change *c = arg;
	const scp__workspace_file f = {
		.path = c->path, .kind = c->kind, .mode = 0644, .sha256 = "", .target = "/etc"
	};

	return scp__store_workspace_file_put(tx, WS, &f, err);
}

/* Of a push that was cut short after a folder had become something else. */
START_TEST(what_was_below_a_path_that_is_no_folder_any_more_is_dropped)
{
	struct row_change link = { "l", SCP__FS_LINK }, file = { "f", SCP__FS_FILE };

	make_dir("l", 0755);
	make_dir("l/d", 0755);
	write_text("l/below", "text");
	make_dir("f", 0755);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f/%d", i);
		write_text(name, "text");
	}
	push();
	assert_ok(scp__database_transact(fx.db, SCP_DB_WRITE, change_tx, &link, &fx.err));
	assert_ok(scp__database_transact(fx.db, SCP_DB_WRITE, change_tx, &file, &fx.err));
	assert_ok(scp__storage_remove_prefix(fx.behind, "sessions/" WS "/f", &fx.err));
	assert_ok(scp__storage_put_bytes(fx.behind, "sessions/" WS "/f", "a file", 6, &fx.err));
	restore_elsewhere();
	assert_link(fx.other, "l", "/etc");
	assert_text(fx.other, "f", "a file");
	ck_assert_int_eq(rows(), 2);
}
END_TEST

/* Of a process that was killed between object and row. */
START_TEST(an_object_that_is_newer_than_its_row_counts)
{
	scp__workspace_file row;

	write_text("f", "old");
	push();
	assert_ok(scp__storage_put_bytes(fx.behind, "sessions/" WS "/f", "newer", 5, &fx.err));
	restore_elsewhere();
	assert_text(fx.other, "f", "newer");
	ck_assert(has_row("f", &row));
	ck_assert_uint_eq(row.size_bytes, 5);
}
END_TEST

START_TEST(a_restore_that_was_cut_short_is_done_again)
{
	const scp__mirror_place place = place_at(fx.other);
	scp__mirror *b;

	write_text("f", "text");
	make_link("l", "f");
	push();
	restore_elsewhere();
	b = mirror_of("home_b");
	assert_ok(scp__mirror_restore(b, &place, &fx.done, &fx.err)); /* onto what is there */
	assert_text(fx.other, "f", "text");
	assert_link(fx.other, "l", "f");
	scp__mirror_close(b);
}
END_TEST

START_TEST(a_workspace_has_one_home_at_a_time)
{
	scp__mirror *b = mirror_of("home_b");
	bool ready;

	assert_ok(scp__mirror_claim(fx.m, WS, &ready, &fx.err));
	ck_assert(ready);
	assert_ok(scp__mirror_claim(b, WS, &ready, &fx.err));
	ck_assert(!ready);
	ck_assert_int_eq(scp__mirror_ready(fx.m, WS, &fx.err), SCP_ESTATE);
	assert_ok(scp__mirror_leave(fx.m, WS, &fx.err)); /* of what it hasn't got */
	assert_ok(scp__mirror_ready(b, WS, &fx.err));
	scp__mirror_close(b);
}
END_TEST

START_TEST(files_of_no_home_are_noted_until_one_has_it)
{
	scp_object object = { .key = "sessions/" WS "/up", .size_bytes = 4, .modified_us = 1000000, .sha256 = "00" };
	bool ready;

	ck_assert_int_eq(scp__mirror_note(fx.m, WS, "up", &object, &fx.err), SCP_EUNAVAIL);
	ck_assert(!rows());
	assert_ok(scp__mirror_leave(fx.m, WS, &fx.err));
	assert_ok(scp__storage_put_bytes(fx.behind, object.key, "text", 4, &fx.err));
	assert_ok(scp__mirror_note(fx.m, WS, "up", &object, &fx.err));
	assert_ok(scp__mirror_claim(fx.m, WS, &ready, &fx.err));
	ck_assert(!ready);
	ck_assert_int_eq(scp__mirror_note(fx.m, WS, "late", &object, &fx.err), SCP_EUNAVAIL);
	{
		const scp__mirror_place place = place_at(fx.other);

		assert_ok(scp__mirror_restore(fx.m, &place, &fx.done, &fx.err));
	}
	assert_text(fx.other, "up", "text");
	ck_assert(!look(fx.other, "late", NULL));
}
END_TEST

START_TEST(what_is_erased_leaves_nothing)
{
	write_text("f", "text");
	push();
	assert_ok(scp__mirror_erase(fx.m, WS, &fx.err));
	ck_assert(!rows() && !stored("f"));
	assert_ok(scp__mirror_erase(fx.m, WS, &fx.err));
}
END_TEST

TCase *restore_case(void)
{
	TCase *tc = tcase_create("restore");

	tcase_add_test(tc, a_workspace_is_restored_as_it_was);
	tcase_add_test(tc, what_was_restored_is_not_copied_back);
	tcase_add_test(tc, a_folder_that_nobody_may_write_comes_back_with_its_files);
	tcase_add_test(tc, nothing_comes_back_that_becomes_another_user);
	tcase_add_test(tc, an_object_that_was_dropped_before_its_row_is_dropped);
	tcase_add_test(tc, what_was_below_a_path_that_is_no_folder_any_more_is_dropped);
	tcase_add_test(tc, an_object_that_is_newer_than_its_row_counts);
	tcase_add_test(tc, a_restore_that_was_cut_short_is_done_again);
	tcase_add_test(tc, a_workspace_has_one_home_at_a_time);
	tcase_add_test(tc, files_of_no_home_are_noted_until_one_has_it);
	tcase_add_test(tc, what_is_erased_leaves_nothing);
	return tc;
}
