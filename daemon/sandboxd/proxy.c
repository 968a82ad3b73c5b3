/* A request passed on, and its answer passed back. All in the loop's thread. */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUEUED_MAX (256u * 1024)
#define LINES_MAX 24
#define FORM_EXTRA MIB /* as for uploads that stay here */

struct proxy {
	struct exchange *x;
	http_upstream *up;
	const char *node, *url;
	bool events; /* the answer has no end of its own accord */
};

/* What the other process needs to know; not who the caller says to be: that was judged here. */
static const char *const passed_on[] = { "Accept", "Accept-Encoding", "Content-Type", "If-None-Match", "If-Range",
	"Last-Event-ID", "Range", NULL };
/* What is said anew for each connection, or by this process for itself. */
static const char *const kept_back[] = { "Connection", "Content-Length", "Date", "Keep-Alive", "Proxy-Authenticate",
	"TE", "Trailer", "Transfer-Encoding", "Upgrade", "X-Request-ID", NULL };

/* ---- back ---- */

static bool is_kept_back(const char *line)
{
	size_t len = strcspn(line, ":");

	for (const char *const *name = kept_back; *name; name++)
		if (strlen(*name) == len && strncasecmp(*name, line, len) == 0)
			return true;
	return strncasecmp(line, "Access-Control-", 15) == 0;
}

static void end(struct proxy *p)
{
	p->x->stage = OVER;
	http_reply_end(p->x->http);
}

static void on_head(void *user, int status, const char *const *lines, int64_t length)
{
	struct proxy *p = user;
	struct exchange *x = p->x;
	const char *headers[LINES_MAX + 2];
	char id[96];
	size_t n = 0;

	if (x->stage != STREAMING)
		return;
	headers[n++] = exchange_header(x, id, sizeof(id));
	for (; *lines && n <= LINES_MAX; lines++) {
		p->events |= strncasecmp(*lines, "Content-Type: text/event-stream", 31) == 0;
		if (!is_kept_back(*lines))
			headers[n++] = *lines;
	}
	headers[n] = NULL;
	http_reply_start(x->http, status, headers, length);
	if (p->events && atomic_load(&x->app->draining))
		end(p);
}

static void on_body(void *user, const void *data, size_t len)
{
	struct proxy *p = user;

	if (p->x->stage == STREAMING && http_reply_write(p->x->http, data, len) > QUEUED_MAX)
		http_upstream_pause(p->up);
}

static void on_end(void *user)
{
	struct proxy *p = user;

	if (p->x->stage == STREAMING)
		end(p);
}

static void lost(struct proxy *p, const char *why)
{
	scp_error *err = &p->x->error;

	scp__fail(err, SCP_EUNAVAIL, "node %s: its process, at %s, doesn't serve this: %s", p->node, p->url, why);
	scp__retry_after(err, 1000);
	exchange_fail(p->x, SCP_EUNAVAIL);
}

static void on_fail(void *user, const char *why)
{
	struct proxy *p = user;

	if (p->x->stage == STREAMING)
		lost(p, why);
}

static void on_up_drain(void *user)
{
	struct proxy *p = user;

	if (p->x->stage == STREAMING)
		http_resume_body(p->x->http);
}

static const http_upstream_handler handler = { on_head, on_body, on_end, on_fail, on_up_drain };

/* ---- on ---- */

static void on_request_body(struct exchange *x, const void *data, size_t len)
{
	struct proxy *p = x->stream_data;

	if (http_upstream_write(p->up, data, len) > QUEUED_MAX)
		http_pause_body(x->http);
}

static void on_request_end(struct exchange *x)
{
	struct proxy *p = x->stream_data;

	http_upstream_end(p->up);
}

static void on_client_drain(struct exchange *x)
{
	struct proxy *p = x->stream_data;

	http_upstream_resume(p->up);
}

/* Who follows events comes back with its Last-Event-ID. */
static void on_stop(struct exchange *x)
{
	struct proxy *p = x->stream_data;

	if (p->events)
		end(p);
}

static void proxy_free(struct exchange *x)
{
	struct proxy *p = x->stream_data;

	http_upstream_close(p->up);
	free(p);
}

static const struct stream_ops ops = {
	.body = on_request_body, .end = on_request_end, .drain = on_client_drain, .stop = on_stop, .free = proxy_free
};

static void drained(http_request *http, void *user)
{
	(void)http;
	if (((struct exchange *)user)->stage == STREAMING)
		on_client_drain(user);
}

/* ---- the request ---- */

static const char *line_of(struct exchange *x, const char *name, const char *value)
{
	scp__buf text;
	const char *line;

	scp__buf_init(&text, 32 << 10);
	(void)scp__buf_printf(&text, "%s: %s", name, value);
	line = text.status ? NULL : scp__arena_strdup(x->request.arena, text.data);
	scp__buf_free(&text);
	return line;
}

static bool fill_lines(struct exchange *x, const struct proxy_target *to, const char *lines[LINES_MAX + 1])
{
	const char *const own[][2] = { { "Host", to->host }, { "X-Request-ID", x->request_id },
		{ PROXY_PROOF, to->proof }, { PROXY_ACTOR, x->actor } };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i][1] && !(lines[n++] = line_of(x, own[i][0], own[i][1])))
			return false;
	for (const char *const *name = passed_on; *name; name++) {
		const char *value = http_header(x->http, *name);

		if (value && !(lines[n++] = line_of(x, *name, value)))
			return false;
	}
	lines[n] = NULL;
	return true;
}

/* What was made here isn't made there again. */
const char *proxy_method_of(const struct exchange *x)
{
	return x->result_of ? "GET" : http_method(x->http);
}

const char *proxy_target_of(struct exchange *x)
{
	const char *path = http_raw_path(x->http), *query = http_query(x->http);
	size_t size = strlen(path) + strlen(query) + 128;
	char *target = scp__arena_alloc(x->request.arena, size);

	if (target && x->result_of)
		(void)snprintf(target, size, "/api/v1/executions/%.64s/result", x->result_of);
	else if (target)
		(void)snprintf(target, size, "%s%s%s", path, *query ? "?" : "", query);
	return target;
}

static struct proxy *proxy_new(struct exchange *x, const struct proxy_target *to)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->x = x;
	p->node = to->node;
	p->url = to->url;
	x->stream = &ops;
	x->stream_data = p;
	return p;
}

void proxy_begin(struct exchange *x, const struct proxy_target *to)
{
	const char *lines[LINES_MAX + 1];
	http_upstream_request q = { .address = to->address,
		.address_len = to->address_len,
		.method = proxy_method_of(x),
		.target = to->target,
		.headers = lines,
		.length = x->result_of ? 0 : http_content_length(x->http) };
	struct proxy *p = proxy_new(x, to);

	x->stage = STREAMING;
	if (!p || !fill_lines(x, to, lines)) {
		exchange_fail(x, scp__nomem(&x->error));
		return;
	}
	if (x->route->max_body > x->app->max_upload_bytes)
		http_limit_body(x->http, x->app->max_upload_bytes + FORM_EXTRA);
	p->up = http_upstream_open(x->app->base, &q, &handler, p);
	if (!p->up) {
		lost(p, "there is no way to it");
		return;
	}
	http_on_drain(x->http, drained, x);
	http_resume_body(x->http);
}
