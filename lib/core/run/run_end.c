/* How an execution ends: by its result, by the loss of its container, or from outside. One UPDATE decides who won. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "run.h"
#include "state.h"

enum {
	INLINE_MAX = 64 << 10, /* output up to here stands in the row; more goes to storage */
	OUTPUT_MAX = (int)SCP__OUTPUT_MAX,
	INDEX_MAX = 32 << 20,
	EXIT_TIMEOUT = 124,
	EXIT_KILLED = 128 + SIGKILL,
};

/* ---- output ---- */

struct output {
	scp__buf out, err, index;
	char out_key[96], err_key[96];
};

static void output_init(struct output *o)
{
	memset(o, 0, sizeof(*o));
	scp__buf_init(&o->out, OUTPUT_MAX);
	scp__buf_init(&o->err, OUTPUT_MAX);
	scp__buf_init(&o->index, INDEX_MAX);
}

static void output_free(struct output *o)
{
	scp__buf_free(&o->out);
	scp__buf_free(&o->err);
	scp__buf_free(&o->index);
}

static scp_status spill(scp__core *core, const char *id, const char *name, const scp__buf *b, char key[96],
    const char **out_key, scp_error *err)
{
	if (b->len <= INLINE_MAX)
		return SCP_OK;
	snprintf(key, 96, "executions/%s/%s", id, name);
	*out_key = key;
	return scp__storage_put_bytes(core->storage, key, b->data, b->len, err);
}

/* What the topic has, put into `f`; large streams into storage first. */
static scp_status collect(
    scp__core *core, const char *id, scp__topic *topic, struct output *o, scp__finish *f, scp_error *err)
{
	scp_status rc = topic ? scp__topic_output(topic, &o->out, &o->err, &o->index) : SCP_OK;

	if (rc)
		return scp__fail(err, rc, "output of %s", id);
	f->out = o->out.data;
	f->out_len = o->out.len;
	f->err = o->err.data;
	f->err_len = o->err.len;
	f->index = o->index.data;
	f->index_len = o->index.len;
	if (f->out_bytes < f->out_len)
		f->out_bytes = f->out_len;
	if (f->err_bytes < f->err_len)
		f->err_bytes = f->err_len;
	rc = spill(core, id, "stdout", &o->out, o->out_key, &f->stdout_key, err);
	if (!rc)
		rc = spill(core, id, "stderr", &o->err, o->err_key, &f->stderr_key, err);
	return rc;
}

/* ---- the one transaction ---- */

struct finish {
	const char *id, *session_id;
	uint32_t from_bits;
	int64_t attempt, epoch;
	const scp__finish *f;
	const scp__run *started; /* its start isn't stored yet */
	bool changed;
};

static scp_status finish_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct finish *f = arg;
	bool ignored;
	scp_status rc = SCP_OK;

	f->changed = false;
	if (f->started)
		rc = scp__store_execution_started(tx, f->id, f->started->attempt, f->started->epoch,
		    f->started->started_us, f->started->deadline_us, &ignored, err);
	if (!rc)
		rc = scp__store_execution_finish(tx, f->id, f->from_bits, f->attempt, f->epoch, f->f, &f->changed, err);
	if (!rc && f->changed)
		rc = scp__store_session_touch(tx, f->session_id, f->f->now_us, 0, err);
	return rc;
}

scp_status scp__run_finish(
    scp__run *run, uint32_t from_bits, int64_t attempt, int64_t epoch, scp__finish *f, bool *changed, scp_error *err)
{
	struct finish args = { run->id, run->session_id, from_bits, attempt, epoch, f, NULL, false };
	struct output output;
	scp_status rc;

	output_init(&output);
	args.started = run->started_us && !run->started_stored && attempt >= 0 ? run : NULL;
	f->seq = run->seq;
	rc = collect(run->core, run->id, run->topic, &output, f, err);
	if (!rc)
		rc = scp__database_transact(run->core->db, SCP_DB_WRITE, finish_tx, &args, err);
	output_free(&output);
	*changed = !rc && args.changed;
	return rc;
}

static void log_end(scp__core *core, const scp__run *run, const scp__finish *f)
{
	scp__log_ids ids = { run->request_id[0] ? run->request_id : NULL, run->session_id, run->id, run->container_id };

	scp__core_log(core, SCP_LOG_INFO, &ids, "execution %s%s%s", scp_execution_status_name(f->to),
	    f->error ? ": " : "", f->error ? f->error : "");
}

/* Stored: tell those who wait, and see to the session. */
static void announce(scp__run *run, const scp__finish *f)
{
	log_end(run->core, run, f);
	scp__topic_over(run->topic);
	if (run->ephemeral)
		(void)scp__session_end(run->core, run->session_id, SCP_SESSION_COMPLETED, NULL, NULL, NULL);
}

