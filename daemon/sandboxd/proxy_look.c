/* Whose a request is: asked of the library, on a worker. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

#define HTTP "http://"

struct look {
	bool here;
	scp_status failed; /* what its handler said, where that was asked first */
	scp_error why;
	char *subject; /* of the proof, in the arena */
	struct proxy_target to;
};

/* ---- from another process ---- */

bool proxy_is_from_peer(const http_request *q)
{
	return http_header(q, PROXY_PROOF) != NULL;
}

/* All that the request does but its body; in the arena. */
static char *subject_of(struct exchange *x, const char *target, const char *actor)
{
	scp__buf text;
	char *copy;

	scp__buf_init(&text, 64 << 10);
	(void)scp__buf_printf(&text, "%s %s\n%s", proxy_method_of(x), target, actor);
	copy = text.status ? NULL : scp__arena_strdup(x->request.arena, text.data);
	scp__buf_free(&text);
	return copy;
}

/* A result is asked for; nothing is made on another's word. */
static bool is_passed_on(const struct route *route)
{
	return route->whose == NODES || (route->whose == OUTPUTS && strcmp(route->method, "GET") == 0);
}

scp_status proxy_authorize(struct exchange *x, char who[IDENTITY_SIZE], scp_error *err)
{
	const char *actor = http_header(x->http, PROXY_ACTOR);
	const char *target = proxy_target_of(x);
	char *subject;

	actor = actor ? actor : "";
	if (!is_passed_on(x->route) || strlen(actor) >= IDENTITY_SIZE)
		return scp__fail_as(err, "Unauthorized", "This isn't what processes pass on to each other");
	subject = target ? subject_of(x, target, actor) : NULL;
	if (!subject)
		return scp__nomem(err);
	x->from_peer = true;
	(void)snprintf(who, IDENTITY_SIZE, "%s", actor);
	return scp_peer_check(x->app->plane, http_header(x->http, PROXY_PROOF), subject, err);
}

/* ---- where to ---- */

static scp_status no_way(const scp_reach *r, scp_error *err)
{
	bool lost = r->node_status && strcmp(r->node_status, "lost") == 0;

	scp__fail(err, SCP_EUNAVAIL, "node %s, where this is served, is %s", r->node,
	    lost ? "lost" : "another process's, which says no address at which it is reached");
	if (!lost)
		scp__hint(err, "Start that process with --advertise http://HOST:PORT, or ask it itself");
	scp__retry_after(err, lost ? 10000 : 1000);
	return SCP_EUNAVAIL;
}

/* A session has moved in between, or two rows say that it is the other's: never in a circle. */
static scp_status passed_on_twice(const scp_reach *r, scp_error *err)
{
	scp__fail(err, SCP_EUNAVAIL, "this was passed on to the process of another node than %s", r->node);
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

static scp_status resolve(struct proxy_target *to, scp_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[256];
	char *port;
	int failed;

	(void)snprintf(host, sizeof(host), "%s", to->host);
	port = strrchr(host, ':');
	*port++ = '\0';
	if (host[0] == '[') /* an IPv6 address */
		host[strlen(host) - 1] = '\0';
	failed = getaddrinfo(host[0] == '[' ? host + 1 : host, port, &hints, &found);
	if (failed) {
		scp__fail(err, SCP_EUNAVAIL, "node %s: %s, where its process says it is reached, can't be found: %s",
		    to->node, to->url, gai_strerror(failed));
		scp__retry_after(err, 1000);
		return SCP_EUNAVAIL;
	}
	to->address_len = found->ai_addrlen;
	memcpy(&to->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return SCP_OK;
}

static scp_status find_target(struct exchange *x, struct look *l, const scp_reach *r, scp_error *err)
{
	scp__arena *arena = x->request.arena;
	scp_status rc;

	l->to.node = scp__arena_strdup(arena, r->node);
	l->to.url = scp__arena_strdup(arena, r->url);
	if (!l->to.node || !l->to.url)
		return scp__nomem(err);
	l->to.host = l->to.url + strlen(HTTP);
	rc = resolve(&l->to, err);
	return rc ? rc : scp_peer_prove(&l->to.proof, x->app->plane, l->subject, err);
}

/* ---- on a worker, which has all of the exchange but `http` ---- */

static scp_status look(struct exchange *x, struct look *l, scp_error *err)
{
	scp_error cause = { 0 };
	scp_reach *r = NULL;
	const char *id = x->result_of ? x->result_of : x->request.param[0];
	scp_status rc = scp_reach_get(&r, x->app->plane, id, &cause);

	/* The route has the better words for what isn't there. */
	l->here = rc == SCP_ENOTFOUND || (!rc && r->here);
	if (rc == SCP_ENOTFOUND)
		rc = SCP_OK;
	else if (rc)
		scp__error_copy(err, &cause);
	else if (!l->here && x->from_peer)
		rc = passed_on_twice(r, err);
	else if (!l->here)
		rc = r->url ? find_target(x, l, r, err) : no_way(r, err);
	scp_reach_free(r);
	return rc;
}

static void look_job(void *arg)
{
	struct exchange *x = arg;

	x->rc = look(x, x->stream_data, &x->error);
	postbox_put(x->app->box, &x->done);
}

/* ---- in the loop's thread ---- */

static void free_look(struct look *l)
{
	if (l)
		free(l->to.proof);
	free(l);
}

static void go_on_here(struct exchange *x, const struct look *l)
{
	if (l->failed) {
		x->error = l->why;
		exchange_fail(x, l->failed);
		return;
	}
	x->stage = READING;
	http_resume_body(x->http);
	exchange_route(x);
}

static void looked(post *p)
{
	struct exchange *x = (struct exchange *)(void *)((char *)p - offsetof(struct exchange, done));
	struct look *l = x->stream_data;

	x->stream_data = NULL;
	if (!x->http)
		exchange_free(x);
	else if (x->rc)
		exchange_fail(x, x->rc);
	else if (l->here)
		go_on_here(x, l);
	else
		proxy_begin(x, &l->to);
	free_look(l);
}

/* What a worker can't ask `http` for. False: no memory. */
static bool prepare(struct exchange *x, struct look *l)
{
	l->to.target = proxy_target_of(x);
	l->subject = l->to.target ? subject_of(x, l->to.target, x->actor ? x->actor : "") : NULL;
	l->failed = x->rc;
	l->why = x->error;
	x->rc = SCP_OK;
	memset(&x->error, 0, sizeof(x->error));
	x->looked = true;
	return l->subject != NULL;
}

void proxy_look(struct exchange *x)
{
	struct look *l = calloc(1, sizeof(*l));

	if (!l || !prepare(x, l)) {
		free_look(l);
		exchange_fail(x, scp__nomem(&x->error));
		return;
	}
	http_pause_body(x->http);
	x->stream_data = l;
	x->done.fn = looked;
	exchange_work(x, look_job);
	if (x->stage == WORKING)
		return;
	x->stream_data = NULL;
	free_look(l);
}
