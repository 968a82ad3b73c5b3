/*
 * What the daemon's files share. One loop's thread owns every socket and every http_request; handlers that may block
 * run on workers and see only `struct request` and `struct reply`; what they made goes back through the postbox.
 */
#ifndef SCP_SANDBOXD_APP_H
#define SCP_SANDBOXD_APP_H

#include <stdatomic.h>
#include <sys/queue.h>

#include <sandboxcp/sandboxcp.h>

#include "arena.h"
#include "auth.h"
#include "buf.h"
#include "err.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "post.h"
#include "server.h"
#include "wire.h"

#define MIB (1024u * 1024)
#define MAX_PARAMS 2
#define REQUEST_ID_SIZE 65

struct document;
struct exchange;
struct request;
struct reply;

/** Where a handler runs. */
enum where {
	LOOP,	/* in the loop's thread: it must not block */
	WORKER, /* on a worker, once the body is complete */
	STREAM	/* in the loop's thread, as soon as the head is there: it takes the body as it comes, or streams the
		   answer */
};

/** INTERNAL: executors, by a token that the library judges; only where --internal-listen says. */
enum access { PUBLIC, API_TOKEN, INTERNAL };

typedef scp_status handler_fn(struct request *q, struct reply *r, scp_error *err);

/** Whose process a request is for. */
enum whose {
	ANYBODYS, /* the database has it all */
	OUTPUTS,  /* likewise, but perhaps for an execution's large output */
	NODES	  /* that of the one which drives the node of the session, execution or container in the path */
};

/**
 * What the API's document says of a route. Names are those of openapi/components.json; a route without an id is in no
 * document, which a test refuses.
 */
struct route_doc {
	const char *id;	     /* operationId */
	const char *tag;     /* "Sessions" */
	const char *summary; /* a line */
	const char *answers; /* "201:Session": JSON of that schema; "200:=File": that response; "204:": no bytes */
	const char *errors;  /* beyond those that every such route can answer: "409 501" */
	const char *body;    /* a schema, as JSON; "=Upload": that request body; behind it '?': may be left out */
	const char *headers; /* that it heeds: "Idempotency-Key" */
	const char *text;    /* more than the summary can say */
};

/** One row of the route table. */
struct route {
	const char *method;
	const char *pattern; /* "{id}" is one part of the path, "{path...}" the rest */
	enum where where;
	enum access access;
	uint64_t max_body;
	const char *query;					 /* the parameters it takes: " wait limit " */
	handler_fn *handler;					 /* LOOP, WORKER */
	scp_status (*start)(struct exchange *x, scp_error *err); /* STREAM */
	enum whose whose;
	struct route_doc doc;
};

/** The daemon. Everything but the plane, the pool and the log is the loop's. */
struct app {
	scp_plane *plane;
	scp__pool *workers;
	scp__log log;
	struct event_base *base;
	http_server *server;
	http_server *internal_server; /* NULL: none */
	bool internal_too;	      /* `server` has the internal routes as well */
	postbox *box;
	struct auth auth;
	struct http_figures *figures;
	struct health_cache *health;
	uint64_t max_requests;	      /* in flight */
	uint64_t max_body_memory;     /* of all requests' bodies that are gathered before their handler runs */
	_Atomic uint64_t body_memory; /* as much is held now */
	struct event *pulse;	      /* every 15 s, for streams that say nothing */
	TAILQ_HEAD(, exchange) open;  /* every one that has a client */
	uint64_t max_upload_bytes;
	const char *const *cors_origins; /* NULL-terminated; "*" is any; NULL: cross-origin requests aren't spoken to */
	struct document *document;	 /* the API's, made once */
	unsigned next_request_id;
	char refused_id[REQUEST_ID_SIZE]; /* of the request that the server refused last */
	char instance[8];		  /* makes our request ids differ from other replicas' */
	_Atomic bool draining;
};

/** What a handler reads. Strings live as long as the request. */
struct request {
	struct app *app;
	scp_plane *plane; /* on workers a view that carries the request's id */
	const char *param[MAX_PARAMS];
	const char *query;	     /* raw */
	const char *idempotency_key; /* NULL: none */
	const char *if_none_match;   /* NULL: none */
	const char *token;	     /* that an internal route was called with */
	bool gzip;		     /* the client takes it */
	const scp__json *json;	     /* the body, for the handler alone; NULL: none was sent */
	scp__arena *arena;
	scp__arena *scratch; /* as `json`, gone when the handler has returned: what is large belongs here */
};

