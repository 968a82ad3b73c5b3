/* How an execution ends by its result. One UPDATE decides who won; only what is stored is acknowledged. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "run.h"
#include "state.h"
#include "sync.h"
#include "utf8.h"

enum {
	INLINE_MAX = 64 << 10, /* output up to here stands in the row; more goes to storage */
	INDEX_MAX = 32 << 20,
	EXIT_KILLED = 128 + SIGKILL,
	STORE_RETRY_MS = 500,
	STORE_TRIES = 120, /* after a minute without storage the output is shortened */
};

/* ---- output ---- */

struct output {
	scp__buf out, err, index;
	char out_key[96], err_key[96];
};

static void output_init(struct output *o)
{
	memset(o, 0, sizeof(*o));
	scp__buf_init(&o->out, SCP__OUTPUT_MAX + 8);
	scp__buf_init(&o->err, SCP__OUTPUT_MAX + 8);
	scp__buf_init(&o->index, INDEX_MAX);
}

static void output_free(struct output *o)
{
	scp__buf_free(&o->out);
	scp__buf_free(&o->err);
	scp__buf_free(&o->index);
}

/* Where the storage takes nothing, as much as the row may hold; without the order, which no longer fits. */
static void shorten(struct output *o)
{
	scp__buf *both[] = { &o->out, &o->err };

	for (size_t i = 0; i < 2; i++)
		if (both[i]->len > INLINE_MAX)
			both[i]->len = scp__utf8_complete(both[i]->data, INLINE_MAX);
	o->index.len = 0;
}

static scp_status spill(scp__core *core, const char *id, const char *name, const scp__buf *b, char key[96],
    const char **out_key, scp_error *err)
{
	scp_status rc;

	if (b->len <= INLINE_MAX)
		return SCP_OK;
	snprintf(key, 96, "executions/%s/%s", id, name);
	rc = scp__storage_put_bytes(core->storage, key, b->data, b->len, err);
	*out_key = rc ? NULL : key;
	return rc;
}

static void point_to(scp__finish *f, const struct output *o)
{
	f->out = o->out.data;
	f->out_len = o->out.len;
	f->err = o->err.data;
	f->err_len = o->err.len;
	f->index = o->index.data;
	f->index_len = o->index.len;
}

/* What the topic has, put into `f`; large streams into storage first. */
static scp_status collect(scp__run *run, struct output *o, scp__finish *f, bool cut, scp_error *err)
{
	scp_status rc = scp__topic_output(run->topic, &o->out, &o->err, &o->index);

	if (rc)
		return scp__fail(err, rc, "output of %s", run->id);
	if (f->out_bytes < o->out.len)
		f->out_bytes = o->out.len;
	if (f->err_bytes < o->err.len)
		f->err_bytes = o->err.len;
	f->stdout_key = f->stderr_key = NULL;
	rc = spill(run->core, run->id, "stdout", &o->out, o->out_key, &f->stdout_key, err);
	if (!rc)
		rc = spill(run->core, run->id, "stderr", &o->err, o->err_key, &f->stderr_key, err);
	if (rc && cut) {
		shorten(o);
		f->stdout_key = f->stderr_key = NULL;
		rc = SCP_OK;
	}
	point_to(f, o);
	return rc;
}

/* ---- the one transaction ---- */

struct finish {
	const char *id;
	uint32_t from_bits;
	int64_t attempt, epoch;
	scp__finish *f;
	const scp__run *started; /* its start isn't stored yet */
	bool row;		 /* nobody here drives it: its output's last number is the row's */
	scp__won won;
	scp__run_figures figures;
	char session_id[SCP__ID_SIZE], container_id[SCP__ID_SIZE], request_id[SCP__REQUEST_ID_SIZE];
};

/* What is said of it once it is stored. */
static void note(struct finish *a, const scp__execution *e)
{
	a->figures.language = e->pub.language;
	a->figures.to = a->f->to;
	a->figures.created_us = e->pub.created_us;
	a->figures.started_us = a->started ? a->started->started_us : e->pub.started_us;
	a->figures.ended_us = a->f->now_us;
	a->figures.first_attempt = !e->attempt;
	snprintf(a->session_id, sizeof(a->session_id), "%s", e->pub.session_id);
	snprintf(a->container_id, sizeof(a->container_id), "%s", e->container_id ? e->container_id : "");
	snprintf(a->request_id, sizeof(a->request_id), "%s", e->request_id ? e->request_id : "");
}

