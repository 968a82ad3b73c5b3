#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

START_TEST(a_disk_is_its_owners_and_empty)
{
	struct statvfs vfs;
	struct stat st;

	attach(fx.v, "a");
	ck_assert(!stat(ws("a"), &st) && st.st_uid == OWNER && st.st_gid == OWNER);
	ck_assert_int_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(st.st_nlink, 2); /* no lost+found */
	ck_assert_int_eq(statvfs(ws("a"), &vfs), 0);
	ck_assert(vfs.f_flag & ST_NOSUID && vfs.f_flag & ST_NODEV && vfs.f_flag & ST_NOATIME);
	ck_assert(!(vfs.f_flag & ST_NOEXEC) && !(vfs.f_flag & ST_RDONLY));
	ck_assert_uint_ge(vfs.f_ffree, 8192);
}
END_TEST

/* Bytes written until there is an error; errno tells which. */
static uint64_t fill(const char *path)
{
	static char block[256 * 1024];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	uint64_t total = 0;
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	memset(block, 'x', sizeof(block));
	while ((n = write(fd, block, sizeof(block))) > 0)
		total += (uint64_t)n;
	close(fd);
	return total;
}

START_TEST(a_full_disk_is_enospc_at_its_limit_and_harms_no_other)
{
	uint64_t written;

	attach(fx.v, "greedy");
	attach(fx.v, "other");
	written = fill(inside("greedy", "f"));
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_le(written, DISK_BYTES);
	ck_assert_uint_ge(written, DISK_BYTES / 3 * 2);
	write_text(inside("other", "f"), "fine");
	ck_assert_uint_ge(fill(inside("other", "g")), DISK_BYTES / 3 * 2);
	assert_text(inside("other", "f"), "fine");
}
END_TEST

START_TEST(running_out_of_inodes_harms_no_other)
{
	char name[32];
	int rc = 0;

	attach(fx.v, "greedy");
	attach(fx.v, "other");
	for (int i = 0; !rc && i < 100000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		rc = mknod(inside("greedy", name), S_IFREG | 0644, 0);
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, ENOSPC);
	write_text(inside("other", "f"), "fine");
}
END_TEST

START_TEST(attaching_again_changes_nothing)
{
	attach(fx.v, "a");
	write_text(inside("a", "f"), "kept");
	attach(fx.v, "a");
	assert_ok(scp__volume_attach(fx.v, "a", 4 * DISK_BYTES, ws("a"), &fx.err));
	assert_text(inside("a", "f"), "kept");
	ck_assert_uint_eq(loops_in_use(), 1);
	ck_assert_uint_eq(mounts_in_use(), 1);
}
END_TEST

START_TEST(a_detached_disk_comes_back_with_its_files)
{
	attach(fx.v, "a");
	write_text(inside("a", "f"), "kept");
	scp__volume_detach(fx.v, "a", ws("a"));
	ck_assert_uint_eq(mounts_in_use(), 0);
	ck_assert_int_eq(access(inside("a", "f"), F_OK), -1);
	await(!loops_in_use());
	ck_assert(check_image("a.img"));
	scp__volume_detach(fx.v, "a", ws("a"));
	attach(fx.v, "a");
	assert_text(inside("a", "f"), "kept");
}
END_TEST

START_TEST(a_disk_in_use_stays_attached)
{
	int fd;

	attach(fx.v, "a");
	write_text(inside("a", "f"), "kept");
	fd = open(inside("a", "f"), O_RDONLY | O_CLOEXEC);
	scp__volume_detach(fx.v, "a", ws("a"));
	assert_text(inside("a", "f"), "kept");
	close(fd);
}
END_TEST

static void assert_nothing_left(const char *id)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s.img", fx.dir, id);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(access(ws(id), F_OK), -1);
	ck_assert_uint_eq(mounts_in_use(), 0);
	ck_assert_uint_eq(stock_files(), 0);
}

