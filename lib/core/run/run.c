/*
 * Driving an execution: send it, take its records, attach again when the connection breaks. The link's thread only
 * queues what it gets; one job at a time works a run's queue off, so that records of one execution stay in order.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "state.h"
#include "utf8.h"

enum {
	QUEUE_HIGH_BYTES = 1 << 20,
	ATTACH_TRIES = 5,
	ATTACH_WAIT_MS = 50,
	CANCEL_GRACE_US = 5000000,
	KILL_GRACE_US = 15000000,
};

/* Items that aren't records. */
#define STREAM_END "@end"
#define NOT_SENT "@not_sent"
#define ATTACH "@attach"

struct scp__item {
	struct scp__item *next;
	scp_status end; /* of the stream */
	scp__record record;
	char data[];
};

/* ---- life ---- */

scp__run *scp__run_reserve(scp__core *core, const char *execution_id)
{
	scp__run *run = calloc(1, sizeof(*run));
	bool taken;

	if (!run)
		return NULL;
	run->core = core;
	run->refs = 1;
	run->last = &run->first;
	snprintf(run->id, sizeof(run->id), "%s", execution_id);
	pthread_mutex_init(&run->lock, NULL);
	pthread_mutex_lock(&core->lock);
	taken = core->closing || scp__map_get(core->runs, execution_id) || !scp__map_put(core->runs, execution_id, run);
	pthread_mutex_unlock(&core->lock);
	if (!taken)
		return run;
	pthread_mutex_destroy(&run->lock);
	free(run);
	return NULL;
}

void scp__run_ref(scp__run *run)
{
	pthread_mutex_lock(&run->lock);
	run->refs++;
	pthread_mutex_unlock(&run->lock);
}

static void free_items(struct scp__item *item)
{
	while (item) {
		struct scp__item *next = item->next;

		free(item);
		item = next;
	}
}

void scp__run_unref(scp__run *run)
{
	bool last;

	pthread_mutex_lock(&run->lock);
	last = !--run->refs;
	pthread_mutex_unlock(&run->lock);
	if (!last)
		return;
	free_items(run->first);
	scp__topic_put(run->topic);
	pthread_mutex_destroy(&run->lock);
	free(run);
}

static void leave_map(scp__run *run)
{
	scp__core *core = run->core;

	pthread_mutex_lock(&core->lock);
	if (scp__map_get(core->runs, run->id) == run)
		scp__map_remove(core->runs, run->id);
	pthread_mutex_unlock(&core->lock);
}

void scp__run_close(scp__run *run)
{
	scp__link_stream *stream = NULL;
	bool first;

	pthread_mutex_lock(&run->lock);
	first = !run->closed;
	run->closed = true;
	if (!run->borrowed) {
		stream = run->stream;
		run->stream = NULL;
	}
	pthread_mutex_unlock(&run->lock);
	scp__link_stream_close(stream);
	if (!first)
		return;
	leave_map(run);
	scp__run_unref(run);
}

void scp__run_release(scp__run *run)
{
	if (run)
		scp__run_close(run);
}

scp__run *scp__run_find(scp__core *core, const char *id)
{
	scp__run *run;

	pthread_mutex_lock(&core->lock);
	run = scp__map_get(core->runs, id);
	if (run && !atomic_load(&run->ready))
		run = NULL;
	if (run)
		scp__run_ref(run);
	pthread_mutex_unlock(&core->lock);
	return run;
}

/* ---- the link's thread: queue ---- */

static void drain(void *arg);

static void enqueue(scp__run *run, const char *name, const scp__record *record, scp_status end)
{
	size_t len = record ? record->len : 0;
	struct scp__item *item = malloc(sizeof(*item) + len + 1);
	scp__link_stream *pause = NULL;
	bool post = false;

	if (!item)
		return; /* the executor keeps it; the next attach brings it again */
	item->next = NULL;
	item->end = end;
	item->record = (scp__record){ .seq = record ? record->seq : 0, .data = item->data, .len = len };
	snprintf(item->record.name, sizeof(item->record.name), "%s", name);
	if (len)
		memcpy(item->data, record->data, len);
	item->data[len] = 0;
	pthread_mutex_lock(&run->lock);
	*run->last = item;
	run->last = &item->next;
	run->queued_bytes += len;
	if (!run->scheduled) {
		run->scheduled = post = true;
		run->refs++;
	}
	if (run->queued_bytes > QUEUE_HIGH_BYTES && !run->paused && run->stream) {
		run->paused = true;
		pause = run->stream;
	}
	pthread_mutex_unlock(&run->lock);
	if (pause)
		scp__link_stream_pause(pause);
	if (post && scp__pool_submit(run->core->fast, drain, run))
		scp__run_unref(run); /* closing */
}

