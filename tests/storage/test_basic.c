#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "fixture.h"

#define PUT_OPTIONS(max, uid, gid) (&(scp_put_options){ sizeof(scp_put_options), max, uid, gid })

/* Where a file system lacks O_TMPFILE: what the adapter opens goes through here (the linker's --wrap). */
static bool no_tmpfile;
int __real_scp__fs_open(int dir, const char *path, int flags, mode_t mode);
int __wrap_scp__fs_open(int dir, const char *path, int flags, mode_t mode);

int __wrap_scp__fs_open(int dir, const char *path, int flags, mode_t mode)
{
	if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_scp__fs_open(dir, path, flags, mode);
}

static void assert_holds(const char *key, const char *wanted)
{
	scp_status rc;
	char *text = get(key, &rc);

	ck_assert_msg(!rc, "%s: %s", key, fx.err.message);
	ck_assert_str_eq(text, wanted);
	free(text);
}

/* Names in a directory on disk, ours included. */
static int count_names(const char *key)
{
	char command[1700];
	char *text = NULL;
	size_t size = 0;
	int count = 0;
	FILE *f;

	snprintf(command, sizeof(command), "ls -A %s", below(key));
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	while (getline(&text, &size, f) > 0)
		count++;
	free(text);
	pclose(f);
	return count;
}

static void put_in_parts(const char *key, size_t parts, scp_object *out)
{
	scp_object_writer *w;
	char part[1000];

	memset(part, 'p', sizeof(part));
	assert_ok(scp__storage_put_open(fx.st, key, NULL, &w, &fx.err));
	for (size_t i = 0; i < parts; i++)
		assert_ok(scp__storage_put_write(fx.st, w, part, sizeof(part), &fx.err));
	assert_ok(scp__storage_put_commit(fx.st, w, out, &fx.err));
	ck_assert_str_eq(out->key, key);
	scp__storage_put_close(fx.st, w);
}

START_TEST(a_put_tells_size_and_digest)
{
	char whole[5000], sha[65];
	scp_object put, found;

	no_tmpfile = _i;
	memset(whole, 'p', sizeof(whole));
	scp__sha256_hex(whole, sizeof(whole), sha);
	put_in_parts("sessions/w/dir/ü.bin", 5, &put);
	ck_assert_uint_eq(put.size_bytes, 5000);
	ck_assert_str_eq(put.sha256, sha);
	assert_ok(scp__storage_stat(fx.st, "sessions/w/dir/ü.bin", &found, &fx.err));
	ck_assert_uint_eq(found.size_bytes, 5000);
	ck_assert_str_eq(found.etag, put.etag);
	ck_assert_int_eq(found.modified_us, put.modified_us);
	ck_assert(!found.directory);
	ck_assert_int_eq(count_names("sessions/w/dir"), 1);
}
END_TEST

START_TEST(nothing_is_seen_before_commit)
{
	scp_object_writer *w;
	scp_object object;
	char next[1401], *text;

	no_tmpfile = _i;
	assert_ok(scp__storage_put_open(fx.st, "a/f", NULL, &w, &fx.err));
	assert_ok(scp__storage_put_write(fx.st, w, "x", 1, &fx.err));
	assert_status(scp__storage_stat(fx.st, "a/f", &object, &fx.err), SCP_ENOTFOUND);
	text = list("a", "", NULL, next);
	ck_assert_str_eq(text, "");
	free(text);
	assert_ok(scp__storage_put_commit(fx.st, w, NULL, &fx.err)); /* the listing didn't take it for a leftover */
	scp__storage_put_close(fx.st, w);
	assert_holds("a/f", "x");
}
END_TEST

START_TEST(an_uncommitted_put_leaves_nothing)
{
	scp_object_writer *w;

	no_tmpfile = _i;
	put("a/f", "old");
	assert_ok(scp__storage_put_open(fx.st, "a/f", NULL, &w, &fx.err));
	assert_ok(scp__storage_put_write(fx.st, w, "new", 3, &fx.err));
	scp__storage_put_close(fx.st, w);
	assert_holds("a/f", "old");
	ck_assert_int_eq(count_names("a"), 1);
}
END_TEST

START_TEST(a_put_replaces_at_once)
{
	scp_object_reader *r;
	scp_object before, after;
	char text[8];
	size_t len;

	no_tmpfile = _i;
	put("a/f", "old");
	assert_ok(scp__storage_get_open(fx.st, "a/f", 0, 0, &r, &before, &fx.err));
	put("a/f", "new");
	assert_ok(scp__storage_get_read(fx.st, r, text, sizeof(text), &len, &fx.err));
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(text, "old", 3);
	scp__storage_get_close(fx.st, r);
	assert_holds("a/f", "new");
	assert_ok(scp__storage_stat(fx.st, "a/f", &after, &fx.err));
	ck_assert_str_ne(before.etag, after.etag);
	ck_assert_int_eq(count_names("a"), 1);
}
END_TEST

