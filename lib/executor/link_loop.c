/* The loop's thread: connections and their events. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "link_internal.h"

static void set_deadline(scp__link_stream *s, uint32_t ms)
{
	struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)evtimer_add(s->deadline, &t);
}

static void free_event(struct event **e)
{
	if (*e)
		event_free(*e);
	*e = NULL;
}

/* Takes the stream off its connection, which is kept if it can serve another request. */
static void let_go(scp__link_stream *s, bool keep)
{
	int fd = s->fd;

	free_event(&s->readable);
	free_event(&s->writable);
	free_event(&s->deadline);
	s->fd = -1;
	if (fd < 0)
		return;
	if (keep && s->complete && s->keep_alive && !s->spoilt && s->sent == s->head_len + s->body.len)
		link_keep_put(s->link, s->container, fd);
	else
		close(fd);
}

/* The loop is done with it. */
static void leave(scp__link_stream *s)
{
	let_go(s, false);
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->prev = NULL;
	link_stream_unref(s);
}

static void finish(scp__link_stream *s, scp_status status, const scp_error *err)
{
	/* First the connection: what the call-back starts can have it. */
	let_go(s, true);
	link_stream_end(s, status, err);
	leave(s);
}

/* The result is there, the answer's end isn't yet: its reader needn't wait for that. */
static void finish_early(scp__link_stream *s)
{
	link_stream_end(s, SCP_OK, NULL);
	set_deadline(s, LINK_DRAIN_MS);
}

/* Delivers what is there, then decides how it goes on. */
static void advance(scp__link_stream *s)
{
	scp_error err = { .status = SCP_OK };
	scp_status rc = SCP_OK;

	rc = link_answer_deliver(s, &err);
	if (rc == SCP_EAGAIN) { /* paused: the LINK_RESUME that ends it goes on from here */
		(void)event_del(s->readable);
	} else if (rc) {
		s->spoilt = true;
		finish(s, rc, &err);
	} else if (s->complete) {
		rc = link_answer_verdict(s, &err);
		finish(s, rc, &err);
	} else if (s->result) {
		finish_early(s);
	}
}

/* A kept connection that had been closed meanwhile: the request was never seen, or is known by its (execution,
 * attempt). */
static bool try_again(scp__link_stream *s)
{
	if (s->answered || !s->reused || s->retried)
		return false;
	s->retried = true;
	let_go(s, false);
	link_answer_reset(s);
	return link_connect_later(s, NULL) == SCP_OK;
}

static void received(scp__link_stream *s, size_t len)
{
	scp_error err = { .status = SCP_OK };
	bool was_over = s->result;
	scp_status rc = link_answer_feed(s, s->link->scratch, len, &err);

	if (was_over) { /* only the answer's end was waited for */
		if (rc || s->complete || !len) {
			let_go(s, true);
			leave(s);
		}
		return;
	}
	if (rc) {
		/* What came whole before the break still counts. */
		scp_error late = err;

		if (!link_answer_deliver(s, &late) && s->result)
			finish(s, SCP_OK, NULL);
		else
			finish(s, rc, &err);
		return;
	}
	if (s->headers && s->kind == LINK_EVENTS && s->parser.status_code == 200)
		(void)evtimer_del(s->deadline);
	advance(s);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	scp__link_stream *s = arg;
	ssize_t n;

	(void)what;
	if (s->headers && !s->result && atomic_load(&s->paused)) {
		(void)event_del(s->readable);
		return;
	}
	n = recv(fd, s->link->scratch, LINK_READ, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n > 0 || !try_again(s))
		received(s, n > 0 ? (size_t)n : 0);
}

/* A broken pipe shows when reading: an answer may have come before it. */
static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	scp__link_stream *s = arg;

	(void)fd;
	(void)what;
	if (link_connect_send(s) != SCP_EAGAIN)
		(void)event_del(s->writable);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	scp__link_stream *s = arg;
	scp_error err;

	(void)fd;
	(void)what;
	s->spoilt = true;
	if (s->result) {
		leave(s);
		return;
	}
	(void)scp__fail(
	    &err, SCP_EUNAVAIL, "the executor in %s didn't answer within %u ms", s->container, s->link->answer_ms);
	finish(s, SCP_EUNAVAIL, &err);
}

