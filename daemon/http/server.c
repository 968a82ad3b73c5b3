/* The server: listening sockets, the list of connections, and their timers. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define ACCEPT_BATCH 64
#define DRAIN_IDLE_MS 200	/* a kept connection's last chance to send a request */
#define MAX_HEADER_BYTES 61440u /* offsets in a head are 16 bits wide; http_parser ends at 80 KiB */

int64_t http__now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *http__date(http_server *s)
{
	time_t now = time(NULL);
	struct tm tm;

	if (now != s->date_second && gmtime_r(&now, &tm)) {
		s->date_second = now;
		(void)strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return s->date;
}

static void tick_arm(http_server *s, int64_t at_ms)
{
	int64_t wait = at_ms - http__now_ms();
	struct timeval tv;

	if (s->tick_at_ms && s->tick_at_ms <= at_ms)
		return;
	wait = wait < 1 ? 1 : wait;
	tv = (struct timeval){ .tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000 };
	s->tick_at_ms = at_ms;
	(void)event_add(s->tick, &tv);
}

/*
 * Everyone in a list waits equally long, so it is in order of deadline: setting a timer costs no search, and one event
 * serves all connections.
 */
void http__timer_set(http__conn *c, enum http__timer timer)
{
	http_server *s = c->server;

	if (c->timer != TIMER_NONE)
		TAILQ_REMOVE(&s->timers[c->timer], c, timed);
	c->timer = (uint8_t)timer;
	if (timer == TIMER_NONE)
		return;
	c->deadline_ms = http__now_ms() + s->wait_ms[timer];
	c->sent_mark = c->queued_bytes - evbuffer_get_length(bufferevent_get_output(c->bev));
	TAILQ_INSERT_TAIL(&s->timers[timer], c, timed);
	if (TAILQ_FIRST(&s->timers[timer]) == c)
		tick_arm(s, c->deadline_ms);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	http_server *s = arg;
	int64_t now = http__now_ms();
	http__conn *c;

	(void)fd;
	(void)what;
	s->tick_at_ms = 0;
	for (unsigned i = TIMER_NONE + 1; i < TIMER_COUNT; i++) {
		while ((c = TAILQ_FIRST(&s->timers[i])) && c->deadline_ms <= now) {
			http__timer_set(c, TIMER_NONE);
			http__conn_expire(c);
		}
		if (c)
			tick_arm(s, c->deadline_ms);
	}
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	http_server *s = arg;
	struct http__conn_list now = TAILQ_HEAD_INITIALIZER(now);
	http__conn *c;

	(void)fd;
	(void)what;
	/* those kicked from here on have their turn next time round: nobody starves the loop */
	for (c = TAILQ_FIRST(&s->kicked); c; c = TAILQ_NEXT(c, kicked))
		c->in_batch = true;
	while ((c = TAILQ_FIRST(&s->kicked)) && c->in_batch) {
		TAILQ_REMOVE(&s->kicked, c, kicked);
		c->in_kicked = c->in_batch = false;
		http__conn_run(c);
	}
	if (!TAILQ_EMPTY(&s->kicked))
		event_active(s->kick, EV_TIMEOUT, 0);
	if (s->draining && !s->count && s->drained) {
		void (*drained)(void *) = s->drained;

		s->drained = NULL;
		drained(s->drained_user);
	}
}

static void accept_pause(http_server *s)
{
	struct http__listener *l;

	s->accepting = false;
	TAILQ_FOREACH(l, &s->listeners, next)
	(void)event_del(l->event);
}

static void accept_resume(http_server *s)
{
	struct http__listener *l;

	if (s->accepting || s->draining || s->count >= s->options.max_connections)
		return;
	s->accepting = true;
	TAILQ_FOREACH(l, &s->listeners, next)
	(void)event_add(l->event, NULL);
}

static void on_retry_accept(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	accept_resume(arg);
}

/* No descriptor or no memory: further clients wait in the backlog. A busy loop would be the alternative. */
static void accept_failed(http_server *s)
{
	struct timeval soon = { .tv_usec = 100000 };

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	accept_pause(s);
	(void)event_add(s->retry_accept, &soon);
}

static void on_accept(evutil_socket_t listening, short what, void *arg)
{
	http_server *s = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd;

		if (s->count >= s->options.max_connections) {
			accept_pause(s);
			return;
		}
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			accept_failed(s);
			return;
		}
		if (s->handler.on_accept && !s->handler.on_accept(fd, s->user))
			(void)close(fd);
		else
			http__conn_accept(s, fd);
	}
}