START_TEST(removal_leaves_nothing)
{
	attach(fx.v, "a");
	write_text(inside("a", "f"), "x");
	assert_ok(scp__volume_remove(fx.v, "a", ws("a"), &fx.err));
	assert_nothing_left("a");
	await(!loops_in_use());
	assert_ok(scp__volume_remove(fx.v, "a", ws("a"), &fx.err));
	assert_ok(scp__volume_remove(fx.v, "never", ws("never"), &fx.err));
	attach(fx.v, "a");
	ck_assert_int_eq(access(inside("a", "f"), F_OK), -1);
	scp__volume_detach(fx.v, "a", ws("a"));
	assert_ok(scp__volume_remove(fx.v, "a", ws("a"), &fx.err)); /* one that is not mounted */
	assert_nothing_left("a");
}
END_TEST

START_TEST(a_disk_in_use_is_removed_too)
{
	int fd;

	attach(fx.v, "a");
	write_text(inside("a", "f"), "x");
	fd = open(inside("a", "f"), O_RDWR | O_CLOEXEC);
	assert_ok(scp__volume_remove(fx.v, "a", ws("a"), &fx.err));
	assert_nothing_left("a");
	attach(fx.v, "a"); /* another one, though the old one still is */
	ck_assert_int_eq(access(inside("a", "f"), F_OK), -1);
	ck_assert_int_eq(write(fd, "y", 1), 1);
	ck_assert_uint_eq(loops_in_use(), 2);
	close(fd);
	await(loops_in_use() == 1);
}
END_TEST

START_TEST(files_written_without_a_disk_are_not_hidden)
{
	ck_assert_int_eq(mkdir(inside("", ""), 0755), 0);
	ck_assert_int_eq(mkdir(ws("a"), 0755), 0);
	write_text(inside("a", "f"), "kept");
	assert_status(scp__volume_attach(fx.v, "a", DISK_BYTES, ws("a"), &fx.err), SCP_ESTATE);
	assert_text(inside("a", "f"), "kept");
	ck_assert_int_eq(mount("none", ws("a"), "tmpfs", 0, "size=4k"), 0);
	assert_status(scp__volume_attach(fx.v, "a", DISK_BYTES, ws("a"), &fx.err), SCP_ESTATE);
	assert_status(scp__volume_remove(fx.v, "a", ws("a"), &fx.err), SCP_ESTATE);
	ck_assert_uint_eq(mounts_in_use(), 1);
}
END_TEST

