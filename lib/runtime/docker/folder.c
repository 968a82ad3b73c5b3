/* What a container has on this host: the folder of its executor's socket, and a lock while it is made or removed. */
#include "docker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "fs.h"

#define LOCK_LIMIT_US 30000000
#define LOCK_ROUND_MS 2
#define CONNECT_LIMIT_S 2

bool docker_name_valid(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len <= DOCKER_NAME_MAX && !name[len] && name[0] != '-';
}

/* ---- the lock ---- */

/* FNV-1a. Two names that meet at one byte wait for each other, nothing worse. */
static off_t byte_of(const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return (off_t)(hash >> 2);
}

/* -1 with errno; EAGAIN: somebody has it */
static int try_lock(docker *d, const char *name)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(name), .l_len = 1 };
	char path[DOCKER_PATH_SIZE];
	int fd, error_number;

	(void)snprintf(path, sizeof(path), "%s/s", d->run_dir);
	if (scp__fs_mkdir_p(path, 0700))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/lock", d->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* An open file's own lock: it ends with us, and holds between threads too. */
	if (fd < 0 || !fcntl(fd, F_OFD_SETLK, &lock))
		return fd;
	error_number = errno == EACCES ? EAGAIN : errno;
	close(fd);
	errno = error_number;
	return -1;
}

int docker_lock(docker *d, const char *name, scp_error *err)
{
	struct timespec nap = { .tv_nsec = LOCK_ROUND_MS * 1000000L };
	int64_t deadline_us = scp__mono_us() + LOCK_LIMIT_US;
	int fd;

	while ((fd = try_lock(d, name)) < 0 && errno == EAGAIN && scp__mono_us() < deadline_us)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	if (fd >= 0)
		return fd;
	if (errno == EAGAIN)
		(void)scp__fail(err, SCP_EUNAVAIL, "container %s is still being made or removed", name);
	else
		(void)scp__fail_errno(err, errno, "lock container %s", name);
	return -1;
}

bool docker_lock_idle(docker *d, const char *name)
{
	int fd = try_lock(d, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EAGAIN;
}

/* ---- the folder ---- */

/* The executor is uid 0 of its container, whose number here is uid_base; the code's uid can't even enter. */
scp_status docker_folder_make(docker *d, const char *name, char sock[DOCKER_PATH_SIZE], scp_error *err)
{
	scp_status rc = docker_folder_remove(d, name, err);

	(void)snprintf(sock, DOCKER_PATH_SIZE, "%s/s/%s/sock", d->run_dir, name);
	if (rc)
		return rc;
	if (scp__fs_mkdir_p(sock, 0700) || chown(sock, d->uid_base, d->uid_base))
		return scp__fail_errno(err, errno, "make %s", sock);
	return SCP_OK;
}

scp_status docker_folder_remove(docker *d, const char *name, scp_error *err)
{
	char path[DOCKER_PATH_SIZE];
	int dir, rc;

	(void)snprintf(path, sizeof(path), "%s/s", d->run_dir);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? SCP_OK : scp__fail_errno(err, errno, "open %s", path);
	rc = scp__fs_remove_tree(dir, name);
	close(dir);
	return rc ? scp__fail_errno(err, errno, "remove %s/%s", path, name) : SCP_OK;
}

static void mark_path(docker *d, const char *name, const char *mark, char path[DOCKER_PATH_SIZE])
{
	(void)snprintf(path, DOCKER_PATH_SIZE, "%s/s/%s/%s", d->run_dir, name, mark);
}

void docker_folder_mark(docker *d, const char *name, const char *mark)
{
	char path[DOCKER_PATH_SIZE];
	int fd;

	mark_path(d, name, mark, path);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

void docker_folder_note(docker *d, const char *name, const char *mark, const char *text)
{
	char path[DOCKER_PATH_SIZE];

	mark_path(d, name, mark, path);
	(void)scp__fs_write_file(AT_FDCWD, path, text, strlen(text), 0600, false);
}

void docker_folder_unmark(docker *d, const char *name, const char *mark)
{
	char path[DOCKER_PATH_SIZE];

	mark_path(d, name, mark, path);
	(void)unlink(path);
}

int64_t docker_folder_marked_s(docker *d, const char *name, const char *mark)
{
	char path[DOCKER_PATH_SIZE];
	struct stat st;

	mark_path(d, name, mark, path);
	if (lstat(path, &st))
		return -1;
	return scp__now_us() / 1000000 > st.st_mtime ? scp__now_us() / 1000000 - st.st_mtime : 0;
}

void docker_folders_sweep(docker *d, const scp__map *keep)
{
	char path[DOCKER_PATH_SIZE];
	const struct dirent *e;
	DIR *dir;
	int lock;

	(void)snprintf(path, sizeof(path), "%s/s", d->run_dir);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (!docker_name_valid(e->d_name) || scp__map_get(keep, e->d_name))
			continue;
		lock = try_lock(d, e->d_name);
		if (lock < 0)
			continue;
		docker_orphans_end(d, e->d_name);
		(void)docker_folder_remove(d, e->d_name, NULL);
		close(lock);
	}
	if (dir)
		closedir(dir);
}

/* ---- connecting ---- */

static scp_status connect_failed(const char *name, int error_number, scp_error *err)
{
	if (error_number == ENOENT || error_number == ECONNREFUSED || error_number == ELOOP)
		return scp__fail_as(err, "ContainerNotFound", "nobody listens in container %.64s", name);
	if (error_number == EAGAIN)
		return scp__fail(err, SCP_EUNAVAIL, "container %.64s accepts no connection", name);
	return scp__fail_errno(err, error_number, "connect to container %.64s", name);
}

/* The container can put anything in that folder: what is connected to is the socket that was opened, no link. */
static int open_socket(docker *d, const char *name)
{
	char path[DOCKER_PATH_SIZE];
	struct stat st;
	int dir, fd;

	(void)snprintf(path, sizeof(path), "%s/s/%s/sock", d->run_dir, name);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = openat(dir, "s", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	close(dir);
	if (fd >= 0 && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = ELOOP;
	}
	return -1;
}

static int connect_to(int opened)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = CONNECT_LIMIT_S };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error_number;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", opened);
	/* A full queue of connections is waited for, and not for ever. */
	if (s >= 0 && !setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) &&
	    !connect(s, (struct sockaddr *)&address, sizeof(address)) && !fcntl(s, F_SETFL, O_NONBLOCK))
		return s;
	error_number = errno;
	if (s >= 0)
		close(s);
	errno = error_number;
	return -1;
}

scp_status docker_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	int opened, error_number;

	*fd = -1;
	if (!docker_name_valid(name))
		return scp__fail_as(err, "ContainerNotFound", "no container %.64s", name);
	opened = open_socket((docker *)rt, name);
	if (opened < 0)
		return connect_failed(name, errno, err);
	*fd = connect_to(opened);
	error_number = errno;
	close(opened);
	return *fd >= 0 ? SCP_OK : connect_failed(name, error_number, err);
}
