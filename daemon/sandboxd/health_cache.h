/*
 * The last answer of the probes, for a second: however many ask, the backends are probed by one of them at a time.
 * While that goes on the others get the answer before, so that a backend that hangs takes one worker, not all.
 */
#ifndef SCP_SANDBOXD_HEALTH_CACHE_H
#define SCP_SANDBOXD_HEALTH_CACHE_H

#include <sandboxcp/health.h>

#include "buf.h"

struct health_cache;

/** What is kept of an answer. */
struct health_view {
	bool database; /* it answers, if slowly */
	int status;    /* of GET /health */
};

/** @param auth  how callers are known, as GET /health says it; borrowed */
scp_status health_cache_new(struct health_cache **out, const char *auth, scp_error *err);
void health_cache_free(struct health_cache *c);

/** `body` (may be NULL) gets the JSON of GET /health. Blocks for the probes' deadline at most. Any thread. */
scp_status health_cache_get(
    struct health_cache *c, scp_plane *plane, struct health_view *view, scp__buf *body, scp_error *err);

#endif
