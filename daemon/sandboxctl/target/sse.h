/* Server-sent events: bytes in, events out. */
#ifndef SANDBOXCTL_SSE_H
#define SANDBOXCTL_SSE_H

#include <stdbool.h>

#include "buf.h"

#define SSE_LINE_MAX (64u << 20) /* a result with its output, each byte of it as six */

struct sse_event {
	const char *name; /* "message" where the stream says none */
	const char *id;	  /* the last one that the stream gave; "" before */
	char *data;	  /* may be changed in place */
	size_t len;
};

/** Anything but SCP_OK ends the parsing with that. */
typedef scp_status sse_event_fn(void *user, const struct sse_event *event, scp_error *err);

struct sse {
	scp__buf line, data;
	char name[32], id[64];
	sse_event_fn *fn;
	void *user;
};

void sse_init(struct sse *s, sse_event_fn *fn, void *user);
void sse_free(struct sse *s);
scp_status sse_feed(struct sse *s, const char *bytes, size_t len, scp_error *err);
/** A new connection: what was cut off in the middle is dropped, the id stays. */
void sse_restart(struct sse *s);

#endif
