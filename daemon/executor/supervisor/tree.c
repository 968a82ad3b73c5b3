#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FREEZE_FROM 4u /* processes: below that, they are ended before they could fork much */

/* Append the pids in one children file. */
static size_t add_children_of_thread(pid_t parent, pid_t thread, struct tree_process *out, size_t count, size_t max)
{
	char path[64];
	char text[4096];
	pid_t pid = 0;
	bool digits = false;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return count;
	while (count < max && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n && count < max; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				digits = true;
			} else if (digits) {
				out[count++] = (struct tree_process){ .pid = pid, .parent = parent };
				pid = 0;
				digits = false;
			}
		}
	}
	close(fd);
	return count;
}

static size_t add_children(pid_t parent, struct tree_process *out, size_t count, size_t max)
{
	char path[64];
	struct dirent *entry;
	DIR *tasks;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	tasks = opendir(path);
	while (tasks && count < max && (entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			count = add_children_of_thread(parent, (pid_t)atoi(entry->d_name), out, count, max);
	if (tasks)
		closedir(tasks);
	return count;
}

size_t tree_children(struct tree_process *out, size_t max)
{
	return add_children_of_thread(getpid(), getpid(), out, 0, max); /* we have one thread */
}

size_t tree_list(struct tree_process *out, size_t max)
{
	size_t count = tree_children(out, max);

	for (size_t i = 0; i < count; i++)
		count = add_children(out[i].pid, out, count, max);
	return count;
}

static pid_t parent_of(pid_t pid)
{
	char path[64];
	char text[512];
	const char *after;
	int parent = -1;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	after = strrchr(text, ')'); /* the name may hold anything */
	if (!after || sscanf(after + 1, " %*c %d", &parent) != 1)
		return -1;
	return parent;
}

/*
 * A child of ours keeps its pid until we reap it. Anybody else's pid may have been given to a stranger since it was
 * listed: hold it by descriptor first, then look whether it still is who was meant.
 */
static void signal_one(const struct tree_process *process, int signal)
{
	pid_t self = getpid();
	pid_t parent;
	int fd;

	if (process->parent == self) {
		(void)kill(process->pid, signal);
		return;
	}
	fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (fd < 0)
		return; /* gone, or not to be had: its turn comes as a child of ours */
	parent = parent_of(process->pid);
	if (parent == process->parent || parent == self)
		(void)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
	close(fd);
}

size_t tree_signal(int signal)
{
	static struct tree_process list[TREE_MAX];
	size_t count = tree_list(list, TREE_MAX);

	for (size_t i = 0; i < count; i++)
		signal_one(&list[i], signal);
	return count;
}

void tree_kill(void)
{
	/* Stopped processes neither fork nor free places for others to fork into: a fork bomb freezes before it dies.
	 */
	for (unsigned round = 0; round < 8; round++)
		if (tree_signal(SIGSTOP) < FREEZE_FROM)
			break;
	(void)tree_signal(SIGKILL);
}