static void finished(scp__run *run, const scp__finish *f)
{
	announce(run, f);
	scp__run_close(run);
}

/* ---- by its result ---- */

/* A process that the kernel killed: was it the memory limit? */
static void name_oom(scp__run *run, scp__finish *f)
{
	scp_runtime_stats stats = { 0 };

	if (f->to != SCP_EXECUTION_FAILED || (f->signal != SIGKILL && f->exit_code != EXIT_KILLED))
		return;
	if (scp__runtime_stats(run->rt, run->container_id, &stats, NULL) || stats.oom_kills <= run->oom_kills)
		return;
	f->error = "oom_killed: the code used more memory than the session's limit";
}

enum { STORE_RETRY_MS = 500 };

struct held {
	scp__run *run;
	size_t len;
	char data[];
};

static void store_again(void *arg)
{
	struct held *h = arg;
	scp__run *run = h->run;

	scp__run_result(run, h->data, h->len);
	free(h);
	scp__run_unref(run);
}

static void drop_held(void *arg)
{
	struct held *h = arg;

	scp__run_unref(h->run);
	free(h);
}

/* The database doesn't take it now: tried again until it does; the executor keeps it meanwhile too. */
static void hold(scp__run *run, const void *data, size_t len)
{
	struct held *h = malloc(sizeof(*h) + len);

	if (!h)
		return;
	h->run = run;
	h->len = len;
	memcpy(h->data, data, len);
	scp__run_ref(run);
	if (scp__pool_submit_after(run->core->fast, STORE_RETRY_MS, store_again, h, drop_held))
		drop_held(h);
}

static void flush_carry(scp__run *run)
{
	static const scp_event_kind kinds[] = { SCP_EVENT_STDOUT, SCP_EVENT_STDERR };

	for (size_t i = 0; i < 2; i++) {
		if (run->carry_len[i])
			(void)scp__topic_append(run->topic, kinds[i], run->seq, run->carry[i], run->carry_len[i]);
		run->carry_len[i] = 0;
	}
}

static void fail_malformed(scp__run *run, const char *why)
{
	bool changed;

	(void)scp__execution_force(
	    run->core, run->id, scp__execution_from(SCP_EXECUTION_FAILED), SCP_EXECUTION_FAILED, why, &changed, NULL);
	scp__link_ack(run->core->link, run->rt, run->container_id, run->id, run->attempt);
	scp__run_close(run);
}

void scp__run_result(scp__run *run, const void *data, size_t len)
{
	scp__core *core = run->core;
	scp__result r;
	scp_error err = { 0 };
	bool changed = false;
	scp_status rc = scp__result_parse(&r, data, len, scp__now_us(), &err);

	if (rc == SCP_EINVAL) {
		fail_malformed(run, err.message);
		return;
	}
	if (rc) {
		hold(run, data, len);
		return;
	}
	flush_carry(run);
	name_oom(run, &r.finish);
	rc =
	    scp__run_finish(run, scp__execution_from(r.finish.to), run->attempt, run->epoch, &r.finish, &changed, &err);
	if (rc) {
		scp__core_log(core, SCP_LOG_ERROR, NULL, "result of %s can't be stored yet: %s", run->id, err.message);
		hold(run, data, len);
	} else {
		scp__link_ack(core->link, run->rt, run->container_id, run->id, run->attempt);
		if (changed)
			finished(run, &r.finish);
		else
			scp__run_close(run); /* cancelled, or taken over by another process */
	}
	scp__result_free(&r);
}

/* ---- by the loss of its container ---- */

enum { BACKOFF_DOUBLINGS = 8 };

struct retry {
	const char *id;
	uint32_t attempt;
	int64_t epoch, not_before_us;
	uint64_t seq;
	bool changed;
};

static scp_status retry_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct retry *r = arg;

	return scp__store_execution_retry(tx, r->id, r->attempt, r->epoch, r->not_before_us, r->seq, &r->changed, err);
}

static uint32_t backoff_ms(const scp__core *core, uint32_t attempt)
{
	uint64_t ms = (uint64_t)core->limits.retry_base_ms
		      << (attempt < BACKOFF_DOUBLINGS ? attempt : BACKOFF_DOUBLINGS);
	uint64_t most = (uint64_t)core->limits.retry_base_ms * 10;

	return (uint32_t)(ms < most ? ms : most);
}

struct later {
	scp__core *core;
	char session_id[SCP__ID_SIZE];
};

static void settle_now(void *arg)
{
	struct later *l = arg;

	scp__session_settle(l->core, l->session_id);
	free(l);
}

static void settle_later(scp__core *core, const char *session_id, uint32_t delay_ms)
{
	struct later *l = malloc(sizeof(*l));

	if (!l)
		return; /* upkeep finds it when it is due */
	l->core = core;
	snprintf(l->session_id, sizeof(l->session_id), "%s", session_id);
	if (scp__pool_submit_after(core->fast, delay_ms, settle_now, l, free))
		free(l);
}

