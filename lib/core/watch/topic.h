/*
 * What the files of topics share: topic.c (life, what the run appends), waiter.c (waits), subscription.c (delivery).
 *
 * Locks: topics->lock, then topic->lock, then core->lock or a pool's. No call-back and no port is called with one held.
 */
#ifndef SCP_CORE_TOPIC_H
#define SCP_CORE_TOPIC_H

#include "events.h"
#include "plane.h"

typedef struct scp__waiter {
	struct scp__waiter *next;
	scp__topic *topic; /* a reference: dropped when it woke */
	int64_t deadline_mono_us;
	scp__wake_fn *wake;
	void *arg;
} scp__waiter;

struct scp__topics {
	scp__core *core;
	pthread_mutex_t lock;
	scp__map *map;
	bool closed;
	bool freed; /* by the plane: the last topic, which a subscription may still hold, takes it along */
};

struct scp__topic {
	char id[SCP__ID_SIZE];
	scp__topics *topics;
	unsigned refs; /* under topics->lock */
	pthread_mutex_t lock;
	scp__events events;
	bool driven;   /* by this process: events come as they happen */
	bool over;     /* nothing more will come */
	bool complete; /* and events has all there is; else the database is asked */
	bool closed;   /* so is the plane */
	scp_subscription *subscriptions;
	scp__waiter *waiters;
};

struct scp_subscription {
	scp_subscription *next;
	scp__core *core;
	scp__topic *topic;
	scp_execution_event_fn *fn;
	void *user;
	uint64_t after;
	bool paused, scheduled, closed, finished;
	bool calling;
	pthread_t thread; /* that calls */
	pthread_cond_t quiet;
	unsigned refs; /* the caller's and the job's; under topic->lock */
};

/** The topic if there is one; a reference for the caller. */
scp__topic *scp__topic_find(scp__topics *t, const char *id);
/** Calls all of a list, without a lock. */
void scp__waiters_wake(scp__waiter *w, scp_status status);
/** Start the delivery to those who have something to get. */
void scp__topic_publish(scp__topic *topic);

#endif
