/*
 * Push mode: the executor tells a control plane what its runs do, besides serving whoever connects. Off unless it is
 * given an address, a token and its session's id. What has an answer that ends it (2xx, 404, 409) is told no more; all
 * else is tried again, later and later, for as long as the run is kept.
 */
#ifndef EXECUTOR_PUSH_H
#define EXECUTOR_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"

struct executor;
struct push;
struct run;

/** What is still to be told of a run. */
struct push_due {
	bool status, heartbeat, result;
	bool plain;	    /* its return value was refused: told without */
	bool told;	    /* the result has been taken, or nobody wants it */
	int64_t started_us; /* wall clock */
};

/** 0, or -1 (it said why, on stderr). *out NULL: the options don't ask for it. */
int push_open(struct push **out, struct executor *x, const struct options *options);
void push_close(struct push *push); /* NULL is fine */

/* NULL `push` is fine in all of these. */
void push_started(struct push *push, struct run *run);
void push_over(struct push *push, struct run *run);
/** The run's memory goes. */
void push_forget(struct push *push, struct run *run);

#endif
