/* What code in a sandbox does to its workspace while the control plane works on it. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fixture.h"
#include "fs.h"

#define ROUNDS 100000
#define OPERATIONS 3000
#define ENOUGH_US 10000000
#define CANARY "nobody may read or change this"

static void plant_canary(void)
{
	char path[128];
	int dir = open(fx.outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(scp__fs_write_file(dir, "f", CANARY, strlen(CANARY), 0644, false), 0);
	close(dir);
	snprintf(path, sizeof(path), "%s/kept", fx.outside);
	ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void assert_outside_unharmed(void)
{
	int dir = open(fx.outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	char *text;
	size_t len;

	ck_assert_int_eq(scp__fs_read_file(dir, "f", 1000, &text, &len), 0);
	ck_assert_str_eq(text, CANARY);
	free(text);
	ck_assert(!fstatat(dir, "f", &st, 0) && st.st_uid == geteuid() && st.st_nlink == 1);
	ck_assert(!fstatat(dir, "kept", &st, 0));
	/* nothing was made: ".", ".." and kept's own ".." */
	ck_assert(!fstat(dir, &st) && st.st_nlink == 3);
	ck_assert_int_eq(unlinkat(dir, "f", 0) || unlinkat(dir, "kept", AT_REMOVEDIR), 0);
	close(dir);
	ck_assert_int_eq(rmdir(fx.outside), 0);
}

START_TEST(links_are_never_followed)
{
	char target[128];
	scp_object object;
	scp_status rc;

	plant_canary();
	make_dir("w");
	snprintf(target, sizeof(target), "%s/f", fx.outside);
	ck_assert_int_eq(symlink(target, below("w/file")), 0);
	ck_assert_int_eq(symlink(fx.outside, below("w/dir")), 0);
	ck_assert_int_eq(symlink("/nowhere/at/all", below("w/dangling")), 0);
	ck_assert_ptr_null(get("w/file", &rc));
	ck_assert_int_eq(rc, SCP_ECONFLICT);
	ck_assert_ptr_null(get("w/dir/f", &rc));
	ck_assert_int_eq(rc, SCP_ECONFLICT);
	assert_status(scp__storage_stat(fx.st, "w/file", &object, &fx.err), SCP_ENOTFOUND);
	assert_status(scp__storage_stat(fx.st, "w/dir/f", &object, &fx.err), SCP_ENOTFOUND);
	assert_status(scp__storage_put_bytes(fx.st, "w/file", "x", 1, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_bytes(fx.st, "w/dir/new", "x", 1, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_put_bytes(fx.st, "w/dangling", "x", 1, &fx.err), SCP_ECONFLICT);
	assert_status(scp__storage_remove(fx.st, "w/dir/f", &fx.err), SCP_ENOTFOUND);
	assert_ok(scp__storage_remove_prefix(fx.st, "w/dir/kept", &fx.err));
	assert_ok(scp__storage_remove_prefix(fx.st, "w", &fx.err));
	assert_outside_unharmed();
}
END_TEST

START_TEST(special_files_are_refused_without_blocking)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static const char *const keys[] = { "w/fifo", "w/socket", "w/dev", "w" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	scp_status rc;

	make_dir("w");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", below("w/socket"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(mkfifo(below("w/fifo"), 0666), 0);
	if (mknod(below("w/dev"), S_IFCHR | 0666, makedev(1, 5)))
		ck_assert_int_eq(mkfifo(below("w/dev"), 0666), 0); /* not root */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ck_assert_ptr_null(get(keys[i], &rc));
		ck_assert_msg(rc == SCP_ECONFLICT, "%s: %s", keys[i], fx.err.message);
	}
	close(fd);
}
END_TEST

START_TEST(a_write_lease_keeps_nobody_waiting)
{
	scp_status rc;
	int fd;

	put("w/f", "x");
	fd = open(below("w/f"), O_RDWR | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
	ck_assert_ptr_null(get("w/f", &rc)); /* a plain open waits 45 s, which is over this test's time */
	ck_assert_int_eq(rc, SCP_EBUSY);
	ck_assert_uint_gt(fx.err.retry_after_ms, 0);
	close(fd);
}
END_TEST

START_TEST(a_file_without_rights_is_read_by_root)
{
	scp_status rc;
	char *text;

	if (geteuid())
		return;
	put("w/f", "x");
	ck_assert_int_eq(chmod(below("w/f"), 0), 0);
	ck_assert_int_eq(chown(below("w/f"), 4711, 4711), 0);
	text = get("w/f", &rc);
	ck_assert_int_eq(rc, SCP_OK);
	free(text);
}
END_TEST

/* w/d is now a directory, now a link to the outside. */
struct swapper {
	int dir;
	atomic_bool stop;
	atomic_uint rounds;
};

static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop))
		if (!renameat2(s->dir, "d", s->dir, "link", RENAME_EXCHANGE))
			atomic_fetch_add(&s->rounds, 1);
	return NULL;
}

