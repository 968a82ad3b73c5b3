#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "id.h"

#define NAME_TRIES 16
#define READ_STEP 4096

int scp__fs_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* A new file beside `name`; its name goes to `temporary`. */
static int open_temporary(int dir, const char *name, char temporary[PATH_MAX])
{
	char random[9];
	int n, fd = -1;

	for (int i = 0; i < NAME_TRIES; i++) {
		if (scp__id_random(random, 8, NULL)) {
			errno = EIO;
			return -1;
		}
		n = snprintf(temporary, PATH_MAX, "%s.%s", name, random);
		if (n < 0 || n >= PATH_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

static int fill(int fd, const void *data, size_t len, mode_t mode, bool sync)
{
	int rc = fchmod(fd, mode);

	if (!rc)
		rc = scp__fs_write_all(fd, data, len);
	if (!rc && sync)
		rc = fsync(fd);
	return rc;
}

/* A rename lasts only once the directory is on the disk. */
static int sync_parent(int dir, const char *name)
{
	char parent[PATH_MAX] = ".";
	const char *slash = strrchr(name, '/');
	int fd, rc, error_number;

	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", slash == name ? 1 : (int)(slash - name), name);
	fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	error_number = errno;
	close(fd);
	errno = error_number;
	return rc;
}

int scp__fs_write_file(int dir, const char *name, const void *data, size_t len, mode_t mode, bool sync)
{
	char temporary[PATH_MAX];
	int fd = open_temporary(dir, name, temporary);
	int rc, error_number;

	if (fd < 0)
		return -1;
	rc = fill(fd, data, len, mode, sync);
	error_number = errno;
	if (close(fd) && !rc) {
		rc = -1;
		error_number = errno;
	}
	if (!rc) {
		rc = renameat(dir, temporary, dir, name);
		error_number = errno;
	}
	if (rc) {
		unlinkat(dir, temporary, 0);
		errno = error_number;
		return -1;
	}
	return sync ? sync_parent(dir, name) : 0;
}

/* Read to the end, or to one byte more than max. Sizes of files in /proc are 0, so fstat doesn't tell. */
static char *read_to_end(int fd, size_t max, size_t *len)
{
	size_t capacity = 0, used = 0;
	char *data = NULL, *p;
	ssize_t n;

	for (;;) {
		if (capacity - used < 2) {
			capacity = capacity ? capacity * 2 : READ_STEP;
			p = realloc(data, capacity);
			if (!p)
				break;
			data = p;
		}
		n = read(fd, data + used, capacity - used - 1);
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			used += (size_t)n;
		if (used > max) {
			errno = EFBIG;
			break;
		}
		if (!n) {
			data[used] = '\0';
			*len = used;
			return data;
		}
	}
	free(data);
	return NULL;
}

static int open_ours(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st = { 0 };

	if (fd < 0 || (!fstat(fd, &st) && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	return -1;
}

int scp__fs_read_file(int dir, const char *path, size_t max, char **data, size_t *len)
{
	int fd = open_ours(dir, path);
	size_t ignored;
	int error_number;

	*data = NULL;
	if (fd < 0)
		return -1;
	*data = read_to_end(fd, max, len ? len : &ignored);
	error_number = errno;
	close(fd);
	errno = error_number;
	return *data ? 0 : -1;
}

static int make_one(const char *path, mode_t mode)
{
	struct stat st;
	int why;

	if (!mkdir(path, mode))
		return 0;
	why = errno;
	/* Also where the parent may not be written: what matters is that it is there. */
	if (!stat(path, &st)) {
		errno = ENOTDIR;
		return S_ISDIR(st.st_mode) ? 0 : -1;
	}
	errno = why;
	return -1;
}

int scp__fs_mkdir_p(const char *path, mode_t mode)
{
	char prefix[PATH_MAX];
	size_t len = strlen(path);

	if (!len || len >= sizeof(prefix)) {
		errno = len ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	memcpy(prefix, path, len + 1);
	for (size_t i = 1; i < len; i++) {
		if (prefix[i] != '/')
			continue;
		prefix[i] = '\0';
		if (make_one(prefix, mode))
			return -1;
		prefix[i] = '/';
	}
	return make_one(prefix, mode);
}
