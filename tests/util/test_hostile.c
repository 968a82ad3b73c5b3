#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "fs.h"
#include "suites.h"

#define ROUNDS 20000
#define ENOUGH_US 10000000

static char root[64], outside[64];
static int dir, out;

static void setup(void)
{
	dir = scratch_open(root);
	out = scratch_open(outside);
}

static void teardown(void)
{
	scratch_close(root, dir);
	scratch_close(outside, out);
}

static bool there(int at, const char *name)
{
	return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void touch(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* Exchanges a folder with a link to the outside for as long as the test runs. */
struct swapper {
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong swaps;
	const char *a, *b;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		syscall(SYS_renameat2, dir, s->a, dir, s->b, 2 /* RENAME_EXCHANGE */);
		atomic_fetch_add(&s->swaps, 1);
	}
	return NULL;
}

static void swapper_start(struct swapper *s, const char *a, const char *b)
{
	*s = (struct swapper){ .a = a, .b = b };
	ck_assert_int_eq(pthread_create(&s->thread, NULL, swap, s), 0);
}

static void swapper_stop(struct swapper *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	ck_assert_uint_gt(atomic_load(&s->swaps), 0);
}

static ino_t inode_of(int at, const char *name)
{
	struct stat st;

	ck_assert_int_eq(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_ino;
}

START_TEST(a_swapped_parent_never_leads_outside)
{
	struct swapper s;
	const char *leaf;
	struct stat st;
	ino_t inside, target = inode_of(out, ".");
	int opened = 0, fd;

	ck_assert_int_eq(mkdirat(dir, "sub", 0755), 0);
	ck_assert_int_eq(symlinkat(outside, dir, "trap"), 0);
	inside = inode_of(dir, "sub");
	swapper_start(&s, "sub", "trap");
	for (int i = 0; i < ROUNDS; i++) {
		fd = scp__fs_open_parent(dir, "sub/new", i % 2, -1, -1, &leaf);
		if (fd < 0) {
			ck_assert_msg(errno == ELOOP || errno == ENOTDIR || errno == ENOENT, "errno %d", errno);
			continue;
		}
		opened++;
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_uint_eq(st.st_ino, inside);
		ck_assert_uint_ne(st.st_ino, target);
		close(fd);
	}
	swapper_stop(&s);
	ck_assert_int_gt(opened, 0);
}
END_TEST

START_TEST(a_swapped_file_is_never_read_outside)
{
	struct swapper s;
	struct stat st;
	char path[80];
	int opened = 0, fd;
	ino_t inside;

	touch(out, "secret");
	touch(dir, "file");
	inside = inode_of(dir, "file");
	snprintf(path, sizeof(path), "%s/secret", outside);
	ck_assert_int_eq(symlinkat(path, dir, "trap"), 0);
	swapper_start(&s, "file", "trap");
	for (int i = 0; i < ROUNDS; i++) {
		fd = scp__fs_open_regular(dir, "file", &st);
		if (fd < 0)
			continue;
		opened++;
		ck_assert_uint_eq(st.st_ino, inside);
		close(fd);
	}
	swapper_stop(&s);
	ck_assert_int_gt(opened, 0);
}
END_TEST

START_TEST(a_file_swapped_for_a_fifo_never_blocks_or_passes)
{
	struct swapper s;
	struct stat st;
	int fd;

	touch(dir, "file");
	ck_assert_int_eq(mkfifoat(dir, "fifo", 0666), 0);
	swapper_start(&s, "file", "fifo");
	for (int i = 0; i < ROUNDS; i++) {
		fd = scp__fs_open_regular(dir, "file", &st);
		if (fd < 0)
			continue;
		ck_assert(S_ISREG(st.st_mode));
		close(fd);
	}
	swapper_stop(&s);
}
END_TEST

START_TEST(removing_a_tree_takes_no_link_with_it)
{
	ck_assert_int_eq(mkdirat(dir, "tree", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "tree/sub", 0755), 0);
	touch(out, "kept");
	ck_assert_int_eq(symlinkat(outside, dir, "tree/sub/link"), 0);
	ck_assert_int_eq(symlinkat(outside, dir, "link"), 0);
	ck_assert_int_eq(mkfifoat(dir, "tree/fifo", 0666), 0);
	ck_assert_int_eq(scp__fs_remove_tree(dir, "tree"), 0);
	ck_assert_int_eq(scp__fs_remove_tree(dir, "link"), 0);
	ck_assert(!there(dir, "tree") && !there(dir, "link"));
	ck_assert(there(out, "kept"));
	ck_assert_int_eq(scp__fs_remove_tree(dir, "never there"), 0);
}
END_TEST

START_TEST(a_name_to_remove_is_one_part)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(scp__fs_remove_tree(dir, bad[i]), -1);
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

START_TEST(a_tree_of_ten_thousand_levels_goes)
{
	int fd = dup(dir), next;

	for (int i = 0; i < 10000; i++) {
		ck_assert_int_eq(mkdirat(fd, "d", 0755), 0);
		if (i % 100 == 0)
			touch(fd, "file");
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(fd);
		fd = next;
	}
	close(fd);
	ck_assert_int_eq(scp__fs_remove_tree(dir, "d"), 0);
	ck_assert(!there(dir, "d"));
}
END_TEST

START_TEST(a_wide_tree_goes)
{
	char name[64];

	ck_assert_int_eq(mkdirat(dir, "tree", 0755), 0);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "tree/%d", i);
		ck_assert_int_eq(mkdirat(dir, name, 0755), 0);
		for (int k = 0; k < 60; k++) {
			snprintf(name, sizeof(name), "tree/%d/%d", i, k);
			if (k % 3)
				touch(dir, name);
			else
				ck_assert_int_eq(mkdirat(dir, name, 0755), 0);
			snprintf(name, sizeof(name), "tree/%d/%d/x", i, k);
			if (!(k % 3))
				touch(dir, name);
		}
	}
	ck_assert_int_eq(scp__fs_remove_tree(dir, "tree"), 0);
	ck_assert(!there(dir, "tree"));
}
END_TEST

