/*
 * Questions to the backends that must not hold up who asks: each is put by a thread of its own pool, at most once at a
 * time, so that a backend that hangs costs one thread and is not asked again before it has answered.
 */
#ifndef SCP_CORE_PROBE_H
#define SCP_CORE_PROBE_H

#include "plane.h"

enum { SCP__PROBES_MAX = 16, SCP__PROBE_DETAIL = 256 };

typedef struct scp__probe scp__probe;

struct scp__probe {
	const char *name;
	scp_runtime *rt;
	scp_status (*ask)(scp__probes *all, scp__probe *p, uint32_t deadline_ms, char *detail, scp_error *err);
	scp__probes *all;
	uint32_t deadline_ms; /* of the one who put it */

	uint64_t begun, done; /* how often; unlike while it is under way */
	/* The last answer: */
	scp_status rc;
	scp_error err;
	double latency_ms;
	char detail[SCP__PROBE_DETAIL];
};

struct scp__probes {
	scp__core *core;
	pthread_mutex_t lock; /* for what follows, and what the probes answered */
	pthread_cond_t change;
	scp__pool *pool; /* made when something is asked first */
	scp__census census;
	size_t count; /* of the backends; the one behind them counts rows */
	scp__probe probes[SCP__PROBES_MAX + 1];
};

/** What one caller waits for. */
typedef struct scp__round {
	size_t first, count;
	uint64_t wanted[SCP__PROBES_MAX + 1];
} scp__round;

/** Put the questions first … first + count - 1, or join those under way, and wait until all are answered or
 *  `deadline_ms` have passed. */
void scp__probes_ask(scp__probes *all, scp__round *round, size_t first, size_t count, uint32_t deadline_ms);
/** With the lock held: whether it was answered. */
bool scp__probe_answered(const scp__probes *all, const scp__round *round, size_t i);

#endif
