#include "localfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "id.h"

#define NAME_RANDOM 20
#define NAME_TRIES 16

/* The file has no name until it is whole (O_TMPFILE), or, where the file system can't do that, a hidden one. */
struct scp_object_writer {
	int fd;
	int dir;
	bool sync;
	bool broken; /* a write failed: there is nothing to commit */
	uint64_t size;
	uint64_t max;
	int32_t uid, gid;
	scp__sha256 sha;
	const char *leaf;				      /* in key */
	char name[sizeof(SCP__LOCALFS_HIDDEN) + NAME_RANDOM]; /* "": none */
	char key[];
};

static scp_status put_fail(scp_error *err, int error_number, const char *key)
{
	switch (error_number) {
	case ENOTDIR:
		return scp__fail(err, SCP_ECONFLICT, "%s: a file or a link stands where a directory must be", key);
	case ENOENT:
		return scp__fail(err, SCP_ECONFLICT, "%s: its directory was removed meanwhile", key);
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return scp__fail(err, SCP_ETOOBIG, "%s: the disk is full", key);
	default:
		return scp__localfs_fail(err, error_number, key);
	}
}

static int random_name(struct scp_object_writer *w)
{
	memcpy(w->name, SCP__LOCALFS_HIDDEN, sizeof(SCP__LOCALFS_HIDDEN));
	if (!scp__id_random(w->name + sizeof(SCP__LOCALFS_HIDDEN) - 1, NAME_RANDOM, NULL))
		return 0;
	w->name[0] = '\0';
	errno = EIO;
	return -1;
}

/* The directory of the key, made if need be. The first part ("sessions") belongs to no workspace: it stays ours. */
static int make_parent(int root, const char *key, const scp_put_options *o, const char **leaf)
{
	const char *slash = strchr(key, '/');
	const char *last = strrchr(key, '/');
	char part[SCP__LOCALFS_KEY_SIZE];
	int top, dir, error_number;

	*leaf = last ? last + 1 : key;
	snprintf(part, sizeof(part), "%.*s", slash ? (int)(slash - key) : 0, key);
	top = scp__fs_make_dirs(root, part, 0755, -1, -1);
	if (top < 0 || slash == last)
		return top;
	snprintf(part, sizeof(part), "%.*s", (int)(last - slash - 1), slash + 1);
	dir = scp__fs_make_dirs(top, part, 0755, o->owner_uid, o->owner_gid);
	error_number = errno;
	close(top);
	errno = error_number;
	return dir;
}

