/*
 * An HTTP/1.1 server on libevent bufferevents with http_parser, shared by sandboxd and sandbox-executor. Everything
 * runs in the thread of the given event_base, but for what says otherwise; the process must ignore SIGPIPE. Bodies are
 * streamed in both directions with backpressure; keep-alive and pipelining (one request at a time a connection; the
 * next is read when the answer is complete). It refuses, by 400, what http_parser lets through: bare LF, obs-fold,
 * space before a header's colon, two Host headers or none, versions but 1.0 and 1.1, control characters in values,
 * chunked and Content-Length at once. No call-back ever runs inside a call of these functions, but for
 * http_server_free(). A client that sends no more (half-closed) still gets its answer, if that begins within
 * stall_timeout_s.
 */
#ifndef SCP_DAEMON_HTTP_SERVER_H
#define SCP_DAEMON_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

typedef struct http_server http_server;
typedef struct http_request http_request; /* one request and its answer */

typedef struct http_server_options {
	size_t max_header_bytes;   /* 0: 32 KiB: request line and headers; 431 (URI: 414) beyond */
	uint64_t max_body_bytes;   /* 0: none here; on_head may set less by http_limit_body(); 413 beyond */
	unsigned max_connections;  /* 0: 16,384; further ones wait in the backlog */
	uint32_t header_timeout_s; /* 0: 10: from the first byte to the last header */
	uint32_t idle_timeout_s;   /* 0: 75: between requests */
	uint32_t stall_timeout_s;  /* 0: 30: a body or an answer that doesn't move */
	size_t body_window_bytes;  /* 0: 128 KiB: most unread request body held for a connection */
} http_server_options;

/**
 * What the daemon does with requests. For each: on_head, then on_body as bytes come (never while paused), then on_end
 * once the body is complete; at last, and always exactly once, on_close: answered in full, or the client went away;
 * after it the request is gone. An answer may start at any time after on_head; if it is complete before the body is,
 * the connection closes. Store what you know of a request by http_set_user().
 */
typedef struct http_handler {
	void (*on_head)(http_request *q, void *server_user);
	void (*on_body)(http_request *q, const void *data, size_t len, void *server_user); /* may be NULL: dropped */
	void (*on_end)(http_request *q, void *server_user);
	void (*on_close)(http_request *q, void *server_user);
	/** The server itself refuses (400, 408, 413, 414, 431, …): fill the body, NUL-terminated. May be NULL: a line
	 * of text. */
	void (*on_refuse)(
	    int status, const char *why, char *body, size_t body_size, const char **content_type, void *server_user);
	/** A further header line for such an answer, "Name: value", into `line`; "" for none. May be NULL. */
	void (*on_refuse_header)(char *line, size_t size, void *server_user);
	/** Whether to serve a new connection (`fd` stays the server's); false closes it unanswered. May be NULL: all.
	 */
	bool (*on_accept)(int fd, void *server_user);
} http_handler;

http_server *http_server_new(
    struct event_base *base, const http_server_options *options, const http_handler *handler, void *server_user);
/** Serve a listening non-blocking socket; it becomes the server's. 0, or -1 with errno. */
int http_server_listen(http_server *s, int fd);
/** Stop accepting; kept connections close after their answers. `done` runs when none is left (may be NULL). */
void http_server_drain(http_server *s, void (*done)(void *user), void *user);
/** Cut everything (on_close runs for each request) and free. Sockets are closed as the loop runs once more. Not from a
 * handler. */
void http_server_free(http_server *s);
size_t http_server_connections(const http_server *s);

/* The request. Strings are borrowed until on_close. */
const char *http_method(const http_request *q);
const char *http_path(const http_request *q); /* percent-decoded; a path with %00 or bad escapes was refused with 400 */
const char *http_raw_path(const http_request *q); /* as it came, without the query */
const char *http_query(const http_request *q);	  /* raw, without '?'; "" if none */
const char *http_header(
    const http_request *q, const char *name);	    /* NULL: none; the values of several are joined by ", " */
int64_t http_content_length(const http_request *q); /* -1: unknown (chunked); 0: no body */
const char *http_peer(const http_request *q);	    /* "127.0.0.1:40000", "unix" */
bool http_expects_continue(const http_request *q);  /* 100 is sent by itself unless an answer starts in on_head */
void http_limit_body(http_request *q, uint64_t max_bytes); /* in on_head */
/** Header lines that every answer to it carries, also the server's own; NULL-terminated, borrowed until on_close. */
void http_set_common_headers(http_request *q, const char *const *lines);
void http_set_user(http_request *q, void *user);
void *http_user(const http_request *q);

/** A query parameter, percent-decoded into `out`. 1: there, 0: not there, -1: malformed or longer than out. */
int http_query_get(const char *raw_query, const char *name, char *out, size_t out_size);
/** The next pair, both decoded; moves *raw_query. 1: got one, 0: none is left, -1: malformed or longer than its place.
 */
int http_query_next(const char **raw_query, char *name, size_t name_size, char *value, size_t value_size);

/* Backpressure on the request's body: no on_body (nor on_end) between pause and resume. */
void http_pause_body(http_request *q);
void http_resume_body(http_request *q);

/* The answer. `headers`: "Name: value" lines, NULL-terminated; may be NULL. Date, Content-Length or Transfer-Encoding
 * and Connection are the server's. Strings are copied. HEAD answers send no body bytes. */
/** A whole answer. */
void http_reply(http_request *q, int status, const char *const *headers, const void *body, size_t len);
/** Start a streamed one. length -1: chunked (for HTTP/1.0: until close). */
void http_reply_start(http_request *q, int status, const char *const *headers, int64_t length);
/** More of it. Bytes are copied. Returns how many bytes now wait to be sent: above 256 KiB stop until on_drain. */
size_t http_reply_write(http_request *q, const void *data, size_t len);
/** Complete. */
void http_reply_end(http_request *q);
/** The status that was sent, also by the server itself; 0: none so far. */
int http_answer_status(const http_request *q);
/** How many bytes of its body were given so far. */
uint64_t http_answer_bytes(const http_request *q);
/** Cut the connection: the answer can't be completed. */
void http_reply_abort(http_request *q);
/** `fn` runs whenever what waited to be sent fell below 64 KiB. */
void http_on_drain(http_request *q, void (*fn)(http_request *q, void *user), void *user);
/** A client that goes away is noticed (on_close) also while an answer is awaited: always on. */

#endif
