#include <stdarg.h>
#include <stdio.h>

#include "err.h"
#include "plane.h"

scp_status scp__enter(scp_plane *plane, bool begins, scp_error *err)
{
	scp__core *core = plane ? plane->core : NULL;
	bool refused;

	if (!core)
		return scp__fail(err, SCP_EINVAL, "plane must not be NULL");
	pthread_mutex_lock(&core->lock);
	refused = core->closing || (begins && core->draining);
	if (!refused)
		core->in_flight++;
	pthread_mutex_unlock(&core->lock);
	if (!refused)
		return SCP_OK;
	scp__fail(err, SCP_ECLOSED, "the plane is closing");
	scp__retry_after(err, 1000);
	return SCP_ECLOSED;
}

void scp__leave(scp_plane *plane)
{
	scp__unhold(plane->core);
}

void scp__hold(scp__core *core)
{
	pthread_mutex_lock(&core->lock);
	core->in_flight++;
	pthread_mutex_unlock(&core->lock);
}

void scp__unhold(scp__core *core)
{
	pthread_mutex_lock(&core->lock);
	if (!--core->in_flight)
		pthread_cond_broadcast(&core->idle);
	pthread_mutex_unlock(&core->lock);
}

const char *scp__request_id(const scp_plane *plane)
{
	return plane->request_id[0] ? plane->request_id : NULL;
}

const char *scp__actor(const scp_plane *plane)
{
	return plane->actor[0] ? plane->actor : NULL;
}

uint32_t scp__bounded_wait(const scp_plane *plane, uint32_t wait_ms)
{
	return plane->deadline_ms && plane->deadline_ms < wait_ms ? plane->deadline_ms : wait_ms;
}

void scp__core_log(scp__core *core, scp_log_level level, const scp__log_ids *ids, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	scp__log_write(&core->log, level, "core", ids, NULL, "%s", message);
}
