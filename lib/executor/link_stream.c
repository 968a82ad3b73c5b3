/* A stream's life: who owns it, and when a call-back of it may run. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_internal.h"

scp_status link_stream_new(scp__link_stream **out, scp__link *link, scp_runtime *rt, const char *container,
    const scp__link_handler *handler, void *user, scp_error *err)
{
	scp__link_stream *s;

	*out = NULL;
	if (!container || !*container || strlen(container) >= LINK_CONTAINER_SIZE)
		return scp__fail(err, SCP_EINVAL, "a container's name has 1 to %d bytes", LINK_CONTAINER_SIZE - 1);
	s = calloc(1, sizeof(*s));
	if (!s)
		return scp__nomem(err);
	atomic_init(&s->refs, 1);
	atomic_fetch_add(&link->refs, 1);
	s->link = link;
	s->rt = rt;
	strcpy(s->container, container);
	s->handler = handler;
	s->user = user;
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	scp__buf_init(&s->body, SCP__RECORD_MAX);
	scp__buf_init(&s->records, SCP__RECORD_MAX + SCP__RECORD_HEADER_MAX + LINK_READ);
	link_answer_reset(s);
	*out = s;
	return SCP_OK;
}

void link_stream_unref(scp__link_stream *s)
{
	scp__link *link = s->link;

	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->fd >= 0)
		close(s->fd);
	scp__buf_free(&s->body);
	scp__buf_free(&s->records);
	pthread_cond_destroy(&s->idle);
	pthread_mutex_destroy(&s->lock);
	free(s);
	link_unref(link);
}

bool link_stream_is_closed(scp__link_stream *s)
{
	bool closed;

	pthread_mutex_lock(&s->lock);
	closed = s->closed;
	pthread_mutex_unlock(&s->lock);
	return closed;
}

/* From here on a close from another thread waits. */
static bool enter(scp__link_stream *s, bool last)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	open = !s->closed && !s->over;
	s->running = open;
	s->over |= last;
	pthread_mutex_unlock(&s->lock);
	return open;
}

static bool leave(scp__link_stream *s)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	s->running = false;
	open = !s->closed;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	return open;
}

bool link_stream_deliver(scp__link_stream *s, const scp__record *record)
{
	if (!enter(s, false))
		return false;
	s->handler->record(s->user, record);
	return leave(s);
}

/* The call-back may close the stream: the caller holds a reference of its own. */
void link_stream_end(scp__link_stream *s, scp_status status, const scp_error *err)
{
	if (!enter(s, true))
		return;
	s->handler->end(s->user, status, err);
	(void)leave(s);
}

void scp__link_stream_pause(scp__link_stream *s)
{
	atomic_store(&s->paused, true);
}

void scp__link_stream_resume(scp__link_stream *s)
{
	if (atomic_exchange(&s->paused, false))
		link_loop_queue(s, LINK_RESUME);
}

void scp__link_stream_close(scp__link_stream *s)
{
	bool over;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->closed = true;
	while (s->running && !pthread_equal(pthread_self(), s->link->thread))
		pthread_cond_wait(&s->idle, &s->lock);
	over = s->over;
	pthread_mutex_unlock(&s->lock);
	/* One that is over lets go of its connection by itself, after the answer's last bytes. */
	if (!over)
		link_loop_queue(s, LINK_ABORT);
	link_stream_unref(s);
}
