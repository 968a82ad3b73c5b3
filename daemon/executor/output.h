/* What a run's process writes, read as it comes: a stream into the spool, the result channel beside it. */
#ifndef EXECUTOR_OUTPUT_H
#define EXECUTOR_OUTPUT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool.h"

struct output {
	struct event *readable;
	struct event *pause; /* ends a wait that lets small writes gather */
	struct spool *spool;
	void (*grew)(void *user); /* an event was added */
	void *user;
	const char *name; /* of its events; NULL: the result channel, kept in the spool's tail */
	uint64_t total;	  /* bytes read */
	size_t kept;
	size_t header_bytes;
	unsigned records;
	int fd; /* -1: over */
};

/** Read from `fd`, which becomes the output's. 0, or -1 (no memory; the descriptor is closed). */
int output_open(struct output *o, struct event_base *base, int fd);
/** Read what is there now, without waiting for an end that a survivor may hold back; then close. */
void output_finish(struct output *o);
void output_close(struct output *o);

#endif
