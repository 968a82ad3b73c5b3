/* Sessions: one user's isolated environment, made from a template. REST: /api/v1/sessions. */
#ifndef SANDBOXCP_SESSION_H
#define SANDBOXCP_SESSION_H

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef enum scp_session_status {
	SCP_SESSION_CREATING = 1,
	SCP_SESSION_RUNNING,
	SCP_SESSION_COMPLETED,
	SCP_SESSION_FAILED,
	SCP_SESSION_TIMEOUT,
	SCP_SESSION_TERMINATED
} scp_session_status;

typedef enum scp_session_mode {
	SCP_MODE_DEFAULT = 0, /* persistent */
	SCP_PERSISTENT = 1,   /* lives until terminated, timed out, idle or too old */
	SCP_EPHEMERAL = 2     /* completes after its first execution */
} scp_session_mode;

/** What to create. Zero means default; everything is copied. REST: the body of POST /api/v1/sessions. */
typedef struct scp_session_spec {
	uint32_t struct_size;
	const char *template_id;	/* required */
	uint32_t timeout_s;		/* 60–3,600; default 300 if ephemeral, else none */
	const scp_resources *resources; /* NULL: the template's */
	const scp_pair *env;		/* ≤ 64 names [A-Za-z_][A-Za-z0-9_]*, ≤ 10 KiB in all */
	size_t env_count;
	scp_session_mode mode;
	scp_switch network;	     /* default: the template's */
	const char *agent_id;	     /* affinity key, ≤ 128 bytes */
	const char *idempotency_key; /* ≤ 255 printable ASCII characters; kept 24 h */
} scp_session_spec;
#define SCP_SESSION_SPEC_INIT                                                                                          \
	{                                                                                                              \
		sizeof(scp_session_spec)                                                                               \
	}

/** One session as it was when asked. Read-only; freed whole by scp_session_free(). Only ever appended to. */
typedef struct scp_session {
	const char *id; /* sess_ + 16 of [a-z0-9] */
	const char *template_id;
	scp_session_status status;
	scp_session_mode mode;
	const char *runtime_type;   /* "oci"; NULL until placed */
	const char *runtime_node;   /* NULL until placed */
	const char *container_id;   /* NULL while it has none */
	const char *pod_name;	    /* NULL but on Kubernetes */
	const char *workspace_path; /* "/workspace", inside the sandbox */
	const scp_resources *resources;
	const scp_pair *const *env; /* values of secret-looking names are "***" */
	size_t env_count;
	uint32_t timeout_s; /* 0: none */
	const char *agent_id;
	bool network_enabled;
	const scp_error *error; /* NULL, or why it failed */
	int64_t created_us;
	int64_t started_us; /* 0: not yet; so are the other times */
	int64_t updated_us;
	int64_t last_activity_us;
	int64_t expires_us;
	int64_t terminated_us;
} scp_session;

/** What to list: newest first. Zero means any. */
typedef struct scp_session_query {
	uint32_t struct_size;
	scp_session_status status;
	const char *template_id;
	const char *agent_id;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_session_query;
#define SCP_SESSION_QUERY_INIT                                                                                         \
	{                                                                                                              \
		sizeof(scp_session_query)                                                                              \
	}

typedef struct scp_session_page {
	size_t count;
	const scp_session *const *items;
	uint64_t total;
	const char *next; /* the next page's offset as text; NULL: this was the last */
} scp_session_page;

/** "creating", "running", …; "?" for a number that is none. Static. */
SCP_API const char *scp_session_status_name(scp_session_status status);

/**
 * Create a session; answers at once with status "creating" while a container is made in the background.
 *
 * @return SCP_OK; SCP_EINVAL (names the field); SCP_ENOTFOUND no such template; SCP_ESTATE template deprecated;
 *         SCP_ECONFLICT idempotency key used with another spec; SCP_ECAPACITY every place is taken (nothing created);
 *         SCP_EUNAVAIL database lost; SCP_ECLOSED draining
 * Blocks for the database only. Any thread. REST: POST /api/v1/sessions.
 */
SCP_API scp_status scp_session_create(
    scp_session **out, scp_plane *plane, const scp_session_spec *spec, scp_error *err);

/** One session by id. @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL. REST: GET /api/v1/sessions/{id}. */
SCP_API scp_status scp_session_get(scp_session **out, scp_plane *plane, const char *id, scp_error *err);

/**
 * Wait until the session has left "creating" or the time is up: look at `status`.
 * @param wait_ms  0–60,000
 * @return SCP_OK (also when the time is up); SCP_ENOTFOUND; SCP_EINVAL; SCP_ECLOSED
 */
SCP_API scp_status scp_session_wait(
    scp_session **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err);

/** Sessions, newest first. @param query NULL: all. REST: GET /api/v1/sessions. */
SCP_API scp_status scp_session_list(
    scp_session_page **out, scp_plane *plane, const scp_session_query *query, scp_error *err);

/**
 * Move expires_us to now + extend_s, never past the greatest age; counts as activity.
 * @param extend_s  60–3,600; 0: the session's timeout; where it has none its end is the greatest age
 * @return SCP_OK; SCP_EINVAL; SCP_ENOTFOUND; SCP_ESTATE it is over. REST: POST …/keepalive.
 */
SCP_API scp_status scp_session_keepalive(
    scp_session **out, scp_plane *plane, const char *id, uint32_t extend_s, scp_error *err);

/**
 * End a session and remove its container; its workspace stays for the retention time, what runs is cancelled.
 *
 * @param out  snapshot with status "terminated", or its own end if it had already ended; may be NULL
 * @return SCP_OK; SCP_ENOTFOUND no such session; SCP_EUNAVAIL database lost (nothing changed)
 *
 * Blocks for the database only; the container goes in the background. Any thread. Idempotent.
 * REST: DELETE /api/v1/sessions/{id}.
 */
SCP_API scp_status scp_session_terminate(scp_session **out, scp_plane *plane, const char *id, scp_error *err);

SCP_API void scp_session_free(scp_session *session);
SCP_API void scp_session_page_free(scp_session_page *page);

/*
 * Asynchronous twins: return at once (SCP_OK, SCP_ENOMEM or SCP_ECLOSED), call `fn` once later with what the blocking
 * function would have given. A wait holds no thread. *out is the caller's, scp_request_cancel(); `out` may be NULL,
 * then nothing is to be freed and the request can't be cancelled.
 */
SCP_API scp_status scp_session_create_async(
    scp_request **out, scp_plane *plane, const scp_session_spec *spec, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_session_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_session_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_session_list_async(
    scp_request **out, scp_plane *plane, const scp_session_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_session_keepalive_async(scp_request **out, scp_plane *plane, const char *id, uint32_t extend_s,
    scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_session_terminate_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