START_TEST(folders_without_rights_go_too)
{
	if (!geteuid() && seteuid(65534))
		return;
	if (fchmod(dir, 0777)) { /* root's: as another user it isn't ours to change */
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(fchmod(dir, 0777), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
	ck_assert_int_eq(mkdirat(dir, "tree", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "tree/a", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "tree/a/b", 0755), 0);
	touch(dir, "tree/a/b/file");
	ck_assert_int_eq(fchmodat(dir, "tree/a/b", 0, 0), 0);
	ck_assert_int_eq(fchmodat(dir, "tree/a", 0500, 0), 0);
	ck_assert_int_eq(fchmodat(dir, "tree", 0, 0), 0);
	ck_assert_int_eq(scp__fs_remove_tree(dir, "tree"), 0);
	ck_assert(!there(dir, "tree"));
	(void)!seteuid(getuid());
}
END_TEST

START_TEST(removal_crosses_no_mount)
{
	char path[96];
	int rc;

	ck_assert_int_eq(mkdirat(dir, "tree", 0755), 0);
	ck_assert_int_eq(mkdirat(dir, "tree/mount", 0755), 0);
	touch(out, "kept");
	snprintf(path, sizeof(path), "%s/tree/mount", root);
	if (mount(outside, path, NULL, MS_BIND, NULL))
		return; /* not allowed here */
	rc = scp__fs_remove_tree(dir, "tree");
	ck_assert_int_eq(umount2(path, MNT_DETACH), 0);
	ck_assert_int_eq(rc, -1);
	ck_assert(there(out, "kept"));
	ck_assert_int_eq(scp__fs_remove_tree(dir, "tree"), 0);
}
END_TEST

/* Somebody exchanges folders with links while they are removed, and makes new ones: so many, or it might never end. */
static void *disturb(void *arg)
{
	struct swapper *s = arg;
	char name[32];

	for (unsigned i = 0; !atomic_load(&s->stop); i++) {
		snprintf(name, sizeof(name), "tree/%u", i % 50);
		if (i % 3)
			syscall(SYS_renameat2, dir, name, dir, "trap", 2);
		else if (i < 3 * ROUNDS)
			mkdirat(dir, name, 0755);
		atomic_fetch_add(&s->swaps, 1);
	}
	return NULL;
}

START_TEST(removal_under_attack_leaves_the_outside_alone)
{
	struct swapper s = { 0 };
	int64_t begin = scp__mono_us();
	char name[64];

	touch(out, "kept");
	ck_assert_int_eq(mkdirat(out, "folder", 0755), 0);
	touch(out, "folder/kept");
	ck_assert_int_eq(symlinkat(outside, dir, "trap"), 0);
	ck_assert_int_eq(pthread_create(&s.thread, NULL, disturb, &s), 0);
	/* A disk that others keep busy makes it slow, and no better. */
	for (int round = 0; round < 40 && (!round || scp__mono_us() - begin < ENOUGH_US); round++) {
		mkdirat(dir, "tree", 0755);
		for (int i = 0; i < 50; i++) {
			snprintf(name, sizeof(name), "tree/%d", i);
			mkdirat(dir, name, 0755);
			snprintf(name, sizeof(name), "tree/%d/sub", i);
			mkdirat(dir, name, 0755);
		}
		(void)scp__fs_remove_tree(dir, "tree");
	}
	swapper_stop(&s);
	ck_assert_int_eq(scp__fs_remove_tree(dir, "tree"), 0);
	ck_assert(there(out, "kept") && there(out, "folder/kept"));
}
END_TEST

TCase *util_hostile_case(void)
{
	TCase *c = tcase_create("hostile");

	tcase_set_timeout(c, 240); /* one removal alone is long where nothing else is fast */
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_swapped_parent_never_leads_outside);
	tcase_add_test(c, a_swapped_file_is_never_read_outside);
	tcase_add_test(c, a_file_swapped_for_a_fifo_never_blocks_or_passes);
	tcase_add_test(c, removing_a_tree_takes_no_link_with_it);
	tcase_add_test(c, a_name_to_remove_is_one_part);
	tcase_add_test(c, a_tree_of_ten_thousand_levels_goes);
	tcase_add_test(c, a_wide_tree_goes);
	tcase_add_test(c, folders_without_rights_go_too);
	tcase_add_test(c, removal_crosses_no_mount);
	tcase_add_test(c, removal_under_attack_leaves_the_outside_alone);
	return c;
}
