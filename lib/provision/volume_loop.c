#include "volume_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "err.h"

#define CONTROL "/dev/loop-control"
#define LOOP_MAJOR 7
#define TRIES 512 /* somebody else took the free one each time */
#define QUICK_TRIES 16

static scp_status control_fail(scp_error *err, int error_number)
{
	scp_status rc = scp__fail(err, SCP_ENOTSUP, "%s: %s", CONTROL, strerrordesc_np(error_number));

	if (error_number == EACCES || error_number == EPERM)
		scp__hint(err, "Run as root; in a container, allow the devices %s and /dev/loop*", CONTROL);
	else
		scp__hint(err, "modprobe loop; in a container, hand in %s", CONTROL);
	return rc;
}

scp_status scp__loop_check(scp_error *err)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return control_fail(err, errno);
	close(fd);
	if (!access("/sys/block", R_OK))
		return SCP_OK;
	scp__fail(err, SCP_ENOTSUP, "/sys/block: %s", strerrordesc_np(errno));
	scp__hint(err, "mount -t sysfs sysfs /sys");
	return SCP_ENOTSUP;
}

/* devtmpfs makes the node by itself; without it we do. */
static int open_node(unsigned number, int flags, char node[SCP__LOOP_NODE_SIZE])
{
	int fd;

	snprintf(node, SCP__LOOP_NODE_SIZE, "/dev/loop%u", number);
	fd = open(node, flags | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mknod(node, S_IFBLK | 0600, makedev(LOOP_MAJOR, number)) && errno != EEXIST)
		return -1;
	return open(node, flags | O_CLOEXEC);
}

/* 0; EBUSY or another errno. */
static int configure(int loop, int image)
{
	struct loop_config config = { .fd = (__u32)image, .info.lo_flags = LO_FLAGS_AUTOCLEAR };

	return ioctl(loop, LOOP_CONFIGURE, &config) ? errno : 0;
}

static bool somebody_was_faster(int error_number)
{
	return error_number == EBUSY || error_number == ENXIO || error_number == ENODEV;
}

/* One try; an errno. */
static int attach_once(int control, int image, int *loop, char node[SCP__LOOP_NODE_SIZE])
{
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	int error_number;

	if (number < 0)
		return errno;
	*loop = open_node((unsigned)number, O_RDWR, node);
	if (*loop < 0)
		return errno;
	error_number = configure(*loop, image);
	if (error_number) {
		close(*loop);
		*loop = -1;
	}
	return error_number;
}

static scp_status attach_fail(scp_error *err, int error_number, const char *node)
{
	scp_status rc;

	switch (error_number) {
	case ENOSPC:
	case EBUSY:
	case ENXIO:
	case ENODEV:
		return scp__fail(err, SCP_ECAPACITY, "no free loop device: %s", strerrordesc_np(error_number));
	case EPERM:
	case EACCES:
	case ENOENT:
		rc = scp__fail(err, SCP_ENOTSUP, "open %s: %s", node, strerrordesc_np(error_number));
		scp__hint(err, "Run as root; in a container, allow block devices 7:* (and mknod)");
		return rc;
	case EINVAL:
	case ENOTTY:
		rc = scp__fail(err, SCP_ENOTSUP, "LOOP_CONFIGURE on %s: %s", node, strerrordesc_np(error_number));
		scp__hint(err, "Linux 5.8 or newer, and a disk folder on a local file system");
		return rc;
	default:
		return scp__fail_errno(err, error_number, "bind %s", node[0] ? node : "a loop device");
	}
}

scp_status scp__loop_attach(int image, int *loop, char node[SCP__LOOP_NODE_SIZE], scp_error *err)
{
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	int error_number = EBUSY;

	*loop = -1;
	node[0] = '\0';
	if (control < 0)
		return control_fail(err, errno);
	for (unsigned try = 0; try < TRIES && somebody_was_faster(error_number); try++) {
		if (try > QUICK_TRIES)
			scp__volume_pause(0);
		error_number = attach_once(control, image, loop, node);
	}
	close(control);
	return error_number ? attach_fail(err, error_number, node) : SCP_OK;
}

static bool backs(int loop, const struct stat *image)
{
	struct loop_info64 info;

	if (ioctl(loop, LOOP_GET_STATUS64, &info))
		return false;
	return !image || (info.lo_device == image->st_dev && info.lo_inode == image->st_ino);
}

/* "loop7" → 7; false for loop7p1 and others. */
static bool loop_number(const char *name, unsigned *number)
{
	char *end;

	if (strncmp(name, "loop", 4) || !isdigit((unsigned char)name[4]))
		return false;
	*number = (unsigned)strtoul(name + 4, &end, 10);
	return !*end;
}

static bool is_bound(DIR *block, const char *name)
{
	char path[NAME_MAX + 8];

	snprintf(path, sizeof(path), "%s/loop", name);
	return !faccessat(dirfd(block), path, F_OK, 0);
}

int scp__loop_find(const struct stat *image, char node[SCP__LOOP_NODE_SIZE])
{
	DIR *block = opendir("/sys/block");
	struct dirent *e;
	unsigned number;
	int fd = -1;

	while (block && fd < 0 && (e = readdir(block))) {
		if (!loop_number(e->d_name, &number) || !is_bound(block, e->d_name))
			continue;
		fd = open_node(number, O_RDONLY, node);
		if (fd >= 0 && !backs(fd, image)) {
			close(fd);
			fd = -1;
		}
	}
	if (block)
		closedir(block);
	return fd;
}

bool scp__loop_backs(dev_t dev, const struct stat *image)
{
	char path[64], target[256], node[SCP__LOOP_NODE_SIZE];
	unsigned number;
	ssize_t n;
	bool yes;
	int fd;

	if (major(dev) != LOOP_MAJOR)
		return false;
	/* With partitions a minor isn't the number. */
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	if (!loop_number(basename(target), &number))
		return false;
	fd = open_node(number, O_RDONLY, node);
	yes = fd >= 0 && backs(fd, image);
	if (fd >= 0)
		close(fd);
	return yes;
}
