#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define STACK_SIZE 16384

/* To copy a large host's page tables would take longer than all the rest. ThreadSanitizer takes every clone() for a
 * fork, and must get one. */
#if defined(__SANITIZE_THREAD__)
#define BORROW 0
#else
#define BORROW (CLONE_VM | CLONE_FILES)
#endif

static int clone_tree_at(int dir, const char *source, unsigned flags)
{
	return (int)syscall(SYS_open_tree, dir, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | flags);
}

static int clone_tree(const char *source, unsigned flags)
{
	return clone_tree_at(AT_FDCWD, source, flags);
}

static bool same_mount(int root)
{
	struct statx a, b;
	const unsigned what = STATX_INO | STATX_MNT_ID;

	return !statx(root, "", AT_EMPTY_PATH, what, &a) && !statx(AT_FDCWD, "/", 0, what, &b) &&
	       a.stx_mnt_id == b.stx_mnt_id && a.stx_ino == b.stx_ino;
}

/* The root that we had, laid over the namespace's own and made ours again. */
static int cover_root(int root)
{
	int tree = clone_tree_at(root, "", AT_EMPTY_PATH);
	int rc = -1;

	if (tree >= 0 && !syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) && !fchdir(tree))
		rc = chroot(".");
	if (tree >= 0)
		close(tree);
	return rc;
}

static int settle_root(int root, int namespace)
{
	/* Entering the namespace that we are in leads to its root. */
	if (setns(namespace, CLONE_NEWNS))
		return -1;
	/* Slave, not private: what the host unmounts later must not be held by a runtime program under way. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return -1;
	return same_mount(root) ? 0 : cover_root(root);
}

/* Whose root isn't its mount namespace's (we run in a chroot) may make no user namespace: here the two become one. */
static scp_status go_to_namespace_root(scp_error *err)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int namespace = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	scp_status rc = SCP_OK;

	if (root < 0 || namespace < 0 || settle_root(root, namespace))
		rc = scp__fail_errno(err, errno, "detach a mount namespace");
	if (root >= 0)
		close(root);
	if (namespace >= 0)
		close(namespace);
	return rc;
}

scp_status scp__oci_mounts_private(scp_error *err)
{
	if (unshare(CLONE_NEWNS))
		return scp__fail_errno(err, errno, "make a mount namespace");
	return go_to_namespace_root(err);
}

static int set_attributes(int tree, uint64_t set, int userns)
{
	struct mount_attr attr = { .attr_set = set };

	if (userns >= 0)
		attr.userns_fd = (unsigned)userns;
	return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));
}

static scp_status attach(int tree, const char *target, scp_error *err)
{
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))
		return scp__fail_errno(err, errno, "mount %s", target);
	return SCP_OK;
}

scp_status scp__oci_mount_bind(const char *source, const char *target, bool writable, scp_error *err)
{
	int tree = clone_tree(source, 0);
	scp_status rc;

	if (tree < 0)
		return scp__fail_errno(err, errno, "mount %s", source);
	if (set_attributes(tree, SAFE | (writable ? 0 : MOUNT_ATTR_RDONLY), -1))
		rc = scp__fail_errno(err, errno, "restrict the mount of %s", source);
	else
		rc = attach(tree, target, err);
	close(tree);
	return rc;
}

/*
 * It shares our memory and descriptors and must touch neither: it holds a user namespace until it is killed, by us or
 * by our own end; otherwise it would go on holding a container's lock.
 */
static int idle(void *arg)
{
	pid_t parent = *(const pid_t *)arg;

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (syscall(SYS_getppid) == parent)
		syscall(SYS_pause);
	return 0;
}

static int write_map(pid_t pid, const char *which, uint32_t inside, uint32_t outside)
{
	char path[64], line[48];
	int fd, n;
	ssize_t done;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	n = snprintf(line, sizeof(line), "%u %u 1\n", inside, outside);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	done = write(fd, line, (size_t)n);
	close(fd);
	return done == n ? 0 : -1;
}

static int open_userns(pid_t pid, uint32_t inside, uint32_t outside)
{
	char path[64];

	if (write_map(pid, "uid_map", inside, outside) || write_map(pid, "gid_map", inside, outside))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A user namespace can only be had with a process in it. No exit signal: the host's SIGCHLD is not our business. */
static int make_userns(uint32_t inside, uint32_t outside)
{
	_Alignas(16) char stack[STACK_SIZE];
	pid_t parent = getpid(), pid;
	sigset_t all, old;
	int fd, error_number;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone(idle, stack + sizeof(stack), CLONE_NEWUSER | BORROW, &parent);
	error_number = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error_number;
	if (pid < 0)
		return -1;
	fd = open_userns(pid, inside, outside);
	error_number = errno;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = error_number;
	return fd;
}

static scp_status no_idmap(const char *source, int error_number, scp_error *err)
{
	scp_status rc;

	if (error_number != EINVAL && error_number != ENOSYS && error_number != EOPNOTSUPP)
		return scp__fail_errno(err, error_number, "map the owners of %s", source);
	rc = scp__fail(err, SCP_ENOTSUP, "the file system of %s doesn't allow idmapped mounts on this kernel", source);
	scp__hint(err, "Put the state folder on ext4, XFS or btrfs, with Linux 5.12 or later");
	return rc;
}

scp_status scp__oci_mount_idmapped(
    const char *source, const char *target, uint32_t disk_uid, uint32_t host_uid, scp_error *err)
{
	int userns = make_userns(disk_uid, host_uid), tree;
	scp_status rc;

	if (userns < 0)
		return scp__fail_errno(err, errno, "make a user namespace");
	tree = clone_tree(source, AT_SYMLINK_NOFOLLOW);
	if (tree < 0)
		rc = scp__fail_errno(err, errno, "mount %s", source);
	else if (set_attributes(tree, SAFE | MOUNT_ATTR_IDMAP, userns))
		rc = no_idmap(source, errno, err);
	else
		rc = attach(tree, target, err);
	if (tree >= 0)
		close(tree);
	close(userns);
	return rc;
}

scp_status scp__oci_mount_fs(
    const char *type, const char *target, unsigned long flags, const char *data, scp_error *err)
{
	if (mount(type, target, type, flags, data))
		return scp__fail_errno(err, errno, "mount %s on %s", type, target);
	return SCP_OK;
}
