/* The life of one request: recognised, read, worked on, answered, logged. */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gzip.h"
#include "proxy.h"

const char *exchange_header(const struct exchange *x, char *line, size_t size)
{
	(void)snprintf(line, size, "X-Request-ID: %s", x->request_id);
	return line;
}

/* ---- the body ---- */

scp_status exchange_take_body(struct exchange *x, const void *data, size_t len)
{
	struct app *app = x->app;
	scp_status rc = scp__buf_append(&x->body, data, len);
	uint64_t grown, all;

	if (rc)
		return scp__fail(&x->error, rc, "body: at most %zu bytes are taken here", x->body.max);
	grown = x->body.capacity - x->body_held;
	x->body_held = x->body.capacity;
	all = atomic_fetch_add(&app->body_memory, grown) + grown;
	if (!grown || all <= app->max_body_memory)
		return SCP_OK;
	scp__fail(&x->error, SCP_EBUSY, "body: those of all requests under way would take more than %llu bytes",
	    (unsigned long long)app->max_body_memory);
	scp__retry_after(&x->error, 1000);
	return SCP_EBUSY;
}

/* A request may wait for minutes after its handler: what it was made of doesn't. */
static void drop_body(struct exchange *x)
{
	scp__json_free(x->json);
	x->json = NULL;
	x->request.json = NULL;
	scp__arena_free(x->request.scratch);
	x->request.scratch = NULL;
	scp__buf_free(&x->body);
	atomic_fetch_sub(&x->app->body_memory, x->body_held);
	x->body_held = 0;
}

void exchange_free(struct exchange *x)
{
	if (x->stream)
		x->stream->free(x);
	scp_request_cancel(x->pending);
	postbox_remove(x->app->box, &x->done);
	drop_body(x);
	scp__buf_free(&x->reply.body);
	scp__arena_free(x->request.arena);
	free(x);
}

static const char *retry_after(const struct exchange *x, char *line, size_t size)
{
	uint32_t ms = x->error.retry_after_ms;

	/* whole seconds, never none: "at once" is what a busy server wants least */
	(void)snprintf(line, size, "Retry-After: %u", ms ? (ms + 999) / 1000 : 1);
	return line;
}

static void answer_error(struct exchange *x)
{
	char id[96], retry[64], allow[160];
	const char *headers[6] = { "Content-Type: application/json", exchange_header(x, id, sizeof(id)) };
	int n = 2, status = error_http_status(&x->error);

	scp__buf_clear(&x->reply.body);
	error_encode_as(&x->reply.body, x->internal ? "Internal" : "Sandbox", &x->error, x->request_id);
	if (status == 401)
		headers[n++] = "WWW-Authenticate: Bearer realm=\"sandboxd\"";
	if (status == 429 || status == 503)
		headers[n++] = retry_after(x, retry, sizeof(retry));
	if (x->reply.allow) {
		(void)snprintf(allow, sizeof(allow), "Allow: %s", x->reply.allow);
		headers[n++] = allow;
	}
	headers[n] = NULL;
	http_reply(x->http, status, headers, x->reply.body.data, x->reply.body.len);
}

#define OWN_LINES 4 /* of ours, beside a handler's and the NULL */
#define HANDLER_LINES 8

static void answer_success(struct exchange *x)
{
	struct reply *r = &x->reply;
	const void *bytes = r->fixed ? r->fixed : r->body.data;
	size_t len = r->fixed ? r->fixed_len : r->body.len, n = 0;
	char id[96], type[128];
	const char *headers[OWN_LINES + HANDLER_LINES + 1];

	headers[n++] = exchange_header(x, id, sizeof(id));
	if (len || r->content_type) { /* an empty text is one */
		(void)snprintf(
		    type, sizeof(type), "Content-Type: %s", r->content_type ? r->content_type : "application/json");
		headers[n++] = type;
	}
	if (r->gzipped)
		headers[n++] = "Content-Encoding: gzip";
	if (len >= GZIP_FROM || r->gzipped)
		headers[n++] = "Vary: Accept-Encoding";
	for (const char *const *h = r->headers; h && *h && n < OWN_LINES + HANDLER_LINES; h++)
		headers[n++] = *h;
	headers[n] = NULL;
	http_reply(x->http, r->status ? r->status : 200, headers, bytes, len);
}

