/*
 * One request to another HTTP/1.1 server, for a daemon that passes requests on: bodies are streamed in both directions
 * with backpressure, nothing is kept. Everything runs in the thread of the given event_base. A connection each; it ends
 * with the answer. Call-backs never run inside a call of these functions, and may call all but http_upstream_close().
 */
#ifndef SCP_DAEMON_HTTP_UPSTREAM_H
#define SCP_DAEMON_HTTP_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct event_base;

typedef struct http_upstream http_upstream;

typedef struct http_upstream_request {
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *method;
	const char *target;	    /* path and query as they stand in the request line */
	const char *const *headers; /* "Name: value" lines, NULL-terminated; framing and Connection are added */
	int64_t length;		    /* of the body; -1: unknown; 0: none */
	uint32_t silence_s;	    /* 0: 60: how long the server may say nothing once it has the whole request */
} http_upstream_request;

/** on_head, then on_body as bytes come (never while paused), then on_end; or on_fail, at any time, once. */
typedef struct http_upstream_handler {
	/** `lines` are "Name: value", NULL-terminated, gone when it returns. length -1: unknown. */
	void (*on_head)(void *user, int status, const char *const *lines, int64_t length);
	void (*on_body)(void *user, const void *data, size_t len);
	void (*on_end)(void *user);
	void (*on_fail)(void *user, const char *why); /* static */
	void (*on_drain)(void *user);		      /* what waited to be sent fell below 64 KiB */
} http_upstream_handler;

/** NULL: no memory, or there is no way to that address. What `q` points to is copied. */
http_upstream *http_upstream_open(
    struct event_base *base, const http_upstream_request *q, const http_upstream_handler *handler, void *user);
/** More of the body. Returns how many bytes now wait to be sent: above 256 KiB stop until on_drain. */
size_t http_upstream_write(http_upstream *u, const void *data, size_t len);
/** The body is complete. */
void http_upstream_end(http_upstream *u);
/** No on_body, nor on_end, between pause and resume. */
void http_upstream_pause(http_upstream *u);
void http_upstream_resume(http_upstream *u);
/** Cut and free. NULL is accepted. */
void http_upstream_close(http_upstream *u);

#endif
