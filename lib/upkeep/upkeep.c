#include "upkeep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"

#define MS_US INT64_C(1000)
#define SECOND_US INT64_C(1000000)

enum { TICK_MS = 100, EVENT_WAIT_MS = 1000, EVENT_PAUSE_MS = 1000, RENEW_S = 10, BEATS = 4, CLOCK_S = 10 };

struct watcher {
	scp__upkeep *u;
	scp_runtime *rt;
	pthread_t thread;
};

struct scp__upkeep {
	scp__core *core;
	pthread_mutex_t lock;
	pthread_cond_t stop_cond;
	bool stop;
	pthread_t ticker, keeper;
	bool ticking, keeping;
	struct watcher *watchers;
	size_t watcher_count;
	scp__ids strange, executions, sessions, over; /* the ticker's */
};

/* False: it is time to stop. */
static bool pause_ms(scp__upkeep *u, uint32_t ms)
{
	struct timespec until = scp__mono_in(ms);
	bool stop;

	pthread_mutex_lock(&u->lock);
	while (!u->stop && pthread_cond_timedwait(&u->stop_cond, &u->lock, &until) != ETIMEDOUT)
		;
	stop = u->stop;
	pthread_mutex_unlock(&u->lock);
	return !stop;
}

/* ---- the ticker: waits, and work that other processes left in the database ---- */

static scp_status over_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__upkeep *u = arg;
	scp_status rc;

	scp__ids_clear(&u->over);
	rc = scp__store_execution_over(tx, &u->executions, &u->over, err);
	return rc ? rc : scp__store_session_left(tx, &u->sessions, &u->over, err);
}

static void add_id(scp__ids *ids, const char *id)
{
	size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
	void *grown;

	if (ids->count == ids->capacity) {
		grown = realloc(ids->ids, capacity * sizeof(*ids->ids));
		if (!grown)
			return; /* with the next tick */
		ids->ids = grown;
		ids->capacity = capacity;
	}
	memcpy(ids->ids[ids->count++], id, SCP__ID_SIZE);
}

/* A session that is being settled here wakes its waiters itself. */
static void sort_strange(scp__upkeep *u)
{
	scp__ids_clear(&u->executions);
	scp__ids_clear(&u->sessions);
	for (size_t i = 0; i < u->strange.count; i++) {
		const char *id = u->strange.ids[i];

		if (scp__id_is_execution(id))
			add_id(&u->executions, id);
		else if (scp__id_is_session(id) && !scp__session_is_settling(u->core, id))
			add_id(&u->sessions, id);
	}
}

static void wake_strange(scp__upkeep *u)
{
	sort_strange(u);
	if (!u->executions.count && !u->sessions.count)
		return;
	if (scp__database_transact(u->core->db, SCP_DB_READ, over_tx, u, NULL))
		return;
	for (size_t i = 0; i < u->over.count; i++)
		scp__topics_over(u->core->topics, u->over.ids[i]);
}

static void tick(scp__upkeep *u)
{
	scp__core *core = u->core;

	scp__ids_clear(&u->strange);
	scp__topics_tick(core->topics, scp__mono_us(), &u->strange);
	wake_strange(u);
	if (core->upkeep)
		scp__adopt_due(core);
}

/* Often enough that a node isn't lost because one beat was late. */
static int64_t renew_every_us(const scp__core *core)
{
	int64_t beat_us = core->limits.node_lost_after_s * SECOND_US / BEATS;

	return beat_us < RENEW_S * SECOND_US ? beat_us : RENEW_S * SECOND_US;
}

static void renew(scp__core *core)
{
	scp__renew(core);
	scp__count_chore(core->figures, SCP__CHORE_RENEW);
}

/* Leases are renewed here: the keeper may wait for a runtime for longer than they last. */
static void *ticker(void *arg)
{
	scp__upkeep *u = arg;
	int64_t renew_us = scp__mono_us(), clock_us = renew_us;

	while (pause_ms(u, TICK_MS)) {
		if (scp__mono_us() >= clock_us) {
			(void)scp__core_clock_look(u->core, NULL); /* else as it was */
			clock_us = scp__mono_us() + CLOCK_S * SECOND_US;
		}
		tick(u);
		if (!u->core->upkeep || scp__mono_us() < renew_us)
			continue;
		renew(u->core);
		renew_us = scp__mono_us() + renew_every_us(u->core);
	}
	return NULL;
}

/* ---- the keeper: what may take long ---- */

static void check_runs(scp__core *core)
{
	scp__runs_check(core, scp__core_now_us(core), scp__mono_us());
}

static void reconcile(scp__core *core)
{
	scp__reconcile(core, false);
}

static void reap(scp__core *core)
{
	scp__reap(core);
	scp__workspaces_tidy(&core->provision);
}

