/* One path from the disk to the storage. The disk is hostile, and may change while it is read: what is read is at most
 * what was there at first, and what comes later has another ctime for the next push to see. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "err.h"
#include "fs.h"
#include "internal.h"
#include "storage.h"
#include "utf8.h"

#define CHUNK ((size_t)128 << 10)
/* A file that is changed twice within a tick of the kernel's clock has the same ctime: one this young may be, still. */
#define TICK_US 40000

int64_t mirror_us(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000 + t->tv_nsec / 1000;
}

bool mirror_same(const scp__workspace_file *known, unsigned kind, const struct stat *at)
{
	if (known->kind != kind)
		return false;
	if (kind == SCP__FS_DIRECTORY)
		return known->mode == (at->st_mode & 07777);
	return known->ctime_us && known->ctime_us == mirror_us(&at->st_ctim) &&
	       known->mtime_us == mirror_us(&at->st_mtim) && known->size_bytes == (uint64_t)at->st_size;
}

/* ---- a file ---- */

struct up {
	mirror_batch *b;
	const char *path;
	const scp__workspace_file *known;
	int fd;
	struct stat at;
	int64_t looked_us;
	char *chunk;
	char sha256[SCP__SHA256_HEX_SIZE];
	uint64_t size;
};

/* Up to as many bytes as there were at first. *len 0: the end. */
static scp_status read_some(struct up *u, size_t *len, scp_error *err)
{
	uint64_t left = (uint64_t)u->at.st_size > u->size ? (uint64_t)u->at.st_size - u->size : 0;
	ssize_t n;

	do {
		n = read(u->fd, u->chunk, left < CHUNK ? (size_t)left : CHUNK);
	} while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	u->size += *len;
	if (atomic_load(&u->b->m->stopped))
		return scp__fail(err, SCP_ECLOSED, "the plane is closing");
	return n < 0 ? scp__fail_errno(err, errno, "read %s", u->path) : SCP_OK;
}

static scp_status digest(struct up *u, scp_error *err)
{
	scp__sha256 sha;
	size_t len = 1;
	scp_status rc = SCP_OK;

	scp__sha256_init(&sha);
	while (!rc && len) {
		rc = read_some(u, &len, err);
		if (!rc)
			scp__sha256_update(&sha, u->chunk, len);
	}
	scp__sha256_final_hex(&sha, u->sha256);
	return rc;
}

static scp_status pump(struct up *u, scp_object_writer *w, scp_error *err)
{
	size_t len = 1;
	scp_status rc = SCP_OK;

	while (!rc && len) {
		rc = read_some(u, &len, err);
		if (!rc && len)
			rc = scp__storage_put_write(u->b->m->storage, w, u->chunk, len, err);
	}
	return rc;
}

static scp_status send(struct up *u, scp_error *err)
{
	const scp_put_options options = {
		.struct_size = sizeof(options), .owner_uid = -1, .owner_gid = -1, .unchecked = true
	};
	scp_storage *st = u->b->m->storage;
	scp_object_writer *w = NULL;
	char key[MIRROR_KEY_SIZE];
	scp_object object;
	scp_status rc;

	mirror_key(key, u->b->place->workspace_id, u->path);
	/* What was in the folder is gone from the disk, and would be in the way where the storage has folders too. */
	rc = u->known && u->known->kind == SCP__FS_DIRECTORY ? scp__storage_remove_prefix(st, key, err) : SCP_OK;
	if (!rc)
		rc = scp__storage_put_open(st, key, &options, &w, err);
	if (!rc)
		rc = pump(u, w, err);
	if (!rc)
		rc = scp__storage_put_commit(st, w, &object, err);
	if (!rc)
		memcpy(u->sha256, object.sha256, sizeof(u->sha256));
	scp__storage_put_close(st, w);
	return rc;
}

/* The same bytes with another time, or owner, needn't travel. */
static scp_status send_if_other(struct up *u, bool *sent, scp_error *err)
{
	const scp__workspace_file *k = u->known;
	scp_status rc = SCP_OK;

	*sent = true;
	if (k && k->kind == SCP__FS_FILE && k->size_bytes == (uint64_t)u->at.st_size) {
		rc = digest(u, err);
		*sent = rc || u->size != k->size_bytes || strcmp(u->sha256, k->sha256);
		u->size = 0;
		if (!rc && *sent && lseek(u->fd, 0, SEEK_SET))
			rc = scp__fail_errno(err, errno, "seek in %s", u->path);
	}
	return rc || !*sent ? rc : send(u, err);
}

static scp_status note_file(struct up *u, scp_error *err)
{
	bool young = u->looked_us - mirror_us(&u->at.st_ctim) < TICK_US;
	scp__workspace_file row = {
		.path = u->path,
		.kind = SCP__FS_FILE,
		.mode = u->at.st_mode & 07777,
		.size_bytes = (uint64_t)u->at.st_size,
		.mtime_us = mirror_us(&u->at.st_mtim),
		.ctime_us = young ? 0 : mirror_us(&u->at.st_ctim),
		.sha256 = u->sha256,
	};

	return mirror_row_put(u->b->m, u->b->place->workspace_id, &row, err);
}

