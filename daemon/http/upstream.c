#include "upstream.h"

#include <http_parser.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define WRITE_LOW (64u * 1024)
#define READ_WINDOW (128u * 1024)
#define PIECE 16384u /* most bytes given to the parser at once */
#define HEAD_MAX (48u * 1024)
#define LINES_MAX 100
#define SILENCE_S 60
#define STALL_S 15 /* to connect, and for what doesn't leave */

struct http_upstream {
	struct bufferevent *bev;
	struct event *soon; /* what was resumed goes on from the loop */
	const http_upstream_handler *handler;
	void *user;
	http_parser parser;
	uint32_t silence_s;
	bool head_only;	 /* the answer has no body, whatever its head says */
	bool chunked;	 /* our body */
	bool body_ended; /* likewise */
	bool connected;
	bool paused;
	bool eof;
	bool over;	/* on_end or on_fail ran */
	bool above_low; /* on_drain is owed */
	bool in_value;	/* the line that comes is at its value */
	char *head;	/* the answer's: lines, each NUL-terminated */
	size_t head_len;
	size_t at[LINES_MAX + 1]; /* where they begin */
	size_t lines;
};

static void fail(http_upstream *u, const char *why)
{
	if (u->over)
		return;
	u->over = true;
	(void)bufferevent_disable(u->bev, EV_READ | EV_WRITE);
	u->handler->on_fail(u->user, why);
}

/* ---- the answer ---- */

static http_upstream *of(http_parser *p)
{
	return p->data;
}

static int keep(http_upstream *u, const char *data, size_t len)
{
	char *grown;

	if (u->head_len + len + 1 > HEAD_MAX)
		return -1;
	grown = realloc(u->head, u->head_len + len + 1);
	if (!grown)
		return -1;
	u->head = grown;
	memcpy(u->head + u->head_len, data, len);
	u->head_len += len;
	u->head[u->head_len] = '\0';
	return 0;
}

/* A head that isn't the last: 100 Continue and its like. */
static int on_begin(http_parser *p)
{
	http_upstream *u = of(p);

	u->head_len = u->lines = 0;
	u->in_value = false;
	return 0;
}

static int end_line(http_upstream *u)
{
	if (!u->in_value)
		return 0;
	u->in_value = false;
	u->head_len++; /* its NUL stays */
	return 0;
}

static int on_field(http_parser *p, const char *data, size_t len)
{
	http_upstream *u = of(p);
	bool first = u->in_value || !u->lines;

	(void)end_line(u);
	if (first && u->lines == LINES_MAX)
		return -1;
	if (first)
		u->at[u->lines++] = u->head_len;
	return keep(u, data, len);
}

static int on_value(http_parser *p, const char *data, size_t len)
{
	http_upstream *u = of(p);

	if (!u->in_value && keep(u, ": ", 2))
		return -1;
	u->in_value = true;
	return keep(u, data, len);
}

static int64_t length_of(const http_parser *p)
{
	if (p->flags & F_CHUNKED || p->content_length > INT64_MAX)
		return -1;
	return (int64_t)p->content_length;
}

static int on_headers(http_parser *p)
{
	const char *lines[LINES_MAX + 1];
	http_upstream *u = of(p);

	if (p->status_code < 200)
		return 0;
	(void)end_line(u);
	for (size_t i = 0; i < u->lines; i++)
		lines[i] = u->head + u->at[i];
	lines[u->lines] = NULL;
	u->handler->on_head(u->user, p->status_code, lines, length_of(p));
	free(u->head);
	u->head = NULL;
	u->head_len = 0;
	return u->head_only; /* 1: there is no body */
}

static int on_body(http_parser *p, const char *data, size_t len)
{
	http_upstream *u = of(p);

	u->handler->on_body(u->user, data, len);
	return 0;
}

static int on_complete(http_parser *p)
{
	http_upstream *u = of(p);

	if (p->status_code < 200)
		return 0;
	u->over = true;
	(void)bufferevent_disable(u->bev, EV_READ | EV_WRITE);
	u->handler->on_end(u->user);
	return 0;
}

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* True: go on. */
static bool feed(http_upstream *u, const char *data, size_t len)
{
	size_t used = http_parser_execute(&u->parser, &settings, data, len);

	if (u->over)
		return false;
	if (HTTP_PARSER_ERRNO(&u->parser) == HPE_OK && used == len)
		return true;
	fail(u, "what it answered is no HTTP");
	return false;
}

/* Nothing more comes. Where the answer lasts until then, it is complete. */
static void end_input(http_upstream *u)
{
	(void)feed(u, "", 0);
	fail(u, "it ended the connection before its answer was complete");
}