static void look_for_lost(scp__core *core)
{
	scp__return_nodes(core, false);
	scp__look_for_lost(core);
}

static const struct {
	int64_t every_s;
	void (*chore)(scp__core *core);
	scp__chore name;
} chores[] = {
	{ 1, check_runs, SCP__CHORE_RUNS },
	{ 1, scp__runs_cancel, SCP__CHORE_CANCELS },
	{ 1, reap, SCP__CHORE_REAP },
	{ 1, scp__adopt_over, SCP__CHORE_OVER },
	{ 1, look_for_lost, SCP__CHORE_NODES },
	{ 5, scp__forget, SCP__CHORE_FORGET },
	{ 1, scp__sync_running, SCP__CHORE_SYNC_RUNNING },
	{ 5, scp__sync_owed, SCP__CHORE_SYNC_OWED },
	{ 30, reconcile, SCP__CHORE_RECONCILE },
	{ 60, scp__retain, SCP__CHORE_RETAIN },
};

enum { CHORES = sizeof(chores) / sizeof(chores[0]) };

static void *keeper(void *arg)
{
	scp__upkeep *u = arg;
	int64_t due[CHORES];

	scp__return_nodes(u->core, true);
	scp__reconcile(u->core, true);
	for (size_t i = 0; i < CHORES; i++)
		due[i] = scp__mono_us() + chores[i].every_s * SECOND_US;
	while (pause_ms(u, 1000)) {
		for (size_t i = 0; i < CHORES; i++) {
			if (scp__mono_us() < due[i])
				continue;
			chores[i].chore(u->core);
			scp__count_chore(u->core->figures, chores[i].name);
			due[i] = scp__mono_us() + chores[i].every_s * SECOND_US;
		}
	}
	return NULL;
}

/* ---- the watchers: containers that end ---- */

static void *watcher(void *arg)
{
	struct watcher *w = arg;
	scp_runtime_event event;
	scp_error err;
	scp_status rc;

	for (;;) {
		err = (scp_error){ 0 };
		rc = scp__runtime_next_event(w->rt, &event, EVENT_WAIT_MS, &err);
		if (rc == SCP_ECLOSED)
			return NULL;
		if (!rc)
			scp__container_gone(w->u->core, event.name, event.exit_code, event.oom_killed);
		else if (rc != SCP_ETIMEDOUT && !pause_ms(w->u, EVENT_PAUSE_MS))
			return NULL;
	}
}

/* ---- start and stop ---- */

static scp_status start_watchers(scp__upkeep *u, scp_error *err)
{
	scp__core *core = u->core;
	scp_status rc = SCP_OK;

	u->watchers = calloc(core->runtime_count, sizeof(*u->watchers));
	if (!u->watchers)
		return scp__nomem(err);
	for (size_t i = 0; !rc && i < core->runtime_count; i++) {
		u->watchers[i] = (struct watcher){ .u = u, .rt = core->runtimes[i] };
		rc = scp__thread_start(&u->watchers[i].thread, "scp-watch", watcher, &u->watchers[i], err);
		u->watcher_count += !rc;
	}
	return rc;
}

static scp__upkeep *upkeep_new(scp__core *core)
{
	scp__upkeep *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->core = core;
	pthread_mutex_init(&u->lock, NULL);
	scp__mono_cond_init(&u->stop_cond);
	return u;
}

scp_status scp__upkeep_start(scp__upkeep **out, scp__core *core, scp_error *err)
{
	scp__upkeep *u = upkeep_new(core);
	scp_status rc;

	*out = NULL;
	if (!u)
		return scp__nomem(err);
	rc = scp__thread_start(&u->ticker, "scp-tick", ticker, u, err);
	u->ticking = !rc;
	if (!rc && core->upkeep) {
		rc = start_watchers(u, err);
		if (!rc)
			rc = scp__thread_start(&u->keeper, "scp-upkeep", keeper, u, err);
		u->keeping = !rc;
	}
	if (rc)
		scp__upkeep_stop(u);
	else
		*out = u;
	return rc;
}

void scp__upkeep_stop(scp__upkeep *u)
{
	if (!u)
		return;
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_broadcast(&u->stop_cond);
	pthread_mutex_unlock(&u->lock);
	for (size_t i = 0; i < u->watcher_count; i++)
		scp__runtime_interrupt(u->watchers[i].rt);
	if (u->ticking)
		pthread_join(u->ticker, NULL);
	if (u->keeping)
		pthread_join(u->keeper, NULL);
	for (size_t i = 0; i < u->watcher_count; i++)
		pthread_join(u->watchers[i].thread, NULL);
	scp__ids_free(&u->strange);
	scp__ids_free(&u->executions);
	scp__ids_free(&u->sessions);
	scp__ids_free(&u->over);
	free(u->watchers);
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->stop_cond);
	free(u);
}
