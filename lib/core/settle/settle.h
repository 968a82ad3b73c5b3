/* Settling's parts: settle.c decides and has the jobs, bring_up.c makes and removes containers, dispatch.c sends
 * executions to them. */
#ifndef SCP_CORE_SETTLE_H
#define SCP_CORE_SETTLE_H

#include "plane.h"

typedef struct scp__settling {
	scp__core *core;
	_Atomic bool again;
	unsigned failures; /* in a row */
	char id[SCP__ID_SIZE];
} scp__settling;

/** The session's executions that aren't over. */
typedef struct scp__live {
	const char *session_id;
	scp__ids ids;
} scp__live;
scp_status scp__live_load(scp__core *core, scp__live *l, scp_error *err);

/** A container's row. */
scp_status scp__container_load(scp__core *core, const char *id, scp__container **out, scp_error *err);
/** Remove the container and forget it. SCP_OK: it is gone and the rows say so. */
scp_status scp__take_down(
    scp__core *core, const scp__session *s, scp_runtime *rt, const char *container_id, bool oom_killed);
/** Make the session a container. SCP_EAGAIN: later again. */
scp_status scp__bring_up(scp__settling *st, const scp__session *s);

/** Send what is due to the session's container, which runs. */
scp_status scp__dispatch(scp__core *core, const scp__session *s, const scp__live *l);

#endif
