/* Private to util: the child's side of scp__proc_run(), from clone to exec. */
#ifndef SCP_UTIL_PROC_CHILD_H
#define SCP_UTIL_PROC_CHILD_H

#include <limits.h>

#include "proc.h"

#define SCP__PROC_KEEP_MAX 64

/* Lives in memory that parent and child share, and so does the child's stack behind it. */
struct scp__proc_child {
	const scp__proc_options *options;
	int fds[3 + SCP__PROC_KEEP_MAX]; /* what becomes 0, 1, 2, … */
	int null_fd;			 /* -1, or ours to close */
	int owned[2];			 /* writing ends of pipes; -1, or ours to close */
	char path[PATH_MAX];
	char *const *env;
	enum {
		SCP__PROC_FINE,
		SCP__PROC_CWD,
		SCP__PROC_HOOK,
		SCP__PROC_FDS,
		SCP__PROC_EXEC
	} stage; /* where it failed */
	int error_number;
};

struct scp__proc_child *scp__proc_child_new(const scp__proc_options *options); /* NULL: no memory */
void scp__proc_child_free(struct scp__proc_child *child);

/** Start it; returns once it has exec'd or failed (`stage`). The pid, or -1 with errno. */
pid_t scp__proc_child_start(struct scp__proc_child *child, int *pidfd);

#endif