/* Never why: an error's text is the code's own. */
static void ended(scp__core *core, const struct finish *a)
{
	scp__log_ids ids = { a->request_id[0] ? a->request_id : NULL, a->session_id, a->id,
		a->container_id[0] ? a->container_id : NULL };

	if (a->won != SCP__WON)
		return;
	scp__count_execution_ended(core->figures, &a->figures);
	scp__core_log(core, SCP_LOG_INFO, &ids, "execution %s: exit code %d, signal %d",
	    scp_execution_status_name(a->f->to), a->f->exit_code, a->f->signal);
}

static scp__won who_won(const struct finish *a, const scp__execution *e)
{
	if (scp__execution_over(e->pub.status))
		return SCP__OVER;
	if ((a->epoch >= 0 && e->epoch != a->epoch) || (a->attempt >= 0 && e->attempt != a->attempt))
		return SCP__STALE;
	return SCP__NOT;
}

static scp_status finish_row(scp_db_tx *tx, struct finish *a, const scp__execution *e, scp_error *err)
{
	bool changed = false, ignored;
	scp_status rc = SCP_OK;

	if (a->row)
		a->f->seq = e->seq + 1;
	if (a->started)
		rc = scp__store_execution_started(tx, a->id, a->started->attempt, a->started->epoch,
		    a->started->started_us, a->started->deadline_us, &ignored, err);
	if (!rc)
		rc = scp__store_execution_finish(tx, a->id, a->from_bits, a->attempt, a->epoch, a->f, &changed, err);
	if (!rc && changed)
		rc = scp__store_session_touch(tx, e->pub.session_id, a->f->now_us, 0, err);
	if (!rc && changed && a->f->sync_pending)
		rc = scp__store_workspace_dirty(tx, e->pub.session_id, a->f->now_us, err);
	a->won = changed ? SCP__WON : who_won(a, e);
	note(a, e);
	return rc;
}

static scp_status finish_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct finish *a = arg;
	scp__execution *e;
	scp_status rc = scp__store_execution_get(tx, a->id, SCP__LOAD_HELD, &e, err);

	if (rc)
		return rc;
	rc = finish_row(tx, a, e, err);
	scp_execution_free(&e->pub);
	return rc;
}

scp_status scp__run_finish(scp__run *run, uint32_t from_bits, int64_t attempt, int64_t epoch, scp__finish *f, bool cut,
    scp__won *won, scp_error *err)
{
	struct finish args = {
		.id = run->id, .from_bits = from_bits, .attempt = attempt, .epoch = epoch, .f = f, .won = SCP__NOT
	};
	uint64_t last = scp__topic_last_seq(run->topic);
	struct output output;
	scp_status rc;

	output_init(&output);
	/* Only the job, which names its attempt, may look at what is its alone. */
	if (attempt >= 0 && run->started_us && !run->started_stored)
		args.started = run;
	f->seq = last > run->seq ? last : run->seq;
	rc = collect(run, &output, f, cut, err);
	if (!rc)
		rc = scp__database_transact(run->core->db, SCP_DB_WRITE, finish_tx, &args, err);
	output_free(&output);
	if (!rc)
		ended(run->core, &args);
	*won = args.won;
	return rc;
}

scp_status scp__row_finish(
    scp__core *core, const char *id, uint32_t from_bits, scp__finish *f, scp__won *won, scp_error *err)
{
	struct finish args = {
		.id = id, .from_bits = from_bits, .attempt = -1, .epoch = -1, .f = f, .row = true, .won = SCP__NOT
	};
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, finish_tx, &args, err);

	if (!rc)
		ended(core, &args);
	*won = args.won;
	return rc;
}

