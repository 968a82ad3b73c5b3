/* What a run's process gets: its descriptors, environment and code. */
#ifndef EXECUTOR_LAUNCH_H
#define EXECUTOR_LAUNCH_H

#include "run.h"

/** Make the descriptors of a job, and the run's ends of them. 0, or -1 with errno; some may be open then. */
int launch_open(struct run *run, int fds[JOB_FD_COUNT]);
void launch_close(const int fds[JOB_FD_COUNT]);
/** Returns how many bytes of text the job has. */
size_t launch_write_job(const struct run *run, struct job *job);

#endif
