/* A run and the link. The link's thread only queues what it gets; one job at a time works a run's queue off, so that
 * records of one execution stay in order and whatever the job has needs no lock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "run.h"

enum { QUEUE_HIGH_BYTES = 1 << 20, ENV_MAX = 256 };

/* ---- the queue ---- */

static scp__item *item_new(scp__item_kind kind, const scp__record *record, scp_status status)
{
	size_t len = record ? record->len : 0;
	scp__item *item = malloc(sizeof(*item) + len + 1);

	if (!item)
		return NULL;
	*item = (scp__item){ .kind = kind, .status = status };
	if (record) {
		item->record = *record;
		item->record.data = item->data;
		memcpy(item->data, record->data ? record->data : "", len);
	}
	item->data[len] = 0;
	return item;
}

/* With the lock held: true if the caller is to start the job, and has a reference for it. */
static bool schedule(scp__run *run)
{
	if (run->scheduled)
		return false;
	run->scheduled = true;
	run->refs++;
	return true;
}

/* What can't be started now is with the next thing that is pushed: a heartbeat at the latest. */
static void start_job(scp__run *run)
{
	if (!scp__pool_submit(run->core->fast, scp__run_drain, run))
		return;
	pthread_mutex_lock(&run->lock);
	run->scheduled = false;
	pthread_mutex_unlock(&run->lock);
	scp__run_unref(run);
}

void scp__run_push(scp__run *run, scp__item_kind kind, const scp__record *record, scp_status status)
{
	scp__item *item = item_new(kind, record, status);
	scp__link_stream *pause = NULL;
	bool post;

	pthread_mutex_lock(&run->lock);
	/* Behind a record that is missing nothing may be taken: the executor has it all still. */
	if (!item || (run->lossy && kind <= SCP__ITEM_END)) {
		run->lossy = true;
		free(item);
	} else {
		*run->last = item;
		run->last = &item->next;
		run->queued_bytes += sizeof(*item) + item->record.len;
		if (kind == SCP__ITEM_RECORD && scp__record_is(&item->record, SCP__EVENT_RESULT))
			atomic_store(&run->has_result, true);
	}
	post = schedule(run);
	if (run->queued_bytes > QUEUE_HIGH_BYTES && !run->paused && run->stream) {
		run->paused = true;
		pause = run->stream;
	}
	pthread_mutex_unlock(&run->lock);
	/* It can't be freed under us: who closes it waits for the call-back that this is. */
	if (pause)
		scp__link_stream_pause(pause);
	if (post)
		start_job(run);
}

struct delayed {
	scp__run *run;
	scp__item_kind kind;
};

static void drop_delayed(void *arg)
{
	struct delayed *d = arg;

	scp__run_unref(d->run);
	free(d);
}

static void push_delayed(void *arg)
{
	struct delayed *d = arg;

	scp__run_push(d->run, d->kind, NULL, SCP_OK);
	drop_delayed(d);
}

/* If there is no memory for it, the run falls silent, which upkeep sees. */
void scp__run_push_later(scp__run *run, scp__item_kind kind, uint32_t delay_ms)
{
	struct delayed *d = malloc(sizeof(*d));

	if (!d)
		return;
	*d = (struct delayed){ run, kind };
	scp__run_ref(run);
	if (scp__pool_submit_after(run->core->fast, delay_ms, push_delayed, d, drop_delayed))
		drop_delayed(d);
}

static void on_record(void *user, const scp__record *record)
{
	scp__run *run = user;

	atomic_store(&run->heard_mono_us, scp__mono_us());
	scp__run_push(run, SCP__ITEM_RECORD, record, SCP_OK);
}

static void on_end(void *user, scp_status status, const scp_error *err)
{
	(void)err;
	scp__run_push(user, SCP__ITEM_END, NULL, status);
}

static const scp__link_handler handler = { on_record, on_end };

/* ---- sending and attaching ---- */

void scp__run_stream_known(scp__run *run, scp__link_stream *stream)
{
	bool closed;

	pthread_mutex_lock(&run->lock);
	run->borrowed = false;
	closed = run->closed;
	if (!closed)
		run->stream = stream;
	pthread_mutex_unlock(&run->lock);
	if (closed)
		scp__link_stream_close(stream);
}

static void begin_stream(scp__run *run)
{
	scp__link_stream *old;

	pthread_mutex_lock(&run->lock);
	old = run->stream;
	run->stream = NULL;
	run->borrowed = true;
	run->paused = false;
	pthread_mutex_unlock(&run->lock);
	scp__link_stream_close(old);
	pthread_mutex_lock(&run->lock);
	run->lossy = false; /* nothing more comes from the old one */
	pthread_mutex_unlock(&run->lock);
	run->out_of_place = false;
	atomic_store(&run->heard_mono_us, scp__mono_us());
}

struct merged_env {
	scp_pair pairs[ENV_MAX];
	size_t count;
};

