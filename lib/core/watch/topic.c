/*
 * Topics: what happens to an execution (or when a session leaves "creating"), for those who watch. A topic is there
 * while somebody drives, watches or waits. Subscriptions are delivered by jobs; a wait is a call-back. Neither holds a
 * thread.
 *
 * Locks: topics->lock, then topic->lock. Nothing else is called with either held.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "events.h"
#include "plane.h"

enum { RESULT_RETRY_MS = 500 };

struct waiter {
	struct waiter *next;
	int64_t deadline_mono_us;
	scp__wake_fn *wake;
	void *arg;
};

struct scp__topics {
	scp__core *core;
	pthread_mutex_t lock;
	scp__map *map;
	bool closed;
};

struct scp__topic {
	char id[SCP__ID_SIZE];
	scp__topics *topics;
	unsigned refs; /* under topics->lock */
	pthread_mutex_t lock;
	scp__events events;
	bool driven; /* events are what there is; else the database is asked when it is over */
	bool over;
	uint64_t final_seq;
	scp_subscription *subscriptions;
	struct waiter *waiters;
};

struct scp_subscription {
	scp_subscription *next;
	scp__core *core;
	scp__topic *topic;
	scp_execution_event_fn *fn;
	void *user;
	uint64_t after;
	bool paused, scheduled, closed, finished;
	bool calling;
	pthread_t thread; /* that calls */
	pthread_cond_t quiet;
	unsigned refs; /* the caller's and the job's; under topic->lock */
};

scp_status scp__topics_new(scp__topics **out, scp__core *core, scp_error *err)
{
	scp__topics *t = calloc(1, sizeof(*t));

	*out = NULL;
	if (t)
		t->map = scp__map_new();
	if (!t || !t->map) {
		free(t);
		return scp__nomem(err);
	}
	t->core = core;
	pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return SCP_OK;
}

