/* Answers: whole or streamed. What the socket takes at once is never copied; the rest waits in the bufferevent. */
#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

static size_t unsent(const http__conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* Bytes that the socket took. */
static size_t send_now(http__conn *c, const struct iovec *parts, int count)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count };
	ssize_t n;

	if (unsent(c))
		return 0;
	n = sendmsg(bufferevent_getfd(c->bev), &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		http__conn_cut(c);
	return n < 0 ? 0 : (size_t)n;
}

void http__send(http__conn *c, const struct iovec *parts, int count)
{
	size_t gone;

	if (c->dead)
		return;
	gone = send_now(c, parts, count);
	for (int i = 0; i < count && !c->dead; i++) {
		size_t skip = gone < parts[i].iov_len ? gone : parts[i].iov_len;
		size_t rest = parts[i].iov_len - skip;

		gone -= skip;
		c->queued_bytes += rest;
		if (rest && evbuffer_add(bufferevent_get_output(c->bev), (char *)parts[i].iov_base + skip, rest))
			http__conn_cut(c);
	}
	c->above_low |= unsent(c) > HTTP__WRITE_LOW;
	/* where it waits, somebody has to set the timer */
	if (unsent(c) && c->timer != TIMER_STALL)
		http__conn_kick(c);
}

/* How the end of an answer is told. */
enum framing { WITHOUT, SIZED, CHUNKED, UNTIL_CLOSE };

struct head_text {
	char *at;
	size_t len;
	size_t size;
	char stack[2048];
};

static void add(struct head_text *t, const char *s)
{
	size_t n = strlen(s);

	/* the size was reckoned beforehand; this is a belt */
	if (n > t->size - t->len)
		return;
	memcpy(t->at + t->len, s, n);
	t->len += n;
}

/* A line that could be taken for two is left out: better a header less than a forged one. */
static bool is_clean(const char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < ' ' && *line != '\t')
			return false;
	return true;
}

static size_t lines_length(const char *const *lines)
{
	size_t length = 0;

	for (; lines && *lines; lines++)
		length += strlen(*lines) + 2;
	return length;
}

/* `common` and `headers`: those of every answer to a request, and of this one; either may be NULL. */
static bool head_room(struct head_text *t, const char *const *common, const char *const *headers)
{
	size_t size = 512 + lines_length(common) + lines_length(headers);

	t->len = 0;
	t->size = size;
	t->at = size <= sizeof(t->stack) ? t->stack : malloc(size);
	return t->at != NULL;
}

static void add_framing(struct head_text *t, enum framing framing, uint64_t length)
{
	char line[64];

	if (framing == SIZED) {
		(void)snprintf(line, sizeof(line), "Content-Length: %llu\r\n", (unsigned long long)length);
		add(t, line);
	} else if (framing == CHUNKED) {
		add(t, "Transfer-Encoding: chunked\r\n");
	}
}

static void add_lines(struct head_text *t, const char *const *lines)
{
	for (; lines && *lines; lines++) {
		if (!is_clean(*lines))
			continue;
		add(t, *lines);
		add(t, "\r\n");
	}
}

static void write_head(struct head_text *t, http__conn *c, int status, const char *const *headers, enum framing framing,
    uint64_t length, bool old_client)
{
	char line[96];

	(void)snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\nDate: %s\r\n", status,
	    http_status_str((enum http_status)status), http__date(c->server));
	add(t, line);
	if (c->q)
		add_lines(t, c->q->common);
	add_lines(t, headers);
	add_framing(t, framing, length);
	if (c->close_after)
		add(t, "Connection: close\r\n");
	else if (old_client)
		add(t, "Connection: keep-alive\r\n");
	add(t, "\r\n");
}

/* Body bytes that haven't even arrived: the answer overtakes them, and the connection can't be used again. */
static bool body_outstanding(const http_request *q)
{
	if (q->head.chunked)
		return q->conn->state == STATE_BODY;
	return q->body_left > evbuffer_get_length(bufferevent_get_input(q->conn->bev));
}

static void send_head(
    http_request *q, int status, const char *const *headers, enum framing framing, uint64_t length, struct iovec *body)
{
	http__conn *c = q->conn;
	struct head_text t;
	struct iovec parts[2];

	q->answer_started = true;
	q->status = (uint16_t)status;
	if (body_outstanding(q))
		c->close_after = c->linger = true;
	if (c->server->draining || framing == UNTIL_CLOSE)
		c->close_after = true;
	if (!head_room(&t, q->common, headers)) {
		http__conn_cut(c);
		return;
	}
	write_head(&t, c, status, headers, framing, length, q->head.http_1_0);
	parts[0] = (struct iovec){ .iov_base = t.at, .iov_len = t.len };
	if (body)
		parts[1] = *body;
	http__send(c, parts, body ? 2 : 1);
	if (t.at != t.stack)
		free(t.at);
}