void http__server_left(http_server *s)
{
	s->count--;
	if (s->freeing)
		return;
	accept_resume(s);
	if (s->draining && !s->count)
		event_active(s->kick, EV_TIMEOUT, 0);
}

static void set_defaults(http_server_options *o)
{
#define DEFAULT(field, value) (o->field = o->field ? o->field : (value))
	DEFAULT(max_header_bytes, 32768);
	DEFAULT(max_body_bytes, UINT64_MAX);
	DEFAULT(max_connections, 16384);
	DEFAULT(header_timeout_s, 10);
	DEFAULT(idle_timeout_s, 75);
	DEFAULT(stall_timeout_s, 30);
	DEFAULT(body_window_bytes, 128 * 1024);
#undef DEFAULT
	if (o->max_header_bytes > MAX_HEADER_BYTES)
		o->max_header_bytes = MAX_HEADER_BYTES;
	/* a whole head must fit into what is held for a connection */
	if (o->body_window_bytes < o->max_header_bytes + 4096)
		o->body_window_bytes = o->max_header_bytes + 4096;
}

static bool init_events(http_server *s)
{
	s->kick = event_new(s->base, -1, 0, on_kick, s);
	s->tick = event_new(s->base, -1, 0, on_tick, s);
	s->retry_accept = event_new(s->base, -1, 0, on_retry_accept, s);
	return s->kick && s->tick && s->retry_accept;
}

http_server *http_server_new(
    struct event_base *base, const http_server_options *options, const http_handler *handler, void *server_user)
{
	http_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	if (options)
		s->options = *options;
	set_defaults(&s->options);
	s->handler = *handler;
	s->user = server_user;
	s->accepting = true;
	s->wait_ms[TIMER_IDLE] = (int64_t)s->options.idle_timeout_s * 1000;
	s->wait_ms[TIMER_HEADER] = (int64_t)s->options.header_timeout_s * 1000;
	s->wait_ms[TIMER_STALL] = (int64_t)s->options.stall_timeout_s * 1000;
	s->wait_ms[TIMER_LINGER] = HTTP__LINGER_S * 1000;
	TAILQ_INIT(&s->all);
	TAILQ_INIT(&s->kicked);
	TAILQ_INIT(&s->listeners);
	for (unsigned i = 0; i < TIMER_COUNT; i++)
		TAILQ_INIT(&s->timers[i]);
	if (init_events(s))
		return s;
	http_server_free(s);
	return NULL;
}

static void listener_free(struct http__listener *l)
{
	if (l->event)
		event_free(l->event);
	(void)close(l->fd);
	free(l);
}

int http_server_listen(http_server *s, int fd)
{
	struct http__listener *l = calloc(1, sizeof(*l));
	int on = 1;

	if (!l)
		return -1;
	/* accepted sockets inherit these; a unix socket has neither */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	l->server = s;
	l->fd = fd;
	l->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_accept, s);
	if (!l->event || evutil_make_socket_nonblocking(fd) || (s->accepting && event_add(l->event, NULL))) {
		if (l->event)
			event_free(l->event);
		free(l);
		errno = ENOMEM;
		return -1;
	}
	TAILQ_INSERT_TAIL(&s->listeners, l, next);
	return 0;
}

static void listeners_free(http_server *s)
{
	struct http__listener *l;

	while ((l = TAILQ_FIRST(&s->listeners))) {
		TAILQ_REMOVE(&s->listeners, l, next);
		listener_free(l);
	}
}

void http_server_drain(http_server *s, void (*done)(void *user), void *user)
{
	struct http__listener *l;
	http__conn *c;

	/* who got through to the kernel is served too: closing the socket would reset them */
	TAILQ_FOREACH(l, &s->listeners, next)
	on_accept(l->fd, EV_READ, s);
	s->draining = true;
	s->accepting = false;
	s->drained = done;
	s->drained_user = user;
	listeners_free(s);
	s->wait_ms[TIMER_IDLE] = DRAIN_IDLE_MS;
	TAILQ_FOREACH(c, &s->all, all)
	http__conn_drain(c);
	event_active(s->kick, EV_TIMEOUT, 0);
}

void http_server_free(http_server *s)
{
	http__conn *c;

	if (!s)
		return;
	s->freeing = true;
	listeners_free(s);
	while ((c = TAILQ_FIRST(&s->all)))
		http__conn_destroy(c);
	if (s->kick)
		event_free(s->kick);
	if (s->tick)
		event_free(s->tick);
	if (s->retry_accept)
		event_free(s->retry_accept);
	free(s);
}

size_t http_server_connections(const http_server *s)
{
	return s->count;
}