START_TEST(an_etag_changes_with_the_bytes_though_size_and_mtime_stay)
{
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	scp_object before, after;
	int fd;

	put("f", "old");
	ck_assert_int_eq(utimensat(AT_FDCWD, below("f"), times, 0), 0);
	assert_ok(scp__storage_stat(fx.st, "f", &before, &fx.err));
	usleep(20000); /* the file system's clock ticks every 4 ms */
	fd = open(below("f"), O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "new", 3, 0), 3);
	close(fd);
	ck_assert_int_eq(utimensat(AT_FDCWD, below("f"), times, 0), 0);
	assert_ok(scp__storage_stat(fx.st, "f", &after, &fx.err));
	ck_assert_str_ne(before.etag, after.etag);
}
END_TEST

START_TEST(more_than_max_bytes_is_too_big_and_leaves_nothing)
{
	scp_object_writer *w;

	assert_ok(scp__storage_put_open(fx.st, "a/f", PUT_OPTIONS(4, -1, -1), &w, &fx.err));
	assert_ok(scp__storage_put_write(fx.st, w, "1234", 4, &fx.err));
	assert_status(scp__storage_put_write(fx.st, w, "5", 1, &fx.err), SCP_ETOOBIG);
	assert_status(scp__storage_put_commit(fx.st, w, NULL, &fx.err), SCP_EINTERNAL);
	scp__storage_put_close(fx.st, w);
	ck_assert_int_eq(count_names("a"), 0);
}
END_TEST

START_TEST(file_and_parents_get_the_owner_but_not_the_first_part)
{
	scp_object_writer *w;
	struct stat st;

	if (geteuid())
		return;
	no_tmpfile = _i;
	assert_ok(scp__storage_put_open(fx.st, "sessions/w/d/f", PUT_OPTIONS(0, 1234, 4321), &w, &fx.err));
	assert_ok(scp__storage_put_commit(fx.st, w, NULL, &fx.err));
	scp__storage_put_close(fx.st, w);
	ck_assert(!stat(below("sessions/w/d/f"), &st) && st.st_uid == 1234 && st.st_gid == 4321);
	ck_assert_int_eq(st.st_mode, S_IFREG | 0644);
	ck_assert(!stat(below("sessions/w/d"), &st) && st.st_uid == 1234 && st.st_gid == 4321);
	ck_assert(!stat(below("sessions/w"), &st) && st.st_uid == 1234);
	ck_assert(!stat(below("sessions"), &st) && st.st_uid == 0);
}
END_TEST