static scp_status retry(scp__core *core, const char *id, const char *session_id, uint32_t attempt, int64_t epoch,
    uint64_t seq, bool *changed)
{
	uint32_t delay_ms = backoff_ms(core, attempt);
	struct retry r = { id, attempt, epoch, scp__now_us() + (int64_t)delay_ms * 1000, seq, false };
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, retry_tx, &r, NULL);

	*changed = !rc && r.changed;
	if (*changed)
		settle_later(core, session_id, delay_ms + 1);
	return rc;
}

static void crash(scp__run *run, bool oom_killed)
{
	scp__finish f = { .to = oom_killed ? SCP_EXECUTION_FAILED : SCP_EXECUTION_CRASHED, .exit_code = -1 };
	bool changed = false;

	f.error = oom_killed ? "oom_killed: the sandbox was ended by its memory limit"
			     : "the sandbox ended while the code ran";
	f.now_us = scp__now_us();
	if (!scp__run_finish(run, scp__execution_from(f.to), run->attempt, run->epoch, &f, &changed, NULL) && changed)
		finished(run, &f);
	else
		scp__run_close(run);
}

void scp__run_lost(scp__run *run, bool oom_killed)
{
	static const char pending[] = "pending";
	scp__log_ids ids = { run->request_id[0] ? run->request_id : NULL, run->session_id, run->id, run->container_id };
	bool changed = false;

	if (oom_killed || run->attempt >= run->max_retries) {
		crash(run, oom_killed);
		return;
	}
	if (!retry(run->core, run->id, run->session_id, run->attempt, run->epoch, run->seq + 1, &changed) && changed) {
		scp__core_log(
		    run->core, SCP_LOG_WARN, &ids, "the sandbox is gone: attempt %u follows", run->attempt + 1);
		scp__topic_new_attempt(run->topic);
		(void)scp__topic_append(run->topic, SCP_EVENT_STATUS, run->seq + 1, pending, sizeof(pending) - 1);
	}
	scp__run_close(run);
}

/* ---- from outside ---- */

/* One that nobody here drives. */
static scp_status force_row(
    scp__core *core, const char *id, uint32_t from_bits, scp__finish *f, bool *changed, scp_error *err)
{
	struct finish args = { .id = id, .from_bits = from_bits, .attempt = -1, .epoch = -1, .f = f };
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, 0, &e, err);

	if (rc)
		return rc;
	args.session_id = e->pub.session_id;
	f->seq = e->seq + 1;
	rc = scp__database_transact(core->db, SCP_DB_WRITE, finish_tx, &args, err);
	*changed = !rc && args.changed;
	if (*changed)
		scp__topics_over(core->topics, id);
	scp_execution_free(&e->pub);
	return rc;
}

/* The run stays until the executor has given its (now useless) result, or its container is gone. */
static scp_status force_run(scp__run *run, uint32_t from_bits, scp__finish *f, bool *changed, scp_error *err)
{
	scp__core *core = run->core;
	scp_status rc = scp__run_finish(run, from_bits, -1, -1, f, changed, err);

	if (rc || !*changed)
		return rc;
	if (!atomic_exchange(&run->cancel_sent, true))
		scp__link_cancel(core->link, run->rt, run->container_id, run->id, run->attempt);
	announce(run, f);
	return SCP_OK;
}

scp_status scp__execution_force(scp__core *core, const char *id, uint32_t from_bits, scp_execution_status to,
    const char *why, bool *changed, scp_error *err)
{
	scp__finish f = { .to = to, .error = why, .exit_code = to == SCP_EXECUTION_TIMEOUT ? EXIT_TIMEOUT : -1 };
	scp__run *run = scp__run_find(core, id);
	scp_status rc;

	*changed = false;
	f.now_us = scp__now_us();
	if (run)
		rc = force_run(run, from_bits, &f, changed, err);
	else
		rc = force_row(core, id, from_bits, &f, changed, err);
	if (run)
		scp__run_unref(run);
	return rc;
}

void scp__execution_lost(scp__core *core, const scp__execution *e, bool oom_killed)
{
	bool changed = false;

	if (oom_killed || e->attempt >= e->pub.max_retries)
		(void)scp__execution_force(core, e->pub.id, scp__execution_from(SCP_EXECUTION_CRASHED),
		    oom_killed ? SCP_EXECUTION_FAILED : SCP_EXECUTION_CRASHED,
		    oom_killed ? "oom_killed: the sandbox was ended by its memory limit"
			       : "the sandbox ended while the code ran",
		    &changed, NULL);
	else
		(void)retry(core, e->pub.id, e->pub.session_id, e->attempt, e->epoch, e->seq + 1, &changed);
}
