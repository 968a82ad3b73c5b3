#include "volume_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define LOCK_WAIT_US 10000000
#define LOCK_BYTES 0x100000 /* ids that fall on the same byte wait for each other, no worse */

void scp__volume_pause(unsigned try)
{
	struct timespec ts = {.tv_nsec = 1000000L << (try < 4 ? try : 4) };

	nanosleep(&ts, NULL);
}

static off_t byte_of(const char *id)
{
	uint64_t hash = 14695981039346656037ULL;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 1099511628211ULL;
	return (off_t)((hash ^ (hash >> 32)) % LOCK_BYTES);
}

/* A description of its own each time: such locks also hold between the threads of one process. */
int scp__volume_lock(scp__volumes *v, const char *id, scp_error *err)
{
	struct flock what = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(id), .l_len = 1 };
	int64_t deadline = scp__mono_us() + LOCK_WAIT_US;
	int fd = openat(v->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		scp__fail_errno(err, errno, "open %s/lock", v->path);
		return -1;
	}
	for (unsigned try = 0; fcntl(fd, F_OFD_SETLK, &what); try++) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR) || scp__mono_us() > deadline) {
			if (errno == EAGAIN || errno == EACCES)
				scp__fail(err, SCP_EBUSY, "another process works on the disk %s", id);
			else
				scp__fail_errno(err, errno, "lock %s/lock", v->path);
			close(fd);
			return -1;
		}
		scp__volume_pause(try);
	}
	return fd;
}
