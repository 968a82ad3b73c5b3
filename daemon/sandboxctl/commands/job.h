/* One execution as the command line describes it. */
#ifndef SANDBOXCTL_JOB_H
#define SANDBOXCTL_JOB_H

#include "ctl.h"
#include "spinner.h"
#include "values.h"

#include <pthread.h>

struct job {
	struct ctl *ctl;
	struct spinner *spinner;
	pthread_mutex_t lock; /* guards what follows: the interrupting thread reads it */
	char session[64], execution[64];
	bool own_session, interrupted;
	/* what is to run */
	scp_execution_spec spec;
	struct input code, event, input;
	scp_pair env[ARGS_LIST_MAX];
	char *env_storage;
};

void job_init(struct job *j, struct ctl *ctl);
void job_fini(struct job *j);

/** Read code, event and stdin from where the command line says. `file` NULL: by -c. 0, FAILED or MISUSED. */
int job_load(struct job *j, const char *file, scp_error *err);

#endif
