/* A run's life in this process, and what others ask of it. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "state.h"
#include "sync.h"

enum {
	CANCEL_GRACE_US = 5000000,
	KILL_GRACE_US = 15000000,
	CANCELS_MAX = 1000,
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

void scp__run_unref(scp__run *run)
{
	scp__item *item, *next;
	bool last;

	pthread_mutex_lock(&run->lock);
	last = !--run->refs;
	pthread_mutex_unlock(&run->lock);
	if (!last)
		return;
	for (item = run->first; item; item = next) {
		next = item->next;
		free(item);
	}
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
	/* Before the map lets another run have the execution. */
	if (atomic_load(&run->ready))
		scp__topic_drive(run->topic, false);
	leave_map(run);
	scp__run_unref(run);
}

void scp__run_release(scp__run *run)
{
	if (run)
		scp__run_close(run);
}

bool scp__run_closed(scp__run *run)
{
	bool closed;

	pthread_mutex_lock(&run->lock);
	closed = run->closed;
	pthread_mutex_unlock(&run->lock);
	return closed;
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

scp__log_ids scp__run_ids(const scp__run *run)
{
	return (
	    scp__log_ids){ run->request_id[0] ? run->request_id : NULL, run->session_id, run->id, run->container_id };
}

/* ---- cancel ---- */

void scp__run_stop(scp__run *run)
{
	int64_t never = 0;

	atomic_compare_exchange_strong(&run->cancelled_us, &never, scp__core_now_us(run->core));
	scp__link_cancel(run->core->link, run->rt, run->container_id, run->id, run->attempt);
}

void scp__run_cancel(scp__core *core, const char *id)
{
	scp__run *run = scp__run_find(core, id);

	if (!run)
		return;
	scp__run_stop(run);
	scp__run_unref(run);
}

struct cancels {
	scp__core *core;
	scp__ids ids;
};

static scp_status cancels_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct cancels *c = arg;

	scp__ids_clear(&c->ids);
	return scp__store_execution_to_cancel(tx, c->core->instance, CANCELS_MAX, &c->ids, err);
}

/* Those whose cancel another process took, or whose cancel was lost on its way. */
void scp__runs_cancel(scp__core *core)
{
	struct cancels c = { core, { 0 } };

	if (!scp__database_transact(core->db, SCP_DB_READ, cancels_tx, &c, NULL))
		for (size_t i = 0; i < c.ids.count; i++)
			scp__run_cancel(core, c.ids.ids[i]);
	scp__ids_free(&c.ids);
}

/* ---- several runs ---- */

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
	g.capacity = core->runs ? scp__map_count(core->runs) : 0;
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
		scp__run_push(g.runs[i], oom_killed ? SCP__ITEM_LOST_OOM : SCP__ITEM_LOST, NULL, SCP_OK);
		scp__run_unref(g.runs[i]);
	}
	free(g.runs);
}

/* Nothing was heard: of a container that is gone, or on a connection that is dead without a sign. */
static void check_silence(scp__run *run, int64_t mono_us)
{
	int64_t silent_us = mono_us - atomic_load(&run->heard_mono_us);
	bool gone = false, oom = false;
	int exit_code = -1;
	scp__log_ids ids = scp__run_ids(run);

	if (silent_us < (int64_t)run->core->limits.heartbeat_timeout_s * 1000000)
		return;
	atomic_store(&run->heard_mono_us, mono_us);
	scp__core_log(run->core, SCP_LOG_WARN, &ids, "no heartbeat for %lld s: asking the runtime",
	    (long long)(silent_us / 1000000));
	if (scp__container_confirm(run->core, run->rt, run->container_id, &gone, &oom, &exit_code, NULL))
		return;
	if (gone)
		scp__container_gone(run->core, run->container_id, exit_code, oom);
	else
		scp__run_push(run, SCP__ITEM_ATTACH, NULL, SCP_OK);
}

static void kill_container(scp__run *run)
{
	scp__log_ids ids = scp__run_ids(run);

	scp__core_log(run->core, SCP_LOG_WARN, &ids, "the executor didn't end the run: its container is removed");
	if (!scp__provision_remove(&run->core->provision, run->rt, run->container_id, NULL))
		scp__container_gone(run->core, run->container_id, -1, false);
}

/* The executor keeps deadlines and cancels itself; this is for one that doesn't. */
static void check_deadline(scp__run *run, int64_t now_us)
{
	int64_t deadline = atomic_load(&run->deadline_us), cancelled = atomic_load(&run->cancelled_us);
	bool late = deadline && now_us >= deadline + KILL_GRACE_US, changed = false;
	scp_execution_status to = late ? SCP_EXECUTION_TIMEOUT : SCP_EXECUTION_CANCELLED;

	if (atomic_load(&run->has_result))
		return; /* it is on its way */
	if (deadline && now_us >= deadline + CANCEL_GRACE_US && !cancelled)
		scp__run_stop(run);
	if (!late && (!cancelled || now_us < cancelled + KILL_GRACE_US))
		return;
	if (!scp__execution_force(run->core, run->id, scp__execution_from(to), to,
		late ? "the executor didn't end it in time" : "cancelled; the executor didn't end it", &changed, NULL))
		kill_container(run);
}

void scp__runs_check(scp__core *core, int64_t now_us, int64_t mono_us)
{
	struct gather g = gather_runs(core, NULL);

	for (size_t i = 0; i < g.count; i++) {
		if (atomic_load(&g.runs[i]->ready) && !scp__run_closed(g.runs[i])) {
			check_silence(g.runs[i], mono_us);
			check_deadline(g.runs[i], now_us);
		}
		scp__run_unref(g.runs[i]);
	}
	free(g.runs);
}

/* Only the keeper's thread asks. */
static bool is_sync_due(scp__run *run, int64_t mono_us)
{
	int64_t every_us = (int64_t)run->core->limits.sync_interval_s * 1000000;

	if (!atomic_load(&run->ready) || !atomic_load(&run->started_us) || atomic_load(&run->has_result))
		return false;
	if (!run->synced_mono_us)
		run->synced_mono_us = mono_us;
	if (mono_us - run->synced_mono_us < every_us)
		return false;
	run->synced_mono_us = mono_us;
	return true;
}

void scp__sync_running(scp__core *core)
{
	struct gather g;

	if (!core->provision.mirror || !core->limits.sync_interval_s)
		return;
	g = gather_runs(core, NULL);
	for (size_t i = 0; i < g.count; i++) {
		if (is_sync_due(g.runs[i], scp__mono_us()))
			scp__sync_request(core, g.runs[i]->workspace_id, NULL, NULL);
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
