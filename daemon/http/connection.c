/* One connection: request after request, its timers, its end. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "internal.h"

#define STEPS_A_TURN 256

static struct evbuffer *input(const http__conn *c)
{
	return bufferevent_get_input(c->bev);
}

static size_t unsent(const http__conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void http__conn_kick(http__conn *c)
{
	http_server *s = c->server;

	if (c->running || c->in_kicked || s->freeing)
		return;
	c->in_kicked = true;
	if (TAILQ_EMPTY(&s->kicked))
		event_active(s->kick, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&s->kicked, c, kicked);
}

void http__conn_cut(http__conn *c)
{
	c->dead = true;
	http__conn_kick(c);
}

void http__conn_destroy(http__conn *c)
{
	http_server *s = c->server;
	http_request *q = c->q;

	c->dead = true;
	c->running = true; /* nothing that on_close calls may start it again */
	if (q) {
		s->handler.on_close(q, s->user);
		http__request_free(q);
	}
	http__timer_set(c, TIMER_NONE);
	if (c->in_kicked)
		TAILQ_REMOVE(&s->kicked, c, kicked);
	TAILQ_REMOVE(&s->all, c, all);
	bufferevent_free(c->bev);
	free(c);
	http__server_left(s);
}

void http__flush_and_close(http__conn *c)
{
	c->state = STATE_FLUSH;
	/* from now on the write call-back means that everything was sent */
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
}

/* What was not read of a body: skipped where all of it is here already; else nothing behind it can be found any more.
 */
static void skip_rest(http__conn *c, const http_request *q)
{
	bool here = q->head.chunked ? c->state != STATE_BODY : q->body_left <= evbuffer_get_length(input(c));

	if (!here)
		c->close_after = c->linger = true;
	else if (!q->head.chunked)
		(void)evbuffer_drain(input(c), (size_t)q->body_left);
}

/* The answer is complete: the request goes, and the next one's turn comes. */
static bool finish(http__conn *c)
{
	http_server *s = c->server;
	http_request *q = c->q;

	skip_rest(c, q);
	s->handler.on_close(q, s->user);
	c->q = NULL;
	http__request_free(q);
	c->fresh = true;
	c->scanned = 0;
	/* Not where the answer began before the server drained: it said that the connection stays, and the next request
	 * may be on its way. That one's answer says that it was the last. */
	if (c->close_after)
		http__flush_and_close(c);
	else
		c->state = STATE_HEAD;
	return true;
}

static bool step_answer(http__conn *c)
{
	http_server *s = c->server;

	if (c->q->ended || c->q->paused)
		return false;
	c->q->ended = true;
	s->handler.on_end(c->q, s->user);
	return true;
}

static bool step_flush(http__conn *c)
{
	if (unsent(c))
		return false;
	if (c->eof || (!c->linger && !evbuffer_get_length(input(c)))) {
		http__conn_cut(c);
		return false;
	}
	(void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	c->state = STATE_LINGER;
	c->fresh = true;
	return true;
}

static bool step_linger(http__conn *c)
{
	(void)evbuffer_drain(input(c), evbuffer_get_length(input(c)));
	if (c->eof)
		http__conn_cut(c);
	return false;
}

static bool step(http__conn *c)
{
	if (c->q && c->q->answer_done)
		return finish(c);
	switch (c->state) {
	case STATE_HEAD:
		return http__step_head(c);
	case STATE_BODY:
		return http__step_body(c);
	case STATE_ANSWER:
		return step_answer(c);
	case STATE_FLUSH:
		return step_flush(c);
	default:
		return step_linger(c);
	}
}

static enum http__timer wanted_timer(const http__conn *c)
{
	if (c->state == STATE_LINGER)
		return TIMER_LINGER;
	if (unsent(c))
		return TIMER_STALL;
	if (c->state == STATE_HEAD)
		return evbuffer_get_length(input(c)) ? TIMER_HEADER : TIMER_IDLE;
	if (c->state == STATE_BODY)
		return c->q->paused ? TIMER_NONE : TIMER_STALL;
	/* nobody can tell a client that sends no more from one that is gone: it has a while */
	return c->state == STATE_ANSWER && c->eof ? TIMER_STALL : TIMER_NONE;
}

static void settle(http__conn *c)
{
	enum http__timer timer = wanted_timer(c);

	if (timer != c->timer || (c->fresh && timer != TIMER_NONE))
		http__timer_set(c, timer);
	c->fresh = false;
}

static void tell_drained(http__conn *c)
{
	if (!c->above_low || unsent(c) > HTTP__WRITE_LOW)
		return;
	c->above_low = false;
	if (c->q && c->q->on_drain && !c->q->answer_done)
		c->q->on_drain(c->q, c->q->drain_user);
}

void http__conn_run(http__conn *c)
{
	int left = STEPS_A_TURN;

	if (c->running)
		return;
	c->running = true;
	if (!c->dead)
		tell_drained(c);
	while (!c->dead && left && step(c))
		left--;
	c->running = false;
	if (c->dead) {
		http__conn_destroy(c);
		return;
	}
	settle(c);
	if (!left)
		http__conn_kick(c);
}

void http__conn_expire(http__conn *c)
{
	bool stalled = unsent(c) > 0;

	if (stalled && c->queued_bytes - unsent(c) != c->sent_mark) {
		http__timer_set(c, TIMER_STALL);
		return;
	}
	if (!stalled && c->state == STATE_HEAD && evbuffer_get_length(input(c)))
		http__refuse(c, 408, "the request's head took too long");
	else if (!stalled && c->state == STATE_BODY && !c->q->answer_started)
		http__refuse(c, 408, "the request's body doesn't move");
	else
		c->dead = true;
	http__conn_run(c);
}

void http__conn_drain(http__conn *c)
{
	/* what is on its way already is still served */
	if (c->timer == TIMER_IDLE)
		http__timer_set(c, TIMER_IDLE);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	http__conn_run(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	http__conn_run(arg);
}

/* Both directions are down: gone for good, not only done with sending. */
static bool hung_up(const http__conn *c)
{
	struct pollfd p = { .fd = bufferevent_getfd(c->bev) };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	http__conn *c = arg;

	(void)bev;
	if (what & BEV_EVENT_EOF)
		c->eof = true;
	if (!(what & BEV_EVENT_EOF) || hung_up(c))
		c->dead = true;
	http__conn_run(c);
}

void http__conn_accept(http_server *s, int fd)
{
	http__conn *c = calloc(1, sizeof(*c));

	if (c)
		c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		(void)evutil_closesocket(fd);
		free(c);
		return;
	}
	c->server = s;
	TAILQ_INSERT_TAIL(&s->all, c, all);
	s->count++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, s->options.body_window_bytes);
	bufferevent_setwatermark(c->bev, EV_WRITE, HTTP__WRITE_LOW, 0);
	(void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	http__timer_set(c, TIMER_IDLE);
}
