/* A container's folder: c/NAME, and the lock in it. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "fs.h"

#define LOCK_LIMIT_US 30000000
#define LOCK_ROUND_MS 2

bool scp__oci_name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len <= SCP__OCI_NAME_MAX && !name[len] && name[0] != '-';
}

int scp__oci_folder_open(struct scp__oci *o, const char *name)
{
	return openat(o->containers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void scp__oci_folder_close(scp__oci_folder *f)
{
	if (f->dir >= 0)
		close(f->dir);
	if (f->lock >= 0)
		close(f->lock);
	*f = (scp__oci_folder)SCP__OCI_FOLDER_NONE;
}

/* flock() with an end: whoever holds it may be a runtime program that hangs. */
static int lock_file(int fd, int64_t deadline_us)
{
	struct timespec nap = { .tv_nsec = LOCK_ROUND_MS * 1000000L };

	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (scp__mono_us() > deadline_us) {
			errno = ETIMEDOUT;
			return -1;
		}
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return 0;
}

/* While we waited the folder may have been removed, and made anew by somebody else. */
static bool still_there(struct scp__oci *o, const char *name, int dir)
{
	struct stat ours, now;

	return !fstat(dir, &ours) && !fstatat(o->containers, name, &now, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_ino == now.st_ino && ours.st_dev == now.st_dev;
}

/* 0 locked; 1 it went away meanwhile; -1 errno */
static int lock_once(struct scp__oci *o, const char *name, bool make, scp__oci_folder *out, int64_t deadline_us)
{
	if (make && mkdirat(o->containers, name, 0700) && errno != EEXIST)
		return -1;
	out->dir = scp__oci_folder_open(o, name);
	if (out->dir < 0)
		return make && errno == ENOENT ? 1 : -1;
	out->lock = openat(out->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out->lock < 0)
		return errno == ENOENT ? 1 : -1; /* the folder is being removed */
	if (lock_file(out->lock, deadline_us))
		return -1;
	return still_there(o, name, out->dir) ? 0 : 1;
}

scp_status scp__oci_folder_lock(struct scp__oci *o, const char *name, bool make, scp__oci_folder *out, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + LOCK_LIMIT_US;
	int rc, error_number;

	*out = (scp__oci_folder)SCP__OCI_FOLDER_NONE;
	if (!scp__oci_name_valid(name))
		return scp__fail(err, SCP_EINVAL, "container name: at most %d of [a-z0-9-]", SCP__OCI_NAME_MAX);
	do {
		scp__oci_folder_close(out);
		rc = lock_once(o, name, make, out, deadline_us);
	} while (rc > 0);
	if (!rc)
		return SCP_OK;
	error_number = errno;
	scp__oci_folder_close(out);
	if (error_number == ETIMEDOUT)
		return scp__fail(err, SCP_EUNAVAIL, "container %s is still being made or removed", name);
	if (error_number == ENOENT)
		return scp__fail(err, SCP_ENOTFOUND, "no container %s", name);
	return scp__fail_errno(err, error_number, "lock container %s", name);
}

bool scp__oci_folder_idle(int dir)
{
	int fd = openat(dir, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool idle = fd < 0 || !flock(fd, LOCK_SH | LOCK_NB);

	if (fd >= 0)
		close(fd);
	return idle;
}

scp_status scp__oci_folder_remove(struct scp__oci *o, const char *name, scp_error *err)
{
	/* An earlier removal may have been killed between the two. */
	if (scp__fs_remove_tree(o->gone, name))
		return scp__fail_errno(err, errno, "remove what is left of container %s", name);
	if (renameat(o->containers, name, o->gone, name) && errno != ENOENT)
		return scp__fail_errno(err, errno, "remove the folder of container %s", name);
	if (scp__fs_remove_tree(o->gone, name))
		return scp__fail_errno(err, errno, "remove the folder of container %s", name);
	return SCP_OK;
}
