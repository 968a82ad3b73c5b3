/*
 * Tokens travel in Authorization, which no browser sends by itself: so credentials (cookies) are never allowed, and "*"
 * is no more than it says. An origin that isn't named hears nothing; its request is served, as RFC 6454 leaves it to
 * the browser to keep the answer from it.
 */
#include "cors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define HEADERS                                                                                                        \
	"Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range, X-Request-ID"
#define EXPOSED "Allow, Content-Disposition, Content-Range, ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID"

/* scheme://host[:port], in lower case and without anything behind it: only so can it ever be what a browser sends. */
static bool is_origin(const char *text)
{
	const char *host = strstr(text, "://");

	if (strcmp(text, "*") == 0)
		return true;
	if (!host || host == text || !host[3] || strlen(text) > 255)
		return false;
	for (const char *c = text; *c; c++)
		if (!isgraph((unsigned char)*c) || isupper((unsigned char)*c) || strchr("*,;\"\\<>", *c))
			return false;
	return !strpbrk(host + 3, "/?#@");
}

scp_status cors_check_origins(const char *const *origins, scp_error *err)
{
	for (; origins && *origins; origins++)
		if (!is_origin(*origins))
			return scp__fail(err, SCP_EINVAL,
			    "--cors-origin: '%.200s' is neither * nor an origin like https://app.example.org:8443, in "
			    "lower case and without a path",
			    *origins);
	return SCP_OK;
}

/* The one that `origin` is allowed by; NULL: none. */
static const char *allowed(const struct app *app, const char *origin)
{
	for (const char *const *o = app->cors_origins; o && *o; o++)
		if (strcmp(*o, "*") == 0 || (origin && strcmp(*o, origin) == 0))
			return *o;
	return NULL;
}

scp_status cors_mark(struct exchange *x, scp_error *err)
{
	const char *origin = http_header(x->http, "Origin"), *by = allowed(x->app, origin);
	const char **lines;
	char line[300];
	size_t n = 0;

	if (!x->app->cors_origins)
		return SCP_OK;
	lines = scp__arena_alloc(x->request.arena, 4 * sizeof(*lines));
	if (!lines)
		return scp__nomem(err);
	if (!by || strcmp(by, "*") != 0)
		lines[n++] = "Vary: Origin";
	if (by && origin) {
		(void)snprintf(line, sizeof(line), "Access-Control-Allow-Origin: %s", by);
		lines[n] = scp__arena_strdup(x->request.arena, line);
		if (!lines[n++])
			return scp__nomem(err);
		lines[n++] = "Access-Control-Expose-Headers: " EXPOSED;
	}
	http_set_common_headers(x->http, lines);
	return SCP_OK;
}

bool cors_preflight(struct exchange *x)
{
	const char *origin = http_header(x->http, "Origin");
	const char *methods;
	char line[192], id[96];
	const char *headers[] = { line, "Access-Control-Allow-Headers: " HEADERS, "Access-Control-Max-Age: 600",
		"Vary: Access-Control-Request-Method, Access-Control-Request-Headers",
		exchange_header(x, id, sizeof(id)), NULL };

	if (strcmp(http_method(x->http), "OPTIONS") != 0 || !origin ||
	    !http_header(x->http, "Access-Control-Request-Method") || !allowed(x->app, origin))
		return false;
	methods = route_methods(http_path(x->http), x->request.arena);
	if (!methods)
		return false;
	(void)snprintf(line, sizeof(line), "Access-Control-Allow-Methods: %s", methods);
	x->stage = OVER;
	http_reply(x->http, 204, headers, NULL, 0);
	return true;
}
