/* What a connection sends: heads and bodies, taken from its input one step at a time. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static struct evbuffer *input(const http__conn *c)
{
	return bufferevent_get_input(c->bev);
}

static http_request *request_new(http__conn *c, const char *data, size_t len)
{
	http_request *q = malloc(sizeof(*q) + len + 1);

	if (!q)
		return NULL;
	/* all but the table of headers, whose rows are written before they are read */
	memset(q, 0, offsetof(http_request, head) + offsetof(struct http__head, fields));
	memcpy(q->text, data, len);
	q->text[len] = '\0';
	q->conn = c;
	q->body_max = c->server->options.max_body_bytes;
	return q;
}

static bool body_over(const http_request *q)
{
	return !q->head.chunked && !q->body_left;
}

/* The head was good: hand it over, and see what the body may be. */
static bool begin(http__conn *c, http_request *q)
{
	static const struct iovec go_on = { .iov_base = (char *)(uintptr_t) "HTTP/1.1 100 Continue\r\n\r\n",
		.iov_len = 25 };
	http_server *s = c->server;

	c->q = q;
	c->state = STATE_BODY;
	c->close_after |= !q->head.keep_alive;
	q->body_left = q->head.length;
	http__chunked_init(&q->chunked);
	s->handler.on_head(q, s->user);
	if (q->head.length > q->body_max && !q->answer_started)
		http__refuse(c, 413, "the body is larger than allowed");
	if (body_over(q))
		c->state = STATE_ANSWER;
	else if (q->head.expects_continue && !q->answer_started && !evbuffer_get_length(input(c)))
		http__send(c, &go_on, 1);
	return true;
}

static bool head_failed(http__conn *c, http_request *q, int status, const char *why)
{
	if (q)
		http__request_free(q);
	http__refuse(c, status, why);
	return true;
}

/* `len` bytes of the input, contiguous at `data`, are a head. */
static bool take_head(http__conn *c, const char *data, size_t len)
{
	http_request *q = request_new(c, data, len);
	const char *why = "no memory";
	int status = q ? http__head_parse(&q->head, q->text, len, &why) : 500;

	(void)evbuffer_drain(input(c), len);
	c->scanned = 0;
	if (status)
		return head_failed(c, q, status, why);
	return begin(c, q);
}

/* Empty lines before a request are to be ignored, says RFC 9112: a few. */
static void skip_empty_lines(http__conn *c)
{
	char two[2];

	for (int i = 0; i < 4 && evbuffer_copyout(input(c), two, 2) == 2; i++) {
		if (two[0] != '\r' || two[1] != '\n')
			return;
		(void)evbuffer_drain(input(c), 2);
		c->scanned = 0;
	}
}

/* No end of the head so far. */
static bool head_unfinished(http__conn *c, const char *data, size_t len)
{
	if (len > c->server->options.max_header_bytes) {
		bool in_line = !memchr(data, '\n', len);

		http__refuse(c, in_line ? 414 : 431, in_line ? "the URL is too long" : "the headers are too long");
		return true;
	}
	if (!c->eof)
		return false;
	http__flush_and_close(c);
	return true;
}

bool http__step_head(http__conn *c)
{
	size_t max = c->server->options.max_header_bytes, len;
	ssize_t found;
	char *data;

	/* a client that doesn't read its answers gets no further ones made */
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) > HTTP__WRITE_LOW)
		return false;
	skip_empty_lines(c);
	len = evbuffer_get_length(input(c));
	if (!len)
		return head_unfinished(c, "", 0);
	len = len > max + 1 ? max + 1 : len;
	data = (char *)evbuffer_pullup(input(c), (ssize_t)len);
	if (!data) {
		http__conn_cut(c);
		return false;
	}
	found = http__head_find(data, len, &c->scanned);
	if (found < 0)
		return head_failed(c, NULL, 400, "a bare CR or LF in the request's head");
	return found && (size_t)found <= max ? take_head(c, data, (size_t)found) : head_unfinished(c, data, len);
}

static void give_body(http__conn *c, const char *data, size_t len)
{
	http_request *q = c->q;
	http_server *s = c->server;

	q->body_bytes += len;
	if (q->body_bytes > q->body_max)
		http__refuse(c, 413, "the body is larger than allowed");
	else if (s->handler.on_body && len)
		s->handler.on_body(q, data, len, s->user);
}

static void take_chunked(http__conn *c, const char *data, size_t len)
{
	http_request *q = c->q;
	const char *body = NULL;
	size_t used = 0, size = 0;
	enum http__chunked_got got = http__chunked_next(&q->chunked, data, len, &used, &body, &size);

	if (got == HTTP__CHUNKED_BAD)
		http__refuse(c, 400, "the chunked body is malformed");
	else if (got == HTTP__CHUNKED_END)
		c->state = STATE_ANSWER;
	else if (got == HTTP__CHUNKED_DATA)
		give_body(c, body, size);
	(void)evbuffer_drain(input(c), used);
}

static void take_fixed(http__conn *c, const char *data, size_t len)
{
	http_request *q = c->q;
	size_t n = q->body_left < len ? (size_t)q->body_left : len;

	/* during the call both still count these bytes: an answer made in it looks at what has arrived */
	give_body(c, data, n);
	q->body_left -= n;
	(void)evbuffer_drain(input(c), n);
	if (!q->body_left)
		c->state = STATE_ANSWER;
}

bool http__step_body(http__conn *c)
{
	size_t len = evbuffer_get_contiguous_space(input(c));
	char *data;

	if (c->q->paused)
		return false;
	if (!len) {
		if (c->eof)
			http__conn_cut(c);
		return false;
	}
	len = len > HTTP__PIECE ? HTTP__PIECE : len;
	data = (char *)evbuffer_pullup(input(c), (ssize_t)len);
	c->fresh = true;
	if (c->q->head.chunked)
		take_chunked(c, data, len);
	else
		take_fixed(c, data, len);
	return true;
}
