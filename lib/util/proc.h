/* Child programs by argv, without a shell: bounded in time and output, every signal default and unblocked in the child.
 */
#ifndef SCP_UTIL_PROC_H
#define SCP_UTIL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include <sandboxcp/error.h>

typedef struct scp__proc_options {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH unless it holds a '/' */
	const char *const *env;	 /* "NAME=value", NULL-terminated; NULL: the caller's */
	const char *cwd;	 /* NULL: the caller's */
	const int *keep_fds;	 /* descriptors that become 3, 4, … in the child */
	size_t keep_fd_count;	 /* ≤ 64 */
	int stdin_fd;		 /* -1: /dev/null */
	int stdout_fd;		 /* -1: into `out`, or /dev/null if that is NULL */
	int stderr_fd;		 /* -1: into `errors`, or /dev/null */
	scp__buf *out;		 /* bounded by its max: what is beyond is read and dropped */
	scp__buf *errors;
	uint32_t timeout_ms; /* then SIGKILL to its process group and SCP_ETIMEDOUT; 0: 30,000 */
	/*
	 * Runs in the child before exec, in `cwd`, with the caller's descriptors under their own numbers and every
	 * signal blocked; non-zero stops it with that errno. NULL: none (and the child costs the same however large the
	 * host is). It has a copy of our memory and only this thread: async-signal-safe functions alone, ids by
	 * syscall() rather than setuid(), and nothing that waits, for it holds the calling thread.
	 */
	int (*before_exec)(void *arg);
	void *before_exec_arg;
	bool wait_exit_only; /* don't wait for the end of out and errors: a survivor may hold them */
} scp__proc_options;
#define SCP__PROC_OPTIONS_INIT                                                                                         \
	{                                                                                                              \
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1                                                       \
	}

/**
 * Run to its end, in a session of its own. *exit_status (may be NULL): the exit code, or 128 + signal; -1 where the
 * host reaped it and the kernel doesn't tell (before 6.15). Descriptors other than 0–2 and those kept are closed.
 * @return SCP_OK whatever the exit code; SCP_ENOTFOUND no such program; SCP_ETIMEDOUT; SCP_EINTERNAL
 */
scp_status scp__proc_run(const scp__proc_options *options, int *exit_status, scp_error *err);

/** Where PATH (or one of the usual folders, /usr/sbin and /sbin among them) has the program; false: nowhere. */
bool scp__proc_find(const char *name, char *out, size_t out_size);
/** The same in these folders alone, by colon. */
bool scp__proc_find_in(const char *folders, const char *name, char *out, size_t out_size);

#endif