static bool make_events(scp__link_stream *s)
{
	struct event_base *base = s->link->base;

	s->readable = event_new(base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(base, s->fd, EV_WRITE | EV_PERSIST, on_writable, s);
	s->deadline = evtimer_new(base, on_deadline, s);
	if (!s->readable || !s->writable || !s->deadline || event_add(s->readable, NULL))
		return false;
	if (s->sent < s->head_len + s->body.len && event_add(s->writable, NULL))
		return false;
	set_deadline(s, s->link->answer_ms);
	return true;
}

static void enlist(scp__link_stream *s)
{
	scp__link *link = s->link;

	if (s->prev)
		return;
	atomic_fetch_add(&s->refs, 1);
	s->next = link->streams;
	s->prev = &link->streams;
	if (s->next)
		s->next->prev = &s->next;
	link->streams = s;
}

static void start(scp__link_stream *s)
{
	scp_error err = s->connect_err;

	s->connecting = false;
	enlist(s);
	if (link_stream_is_closed(s))
		leave(s);
	else if (s->fd < 0)
		finish(s, err.status, &err);
	else if (!make_events(s))
		finish(s, scp__nomem(&err), &err);
}

static void resume(scp__link_stream *s)
{
	if (s->fd < 0 || s->result || atomic_load(&s->paused))
		return;
	if (event_add(s->readable, NULL))
		return;
	advance(s);
}

static void obey(scp__link_stream *s, unsigned pending)
{
	if (pending & LINK_START)
		start(s);
	/* Whoever started may be over already. A pool's job brings a closed one back as another LINK_START. */
	if (!s->prev || s->connecting)
		return;
	if ((pending & LINK_ABORT) && !s->result)
		leave(s);
	else if (pending & LINK_RESUME)
		resume(s);
}

void link_loop_queue(scp__link_stream *s, unsigned what)
{
	scp__link *link = s->link;
	uint64_t one = 1;
	bool wake;

	pthread_mutex_lock(&link->lock);
	wake = !link->queue;
	s->pending |= what;
	if (!s->queued) {
		atomic_fetch_add(&s->refs, 1);
		s->queued = true;
		s->queue_next = NULL;
		*link->queue_end = s;
		link->queue_end = &s->queue_next;
	}
	pthread_mutex_unlock(&link->lock);
	if (wake)
		(void)!write(link->wake_fd, &one, sizeof(one));
}

/* The next of the queue, with the queue's reference; NULL: it is empty. */
static scp__link_stream *take(scp__link *link, unsigned *pending)
{
	scp__link_stream *s;

	pthread_mutex_lock(&link->lock);
	s = link->queue;
	if (s) {
		link->queue = s->queue_next;
		if (!link->queue)
			link->queue_end = &link->queue;
		*pending = s->pending;
		s->pending = 0;
		s->queued = false;
	}
	pthread_mutex_unlock(&link->lock);
	return s;
}

static void obey_all(scp__link *link)
{
	scp__link_stream *s;
	unsigned pending;

	while ((s = take(link, &pending))) {
		obey(s, pending);
		link_stream_unref(s);
	}
}

static void end_all(scp__link *link)
{
	scp_error err;

	(void)scp__fail(&err, SCP_ECLOSED, "the plane is closing");
	while (link->streams) {
		link->streams->spoilt = true;
		finish(link->streams, SCP_ECLOSED, &err);
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	scp__link *link = arg;
	uint64_t count;
	bool stopping;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	pthread_mutex_lock(&link->lock);
	stopping = link->stopping;
	pthread_mutex_unlock(&link->lock);
	obey_all(link);
	if (stopping)
		(void)event_base_loopbreak(link->base);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	link_keep_sweep(arg, scp__mono_us() - LINK_KEEP_US);
}

static void *loop(void *arg)
{
	scp__link *link = arg;

	(void)event_base_dispatch(link->base);
	end_all(link);
	obey_all(link); /* what the last call-backs asked for */
	return NULL;
}

/* Without libevent's locks: nothing but this thread touches the base while it runs. */
static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static bool make_loop(scp__link *link)
{
	struct timeval every = { .tv_sec = LINK_SWEEP_S };

	link->base = make_base();
	if (!link->base)
		return false;
	link->wake = event_new(link->base, link->wake_fd, EV_READ | EV_PERSIST, on_wake, link);
	link->sweep = event_new(link->base, -1, EV_PERSIST, on_sweep, link);
	return link->wake && link->sweep && !event_add(link->wake, NULL) && !event_add(link->sweep, &every);
}

static void unmake_loop(scp__link *link)
{
	free_event(&link->wake);
	free_event(&link->sweep);
	if (link->base)
		event_base_free(link->base);
	link->base = NULL;
	close(link->wake_fd);
}

scp_status link_loop_start(scp__link *link, scp_error *err)
{
	scp_status rc;

	link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->wake_fd < 0)
		return scp__fail_errno(err, errno, "eventfd");
	rc = make_loop(link) ? scp__thread_start(&link->thread, "scp-link", loop, link, err) : scp__nomem(err);
	if (rc)
		unmake_loop(link);
	return rc;
}

void link_loop_stop(scp__link *link)
{
	uint64_t one = 1;

	pthread_mutex_lock(&link->lock);
	link->stopping = true;
	pthread_mutex_unlock(&link->lock);
	(void)!write(link->wake_fd, &one, sizeof(one));
	(void)pthread_join(link->thread, NULL);
	unmake_loop(link);
}
