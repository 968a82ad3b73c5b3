/* One file from the storage to a disk that nobody else uses yet. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "internal.h"
#include "storage.h"

#define CHUNK ((size_t)128 << 10)

struct down {
	mirror_batch *b;
	const scp__workspace_file *known;
	int fd;
	uint64_t size;
	char sha256[SCP__SHA256_HEX_SIZE];
};

static scp_status disk_error(int error_number, const char *path, scp_error *err)
{
	if (error_number == ENOSPC || error_number == EDQUOT)
		return scp__fail(err, SCP_ETOOBIG, "%s: the workspace's disk is full", path);
	return scp__fail_errno(err, error_number, "restore %s", path);
}

static scp_status fetch(struct down *d, scp_object_reader *r, scp_error *err)
{
	scp_storage *st = d->b->m->storage;
	char *chunk = malloc(CHUNK);
	scp__sha256 sha;
	size_t len = 1;
	scp_status rc = chunk ? SCP_OK : scp__nomem(err);

	scp__sha256_init(&sha);
	while (!rc && len) {
		rc = scp__storage_get_read(st, r, chunk, CHUNK, &len, err);
		if (!rc && atomic_load(&d->b->m->stopped))
			rc = scp__fail(err, SCP_ECLOSED, "the plane is closing");
		if (!rc && scp__fs_write_all(d->fd, chunk, len))
			rc = disk_error(errno, d->known->path, err);
		scp__sha256_update(&sha, chunk, rc ? 0 : len);
		d->size += rc ? 0 : len;
	}
	scp__sha256_final_hex(&sha, d->sha256);
	free(chunk);
	return rc;
}

void mirror_times(const scp__workspace_file *row, struct timespec times[2])
{
	times[0] = (struct timespec){ .tv_sec = row->mtime_us / 1000000, .tv_nsec = row->mtime_us % 1000000 * 1000 };
	times[1] = times[0];
}

/* Owner, mode and time as they were; never more than an ordinary file's mode. */
static scp_status finish(struct down *d, struct stat *at, scp_error *err)
{
	const scp__workspace_file *k = d->known;
	struct timespec times[2];
	uid_t uid = (uid_t)d->b->place->uid;

	mirror_times(k, times);
	if ((d->b->place->uid >= 0 && fchown(d->fd, uid, uid)) || fchmod(d->fd, k->mode & 0777) ||
	    futimens(d->fd, times) || fstat(d->fd, at))
		return disk_error(errno, k->path, err);
	return SCP_OK;
}

/* The row as it is on this disk; the object may be newer than it said. */
static scp_status note(struct down *d, const struct stat *at, scp_error *err)
{
	scp__workspace_file row = *d->known;

	row.size_bytes = d->size;
	row.sha256 = d->sha256;
	row.mode = at->st_mode & 07777;
	row.mtime_us = mirror_us(&at->st_mtim);
	row.ctime_us = mirror_us(&at->st_ctim);
	return mirror_row_put(d->b->m, d->b->place->workspace_id, &row, err);
}

bool mirror_is_stale(int error_number)
{
	return error_number == ENOTDIR || error_number == ELOOP || error_number == ENOENT;
}

void mirror_make_room(int dir, const char *leaf)
{
	if (unlinkat(dir, leaf, 0) && (errno == EISDIR || errno == EPERM))
		(void)scp__fs_remove_tree(dir, leaf);
}

static scp_status fill(struct down *d, scp_object_reader *r, scp_error *err)
{
	struct stat at;
	scp_status rc = fetch(d, r, err);

	if (!rc)
		rc = finish(d, &at, err);
	return rc ? rc : note(d, &at, err);
}

static scp_status drop_row(const struct down *d, scp_error *err)
{
	return mirror_row_remove(d->b->m, d->b->place->workspace_id, d->known->path, err);
}

static scp_status place(struct down *d, scp_object_reader *r, scp_error *err)
{
	int32_t uid = d->b->place->uid;
	const char *leaf;
	int dir = scp__fs_open_parent(d->b->dir, d->known->path, true, uid, uid, &leaf);
	scp_status rc;

	if (dir < 0)
		return mirror_is_stale(errno) ? drop_row(d, err) : disk_error(errno, d->known->path, err);
	mirror_make_room(dir, leaf);
	d->fd = openat(dir, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (d->fd >= 0)
		rc = fill(d, r, err);
	else
		rc = mirror_is_stale(errno) ? drop_row(d, err) : disk_error(errno, d->known->path, err);
	if (d->fd >= 0)
		close(d->fd);
	close(dir);
	return rc;
}

scp_status mirror_down(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err)
{
	struct down d = { .b = b, .known = known };
	scp_object_reader *r = NULL;
	char key[MIRROR_KEY_SIZE];
	scp_object object;
	scp_error why = { 0 };
	scp_status rc;

	mirror_key(key, b->place->workspace_id, path);
	rc = scp__storage_get_open(b->m->storage, key, 0, 0, &r, &object, &why);
	if (rc == SCP_ENOTFOUND) /* dropped, by somebody who was killed before its row was */
		return mirror_row_remove(b->m, b->place->workspace_id, path, err);
	if (!rc)
		rc = place(&d, r, &why);
	scp__storage_get_close(b->m->storage, r);
	if (rc)
		scp__error_copy(err, &why);
	else
		mirror_count(b, 1, d.size, 0, 0);
	return rc;
}
