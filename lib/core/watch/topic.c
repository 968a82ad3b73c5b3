/*
 * Topics: what happens to an execution (or when a session leaves "creating"), for those who watch. A topic is there
 * while somebody drives, watches or waits. Subscriptions are delivered by jobs; a wait is a call-back. Neither holds a
 * thread.
 */
#include "topic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

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

static void topics_release(scp__topics *t)
{
	scp__map_free(t->map);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void scp__topics_free(scp__topics *t)
{
	bool last;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->freed = true;
	last = !scp__map_count(t->map);
	pthread_mutex_unlock(&t->lock);
	if (last)
		topics_release(t);
}

static scp__topic *topic_new(scp__topics *t, const char *id)
{
	scp__topic *topic = calloc(1, sizeof(*topic));

	if (!topic)
		return NULL;
	snprintf(topic->id, sizeof(topic->id), "%s", id);
	topic->topics = t;
	topic->closed = t->closed;
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

scp__topic *scp__topic_find(scp__topics *t, const char *id)
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
	bool last, all = false;

	if (!topic)
		return;
	t = topic->topics;
	pthread_mutex_lock(&t->lock);
	last = !--topic->refs;
	if (last) {
		scp__map_remove(t->map, topic->id);
		all = t->freed && !scp__map_count(t->map);
	}
	pthread_mutex_unlock(&t->lock);
	if (last)
		topic_free(topic);
	if (all)
		topics_release(t);
}

/* ---- the run's side ---- */

scp_status scp__topic_append(scp__topic *topic, scp_event_kind kind, uint64_t seq, const void *data, size_t len)
{
	scp_status rc = SCP_OK;

	pthread_mutex_lock(&topic->lock);
	/* What is there already came by another connection before. */
	if (seq > scp__events_last(&topic->events))
		rc = scp__events_append(&topic->events, kind, seq, data, len);
	pthread_mutex_unlock(&topic->lock);
	scp__topic_publish(topic);
	return rc;
}

uint64_t scp__topic_last_seq(scp__topic *topic)
{
	uint64_t last;

	pthread_mutex_lock(&topic->lock);
	last = scp__events_last(&topic->events);
	pthread_mutex_unlock(&topic->lock);
	return last;
}

bool scp__topic_has_started(scp__topic *topic)
{
	const scp__events *e = &topic->events;
	bool has = false;

	pthread_mutex_lock(&topic->lock);
	for (size_t i = e->attempt; !has && i < e->count && i < e->attempt + 2; i++)
		has = e->list[i].kind == SCP_EVENT_STATUS && e->bytes.data[e->list[i].offset] == 'r';
	pthread_mutex_unlock(&topic->lock);
	return has;
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

void scp__topic_over(scp__topic *topic)
{
	scp__waiter *waiters;

	pthread_mutex_lock(&topic->lock);
	topic->complete = topic->complete || (!topic->over && topic->driven);
	topic->over = true;
	waiters = topic->waiters;
	topic->waiters = NULL;
	pthread_mutex_unlock(&topic->lock);
	scp__waiters_wake(waiters, SCP_OK);
	scp__topic_publish(topic);
}

void scp__topics_over(scp__topics *t, const char *id)
{
	scp__topic *topic = scp__topic_find(t, id);

	if (!topic)
		return;
	scp__topic_over(topic);
	scp__topic_put(topic);
}