START_TEST(a_put_where_something_else_is_conflicts)
{
	scp_object_writer *w;

	make_dir("d/sub");
	make_file("d/f", "x");
	ck_assert_int_eq(mkfifo(below("d/fifo"), 0666), 0);
	ck_assert_int_eq(symlink("f", below("d/link")), 0);
	assert_status(scp__storage_put_open(fx.st, "d/sub", NULL, &w, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(fx.st, "d/fifo", NULL, &w, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(fx.st, "d/link", NULL, &w, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(fx.st, "d/f/g", NULL, &w, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(fx.st, "d/link/g", NULL, &w, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_open(fx.st, "d/.scp-upload-x", NULL, &w, &fx.err), SCP_EINVAL);
	assert_holds("d/f", "x");
}
END_TEST

START_TEST(what_comes_up_during_a_put_conflicts_at_commit)
{
	scp_object_writer *w;

	no_tmpfile = _i;
	assert_ok(scp__storage_put_open(fx.st, "d/f", NULL, &w, &fx.err));
	ck_assert_int_eq(symlink("/etc/passwd", below("d/f")), 0);
	assert_status(scp__storage_put_commit(fx.st, w, NULL, &fx.err), SCP_ECONFLICT);
	scp__storage_put_close(fx.st, w);
	assert_ok(scp__storage_put_open(fx.st, "d/g", NULL, &w, &fx.err));
	make_dir("d/g");
	assert_status(scp__storage_put_commit(fx.st, w, NULL, &fx.err), SCP_ECONFLICT);
	scp__storage_put_close(fx.st, w);
	assert_ok(scp__storage_put_open(fx.st, "e/f", NULL, &w, &fx.err));
	assert_ok(scp__storage_remove_prefix(fx.st, "e", &fx.err));
	assert_status(scp__storage_put_commit(fx.st, w, NULL, &fx.err), SCP_ECONFLICT);
	scp__storage_put_close(fx.st, w);
	ck_assert_int_eq(count_names("d"), 2);
}
END_TEST

static const struct range {
	uint64_t offset, length;
	scp_status status;
	const char *text;
} ranges[] = { { 0, 0, SCP_OK, "0123456789" }, { 3, 4, SCP_OK, "3456" }, { 9, 0, SCP_OK, "9" },
	{ 8, 100, SCP_OK, "89" }, { 10, 0, SCP_EINVAL, NULL }, { 11, 1, SCP_EINVAL, NULL },
	{ UINT64_MAX, UINT64_MAX, SCP_EINVAL, NULL } };

START_TEST(ranges_give_what_they_say)
{
	const struct range *range = &ranges[_i];
	scp_object_reader *r;
	scp_object object;
	char text[32] = "";
	size_t len;

	put("f", "0123456789");
	assert_status(
	    scp__storage_get_open(fx.st, "f", range->offset, range->length, &r, &object, &fx.err), range->status);
	if (!r)
		return;
	ck_assert_uint_eq(object.size_bytes, 10);
	assert_ok(scp__storage_get_read(fx.st, r, text, sizeof(text) - 1, &len, &fx.err));
	ck_assert_str_eq(text, range->text);
	assert_ok(scp__storage_get_read(fx.st, r, text, sizeof(text), &len, &fx.err));
	ck_assert_uint_eq(len, 0);
	scp__storage_get_close(fx.st, r);
}
END_TEST

START_TEST(an_empty_object_is_read_as_nothing)
{
	put("f", "");
	assert_holds("f", "");
}
END_TEST

START_TEST(a_file_that_shrinks_ends_with_an_error)
{
	scp_object_reader *r;
	scp_object object;
	char text[4];
	size_t len;

	put("f", "0123456789");
	assert_ok(scp__storage_get_open(fx.st, "f", 0, 0, &r, &object, &fx.err));
	assert_ok(scp__storage_get_read(fx.st, r, text, 4, &len, &fx.err));
	ck_assert_int_eq(truncate(below("f"), 2), 0);
	assert_status(scp__storage_get_read(fx.st, r, text, 4, &len, &fx.err), SCP_EBACKEND);
	scp__storage_get_close(fx.st, r);
}
END_TEST

START_TEST(a_file_that_grows_ends_where_it_ended)
{
	scp_object_reader *r;
	scp_object object;
	char text[32];
	size_t len;

	put("f", "0123");
	assert_ok(scp__storage_get_open(fx.st, "f", 0, 0, &r, &object, &fx.err));
	make_file("f", "0123456789");
	assert_ok(scp__storage_get_read(fx.st, r, text, sizeof(text), &len, &fx.err));
	ck_assert_uint_eq(len, 4);
	assert_ok(scp__storage_get_read(fx.st, r, text, sizeof(text), &len, &fx.err));
	ck_assert_uint_eq(len, 0);
	scp__storage_get_close(fx.st, r);
}
END_TEST

START_TEST(removing_answers_what_was_there)
{
	make_dir("d/empty");
	make_file("d/f", "x");
	ck_assert_int_eq(symlink("f", below("d/link")), 0);
	assert_status(scp__storage_remove(fx.st, "d", &fx.err), SCP_ECONFLICT);
	assert_ok(scp__storage_remove(fx.st, "d/link", &fx.err));
	assert_holds("d/f", "x");
	assert_ok(scp__storage_remove(fx.st, "d/f", &fx.err));
	assert_status(scp__storage_remove(fx.st, "d/f", &fx.err), SCP_ENOTFOUND);
	assert_status(scp__storage_remove(fx.st, "none/f", &fx.err), SCP_ENOTFOUND);
	assert_ok(scp__storage_remove(fx.st, "d/empty", &fx.err));
	make_file("d/.scp-upload-of-a-dead-process", "x");
	assert_ok(scp__storage_remove(fx.st, "d", &fx.err));
}
END_TEST

START_TEST(a_prefix_goes_with_everything_below)
{
	put("p/a/b/c", "x");
	put("p/d", "x");
	put("p2/keep", "x");
	ck_assert_int_eq(mkfifo(below("p/fifo"), 0), 0);
	ck_assert_int_eq(symlink(below("p2"), below("p/link")), 0);
	assert_ok(scp__storage_remove_prefix(fx.st, "p", &fx.err));
	ck_assert_int_eq(access(below("p"), F_OK), -1);
	assert_holds("p2/keep", "x");
	assert_ok(scp__storage_remove_prefix(fx.st, "p", &fx.err));
	assert_ok(scp__storage_remove_prefix(fx.st, "none/at/all", &fx.err));
}
END_TEST

START_TEST(a_local_folder_is_made_and_given)
{
	int32_t uid = geteuid() ? -1 : 1234;
	struct stat st;
	char *path;

	assert_ok(scp__storage_local_folder(fx.st, "sessions/w", uid, uid, &path, &fx.err));
	ck_assert_str_eq(path, below("sessions/w"));
	ck_assert(!stat(path, &st) && S_ISDIR(st.st_mode));
	free(path);
	if (uid < 0)
		return;
	ck_assert(st.st_uid == 1234 && st.st_gid == 1234);
	ck_assert(!stat(below("sessions"), &st) && st.st_uid == 0);
	assert_ok(scp__storage_local_folder(fx.st, "sessions/w", -1, -1, &path, &fx.err));
	free(path);
	ck_assert(!stat(below("sessions/w"), &st) && st.st_uid == 1234);
}
END_TEST

START_TEST(a_local_folder_is_never_a_link)
{
	char *path;

	make_dir("sessions");
	ck_assert_int_eq(symlink(fx.outside, below("sessions/w")), 0);
	assert_status(scp__storage_local_folder(fx.st, "sessions/w", 1, 1, &path, &fx.err), SCP_ECONFLICT);
	ck_assert_ptr_null(path);
	make_file("f", "x");
	assert_status(scp__storage_local_folder(fx.st, "f", -1, -1, &path, &fx.err), SCP_ECONFLICT);
}
END_TEST

START_TEST(health_writes_and_leaves_nothing)
{
	char detail[128];

	assert_ok(scp__storage_health(fx.st, 1000, detail, sizeof(detail), &fx.err));
	ck_assert_ptr_nonnull(strstr(detail, "free"));
	ck_assert_int_eq(count_names("."), 0);
}
END_TEST

/* Under a private mount namespace: the test's process is its own. */
static bool small_disk(const char *options)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	make_dir("small");
	return !mount("none", below("small"), "tmpfs", 0, options);
}

START_TEST(a_full_disk_is_too_big_and_health_tells)
{
	char part[4096] = "x", url[128], detail[64];
	scp_status rc = SCP_OK;
	scp_object_writer *w;
	scp_storage *st;

	if (!small_disk("size=128k"))
		return; /* not root */
	no_tmpfile = _i;
	snprintf(url, sizeof(url), "file:%s/small/", fx.root);
	assert_ok(scp__storage_open(&st, url, NULL, &fx.err));
	assert_ok(scp__storage_put_open(st, "f", NULL, &w, &fx.err));
	for (int i = 0; !rc && i < 1000; i++)
		rc = scp__storage_put_write(st, w, part, sizeof(part), &fx.err);
	ck_assert_int_eq(rc, SCP_ETOOBIG);
	assert_status(scp__storage_health(st, 1000, detail, sizeof(detail), &fx.err), SCP_ETOOBIG);
	scp__storage_put_close(st, w);
	ck_assert_int_eq(count_names("small"), 0);
	assert_ok(scp__storage_health(st, 1000, detail, sizeof(detail), &fx.err));
	scp__storage_close(st);
	umount2(below("small"), MNT_DETACH);
}
END_TEST

static void add_puts(TCase *tc)
{
	tcase_add_loop_test(tc, a_put_tells_size_and_digest, 0, 2);
	tcase_add_loop_test(tc, nothing_is_seen_before_commit, 0, 2);
	tcase_add_loop_test(tc, an_uncommitted_put_leaves_nothing, 0, 2);
	tcase_add_loop_test(tc, a_put_replaces_at_once, 0, 2);
	tcase_add_test(tc, an_etag_changes_with_the_bytes_though_size_and_mtime_stay);
	tcase_add_test(tc, more_than_max_bytes_is_too_big_and_leaves_nothing);
	tcase_add_loop_test(tc, file_and_parents_get_the_owner_but_not_the_first_part, 0, 2);
	tcase_add_test(tc, a_put_where_something_else_is_conflicts);
	tcase_add_loop_test(tc, what_comes_up_during_a_put_conflicts_at_commit, 0, 2);
	tcase_add_loop_test(tc, a_full_disk_is_too_big_and_health_tells, 0, 2);
}

static void add_others(TCase *tc)
{
	tcase_add_loop_test(tc, ranges_give_what_they_say, 0, sizeof(ranges) / sizeof(ranges[0]));
	tcase_add_test(tc, an_empty_object_is_read_as_nothing);
	tcase_add_test(tc, a_file_that_shrinks_ends_with_an_error);
	tcase_add_test(tc, a_file_that_grows_ends_where_it_ended);
	tcase_add_test(tc, removing_answers_what_was_there);
	tcase_add_test(tc, a_prefix_goes_with_everything_below);
	tcase_add_test(tc, a_local_folder_is_made_and_given);
	tcase_add_test(tc, a_local_folder_is_never_a_link);
	tcase_add_test(tc, health_writes_and_leaves_nothing);
}

Suite *basic_suite(void)
{
	Suite *suite = suite_create("localfs");
	TCase *tc = tcase_create("objects");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_set_timeout(tc, 60);
	add_puts(tc);
	add_others(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
