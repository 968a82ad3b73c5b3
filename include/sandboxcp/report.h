/*
 * Reports: what an executor in push mode, or whoever runs code in its place, tells the control plane. REST: /internal.
 *
 * A report is as true as its sender: code in such a sandbox can forge its own session's, never another's. Each may be
 * repeated: a repeat changes nothing.
 */
#ifndef SANDBOXCP_REPORT_H
#define SANDBOXCP_REPORT_H

#include <sandboxcp/execution.h>
#include <sandboxcp/session.h>

SCP_BEGIN_DECLS

/** Whatever attempt is the present one. */
#define SCP_PRESENT_ATTEMPT UINT32_MAX

/** How an execution ended: a Result's fields. Zero means none; everything is copied. */
typedef struct scp_report {
	uint32_t struct_size;
	uint32_t attempt;   /* 0: the first; SCP_PRESENT_ATTEMPT */
	const char *status; /* required: "success", "failed", "timeout", "crashed", "cancelled" */
	const void *out;    /* of stdout; the first MiB is kept */
	size_t out_len;
	uint64_t out_bytes; /* how many it wrote in all; at least out_len */
	const void *err;
	size_t err_len;
	uint64_t err_bytes;
	const int *exit_code;	 /* 0–255; NULL: none */
	int signal;		 /* 0: none */
	const char *return_json; /* ≤ 1 MiB; one that isn't JSON makes the execution a failure */
	const scp_metrics *metrics;
	const scp_artifact *const *artifacts; /* 1,000 at most; those without a sane path don't count */
	size_t artifact_count;
	const char *error; /* the first 4 KiB are kept */
} scp_report;
#define SCP_REPORT_INIT                                                                                                \
	{                                                                                                              \
		sizeof(scp_report)                                                                                     \
	}

/** What became of a session's container. */
typedef struct scp_container_report {
	uint32_t struct_size;
	uint32_t executor_port;	  /* where its executor listens; 0: not said */
	const char *container_id; /* NULL: the session's present one */
	int64_t time_us;	  /* when it was ready, or exited; 0: now */
	const int *exit_code;	  /* NULL: unknown */
	const char *exit_reason;  /* "normal", "sigterm", "sigkill", "oom_killed", "error"; NULL: by the code */
} scp_container_report;
#define SCP_CONTAINER_REPORT_INIT                                                                                      \
	{                                                                                                              \
		sizeof(scp_container_report)                                                                           \
	}

/**
 * Whether a token may report about a session or an execution: the plane's internal token about all; a session's own,
 * hex HMAC-SHA256(internal token, session id), about that session and its executions.
 *
 * @param token  as it came; only read, compared in constant time
 * @param id     of a session or an execution; with the internal token it need not be there
 * @return SCP_OK; SCP_EAUTH neither; SCP_ENOTFOUND the token of another session that isn't over, or no such thing for
 *         whoever holds a session's token
 * Blocks for the database unless the token is the internal one. Any thread.
 */
SCP_API scp_status scp_report_authorize(
    scp_plane *plane, const char *token, const char *session_or_execution_id, scp_error *err);

/**
 * Store how an execution ended. The first result of the present attempt is stored; every later one, whatever it says,
 * gets that one back.
 *
 * @param out    the execution with its result; the caller's, scp_execution_free(); may be NULL
 * @param first  true: this call stored it; may be NULL
 * @return SCP_OK; SCP_EINVAL (names the field); SCP_ENOTFOUND; SCP_ESTATE it is another attempt's, or the execution was
 *         ended without a result: cancelled, its session over; SCP_EUNAVAIL (nothing stored)
 * Blocks for database and storage. Any thread. REST: POST /internal/executions/{id}/result.
 */
SCP_API scp_status scp_report_result(
    scp_execution **out, bool *first, scp_plane *plane, const char *id, const scp_report *report, scp_error *err);

/**
 * The code runs: pending → running. @param status "running"; @param started_us 0: now
 * @return SCP_OK (also if it ran already); SCP_EINVAL; SCP_ENOTFOUND; SCP_ESTATE over, or another attempt
 * REST: POST …/status.
 */
SCP_API scp_status scp_report_status(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const char *status, int64_t started_us, scp_error *err);

/** It lives: last_heartbeat_us. @return as above. REST: POST …/heartbeat. */
SCP_API scp_status scp_report_heartbeat(
    scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt, scp_error *err);

/** Files that it made so far, kept until its result; merged by path. @return as above. REST: POST …/artifacts. */
SCP_API scp_status scp_report_artifacts(scp_execution **out, scp_plane *plane, const char *id, uint32_t attempt,
    const scp_artifact *const *artifacts, size_t count, scp_error *err);

/**
 * The session's container is ready: creating → running. @param report NULL: nothing more to say
 * @return SCP_OK (also if it ran already); SCP_ENOTFOUND; SCP_ESTATE over, or it has another container by now
 * REST: POST /internal/sessions/{id}/container_ready.
 */
SCP_API scp_status scp_report_container_ready(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *report, scp_error *err);

/**
 * The session's container has ended: what ran in it is retried or crashes (fails, where memory ran out); a persistent
 * session gets another one when it needs it, an ephemeral one fails. One that ended before the present one was made
 * changes nothing.
 * @return SCP_OK; SCP_EINVAL; SCP_ENOTFOUND; SCP_ESTATE the session is over. REST: POST …/container_exited.
 */
SCP_API scp_status scp_report_container_exited(
    scp_session **out, scp_plane *plane, const char *id, const scp_container_report *report, scp_error *err);

/* Asynchronous twins; see session.h. `first` is written before `fn` is called, and must live until then. */
SCP_API scp_status scp_report_result_async(scp_request **out, bool *first, scp_plane *plane, const char *id,
    const scp_report *report, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_report_status_async(scp_request **out, scp_plane *plane, const char *id, uint32_t attempt,
    const char *status, int64_t started_us, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_report_heartbeat_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t attempt, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_report_artifacts_async(scp_request **out, scp_plane *plane, const char *id, uint32_t attempt,
    const scp_artifact *const *artifacts, size_t count, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_report_container_ready_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_container_report *report, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_report_container_exited_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_container_report *report, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
