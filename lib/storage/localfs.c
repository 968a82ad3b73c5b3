#include "localfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "id.h"

#define LEASE_RETRY_MS 1000

bool scp__localfs_reserved(const char *key)
{
	for (const char *part = key; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (!strncmp(part, SCP__LOCALFS_HIDDEN, strlen(SCP__LOCALFS_HIDDEN)))
			return true;
	}
	return false;
}

int scp__localfs_parent(int root, const char *key, const char **leaf)
{
	const char *slash = strrchr(key, '/');
	char parent[SCP__LOCALFS_KEY_SIZE];
	int n = snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - key) : 0, key);

	*leaf = slash ? slash + 1 : key;
	if (n < 0 || (size_t)n >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return scp__fs_open(root, parent, O_RDONLY | O_DIRECTORY, 0);
}

scp_status scp__localfs_fail(scp_error *err, int error_number, const char *key)
{
	scp_status rc;

	switch (error_number) {
	case ENOENT:
	case ENOTDIR:
		return scp__fail_as(err, "FileNotFound", "%s: no such file", key);
	case ELOOP:
	case EXDEV:
	case ENXIO:
	case EINVAL:
		return scp__fail(err, SCP_ECONFLICT, "%s: a link or a special file is in the way", key);
	case EISDIR:
		return scp__fail(err, SCP_ECONFLICT, "%s: a directory", key);
	case ENOTEMPTY:
	case EEXIST:
		return scp__fail(err, SCP_ECONFLICT, "%s: a directory that isn't empty", key);
	case ENAMETOOLONG:
		return scp__fail(
		    err, SCP_EINVAL, "key: %s: a part is longer than the file system takes (255 bytes)", key);
	case EAGAIN:
		/* A lease that its holder won't give up yet, or a tree in turmoil. */
		rc = scp__fail(err, SCP_EBUSY, "%s: held by a process in the sandbox", key);
		scp__retry_after(err, LEASE_RETRY_MS);
		return rc;
	default:
		return scp__fail_errno(err, error_number, "%s", key);
	}
}

void scp__localfs_describe(const struct stat *st, scp_object *out)
{
	out->directory = S_ISDIR(st->st_mode);
	out->size_bytes = out->directory ? 0 : (uint64_t)st->st_size;
	out->modified_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	out->sha256[0] = '\0';
	/* ctime can't be set back by who owns the file; size and mtime are there for clocks that tick slowly. */
	snprintf(out->etag, sizeof(out->etag), "%llx-%llx-%llx-%llx", (unsigned long long)st->st_ino,
	    (unsigned long long)st->st_size,
	    (unsigned long long)st->st_mtim.tv_sec * 1000000000ULL + (unsigned long long)st->st_mtim.tv_nsec,
	    (unsigned long long)st->st_ctim.tv_sec * 1000000000ULL + (unsigned long long)st->st_ctim.tv_nsec);
}

void scp__localfs_sweep(int dir, const char *name)
{
	int fd = scp__fs_open_regular(dir, name, NULL);

	/* A writer at work holds the lock. */
	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		(void)unlinkat(dir, name, 0);
	close(fd);
}

static scp_status look_up(
    scp_storage *st, const char *key, int *dir, const char **leaf, struct stat *at, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	int fd = scp__localfs_parent(l->root, key, leaf);

	*dir = -1;
	/* A name behind a link or a file is the name of nothing. */
	if (fd < 0)
		return scp__localfs_fail(err, errno == ELOOP ? ENOENT : errno, key);
	if (scp__localfs_reserved(key) || fstatat(fd, *leaf, at, AT_SYMLINK_NOFOLLOW)) {
		int error_number = scp__localfs_reserved(key) ? ENOENT : errno;

		close(fd);
		return scp__localfs_fail(err, error_number, key);
	}
	*dir = fd;
	return SCP_OK;
}

static scp_status localfs_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	const char *leaf;
	struct stat at;
	int dir;
	scp_status rc = look_up(st, key, &dir, &leaf, &at, err);

	if (rc)
		return rc;
	close(dir);
	if (!S_ISREG(at.st_mode) && !S_ISDIR(at.st_mode))
		return scp__localfs_fail(err, ENOENT, key);
	memset(out, 0, sizeof(*out));
	out->key = key;
	scp__localfs_describe(&at, out);
	return SCP_OK;
}

/* What crashed uploads left must not keep a directory from being empty. */
static void sweep_directory(int parent, const char *name)
{
	int fd = scp__fs_open(parent, name, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)))
		if (scp__localfs_reserved(e->d_name))
			scp__localfs_sweep(dirfd(d), e->d_name);
	closedir(d);
}

static int remove_directory(int dir, const char *leaf)
{
	if (!unlinkat(dir, leaf, AT_REMOVEDIR))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	sweep_directory(dir, leaf);
	return unlinkat(dir, leaf, AT_REMOVEDIR);
}

static scp_status localfs_remove(scp_storage *st, const char *key, scp_error *err)
{
	const char *leaf;
	struct stat at;
	int dir;
	scp_status rc = look_up(st, key, &dir, &leaf, &at, err);

	if (rc)
		return rc;
	/* A link goes itself, whatever it points to. */
	if (S_ISDIR(at.st_mode) ? remove_directory(dir, leaf) : unlinkat(dir, leaf, 0))
		rc = scp__localfs_fail(err, errno, key);
	close(dir);
	return rc;
}

static scp_status localfs_remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	const char *leaf;
	scp_status rc = SCP_OK;
	int dir = scp__localfs_parent(l->root, prefix, &leaf);

	if (dir < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return SCP_OK;
	if (dir < 0)
		return scp__localfs_fail(err, errno, prefix);
	if (scp__fs_remove_tree(dir, leaf))
		rc = scp__fail_errno(err, errno, "remove %s", prefix);
	close(dir);
	return rc;
}

