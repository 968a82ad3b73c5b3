/* Views of a plane, its draining, and dispatch by the host. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "plane.h"

static scp_status check_call(const scp_call *call, scp_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *id = call->request_id;

	if (id && (strlen(id) >= SCP__REQUEST_ID_SIZE || strspn(id, allowed) != strlen(id)))
		return scp__fail(err, SCP_EINVAL, "request_id must be at most 64 of [A-Za-z0-9._-]");
	if (call->actor && strlen(call->actor) >= SCP__ACTOR_SIZE)
		return scp__fail(err, SCP_EINVAL, "actor must be at most 128 bytes");
	return SCP_OK;
}

scp_status scp_plane_with(scp_plane **view, scp_plane *plane, const scp_call *call, scp_error *err)
{
	scp_plane *v;
	scp_status rc;

	if (!view || !plane || !call)
		return scp__fail(err, SCP_EINVAL, "view, plane and call must not be NULL");
	*view = NULL;
	rc = check_call(call, err);
	if (rc)
		return rc;
	v = calloc(1, sizeof(*v));
	if (!v)
		return scp__nomem(err);
	v->core = plane->core;
	v->view = true;
	v->deadline_ms = call->deadline_ms;
	snprintf(v->request_id, sizeof(v->request_id), "%s", call->request_id ? call->request_id : "");
	snprintf(v->actor, sizeof(v->actor), "%s", call->actor ? call->actor : "");
	*view = v;
	return SCP_OK;
}

scp_status scp_plane_drain(scp_plane *plane, uint32_t grace_ms, scp_error *err)
{
	scp__core *core = plane ? plane->core : NULL;
	struct timespec until = scp__mono_in(grace_ms);
	int late = 0;

	if (!core)
		return scp__fail(err, SCP_EINVAL, "plane must not be NULL");
	pthread_mutex_lock(&core->lock);
	core->draining = true;
	while (core->in_flight && late != ETIMEDOUT)
		late = pthread_cond_clockwait(&core->idle, &core->lock, CLOCK_MONOTONIC, &until);
	late = core->in_flight != 0;
	pthread_mutex_unlock(&core->lock);
	return late ? scp__fail(err, SCP_ETIMEDOUT, "calls are still under way") : SCP_OK;
}

int scp_plane_event_fd(scp_plane *plane)
{
	return plane ? scp__callbacks_fd(plane->core->callbacks) : -1;
}

size_t scp_plane_dispatch(scp_plane *plane)
{
	return plane ? scp__callbacks_dispatch(plane->core->callbacks) : 0;
}
