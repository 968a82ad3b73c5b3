/* The job of a run: records as they came, and what to do when the stream breaks. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "run.h"
#include "state.h"
#include "utf8.h"

enum { ATTACH_TRIES = 5, ATTACH_WAIT_MS = 50, BUSY_WAIT_MS = 1000 };

static const scp_event_kind streams[] = { SCP_EVENT_STDOUT, SCP_EVENT_STDERR };

/* ---- output ---- */

/* What an honest executor keeps: one that sends more is not believed. */
static size_t allow(scp__run *run, size_t which, size_t len)
{
	size_t room = SCP__OUTPUT_MAX - run->kept[which];
	size_t taken = len < room ? len : room;

	run->kept[which] += taken;
	run->dropped[which] += len - taken;
	return taken;
}

/* False: no memory. */
static bool take_output(scp__run *run, size_t which, const scp__record *record)
{
	size_t carried = run->carry_len[which], taken, len, whole;
	char *bytes = malloc(carried + record->len + 1);

	if (!bytes)
		return false;
	taken = allow(run, which, record->len);
	len = carried + taken;
	memcpy(bytes, run->carry[which], carried);
	memcpy(bytes + carried, record->data, taken);
	whole = scp__utf8_complete(bytes, len);
	run->carry_len[which] = len - whole;
	memcpy(run->carry[which], bytes + whole, len - whole);
	if (whole)
		(void)scp__topic_append(run->topic, streams[which], record->seq, bytes, whole);
	free(bytes);
	return true;
}

/* Each gets a number of its own, or who resumes behind the first would miss the second. */
void scp__run_flush(scp__run *run)
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t last = scp__topic_last_seq(run->topic), seq = atomic_load(&run->seq);

		if (run->carry_len[i])
			(void)scp__topic_append(
			    run->topic, streams[i], last >= seq ? last + 1 : seq, run->carry[i], run->carry_len[i]);
		run->carry_len[i] = 0;
	}
}

/* ---- started ---- */

struct started {
	scp__run *run;
	scp__won won;
};

static scp_status started_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct started *s = arg;
	scp__run *run = s->run;
	scp__execution *e;
	bool changed = false;
	scp_status rc;

	rc = scp__store_execution_started(
	    tx, run->id, run->attempt, run->epoch, run->started_us, run->deadline_us, &changed, err);
	s->won = SCP__WON;
	if (rc || changed)
		return rc;
	rc = scp__store_execution_get(tx, run->id, 0, &e, err);
	if (rc)
		return rc;
	if (scp__execution_over(e->pub.status))
		s->won = SCP__OVER;
	else if (e->epoch != run->epoch || e->attempt != run->attempt)
		s->won = SCP__STALE;
	scp_execution_free(&e->pub);
	return SCP_OK;
}

static void store_started(scp__run *run)
{
	struct started s = { run, SCP__WON };

	if (run->started_stored || !run->started_us || atomic_load(&run->over))
		return;
	if (scp__database_transact(run->core->db, SCP_DB_WRITE, started_tx, &s, NULL))
		return; /* with the next record */
	run->started_stored = true;
	if (s.won == SCP__OVER) {
		/* It was cancelled, or its session ended, while the request was on its way. */
		atomic_store(&run->over, true);
		scp__run_stop(run);
	} else if (s.won == SCP__STALE) {
		scp__run_close(run);
	}
}

/* Once an attempt, whatever the executor says. */
static void take_started(scp__run *run, const scp__record *record)
{
	static const char running[] = "running";

	if (run->cancelled_us)
		scp__run_stop(run); /* the first may have come before the run did */
	if (scp__topic_has_started(run->topic))
		return;
	if (!run->started_us) {
		atomic_store(&run->started_us, scp__core_now_us(run->core));
		atomic_store(&run->deadline_us, run->started_us + (int64_t)run->timeout_ms * 1000);
	}
	(void)scp__topic_append(run->topic, SCP_EVENT_STATUS, record->seq, running, sizeof(running) - 1);
}

/* ---- records ---- */

static scp_status heartbeat_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__run *run = arg;

	return scp__store_execution_heartbeat(tx, run->id, run->epoch, scp__core_now_us(run->core), err);
}

static void take_heartbeat(scp__run *run)
{
	if (run->cancelled_us)
		scp__run_stop(run);
	if (!atomic_load(&run->over))
		(void)scp__database_transact(run->core->db, SCP_DB_WRITE, heartbeat_tx, run, NULL);
}

/* False: it couldn't be taken, and nothing that follows may be before it was. */
static bool take_event(scp__run *run, const scp__record *record)
{
	if (atomic_load(&run->over))
		return true;
	if (scp__record_is(record, SCP__EVENT_STARTED))
		take_started(run, record);
	else if (scp__record_is(record, SCP__EVENT_STDOUT))
		return take_output(run, 0, record);
	else if (scp__record_is(record, SCP__EVENT_STDERR))
		return take_output(run, 1, record);
	return true;
}

static void lose_place(scp__run *run)
{
	run->out_of_place = true;
	pthread_mutex_lock(&run->lock);
	run->lossy = true;
	pthread_mutex_unlock(&run->lock);
}

