/* Where a session runs. */
#ifndef SCP_SCHEDULE_PLACEMENT_H
#define SCP_SCHEDULE_PLACEMENT_H

#include "runtime.h"

/**
 * Choose a runtime: the node that the session is on already, if this process reaches it; else one that can run the
 * image.
 * @return SCP_OK; SCP_ENOTFOUND no runtime here can run the image; SCP_EUNAVAIL the session's node is out of reach
 */
scp_status scp__schedule_place(
    scp_runtime **out, scp_runtime *const *runtimes, size_t count, const char *node, const char *image, scp_error *err);

#endif
