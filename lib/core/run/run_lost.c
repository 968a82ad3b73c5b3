/* How an execution ends without a result: its container is gone, or somebody ends it from outside. */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "run.h"
#include "state.h"

enum { BACKOFF_DOUBLINGS = 8, BACKOFF_MOST = 10, LOST_RETRY_MS = 500, EXIT_TIMEOUT = 124 };
#define SETTLED_IN_US INT64_C(5000000) /* a container that lived this long didn't die of its start */

static const char oom_text[] = "oom_killed: the sandbox was ended by its memory limit";
static const char crash_text[] = "the sandbox ended while the code ran";

/* ---- again ---- */

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
	uint64_t base = core->limits.retry_base_ms;
	uint64_t ms = base << (attempt < BACKOFF_DOUBLINGS ? attempt : BACKOFF_DOUBLINGS);

	return (uint32_t)(ms < base * BACKOFF_MOST ? ms : base * BACKOFF_MOST);
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
		return; /* reconciling finds it */
	l->core = core;
	snprintf(l->session_id, sizeof(l->session_id), "%s", session_id);
	if (scp__pool_submit_after(core->fast, delay_ms, settle_now, l, free))
		free(l);
}

static scp_status retry(scp__core *core, const char *id, const char *session_id, uint32_t attempt, int64_t epoch,
    uint64_t seq, bool *changed)
{
	uint32_t delay_ms = backoff_ms(core, attempt);
	struct retry r = { id, attempt, epoch, scp__core_now_us(core) + (int64_t)delay_ms * 1000, seq, false };
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, retry_tx, &r, NULL);

	*changed = !rc && r.changed;
	if (*changed) {
		scp__count_retry(core->figures);
		settle_later(core, session_id, delay_ms + 1);
	}
	return rc;
}

/* ---- the container is gone ---- */

/* How it ends, or pending: it is tried again. What had its whole time, or was cancelled, isn't. */
static scp__finish verdict(const scp__run *run, bool oom_killed)
{
	int64_t now = scp__core_now_us(run->core), deadline = run->deadline_us;
	scp__finish f = { .to = SCP_EXECUTION_PENDING, .exit_code = -1, .now_us = now };

	if (oom_killed) {
		f.to = SCP_EXECUTION_FAILED;
		f.error = oom_text;
	} else if (deadline && now >= deadline) {
		f.to = SCP_EXECUTION_TIMEOUT;
		f.exit_code = EXIT_TIMEOUT;
		f.error = "the sandbox ended after the time was up";
	} else if (run->cancelled_us) {
		f.to = SCP_EXECUTION_CANCELLED;
		f.error = "cancelled; the sandbox ended meanwhile";
	} else if (run->attempt >= run->max_retries) {
		f.to = SCP_EXECUTION_CRASHED;
		f.error = crash_text;
	}
	return f;
}

static scp_status try_again(scp__run *run)
{
	static const char pending[] = "pending";
	scp__log_ids ids = scp__run_ids(run);
	uint64_t last = scp__topic_last_seq(run->topic), seq = atomic_load(&run->seq);
	bool changed;
	scp_status rc;

	seq = (last > seq ? last : seq) + 1;
	rc = retry(run->core, run->id, run->session_id, run->attempt, run->epoch, seq, &changed);
	if (changed) {
		scp__core_log(
		    run->core, SCP_LOG_WARN, &ids, "the sandbox is gone: attempt %u follows", run->attempt + 1);
		scp__topic_new_attempt(run->topic);
		(void)scp__topic_append(run->topic, SCP_EVENT_STATUS, seq, pending, sizeof(pending) - 1);
	}
	return rc;
}

static scp_status end_lost(scp__run *run, scp__finish *f)
{
	scp__won won;
	scp_status rc = scp__run_finish(run, scp__execution_from(f->to), run->attempt, run->epoch, f, true, &won, NULL);

	if (!rc && (won == SCP__WON || won == SCP__OVER))
		scp__run_announce(run);
	return rc;
}

void scp__run_lost(scp__run *run, bool oom_killed)
{
	scp__finish f = verdict(run, oom_killed);
	scp_status rc = SCP_OK;

	if (atomic_load(&run->has_result))
		return; /* it came in time, and will be stored */
	scp__run_flush(run);
	if (!atomic_load(&run->over))
		rc = f.to == SCP_EXECUTION_PENDING ? try_again(run) : end_lost(run, &f);
	if (rc)
		scp__run_push_later(run, oom_killed ? SCP__ITEM_LOST_OOM : SCP__ITEM_LOST, LOST_RETRY_MS);
	else
		scp__run_close(run);
}

struct unsend {
	scp__run *run;
	bool changed;
};

static scp_status unsend_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct unsend *u = arg;
	scp__container *c;
	bool settled;
	scp_status rc = scp__store_container_get(tx, u->run->container_id, &c, err);

	u->changed = false;
	if (rc)
		return rc;
	settled = c->started_us && scp__core_now_us(u->run->core) - c->started_us >= SETTLED_IN_US;
	scp__container_free(c);
	return settled ? scp__store_execution_sent(tx, u->run->id, u->run->epoch, NULL, &u->changed, err) : SCP_OK;
}

/* A container that died while idle costs no attempt. One that dies young does, or this could go on for ever. */
bool scp__run_unsend(scp__run *run)
{
	struct unsend u = { run, false };

	return !scp__database_transact(run->core->db, SCP_DB_WRITE, unsend_tx, &u, NULL) && u.changed;
}

void scp__execution_lost(scp__core *core, const scp__execution *e, bool oom_killed)
{
	scp_execution_status to = oom_killed ? SCP_EXECUTION_FAILED : SCP_EXECUTION_CRASHED;
	bool changed;

	if (oom_killed || e->attempt >= e->pub.max_retries)
		(void)scp__execution_force(
		    core, e->pub.id, scp__execution_from(to), to, oom_killed ? oom_text : crash_text, &changed, NULL);
	else
		(void)retry(core, e->pub.id, e->pub.session_id, e->attempt, e->epoch, e->seq + 1, &changed);
}

/* ---- from outside ---- */

/* The run stays until the executor has given its (now useless) result, or its container is gone. */
static scp_status force_run(scp__run *run, uint32_t from_bits, scp__finish *f, scp__won *won, scp_error *err)
{
	scp_status rc = scp__run_finish(run, from_bits, -1, -1, f, true, won, err);

	if (rc || *won != SCP__WON)
		return rc;
	scp__run_announce(run);
	scp__run_stop(run);
	return SCP_OK;
}

static scp_status force_row(
    scp__core *core, const char *id, uint32_t from_bits, scp__finish *f, scp__won *won, scp_error *err)
{
	scp_status rc = scp__row_finish(core, id, from_bits, f, won, err);

	if (!rc && *won == SCP__WON)
		scp__topics_over(core->topics, id);
	return rc;
}

scp_status scp__execution_force(scp__core *core, const char *id, uint32_t from_bits, scp_execution_status to,
    const char *why, bool *changed, scp_error *err)
{
	scp__finish f = { .to = to, .error = why, .exit_code = to == SCP_EXECUTION_TIMEOUT ? EXIT_TIMEOUT : -1 };
	scp__run *run = scp__run_find(core, id);
	scp__won won = SCP__NOT;
	scp_status rc;

	f.now_us = scp__core_now_us(core);
	if (run)
		rc = force_run(run, from_bits, &f, &won, err);
	else
		rc = force_row(core, id, from_bits, &f, &won, err);
	*changed = !rc && won == SCP__WON;
	if (run)
		scp__run_unref(run);
	return rc;
}
