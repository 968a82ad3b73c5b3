/* The containers of the fake runtime, and the executor in each. */
#ifndef TESTS_CORE_EXECUTOR_H
#define TESTS_CORE_EXECUTOR_H

#include "buf.h"
#include "fake.h"

#define RUNS_MAX 64
#define CONNECTIONS_MAX 256
#define CONTAINERS_MAX 64

struct run {
	char execution[64], code[64];
	unsigned attempt;
	unsigned long seq;
	scp__buf events;
	bool over, waits, stubborn, acked, cancelled;
};

struct connection {
	struct container *c;
	int fd;
	bool open;
	pthread_t thread;
};

struct container {
	fake *f;
	char name[64];
	bool running, oom, listed;
	int exit_code;
	struct run runs[RUNS_MAX];
	unsigned run_count;
	struct connection connections[CONNECTIONS_MAX];
	unsigned connection_count;
	unsigned long oom_kills;
};

struct fake {
	scp_runtime rt;
	scp_runtime_ops ops;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct container *containers[CONTAINERS_MAX];
	unsigned count;
	unsigned busy; /* refused once already */
	struct {
		char name[64];
		bool oom;
	} events[CONTAINERS_MAX];
	unsigned event_count, event_next;
	bool interrupted, unreachable, keep, hold;
	unsigned held;
	scp_status refuse;
	unsigned refuse_count, stillborn;
	int32_t owner; /* of workspaces on disk */
	const char *node;
};

/* With the fake's lock held: */
void script_begin(struct container *c, struct run *r);
void script_finish(struct run *r, const char *status);
void container_end(struct container *c, bool oom, bool event);
void container_cut(struct container *c);

/** Serves a struct connection until it ends. */
void *executor_serve(void *connection);

#endif
