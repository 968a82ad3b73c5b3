/* Who may do what: the executor's own confinement, and what a supervisor hands down to the code. */
#ifndef EXECUTOR_LIMITS_H
#define EXECUTOR_LIMITS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <sys/types.h>

#define CODE_UID 1000u
#define CODE_GID 1000u

struct settings {
	const char *workspace;
	bool separate;		  /* the code gets CODE_UID; else everything has one uid */
	struct sock_fprog filter; /* same uid: what the code may not do to its executor; len 0: none */
};

/** Whether this process may become CODE_UID and still end what runs as it. */
bool limits_can_separate(void);

/** Confine the executor itself, for good. 0, or -1 with errno and *step saying what failed. */
int limits_confine(const struct settings *settings, const char **step);

/** Make the same-uid filter. 0, or -1. */
int limits_make_filter(struct settings *settings);

/** In a supervisor, once: what its jobs inherit (rlimits, umask, filter), and file access as the code's. 0, or -1. */
int limits_enter_supervisor(const struct settings *settings);

/** In a job's process, before exec: become the code's user for good. Async-signal-safe. 0, or -1 with errno. */
int limits_become_code(const struct settings *settings);

#endif
