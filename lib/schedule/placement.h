/* Where a session runs. */
#ifndef SCP_SCHEDULE_PLACEMENT_H
#define SCP_SCHEDULE_PLACEMENT_H

#include "runtime.h"

/** A node that this process reaches. */
typedef struct scp__schedule_node {
	scp_runtime *runtime;
	bool draining; /* takes no session that isn't there already */
} scp__schedule_node;

/**
 * Choose a runtime: the node that the session is on already, if this process reaches it; else one that takes new
 * sessions and can run the image.
 * @return SCP_OK; SCP_ENOTFOUND, SCP_ENOTSUP no runtime here can run the image; SCP_EUNAVAIL the session's node is out
 *         of reach; SCP_ECAPACITY all that this process reaches are draining; else what a node said that couldn't tell
 */
scp_status scp__schedule_place(scp_runtime **out, const scp__schedule_node *nodes, size_t count, const char *node,
    const char *image, scp_error *err);

#endif
