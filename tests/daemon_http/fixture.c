#include "fixture.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

_Atomic unsigned app_heads, app_ends, app_closes;
_Atomic uint64_t app_body_bytes;

static struct {
	struct event_base *base;
	http_server *server;
	pthread_t thread;
	int order_fd;
	_Atomic unsigned stop, drain, drained;
	struct sockaddr_storage address;
	socklen_t address_len;
} fx;

struct app {
	uint64_t body_bytes;
	uint64_t left; /* of /big */
	http_request *next_waiting;
};

static http_request *waiting; /* of the loop's thread */

static bool is(const http_request *q, const char *path)
{
	return strcmp(http_path(q), path) == 0;
}

static void big_more(http_request *q, void *user)
{
	static const char block[65536] = { 0 };
	struct app *a = user;
	size_t queued = 0;

	while (a->left && queued <= 256u * 1024) {
		size_t n = a->left < sizeof(block) ? (size_t)a->left : sizeof(block);

		queued = http_reply_write(q, block, n);
		a->left -= n;
	}
	if (!a->left)
		http_reply_end(q);
}

static void echo_go_on(http_request *q, void *user)
{
	(void)user;
	http_resume_body(q);
}

static void start_big(http_request *q, struct app *a)
{
	char n[32];

	ck_assert_int_eq(http_query_get(http_query(q), "n", n, sizeof(n)), 1);
	a->left = strtoull(n, NULL, 10);
	http_on_drain(q, big_more, a);
	http_reply_start(q, 200, NULL, strstr(http_query(q), "chunked") ? -1 : (int64_t)a->left);
	big_more(q, a);
}

static void release_all(void)
{
	while (waiting) {
		http_request *q = waiting;
		struct app *a = http_user(q);

		waiting = a->next_waiting;
		if (is(q, "/hold"))
			http_resume_body(q);
		else
			http_reply(q, 200, NULL, "released\n", 9);
	}
}

static void park(http_request *q, struct app *a)
{
	a->next_waiting = waiting;
	waiting = q;
}

static void show(http_request *q)
{
	char text[1024];
	const char *x = http_header(q, "x-a");
	int n = snprintf(text, sizeof(text), "%s %s|%s|%s|%s\n", http_method(q), http_path(q), http_raw_path(q),
	    http_query(q), x ? x : "-");

	http_reply(q, 200, NULL, text, (size_t)n);
}

static void later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_reply(arg, 200, NULL, "later\n", 6);
}

static void start_short(http_request *q)
{
	http_reply_start(q, 200, NULL, 100);
	(void)http_reply_write(q, "short", 5);
	http_reply_end(q);
}

static void on_head(http_request *q, void *user)
{
	static const char *const forged[] = { "X-Good: 1", "X-Bad: 1\r\nX-Forged: 1", NULL };
	struct app *a = calloc(1, sizeof(*a));

	(void)user;
	http_set_user(q, a);
	if (is(q, "/echo")) {
		http_on_drain(q, echo_go_on, NULL);
		http_reply_start(q, 200, NULL, http_content_length(q));
	} else if (is(q, "/early")) {
		http_reply(q, 403, NULL, "no\n", 3);
	} else if (is(q, "/limit")) {
		http_limit_body(q, 10);
	} else if (is(q, "/hold")) {
		http_pause_body(q);
		park(q, a);
	} else if (is(q, "/abort")) {
		http_reply_abort(q);
	} else if (is(q, "/forge")) {
		http_reply(q, 200, forged, "x", 1);
	}
	app_heads++;
}

static void on_body(http_request *q, const void *data, size_t len, void *user)
{
	struct app *a = http_user(q);

	(void)user;
	a->body_bytes += len;
	app_body_bytes += len;
	if (is(q, "/echo") && http_reply_write(q, data, len) > 256u * 1024)
		http_pause_body(q);
}

static void on_end(http_request *q, void *user)
{
	struct app *a = http_user(q);
	char text[64];

	(void)user;
	app_ends++;
	if (is(q, "/echo")) {
		http_reply_end(q);
	} else if (is(q, "/big")) {
		start_big(q, a);
	} else if (is(q, "/wait")) {
		park(q, a);
	} else if (is(q, "/release")) {
		release_all();
		http_reply(q, 200, NULL, "ok\n", 3);
	} else if (is(q, "/show")) {
		show(q);
	} else if (is(q, "/short")) {
		start_short(q);
	} else if (is(q, "/later")) {
		event_base_once(fx.base, -1, EV_TIMEOUT, later, q, NULL);
	} else if (is(q, "/hello")) {
		http_reply(q, 200, NULL, "hello\n", 6);
	} else {
		int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)a->body_bytes);

		http_reply(q, 200, NULL, text, (size_t)n);
	}
}

