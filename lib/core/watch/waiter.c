/* Waiting for a topic to be over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "topic.h"

void scp__waiters_wake(scp__waiter *w, scp_status status)
{
	scp__waiter *next;
	scp__topic *topic;

	for (; w; w = next) {
		next = w->next;
		topic = w->topic;
		w->wake(w->arg, status);
		free(w);
		scp__topic_put(topic);
	}
}

/* ---- the clock ---- */

struct gather {
	scp__ids *ids;
	int64_t mono_us;
	scp__waiter *late;
	bool all;
};

static void take_late(scp__topic *topic, struct gather *g)
{
	scp__waiter **link = &topic->waiters, *w;

	while ((w = *link)) {
		if (!g->all && w->deadline_mono_us > g->mono_us) {
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
	topic->closed |= g->all;
	if (g->ids && !topic->driven && !topic->over && (topic->waiters || topic->subscriptions))
		add_id(g->ids, id);
	pthread_mutex_unlock(&topic->lock);
}

void scp__topics_tick(scp__topics *t, int64_t mono_us, scp__ids *strange)
{
	struct gather g = { strange, mono_us, NULL, false };

	pthread_mutex_lock(&t->lock);
	scp__map_each(t->map, tick_one, &g);
	pthread_mutex_unlock(&t->lock);
	scp__waiters_wake(g.late, SCP_ETIMEDOUT);
}

void scp__topics_close(scp__topics *t)
{
	struct gather g = { NULL, 0, NULL, true };

	pthread_mutex_lock(&t->lock);
	t->closed = true;
	scp__map_each(t->map, tick_one, &g);
	pthread_mutex_unlock(&t->lock);
	scp__waiters_wake(g.late, SCP_ECLOSED);
}

/* ---- to wait and to wait no more ---- */

static bool enlist(scp__topics *t, scp__waiter *w)
{
	scp__topic *topic = w->topic;
	bool closed;

	pthread_mutex_lock(&t->lock);
	closed = t->closed;
	if (!closed) {
		pthread_mutex_lock(&topic->lock);
		w->next = topic->waiters;
		topic->waiters = w;
		pthread_mutex_unlock(&topic->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return !closed;
}

scp_status scp__topic_wait(
    scp__topics *t, const char *id, int64_t deadline_mono_us, scp__wake_fn *wake, void *arg, scp_error *err)
{
	scp__topic *topic = scp__topic_get(t, id);
	scp__waiter *w = topic ? malloc(sizeof(*w)) : NULL;

	if (!w) {
		scp__topic_put(topic);
		return scp__nomem(err);
	}
	*w = (scp__waiter){ NULL, topic, deadline_mono_us, wake, arg };
	if (enlist(t, w))
		return SCP_OK;
	free(w);
	scp__topic_put(topic);
	return scp__fail(err, SCP_ECLOSED, "the plane is closing");
}

static scp__waiter *take_waiter(scp__topic *topic, const void *arg)
{
	scp__waiter *w = NULL;

	pthread_mutex_lock(&topic->lock);
	for (scp__waiter **link = &topic->waiters; *link; link = &(*link)->next) {
		if ((*link)->arg != arg)
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
	scp__topic *topic = scp__topic_find(t, id);
	scp__waiter *w;

	if (!topic)
		return false;
	w = take_waiter(topic, arg);
	scp__topic_put(topic);
	if (!w)
		return false;
	free(w);
	scp__topic_put(topic);
	return true;
}

/* ---- here ---- */

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

/* Until it was woken, or the time is up and nobody is about to wake it. */
static scp_status sleep_here(scp__core *core, const char *id, struct here *h, int64_t deadline_us, bool no_longer)
{
	struct timespec until = { deadline_us / 1000000, deadline_us % 1000000 * 1000 };
	int e = no_longer ? ETIMEDOUT : 0;

	pthread_mutex_lock(&h->lock);
	while (!h->done && !e)
		e = pthread_cond_clockwait(&h->woken, &h->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&h->lock);
	if (e && scp__topic_unwait(core->topics, id, h))
		return SCP_ETIMEDOUT;
	pthread_mutex_lock(&h->lock);
	while (!h->done)
		pthread_cond_wait(&h->woken, &h->lock);
	pthread_mutex_unlock(&h->lock);
	return h->status;
}

scp_status scp__topic_wait_here(scp__core *core, const char *id, uint32_t wait_ms, scp__look_fn *look, scp_error *err)
{
	struct here h = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, SCP_OK };
	int64_t deadline = scp__mono_us() + (int64_t)wait_ms * 1000;
	bool over = false;
	scp_status rc, how;

	rc = scp__topic_wait(core->topics, id, INT64_MAX, wake_here, &h, err);
	if (rc)
		return rc;
	rc = look(core, id, &over, err);
	how = sleep_here(core, id, &h, deadline, rc || over);
	if (rc || over)
		return rc;
	return how == SCP_ECLOSED ? scp__fail(err, SCP_ECLOSED, "the plane is closing") : how;
}