static void on_record(void *user, const scp__record *record)
{
	enqueue(user, record->name, record, SCP_OK);
}

static void on_end(void *user, scp_status status, const scp_error *err)
{
	(void)err;
	enqueue(user, STREAM_END, NULL, status);
}

static const scp__link_handler handler = { on_record, on_end };

/* ---- sending and attaching ---- */

static void stream_known(scp__run *run, scp__link_stream *stream)
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
	atomic_store(&run->heard_mono_us, scp__mono_us());
}

struct merged_env {
	scp_pair pairs[256];
	size_t count;
};

/* The session's variables, then the execution's over them. */
static void merge_env(struct merged_env *m, const scp_pair *env, size_t count)
{
	for (size_t i = 0; i < count && m->count < 256; i++) {
		size_t k = 0;

		while (k < m->count && strcmp(m->pairs[k].name, env[i].name))
			k++;
		m->pairs[k] = env[i];
		if (k == m->count)
			m->count++;
	}
}

static scp_status send_run(scp__run *run, const scp__execution *e, const scp__session *s, scp_error *err)
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
	stream_known(run, stream);
	return rc;
}

static scp_status attach(scp__run *run, uint64_t after, scp_error *err)
{
	scp__link_stream *stream = NULL;
	scp_status rc;

	begin_stream(run);
	rc = scp__link_attach(
	    run->core->link, &stream, run->rt, run->container_id, run->id, run->attempt, after, &handler, run, err);
	stream_known(run, stream);
	return rc;
}

static bool fill(scp__run *run, const scp__execution *e, const scp__session *s)
{
	run->rt = s->pub.runtime_node ? scp__node_runtime(run->core, s->pub.runtime_node) : NULL;
	run->topic = scp__topic_get(run->core->topics, run->id);
	if (!run->rt || !run->topic || !s->pub.container_id)
		return false;
	snprintf(run->session_id, sizeof(run->session_id), "%s", s->pub.id);
	snprintf(run->container_id, sizeof(run->container_id), "%s", s->pub.container_id);
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
	scp__topic_drive(run->topic, true);
	atomic_store(&run->ready, true);
	return true;
}

void scp__run_go(scp__run *run, const scp__execution *e, const scp__session *s)
{
	scp_error err = { 0 };
	scp_status rc;

	if (!fill(run, e, s)) {
		scp__run_close(run);
		return;
	}
	scp__run_ref(run);
	if (e->pub.status == SCP_EXECUTION_RUNNING)
		rc = attach(run, e->seq, &err);
	else
		rc = send_run(run, e, s, &err);
	if (!rc && e->cancel_requested)
		scp__run_cancel(run->core, run->id);
	if (rc)
		enqueue(run, NOT_SENT, NULL, rc);
	scp__run_unref(run);
}

/* ---- the job: records ---- */

static scp__log_ids ids_of(const scp__run *run)
{
	return (
	    scp__log_ids){ run->request_id[0] ? run->request_id : NULL, run->session_id, run->id, run->container_id };
}

static void take_output(scp__run *run, scp_event_kind kind, const scp__record *record)
{
	size_t which = kind == SCP_EVENT_STDERR;
	size_t carried = run->carry_len[which], len = carried + record->len, whole;
	char *bytes = malloc(len + 1);

	if (!bytes)
		return;
	memcpy(bytes, run->carry[which], carried);
	memcpy(bytes + carried, record->data, record->len);
	whole = scp__utf8_complete(bytes, len);
	run->carry_len[which] = len - whole;
	memcpy(run->carry[which], bytes + whole, len - whole);
	if (whole)
		(void)scp__topic_append(run->topic, kind, record->seq, bytes, whole);
	free(bytes);
}

struct started {
	scp__run *run;
	bool changed;
};

static scp_status started_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct started *s = arg;
	scp__run *run = s->run;

	return scp__store_execution_started(
	    tx, run->id, run->attempt, run->epoch, run->started_us, atomic_load(&run->deadline_us), &s->changed, err);
}

static void take_started(scp__run *run, const scp__record *record)
{
	static const char running[] = "running";

	scp_runtime_stats stats = { 0 };

	if (!run->started_stored) {
		atomic_store(&run->started_us, scp__now_us());
		atomic_store(&run->deadline_us, run->started_us + (int64_t)run->timeout_ms * 1000);
		if (!scp__runtime_stats(run->rt, run->container_id, &stats, NULL))
			run->oom_kills = stats.oom_kills;
	}
	(void)scp__topic_append(run->topic, SCP_EVENT_STATUS, record->seq, running, sizeof(running) - 1);
}

static void store_started(scp__run *run)
{
	struct started s = { run, false };

	if (run->started_stored || !run->started_us)
		return;
	if (!scp__database_transact(run->core->db, SCP_DB_WRITE, started_tx, &s, NULL))
		run->started_stored = true;
}