START_TEST(every_copy_is_sound_and_has_a_uuid_of_its_own)
{
	char uuid[2][16], path[128];
	const char *ids[] = { "a", "b" };

	for (int i = 0; i < 2; i++) {
		int fd;

		attach(fx.v, ids[i]);
		scp__volume_detach(fx.v, ids[i], ws(ids[i]));
		snprintf(path, sizeof(path), "%s/%s.img", fx.dir, ids[i]);
		ck_assert_msg(check_image(path + strlen(fx.dir) + 1), "%s", path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_eq(pread(fd, uuid[i], 16, 1024 + 0x68), 16);
		close(fd);
	}
	ck_assert_mem_ne(uuid[0], uuid[1], 16);
}
END_TEST

START_TEST(any_size_can_be_had)
{
	static const uint64_t sizes[] = { 16u * MIB, 100u * MIB + 1, 1024u * MIB, 50ULL * 1024 * MIB };
	struct statvfs vfs;
	struct stat st;
	char path[128];

	assert_ok(scp__volume_attach(fx.v, "a", sizes[_i], ws("a"), &fx.err));
	ck_assert_int_eq(statvfs(ws("a"), &vfs), 0);
	ck_assert_uint_ge((uint64_t)vfs.f_bavail * vfs.f_frsize, sizes[_i] / 3 * 2 - 2 * MIB);
	if (sizes[_i] >= 1024u * MIB)
		ck_assert_uint_ge(vfs.f_files, 65536);
	snprintf(path, sizeof(path), "%s/a.img", fx.dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_le((uint64_t)st.st_blocks * 512, 2 * MIB); /* sparse */
	scp__volume_detach(fx.v, "a", ws("a"));
	ck_assert(check_image("a.img"));
}
END_TEST

START_TEST(bad_ids_and_sizes_are_refused)
{
	static const char *const ids[] = { "", "..", "a/b", "stock/x", "*probe", "a.img" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_status(scp__volume_attach(fx.v, ids[i], DISK_BYTES, ws("a"), &fx.err), SCP_EINVAL);
		assert_status(scp__volume_remove(fx.v, ids[i], ws("a"), &fx.err), SCP_EINVAL);
	}
	assert_status(scp__volume_attach(fx.v, "a", MIB, ws("a"), &fx.err), SCP_EINVAL);
	ck_assert_uint_eq(mounts_in_use(), 0);
}
END_TEST

START_TEST(a_full_host_is_a_lack_of_capacity)
{
	char id[16], small[sizeof(fx.dir)];
	scp_status rc = SCP_OK;
	scp__volumes *v;

	snprintf(small, sizeof(small), "%.64s/small", fx.top);
	ck_assert_int_eq(mkdir(small, 0755), 0);
	ck_assert_int_eq(mount("none", small, "tmpfs", 0, "size=700k"), 0);
	memcpy(fx.dir, small, sizeof(fx.dir));
	v = open_volumes(0, true);
	for (int i = 0; !rc && i < 100; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		rc = scp__volume_attach(v, id, DISK_BYTES, ws(id), &fx.err);
	}
	ck_assert_msg(rc == SCP_ECAPACITY, "%s: %s", scp_status_name(rc), fx.err.message);
	ck_assert_uint_eq(stock_files(), 0);
	scp__volumes_close(v);
}
END_TEST

START_TEST(without_enforcement_it_is_a_folder)
{
	scp__volumes *v = open_volumes(0, false);
	const char *state, *detail;
	struct stat st;

	attach(v, "a");
	attach(v, "a");
	ck_assert(!stat(ws("a"), &st) && st.st_uid == OWNER);
	ck_assert_uint_eq(mounts_in_use(), 0);
	write_text(inside("a", "f"), "x");
	assert_ok(scp__volume_remove(v, "a", ws("a"), &fx.err));
	ck_assert_int_eq(access(ws("a"), F_OK), -1);
	scp__volumes_limit(v, &state, &detail);
	ck_assert_str_eq(state, "not enforced");
	scp__volumes_limit(fx.v, &state, &detail);
	ck_assert_str_eq(state, "enforced");
	scp__volumes_close(v);
}
END_TEST

START_TEST(a_disk_made_when_limits_were_on_is_still_found)
{
	scp__volumes *v = open_volumes(0, false);

	attach(fx.v, "a");
	write_text(inside("a", "f"), "kept");
	scp__volume_detach(fx.v, "a", ws("a"));
	attach(v, "a");
	assert_text(inside("a", "f"), "kept");
	assert_ok(scp__volume_remove(v, "a", ws("a"), &fx.err));
	assert_nothing_left("a");
	scp__volumes_close(v);
}
END_TEST

START_TEST(who_is_not_root_is_told_so)
{
	scp__volumes_options options = { .dir = fx.dir, .enforce = true };
	int status;
	pid_t pid = fork();

	if (!pid) {
		scp__volumes *v;
		scp_error err;

		if (setuid(65534))
			_exit(2);
		_exit(
		    scp__volumes_open(&v, &options, &err) == SCP_ENOTSUP && strstr(err.message, "root") && !v ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

Suite *disk_suite(void)
{
	Suite *suite = suite_create("disks");
	TCase *tc = tcase_create("disks");

	tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_disk_is_its_owners_and_empty);
	tcase_add_test(tc, a_full_disk_is_enospc_at_its_limit_and_harms_no_other);
	tcase_add_test(tc, running_out_of_inodes_harms_no_other);
	tcase_add_test(tc, attaching_again_changes_nothing);
	tcase_add_test(tc, a_detached_disk_comes_back_with_its_files);
	tcase_add_test(tc, a_disk_in_use_stays_attached);
	tcase_add_test(tc, removal_leaves_nothing);
	tcase_add_test(tc, a_disk_in_use_is_removed_too);
	tcase_add_test(tc, files_written_without_a_disk_are_not_hidden);
	tcase_add_test(tc, every_copy_is_sound_and_has_a_uuid_of_its_own);
	tcase_add_loop_test(tc, any_size_can_be_had, 0, 4);
	tcase_add_test(tc, bad_ids_and_sizes_are_refused);
	tcase_add_test(tc, a_full_host_is_a_lack_of_capacity);
	tcase_add_test(tc, without_enforcement_it_is_a_folder);
	tcase_add_test(tc, a_disk_made_when_limits_were_on_is_still_found);
	tcase_add_test(tc, who_is_not_root_is_told_so);
	suite_add_tcase(suite, tc);
	return suite;
}