void scp__run_announce(scp__run *run)
{
	scp__core *core = run->core;

	atomic_store(&run->over, true);
	scp__topic_over(run->topic);
	/* What the database doesn't take now, settling sees. */
	if (run->ephemeral && scp__session_end(core, run->session_id, SCP_SESSION_COMPLETED, NULL, NULL, NULL))
		scp__session_settle(core, run->session_id);
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

/* What wasn't taken counts all the same: nothing is cut silently. */
static void count_dropped(const scp__run *run, scp__finish *f)
{
	uint64_t out = run->kept[0] + run->dropped[0], err = run->kept[1] + run->dropped[1];

	f->out_bytes = f->out_bytes > out ? f->out_bytes : out;
	f->err_bytes = f->err_bytes > err ? f->err_bytes : err;
}

struct held {
	scp__run *run;
	scp__record record;
	char data[];
};

static void drop_held(void *arg)
{
	struct held *h = arg;

	scp__run_unref(h->run);
	free(h);
}

static void store_again(void *arg)
{
	struct held *h = arg;

	scp__run_push(h->run, SCP__ITEM_HELD, &h->record, SCP_OK);
	drop_held(h);
}

/* NULL: no memory, and the executor brings it again. */
static struct held *held_new(scp__run *run, const void *data, size_t len)
{
	struct held *h = malloc(sizeof(*h) + len);

	if (!h) {
		atomic_store(&run->has_result, false);
		scp__run_push_later(run, SCP__ITEM_ATTACH, STORE_RETRY_MS);
		return NULL;
	}
	*h = (struct held){ .run = run, .record = { .name = SCP__EVENT_RESULT, .data = h->data, .len = len } };
	memcpy(h->data, data, len);
	scp__run_ref(run);
	return h;
}

/* The database doesn't take it now: tried again until it does; the executor keeps it meanwhile too. */
static void hold(scp__run *run, const void *data, size_t len)
{
	struct held *h = held_new(run, data, len);

	run->store_tries++;
	if (h && scp__pool_submit_after(run->core->fast, STORE_RETRY_MS, store_again, h, drop_held))
		drop_held(h);
}

static void synced(void *arg, scp_status rc)
{
	struct held *h = arg;

	/* Of a plane that closes the next one stores it. */
	if (rc == SCP_ECLOSED) {
		drop_held(h);
		return;
	}
	atomic_store(&h->run->sync, rc ? SCP__SYNC_PENDING : SCP__SYNC_DONE);
	store_again(h);
}

/* Its files first: then nothing that a result tells of is lost with this host. True: it comes again. */
static bool sync_first(scp__run *run, const void *data, size_t len)
{
	struct held *h;

	if (!run->core->provision.mirror || atomic_load(&run->sync) > SCP__SYNC_ASKED)
		return false;
	if (atomic_load(&run->sync) == SCP__SYNC_ASKED)
		return true;
	h = held_new(run, data, len);
	if (!h)
		return true;
	atomic_store(&run->sync, SCP__SYNC_ASKED);
	scp__sync_within(run->core, run->workspace_id, SCP__SYNC_PATIENCE_MS, synced, h);
	return true;
}

static void acknowledge(scp__run *run)
{
	scp__link_ack(run->core->link, run->rt, run->container_id, run->id, run->attempt);
}

/* It is stored, or nobody wants it any more; if another process drives the run now, the result is that one's. */
static void result_over(scp__run *run, scp__won won)
{
	if (won == SCP__WON || won == SCP__OVER) {
		scp__run_announce(run); /* somebody waits for it; the executor doesn't */
		acknowledge(run);
	}
	scp__run_close(run);
}

static void fail_malformed(scp__run *run, const void *data, size_t len, const char *why)
{
	scp__finish f = {
		.to = SCP_EXECUTION_FAILED, .error = why, .exit_code = -1, .now_us = scp__core_now_us(run->core)
	};
	scp__won won;

	if (scp__run_finish(run, scp__execution_from(f.to), run->attempt, run->epoch, &f, true, &won, NULL))
		hold(run, data, len);
	else
		result_over(run, won);
}

void scp__run_result(scp__run *run, const void *data, size_t len)
{
	scp__log_ids ids = scp__run_ids(run);
	scp__result r;
	scp_error err = { 0 };
	scp__won won;
	scp_status rc;

	if (sync_first(run, data, len))
		return;
	scp__run_flush(run);
	rc = scp__result_parse(&r, data, len, scp__core_now_us(run->core), &err);
	if (rc == SCP_EINVAL) {
		fail_malformed(run, data, len, err.message);
		return;
	}
	if (rc) {
		hold(run, data, len);
		return;
	}
	name_oom(run, &r.finish);
	count_dropped(run, &r.finish);
	r.finish.sync_pending = atomic_load(&run->sync) == SCP__SYNC_PENDING;
	rc = scp__run_finish(run, scp__execution_from(r.finish.to), run->attempt, run->epoch, &r.finish,
	    run->store_tries >= STORE_TRIES, &won, &err);
	if (rc) {
		scp__core_log(run->core, SCP_LOG_ERROR, &ids, "the result can't be stored yet: %s", err.message);
		hold(run, data, len);
	} else {
		result_over(run, won);
	}
	scp__result_free(&r);
}