static bool has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

void http_reply(http_request *q, int status, const char *const *headers, const void *body, size_t len)
{
	struct iovec bytes = { .iov_base = (void *)(uintptr_t)body, .iov_len = len };
	bool silent = has_no_body(status);

	if (q->answer_started)
		return;
	send_head(q, status, headers, silent ? WITHOUT : SIZED, len, silent || q->head.is_head || !len ? NULL : &bytes);
	q->answer_bytes = silent || q->head.is_head ? 0 : len;
	q->answer_done = true;
	http__conn_kick(q->conn);
}

void http_reply_start(http_request *q, int status, const char *const *headers, int64_t length)
{
	enum framing framing = length >= 0 ? SIZED : q->head.http_1_0 ? UNTIL_CLOSE : CHUNKED;

	if (q->answer_started)
		return;
	if (has_no_body(status))
		framing = WITHOUT;
	q->answer_silent = q->head.is_head || framing == WITHOUT;
	q->answer_sized = framing == SIZED && !q->answer_silent;
	q->answer_chunked = framing == CHUNKED && !q->answer_silent;
	q->answer_left = length > 0 ? (uint64_t)length : 0;
	send_head(q, status, headers, framing, q->answer_left, NULL);
}

static void send_chunk(http_request *q, const void *data, size_t len)
{
	char size[24];
	struct iovec parts[3] = { { .iov_base = size }, { .iov_base = (void *)(uintptr_t)data, .iov_len = len },
		{ .iov_base = (char *)(uintptr_t) "\r\n", .iov_len = 2 } };

	parts[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", len);
	http__send(q->conn, parts, 3);
}

size_t http_reply_write(http_request *q, const void *data, size_t len)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)data };

	if (!q->answer_started || q->answer_done)
		return 0;
	if (q->answer_sized && len > q->answer_left)
		len = (size_t)q->answer_left;
	part.iov_len = len;
	q->answer_left -= q->answer_sized ? len : 0;
	q->answer_bytes += q->answer_silent ? 0 : len;
	if (len && q->answer_chunked)
		send_chunk(q, data, len);
	else if (len && !q->answer_silent)
		http__send(q->conn, &part, 1);
	return unsent(q->conn);
}

void http_reply_end(http_request *q)
{
	static const struct iovec last = { .iov_base = (char *)(uintptr_t) "0\r\n\r\n", .iov_len = 5 };

	if (!q->answer_started || q->answer_done)
		return;
	/* shorter than it said: only the end of the connection tells the client */
	if (q->answer_sized && q->answer_left) {
		http__conn_cut(q->conn);
		return;
	}
	if (q->answer_chunked)
		http__send(q->conn, &last, 1);
	q->answer_done = true;
	http__conn_kick(q->conn);
}

void http_reply_abort(http_request *q)
{
	http__conn_cut(q->conn);
}

void http_on_drain(http_request *q, void (*fn)(http_request *q, void *user), void *user)
{
	q->on_drain = fn;
	q->drain_user = user;
}

void http__refuse(http__conn *c, int status, const char *why)
{
	const http_handler *h = &c->server->handler;
	char body[2048], type[96], more[128] = "";
	const char *content_type = "text/plain; charset=utf-8";
	const char *headers[] = { type, NULL, NULL };
	struct head_text t;
	struct iovec parts[2];

	if (c->q && c->q->answer_started) {
		http__conn_cut(c);
		return;
	}
	c->close_after = c->linger = true;
	(void)snprintf(body, sizeof(body), "%s\n", why);
	if (h->on_refuse)
		h->on_refuse(status, why, body, sizeof(body), &content_type, c->server->user);
	(void)snprintf(type, sizeof(type), "Content-Type: %s", content_type);
	if (h->on_refuse_header)
		h->on_refuse_header(more, sizeof(more), c->server->user);
	headers[1] = more[0] ? more : NULL;
	if (c->q) {
		http_reply(c->q, status, headers, body, strlen(body));
		return;
	}
	if (head_room(&t, NULL, headers)) {
		write_head(&t, c, status, headers, SIZED, strlen(body), false);
		parts[0] = (struct iovec){ .iov_base = t.at, .iov_len = t.len };
		parts[1] = (struct iovec){ .iov_base = body, .iov_len = strlen(body) };
		http__send(c, parts, 2);
	}
	c->state = STATE_FLUSH;
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
}
