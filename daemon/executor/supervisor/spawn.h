/* One process of the code's user, in a session of its own, with the descriptors of a job and nothing else. */
#ifndef EXECUTOR_SPAWN_H
#define EXECUTOR_SPAWN_H

#include <sys/types.h>

#include "channel.h"
#include "limits.h"

struct spawn_failure {
	enum start_step step;
	int error;
};

/** Start a job; returns once it runs its own program. -1: *failure says where and why. The descriptors stay open. */
pid_t spawn_job(
    const struct settings *settings, const struct job *job, const int fds[JOB_FD_COUNT], struct spawn_failure *failure);

#endif
