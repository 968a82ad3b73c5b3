/* Several threads, several processes, and processes that die. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define THREADS 8
#define DISKS 100

struct job {
	scp__volumes *v;
	int first;
	bool remove;
	bool same; /* all of them the one disk */
	int failures;
	scp_error err;
};

static void *run_job(void *arg)
{
	struct job *job = arg;
	char id[32], path[256];

	for (int i = job->first; i < DISKS; i += THREADS) {
		snprintf(id, sizeof(id), "d%d", job->same ? 0 : i);
		snprintf(path, sizeof(path), "%s/sessions/%s", fx.top, id);
		if (job->remove ? scp__volume_remove(job->v, id, path, &job->err)
				: scp__volume_attach(job->v, id, DISK_BYTES, path, &job->err))
			job->failures++;
	}
	return NULL;
}

static void run_threads(scp__volumes *v, bool remove, bool same)
{
	struct job jobs[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		jobs[i] = (struct job){ .v = v, .first = i, .remove = remove, .same = same };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_msg(!jobs[i].failures, "%d failed: %s", jobs[i].failures, jobs[i].err.message);
	}
}

START_TEST(a_hundred_at_once_from_eight_threads)
{
	scp__volumes *v = open_volumes(_i ? 3 : 0, true);
	struct stat st;
	dev_t last = 0;
	char id[32];

	run_threads(v, false, false);
	ck_assert_uint_eq(mounts_in_use(), DISKS);
	for (int i = 0; i < DISKS; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		ck_assert_int_eq(stat(ws(id), &st), 0);
		ck_assert_uint_ne(st.st_dev, last);
		last = st.st_dev;
	}
	run_threads(v, true, false);
	ck_assert_uint_eq(mounts_in_use(), 0);
	scp__volumes_close(v);
	ck_assert_uint_eq(stock_files(), 0);
	await(!loops_in_use());
}
END_TEST

START_TEST(one_disk_attached_by_many_threads_is_attached_once)
{
	run_threads(fx.v, false, true);
	ck_assert_uint_eq(mounts_in_use(), 1);
	ck_assert_uint_eq(loops_in_use(), 1);
}
END_TEST

/* Run fn in a process of its own; `ready` is written to when it says so, and it dies by SIGKILL. */
static pid_t spawn(void (*fn)(int ready), int *ready)
{
	int ends[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		close(ends[0]);
		fn(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	*ready = ends[0];
	return pid;
}

static void await_ready(int ready)
{
	char c;

	ck_assert_int_eq(read(ready, &c, 1), 1);
	close(ready);
}

static void kill_hard(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void say_ready(int ready)
{
	if (write(ready, "r", 1) != 1)
		_exit(1);
}

static void attach_and_write(int ready)
{
	attach(open_volumes(0, true), "a");
	write_text(inside("a", "f"), "acknowledged");
	say_ready(ready);
}

START_TEST(what_a_killed_process_attached_is_kept)
{
	int ready;
	pid_t pid = spawn(attach_and_write, &ready);

	await_ready(ready);
	kill_hard(pid);
	assert_text(inside("a", "f"), "acknowledged");
	attach(fx.v, "a");
	assert_text(inside("a", "f"), "acknowledged");
	ck_assert_uint_eq(loops_in_use(), 1);
	ck_assert_uint_eq(mounts_in_use(), 1);
	assert_ok(scp__volume_remove(fx.v, "a", ws("a"), &fx.err));
	await(!loops_in_use());
}
END_TEST

static void attach_and_write_apart(int ready)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(1);
	attach_and_write(ready);
}

/* The other's mount can't be seen here, but its loop device has the image. */
START_TEST(one_image_in_two_mount_namespaces_has_one_loop_device)
{
	int ready;
	pid_t pid = spawn(attach_and_write_apart, &ready);

	await_ready(ready);
	ck_assert_uint_eq(mounts_in_use(), 0);
	attach(fx.v, "a");
	assert_text(inside("a", "f"), "acknowledged");
	ck_assert_uint_eq(loops_in_use(), 1);
	kill_hard(pid);
	assert_text(inside("a", "f"), "acknowledged");
	scp__volume_detach(fx.v, "a", ws("a"));
	await(!loops_in_use());
	ck_assert(check_image("a.img"));
}
END_TEST

START_TEST(an_image_that_is_locked_by_nobody_known_is_refused)
{
	char path[128];
	int fd;

	attach(fx.v, "a");
	scp__volume_detach(fx.v, "a", ws("a"));
	await(!loops_in_use());
	snprintf(path, sizeof(path), "%s/a.img", fx.dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_status(scp__volume_attach(fx.v, "a", DISK_BYTES, ws("a"), &fx.err), SCP_EBUSY);
	ck_assert_uint_eq(loops_in_use(), 0);
	close(fd);
	attach(fx.v, "a");
}
END_TEST

static bool is_in_stock(ino_t inode)
{
	char path[128];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/stock", fx.dir);
	d = opendir(path);
	while ((e = readdir(d)))
		found = found || e->d_ino == inode;
	closedir(d);
	return found;
}

static ino_t first_in_stock(void)
{
	char path[128];
	struct dirent *e;
	ino_t inode = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/stock", fx.dir);
	d = opendir(path);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			inode = e->d_ino;
	closedir(d);
	return inode;
}

START_TEST(a_disk_from_stock_is_the_one_that_was_ready)
{
	scp__volumes *v = open_volumes(1, true);
	char path[128];
	struct stat st;
	ino_t ready;

	await(loops_in_use() == 1);
	ready = first_in_stock();
	attach(v, "a");
	snprintf(path, sizeof(path), "%s/a.img", fx.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	if (st.st_ino != ready) { /* bound, but not yet put into stock when it was asked for */
		await(stock_files() == 1);
		ready = first_in_stock();
		await(loops_in_use() == 2);
		assert_ok(scp__volume_remove(v, "a", ws("a"), &fx.err));
		attach(v, "a");
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_uint_eq(st.st_ino, ready);
	}
	ck_assert(!is_in_stock(st.st_ino));
	await(loops_in_use() == 2); /* refilled, and no more than one */
	ck_assert_uint_eq(stock_files(), 1);
	scp__volumes_close(v);
	ck_assert_uint_eq(stock_files(), 0);
	ck_assert_uint_eq(mounts_in_use(), 1);
}
END_TEST

START_TEST(another_size_is_not_taken_from_stock)
{
	scp__volumes *v = open_volumes(1, true);
	struct stat st;
	char path[128];

	await(loops_in_use() == 1);
	assert_ok(scp__volume_attach(v, "a", 2 * DISK_BYTES, ws("a"), &fx.err));
	snprintf(path, sizeof(path), "%s/a.img", fx.dir);
	ck_assert(!stat(path, &st) && st.st_size == 2 * DISK_BYTES);
	scp__volumes_close(v);
}
END_TEST

static void keep_stock(int ready)
{
	open_volumes(3, true);
	await(loops_in_use() == 3);
	say_ready(ready);
}

START_TEST(the_stock_of_a_dead_process_goes_and_that_of_a_living_one_stays)
{
	int ready;
	pid_t pid = spawn(keep_stock, &ready);

	await_ready(ready);
	scp__volumes_close(open_volumes(0, true));
	ck_assert_uint_eq(stock_files(), 3);
	kill_hard(pid);
	await(!loops_in_use());
	scp__volumes_close(open_volumes(0, true));
	ck_assert_uint_eq(stock_files(), 0);
}
END_TEST

static void attach_many(int ready)
{
	scp__volumes *v = open_volumes(2, true);
	char id[32];

	say_ready(ready);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "k%d", i);
		attach(v, id);
		write_text(inside(id, "f"), id);
		if (i % 3 == 2)
			assert_ok(scp__volume_remove(v, id, ws(id), &fx.err));
	}
}

/* Whatever moment it dies in: every image can be attached and removed by who comes next. */
START_TEST(a_process_may_be_killed_at_any_moment)
{
	char id[32], path[256];
	int ready;
	pid_t pid = spawn(attach_many, &ready);

	await_ready(ready);
	usleep((unsigned)(1000 + _i * 7301));
	kill_hard(pid);
	scp__volumes_close(open_volumes(0, true));
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "k%d", i);
		snprintf(path, sizeof(path), "%s/k%d.img", fx.dir, i);
		if (!access(path, F_OK))
			attach(fx.v, id);
		assert_ok(scp__volume_remove(fx.v, id, ws(id), &fx.err));
	}
	ck_assert_uint_eq(mounts_in_use(), 0);
	await(!loops_in_use());
	scp__volumes_close(open_volumes(0, true));
	ck_assert_uint_eq(stock_files(), 0);
}
END_TEST