/** Called with the snapshot when a wait is over; it fills the reply. */
typedef scp_status finish_fn(struct request *q, struct reply *r, const void *snapshot, scp_error *err);

enum wait_kind { WAIT_NONE, WAIT_SESSION, WAIT_EXECUTION };

/** What a handler makes. */
struct reply {
	int status; /* 0: 200 */
	scp__buf body;
	const void *fixed; /* instead of `body`: bytes that live as long as the daemon */
	size_t fixed_len;
	const char *content_type;   /* NULL: application/json */
	const char *const *headers; /* further lines, NULL-terminated, static or in the arena; NULL: none */
	bool gzipped;		    /* the bytes are */
	const char *allow;	    /* for 405 */
	char session_id[64];	    /* for the log, beyond what the path says */
	char execution_id[64];
	/* Instead of an answer now: wait without holding a thread, then call `finish`. */
	enum wait_kind wait;
	uint32_t wait_ms;
	char wait_id[64];
	finish_fn *finish;
};

/** What a STREAM route keeps, and what it does when something happens. All in the loop's thread. */
struct stream_ops {
	void (*body)(struct exchange *x, const void *data, size_t len); /* NULL: takes none */
	void (*end)(struct exchange *x);				/* the request's body is complete */
	void (*drain)(struct exchange *x);				/* the client takes more */
	void (*pulse)(struct exchange *x);				/* 15 s went by */
	void (*stop)(struct exchange *x);				/* the daemon drains: end soon */
	void (*free)(struct exchange *x);				/* always, once */
};

enum stage { READING, WORKING, WAITING, STREAMING, OVER };

/** One request from its head to its end, which may come after its client's. */
struct exchange {
	struct app *app;
	http_request *http; /* NULL: the client is gone */
	const struct route *route;
	enum stage stage;
	struct request request;
	struct reply reply;
	scp_error error;
	scp_status rc;
	scp__buf body;
	size_t body_held; /* how much of app->body_memory is its */
	scp__json *json;
	post done;	      /* work or a wait is over */
	scp_request *pending; /* of a wait */
	const struct stream_ops *stream;
	void *stream_data;
	int64_t begun_us;
	bool internal;	       /* it came where the internal routes are, and is for them */
	bool from_peer;	       /* another process passed it on */
	bool looked;	       /* whose it is was found out already */
	const char *result_of; /* the execution that it waited for, and whose result only another process can tell */
	const char *actor;     /* a token's name, in the arena */
	char request_id[REQUEST_ID_SIZE];
	char session_id[64]; /* in the path, for the log */
	char execution_id[64];
	TAILQ_ENTRY(exchange) next;
};

/* intake.c */
void exchange_route(struct exchange *x); /* it is for this process: on to its route */
extern const http_handler exchange_handler;
extern const http_handler exchange_internal_handler; /* for executors alone */

/* exchange.c */
void exchange_answer(struct exchange *x);	       /* send x->reply, or x->error where x->rc says so */
void exchange_fail(struct exchange *x, scp_status rc); /* x->error, as an answer if none was begun, else cut */
const char *exchange_header(const struct exchange *x, char *line, size_t size); /* "X-Request-ID: …" */
void exchange_stop_all(struct app *app);					/* streams and waits end soon */
/** Run `work` on a worker; it posts x->done, whose call-back runs in the loop's thread. The exchange lives until then.
 */
void exchange_work(struct exchange *x, scp__job_fn *work);
void exchange_free(struct exchange *x); /* only where its work came back and its client is gone */

/* route_table.c and routes.c */
extern const struct route routes[];
extern const size_t route_count;
/** The route, with its parameters copied into `arena`; NULL with `err`, and `allow` where only the method is wrong. */
const struct route *route_find(const char *method, const char *path, scp__arena *arena, const char *param[MAX_PARAMS],
    const char **allow, scp_error *err);
/** "GET, HEAD": what is possible on that path; NULL: nothing, or no memory. */
const char *route_methods(const char *path, scp__arena *arena);
scp_status route_check_query(const struct route *route, const char *raw_query, scp_error *err);

#endif