void scp__topics_free(scp__topics *t)
{
	if (!t)
		return;
	scp__map_free(t->map);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static scp__topic *topic_new(scp__topics *t, const char *id)
{
	scp__topic *topic = calloc(1, sizeof(*topic));

	if (!topic)
		return NULL;
	snprintf(topic->id, sizeof(topic->id), "%s", id);
	topic->topics = t;
	pthread_mutex_init(&topic->lock, NULL);
	scp__events_init(&topic->events);
	return topic;
}

static void topic_free(scp__topic *topic)
{
	scp__events_free(&topic->events);
	pthread_mutex_destroy(&topic->lock);
	free(topic);
}

scp__topic *scp__topic_get(scp__topics *t, const char *id)
{
	scp__topic *topic;

	pthread_mutex_lock(&t->lock);
	topic = scp__map_get(t->map, id);
	if (!topic) {
		topic = topic_new(t, id);
		if (topic && !scp__map_put(t->map, id, topic)) {
			topic_free(topic);
			topic = NULL;
		}
	}
	if (topic)
		topic->refs++;
	pthread_mutex_unlock(&t->lock);
	return topic;
}

static scp__topic *topic_find(scp__topics *t, const char *id)
{
	scp__topic *topic;

	pthread_mutex_lock(&t->lock);
	topic = scp__map_get(t->map, id);
	if (topic)
		topic->refs++;
	pthread_mutex_unlock(&t->lock);
	return topic;
}

void scp__topic_put(scp__topic *topic)
{
	scp__topics *t;
	bool last;

	if (!topic)
		return;
	t = topic->topics;
	pthread_mutex_lock(&t->lock);
	last = !--topic->refs;
	if (last)
		scp__map_remove(t->map, topic->id);
	pthread_mutex_unlock(&t->lock);
	if (last)
		topic_free(topic);
}

/* ---- delivery ---- */

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

/* Copy the next event out, so that nothing is held while the host looks at it. False: nothing to do now. */
static bool next_event(scp_subscription *s, scp_execution_event *event, scp__buf *bytes, bool *result)
{
	scp__topic *topic = s->topic;
	size_t i = scp__events_after(&topic->events, s->after);

	*result = false;
	if (s->paused || s->closed || s->finished)
		return false;
	if (i < topic->events.count) {
		const scp__event *v = &topic->events.list[i];

		scp__buf_clear(bytes);
		if (scp__buf_append(bytes, topic->events.bytes.data + v->offset, v->len))
			return false;
		*event = (scp_execution_event){ v->seq, (scp_event_kind)v->kind, bytes->data, v->len, NULL };
		return true;
	}
	*result = topic->over;
	return topic->over;
}

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

/* The last event carries the result, read when it is wanted. */
static void call_result(scp_subscription *s, bool *again)
{
	scp__topic *topic = s->topic;
	scp__execution *e = NULL;
	scp_execution_event event = { .kind = SCP_EVENT_RESULT };

	pthread_mutex_unlock(&topic->lock);
	if (scp__execution_load(s->core, topic->id, SCP__LOAD_CODE | SCP__LOAD_RESULT, &e, NULL))
		e = NULL;
	pthread_mutex_lock(&topic->lock);
	if (!e || !e->pub.result || s->closed || s->paused) {
		*again = !s->closed && !s->paused;
		if (e)
			scp_execution_free(&e->pub);
		return;
	}
	event.seq = e->seq > s->after ? e->seq : s->after + 1;
	event.execution = &e->pub;
	event.data = e->pub.result;
	event.len = e->pub.result ? strlen(e->pub.result) : 0;
	s->finished = true;
	call(s, &event);
	pthread_mutex_unlock(&topic->lock);
	scp_execution_free(&e->pub);
	pthread_mutex_lock(&topic->lock);
}

static void drop_delivery(void *arg)
{
	subscription_unref(arg);
}

static void deliver(void *arg);

/* The database couldn't say how it ended: asked again. */
static void deliver_later(void *arg)
{
	scp_subscription *s = arg;

	scp__callbacks_post(s->core->callbacks, deliver, s);
}

static void deliver(void *arg)
{
	scp_subscription *s = arg;
	scp__topic *topic = s->topic;
	scp_execution_event event;
	scp__buf bytes;
	bool result, again = false;

	scp__buf_init(&bytes, SCP__RECORD_MAX);
	pthread_mutex_lock(&topic->lock);
	while (next_event(s, &event, &bytes, &result)) {
		if (!result) {
			call(s, &event);
			continue;
		}
		call_result(s, &again);
		break;
	}
	s->scheduled = again;
	pthread_mutex_unlock(&topic->lock);
	scp__buf_free(&bytes);
	if (!again || scp__pool_submit_after(s->core->fast, RESULT_RETRY_MS, deliver_later, s, drop_delivery))
		drop_delivery(s);
}

/* With topic->lock held. Returns the subscription to post once it is released, or NULL. */
static scp_subscription *schedule(scp_subscription *s)
{
	if (s->scheduled || s->paused || s->closed || s->finished)
		return NULL;
	s->scheduled = true;
	s->refs++;
	return s;
}

enum { POST_BATCH = 32 };

/* Wake the subscribers in batches, without holding the topic's lock while posting. */
static void publish(scp__topic *topic)
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

/* ---- the run's side ---- */

scp_status scp__topic_append(scp__topic *topic, scp_event_kind kind, uint64_t seq, const void *data, size_t len)
{
	scp_status rc;

	pthread_mutex_lock(&topic->lock);
	rc = scp__events_append(&topic->events, kind, seq, data, len);
	pthread_mutex_unlock(&topic->lock);
	publish(topic);
	return rc;
}

void scp__topic_new_attempt(scp__topic *topic)
{
	pthread_mutex_lock(&topic->lock);
	topic->events.attempt = topic->events.count;
	pthread_mutex_unlock(&topic->lock);
}

void scp__topic_drive(scp__topic *topic, bool driven)
{
	pthread_mutex_lock(&topic->lock);
	topic->driven = driven;
	pthread_mutex_unlock(&topic->lock);
}

scp_status scp__topic_output(scp__topic *topic, scp__buf *out, scp__buf *err_out, scp__buf *index)
{
	scp_status rc;

	pthread_mutex_lock(&topic->lock);
	rc = scp__events_store(&topic->events, out, err_out, index);
	pthread_mutex_unlock(&topic->lock);
	return rc;
}

/* An execution that ended where this process didn't see it: its events come from the database. */
static void load_history(scp__topic *topic)
{
	scp__events events;
	scp__execution *e;

	if (!scp__id_is_execution(topic->id))
		return;
	if (scp__execution_load(topic->topics->core, topic->id, SCP__LOAD_RESULT, &e, NULL))
		return;
	scp__events_init(&events);
	if (!scp__events_load(
		&events, e->index, e->index_len, e->pub.out, e->pub.out_len, e->pub.err, e->pub.err_len, e->seq)) {
		pthread_mutex_lock(&topic->lock);
		if (!topic->driven && !topic->events.count) {
			scp__events old = topic->events;

			topic->events = events;
			events = old;
		}
		pthread_mutex_unlock(&topic->lock);
	}
	scp__events_free(&events);
	scp_execution_free(&e->pub);
}

static void wake_all(struct waiter *w, scp_status status)
{
	struct waiter *next;

	for (; w; w = next) {
		next = w->next;
		w->wake(w->arg, status);
		free(w);
	}
}

void scp__topic_over(scp__topic *topic)
{
	struct waiter *waiters;
	bool history;

	pthread_mutex_lock(&topic->lock);
	history = !topic->driven && !topic->over && topic->subscriptions;
	pthread_mutex_unlock(&topic->lock);
	if (history)
		load_history(topic);
	pthread_mutex_lock(&topic->lock);
	topic->over = true;
	waiters = topic->waiters;
	topic->waiters = NULL;
	pthread_mutex_unlock(&topic->lock);
	wake_all(waiters, SCP_OK);
	publish(topic);
}

void scp__topics_over(scp__topics *t, const char *id)
{
	scp__topic *topic = topic_find(t, id);

	if (!topic)
		return;
	scp__topic_over(topic);
	scp__topic_put(topic);
}

/* ---- waiting ---- */

struct gather {
	scp__ids *ids;
	int64_t mono_us;
	struct waiter *late;
	bool all;
};

static void take_late(scp__topic *topic, struct gather *g)
{
	struct waiter **link = &topic->waiters, *w;

	while ((w = *link)) {
		if (!g->all && (!w->deadline_mono_us || w->deadline_mono_us > g->mono_us)) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		w->next = g->late;
		g->late = w;
	}
}

static void add_id(scp__ids *ids, const char *id)
{
	if (ids->count == ids->capacity) {
		size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
		void *grown = realloc(ids->ids, capacity * sizeof(*ids->ids));

		if (!grown)
			return; /* asked for at the next tick */
		ids->ids = grown;
		ids->capacity = capacity;
	}
	snprintf(ids->ids[ids->count++], SCP__ID_SIZE, "%s", id);
}

static void tick_one(void *user, const char *id, void *value)
{
	struct gather *g = user;
	scp__topic *topic = value;

	pthread_mutex_lock(&topic->lock);
	take_late(topic, g);
	if (g->ids && !topic->driven && !topic->over && (topic->waiters || topic->subscriptions) &&
	    scp__id_is_execution(id))
		add_id(g->ids, id);
	pthread_mutex_unlock(&topic->lock);
}

void scp__topics_tick(scp__topics *t, int64_t mono_us, scp__ids *strange)
{
	struct gather g = { strange, mono_us, NULL, false };

	pthread_mutex_lock(&t->lock);
	scp__map_each(t->map, tick_one, &g);
	pthread_mutex_unlock(&t->lock);
	wake_all(g.late, SCP_ETIMEDOUT);
}

void scp__topics_close(scp__topics *t)
{
	struct gather g = { NULL, 0, NULL, true };

	pthread_mutex_lock(&t->lock);
	t->closed = true;
	scp__map_each(t->map, tick_one, &g);
	pthread_mutex_unlock(&t->lock);
	wake_all(g.late, SCP_ECLOSED);
}

/* A wait holds a reference to its topic: dropped by the wake. */
struct wait {
	scp__topic *topic;
	scp__wake_fn *wake;
	void *arg;
};

static void wake_and_put(void *arg, scp_status status)
{
	struct wait *w = arg;
	scp__topic *topic = w->topic;

	w->wake(w->arg, status);
	free(w);
	scp__topic_put(topic);
}

static struct waiter *waiter_new(scp__topic *topic, int64_t deadline_mono_us, scp__wake_fn *wake, void *arg)
{
	struct waiter *w = malloc(sizeof(*w));
	struct wait *inner = malloc(sizeof(*inner));

	if (!w || !inner) {
		free(w);
		free(inner);
		return NULL;
	}
	*inner = (struct wait){ topic, wake, arg };
	*w = (struct waiter){ NULL, deadline_mono_us, wake_and_put, inner };
	return w;
}

scp_status scp__topic_wait(
    scp__topics *t, const char *id, int64_t deadline_mono_us, scp__wake_fn *wake, void *arg, scp_error *err)
{
	scp__topic *topic = scp__topic_get(t, id);
	struct waiter *w = topic ? waiter_new(topic, deadline_mono_us, wake, arg) : NULL;
	bool closed;

	if (!w) {
		scp__topic_put(topic);
		return scp__nomem(err);
	}
	pthread_mutex_lock(&t->lock);
	closed = t->closed;
	if (!closed) {
		pthread_mutex_lock(&topic->lock);
		w->next = topic->waiters;
		topic->waiters = w;
		pthread_mutex_unlock(&topic->lock);
	}
	pthread_mutex_unlock(&t->lock);
	if (!closed)
		return SCP_OK;
	free(w->arg);
	free(w);
	scp__topic_put(topic);
	return scp__fail(err, SCP_ECLOSED, "the plane is closing");
}

static struct waiter *take_waiter(scp__topic *topic, const void *arg)
{
	struct waiter *w = NULL;

	pthread_mutex_lock(&topic->lock);
	for (struct waiter **link = &topic->waiters; *link; link = &(*link)->next) {
		if (((struct wait *)(*link)->arg)->arg != arg)
			continue;
		w = *link;
		*link = w->next;
		break;
	}
	pthread_mutex_unlock(&topic->lock);
	return w;
}

bool scp__topic_unwait(scp__topics *t, const char *id, const void *arg)
{
	scp__topic *topic = topic_find(t, id);
	struct waiter *w;

	if (!topic)
		return false;
	w = take_waiter(topic, arg);
	scp__topic_put(topic);
	if (!w)
		return false;
	free(w->arg);
	free(w);
	scp__topic_put(topic);
	return true;
}

struct here {
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool done;
	scp_status status;
};

static void wake_here(void *arg, scp_status status)
{
	struct here *h = arg;

	pthread_mutex_lock(&h->lock);
	h->done = true;
	h->status = status;
	pthread_cond_signal(&h->woken);
	pthread_mutex_unlock(&h->lock);
}

scp_status scp__topic_wait_here(scp__core *core, const char *id, uint32_t wait_ms, scp__look_fn *look, scp_error *err)
{
	struct here h = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, SCP_OK };
	bool over = false;
	scp_status rc;

	rc = scp__topic_wait(core->topics, id, scp__mono_us() + (int64_t)wait_ms * 1000, wake_here, &h, err);
	if (rc)
		return rc;
	rc = look(core, id, &over, err);
	if ((rc || over) && scp__topic_unwait(core->topics, id, &h))
		return rc;
	pthread_mutex_lock(&h.lock);
	while (!h.done)
		pthread_cond_wait(&h.woken, &h.lock);
	pthread_mutex_unlock(&h.lock);
	if (rc)
		return rc;
	return h.status == SCP_ECLOSED ? scp__fail(err, SCP_ECLOSED, "the plane is closing") : h.status;
}