static void forget(http_request *q)
{
	http_request **at = &waiting;

	while (*at && *at != q)
		at = &((struct app *)http_user(*at))->next_waiting;
	if (*at)
		*at = ((struct app *)http_user(q))->next_waiting;
}

static void on_close(http_request *q, void *user)
{
	(void)user;
	forget(q);
	free(http_user(q));
	app_closes++;
}

static void on_drained(void *user)
{
	(void)user;
	fx.drained++;
}

static void on_order(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	(void)what;
	(void)arg;
	ck_assert_int_eq(read((int)fd, &n, sizeof(n)), sizeof(n));
	if (fx.drain) {
		fx.drain = 0;
		http_server_drain(fx.server, on_drained, NULL);
	}
	if (fx.stop)
		event_base_loopbreak(fx.base);
}

static void *run(void *arg)
{
	struct event *order = event_new(fx.base, fx.order_fd, EV_READ | EV_PERSIST, on_order, NULL);

	(void)arg;
	event_add(order, NULL);
	event_base_dispatch(fx.base);
	http_server_free(fx.server);
	event_free(order);
	/* libevent frees a bufferevent in the loop, and not always in event_base_free() */
	(void)event_base_loop(fx.base, EVLOOP_NONBLOCK);
	return NULL;
}

static void start(int fd, const http_server_options *options)
{
	static const http_handler handler = { on_head, on_body, on_end, on_close, NULL };

	signal(SIGPIPE, SIG_IGN);
	app_heads = app_ends = app_closes = 0;
	app_body_bytes = 0;
	fx.stop = fx.drain = fx.drained = 0;
	fx.address_len = sizeof(fx.address);
	ck_assert_int_eq(listen(fd, 4096), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&fx.address, &fx.address_len), 0);
	fx.base = event_base_new();
	fx.order_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fx.server = http_server_new(fx.base, options, &handler, NULL);
	ck_assert_ptr_nonnull(fx.server);
	ck_assert_int_eq(http_server_listen(fx.server, fd), 0);
	ck_assert_int_eq(pthread_create(&fx.thread, NULL, run, NULL), 0);
}

void fixture_start(const http_server_options *options)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	start(fd, options);
}

void fixture_start_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* autobind: an abstract name of the kernel's choice */
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a.sun_family)), 0);
	start(fd, NULL);
}

static void order(_Atomic unsigned *what)
{
	uint64_t one = 1;

	*what = 1;
	ck_assert_int_eq(write(fx.order_fd, &one, sizeof(one)), sizeof(one));
}

void fixture_stop(void)
{
	order(&fx.stop);
	pthread_join(fx.thread, NULL);
	event_base_free(fx.base);
	close(fx.order_fd);
	ck_assert_uint_eq(app_heads, app_closes);
}

void fixture_drain(void)
{
	order(&fx.drain);
}

void fixture_wait_drained(void)
{
	wait_for(&fx.drained, 1);
}

int client_connect(void)
{
	struct timeval tv = { .tv_sec = 60 };
	int fd = socket(fx.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	ck_assert_msg(connect(fd, (struct sockaddr *)&fx.address, fx.address_len) == 0, "connect: %s", strerror(errno));
	return fd;
}

void client_send(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			return; /* the server closed: what it answered tells more */
		data += n;
		len -= (size_t)n;
	}
}

void client_text(int fd, const char *text)
{
	client_send(fd, text, strlen(text));
}

size_t client_read_all(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = recv(fd, out + len, size - 1 - len, 0)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	return len;
}

void client_read_until(int fd, char *out, size_t size, const char *text)
{
	size_t len = 0;

	out[0] = '\0';
	while (!strstr(out, text)) {
		ssize_t n = recv(fd, out + len, size - 1 - len, 0);

		ck_assert_msg(n > 0, "wanted '%s', got '%s'", text, out);
		len += (size_t)n;
		out[len] = '\0';
	}
}

size_t client_exchange(const char *request, char *out, size_t size)
{
	int fd = client_connect();
	size_t n;

	client_text(fd, request);
	(void)shutdown(fd, SHUT_WR);
	n = client_read_all(fd, out, size);
	close(fd);
	return n;
}

void wait_for(_Atomic unsigned *counter, unsigned value)
{
	/* no event reaches this thread from the loop's: look, at short intervals, up to 60 s */
	for (int i = 0; i < 60000 && *counter < value; i++)
		usleep(1000);
	ck_assert_uint_ge(*counter, value);
}