void exchange_answer(struct exchange *x)
{
	scp__buf *body = &x->reply.body;

	x->stage = OVER;
	if (!x->http)
		return;
	if (!x->rc && body->status)
		x->rc = scp__fail(&x->error, body->status, "the answer doesn't fit into %zu bytes", body->max);
	if (x->rc)
		answer_error(x);
	else
		answer_success(x);
}

void exchange_fail(struct exchange *x, scp_status rc)
{
	x->rc = rc;
	drop_body(x);
	if (!x->http || !http_answer_status(x->http)) {
		exchange_answer(x);
		return;
	}
	x->stage = OVER;
	http_reply_abort(x->http);
}

/* ---- work ---- */

/* A wait is over; in a library's thread, or in the loop's. Encoding is all that is done here. */
static void on_waited(void *user, scp_status status, void *result, const scp_error *err)
{
	struct exchange *x = user;

	x->rc = status;
	if (status)
		scp__error_copy(&x->error, err);
	else
		x->rc = x->reply.finish(&x->request, &x->reply, result, &x->error);
	if (x->reply.wait == WAIT_SESSION)
		scp_session_free(result);
	else
		scp_execution_free(result);
	x->reply.wait = WAIT_NONE;
	postbox_put(x->app->box, &x->done);
}

static void begin_wait(struct exchange *x)
{
	struct reply *r = &x->reply;
	uint32_t ms = atomic_load(&x->app->draining) ? 0 : r->wait_ms;
	scp_error err = { 0 };
	scp_status rc;

	/* from here on the exchange is the call-back's, unless nothing came of it */
	x->stage = WAITING;
	if (r->wait == WAIT_SESSION)
		rc = scp_session_wait_async(&x->pending, x->app->plane, r->wait_id, ms, on_waited, x, &err);
	else
		rc = scp_execution_wait_async(&x->pending, x->app->plane, r->wait_id, ms, on_waited, x, &err);
	if (!rc)
		return;
	x->rc = rc;
	x->error = err;
	exchange_answer(x);
}

/* ---- gzip ---- */

static bool worth_gzip(const struct exchange *x)
{
	const struct reply *r = &x->reply;

	return !x->rc && x->request.gzip && r->wait == WAIT_NONE && !r->fixed && !r->gzipped && !r->body.status &&
	       r->body.len >= GZIP_FROM;
}

/* On a worker. Where it gains nothing, or fails, the answer stays as it is. */
static void gzip_answer(struct exchange *x)
{
	struct reply *r = &x->reply;
	scp__buf packed;

	scp__buf_init(&packed, r->body.len - 1);
	if (gzip_deflate(&packed, r->body.data, r->body.len)) {
		scp__buf_free(&packed);
		x->request.gzip = false;
		return;
	}
	scp__buf_free(&r->body);
	r->body = packed;
	r->gzipped = true;
}

static void gzip_job(void *arg)
{
	struct exchange *x = arg;

	gzip_answer(x);
	postbox_put(x->app->box, &x->done);
}

/* What a wait brought: neither this thread nor the library's has the time. Where no worker has any, it goes as it is.
 */
static void gzip_elsewhere(struct exchange *x)
{
	x->stage = WORKING;
	if (scp__pool_submit(x->app->workers, gzip_job, x))
		exchange_answer(x);
}

/* ---- the way back ---- */

/* It is done, but for output that isn't here. One that made something isn't made again: only its result is asked for.
 */