/* The session's variables, then the execution's over them. */
static void merge_env(struct merged_env *m, const scp_pair *env, size_t count)
{
	for (size_t i = 0; i < count && m->count < ENV_MAX; i++) {
		size_t k = 0;

		while (k < m->count && strcmp(m->pairs[k].name, env[i].name))
			k++;
		m->pairs[k] = env[i];
		if (k == m->count)
			m->count++;
	}
}

scp_status scp__run_send(scp__run *run, const scp__execution *e, const scp__session *s, scp_error *err)
{
	struct merged_env env = { .count = 0 };
	scp__link_run_request q = { 0 };
	scp__link_stream *stream = NULL;
	scp_status rc;

	merge_env(&env, s->env, s->env_count);
	merge_env(&env, e->env, e->env_count);
	q.execution_id = run->id;
	q.attempt = run->attempt;
	q.seq = e->seq;
	q.language = scp_language_name(e->pub.language);
	q.timeout_ms = run->timeout_ms;
	q.env = env.pairs;
	q.env_count = env.count;
	q.code = e->pub.code;
	q.code_len = e->pub.code_len;
	q.event_json = e->pub.event_json;
	q.stdin_data = e->stdin_data;
	q.stdin_len = e->stdin_len;
	q.request_id = e->request_id;
	begin_stream(run);
	rc = scp__link_run(run->core->link, &stream, run->rt, run->container_id, &q, &handler, run, err);
	scp__run_stream_known(run, stream);
	return rc;
}

scp_status scp__run_attach(scp__run *run, scp_error *err)
{
	scp__link_stream *stream = NULL;
	scp_status rc;

	begin_stream(run);
	rc = scp__link_attach(run->core->link, &stream, run->rt, run->container_id, run->id, run->attempt,
	    atomic_load(&run->seq), &handler, run, err);
	scp__run_stream_known(run, stream);
	return rc;
}

/* ---- the beginning ---- */

static bool fill(scp__run *run, const scp__execution *e, const scp__session *s)
{
	run->rt = s->pub.runtime_node ? scp__node_runtime(run->core, s->pub.runtime_node) : NULL;
	run->topic = scp__topic_get(run->core->topics, run->id);
	if (!run->rt || !run->topic || !s->pub.container_id)
		return false;
	snprintf(run->session_id, sizeof(run->session_id), "%s", s->pub.id);
	snprintf(run->container_id, sizeof(run->container_id), "%s", s->pub.container_id);
	snprintf(run->workspace_id, sizeof(run->workspace_id), "%s", s->workspace_id);
	snprintf(run->request_id, sizeof(run->request_id), "%s", e->request_id ? e->request_id : "");
	run->attempt = e->attempt;
	run->max_retries = e->pub.max_retries;
	run->timeout_ms = e->pub.timeout_s * 1000;
	run->epoch = e->epoch;
	run->ephemeral = s->pub.mode == SCP_EPHEMERAL;
	atomic_store(&run->seq, e->seq);
	atomic_store(&run->started_us, e->pub.started_us);
	run->started_stored = e->pub.status == SCP_EXECUTION_RUNNING;
	atomic_store(&run->deadline_us, e->deadline_us);
	atomic_store(&run->heard_mono_us, scp__mono_us());
	/* This thread is the job until the request is on its way. */
	pthread_mutex_lock(&run->lock);
	(void)schedule(run);
	pthread_mutex_unlock(&run->lock);
	scp__topic_drive(run->topic, true);
	atomic_store(&run->ready, true);
	return true;
}

/* What came meanwhile is for a thread of the pool. */
static void hand_over(scp__run *run)
{
	bool post;

	pthread_mutex_lock(&run->lock);
	post = run->first || run->lossy;
	run->scheduled = post;
	pthread_mutex_unlock(&run->lock);
	if (post)
		start_job(run);
	else
		scp__run_unref(run);
}

/* Before the code can run: what it does may be over before its "started" is seen. */
static void count_oom_kills(scp__run *run)
{
	scp_runtime_stats stats = { 0 };

	if (!scp__runtime_stats(run->rt, run->container_id, &stats, NULL))
		run->oom_kills = stats.oom_kills;
}

void scp__run_go(scp__run *run, const scp__execution *e, const scp__session *s)
{
	scp__core *core = run->core;
	scp_status rc;

	if (!fill(run, e, s)) {
		scp__run_close(run);
		scp__session_settle(core, s->pub.id);
		return;
	}
	count_oom_kills(run);
	if (e->pub.status == SCP_EXECUTION_RUNNING)
		rc = scp__run_attach(run, NULL);
	else
		rc = scp__run_send(run, e, s, NULL);
	if (rc)
		scp__run_push(run, SCP__ITEM_NOT_SENT, NULL, rc);
	else if (e->cancel_requested)
		scp__run_stop(run);
	hand_over(run);
}
