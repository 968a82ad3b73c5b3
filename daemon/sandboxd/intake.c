/* A request comes in: it is named, recognised, checked and read; what the server refuses by itself is worded here too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "cors.h"
#include "exchange.h"
#include "gzip.h"
#include "http_figures.h"
#include "proxy.h"

#define INTERNAL_PATH "/internal/"
#define TOKEN_MAX 512u

static bool is_sane_id(const char *id)
{
	size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len && len < REQUEST_ID_SIZE && !id[len];
}

static void new_request_id(struct app *app, char id[REQUEST_ID_SIZE])
{
	(void)snprintf(id, REQUEST_ID_SIZE, "req_%s%08x", app->instance, app->next_request_id++);
}

static void name_request(struct exchange *x)
{
	const char *id = http_header(x->http, "X-Request-ID");

	if (id && is_sane_id(id))
		(void)snprintf(x->request_id, sizeof(x->request_id), "%s", id);
	else
		new_request_id(x->app, x->request_id);
}

/* Which token it is takes the database to say: the handler asks. */
static scp_status take_token(struct exchange *x, scp_error *err)
{
	const char *header = http_header(x->http, "Authorization");
	const char *token =
	    header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 + strspn(header + 7, " ") : "";

	if (!*token || strlen(token) > TOKEN_MAX)
		return scp__fail_as(err, "Unauthorized", "The request carries no token");
	x->actor = "internal";
	x->request.token = scp__arena_strdup(x->request.arena, token);
	return x->request.token ? SCP_OK : scp__nomem(err);
}

static scp_status keep_actor(struct exchange *x, const char *who, scp_error *err)
{
	x->actor = who[0] ? scp__arena_strdup(x->request.arena, who) : NULL;
	return who[0] && !x->actor ? scp__nomem(err) : SCP_OK;
}

static scp_status authorize(struct exchange *x, scp_error *err)
{
	const struct auth *auth = &x->app->auth;
	char who[IDENTITY_SIZE] = "";

	if (x->route->access == INTERNAL)
		return take_token(x, err);
	if (x->route->access == PUBLIC)
		return SCP_OK;
	if (proxy_is_from_peer(x->http)) {
		scp_status rc = proxy_authorize(x, who, err);

		return rc ? rc : keep_actor(x, who, err);
	}
	if (!auth->identify(auth->user, x->http, who))
		return scp__fail_as(err, "Unauthorized", "The request doesn't say by whom it is, or not believably");
	return keep_actor(x, who, err);
}

/* application/json, whatever its parameters. */
static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;

	return content_type && strncasecmp(content_type, json, len) == 0 && strchr("; \t", content_type[len]);
}

static scp_status check_body(struct exchange *x, scp_error *err)
{
	const char *type = http_header(x->http, "Content-Type");
	int64_t length = http_content_length(x->http);

	if (x->route->where == STREAM && x->route->max_body)
		return SCP_OK;
	if (length > 0 && (uint64_t)length > x->route->max_body)
		return x->route->max_body ? scp__fail(err, SCP_ETOOBIG, "body: %lld bytes; at most %llu are taken here",
						(long long)length, (unsigned long long)x->route->max_body)
					  : scp__fail(err, SCP_EINVAL, "body: none is taken here");
	if (length && !is_json(type))
		return scp__fail_as(err, "UnsupportedMediaType", "Content-Type is %.100s; it must be application/json",
		    type ? type : "missing");
	return SCP_OK;
}

static scp_status copy_request(struct exchange *x, scp_error *err)
{
	const char *key = http_header(x->http, "Idempotency-Key"), *match = http_header(x->http, "If-None-Match");
	struct request *q = &x->request;

	q->gzip = gzip_accepted(http_header(x->http, "Accept-Encoding"));
	q->query = scp__arena_strdup(q->arena, http_query(x->http));
	q->idempotency_key = scp__arena_strdup(q->arena, key);
	q->if_none_match = scp__arena_strdup(q->arena, match);
	return q->query && (!key || q->idempotency_key) && (!match || q->if_none_match) ? SCP_OK : scp__nomem(err);
}

/* Ids in the path go into the log's line. */
static void note_ids(struct exchange *x)
{
	const char *id = x->request.param[0];

	if (id && strncmp(x->route->pattern, "/api/v1/sessions/", 17) == 0)
		(void)snprintf(x->session_id, sizeof(x->session_id), "%s", id);
	else if (id && strncmp(x->route->pattern, INTERNAL_PATH "sessions/", 19) == 0)
		(void)snprintf(x->session_id, sizeof(x->session_id), "%s", id);
	else if (id && (strncmp(x->route->pattern, "/api/v1/executions/", 19) == 0 ||
			   strncmp(x->route->pattern, INTERNAL_PATH "executions/", 21) == 0))
		(void)snprintf(x->execution_id, sizeof(x->execution_id), "%s", id);
}

/* What isn't served where it was asked for isn't there. */
static scp_status find_side(struct exchange *x, bool inside, scp_error *err)
{
	bool internal = strncmp(http_path(x->http), INTERNAL_PATH, strlen(INTERNAL_PATH)) == 0;

	x->internal = internal && (inside || x->app->internal_too);
	if (x->internal || (!internal && !inside))
		return SCP_OK;
	return scp__fail_as(err, "NotFound", "There is nothing at %.300s", http_path(x->http));
}

