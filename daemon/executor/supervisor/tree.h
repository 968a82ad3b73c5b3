/* The descendants of this process: since it is their subreaper, they are all of an execution, whatever they did. */
#ifndef EXECUTOR_TREE_H
#define EXECUTOR_TREE_H

#include <stddef.h>
#include <sys/types.h>

#define TREE_MAX 8192u

struct tree_process {
	pid_t pid;
	pid_t parent;
};

/** Fill `out` with descendants, nearest first, as far as they can be seen now; returns how many. */
size_t tree_list(struct tree_process *out, size_t max);

/** As tree_list(), but children alone. */
size_t tree_children(struct tree_process *out, size_t max);

/** Signal all descendants that can be seen now; returns how many. A pid used anew by a stranger is never hit. */
size_t tree_signal(int signal);

/** One attempt to end them all. More may be needed: what is seen can have forked meanwhile. */
void tree_kill(void);

#endif
