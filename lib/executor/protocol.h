/*
 * The executor's wire format, shared by the control plane's side (link.c) and by sandbox-executor. See
 * sandbox-executor-protocol(7).
 *
 * HTTP/1.1 over a stream. Bodies in both directions are sequences of records:
 *
 *     NAME SP SEQ SP LENGTH LF BYTES
 *
 * NAME is [a-z_][a-z0-9_]{0,23}; SEQ and LENGTH are decimal, without sign or leading zeros; BYTES are LENGTH raw bytes.
 * SEQ is 0 for what isn't spooled (all of a request, heartbeats); events of a run count up from the request's `seq`
 * + 1.
 *
 *     POST /v1/run                            request: the SCP__RUN_* records; answer 200: events until `result`.
 *                                             A run that is known already is attached to, never started again.
 *                                             400 bad request, 410 it was acknowledged before (the last 1,024 are
 *                                             remembered), 429 queue full, 503 spool full (text: why)
 *     GET  /v1/runs/{execution}/{attempt}?after=SEQ   answer 200: the events behind SEQ; 404 unknown run
 *     POST /v1/runs/{execution}/{attempt}/ack         204: the result is stored, forget the run; also if unknown;
 *                                             409 it isn't over yet
 *     POST /v1/runs/{execution}/{attempt}/cancel      202: TERM, 2 s, KILL; 404 unknown run
 *     GET  /v1/runs                           answer 200: a `run` record each: "execution attempt state"
 *     GET  /v1/info                           answer 200: SCP__INFO_* records
 */
#ifndef SCP_EXECUTOR_PROTOCOL_H
#define SCP_EXECUTOR_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include <sandboxcp/error.h>

#define SCP__PROTOCOL_VERSION "1"
#define SCP__LISTEN_FD 3 /* where the listening socket is handed in */

#define SCP__CODE_MAX 102400u
#define SCP__EVENT_MAX (1u << 20)
#define SCP__STDIN_MAX (1u << 20)
#define SCP__ENV_MAX (32u << 10)
#define SCP__OUTPUT_MAX (1u << 20) /* kept of each stream: the head */
#define SCP__RETURN_MAX (1u << 20)
#define SCP__ERROR_MAX 4096u
#define SCP__ARTIFACTS_MAX 1000u
#define SCP__RECORD_MAX (4u << 20) /* the longest record: a result */
#define SCP__NAME_MAX 24u

/* Records of a run request */
#define SCP__RUN_EXECUTION "execution"	 /* id, ≤ 63 of [A-Za-z0-9_-] */
#define SCP__RUN_ATTEMPT "attempt"	 /* decimal, from 0 */
#define SCP__RUN_SEQ "seq"		 /* decimal: events start at seq + 1 */
#define SCP__RUN_LANGUAGE "language"	 /* python, javascript, shell */
#define SCP__RUN_TIMEOUT_MS "timeout_ms" /* decimal */
#define SCP__RUN_ENV "env"		 /* NAME=value; repeated */
#define SCP__RUN_CODE "code"
#define SCP__RUN_EVENT "event" /* JSON text */
#define SCP__RUN_STDIN "stdin"
#define SCP__RUN_REQUEST_ID "request_id" /* for the executor's log */

/* Events */
#define SCP__EVENT_STARTED "started" /* empty: the process runs */
#define SCP__EVENT_STDOUT "stdout"
#define SCP__EVENT_STDERR "stderr"
#define SCP__EVENT_HEARTBEAT "heartbeat" /* seq 0, empty; every 5 s */
#define SCP__EVENT_RESULT "result"	 /* nested SCP__RESULT_* records; the last one */

/* Records in a result */
#define SCP__RESULT_STATUS "status"		/* completed, failed, timeout, cancelled */
#define SCP__RESULT_EXIT_CODE "exit_code"	/* decimal; absent: killed by a signal */
#define SCP__RESULT_SIGNAL "signal"		/* decimal; absent: none */
#define SCP__RESULT_STDOUT_BYTES "stdout_bytes" /* written in all, also beyond what was kept */
#define SCP__RESULT_STDERR_BYTES "stderr_bytes"
#define SCP__RESULT_DURATION_US "duration_us"
#define SCP__RESULT_CPU_US "cpu_us"
#define SCP__RESULT_PEAK_BYTES "peak_bytes"
#define SCP__RESULT_IO_READ "io_read_bytes"
#define SCP__RESULT_IO_WRITE "io_write_bytes"
#define SCP__RESULT_SOURCE "source"	/* cgroup, sampled */
#define SCP__RESULT_RETURN "return"	/* JSON text as the interpreter made it; not validated by the executor */
#define SCP__RESULT_ERROR "error"	/* text, ≤ 4 KiB */
#define SCP__RESULT_ARTIFACT "artifact" /* nested: path, size, mtime_us, sha256; repeated */
#define SCP__ARTIFACT_PATH "path"
#define SCP__ARTIFACT_SIZE "size"
#define SCP__ARTIFACT_MTIME_US "mtime_us"
#define SCP__ARTIFACT_SHA256 "sha256" /* absent: too large, or gone meanwhile */

/* Records of /v1/info */
#define SCP__INFO_PROTOCOL "protocol" /* SCP__PROTOCOL_VERSION */
#define SCP__INFO_LANGUAGE "language" /* one that has an interpreter here; repeated */
#define SCP__INFO_UID_MODE "uid_mode" /* "separate" (executor 0, code 1000) or "same-uid" */
#define SCP__INFO_RUNS "runs"	      /* decimal: runs that are kept, over or not */

/** One record; `data` is borrowed. */
typedef struct scp__record {
	char name[SCP__NAME_MAX + 1];
	uint64_t seq;
	const void *data;
	size_t len;
} scp__record;

/** Append one record. */
scp_status scp__record_put(scp__buf *out, const char *name, uint64_t seq, const void *data, size_t len);
scp_status scp__record_put_text(scp__buf *out, const char *name, const char *text);
scp_status scp__record_put_uint(scp__buf *out, const char *name, uint64_t value);

/** Format a record's header alone into `out`; returns its length. The bytes follow. */
#define SCP__RECORD_HEADER_MAX 72
size_t scp__record_header(char out[SCP__RECORD_HEADER_MAX], const char *name, uint64_t seq, size_t len);

/**
 * Take the next record from the front of data[0..len). *used: how many bytes it was.
 * @return SCP_OK; SCP_EAGAIN not all of it is there yet; SCP_EINVAL malformed, or longer than SCP__RECORD_MAX
 */
scp_status scp__record_next(const void *data, size_t len, scp__record *out, size_t *used);

/** A record's bytes as decimal; false: they are none, or beyond `max`. */
bool scp__record_uint(const scp__record *r, uint64_t max, uint64_t *out);
bool scp__record_is(const scp__record *r, const char *name);

#endif