static scp_status heartbeat_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__run *run = arg;

	return scp__store_execution_heartbeat(tx, run->id, run->epoch, scp__now_us(), err);
}

static bool is_closed(scp__run *run)
{
	bool closed;

	pthread_mutex_lock(&run->lock);
	closed = run->closed;
	pthread_mutex_unlock(&run->lock);
	return closed;
}

static void take_record(scp__run *run, const scp__record *record)
{
	atomic_store(&run->heard_mono_us, scp__mono_us());
	atomic_store(&run->suspect, false);
	run->attach_tries = 0;
	if (scp__record_is(record, SCP__EVENT_HEARTBEAT)) {
		(void)scp__database_transact(run->core->db, SCP_DB_WRITE, heartbeat_tx, run, NULL);
		return;
	}
	if (record->seq <= run->seq)
		return; /* seen before the connection broke */
	run->seq = record->seq;
	if (scp__record_is(record, SCP__EVENT_STARTED))
		take_started(run, record);
	else if (scp__record_is(record, SCP__EVENT_STDOUT))
		take_output(run, SCP_EVENT_STDOUT, record);
	else if (scp__record_is(record, SCP__EVENT_STDERR))
		take_output(run, SCP_EVENT_STDERR, record);
	else if (scp__record_is(record, SCP__EVENT_RESULT))
		scp__run_result(run, record->data, record->len);
}

/* ---- the job: broken streams ---- */

static void attach_again(void *arg)
{
	scp__run *run = arg;

	enqueue(run, ATTACH, NULL, SCP_OK);
	scp__run_unref(run);
}

static void drop_run(void *arg)
{
	scp__run_unref(arg);
}

static void later(scp__run *run, scp__job_fn *fn, uint32_t delay_ms)
{
	scp__run_ref(run);
	if (scp__pool_submit_after(run->core->fast, delay_ms, fn, run, drop_run))
		scp__run_unref(run);
}

/* The executor answers and doesn't know the run: it never arrived, or the executor is another one than it was. */
static void unknown_run(scp__run *run)
{
	scp__execution *e = NULL;
	scp__session *s = NULL;
	scp_error err = { 0 };
	scp_status rc;

	if (run->started_us) {
		scp__run_lost(run, false);
		return;
	}
	rc = scp__execution_load(run->core, run->id, SCP__LOAD_CODE, &e, &err);
	if (!rc)
		rc = scp__session_load(run->core, run->session_id, &s, &err);
	if (!rc)
		rc = send_run(run, e, s, &err);
	if (rc && !is_closed(run))
		later(run, attach_again, ATTACH_WAIT_MS);
	if (e)
		scp_execution_free(&e->pub);
	if (s)
		scp_session_free(&s->pub);
}

static void fail_run(scp__run *run, const char *why)
{
	bool changed;

	(void)scp__execution_force(
	    run->core, run->id, scp__execution_from(SCP_EXECUTION_FAILED), SCP_EXECUTION_FAILED, why, &changed, NULL);
	scp__run_close(run);
}

static void broken(scp__run *run)
{
	bool gone = false, oom = false;
	int exit_code = -1;
	scp_status rc;

	rc = scp__container_confirm(run->core, run->rt, run->container_id, &gone, &oom, &exit_code, NULL);
	if (!rc && gone) {
		scp__container_gone(run->core, run->container_id, exit_code, oom);
		return;
	}
	run->attach_tries += run->attach_tries < ATTACH_TRIES;
	later(run, attach_again, ATTACH_WAIT_MS << run->attach_tries);
}

static void take_end(scp__run *run, scp_status status)
{
	switch (status) {
	case SCP_OK: /* after a result: done */
	case SCP_ECLOSED:
		return;
	case SCP_ENOTFOUND:
		unknown_run(run);
		return;
	case SCP_EBUSY:
		later(run, attach_again, 1000); /* unknown there: it is sent again */
		return;
	case SCP_EINVAL:
		fail_run(run, "the executor refused the request");
		return;
	default:
		broken(run);
	}
}

/* ---- the job ---- */

static void take_item(scp__run *run, const struct scp__item *item)
{
	if (!strcmp(item->record.name, STREAM_END))
		take_end(run, item->end);
	else if (!strcmp(item->record.name, NOT_SENT) ||
		 (!strcmp(item->record.name, ATTACH) && attach(run, run->seq, NULL)))
		broken(run);
	else if (item->record.name[0] != '@')
		take_record(run, &item->record);
}

static struct scp__item *take_items(scp__run *run)
{
	struct scp__item *items;
	scp__link_stream *resume = NULL;