static bool may_be_elsewhere(struct exchange *x)
{
	bool is = x->rc == SCP_EUNAVAIL && x->route->whose == OUTPUTS && !x->from_peer && !x->looked;

	if (is && strcmp(x->route->method, "GET") != 0)
		x->result_of = x->stage == WAITING ? x->reply.wait_id : NULL;
	return is && (x->result_of || strcmp(x->route->method, "GET") == 0);
}

/* In the loop's thread: what a worker or a wait left behind. */
static void on_done(post *p)
{
	struct exchange *x = (struct exchange *)(void *)((char *)p - offsetof(struct exchange, done));

	if (!x->http) {
		exchange_free(x);
		return;
	}
	if (x->stage == WAITING) {
		scp_request_cancel(x->pending);
		x->pending = NULL;
	}
	if (!x->rc && x->reply.wait != WAIT_NONE)
		begin_wait(x);
	else if (may_be_elsewhere(x))
		proxy_look(x);
	else if (worth_gzip(x))
		gzip_elsewhere(x);
	else
		exchange_answer(x);
}

/*
 * An event or a return value may be 64 levels deep, and stands in an object. In its 1 MiB are half a million values at
 * most; a body of twelve times that size must not become as many.
 */
static const scp__json_bounds bounds = { .depth = SCP__JSON_DEPTH + 1, .values = 600000 };

static scp_status parse_body(struct exchange *x, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (x->body.len)
		rc = scp__json_parse_within(&x->json, x->body.data, x->body.len, "body", &bounds, err);
	x->request.json = x->json;
	return rc;
}

/* Changes carry the request's id into rows and logs; reads need no view. */
static scp_status open_view(struct exchange *x, scp_plane **view, scp_error *err)
{
	scp_call call = SCP_CALL_INIT;

	if (x->route->method[0] == 'G' || x->route->method[0] == 'H')
		return SCP_OK;
	call.request_id = x->request_id;
	call.actor = x->actor;
	return scp_plane_with(view, x->app->plane, &call, err);
}

static void handle(struct exchange *x)
{
	scp_plane *view = NULL;

	x->request.scratch = scp__arena_new();
	x->rc = x->request.scratch ? parse_body(x, &x->error) : scp__nomem(&x->error);
	if (!x->rc)
		x->rc = open_view(x, &view, &x->error);
	x->request.plane = view ? view : x->app->plane;
	if (!x->rc)
		x->rc = x->route->handler(&x->request, &x->reply, &x->error);
	x->request.plane = x->app->plane;
	drop_body(x);
	scp_plane_close(view);
}

static void worker_job(void *arg)
{
	struct exchange *x = arg;

	handle(x);
	if (worth_gzip(x))
		gzip_answer(x);
	postbox_put(x->app->box, &x->done);
}

void exchange_work(struct exchange *x, scp__job_fn *work)
{
	scp_status rc;

	/* once it is submitted, all but `http` and `stage` is the worker's */
	x->stage = WORKING;
	rc = scp__pool_submit(x->app->workers, work, x);
	if (!rc)
		return;
	x->stage = OVER;
	exchange_fail(x, scp__fail(&x->error, rc, "too many requests wait for a worker"));
}

void exchange_begin(struct exchange *x)
{
	x->done.fn = on_done;
	if (x->route->where == WORKER) {
		exchange_work(x, worker_job);
		return;
	}
	handle(x);
	exchange_answer(x);
}

/* Its wait answers what is known now. */
static void hurry(struct exchange *x)
{
	bool ended;

	scp_request_cancel(x->pending);
	x->pending = NULL;
	ended = x->reply.wait == WAIT_NONE; /* its answer is in the postbox already */
	if (!ended)
		begin_wait(x); /* with no time: it answers what is known now */
}

void exchange_stop_all(struct app *app)
{
	struct exchange *x, *next;

	for (x = TAILQ_FIRST(&app->open); x; x = next) {
		next = TAILQ_NEXT(x, next);
		if (x->stage == STREAMING && x->stream && x->stream->stop)
			x->stream->stop(x);
		else if (x->stage == WAITING)
			hurry(x);
	}
}