static void pull(http_upstream *u)
{
	struct evbuffer *in = bufferevent_get_input(u->bev);

	while (!u->paused && !u->over) {
		size_t len = evbuffer_get_contiguous_space(in);
		const char *data;
		bool more;

		if (!len)
			break;
		len = len > PIECE ? PIECE : len;
		data = (const char *)evbuffer_pullup(in, (ssize_t)len);
		if (!data) {
			fail(u, "no memory");
			return;
		}
		more = feed(u, data, len);
		(void)evbuffer_drain(in, len);
		if (!more)
			return;
	}
	if (u->eof && !u->paused && !u->over)
		end_input(u);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	pull(arg);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pull(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	http_upstream *u = arg;

	if (u->over || !u->above_low || evbuffer_get_length(bufferevent_get_output(bev)) > WRITE_LOW)
		return;
	u->above_low = false;
	u->handler->on_drain(u->user);
}

/* A server says nothing as long as it hasn't the whole request. */
static void on_timeout(http_upstream *u, short what)
{
	if (!u->connected)
		fail(u, "it can't be connected to in time");
	else if (what & BEV_EVENT_READING && !u->body_ended)
		(void)bufferevent_enable(u->bev, EV_READ);
	else
		fail(u, what & BEV_EVENT_WRITING ? "it takes nothing" : "it has been silent for too long");
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	http_upstream *u = arg;

	(void)bev;
	u->connected |= (what & BEV_EVENT_CONNECTED) != 0;
	if (u->over || what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT) {
		on_timeout(u, what);
	} else if (what & BEV_EVENT_READING) {
		/* also where it was reset: an answer that came before is complete, or it isn't */
		u->eof = true;
		pull(u);
	} else if (what & BEV_EVENT_WRITING) {
		/* it has answered before it had everything, perhaps: what it said is still to be read */
		(void)bufferevent_disable(u->bev, EV_WRITE);
		u->body_ended = true;
	} else {
		fail(u, "it can't be connected to");
	}
}

/* ---- the request ---- */

static void write_head(struct evbuffer *out, const http_upstream_request *q)
{
	evbuffer_add_printf(out, "%s %s HTTP/1.1\r\n", q->method, q->target);
	for (const char *const *line = q->headers; line && *line; line++)
		evbuffer_add_printf(out, "%s\r\n", *line);
	if (q->length > 0)
		evbuffer_add_printf(out, "Content-Length: %lld\r\n", (long long)q->length);
	else if (q->length < 0)
		evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
	evbuffer_add_printf(out, "Connection: close\r\n\r\n");
}

static bool start(http_upstream *u, struct event_base *base, const http_upstream_request *q)
{
	struct timeval silence = { .tv_sec = (time_t)u->silence_s }, stall = { .tv_sec = STALL_S };
	struct sockaddr_storage address = q->address;

	u->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	u->soon = event_new(base, -1, 0, on_soon, u);
	if (!u->bev || !u->soon)
		return false;
	bufferevent_setcb(u->bev, on_read, on_write, on_event, u);
	bufferevent_setwatermark(u->bev, EV_READ, 0, READ_WINDOW);
	bufferevent_setwatermark(u->bev, EV_WRITE, WRITE_LOW, 0);
	bufferevent_set_timeouts(u->bev, &silence, &stall);
	write_head(bufferevent_get_output(u->bev), q);
	(void)bufferevent_enable(u->bev, EV_READ | EV_WRITE);
	/* What can't even be begun is told by the loop, as what fails later is. */
	return bufferevent_socket_connect(u->bev, (struct sockaddr *)&address, (int)q->address_len) == 0;
}

http_upstream *http_upstream_open(
    struct event_base *base, const http_upstream_request *q, const http_upstream_handler *handler, void *user)
{
	http_upstream *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->handler = handler;
	u->user = user;
	u->silence_s = q->silence_s ? q->silence_s : SILENCE_S;
	u->head_only = strcmp(q->method, "HEAD") == 0;
	u->chunked = q->length < 0;
	u->body_ended = !q->length;
	http_parser_init(&u->parser, HTTP_RESPONSE);
	u->parser.data = u;
	if (start(u, base, q))
		return u;
	http_upstream_close(u);
	return NULL;
}

size_t http_upstream_write(http_upstream *u, const void *data, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(u->bev);

	if (u->over || u->body_ended || !len)
		return 0;
	if (u->chunked)
		evbuffer_add_printf(out, "%zx\r\n", len);
	(void)evbuffer_add(out, data, len);
	if (u->chunked)
		(void)evbuffer_add(out, "\r\n", 2);
	u->above_low |= evbuffer_get_length(out) > WRITE_LOW;
	return evbuffer_get_length(out);
}

void http_upstream_end(http_upstream *u)
{
	if (u->over || u->body_ended)
		return;
	if (u->chunked)
		(void)evbuffer_add(bufferevent_get_output(u->bev), "0\r\n\r\n", 5);
	u->body_ended = true;
}

void http_upstream_pause(http_upstream *u)
{
	u->paused = true;
	if (!u->over)
		(void)bufferevent_disable(u->bev, EV_READ);
}

void http_upstream_resume(http_upstream *u)
{
	if (!u->paused)
		return;
	u->paused = false;
	if (u->over)
		return;
	(void)bufferevent_enable(u->bev, EV_READ);
	event_active(u->soon, EV_TIMEOUT, 0);
}

void http_upstream_close(http_upstream *u)
{
	if (!u)
		return;
	if (u->soon)
		event_free(u->soon);
	if (u->bev)
		bufferevent_free(u->bev);
	free(u->head);
	free(u);
}
