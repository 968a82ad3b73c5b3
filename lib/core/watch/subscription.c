/* Subscriptions: each gets the events of its topic in order, by jobs, whatever the others do. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "topic.h"

enum { RETRY_MS = 500, TURN_EVENTS = 64, POST_BATCH = 32 };

static void subscription_unref(scp_subscription *s)
{
	scp__topic *topic = s->topic;
	bool last;

	pthread_mutex_lock(&topic->lock);
	last = !--s->refs;
	pthread_mutex_unlock(&topic->lock);
	if (!last)
		return;
	pthread_cond_destroy(&s->quiet);
	free(s);
	scp__topic_put(topic);
}

/* ---- what comes next ---- */

enum next { NOTHING, EVENT, HISTORY, RESULT, LATER };

/* With the lock held. An event is copied out, so that nothing is held while the host looks at it. */
static enum next next_of(scp_subscription *s, scp_execution_event *event, scp__buf *bytes)
{
	scp__topic *topic = s->topic;
	size_t i = scp__events_after(&topic->events, s->after);
	const scp__event *v;

	if (s->paused || s->closed || s->finished || topic->closed)
		return NOTHING;
	if (topic->over && !topic->complete)
		return HISTORY;
	if (i == topic->events.count)
		return topic->over ? RESULT : NOTHING;
	v = &topic->events.list[i];
	scp__buf_clear(bytes);
	if (scp__buf_append(bytes, topic->events.bytes.data + v->offset, v->len))
		return LATER;
	*event = (scp_execution_event){ v->seq, (scp_event_kind)v->kind, bytes->data, v->len, NULL };
	return EVENT;
}

/* With the lock held, which is given up meanwhile. */
static void call(scp_subscription *s, const scp_execution_event *event)
{
	scp__topic *topic = s->topic;

	s->calling = true;
	s->thread = pthread_self();
	pthread_mutex_unlock(&topic->lock);
	s->fn(s->user, event);
	pthread_mutex_lock(&topic->lock);
	s->calling = false;
	s->after = event->seq;
	pthread_cond_broadcast(&s->quiet);
}

/* The last event carries the result, read when it is wanted. False: the database couldn't say how it ended. */
static bool call_result(scp_subscription *s)
{
	scp__topic *topic = s->topic;
	scp__execution *e = NULL;
	scp_execution_event event = { .kind = SCP_EVENT_RESULT };
	bool there;

	pthread_mutex_unlock(&topic->lock);
	there = !scp__execution_load(s->core, topic->id, SCP__LOAD_CODE | SCP__LOAD_RESULT, &e, NULL) && e->pub.result;
	pthread_mutex_lock(&topic->lock);
	if (there && !s->closed && !s->paused) {
		event.seq = e->seq > s->after ? e->seq : s->after + 1;
		event.execution = &e->pub;
		event.data = e->pub.result;
		event.len = strlen(e->pub.result);
		s->finished = true;
		call(s, &event);
	}
	pthread_mutex_unlock(&topic->lock);
	if (e)
		scp_execution_free(&e->pub);
	pthread_mutex_lock(&topic->lock);
	return there;
}

/* ---- an execution that ended where this process didn't see it ---- */

/* Behind what is there already: events of earlier attempts, or what came before another process took over. */
static scp_status merge(scp__topic *topic, const scp__events *from)
{
	scp__events *to = &topic->events;
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < from->count; i++) {
		const scp__event *v = &from->list[i];

		if (v->seq > scp__events_last(to))
			rc = scp__events_append(
			    to, (scp_event_kind)v->kind, v->seq, from->bytes.data + v->offset, v->len);
	}
	return rc;
}

static bool load_events(scp__topic *topic, scp__events *events)
{
	scp__execution *e;
	scp_status rc;

	if (scp__execution_load(topic->topics->core, topic->id, SCP__LOAD_RESULT, &e, NULL))
		return false;
	rc = scp__events_load(
	    events, e->index, e->index_len, e->pub.out, e->pub.out_len, e->pub.err, e->pub.err_len, e->seq);
	/* An index that doesn't fit its output is no reason to keep the output back. */
	if (rc == SCP_EBACKEND) {
		scp__events_free(events);
		scp__events_init(events);
		rc = scp__events_load(events, NULL, 0, e->pub.out, e->pub.out_len, e->pub.err, e->pub.err_len, e->seq);
	}
	scp_execution_free(&e->pub);
	return !rc;
}

/* With the lock held, which is given up meanwhile. False: later again. */
static bool load_history(scp__topic *topic)
{
	scp__events events;
	bool loaded;

	pthread_mutex_unlock(&topic->lock);
	scp__events_init(&events);
	loaded = load_events(topic, &events);
	pthread_mutex_lock(&topic->lock);
	if (loaded && !topic->complete)
		loaded = topic->complete = !merge(topic, &events);
	scp__events_free(&events);
	return loaded;
}

/* ---- the job ---- */

static void deliver(void *arg);

static void drop_delivery(void *arg)
{
	subscription_unref(arg);
}

static void deliver_later(void *arg)
{
	scp_subscription *s = arg;

	scp__callbacks_post(s->core->callbacks, deliver, s);
}

/* With the lock held. How it goes on: NOTHING, EVENT (others first, then again), LATER. */
static enum next turn(scp_subscription *s, scp__buf *bytes)
{
	scp_execution_event event;
	enum next next;

	for (unsigned n = 0; n < TURN_EVENTS; n++) {
		next = next_of(s, &event, bytes);
		if (next == EVENT)
			call(s, &event);
		else if (next == HISTORY && !load_history(s->topic))
			return LATER;
		else if (next == RESULT)
			return call_result(s) ? NOTHING : LATER;
		else if (next != HISTORY)
			return next;
	}
	return EVENT;
}