	pthread_mutex_lock(&run->lock);
	items = run->first;
	run->first = NULL;
	run->last = &run->first;
	run->queued_bytes = 0;
	if (!items)
		run->scheduled = false;
	if (run->paused && run->stream) {
		run->paused = false;
		resume = run->stream;
		run->borrowed = true;
	}
	pthread_mutex_unlock(&run->lock);
	if (resume) {
		scp__link_stream_resume(resume);
		stream_known(run, resume);
	}
	return items;
}

static void drain(void *arg)
{
	scp__run *run = arg;
	struct scp__item *items;

	while ((items = take_items(run))) {
		for (struct scp__item *i = items; i && !is_closed(run); i = i->next)
			take_item(run, i);
		free_items(items);
		if (!is_closed(run))
			store_started(run);
	}
	scp__run_unref(run);
}

/* ---- from outside ---- */

void scp__run_cancel(scp__core *core, const char *id)
{
	scp__run *run = scp__run_find(core, id);

	if (!run)
		return;
	if (!atomic_exchange(&run->cancel_sent, true))
		scp__link_cancel(core->link, run->rt, run->container_id, run->id, run->attempt);
	scp__run_unref(run);
}

struct gather {
	const char *container_id; /* NULL: all */
	scp__run **runs;
	size_t count, capacity;
};

static void gather_one(void *user, const char *id, void *value)
{
	struct gather *g = user;
	scp__run *run = value;

	(void)id;
	if (g->count == g->capacity ||
	    (g->container_id && (!atomic_load(&run->ready) || strcmp(g->container_id, run->container_id))))
		return;
	scp__run_ref(run);
	g->runs[g->count++] = run;
}

/* The runs as they are now, referenced; free() the list. */
static struct gather gather_runs(scp__core *core, const char *container_id)
{
	struct gather g = { container_id, NULL, 0, 0 };

	pthread_mutex_lock(&core->lock);
	g.capacity = scp__map_count(core->runs);
	g.runs = g.capacity ? calloc(g.capacity, sizeof(*g.runs)) : NULL;
	if (g.runs)
		scp__map_each(core->runs, gather_one, &g);
	pthread_mutex_unlock(&core->lock);
	return g;
}

void scp__runs_lost(scp__core *core, const char *container_id, bool oom_killed)
{
	struct gather g = gather_runs(core, container_id);

	for (size_t i = 0; i < g.count; i++) {
		scp__run_lost(g.runs[i], oom_killed);
		scp__run_unref(g.runs[i]);
	}
	free(g.runs);
}

static void check_silence(scp__run *run, int64_t mono_us)
{
	int64_t silent_us = mono_us - atomic_load(&run->heard_mono_us);
	bool gone = false, oom = false;
	int exit_code = -1;
	scp__log_ids ids = ids_of(run);

	if (silent_us < (int64_t)run->core->limits.heartbeat_timeout_s * 1000000 ||
	    atomic_exchange(&run->suspect, true))
		return;
	scp__core_log(run->core, SCP_LOG_WARN, &ids, "no heartbeat for %lld s: asking the runtime",
	    (long long)(silent_us / 1000000));
	if (!scp__container_confirm(run->core, run->rt, run->container_id, &gone, &oom, &exit_code, NULL) && gone)
		scp__container_gone(run->core, run->container_id, exit_code, oom);
}

/* The executor keeps deadlines itself; this is for one that doesn't. */
static void check_deadline(scp__run *run, int64_t now_us)
{
	int64_t deadline = atomic_load(&run->deadline_us);
	bool changed = false;

	if (!deadline || now_us < deadline + CANCEL_GRACE_US)
		return;
	if (now_us < deadline + KILL_GRACE_US) {
		scp__run_cancel(run->core, run->id);
		return;
	}
	(void)scp__execution_force(run->core, run->id, scp__execution_from(SCP_EXECUTION_TIMEOUT),
	    SCP_EXECUTION_TIMEOUT, "the executor didn't end it in time", &changed, NULL);
	if (changed && !scp__provision_remove(&run->core->provision, run->rt, run->container_id, NULL))
		scp__container_gone(run->core, run->container_id, -1, false);
}

void scp__runs_check(scp__core *core, int64_t now_us, int64_t mono_us)
{
	struct gather g = gather_runs(core, NULL);

	for (size_t i = 0; i < g.count; i++) {
		if (atomic_load(&g.runs[i]->ready) && !is_closed(g.runs[i])) {
			check_silence(g.runs[i], mono_us);
			check_deadline(g.runs[i], now_us);
		}
		scp__run_unref(g.runs[i]);
	}
	free(g.runs);
}

void scp__runs_close(scp__core *core)
{
	struct gather g = gather_runs(core, NULL);

	for (size_t i = 0; i < g.count; i++) {
		scp__run_close(g.runs[i]);
		scp__run_unref(g.runs[i]);
	}
	free(g.runs);
}
