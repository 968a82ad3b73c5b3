/* What the files of the HTTP server share: its parts, the connection and the request. */
#ifndef SCP_DAEMON_HTTP_INTERNAL_H
#define SCP_DAEMON_HTTP_INTERNAL_H

#include <sys/queue.h>
#include <sys/uio.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "server.h"

#define HTTP__MAX_FIELDS 100
#define HTTP__WRITE_HIGH (256u * 1024)
#define HTTP__WRITE_LOW (64u * 1024)
#define HTTP__PIECE 16384u /* most bytes given to on_body at once */
#define HTTP__LINGER_S 5

/* head.c: one request's head, parsed. Offsets point into `text`, whose pieces are NUL-terminated. */
struct http__field {
	uint16_t name;
	uint16_t value;
};

struct http__head {
	char *text;
	char *decoded; /* the path, where it held an escape; else NULL */
	uint16_t method;
	uint16_t path;
	uint16_t query;
	uint16_t field_count;
	bool http_1_0;
	bool keep_alive;
	bool chunked;
	bool expects_continue;
	bool is_head;
	uint64_t length; /* 0 where none was given, or chunked */
	struct http__field fields[HTTP__MAX_FIELDS];
};

/**
 * Look for the end of a head. *scanned remembers how far earlier calls came (0 at first).
 * Returns its length with the empty line; 0: more is needed; -1: a bare CR or LF.
 */
ssize_t http__head_find(const char *data, size_t len, size_t *scanned);

/** Parse `len` bytes found by http__head_find() in `text` (changed; len < 65,536). 0, or the HTTP status to refuse
 * with. */
int http__head_parse(struct http__head *h, char *text, size_t len, const char **why);

/* url.c */
/** Percent-decode; `plus`: '+' is a space. Returns the length, or -1: a bad escape, %00, or no room for it and a NUL.
 */
ssize_t http__unescape(const char *in, size_t len, bool plus, char *out, size_t out_size);

/* chunked.c: the decoder of a chunked body, strict about every CR and LF. */
struct http__chunked {
	uint64_t left;	/* of this chunk */
	uint32_t extra; /* bytes spent on extensions and trailers */
	uint8_t state;
	uint8_t digits;
};

enum http__chunked_got { HTTP__CHUNKED_MORE, HTTP__CHUNKED_DATA, HTTP__CHUNKED_END, HTTP__CHUNKED_BAD };

void http__chunked_init(struct http__chunked *d);
/** Take from `data`; *used says how many bytes. DATA: they end with `*size` bytes of body at `*body`. */
enum http__chunked_got http__chunked_next(
    struct http__chunked *d, const char *data, size_t len, size_t *used, const char **body, size_t *size);

/* Which of the server's waiting lists a connection is in: all of one list have the same time to wait. */
enum http__timer { TIMER_NONE, TIMER_IDLE, TIMER_HEADER, TIMER_STALL, TIMER_LINGER, TIMER_COUNT };

enum http__state {
	STATE_HEAD,   /* reading a request's head, or waiting for one */
	STATE_BODY,   /* reading its body */
	STATE_ANSWER, /* all of it was read: the answer is awaited */
	STATE_FLUSH,  /* the last answer is being sent */
	STATE_LINGER  /* it was sent; what still comes is dropped, so that no RST overtakes it */
};

typedef struct http__conn {
	http_server *server;
	struct bufferevent *bev;
	http_request *q; /* the one in hand; NULL between requests */
	TAILQ_ENTRY(http__conn) all;
	TAILQ_ENTRY(http__conn) timed;
	TAILQ_ENTRY(http__conn) kicked;
	int64_t deadline_ms;
	uint64_t queued_bytes; /* ever given to the output */
	uint64_t sent_mark;    /* how many of them had left when the stall timer was set */
	size_t scanned;
	uint8_t state;
	uint8_t timer;
	bool running;
	bool dead; /* to be destroyed once nothing of it is on the stack */
	bool in_kicked;
	bool in_batch;	  /* its turn is in the round that runs now */
	bool fresh;	  /* something moved: timers start anew */
	bool eof;	  /* the client sends no more */
	bool close_after; /* no further request */
	bool linger;
	bool above_low; /* more than HTTP__WRITE_LOW waited: on_drain is owed */
} http__conn;

struct http_request {
	http__conn *conn;
	void *user;
	uint64_t body_left;  /* of a body with Content-Length */
	uint64_t body_bytes; /* so far */
	uint64_t body_max;
	uint64_t answer_left;  /* of an answer with a length */
	uint64_t answer_bytes; /* of its body, so far */
	struct http__chunked chunked;
	void (*on_drain)(http_request *q, void *user);
	void *drain_user;
	const char *const *common; /* header lines of every answer */
	uint16_t status;
	bool paused;
	bool ended; /* on_end ran */
	bool answer_started;
	bool answer_done;
	bool answer_chunked;
	bool answer_sized;
	bool answer_silent; /* HEAD, 204, 304: no bytes */
	char peer[64];
	struct http__joined *joined; /* headers that came more than once */
	struct http__head head;
	char text[];
};

TAILQ_HEAD(http__conn_list, http__conn);

struct http__listener {
	http_server *server;
	struct event *event;
	int fd;
	TAILQ_ENTRY(http__listener) next;
};

struct http_server {
	struct event_base *base;
	http_server_options options;
	http_handler handler;
	void *user;
	size_t count;
	struct http__conn_list all;
	struct http__conn_list kicked;
	struct http__conn_list timers[TIMER_COUNT];
	int64_t wait_ms[TIMER_COUNT];
	TAILQ_HEAD(, http__listener) listeners;
	struct event *kick;
	struct event *tick;
	struct event *retry_accept;
	int64_t tick_at_ms; /* 0: not armed */
	bool accepting;
	bool draining;
	bool freeing;
	void (*drained)(void *user);
	void *drained_user;
	time_t date_second;
	char date[32];
};

/* connection.c */
void http__conn_accept(http_server *s, int fd);
void http__conn_run(http__conn *c);  /* go on as far as possible; destroys it if it is over */
void http__conn_kick(http__conn *c); /* run it soon, from the loop */
void http__conn_cut(http__conn *c);  /* over: destroyed as soon as it may be */
void http__conn_destroy(http__conn *c);
void http__conn_expire(http__conn *c); /* its timer is up */
void http__conn_drain(http__conn *c);  /* close it if it is idle */

void http__flush_and_close(http__conn *c); /* no further request: send what waits, then end */

/* read.c: one step in the state of that name; false: more must come first */
bool http__step_head(http__conn *c);
bool http__step_body(http__conn *c);

/* answer.c */
void http__send(http__conn *c, const struct iovec *parts, int count);
void http__refuse(http__conn *c, int status, const char *why);

/* server.c */
int64_t http__now_ms(void);
void http__timer_set(http__conn *c, enum http__timer timer);
void http__server_left(http_server *s); /* a connection is gone */
const char *http__date(http_server *s);

/* request.c */
void http__request_free(http_request *q);

#endif
