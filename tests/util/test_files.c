#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs.h"
#include "suites.h"

static char root[64];
static int dir;

static void setup(void)
{
	dir = scratch_open(root);
}

static void teardown(void)
{
	scratch_close(root, dir);
}

static void put(const char *name, const char *text)
{
	ck_assert_int_eq(scp__fs_write_file(dir, name, text, strlen(text), 0644, false), 0);
}

/* Not opened, with this errno. */
static void refused(int fd, int error_number)
{
	int got = errno;

	ck_assert_int_eq(fd, -1);
	ck_assert_msg(got == error_number, "%s, not %s", strerrordesc_np(got), strerrordesc_np(error_number));
}

START_TEST(paths_that_leave_or_hide_are_refused)
{
	static const char *const bad[] = { "", "/", "/etc", "a//b", "a/", ".", "..", "../a", "a/..", "a/../b", "./a",
		"a\nb", "a\x7f", "\xff", "\xc2\x80" };
	static const char *const good[] = { "a", "a/b", ".a", "..a", "a..", "...", "a b", "\xc3\xa9/x" };
	char path[1100];
	scp_error err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(scp__path_check(bad[i], "path", &err) == SCP_EINVAL, "%s", bad[i]);
		ck_assert(!strncmp(err.message, "path:", 5));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(scp__path_check(good[i], "path", &err) == SCP_OK, "%s", good[i]);
	ck_assert_int_eq(scp__path_check(NULL, "path", &err), SCP_EINVAL);
	memset(path, 'a', sizeof(path));
	path[255] = '\0';
	ck_assert_int_eq(scp__path_check(path, "path", &err), SCP_OK);
	path[255] = 'a';
	path[256] = '\0';
	ck_assert_int_eq(scp__path_check(path, "path", &err), SCP_EINVAL);
	memset(path, 'a', sizeof(path));
	for (size_t i = 100; i < sizeof(path); i += 101)
		path[i] = '/';
	path[1024] = '\0';
	ck_assert_int_eq(scp__path_check(path, "path", &err), SCP_OK);
	path[1024] = 'a';
	path[1025] = '\0';
	ck_assert_int_eq(scp__path_check(path, "path", &err), SCP_EINVAL);
}
END_TEST

START_TEST(links_are_never_followed)
{
	struct stat st;
	const char *leaf;

	put("file", "x");
	ck_assert_int_eq(mkdirat(dir, "sub", 0755), 0);
	ck_assert_int_eq(symlinkat("file", dir, "link"), 0);
	ck_assert_int_eq(symlinkat("/etc", dir, "etc"), 0);
	ck_assert_int_eq(symlinkat("/nowhere/outside", dir, "dangling"), 0);
	ck_assert_int_eq(symlinkat("sub", dir, "subLink"), 0);
	refused(scp__fs_open(dir, "link", O_RDONLY, 0), ELOOP);
	refused(scp__fs_open(dir, "etc/passwd", O_RDONLY, 0), ELOOP);
	refused(scp__fs_open(dir, "dangling", O_WRONLY | O_CREAT, 0644), ELOOP);
	refused(scp__fs_open_regular(dir, "link", &st), ELOOP);
	refused(scp__fs_open_parent(dir, "etc/x/y", false, -1, -1, &leaf), ELOOP);
	refused(scp__fs_open_parent(dir, "etc/x", false, -1, -1, &leaf), ENOTDIR);
	refused(scp__fs_open_parent(dir, "subLink/x", true, -1, -1, &leaf), ENOTDIR);
	refused(scp__fs_make_dirs(dir, "dangling/x", 0755, -1, -1), ENOTDIR);
	refused(scp__fs_open(dir, "/proc/self/cwd", O_RDONLY, 0), EXDEV);
}
END_TEST

START_TEST(nothing_above_the_root_is_reached)
{
	const char *leaf;

	refused(scp__fs_open(dir, "..", O_RDONLY, 0), EXDEV);
	refused(scp__fs_open(dir, "/etc/passwd", O_RDONLY, 0), EXDEV);
	refused(scp__fs_make_dirs(dir, "a/../..", 0755, -1, -1), EINVAL);
	refused(scp__fs_open_parent(dir, "../x", true, -1, -1, &leaf), EINVAL);
	refused(scp__fs_open_parent(dir, "a/..", true, -1, -1, &leaf), EINVAL);
	refused(scp__fs_open_parent(dir, "/x", true, -1, -1, &leaf), EINVAL);
	refused(scp__fs_open_parent(dir, "a/", true, -1, -1, &leaf), EINVAL);
}
END_TEST

START_TEST(only_regular_files_are_opened_and_nothing_blocks)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", root);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(mkfifoat(dir, "fifo", 0666), 0);
	ck_assert_int_eq(mkdirat(dir, "folder", 0755), 0);
	put("file", "text");
	refused(scp__fs_open_regular(dir, "fifo", &st), ENXIO);
	refused(scp__fs_open_regular(dir, "socket", &st), ENXIO);
	refused(scp__fs_open_regular(dir, "folder", &st), EISDIR);
	refused(scp__fs_open_regular(dir, "missing", &st), ENOENT);
	refused(scp__fs_open_regular(dir, "file/x", &st), ENOTDIR);
	refused(scp__fs_open(dir, "fifo", O_WRONLY, 0), ENXIO);
	if (!mknodat(dir, "device", S_IFCHR | 0666, makedev(1, 3)))
		refused(scp__fs_open_regular(dir, "device", &st), ENXIO);
	fd = scp__fs_open_regular(dir, "file", &st);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	close(s);
}
END_TEST

