#include "localfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

struct scp_object_reader {
	int fd;
	uint64_t offset;
	uint64_t left;
};

static scp_status check_range(uint64_t offset, uint64_t size, const char *key, scp_error *err)
{
	if (offset < size || !offset)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "range: %s has %llu bytes; the range starts at %llu", key,
	    (unsigned long long)size, (unsigned long long)offset);
}

static scp_status open_file(struct scp__localfs *l, const char *key, int *fd, struct stat *at, scp_error *err)
{
	if (scp__localfs_reserved(key))
		return scp__localfs_fail(err, ENOENT, key);
	*fd = scp__fs_open_regular(l->root, key, at);
	return *fd < 0 ? scp__localfs_fail(err, errno, key) : SCP_OK;
}

scp_status scp__localfs_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err)
{
	scp_object_reader *r;
	struct stat at;
	int fd = -1;
	scp_status rc = open_file((struct scp__localfs *)st, key, &fd, &at, err);

	if (rc)
		return rc;
	rc = check_range(offset, (uint64_t)at.st_size, key, err);
	r = rc ? NULL : calloc(1, sizeof(*r));
	if (!r) {
		close(fd);
		return rc ? rc : scp__nomem(err);
	}
	r->fd = fd;
	r->offset = offset;
	/* What grows later isn't read: Content-Length has been sent. */
	r->left = (uint64_t)at.st_size - offset;
	if (length && length < r->left)
		r->left = length;
	memset(object, 0, sizeof(*object));
	object->key = key;
	scp__localfs_describe(&at, object);
	*out = r;
	return SCP_OK;
}

scp_status scp__localfs_get_read(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err)
{
	size_t want = capacity < r->left ? capacity : (size_t)r->left;
	ssize_t n;

	*len = 0;
	if (!want)
		return SCP_OK;
	do
		n = pread(r->fd, data, want, (off_t)r->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return scp__fail(err, SCP_EBACKEND, "read: %s", strerrordesc_np(errno));
	if (!n)
		return scp__fail(err, SCP_EBACKEND, "the file shrank while it was read");
	r->offset += (uint64_t)n;
	r->left -= (uint64_t)n;
	*len = (size_t)n;
	return SCP_OK;
}

void scp__localfs_get_close(scp_object_reader *r)
{
	close(r->fd);
	free(r);
}