static void take_record(scp__run *run, const scp__record *record)
{
	run->attach_tries = 0;
	if (scp__record_is(record, SCP__EVENT_HEARTBEAT))
		take_heartbeat(run);
	else if (record->seq <= run->seq || run->out_of_place)
		return; /* seen before the connection broke, or behind what will come again */
	else if (scp__record_is(record, SCP__EVENT_RESULT))
		scp__run_result(run, record->data, record->len); /* not seen before it is stored */
	else if (take_event(run, record))
		atomic_store(&run->seq, record->seq);
	else
		lose_place(run);
}

/* ---- broken streams ---- */

static bool is_mine(const scp__run *run, const scp__execution *e)
{
	return !scp__execution_over(e->pub.status) && e->epoch == run->epoch && e->attempt == run->attempt;
}

static scp_status send_again(scp__run *run, bool *mine)
{
	scp__execution *e = NULL;
	scp__session *s = NULL;
	scp_status rc = scp__execution_load(run->core, run->id, SCP__LOAD_CODE, &e, NULL);

	if (!rc)
		rc = scp__session_load(run->core, run->session_id, &s, NULL);
	*mine = rc || is_mine(run, e);
	if (!rc && *mine)
		rc = scp__run_send(run, e, s, NULL);
	if (e)
		scp_execution_free(&e->pub);
	if (s)
		scp_session_free(&s->pub);
	return rc;
}

/* The executor answers and doesn't know the run: it never arrived, or the executor is another one than it was. */
static void unknown_run(scp__run *run)
{
	bool mine = true;
	scp_status rc;

	if (run->started_us) {
		atomic_store(&run->has_result, false); /* whatever came of it, it can't come again */
		scp__run_lost(run, false);
		return;
	}
	rc = send_again(run, &mine);
	if (!mine)
		scp__run_close(run);
	else if (rc)
		scp__run_push_later(run, SCP__ITEM_ATTACH, ATTACH_WAIT_MS);
}

static void refused(scp__run *run)
{
	bool changed;

	if (scp__execution_force(run->core, run->id, scp__execution_from(SCP_EXECUTION_FAILED), SCP_EXECUTION_FAILED,
		"the executor refused the request", &changed, NULL))
		scp__run_push_later(run, SCP__ITEM_ATTACH, BUSY_WAIT_MS);
	else
		scp__run_close(run);
}

static void broken(scp__run *run, bool sent)
{
	bool gone = false, oom = false;
	int exit_code = -1;

	if (!scp__container_confirm(run->core, run->rt, run->container_id, &gone, &oom, &exit_code, NULL) && gone) {
		if (!sent && scp__run_unsend(run))
			scp__run_close(run);
		scp__container_gone(run->core, run->container_id, exit_code, oom);
		return;
	}
	run->attach_tries += run->attach_tries < ATTACH_TRIES;
	scp__run_push_later(run, SCP__ITEM_ATTACH, (uint32_t)ATTACH_WAIT_MS << run->attach_tries);
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
		scp__run_push_later(run, SCP__ITEM_ATTACH, BUSY_WAIT_MS); /* unknown there: it is sent again */
		return;
	case SCP_EINVAL:
		refused(run);
		return;
	default:
		broken(run, true);
	}
}

static void attach(scp__run *run)
{
	/* A result that is here waits for the database, not for the executor. */
	if (!atomic_load(&run->has_result) && scp__run_attach(run, NULL))
		broken(run, true);
}

/* ---- the job ---- */

static void take_item(scp__run *run, const scp__item *item)
{
	switch (item->kind) {
	case SCP__ITEM_RECORD:
		take_record(run, &item->record);
		return;
	case SCP__ITEM_END:
		take_end(run, item->status);
		return;
	case SCP__ITEM_NOT_SENT:
		broken(run, false);
		return;
	case SCP__ITEM_ATTACH:
		attach(run);
		return;
	case SCP__ITEM_HELD:
		scp__run_result(run, item->record.data, item->record.len);
		return;
	case SCP__ITEM_LOST:
	case SCP__ITEM_LOST_OOM:
		scp__run_lost(run, item->kind == SCP__ITEM_LOST_OOM);
		return;
	}
}

/* Everything that waits; NULL: nothing, and the job is over unless a record is missing. */
static scp__item *take_items(scp__run *run, bool *lossy)
{
	scp__item *items;
	scp__link_stream *resume = NULL;

	pthread_mutex_lock(&run->lock);
	items = run->first;
	run->first = NULL;
	run->last = &run->first;
	run->queued_bytes = 0;
	*lossy = run->lossy && !run->closed;
	if (!items && !*lossy)
		run->scheduled = false;
	if (run->paused && run->stream) {
		run->paused = false;
		resume = run->stream;
		run->stream = NULL;
		run->borrowed = true;
	}
	pthread_mutex_unlock(&run->lock);
	if (resume) {
		scp__link_stream_resume(resume);
		scp__run_stream_known(run, resume);
	}
	return items;
}

static void work_off(scp__run *run, scp__item *items)
{
	scp__item *next;

	for (; items; items = next) {
		next = items->next;
		if (!scp__run_closed(run))
			take_item(run, items);
		free(items);
	}
	if (!scp__run_closed(run))
		store_started(run);
}

void scp__run_drain(void *arg)
{
	scp__run *run = arg;
	scp__item *items;
	bool lossy;

	while ((items = take_items(run, &lossy)) || lossy) {
		work_off(run, items);
		if (lossy && !scp__run_closed(run))
			attach(run);
	}
	scp__run_unref(run);
}
