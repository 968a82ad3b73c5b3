/*
 * What the executor and a supervisor tell each other: small messages over a SOCK_SEQPACKET pair, and what is larger in
 * memory that those two share. Both ends are this program; the code that they run reaches neither.
 */
#ifndef EXECUTOR_CHANNEL_H
#define EXECUTOR_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

#define JOB_ENV_COUNT_MAX 256u
#define JOB_TEXT_MAX (SCP__CODE_MAX + SCP__ENV_MAX + 1024u)
#define ARTIFACT_BYTES_MAX (384u << 10) /* of all artifact records of a result */

enum language { LANGUAGE_PYTHON, LANGUAGE_JAVASCRIPT, LANGUAGE_SHELL, LANGUAGE_COUNT };

/* The descriptors that travel with a job, and where the code has them. The input is closed before the code runs. */
enum job_fd { JOB_STDIN, JOB_STDOUT, JOB_STDERR, JOB_RESULT, JOB_INPUT, JOB_FD_COUNT };

struct job {
	enum language language;
	uint32_t env_count;
	char text[JOB_TEXT_MAX]; /* env_count strings NAME=value, then the shell's code; each with its NUL */
};

struct share {
	struct job job;
	char artifacts[ARTIFACT_BYTES_MAX]; /* SCP__RESULT_ARTIFACT records */
};

enum command { COMMAND_JOB = 1, COMMAND_TERM, COMMAND_KILL };

enum report_kind {
	REPORT_STARTED = 1, /* the code's process runs: exec succeeded */
	REPORT_ENDED,	    /* its first process is over; everything else here is valid */
	REPORT_IDLE,	    /* nothing of it is left: the next job may come */
};

/* Where a start failed */
enum start_step { START_OK, START_CLONE, START_PREPARE, START_USER, START_WORKSPACE, START_EXEC };

struct report {
	enum report_kind kind;
	enum start_step failed_step;
	int failed_errno;
	int wait_status;
	enum command cause; /* the last command that came before its first process ended; 0: none */
	bool survivors;	    /* some of its processes couldn't be ended yet */
	int64_t started_us; /* monotonic */
	int64_t ended_us;
	uint64_t cpu_us;
	uint64_t peak_bytes;
	uint64_t io_read_bytes;
	uint64_t io_write_bytes;
	size_t artifact_bytes;
};

#endif