/* As under systemd: what is mounted spreads, and nothing may be moved away. */
START_TEST(it_works_where_the_root_is_shared)
{
	scp__volumes *v;

	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
	v = open_volumes(1, true);
	await(loops_in_use() == 1);
	attach(v, "a");
	attach(v, "b");
	write_text(inside("a", "f"), "x");
	ck_assert_uint_eq(mounts_in_use(), 2);
	assert_ok(scp__volume_remove(v, "a", ws("a"), &fx.err));
	assert_ok(scp__volume_remove(v, "b", ws("b"), &fx.err));
	ck_assert_uint_eq(mounts_in_use(), 0);
	scp__volumes_close(v);
	await(!loops_in_use());
}
END_TEST

static void open_and_leave(int ready)
{
	scp__volumes_close(open_volumes(1, true));
	say_ready(ready);
}

START_TEST(two_processes_may_start_at_once)
{
	int ready[4];
	pid_t pids[4];

	for (int i = 0; i < 4; i++)
		pids[i] = spawn(open_and_leave, &ready[i]);
	for (int i = 0; i < 4; i++) {
		await_ready(ready[i]);
		kill_hard(pids[i]);
	}
	ck_assert_uint_eq(mounts_in_use(), 0);
	ck_assert_uint_eq(stock_files(), 0);
	await(!loops_in_use());
}
END_TEST

Suite *shared_suite(void)
{
	Suite *suite = suite_create("disks shared");
	TCase *tc = tcase_create("shared");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_hundred_at_once_from_eight_threads, 0, 2);
	tcase_add_test(tc, one_disk_attached_by_many_threads_is_attached_once);
	tcase_add_test(tc, what_a_killed_process_attached_is_kept);
	tcase_add_test(tc, one_image_in_two_mount_namespaces_has_one_loop_device);
	tcase_add_test(tc, an_image_that_is_locked_by_nobody_known_is_refused);
	tcase_add_test(tc, a_disk_from_stock_is_the_one_that_was_ready);
	tcase_add_test(tc, another_size_is_not_taken_from_stock);
	tcase_add_test(tc, the_stock_of_a_dead_process_goes_and_that_of_a_living_one_stays);
	tcase_add_loop_test(tc, a_process_may_be_killed_at_any_moment, 0, 12);
	tcase_add_test(tc, it_works_where_the_root_is_shared);
	tcase_add_test(tc, two_processes_may_start_at_once);
	suite_add_tcase(suite, tc);
	return suite;
}