/* With the lock held: what was paused, resumed, closed during the last call-back is seen here. */
static enum next settle_turn(scp_subscription *s, enum next next)
{
	if (s->paused || s->closed || s->finished || s->topic->closed)
		next = NOTHING;
	s->scheduled = next != NOTHING;
	return next;
}

static void deliver(void *arg)
{
	scp_subscription *s = arg;
	scp__topic *topic = s->topic;
	scp__buf bytes;
	enum next next;

	scp__buf_init(&bytes, SCP__RECORD_MAX);
	pthread_mutex_lock(&topic->lock);
	next = turn(s, &bytes);
	/* Resumed while the result was being read. */
	if (next == NOTHING && topic->over)
		next = EVENT;
	next = settle_turn(s, next);
	/* Under the lock: as long as the topic isn't closed, the pool is there. */
	if (next == LATER && scp__pool_submit_after(s->core->fast, RETRY_MS, deliver_later, s, drop_delivery)) {
		s->scheduled = false;
		next = NOTHING;
	}
	pthread_mutex_unlock(&topic->lock);
	scp__buf_free(&bytes);
	if (next == EVENT)
		scp__callbacks_post(s->core->callbacks, deliver, s);
	else if (next == NOTHING)
		drop_delivery(s);
}

/* With topic->lock held. Returns the subscription to post once it is released, or NULL. */
static scp_subscription *schedule(scp_subscription *s)
{
	if (s->scheduled || s->paused || s->closed || s->finished || s->topic->closed)
		return NULL;
	s->scheduled = true;
	s->refs++;
	return s;
}

/* In batches, without holding the topic's lock while posting. */
void scp__topic_publish(scp__topic *topic)
{
	scp_subscription *batch[POST_BATCH];
	size_t count;

	do {
		count = 0;
		pthread_mutex_lock(&topic->lock);
		for (scp_subscription *s = topic->subscriptions; s && count < POST_BATCH; s = s->next)
			if (schedule(s))
				batch[count++] = s;
		pthread_mutex_unlock(&topic->lock);
		for (size_t i = 0; i < count; i++)
			scp__callbacks_post(batch[i]->core->callbacks, deliver, batch[i]);
	} while (count == POST_BATCH);
}

/* ---- the public functions ---- */

static scp_subscription *subscription_new(
    scp__core *core, const char *id, uint64_t after, scp_execution_event_fn *fn, void *user)
{
	scp_subscription *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->core = core;
	s->topic = scp__topic_get(core->topics, id);
	if (!s->topic) {
		free(s);
		return NULL;
	}
	s->fn = fn;
	s->user = user;
	s->after = after;
	s->refs = 1;
	pthread_cond_init(&s->quiet, NULL);
	return s;
}

static void subscription_add(scp_subscription *s)
{
	scp__topic *topic = s->topic;

	pthread_mutex_lock(&topic->lock);
	s->next = topic->subscriptions;
	topic->subscriptions = s;
	s->refs++; /* ours, until nothing of it is looked at any more: its first call-back may close it */
	pthread_mutex_unlock(&topic->lock);
}

static scp_status look(scp__core *core, const char *id, bool *over, scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, 0, &e, err);

	if (rc)
		return rc;
	*over = e->pub.result != NULL;
	scp_execution_free(&e->pub);
	return SCP_OK;
}

static scp_status subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err)
{
	scp_subscription *s;
	bool over = false;
	scp_status rc = look(plane->core, id, &over, err);

	if (rc)
		return rc;
	s = subscription_new(plane->core, id, after, fn, user);
	if (!s)
		return scp__nomem(err);
	*out = s;
	subscription_add(s);
	/* Looked at again now that nothing can be missed; where that fails, the next tick does. */
	if (!over)
		(void)look(plane->core, id, &over, NULL);
	if (over)
		scp__topic_over(s->topic);
	else
		scp__topic_publish(s->topic);
	subscription_unref(s);
	return SCP_OK;
}

scp_status scp_execution_subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err)
{
	scp_status rc;

	if (!out || !id || !fn)
		return scp__fail(err, SCP_EINVAL, "out, id and fn must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = subscribe(out, plane, id, after, fn, user, err);
	scp__leave(plane);
	return rc;
}

void scp_subscription_pause(scp_subscription *s)
{
	pthread_mutex_lock(&s->topic->lock);
	s->paused = true;
	pthread_mutex_unlock(&s->topic->lock);
}

void scp_subscription_resume(scp_subscription *s)
{
	scp__core *core = s->core;
	scp_subscription *post;

	pthread_mutex_lock(&s->topic->lock);
	s->paused = false;
	post = schedule(s);
	if (post)
		scp__hold(core); /* it isn't closed yet, and waits for us before it is gone */
	pthread_mutex_unlock(&s->topic->lock);
	if (!post)
		return;
	scp__callbacks_post(core->callbacks, deliver, post);
	scp__unhold(core);
}

void scp_subscription_close(scp_subscription *s)
{
	scp__topic *topic;

	if (!s)
		return;
	topic = s->topic;
	pthread_mutex_lock(&topic->lock);
	s->closed = true;
	for (scp_subscription **link = &topic->subscriptions; *link; link = &(*link)->next)
		if (*link == s) {
			*link = s->next;
			break;
		}
	while (s->calling && !pthread_equal(s->thread, pthread_self()))
		pthread_cond_wait(&s->quiet, &topic->lock);
	pthread_mutex_unlock(&topic->lock);
	subscription_unref(s);
}
