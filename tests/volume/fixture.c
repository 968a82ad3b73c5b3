#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs.h"
#include "proc.h"

struct fixture fx;

/* All tests' folders: a test that fails doesn't clean up after itself. */
static char base[40];

void pause_shortly(void)
{
	struct timespec ts = { .tv_nsec = 5000000 };

	nanosleep(&ts, NULL);
}

scp__volumes *open_volumes(uint32_t stock, bool enforce)
{
	scp__volumes_options options = {
		.dir = fx.dir, .enforce = enforce, .stock = stock, .stock_bytes = DISK_BYTES, .uid = OWNER, .gid = OWNER
	};
	scp__volumes *v;

	assert_ok(scp__volumes_open(&v, &options, &fx.err));
	return v;
}

void fixture_set_up(void)
{
	memset(&fx, 0, sizeof(fx));
	snprintf(fx.top, sizeof(fx.top), "%s/XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(fx.top));
	snprintf(fx.dir, sizeof(fx.dir), "%s/disks", fx.top);
	fx.v = open_volumes(0, true);
}

/* Calls fn with each mount point below a folder. */
static unsigned each_mount(const char *top, void (*fn)(const char *path))
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[512];
	size_t size = 0;
	unsigned count = 0;

	if (!f)
		abort();
	while (getline(&line, &size, f) > 0) {
		if (sscanf(line, "%*s %*s %*s %*s %511s", path) != 1 || strncmp(path, top, strlen(top)) != 0)
			continue;
		count++;
		if (fn)
			fn(path);
	}
	free(line);
	fclose(f);
	return count;
}

static void drop(const char *path)
{
	(void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

void fixture_tear_down(void)
{
	scp__volumes_close(fx.v);
	each_mount(fx.top, drop);
	ck_assert_int_eq(chdir(base), 0);
	ck_assert_int_eq(scp__fs_remove_tree(AT_FDCWD, fx.top + strlen(base) + 1), 0);
}

bool fixture_begin(scp_error *err)
{
	scp__volumes_options options = { .dir = base, .enforce = true, .uid = -1, .gid = -1 };
	scp__volumes *v = NULL;
	scp_status rc;

	snprintf(base, sizeof(base), "/var/tmp/scp-volume-XXXXXX");
	if (!mkdtemp(base))
		abort();
	rc = scp__volumes_open(&v, &options, err);
	scp__volumes_close(v);
	return rc != SCP_ENOTSUP;
}

void fixture_end(void)
{
	each_mount(base, drop);
	if (chdir("/var/tmp") || scp__fs_remove_tree(AT_FDCWD, base + strlen("/var/tmp/")))
		perror(base);
}

const char *ws(const char *id)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/sessions/%s", fx.top, id);
	return path;
}

const char *inside(const char *id, const char *name)
{
	static char paths[4][300];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", ws(id), name);
	return path;
}

void attach(scp__volumes *v, const char *id)
{
	assert_ok(scp__volume_attach(v, id, DISK_BYTES, ws(id), &fx.err));
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(scp__fs_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

void assert_text(const char *path, const char *text)
{
	char found[1000];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found) - 1);

	ck_assert_msg(n >= 0, "%s: %s", path, strerror(errno));
	close(fd);
	found[n] = '\0';
	ck_assert_str_eq(found, text);
}

unsigned mounts_in_use(void)
{
	return each_mount(fx.top, NULL);
}

static bool is_ours(const char *loop)
{
	char path[300], file[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", loop);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(file, sizeof(file), f))
		file[0] = '\0';
	fclose(f);
	/* In a chroot the kernel may say it from the true root on. */
	return strstr(file, fx.top) != NULL;
}

unsigned loops_in_use(void)
{
	DIR *d = opendir("/sys/block");
	struct dirent *e;
	unsigned count = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		count += is_ours(e->d_name);
	closedir(d);
	return count;
}

unsigned stock_files(void)
{
	char path[128];
	struct dirent *e;
	unsigned count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/stock", fx.dir);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

bool check_image(const char *file)
{
	char path[256];
	const char *argv[] = { "e2fsck", "-f", "-n", path, NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	int status;

	snprintf(path, sizeof(path), "%s/%s", fx.dir, file);
	options.argv = argv;
	assert_ok(scp__proc_run(&options, &status, &fx.err));
	return !status;
}