/* What is something else by now, the next push sees as such. */
static scp_status not_opened(mirror_batch *b, const char *path, int error_number, scp_error *err)
{
	if (scp__fs_is_gone(error_number) || error_number == EISDIR || error_number == ENXIO || error_number == EINVAL)
		return SCP_OK;
	if (error_number != EACCES)
		return scp__fail_errno(err, error_number, "open %s", path);
	mirror_count(b, 0, 0, 0, 1); /* not even its owner may read it */
	return SCP_OK;
}

static scp_status up_file(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err)
{
	struct up u = { .b = b, .path = path, .known = known, .looked_us = scp__now_us() };
	bool sent = false;
	scp_status rc;

	u.fd = scp__fs_open_regular(b->dir, path, &u.at);
	if (u.fd < 0)
		return not_opened(b, path, errno, err);
	u.chunk = malloc(CHUNK);
	rc = u.chunk ? send_if_other(&u, &sent, err) : scp__nomem(err);
	if (!rc)
		rc = note_file(&u, err);
	if (!rc && sent)
		mirror_count(b, 1, u.size, 0, 0);
	free(u.chunk);
	close(u.fd);
	return rc;
}

/* ---- what has no object ---- */

static scp_status forget_object(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err)
{
	char key[MIRROR_KEY_SIZE];
	scp_error none = { 0 };
	scp_status rc;

	if (!known || known->kind != SCP__FS_FILE)
		return SCP_OK;
	mirror_key(key, b->place->workspace_id, path);
	rc = scp__storage_remove(b->m->storage, key, &none);
	/* Where its name is a directory's now, nothing of its own is left. */
	if (rc && rc != SCP_ENOTFOUND && rc != SCP_ECONFLICT) {
		scp__error_copy(err, &none);
		return rc;
	}
	return SCP_OK;
}

static scp_status up_other(mirror_batch *b, const char *path, const scp__workspace_file *known, unsigned kind,
    const struct stat *at, const char *target, scp_error *err)
{
	scp__workspace_file row = { .path = path,
		.kind = kind,
		.mode = at->st_mode & 07777,
		.mtime_us = mirror_us(&at->st_mtim),
		.target = target };
	scp_status rc;

	row.ctime_us = mirror_us(&at->st_ctim);
	row.size_bytes = kind == SCP__FS_LINK ? (uint64_t)at->st_size : 0;
	rc = forget_object(b, path, known, err);
	if (!rc)
		rc = mirror_row_put(b->m, b->place->workspace_id, &row, err);
	if (!rc)
		mirror_count(b, 1, 0, 0, 0);
	return rc;
}

static scp_status up_link(mirror_batch *b, const char *path, const scp__workspace_file *known, int dir,
    const char *leaf, const struct stat *at, scp_error *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, leaf, target, sizeof(target) - 1);

	if (n < 0)
		return SCP_OK; /* no link any more */
	target[n] = '\0';
	if (scp__utf8_valid(target, (size_t)n))
		return up_other(b, path, known, SCP__FS_LINK, at, target, err);
	mirror_count(b, 0, 0, 0, 1);
	return SCP_OK;
}

/* ---- whatever it is ---- */

static scp_status drop(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err)
{
	scp_status rc = known ? forget_object(b, path, known, err) : SCP_OK;

	if (!rc && known)
		rc = mirror_row_remove(b->m, b->place->workspace_id, path, err);
	if (!rc && known)
		mirror_count(b, 0, 0, 1, 0);
	return rc;
}

static scp_status up_named(
    mirror_batch *b, const char *path, const scp__workspace_file *known, int dir, const char *leaf, scp_error *err)
{
	struct stat at;

	if (fstatat(dir, leaf, &at, AT_SYMLINK_NOFOLLOW))
		return scp__fs_is_gone(errno) ? drop(b, path, known, err)
					      : scp__fail_errno(err, errno, "look at %s", path);
	if (S_ISREG(at.st_mode))
		return up_file(b, path, known, err);
	if (S_ISLNK(at.st_mode))
		return up_link(b, path, known, dir, leaf, &at, err);
	return S_ISDIR(at.st_mode) ? up_other(b, path, known, SCP__FS_DIRECTORY, &at, NULL, err) : SCP_OK;
}

scp_status mirror_up(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err)
{
	const char *leaf;
	int dir = scp__fs_open_parent(b->dir, path, false, -1, -1, &leaf);
	scp_error why = { 0 };
	scp_status rc;

	if (dir < 0)
		return scp__fs_is_gone(errno) ? drop(b, path, known, err)
					      : scp__fail_errno(err, errno, "open the folder of %s", path);
	rc = up_named(b, path, known, dir, leaf, &why);
	close(dir);
	if (rc == SCP_EINVAL) { /* longer than its keys may be */
		mirror_count(b, 0, 0, 0, 1);
		return SCP_OK;
	}
	if (rc)
		scp__error_copy(err, &why);
	return rc;
}
