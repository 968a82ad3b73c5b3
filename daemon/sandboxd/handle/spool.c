#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "upload.h"

void spool_init(struct spool *s)
{
	*s = (struct spool){ .fd = -1 };
}

scp_status spool_open(struct spool *s, scp_error *err)
{
	static const char *const places[] = { "/var/tmp", "/tmp" };

	for (size_t i = 0; i < 2 && s->fd < 0; i++)
		s->fd = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd >= 0)
		return SCP_OK;
	(void)scp__fail_errno(err, errno, "a temporary file in /var/tmp");
	scp__hint(err, "Send the part 'path' before the part 'file', or give the path in the query");
	return SCP_EINTERNAL;
}

scp_status spool_write(struct spool *s, const void *data, size_t len, scp_error *err)
{
	if (scp__fs_write_all(s->fd, data, len))
		return scp__fail_errno(err, errno, "write a temporary file in /var/tmp");
	s->written += len;
	return SCP_OK;
}

bool spool_left(const struct spool *s)
{
	return s->read < s->written;
}

scp_status spool_read(struct spool *s, scp__buf *out, scp_error *err)
{
	char block[65536];
	ssize_t n = pread(s->fd, block, sizeof(block), (off_t)s->read);

	if (n <= 0)
		return scp__fail_errno(err, n ? errno : EIO, "read a temporary file");
	s->read += (uint64_t)n;
	return scp__buf_append(out, block, (size_t)n);
}

void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
}
