/*
 * What the link's files share. A stream is one request and its answer on one connection.
 *
 * Threads: a stream's connection, parser and events belong to the loop's thread from LINK_START on (before that to
 * the thread that connects it); `closed`, `running` and `over` are under the stream's lock; the queue and the kept
 * connections under the link's. Neither lock is held across I/O or a call-back.
 */
#ifndef SCP_EXECUTOR_LINK_INTERNAL_H
#define SCP_EXECUTOR_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>
#include <http_parser.h>

#include "err.h"
#include "link.h"
#include "map.h"
#include "pool.h"

#define LINK_KEEP 8u	      /* idle connections kept a container */
#define LINK_KEEP_US 60000000 /* and for how long */
#define LINK_SWEEP_S 30
#define LINK_ANSWER_MS 10000u /* headers, and whole answers that are not events, come within */
#define LINK_DRAIN_MS 1000u   /* the end of an answer comes this soon behind its result */
#define LINK_READ 65536u
#define LINK_CONTAINER_SIZE 64
#define LINK_TEXT_MAX 256u	    /* kept of a refusal's text */
#define LINK_EVENTS_MAX (16u << 20) /* more bytes of events than any honest run has */
#define LINK_HEARTBEAT_US 1000000   /* heartbeats closer than this aren't delivered */

/* What the loop is asked to do with a stream. */
enum { LINK_START = 1, LINK_RESUME = 2, LINK_ABORT = 4 };

/* How an answer of 200 is read: events up to a result, or records up to its end. */
typedef enum link_kind { LINK_EVENTS, LINK_RECORDS } link_kind;

struct scp__link {
	atomic_uint refs;
	scp__log log;
	struct event_base *base;
	struct event *wake;
	struct event *sweep;
	int wake_fd;
	pthread_t thread;
	uint32_t answer_ms;	   /* LINK_ANSWER_MS; a test has no such patience */
	scp__pool *pool;	   /* connects for the loop, which must not block */
	char *scratch;		   /* LINK_READ bytes of the loop's */
	scp__link_stream *streams; /* the loop's */

	pthread_mutex_t lock;
	scp__link_stream *queue;
	scp__link_stream **queue_end;
	bool closing;	/* nothing new begins, the pool is being ended */
	bool stopping;	/* the loop ends */
	scp__map *kept; /* container → struct kept */
};

struct scp__link_stream {
	atomic_uint refs; /* the owner's, the loop's, the queue's */
	scp__link *link;
	scp_runtime *rt;
	char container[LINK_CONTAINER_SIZE];
	const scp__link_handler *handler;
	void *user;
	link_kind kind;
	bool by_id; /* 404 means: no such run */

	/* The link's lock */
	scp__link_stream *queue_next;
	unsigned pending;
	bool queued;

	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool closed;
	bool running; /* a call-back runs */
	bool over;    /* `end` was called, or will never be */

	atomic_bool paused;

	/* The request */
	char head[320];
	size_t head_len;
	scp__buf body;
	size_t sent;

	/* The connection */
	int fd;
	bool reused; /* it was kept: the other side may have closed it meanwhile */
	bool retried;
	bool connecting;       /* the pool has it */
	scp_error connect_err; /* why there is none */
	struct event *readable;
	struct event *writable;
	struct event *deadline;
	scp__link_stream *next;
	scp__link_stream **prev;

	/* The answer */
	http_parser parser;
	bool answered; /* a byte of it came */
	bool headers;  /* all of its headers came */
	bool complete;
	bool keep_alive;
	bool spoilt;  /* bytes behind its end, or a parser's error */
	bool result;  /* a result was delivered */
	uint64_t seq; /* of the last event */
	uint64_t event_bytes;
	int64_t heartbeat_us;
	scp__buf records;
	char text[LINK_TEXT_MAX + 1];
	size_t text_len;
};

void link_unref(scp__link *link); /* link.c */

/* link_stream.c: life, ownership and call-backs of a stream */
scp_status link_stream_new(scp__link_stream **out, scp__link *link, scp_runtime *rt, const char *container,
    const scp__link_handler *handler, void *user, scp_error *err);
void link_stream_unref(scp__link_stream *s);
/** Runs the call-back unless the stream is closed; false: it is closed now. The loop's thread. */
bool link_stream_deliver(scp__link_stream *s, const scp__record *record);
void link_stream_end(scp__link_stream *s, scp_status status, const scp_error *err);
bool link_stream_is_closed(scp__link_stream *s);

/* link_request.c */
scp_status link_request_run(scp__link_stream *s, const scp__link_run_request *request, scp_error *err);
scp_status link_request_attach(
    scp__link_stream *s, const char *execution_id, uint32_t attempt, uint64_t after, scp_error *err);
scp_status link_request_verb(
    scp__link_stream *s, const char *execution_id, uint32_t attempt, const char *verb, scp_error *err);
scp_status link_request_info(scp__link_stream *s, scp_error *err);

/* link_connect.c: which connection a request goes out on */
/** Connects (blocks for it), sends what can be sent at once. Not for the loop's thread. */
scp_status link_connect(scp__link_stream *s, scp_error *err);
/** Sends on a kept connection; false: there is none that works. Never blocks. */
bool link_connect_kept(scp__link_stream *s);
/** Has the pool connect, and start the stream after. */
scp_status link_connect_later(scp__link_stream *s, scp_error *err);
/** Sends more. SCP_EAGAIN: not everything yet; SCP_EUNAVAIL: broken. */
scp_status link_connect_send(scp__link_stream *s);

/* link_keep.c: idle connections */
int link_keep_take(scp__link *link, const char *container); /* -1: none */
void link_keep_put(scp__link *link, const char *container, int fd);
void link_keep_sweep(scp__link *link, int64_t older_than_us);

/* link_loop.c: the thread; queueing for it */
scp_status link_loop_start(scp__link *link, scp_error *err);
void link_loop_stop(scp__link *link);
void link_loop_queue(scp__link_stream *s, unsigned what);

/* link_answer.c: reading */
void link_answer_reset(scp__link_stream *s);
/** Takes bytes (0: the end). SCP_EUNAVAIL: the other side broke the protocol. */
scp_status link_answer_feed(scp__link_stream *s, const char *data, size_t len, scp_error *err);
/** Delivers the records that are there. SCP_EAGAIN: paused before the last of them; SCP_ECANCELED: closed. */
scp_status link_answer_deliver(scp__link_stream *s, scp_error *err);
/** What a complete answer means. */
scp_status link_answer_verdict(scp__link_stream *s, scp_error *err);

#endif
