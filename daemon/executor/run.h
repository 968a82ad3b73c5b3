/*
 * A run: one attempt of one execution, from its request until its result is acknowledged. Known runs are never started
 * again; the last ACKED_REMEMBERED that were acknowledged are known still.
 */
#ifndef EXECUTOR_RUN_H
#define EXECUTOR_RUN_H

#include "executor.h"
#include "output.h"
#include "push/push.h"
#include "request.h"

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_OVER };
enum run_stop { STOP_NONE, STOP_TIMEOUT, STOP_CANCEL };

struct client;

struct run {
	TAILQ_ENTRY(run) next;
	TAILQ_ENTRY(run) queued;
	LIST_HEAD(, client) clients;
	struct executor *executor;
	char execution[EXECUTION_SIZE];
	uint32_t attempt;
	uint32_t timeout_ms;
	enum language language;
	enum run_state state;
	enum run_stop stop;
	bool started;
	struct run_request *request; /* until it starts */
	struct hand *hand;	     /* while it runs */
	struct push_due due;	     /* what is to be pushed of it */
	struct event *timer;	     /* the deadline, or the grace behind TERM */
	struct spool spool;
	struct output out;
	struct output errors;
	struct output back; /* the result channel */
};

int runs_init(struct executor *x);
void runs_fini(struct executor *x);

struct run *run_find(struct executor *x, const char *execution, uint32_t attempt);
/** Whether it was acknowledged, as far as that is remembered. */
bool run_was_acked(const struct executor *x, const char *execution, uint32_t attempt);
const char *run_state_name(const struct run *run);

/** Take a new run. Returns NULL and the HTTP status (429, 503) with *why; the request is freed then. */
struct run *run_submit(struct executor *x, struct run_request *request, int *status, const char **why);
/** False: it isn't over. True: it is forgotten. */
bool run_ack(struct run *run);
void run_cancel(struct run *run);
/** No further runs; those that run are cancelled; `stopped` of the executor is called once none is left. */
void runs_stop(struct executor *x);

extern const struct crew_calls runs_crew_calls;

/** Somebody may read on (client.c). */
void run_wake(struct run *run);

/** Append the result event (result.c). `report` NULL: it has no process; `error` says why. */
void result_make(struct run *run, const struct report *report, const char *status, const char *error);
/** The status, and what to say of it, for a run whose process ended (result.c). */
void result_from_report(struct run *run, const struct report *report);

#endif
