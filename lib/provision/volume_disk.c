#include "volume_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "id.h"

#define FILE_TRIES 16
#define WAIT_US 10000000

scp_status scp__disk_file(scp__volumes *v, char name[SCP__STOCK_NAME_SIZE], int *fd, scp_error *err)
{
	struct stat at;

	/* Until it is locked, another process that starts just now may take it for a dead one's, and delete it. */
	for (int i = 0; i < FILE_TRIES; i++) {
		scp_status rc = scp__id_random(name, 16, err);

		if (rc)
			return rc;
		*fd = openat(v->stock_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (*fd < 0)
			break;
		if (!flock(*fd, LOCK_EX | LOCK_NB) && !fstat(*fd, &at) && at.st_nlink)
			return SCP_OK;
		close(*fd);
		*fd = -1;
	}
	return scp__fail_errno(err, errno, "make a disk in %s/stock", v->path);
}

scp_status scp__disk_mount(int image, int *mount, scp_error *err)
{
	char node[SCP__LOOP_NODE_SIZE];
	int loop;
	scp_status rc = scp__loop_attach(image, &loop, node, err);

	*mount = -1;
	if (rc)
		return rc;
	rc = scp__mount_open(node, mount, err);
	close(loop);
	return rc;
}

/* Where the host's disk is full, the request isn't too big: this place is. */
static scp_status full_is_capacity(scp_status rc, scp_error *err)
{
	if (rc != SCP_ETOOBIG)
		return rc;
	scp__fail(err, SCP_ECAPACITY, "no space left for another workspace disk");
	scp__hint(err, "Free space below the state folder, or end sessions");
	return SCP_ECAPACITY;
}

scp_status scp__disk_make(scp__volumes *v, uint64_t bytes, struct scp__disk *out, scp_error *err)
{
	struct scp__template *t = NULL;
	int image = -1;
	scp_status rc = scp__template_get(v, bytes, &t, err);

	*out = (struct scp__disk)SCP__DISK_INIT;
	if (!rc)
		rc = scp__disk_file(v, out->name, &image, err);
	if (!rc)
		rc = scp__template_write(t, image, err);
	if (!rc)
		rc = scp__disk_mount(image, &out->mount, err);
	scp__template_free(t);
	if (image >= 0)
		close(image);
	if (rc)
		scp__disk_drop(v, out);
	return full_is_capacity(rc, err);
}

/* The loop device that has the image, be it of a dead process whose mount still stands: the same file system again. */
static bool mount_again(int image, int *mount, scp_status *rc, scp_error *err)
{
	char node[SCP__LOOP_NODE_SIZE];
	struct stat at;
	int loop = fstat(image, &at) ? -1 : scp__loop_find(&at, node);

	if (loop < 0)
		return false;
	*rc = scp__mount_open(node, mount, err);
	close(loop);
	return true;
}

scp_status scp__disk_open(int image, int *mount, scp_error *err)
{
	int64_t deadline = scp__mono_us() + WAIT_US;
	scp_status rc = SCP_OK;

	*mount = -1;
	/* Locked, but on no loop device: it is just being given up. */
	for (unsigned try = 0; flock(image, LOCK_EX | LOCK_NB); try++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return scp__fail_errno(err, errno, "lock a disk's image");
		if (mount_again(image, mount, &rc, err))
			return rc;
		if (scp__mono_us() > deadline)
			return scp__fail(err, SCP_EBUSY, "another process has the disk's image");
		scp__volume_pause(try);
	}
	return scp__disk_mount(image, mount, err);
}

scp_status scp__disk_name(scp__volumes *v, struct scp__disk *disk, const char *file, scp_error *err)
{
	if (renameat2(v->stock_dir, disk->name, v->dir, file, RENAME_NOREPLACE))
		return scp__fail_errno(err, errno, "rename a disk to %s", file);
	disk->name[0] = '\0';
	return SCP_OK;
}

void scp__disk_drop(scp__volumes *v, struct scp__disk *disk)
{
	if (disk->mount >= 0)
		close(disk->mount);
	if (disk->name[0])
		(void)unlinkat(v->stock_dir, disk->name, 0);
	*disk = (struct scp__disk)SCP__DISK_INIT;
}

void scp__disk_wait_free(scp__volumes *v, const char *name)
{
	int64_t deadline = scp__mono_us() + WAIT_US;
	int fd = openat(v->stock_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	for (unsigned try = 0; flock(fd, LOCK_EX | LOCK_NB) && scp__mono_us() < deadline; try++)
		scp__volume_pause(try);
	close(fd);
}

static void sweep_one(scp__volumes *v, const char *name)
{
	int fd = openat(v->stock_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	/* A living process's is locked. */
	if (!flock(fd, LOCK_EX | LOCK_NB))
		(void)unlinkat(v->stock_dir, name, 0);
	close(fd);
}

void scp__disk_sweep(scp__volumes *v)
{
	int fd = openat(v->stock_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			sweep_one(v, e->d_name);
	closedir(d);
}
