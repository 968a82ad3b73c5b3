#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "fs_open.h"
#include "utf8.h"

#define PATH_BYTES 1024
#define PART_BYTES 255
#define RACE_TRIES 32

static bool part_is_dots(const char *part, size_t len)
{
	return (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.');
}

static scp_status check_parts(const char *path, const char *field, scp_error *err)
{
	size_t len;

	for (const char *part = path;; part += len + 1) {
		len = strcspn(part, "/");
		if (!len)
			return scp__fail(err, SCP_EINVAL, "%s: a path is relative and has no empty part", field);
		if (part_is_dots(part, len))
			return scp__fail(err, SCP_EINVAL, "%s: a path has no \".\" or \"..\" part", field);
		if (len > PART_BYTES)
			return scp__fail(
			    err, SCP_EINVAL, "%s: a part of %zu bytes; at most %d are allowed", field, len, PART_BYTES);
		if (!part[len])
			return SCP_OK;
	}
}

scp_status scp__path_check(const char *path, const char *field, scp_error *err)
{
	size_t len = path ? strlen(path) : 0;

	if (!len)
		return scp__fail(err, SCP_EINVAL, "%s: a path is missing", field);
	if (len > PATH_BYTES)
		return scp__fail(
		    err, SCP_EINVAL, "%s: a path of %zu bytes; at most %d are allowed", field, len, PATH_BYTES);
	if (!scp__utf8_valid(path, len))
		return scp__fail(err, SCP_EINVAL, "%s: a path is UTF-8", field);
	if (!scp__text_printable(path))
		return scp__fail(err, SCP_EINVAL, "%s: a path has no control character", field);
	return check_parts(path, field, err);
}

int scp__fs_openat2(int dir, const char *path, int flags, mode_t mode, uint64_t more_resolve)
{
	struct open_how how = { .resolve =
				    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | more_resolve };
	long fd = -1;

	flags |= O_CLOEXEC | O_NOFOLLOW;
	if (!(flags & O_PATH))
		flags |= O_NONBLOCK | O_NOCTTY;
	how.flags = (unsigned)flags;
	if (flags & O_CREAT)
		how.mode = mode & 07777;
	/* EAGAIN: the tree was changed under the walk. Whoever changes it all the time gets the error. */
	for (int i = 0; i < RACE_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

int scp__fs_open(int dir, const char *path, int flags, mode_t mode)
{
	return scp__fs_openat2(dir, path, flags, mode, 0);
}

bool scp__fs_is_gone(int error_number)
{
	return error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP || error_number == EXDEV;
}

static int errno_of_type(mode_t mode)
{
	if (S_ISREG(mode))
		return 0;
	if (S_ISLNK(mode))
		return ELOOP;
	return S_ISDIR(mode) ? EISDIR : ENXIO;
}

static int close_with(int fd, int error_number)
{
	close(fd);
	errno = error_number;
	return -1;
}

/* fstat; -1 and closed if it is no regular file. */
static int only_regular(int fd, struct stat *st)
{
	int error_number;

	if (fd < 0)
		return -1;
	if (fstat(fd, st))
		return close_with(fd, errno);
	error_number = errno_of_type(st->st_mode);
	return error_number ? close_with(fd, error_number) : fd;
}

int scp__fs_open_regular(int dir, const char *path, struct stat *st)
{
	struct stat own;
	int fd;

	if (!st)
		st = &own;
	/* Looked at before it is opened: to open a device can do things already. What was swapped in between is at
	 * worst opened without blocking, and refused by the second look. */
	fd = only_regular(scp__fs_open(dir, path, O_PATH, 0), st);
	if (fd < 0)
		return -1;
	close(fd);
	return only_regular(scp__fs_open(dir, path, O_RDONLY, 0), st);
}

static int own_dir(int fd, mode_t mode, int32_t uid, int32_t gid)
{
	if ((uid >= 0 || gid >= 0) && fchown(fd, uid >= 0 ? (uid_t)uid : (uid_t)-1, gid >= 0 ? (gid_t)gid : (gid_t)-1))
		return close_with(fd, errno);
	if (fchmod(fd, mode))
		return close_with(fd, errno);
	return fd;
}

/* Open one directory, made if it isn't there. */
static int enter(int dir, const char *part, mode_t mode, int32_t uid, int32_t gid)
{
	bool made = false;
	int fd = -1;

	for (int i = 0; i < RACE_TRIES; i++) {
		fd = scp__fs_open(dir, part, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0)
			return made ? own_dir(fd, mode, uid, gid) : fd;
		if (errno != ENOENT)
			return -1;
		made = mkdirat(dir, part, mode & 0700) == 0;
		if (!made && errno != EEXIST)
			return -1;
	}
	return fd;
}

int scp__fs_make_dirs(int dir, const char *path, mode_t mode, int32_t uid, int32_t gid)
{
	char part[PART_BYTES + 1];
	int fd = scp__fs_open(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	int next;
	size_t len;

	for (; fd >= 0 && *path; path += len) {
		len = strcspn(path, "/");
		if (!len || part_is_dots(path, len))
			return close_with(fd, EINVAL);
		if (len >= sizeof(part))
			return close_with(fd, ENAMETOOLONG);
		memcpy(part, path, len);
		part[len] = '\0';
		next = enter(fd, part, mode, uid, gid);
		if (next < 0)
			return close_with(fd, errno);
		close(fd);
		fd = next;
		if (path[len])
			len++;
	}
	return fd;
}

int scp__fs_open_parent(int dir, const char *path, bool make, int32_t uid, int32_t gid, const char **leaf)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_BYTES + 1];
	size_t len = slash ? (size_t)(slash - path) : 0;

	*leaf = slash ? slash + 1 : path;
	if (!**leaf || part_is_dots(*leaf, strlen(*leaf)) || (slash && !len)) {
		errno = EINVAL;
		return -1;
	}
	if (len >= sizeof(parent)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(parent, path, len);
	parent[len] = '\0';
	if (make)
		return scp__fs_make_dirs(dir, parent, 0755, uid, gid);
	return scp__fs_open(dir, parent, O_RDONLY | O_DIRECTORY, 0);
}