static int open_named(struct scp_object_writer *w)
{
	int fd = -1;

	for (int i = 0; i < NAME_TRIES; i++) {
		if (random_name(w))
			return -1;
		fd = scp__fs_open(w->dir, w->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	if (fd < 0)
		w->name[0] = '\0';
	else
		(void)flock(fd, LOCK_EX | LOCK_NB); /* not to be swept */
	return fd;
}

static int open_temporary(struct scp_object_writer *w)
{
	int fd = scp__fs_open(w->dir, ".", O_TMPFILE | O_WRONLY, 0600);

	if (fd >= 0)
		(void)flock(fd, LOCK_EX | LOCK_NB);
	else if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
		fd = open_named(w);
	return fd;
}

/* 0: nothing there, or a regular file to replace; else errno. */
static int check_target(const struct scp_object_writer *w)
{
	struct stat at;

	if (fstatat(w->dir, w->leaf, &at, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : errno;
	if (S_ISREG(at.st_mode))
		return 0;
	return S_ISDIR(at.st_mode) ? EISDIR : ELOOP;
}

static scp_status start(struct scp__localfs *l, struct scp_object_writer *w, const scp_put_options *o, scp_error *err)
{
	int error_number;

	w->dir = make_parent(l->root, w->key, o, &w->leaf);
	if (w->dir < 0)
		return put_fail(err, errno, w->key);
	error_number = check_target(w);
	if (error_number)
		return put_fail(err, error_number, w->key);
	w->fd = open_temporary(w);
	return w->fd < 0 ? put_fail(err, errno, w->key) : SCP_OK;
}

scp_status scp__localfs_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	size_t len = strlen(key);
	struct scp_object_writer *w;
	scp_status rc;

	if (scp__localfs_reserved(key))
		return scp__fail(err, SCP_EINVAL, "key: names that start with %s are reserved", SCP__LOCALFS_HIDDEN);
	w = calloc(1, sizeof(*w) + len + 1);
	if (!w)
		return scp__nomem(err);
	memcpy(w->key, key, len + 1);
	w->fd = w->dir = -1;
	w->sync = l->sync;
	w->max = options->max_bytes;
	w->uid = options->owner_uid;
	w->gid = options->owner_gid;
	scp__sha256_init(&w->sha);
	rc = start(l, w, options, err);
	if (rc) {
		scp__localfs_put_close(w);
		return rc;
	}
	*out = w;
	return SCP_OK;
}

scp_status scp__localfs_put_write(scp_object_writer *w, const void *data, size_t len, scp_error *err)
{
	if (w->broken)
		return scp__fail(err, SCP_EINTERNAL, "%s: written to after a write failed", w->key);
	if (w->max && len > w->max - w->size) {
		w->broken = true;
		return scp__fail(err, SCP_ETOOBIG, "%s: more than %llu bytes", w->key, (unsigned long long)w->max);
	}
	if (scp__fs_write_all(w->fd, data, len)) {
		w->broken = true;
		return put_fail(err, errno, w->key);
	}
	scp__sha256_update(&w->sha, data, len);
	w->size += len;
	return SCP_OK;
}

static int link_as(const struct scp_object_writer *w, const char *name)
{
	char self[40];

	if (!linkat(w->fd, "", w->dir, name, AT_EMPTY_PATH))
		return 0;
	if (errno == EEXIST)
		return -1;
	/* Without CAP_DAC_READ_SEARCH only this way is open. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", w->fd);
	return linkat(AT_FDCWD, self, w->dir, name, AT_SYMLINK_FOLLOW);
}

static int give_name(struct scp_object_writer *w)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		if (random_name(w))
			return -1;
		if (!link_as(w, w->name))
			return 0;
		if (errno != EEXIST)
			break;
	}
	w->name[0] = '\0';
	return -1;
}

/* What has the name now must be what was written: a sandbox could have swapped the temporary. */
static int is_ours(const struct scp_object_writer *w, struct stat *at)
{
	struct stat named;

	if (fstat(w->fd, at) || fstatat(w->dir, w->leaf, &named, AT_SYMLINK_NOFOLLOW))
		return -1;
	if (named.st_dev == at->st_dev && named.st_ino == at->st_ino)
		return 0;
	errno = ELOOP;
	return -1;
}

static int place(struct scp_object_writer *w)
{
	int error_number;

	if (!w->name[0]) {
		if (!link_as(w, w->leaf))
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	error_number = check_target(w);
	if (error_number) {
		errno = error_number;
		return -1;
	}
	if (!w->name[0] && give_name(w))
		return -1;
	if (renameat(w->dir, w->name, w->dir, w->leaf))
		return -1;
	w->name[0] = '\0';
	return 0;
}

static int finish(struct scp_object_writer *w, struct stat *at)
{
	bool owned = w->uid >= 0 || w->gid >= 0;

	if (owned && fchown(w->fd, w->uid < 0 ? (uid_t)-1 : (uid_t)w->uid, w->gid < 0 ? (gid_t)-1 : (gid_t)w->gid))
		return -1;
	if (fchmod(w->fd, 0644) || (w->sync && fsync(w->fd)))
		return -1;
	return place(w) ? -1 : is_ours(w, at);
}

scp_status scp__localfs_put_commit(scp_object_writer *w, scp_object *out, scp_error *err)
{
	struct stat at;

	if (w->broken)
		return scp__fail(err, SCP_EINTERNAL, "%s: committed after a write failed", w->key);
	w->broken = true; /* commits once */
	if (finish(w, &at))
		return put_fail(err, errno, w->key);
	memset(out, 0, sizeof(*out));
	out->key = w->key;
	scp__localfs_describe(&at, out);
	out->size_bytes = w->size;
	scp__sha256_final_hex(&w->sha, out->sha256);
	return SCP_OK;
}

void scp__localfs_put_close(scp_object_writer *w)
{
	if (w->name[0])
		(void)unlinkat(w->dir, w->name, 0);
	if (w->fd >= 0)
		close(w->fd);
	if (w->dir >= 0)
		close(w->dir);
	free(w);
}