static scp_status own_folder(int fd, int32_t uid, int32_t gid, const char *prefix, scp_error *err)
{
	if (uid < 0 && gid < 0)
		return SCP_OK;
	if (fchown(fd, uid < 0 ? (uid_t)-1 : (uid_t)uid, gid < 0 ? (gid_t)-1 : (gid_t)gid))
		return scp__fail_errno(err, errno, "give %s to %d:%d", prefix, uid, gid);
	return SCP_OK;
}

static scp_status localfs_local_folder(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	int fd = scp__fs_make_dirs(l->root, prefix, 0755, -1, -1);
	scp_status rc;

	if (fd < 0)
		return errno == ENOTDIR ? scp__fail(err, SCP_ECONFLICT, "%s: a file is in the way", prefix)
					: scp__localfs_fail(err, errno, prefix);
	rc = own_folder(fd, uid, gid, prefix, err);
	close(fd);
	if (!rc && asprintf(path, "%s/%s", l->path, prefix) < 0) {
		*path = NULL;
		rc = scp__nomem(err);
	}
	return rc;
}

/* A read-only or full file system says so only when it is written to. */
static int probe_write(int root)
{
	char name[sizeof(SCP__LOCALFS_HIDDEN) + 16] = SCP__LOCALFS_HIDDEN;
	int fd, rc, error_number;

	if (scp__id_random(name + strlen(name), 16, NULL)) {
		errno = EIO;
		return -1;
	}
	fd = scp__fs_open(root, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -1;
	rc = scp__fs_write_all(fd, "probe", 5);
	error_number = errno;
	close(fd);
	(void)unlinkat(root, name, 0);
	errno = error_number;
	return rc;
}

static scp_status localfs_health(
    scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	struct statvfs vfs;

	(void)deadline_ms; /* a local file system has none of its own */
	if (fstatvfs(l->root, &vfs))
		return scp__fail_errno(err, errno, "%s", l->path);
	if (probe_write(l->root)) {
		scp_status rc = scp__fail_errno(err, errno, "write to %s", l->path);

		scp__hint(err, "Free or grow the disk below %s, or make it writable", l->path);
		return rc;
	}
	if (detail_size)
		snprintf(detail, detail_size, "%s: %.1f of %.1f GiB free", l->path,
		    (double)vfs.f_bavail * (double)vfs.f_frsize / (1 << 30),
		    (double)vfs.f_blocks * (double)vfs.f_frsize / (1 << 30));
	return SCP_OK;
}

static void localfs_close(scp_storage *st)
{
	struct scp__localfs *l = (struct scp__localfs *)st;

	if (l->root >= 0)
		close(l->root);
	free(l->path);
	free(l);
}

static const scp_storage_ops ops = {
	.struct_size = sizeof(scp_storage_ops),
	.name = "localfs",
	.put_open = scp__localfs_put_open,
	.put_write = scp__localfs_put_write,
	.put_commit = scp__localfs_put_commit,
	.put_close = scp__localfs_put_close,
	.get_open = scp__localfs_get_open,
	.get_read = scp__localfs_get_read,
	.get_close = scp__localfs_get_close,
	.stat = localfs_stat,
	.list = scp__localfs_list,
	.remove = localfs_remove,
	.remove_prefix = localfs_remove_prefix,
	.local_folder = localfs_local_folder,
	.health = localfs_health,
	.close = localfs_close,
};

/* "file:/path", "file:///path", either with "?sync=off". *path: free(). */
static scp_status parse_url(const char *url, char **path, bool *sync, scp_error *err)
{
	const char *start = url + strlen("file:");
	const char *query = strchr(start, '?');
	size_t len = query ? (size_t)(query - start) : strlen(start);

	if (!strncmp(start, "//", 2)) {
		start += 2;
		len -= 2;
	}
	if (!len || start[0] != '/')
		return scp__fail(err, SCP_EINVAL, "storage: %s: the path must be absolute, as in file:/var/lib/x", url);
	*sync = !query || !strcmp(query, "?sync=on");
	if (!*sync && strcmp(query, "?sync=off"))
		return scp__fail(err, SCP_EINVAL, "storage: %s: only sync=on and sync=off may follow the '?'", url);
	while (len > 1 && start[len - 1] == '/')
		len--;
	*path = strndup(start, len);
	return *path ? SCP_OK : scp__nomem(err);
}

static scp_status open_root(struct scp__localfs *l, scp_error *err)
{
	scp_status rc = SCP_OK;

	/* 0711: sandboxes mount folders below it as other users; nobody else needs to list it. */
	if (scp__fs_mkdir_p(l->path, 0711))
		rc = scp__fail_errno(err, errno, "storage: make %s", l->path);
	else if ((l->root = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		rc = scp__fail_errno(err, errno, "storage: open %s", l->path);
	if (rc)
		scp__hint(err, "Give a folder that this user may make and write in: --storage file:/path");
	return rc;
}

scp_status scp__localfs_open(scp_storage **out, const char *url, scp_error *err)
{
	struct scp__localfs *l = calloc(1, sizeof(*l));
	scp_status rc;

	*out = NULL;
	if (!l)
		return scp__nomem(err);
	l->base.ops = &ops;
	l->root = -1;
	rc = parse_url(url, &l->path, &l->sync, err);
	if (!rc)
		rc = open_root(l, err);
	if (rc) {
		localfs_close(&l->base);
		return rc;
	}
	*out = &l->base;
	return SCP_OK;
}
