/* The executor as a whole: what its runs share. One thread, one loop. */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "crew.h"
#include "spool.h"

#define ACKED_REMEMBERED 1024u
#define HEARTBEAT_S 5
#define INTAKE_BYTES_MAX (16u << 20) /* of requests whose bodies are still coming */

struct push;
struct run;
TAILQ_HEAD(run_list, run);

struct executor {
	struct event_base *base;
	struct settings settings;
	struct crew crew;
	struct spool_budget budget;
	struct run_list runs;  /* all that are known, oldest first */
	struct run_list queue; /* those that wait for a place, in order */
	unsigned run_count;
	unsigned queued;
	unsigned max_queued;
	unsigned clients;
	size_t intake_bytes;
	struct event *heartbeat;
	struct event *retry; /* a start that failed for want of something is tried again */
	struct push *push;   /* NULL: nothing is pushed */
	int null_fd;	     /* /dev/null, or -1: this image's is none */
	bool first_process;  /* of a sandbox: only who is outside of it may speak to us */
	bool stopping;
	void (*stopped)(void *user); /* nothing runs any more */
	void *stopped_user;
	uint64_t acked[ACKED_REMEMBERED]; /* hashes of runs that are over and forgotten */
	unsigned acked_next;
};

#endif
