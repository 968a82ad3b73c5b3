/* Executions: one run of code in a session. REST: /api/v1/executions. */
#ifndef SANDBOXCP_EXECUTION_H
#define SANDBOXCP_EXECUTION_H

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef enum scp_language { SCP_PYTHON = 1, SCP_JAVASCRIPT = 2, SCP_SHELL = 3 } scp_language;

typedef enum scp_execution_status {
	SCP_EXECUTION_PENDING = 1,
	SCP_EXECUTION_RUNNING,
	SCP_EXECUTION_COMPLETED,
	SCP_EXECUTION_FAILED,
	SCP_EXECUTION_TIMEOUT,
	SCP_EXECUTION_CRASHED,
	SCP_EXECUTION_CANCELLED
} scp_execution_status;

/** What to run. Zero means default; everything is copied. REST: the body of POST /api/v1/sessions/{id}/execute. */
typedef struct scp_execution_spec {
	uint32_t struct_size;
	const char *code;	/* required, 1–102,400 bytes of UTF-8 */
	size_t code_len;	/* 0: strlen(code) */
	scp_language language;	/* required */
	uint32_t timeout_s;	/* 1–3,600, default 30 */
	const char *event_json; /* any JSON value ≤ 1 MiB; default {} */
	const scp_pair *env;	/* for this run only; as a session's */
	size_t env_count;
	const void *stdin_data; /* ≤ 1 MiB */
	size_t stdin_len;
	int32_t retries; /* 0: the default, 3; 1–3; -1: none */
	const char *idempotency_key;
} scp_execution_spec;
#define SCP_EXECUTION_SPEC_INIT                                                                                        \
	{                                                                                                              \
		sizeof(scp_execution_spec)                                                                             \
	}

typedef struct scp_metrics {
	double duration_ms;
	double cpu_time_ms;
	double peak_memory_mb; /* MiB, of the whole process tree */
	uint64_t io_read_bytes;
	uint64_t io_write_bytes;
	const char *source; /* "cgroup" (exact) or "sampled" */
} scp_metrics;

/** A file that the execution made or changed. */
typedef struct scp_artifact {
	const char *path; /* relative to the workspace */
	uint64_t size_bytes;
	const char *mime_type;
	const char *type;   /* "artifact", "log" or "output" */
	const char *sha256; /* 64 hex digits; "" where the file was too large to digest */
	int64_t created_us;
} scp_artifact;

/** One execution as it was when asked. Freed whole by scp_execution_free(). Only ever appended to. */
typedef struct scp_execution {
	const char *id; /* exec_ + YYYYMMDD + _ + 8 of [a-z0-9] */
	const char *session_id;
	scp_execution_status status;
	scp_language language;
	uint32_t timeout_s;
	const char *code; /* NULL in lists; so are event, output and the rest of the result's bytes */
	size_t code_len;
	const char *event_json;
	const scp_pair *const *env; /* values of secret-looking names are "***" */
	size_t env_count;
	uint32_t retry_count;
	uint32_t max_retries;
	int64_t created_us;
	int64_t started_us; /* 0: not yet */
	int64_t completed_us;
	int64_t last_heartbeat_us;
	/* Once it is over: */
	const char *result; /* "success", "failed", "timeout", "crashed", "cancelled"; NULL before */
	const char *out;    /* what came on stdout: bytes, and a NUL that doesn't count */
	size_t out_len;
	uint64_t out_bytes; /* how many it wrote in all */
	bool out_truncated;
	const char *err;
	size_t err_len;
	uint64_t err_bytes;
	bool err_truncated;
	int exit_code;		    /* -1: none (killed by a signal, or never ran) */
	int signal;		    /* 0: none */
	const char *return_json;    /* NULL: none */
	const scp_metrics *metrics; /* NULL: none */
	const scp_artifact *const *artifacts;
	size_t artifact_count;
	const char *error; /* NULL, or why it isn't a success */
	bool sync_pending; /* files that it made or changed aren't in the storage yet; false where that is a local
			      folder */
} scp_execution;

