/*
 * The HTTP server over a socket pair. The first byte says in what pieces the rest is sent. Every request that begins
 * ends once, no body is longer than what was sent, and whatever comes back begins like an answer.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "internal.h"

static struct {
	size_t heads, closes, body, sent;
} seen;

static void on_head(http_request *q, void *user)
{
	const char *query = http_query(q);
	char name[32], value[64];

	(void)user;
	seen.heads++;
	must(http_method(q)[0] && http_raw_path(q)[0]);
	must(strlen(http_path(q)) <= strlen(http_raw_path(q)));
	(void)http_header(q, "Host");
	(void)http_header(q, "X-Twice");
	(void)http_query_get(query, "a", value, sizeof(value));
	while (http_query_next(&query, name, sizeof(name), value, sizeof(value)) == 1)
		;
	if (strcmp(http_path(q), "/early") == 0)
		http_reply(q, 400, NULL, "no", 2);
	if (strcmp(http_path(q), "/small") == 0)
		http_limit_body(q, 4);
}

static void on_body(http_request *q, const void *data, size_t len, void *user)
{
	(void)q;
	(void)user;
	must(data && len);
	seen.body += len;
	must(seen.body <= seen.sent);
}

static void on_end(http_request *q, void *user)
{
	(void)user;
	if (strcmp(http_path(q), "/stream") == 0) {
		http_reply_start(q, 200, NULL, -1);
		(void)http_reply_write(q, "abc", 3);
		http_reply_end(q);
		return;
	}
	http_reply(q, 200, NULL, "ok", 2);
}

static void on_close(http_request *q, void *user)
{
	(void)q;
	(void)user;
	seen.closes++;
}

static const http_handler handler = { .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_close = on_close };

static void turn(struct event_base *base)
{
	for (int i = 0; i < 4; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void listen_to(int fd, struct event_base *base)
{
	char text[4096];
	bool first = true;
	ssize_t n;

	turn(base);
	while ((n = recv(fd, text, sizeof(text), MSG_DONTWAIT)) > 0) {
		must(!first || n < 9 || memcmp(text, "HTTP/1.1 ", 9) == 0);
		first = false;
		turn(base);
	}
}

static void send_all(int fd, const uint8_t *data, size_t size, struct event_base *base)
{
	size_t piece = size ? 1u + data[0] * 4u : 1;

	for (size_t at = size ? 1 : 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		seen.sent += n;
		if (send(fd, data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			return;
		turn(base);
	}
	(void)shutdown(fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	http_server_options options = { .max_header_bytes = 4096 };
	http_server *s;
	int fds[2];

	if (!base)
		base = event_base_new();
	must(base && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	memset(&seen, 0, sizeof(seen));
	s = http_server_new(base, &options, &handler, NULL);
	must(s);
	http__conn_accept(s, fds[0]);
	send_all(fds[1], data, size, base);
	listen_to(fds[1], base);
	(void)close(fds[1]);
	turn(base);
	http_server_free(s);
	turn(base);
	must(seen.heads == seen.closes);
	return 0;
}