/* A holder of a write lease makes a plain open wait for up to 45 s. */
START_TEST(a_lease_blocks_no_open)
{
	struct stat st;
	int holder;

	put("file", "text");
	holder = openat(dir, "file", O_RDWR | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	if (!fcntl(holder, F_SETLEASE, F_WRLCK))
		refused(scp__fs_open_regular(dir, "file", &st), EAGAIN);
	close(holder);
}
END_TEST

START_TEST(parents_are_made_with_their_owner_and_mode)
{
	const char *path = "a/b/c/leaf", *leaf;
	struct stat st;
	mode_t old = umask(077);
	bool root_user = geteuid() == 0;
	int fd;

	refused(scp__fs_open_parent(dir, path, false, -1, -1, &leaf), ENOENT);
	fd = scp__fs_open_parent(dir, path, true, root_user ? 12345 : -1, root_user ? 12346 : -1, &leaf);
	umask(old);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_eq(leaf, path + 6);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	if (root_user) {
		ck_assert_uint_eq(st.st_uid, 12345);
		ck_assert_uint_eq(st.st_gid, 12346);
	}
	close(fd);
	fd = scp__fs_open_parent(dir, "leaf", false, -1, -1, &leaf);
	ck_assert_int_ge(fd, 0);
	ck_assert_str_eq(leaf, "leaf");
	close(fd);
}
END_TEST

START_TEST(a_folder_that_was_there_keeps_its_owner_and_mode)
{
	struct stat st;
	int fd;

	ck_assert_int_eq(mkdirat(dir, "a", 0700), 0);
	fd = scp__fs_make_dirs(dir, "a/b/", 0755, -1, -1);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(fstatat(dir, "a", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(small_files_are_replaced_as_a_whole)
{
	char *data;
	size_t len;
	struct stat st;

	put("file", "first");
	ck_assert_int_eq(scp__fs_write_file(dir, "file", "second", 6, 0600, true), 0);
	ck_assert_int_eq(scp__fs_read_file(dir, "file", 6, &data, &len), 0);
	ck_assert_uint_eq(len, 6);
	ck_assert_str_eq(data, "second");
	free(data);
	ck_assert_int_eq(fstatat(dir, "file", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(scp__fs_read_file(dir, "file", 5, &data, &len), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_ptr_null(data);
	ck_assert_int_eq(scp__fs_read_file(AT_FDCWD, "/proc/self/stat", 65536, &data, NULL), 0);
	ck_assert_uint_gt(strlen(data), 0);
	free(data);
	ck_assert_int_eq(scp__fs_read_file(dir, ".", 10, &data, &len), -1);
	ck_assert_int_eq(errno, EISDIR);
}
END_TEST

START_TEST(a_failed_replacement_leaves_nothing_behind)
{
	ck_assert_int_eq(mkdirat(dir, "sub", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "sub/file", 0755), 0);
	ck_assert_int_eq(scp__fs_write_file(dir, "sub/file", "x", 1, 0600, true), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(unlinkat(dir, "sub/file", AT_REMOVEDIR), 0);
	ck_assert_int_eq(unlinkat(dir, "sub", AT_REMOVEDIR), 0);
}
END_TEST

START_TEST(folders_of_ours_are_made_once)
{
	char path[128];

	snprintf(path, sizeof(path), "%s//x/y/z/", root);
	ck_assert_int_eq(scp__fs_mkdir_p(path, 0755), 0);
	ck_assert_int_eq(scp__fs_mkdir_p(path, 0755), 0);
	put("file", "");
	snprintf(path, sizeof(path), "%s/file/y", root);
	ck_assert_int_eq(scp__fs_mkdir_p(path, 0755), -1);
	ck_assert_int_eq(errno, ENOTDIR);
}
END_TEST

START_TEST(media_types_follow_the_extension)
{
	ck_assert_str_eq(scp__mime_type("a/b.csv"), "text/csv");
	ck_assert_str_eq(scp__mime_type("PLOT.PNG"), "image/png");
	ck_assert_str_eq(scp__mime_type("a.tar.gz"), "application/gzip");
	ck_assert_str_eq(scp__mime_type("dir.csv/file"), "application/octet-stream");
	ck_assert_str_eq(scp__mime_type(".csv"), "application/octet-stream");
	ck_assert_str_eq(scp__mime_type("x."), "application/octet-stream");
}
END_TEST

TCase *util_files_case(void)
{
	TCase *c = tcase_create("files");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, paths_that_leave_or_hide_are_refused);
	tcase_add_test(c, links_are_never_followed);
	tcase_add_test(c, nothing_above_the_root_is_reached);
	tcase_add_test(c, only_regular_files_are_opened_and_nothing_blocks);
	tcase_add_test(c, a_lease_blocks_no_open);
	tcase_add_test(c, parents_are_made_with_their_owner_and_mode);
	tcase_add_test(c, a_folder_that_was_there_keeps_its_owner_and_mode);
	tcase_add_test(c, small_files_are_replaced_as_a_whole);
	tcase_add_test(c, a_failed_replacement_leaves_nothing_behind);
	tcase_add_test(c, folders_of_ours_are_made_once);
	tcase_add_test(c, media_types_follow_the_extension);
	return c;
}