typedef struct scp_execution_query {
	uint32_t struct_size;
	const char *session_id; /* NULL: of all sessions */
	scp_execution_status status;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_execution_query;
#define SCP_EXECUTION_QUERY_INIT                                                                                       \
	{                                                                                                              \
		sizeof(scp_execution_query)                                                                            \
	}

typedef struct scp_execution_page {
	size_t count;
	const scp_execution *const *items;
	uint64_t total;
	const char *next;
} scp_execution_page;

/** "pending", "running", …; "?" for a number that is none. Static. */
SCP_API const char *scp_execution_status_name(scp_execution_status status);
/** "python", "javascript", "shell"; "?" for a number that is none. Static. */
SCP_API const char *scp_language_name(scp_language language);

/**
 * Submit code to a session. Returns once it is durably accepted, status "pending".
 *
 * @return SCP_OK; SCP_EINVAL (names the field); SCP_ENOTFOUND no such session; SCP_ESTATE the session is over, or an
 *         ephemeral one had its execution; SCP_EBUSY its queue is full; SCP_ECONFLICT idempotency key used with
 *         another spec; SCP_EUNAVAIL; SCP_ECLOSED
 * Blocks for the database only. Any thread. REST: POST /api/v1/sessions/{id}/execute.
 */
SCP_API scp_status scp_execute(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err);

/** scp_execute() and the wait until it is over. */
SCP_API scp_status scp_run(
    scp_execution **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec, scp_error *err);

/** One execution with its result. @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL. REST: GET /api/v1/executions/{id}. */
SCP_API scp_status scp_execution_get(scp_execution **out, scp_plane *plane, const char *id, scp_error *err);

/**
 * Wait until the execution is over or the time is up: look at `result`.
 * @param wait_ms  0–3,700,000
 * @return SCP_OK (also when the time is up); SCP_ENOTFOUND; SCP_EINVAL; SCP_ECLOSED
 */
SCP_API scp_status scp_execution_wait(
    scp_execution **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_error *err);

/** Executions, newest first, without their bytes. REST: GET /api/v1/sessions/{id}/executions. */
SCP_API scp_status scp_execution_list(
    scp_execution_page **out, scp_plane *plane, const scp_execution_query *query, scp_error *err);

/**
 * Cancel: at once if pending; running code gets SIGTERM, 2 s, SIGKILL, and its output is kept.
 * @param out  the execution, maybe still "running"; may be NULL
 * @return SCP_OK; SCP_ENOTFOUND; SCP_ESTATE it is over. REST: POST …/cancel.
 */
SCP_API scp_status scp_execution_cancel(scp_execution **out, scp_plane *plane, const char *id, scp_error *err);

SCP_API void scp_execution_free(scp_execution *execution);
SCP_API void scp_execution_page_free(scp_execution_page *page);

typedef enum scp_event_kind {
	SCP_EVENT_STDOUT = 1,
	SCP_EVENT_STDERR,
	SCP_EVENT_STATUS, /* data: the state's name */
	SCP_EVENT_RESULT  /* the last one; `execution` is set */
} scp_event_kind;

/** One event; borrowed for the call. */
typedef struct scp_execution_event {
	uint64_t seq; /* goes up; give it as `after` to resume behind it */
	scp_event_kind kind;
	const void *data;
	size_t len;
	const scp_execution *execution; /* with SCP_EVENT_RESULT only */
} scp_execution_event;

typedef struct scp_subscription scp_subscription;
typedef void scp_execution_event_fn(void *user, const scp_execution_event *event);

/**
 * Watch an execution: what came before is replayed first, then events come as they happen; the result is the last.
 * Calls for one subscription never overlap. A subscription holds no thread.
 *
 * @param after  0: from the start; else the `seq` of the last event seen
 * @param out    the caller's, scp_subscription_close(); valid inside the first call-back
 * @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL; SCP_ECLOSED. REST: GET …/events.
 */
SCP_API scp_status scp_execution_subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err);

/** No call-back starts until scp_subscription_resume(); nothing is lost. Any thread, also inside the call-back. */
SCP_API void scp_subscription_pause(scp_subscription *subscription);
SCP_API void scp_subscription_resume(scp_subscription *subscription);

/** No call-back runs after it returns (but for the one that calls it). NULL is accepted. */
SCP_API void scp_subscription_close(scp_subscription *subscription);

/* Asynchronous twins; see session.h. */
SCP_API scp_status scp_execute_async(scp_request **out, scp_plane *plane, const char *session_id,
    const scp_execution_spec *spec, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_run_async(scp_request **out, scp_plane *plane, const char *session_id,
    const scp_execution_spec *spec, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_execution_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_execution_wait_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_execution_list_async(
    scp_request **out, scp_plane *plane, const scp_execution_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_execution_cancel_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
