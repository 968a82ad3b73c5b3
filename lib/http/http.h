/*
 * An HTTP client over libcurl; the only includer of curl.h. Connections are kept and reused (bounded), HTTP/2 is used
 * where TLS offers it, nothing is repeated unless the caller says that the request is idempotent.
 */
#ifndef SCP_HTTP_HTTP_H
#define SCP_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>

typedef struct scp__http scp__http; /* a client: its connections; any thread */

typedef struct scp__http_options {
	const char *unix_socket; /* NULL: TCP */
	const char *ca_file;	 /* NULL: the system's */
	const char *client_cert_file;
	const char *client_key_file;
	bool insecure;		     /* don't verify the peer; only where the user said so */
	uint32_t connect_timeout_ms; /* 0: 5,000 */
	uint32_t max_connections;    /* idle ones kept; 0: 16 */
} scp__http_options;

/** Bytes of the answer's body as they come; borrowed. Anything but SCP_OK ends the request with that status. */
typedef scp_status scp__http_body_fn(void *user, const void *data, size_t len, scp_error *err);
/** Bytes of the request's body; *len 0 is the end. */
typedef scp_status scp__http_source_fn(void *user, void *data, size_t capacity, size_t *len, scp_error *err);
/** Status line and headers of the final answer, before its body. `headers`: "Name: value" lines, NULL-terminated. */
typedef scp_status scp__http_head_fn(void *user, int status, const char *const *headers, scp_error *err);

typedef struct scp__http_request {
	const char *method;	    /* "GET" */
	const char *url;	    /* for a unix socket: http://localhost/… */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const void *body;	    /* NULL: none, or `source` */
	size_t body_len;
	scp__http_source_fn *source;
	int64_t source_len; /* -1: unknown, sent in chunks */
	void *source_user;
	scp__http_head_fn *on_head;
	scp__http_body_fn *on_body;
	void *user;
	uint32_t timeout_ms;	  /* of the whole request; 0: none (then a stall of stall_timeout_s ends it) */
	uint32_t stall_timeout_s; /* less than 1 byte/s for so long ends it; 0: 30 */
	bool idempotent;	  /* may be repeated once on a fresh connection if a kept one was closed under it */
	unsigned retries; /* further tries after 429, 500, 502, 503, 504 and network errors, with jittered backoff;
			   * only with `idempotent` and without `source` */
} scp__http_request;

scp_status scp__http_new(scp__http **out, const scp__http_options *options, scp_error *err);
void scp__http_free(scp__http *client);

/**
 * Do one request. *status (may be NULL) is the HTTP status; any status is SCP_OK. Redirects aren't followed. Answers
 * that are tried again aren't shown to the call-backs, and nothing is tried again once they have seen something.
 * @return SCP_OK; SCP_EUNAVAIL can't connect, or the connection broke; SCP_ETIMEDOUT; SCP_EINVAL a malformed URL,
 * method or header, or a TLS file; SCP_EBACKEND headers beyond 64 KiB or 256 lines; what a call-back said
 */
scp_status scp__http_do(scp__http *client, const scp__http_request *request, int *status, scp_error *err);

typedef struct scp__http_stream
    scp__http_stream; /* an answer whose body is read as the caller likes; one thread at a time */

/**
 * The same, but its body is pulled: returns when the head is there (timeout_ms is the time for that alone; later a
 * stall ends it). What `request` points to must live until scp__http_close(); on_body isn't called. Nothing is buffered
 * beyond what one read of libcurl gave; while nobody reads, the peer waits.
 */
scp_status scp__http_open(
    scp__http *client, const scp__http_request *request, scp__http_stream **out, int *status, scp_error *err);
/** *len 0: the end. SCP_EUNAVAIL: the connection broke before it; SCP_ETIMEDOUT: a stall. */
scp_status scp__http_read(scp__http_stream *stream, void *data, size_t capacity, size_t *len, scp_error *err);
/** As scp__http_read(), with an end of waiting after which the stream goes on: SCP_EAGAIN nothing came in timeout_ms;
 *  SCP_ECANCELED wake_fd (-1: none) is readable. */
scp_status scp__http_read_for(scp__http_stream *stream, void *data, size_t capacity, size_t *len, uint32_t timeout_ms,
    int wake_fd, scp_error *err);
void scp__http_close(scp__http_stream *stream); /* NULL is accepted */

/** How long to wait before try number `attempt` + 2: doubles, with a jitter. */
uint32_t scp__http_backoff_ms(unsigned attempt);

/** The value of a header in "Name: value" lines, whatever the case; NULL: none. */
const char *scp__http_header(const char *const *headers, const char *name);

#endif
