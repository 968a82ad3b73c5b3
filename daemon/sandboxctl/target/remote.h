/* The remote target's parts: requests (remote_call.c), bodies (remote_body.c), the operations (remote.c,
 * remote_watch.c). */
#ifndef SANDBOXCTL_REMOTE_H
#define SANDBOXCTL_REMOTE_H

#include "http.h"
#include "target.h"

#define REMOTE_ANSWER_MAX (64u << 20)

struct remote {
	struct target target;
	scp__http *http;
	char base[256];		  /* "http://127.0.0.1:8000" */
	char authorization[4200]; /* a header line, or "" */
};

struct call {
	const char *method;
	const char *path;   /* with its query, escaped */
	const char *header; /* one more "Name: value"; NULL: none */
	scp__buf *body;	    /* NULL: none */
	scp_source *source; /* a streamed body instead */
	int64_t source_len;
	scp_sink *sink;	  /* where a 2xx body goes instead of the answer */
	uint32_t wait_ms; /* how long the server may wait by itself */
	bool endless;	  /* an event stream */
	bool idempotent;
};

/** One request. A status from 400 on becomes an error; else the body is parsed into `answer` (NULL: it doesn't matter).
 */
scp_status remote_call(struct remote *r, const struct call *c, struct answer *answer, scp_error *err);

/** Append `text` percent-encoded; '/' stays if `path`. */
void remote_escape(scp__buf *out, const char *text, bool path);

void remote_session_body(scp__buf *out, const scp_session_spec *spec);
void remote_execution_body(scp__buf *out, const scp_execution_spec *spec);

scp_status remote_watch(
    struct target *t, const char *id, const struct watcher *w, struct answer *result, scp_error *err);

#endif
