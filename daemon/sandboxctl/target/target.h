/*
 * What commands talk to: a sandboxd over HTTP, or a plane in this process. Both answer with the JSON of the REST API,
 * so that each command is written once.
 */
#ifndef SANDBOXCTL_TARGET_H
#define SANDBOXCTL_TARGET_H

#include <sandboxcp/sandboxcp.h>

#include "buf.h"
#include "json.h"

/* An answer: the text as it came and what it says. Filled by a target, freed by answer_free(); starts as { 0 }. */
struct answer {
	scp__buf text;
	scp__json *json; /* the text, parsed */
};

void answer_free(struct answer *a);
/** Parse the text. `\u0000`, which strict JSON refuses, becomes U+FFFD: a program may print anything. */
scp_status answer_parse(struct answer *a, const char *what, scp_error *err);
/** A member's text; "" if it is null, not there or not a string. */
const char *answer_text(const scp__json *object, const char *key);

/* What a list shall hold; NULL and 0 mean any. */
struct listing {
	const char *status;
	const char *template_id;
	uint32_t limit, offset;
};

/* Where a running execution's output goes. Calls never overlap. */
struct watcher {
	/** Anything but SCP_OK ends the watching with that. */
	scp_status (*output)(void *user, bool is_stderr, const void *data, size_t len, scp_error *err);
	void (*status)(void *user, const char *name);
	void *user;
};

struct target {
	const struct target_ops *ops;
};

/*
 * All are required, block, and may be called from two threads at once. `answer` is filled on success: the object that
 * the REST route of the same meaning answers.
 */
struct target_ops {
	scp_status (*session_create)(
	    struct target *, const scp_session_spec *, uint32_t wait_ms, struct answer *, scp_error *);
	scp_status (*session_get)(struct target *, const char *id, struct answer *, scp_error *);
	scp_status (*session_list)(struct target *, const struct listing *, struct answer *, scp_error *);
	scp_status (*session_keepalive)(
	    struct target *, const char *id, uint32_t extend_s, struct answer *, scp_error *);

	scp_status (*session_delete)(struct target *, const char *id, struct answer *, scp_error *);
	/** Answers an object with execution_id. */
	scp_status (*execute)(
	    struct target *, const char *session, const scp_execution_spec *, struct answer *, scp_error *);
	scp_status (*execution_list)(
	    struct target *, const char *session, const struct listing *, struct answer *, scp_error *);
	scp_status (*execution_cancel)(struct target *, const char *id, scp_error *);
	/** Past and coming output until it is over; answers the Result. */
	scp_status (*watch)(struct target *, const char *id, const struct watcher *, struct answer *, scp_error *);
	/** `len` -1: not known beforehand. */
	scp_status (*file_put)(struct target *, const char *session, const char *path, scp_source *, int64_t len,
	    struct answer *, scp_error *);
	scp_status (*file_get)(struct target *, const char *session, const char *path, scp_sink *, scp_error *);
	void (*close)(struct target *);
};

/** A sandboxd at `server` (http://HOST:PORT or unix:/PATH); `token` may be NULL and is copied. */
scp_status remote_open(struct target **out, const char *server, const char *token, scp_error *err);

/** A plane of our own; both may be NULL. */
scp_status embedded_open(
    struct target **out, const char *state_dir, const char *runtime, const char *allow_unenforced, scp_error *err);

#endif