/* ---- subscriptions ---- */

static void subscription_add(scp_subscription *s)
{
	scp__topic *topic = s->topic;

	pthread_mutex_lock(&topic->lock);
	s->next = topic->subscriptions;
	topic->subscriptions = s;
	pthread_mutex_unlock(&topic->lock);
}

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

static scp_status subscribe(scp_subscription **out, scp_plane *plane, const char *id, uint64_t after,
    scp_execution_event_fn *fn, void *user, scp_error *err)
{
	scp__execution *e;
	scp_subscription *s;
	scp_status rc;

	rc = scp__execution_load(plane->core, id, 0, &e, err);
	if (rc)
		return rc;
	scp_execution_free(&e->pub);
	s = subscription_new(plane->core, id, after, fn, user);
	if (!s)
		return scp__nomem(err);
	*out = s;
	subscription_add(s);
	/* Looked at again now that nothing can be missed. */
	rc = scp__execution_load(plane->core, id, 0, &e, err);
	if (!rc && e->pub.result)
		scp__topic_over(s->topic);
	else
		publish(s->topic);
	if (!rc)
		scp_execution_free(&e->pub);
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
	scp_subscription *post;

	pthread_mutex_lock(&s->topic->lock);
	s->paused = false;
	post = schedule(s);
	pthread_mutex_unlock(&s->topic->lock);
	if (post)
		scp__callbacks_post(s->core->callbacks, deliver, s);
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
