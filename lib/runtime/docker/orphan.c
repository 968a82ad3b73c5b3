/*
 * What an engine that was killed was just starting: a process that waits for ever for its start, in the container's
 * cgroup and with its workspace mounted, which no engine knows of any more. The container's id, noted before it was
 * started, finds it.
 */
#include "docker.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"

#define ID_LEN 64
#define CGROUP_MAX 8192

static bool is_in(const char *pid, const char *id)
{
	char path[64], *text = NULL;
	size_t len;
	bool in;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/cgroup", pid);
	if (scp__fs_read_file(AT_FDCWD, path, CGROUP_MAX, &text, &len))
		return false;
	in = strstr(text, id) != NULL;
	free(text);
	return in;
}

/* Looked at again once its number can't become another's. */
static void end(const char *pid, const char *id)
{
	int fd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);

	if (fd < 0)
		return;
	if (is_in(pid, id))
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

static void end_all(const char *id)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && is_in(e->d_name, id))
			end(e->d_name, id);
	if (proc)
		closedir(proc);
}

void docker_orphans_end(docker *d, const char *name)
{
	char path[DOCKER_PATH_SIZE], *id = NULL;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/s/%s/" DOCKER_STARTING, d->run_dir, name);
	if (scp__fs_read_file(AT_FDCWD, path, ID_LEN, &id, &len))
		return; /* it was up, or never was to be */
	if (len == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN)
		end_all(id);
	free(id);
}