static scp_status refuse_canary(void *user, const scp_object *object, scp_error *err)
{
	(void)user;
	(void)err;
	ck_assert_ptr_null(strstr(object->key, "kept"));
	ck_assert_uint_ne(object->size_bytes, strlen(CANARY));
	return SCP_OK;
}

static void get_something(void)
{
	scp_status rc;
	char *text = get("w/d/f", &rc);

	ck_assert(!text || strcmp(text, CANARY) != 0);
	free(text);
}

static void work(int i)
{
	static const scp_list_options recursive = { .struct_size = sizeof(recursive), .recursive = true };
	scp_object object;
	char next[1401];

	(void)scp__storage_put_bytes(fx.st, "w/d/f", "mine", 4, NULL);
	get_something();
	if (!scp__storage_stat(fx.st, "w/d/f", &object, NULL))
		ck_assert_uint_eq(object.size_bytes, 4);
	ck_assert_int_eq(scp__storage_list(
			     fx.st, i % 2 ? "w" : "w/d", "", &recursive, refuse_canary, NULL, next, sizeof(next), NULL),
	    SCP_OK);
	(void)scp__storage_put_bytes(fx.st, "w/d/sub/new", "mine", 4, NULL);
	(void)scp__storage_remove(fx.st, i % 2 ? "w/d/f" : "w/d/kept", NULL);
	(void)scp__storage_remove_prefix(fx.st, i % 2 ? "w/d/sub" : "w/d/kept", NULL);
}

START_TEST(a_link_swapper_never_leads_outside)
{
	struct swapper s = { .dir = -1 };
	pthread_t thread;
	int i = 0;

	plant_canary();
	make_dir("w/d");
	ck_assert_int_eq(symlink(fx.outside, below("w/link")), 0);
	s.dir = open(below("w"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(pthread_create(&thread, NULL, swap, &s), 0);
	while (i < OPERATIONS || atomic_load(&s.rounds) < ROUNDS)
		work(i++);
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	close(s.dir);
	assert_outside_unharmed();
}
END_TEST

/* The folder to be removed is emptied while its parts turn into links. */
START_TEST(removing_a_folder_that_is_being_swapped_stays_inside)
{
	struct swapper s = { .dir = -1 };
	int64_t begin = scp__mono_us();
	pthread_t thread;
	int made;

	plant_canary();
	make_dir("w");
	ck_assert_int_eq(symlink(fx.outside, below("w/link")), 0);
	make_dir("w/d");
	s.dir = open(below("w"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(pthread_create(&thread, NULL, swap, &s), 0);
	/* A disk that others keep busy makes it slow, and no better. */
	for (int i = 0; i < OPERATIONS && (i < OPERATIONS / 10 || scp__mono_us() - begin < ENOUGH_US); i++) {
		(void)scp__storage_remove_prefix(fx.st, "w/d", NULL);
		(void)mkdirat(s.dir, "d", 0755);
		made = symlinkat(fx.outside, s.dir, "link"); /* if it went */
		(void)made;
		(void)scp__storage_put_bytes(fx.st, "w/d/a/b", "x", 1, NULL);
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	close(s.dir);
	assert_outside_unharmed();
}
END_TEST

/* The target comes and goes, as a link too. */
static void *steal(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		if (!renameat2(s->dir, "f", s->dir, "stolen", RENAME_NOREPLACE))
			atomic_fetch_add(&s->rounds, 1);
		if (!symlinkat("../../outside/f", s->dir, "f"))
			(void)unlinkat(s->dir, "f", 0);
		(void)unlinkat(s->dir, "stolen", 0);
	}
	return NULL;
}

START_TEST(a_target_that_turns_into_a_link_is_never_written_through)
{
	struct swapper s = { .dir = -1 };
	pthread_t thread;

	plant_canary();
	make_dir("w");
	s.dir = open(below("w"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(pthread_create(&thread, NULL, steal, &s), 0);
	for (int i = 0; i < OPERATIONS * 3; i++)
		(void)scp__storage_put_bytes(fx.st, "w/f", "mine", 4, NULL);
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	close(s.dir);
	assert_outside_unharmed();
}
END_TEST

Suite *hostile_suite(void)
{
	Suite *suite = suite_create("localfs hostile");
	TCase *tc = tcase_create("hostile");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_set_timeout(tc, 40);
	tcase_add_test(tc, links_are_never_followed);
	tcase_add_test(tc, special_files_are_refused_without_blocking);
	tcase_add_test(tc, a_write_lease_keeps_nobody_waiting);
	tcase_add_test(tc, a_file_without_rights_is_read_by_root);
	tcase_add_test(tc, a_link_swapper_never_leads_outside);
	tcase_add_test(tc, removing_a_folder_that_is_being_swapped_stays_inside);
	tcase_add_test(tc, a_target_that_turns_into_a_link_is_never_written_through);
	suite_add_tcase(suite, tc);
	return suite;
}