static scp_status recognise(struct exchange *x, bool inside, scp_error *err)
{
	scp_status rc = find_side(x, inside, err);

	if (rc)
		return rc;
	x->route = route_find(
	    http_method(x->http), http_path(x->http), x->request.arena, x->request.param, &x->reply.allow, err);
	if (!x->route)
		return err->status;
	note_ids(x);
	rc = authorize(x, err);
	if (!rc)
		rc = route_check_query(x->route, http_query(x->http), err);
	if (!rc)
		rc = check_body(x, err);
	if (!rc)
		rc = copy_request(x, err);
	return rc;
}

static struct exchange *exchange_new(struct app *app, http_request *q)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->app = app;
	x->http = q;
	x->begun_us = scp__mono_us();
	x->request.app = app;
	x->request.plane = app->plane;
	x->request.arena = scp__arena_new();
	scp__buf_init(&x->body, 0);
	scp__buf_init(&x->reply.body, EXCHANGE_ANSWER_MAX);
	if (x->request.arena)
		return x;
	free(x);
	return NULL;
}

/* Whoever looks after the daemon sees it also when it has too much to do. */
static bool is_for_operators(const struct route *route)
{
	return route->access == PUBLIC || strstr(route->pattern, "/health") || strcmp(route->pattern, "/metrics") == 0;
}

static scp_status check_room(const struct exchange *x, scp_error *err)
{
	const struct app *app = x->app;

	if (http_figures_in_flight(app->figures) <= app->max_requests || is_for_operators(x->route))
		return SCP_OK;
	scp__fail(err, SCP_EBUSY, "%llu requests are under way already", (unsigned long long)app->max_requests);
	scp__retry_after(err, 1000);
	return SCP_EBUSY;
}

static scp_status start(struct exchange *x, scp_error *err)
{
	if (x->route->where != STREAM)
		return SCP_OK;
	x->stage = STREAMING;
	return x->route->start(x, err);
}

void exchange_route(struct exchange *x)
{
	scp_status rc = start(x, &x->error);

	if (rc)
		exchange_fail(x, rc);
}

/* `inside`: where executors report. */
static void take_head(http_request *q, struct app *app, bool inside)
{
	struct exchange *x = exchange_new(app, q);
	scp_status rc;

	if (!x) {
		http_reply_abort(q);
		return;
	}
	http_set_user(q, x);
	TAILQ_INSERT_TAIL(&app->open, x, next);
	http_figures_begun(app->figures, http_server_connections(app->server));
	name_request(x);
	rc = cors_mark(x, &x->error);
	if (!rc && cors_preflight(x))
		return;
	if (!rc)
		rc = recognise(x, inside, &x->error);
	if (!rc)
		rc = check_room(x, &x->error);
	if (!rc) {
		x->body.max = (size_t)x->route->max_body;
		/* a little more, so that the answer to too much is ours */
		http_limit_body(q, x->route->max_body + 65536);
		if (x->route->whose == NODES)
			proxy_look(x);
		else
			rc = start(x, &x->error);
	}
	if (rc)
		exchange_fail(x, rc);
}

static void on_head(http_request *q, void *user)
{
	take_head(q, user, false);
}

static void on_internal_head(http_request *q, void *user)
{
	take_head(q, user, true);
}

static void on_body(http_request *q, const void *data, size_t len, void *user)
{
	struct exchange *x = http_user(q);

	(void)user;
	http_figures_received(x->app->figures, len);
	if (x->stage == STREAMING && x->stream && x->stream->body)
		x->stream->body(x, data, len);
	else if (x->stage == READING && exchange_take_body(x, data, len))
		exchange_fail(x, x->error.status);
}

static void on_end(http_request *q, void *user)
{
	struct exchange *x = http_user(q);

	(void)user;
	if (x->stage == STREAMING && x->stream && x->stream->end)
		x->stream->end(x);
	else if (x->stage == READING)
		exchange_begin(x);
}

static void on_close(http_request *q, void *user)
{
	struct exchange *x = http_user(q);

	(void)user;
	if (!x)
		return;
	TAILQ_REMOVE(&x->app->open, x, next);
	exchange_log(x, q);
	http_figures_ended(x->app->figures, x, q);
	x->http = NULL;
	if (x->stage == WAITING) {
		/* after this its call-back has run, or never will */
		scp_request_cancel(x->pending);
		x->pending = NULL;
	}
	if (x->stage != WORKING)
		exchange_free(x);
}

static const char *refusal_code(int status)
{
	if (status == 413 || status == 414 || status == 431)
		return "PayloadTooLarge";
	return status == 501 ? "MethodNotAllowed" : status >= 500 ? "InternalError" : "InvalidParameter";
}

/* What the server refuses by itself never becomes an exchange. */
static void on_refuse(int status, const char *why, char *body, size_t body_size, const char **content_type, void *user)
{
	struct app *app = user;
	scp_error err = { 0 };
	scp__buf out;

	http_figures_refused(app->figures, status);
	scp__fail_as(&err, refusal_code(status), "%s", why);
	new_request_id(app, app->refused_id);
	scp__buf_init(&out, body_size - 1);
	error_encode(&out, &err, app->refused_id);
	if (!out.status) {
		memcpy(body, out.data, out.len + 1);
		*content_type = "application/json";
	}
	scp__log_write(&app->log, SCP_LOG_INFO, "http", NULL, NULL, "refused a request with %d: %s", status, why);
	scp__buf_free(&out);
}

static void on_refuse_header(char *line, size_t size, void *user)
{
	(void)snprintf(line, size, "X-Request-ID: %s", ((struct app *)user)->refused_id);
}

const http_handler exchange_handler = { on_head, on_body, on_end, on_close, on_refuse, on_refuse_header };
const http_handler exchange_internal_handler = { on_internal_head, on_body, on_end, on_close, on_refuse,
	on_refuse_header };
