/*
 * The control plane's side of the executor: HTTP/1.1 to it over what the runtime port connects, a small pool of kept
 * connections a container, all streams on one libevent loop in a thread of its own. Knows no executions' states: it
 * delivers records.
 */
#ifndef SCP_EXECUTOR_LINK_H
#define SCP_EXECUTOR_LINK_H

#include "log.h"
#include "protocol.h"
#include <sandboxcp/plane.h>
#include <sandboxcp/sys/runtime.h>

typedef struct scp__link scp__link;
typedef struct scp__link_stream scp__link_stream;

typedef struct scp__link_run_request {
	const char *execution_id;
	uint32_t attempt;
	uint64_t seq; /* events start behind it */
	const char *language;
	uint32_t timeout_ms;
	const scp_pair *env;
	size_t env_count;
	const void *code;
	size_t code_len;
	const char *event_json;
	const void *stdin_data;
	size_t stdin_len;
	const char *request_id; /* may be NULL */
} scp__link_run_request;

/** Call-backs of a stream; from the loop's thread, never two at once for one stream; they must not block. */
typedef struct scp__link_handler {
	/** A record came; borrowed. Records before the answer is known to be 200 never come. */
	void (*record)(void *user, const scp__record *record);
	/**
	 * The stream is over; called once, then the stream needs only scp__link_stream_close().
	 * SCP_OK: after a `result`. SCP_ENOTFOUND: unknown run (attach). SCP_EBUSY: the executor's queue or spool is
	 * full. SCP_EINVAL: it refused the request. SCP_EUNAVAIL: the connection broke, or the executor broke the
	 * protocol.
	 */
	void (*end)(void *user, scp_status status, const scp_error *err);
} scp__link_handler;

/** Starts the loop's thread. `log` is copied. */
scp_status scp__link_new(scp__link **out, const scp__log *log, scp_error *err);
/** Ends every stream with SCP_ECLOSED and joins. Runs in the sandboxes go on. NULL is accepted. */
void scp__link_free(scp__link *link);

/**
 * Start a run (or attach to it, if the executor knows it). Blocks for connecting at most; everything is copied.
 * @return SCP_OK: call-backs will come (maybe before this returns); SCP_ENOTFOUND, SCP_EUNAVAIL from connect: none will
 */
scp_status scp__link_run(scp__link *link, scp__link_stream **out, scp_runtime *rt, const char *container,
    const scp__link_run_request *request, const scp__link_handler *handler, void *user, scp_error *err);

/** Attach to a run that was started before; the events behind `after` come. As scp__link_run(). */
scp_status scp__link_attach(scp__link *link, scp__link_stream **out, scp_runtime *rt, const char *container,
    const char *execution_id, uint32_t attempt, uint64_t after, const scp__link_handler *handler, void *user,
    scp_error *err);

/** Stop and go on reading (the executor then waits: nothing grows). Any thread. */
void scp__link_stream_pause(scp__link_stream *s);
void scp__link_stream_resume(scp__link_stream *s);

/** No call-back runs after it returns (from inside one: none but this one). Frees it. The run goes on. NULL is fine. */
void scp__link_stream_close(scp__link_stream *s);

/** Tell the executor that the result is stored. In the background; a failure is only logged. */
void scp__link_ack(scp__link *link, scp_runtime *rt, const char *container, const char *execution_id, uint32_t attempt);
/** End a run: TERM, 2 s, KILL. In the background; its stream will bring a result with status cancelled. */
void scp__link_cancel(
    scp__link *link, scp_runtime *rt, const char *container, const char *execution_id, uint32_t attempt);

typedef struct scp__link_info {
	bool python;
	bool javascript;
	bool shell;
	bool same_uid;
} scp__link_info;

/** Wait until the executor answers. Blocks, timeout_ms at most. SCP_ETIMEDOUT; SCP_ENOTFOUND container gone;
 *  SCP_EUNAVAIL it speaks another protocol. */
scp_status scp__link_ping(
    scp__link *link, scp_runtime *rt, const char *container, uint32_t timeout_ms, scp__link_info *info, scp_error *err);

/** The container is gone: drop its kept connections. */
void scp__link_forget(scp__link *link, const char *container);

#endif
