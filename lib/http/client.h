/* Private to http: the client, and trying a request until an answer counts. */
#ifndef SCP_HTTP_CLIENT_H
#define SCP_HTTP_CLIENT_H

#include <pthread.h>

#include "arena.h"
#include "transfer.h"

/* What a pulled request is done with; the connection is the multi handle's. */
struct line {
	CURLM *multi;
	CURL *easy;
};

/*
 * Handles, each of which keeps its connection, lie in stacks: the one that was used last goes first, and its
 * connection is the likeliest to be still open.
 */
struct scp__http {
	scp__arena *arena;
	scp__http_options options;
	pthread_mutex_t lock; /* for the stacks alone; never held across I/O */
	CURL **idle;
	uint32_t idle_count;
	struct line *lines;
	uint32_t line_count;
};

/** One try: SCP_OK, or what is in t->err. */
typedef scp_status client_try_fn(scp__http *c, struct transfer *t);

/** Check t->request and try it as often as it says and its time allows. */
scp_status client_do(scp__http *c, struct transfer *t, client_try_fn *try);
void client_set_options(const scp__http *c, CURL *easy);

void line_close(struct line *l);

#endif
