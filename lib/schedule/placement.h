/* Where a session runs. */
#ifndef SCP_SCHEDULE_PLACEMENT_H
#define SCP_SCHEDULE_PLACEMENT_H

#include "runtime.h"

/** A node that this process reaches. */
typedef struct scp__schedule_node {
	scp_runtime *runtime;
	bool draining; /* takes no session that isn't there already */
	double load;   /* scp__schedule_load() */
	bool absent;   /* placement's own: it hasn't the image, and may get it */
} scp__schedule_node;

/** What is to be placed. All borrowed. */
typedef struct scp__schedule_want {
	const char *node; /* that the session is on already; NULL: none */
	const char *image;
	bool network;
	scp_runtime_progress_fn *progress; /* of fetching the image; may be NULL */
	void *user;
} scp__schedule_want;

/** Of CPU or memory, whichever is scarcer, the share that is given away. */
double scp__schedule_load(uint64_t cpu_used, uint64_t cpu, uint64_t memory_used, uint64_t memory);

/**
 * Choose a runtime: the node that the session is on already, if this process reaches it; else, of those that take new
 * sessions and can run it, the least loaded one that has the image; else the least loaded one that can fetch it, which
 * is then done. Among equals the operator's order decides.
 * @return SCP_OK; SCP_ENOTFOUND, SCP_ENOTSUP no runtime here can run the image, or gives a network that is wanted;
 *         SCP_EUNAVAIL the session's node is out of reach; SCP_ECAPACITY all that this process reaches are draining;
 * else what a node said that couldn't tell
 */
scp_status scp__schedule_place(
    scp_runtime **out, scp__schedule_node *nodes, size_t count, const scp__schedule_want *want, scp_error *err);

#endif
