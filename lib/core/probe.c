#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"

static scp_status ask_database(scp__probes *all, scp__probe *p, uint32_t deadline_ms, char *detail, scp_error *err)
{
	(void)p;
	return scp__database_health(all->core->db, deadline_ms, detail, SCP__PROBE_DETAIL, err);
}

static scp_status ask_storage(scp__probes *all, scp__probe *p, uint32_t deadline_ms, char *detail, scp_error *err)
{
	(void)p;
	return scp__storage_health(all->core->storage, deadline_ms, detail, SCP__PROBE_DETAIL, err);
}

static scp_status ask_runtime(scp__probes *all, scp__probe *p, uint32_t deadline_ms, char *detail, scp_error *err)
{
	(void)all;
	return scp__runtime_health(p->rt, deadline_ms, detail, SCP__PROBE_DETAIL, err);
}

static scp_status census_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_census(tx, arg, err);
}

static scp_status ask_census(scp__probes *all, scp__probe *p, uint32_t deadline_ms, char *detail, scp_error *err)
{
	scp__census census;
	scp_status rc = scp__database_transact(all->core->db, SCP_DB_READ, census_tx, &census, err);

	(void)p;
	(void)deadline_ms;
	(void)detail;
	if (rc)
		return rc;
	pthread_mutex_lock(&all->lock);
	all->census = census;
	pthread_mutex_unlock(&all->lock);
	return SCP_OK;
}

/* ---- life ---- */

static void add(scp__probes *all, const char *name, scp_runtime *rt,
    scp_status (*ask)(scp__probes *, scp__probe *, uint32_t, char *, scp_error *))
{
	if (all->count < SCP__PROBES_MAX)
		all->probes[all->count++] = (scp__probe){ .name = name, .rt = rt, .ask = ask, .all = all };
}

static void init_lock(scp__probes *all)
{
	pthread_mutex_init(&all->lock, NULL);
	scp__mono_cond_init(&all->change);
}

scp_status scp__probes_new(scp__probes **out, scp__core *core, scp_error *err)
{
	scp__probes *all = calloc(1, sizeof(*all));

	*out = NULL;
	if (!all)
		return scp__nomem(err);
	all->core = core;
	init_lock(all);
	add(all, "database", NULL, ask_database);
	add(all, "storage", NULL, ask_storage);
	for (size_t i = 0; i < core->runtime_count; i++)
		add(all, "runtime", core->runtimes[i], ask_runtime);
	all->probes[all->count] = (scp__probe){ .name = "census", .ask = ask_census, .all = all };
	*out = all;
	return SCP_OK;
}

void scp__probes_free(scp__probes *all)
{
	if (!all)
		return;
	scp__pool_free(all->pool);
	pthread_mutex_destroy(&all->lock);
	pthread_cond_destroy(&all->change);
	free(all);
}

/* ---- asking ---- */

static void run_probe(void *arg)
{
	scp__probe *p = arg;
	int64_t begun = scp__mono_us();
	char detail[SCP__PROBE_DETAIL] = "";
	scp_error err = { 0 };
	scp_status rc = p->ask(p->all, p, p->deadline_ms, detail, &err);

	pthread_mutex_lock(&p->all->lock);
	p->rc = rc;
	p->err = err;
	memcpy(p->detail, detail, sizeof(p->detail));
	p->latency_ms = (double)(scp__mono_us() - begun) / 1000.0;
	p->done = p->begun;
	pthread_cond_broadcast(&p->all->change);
	pthread_mutex_unlock(&p->all->lock);
}

/* One thread for each, or one that hangs would keep another from being asked. */
static scp_status begin(scp__probes *all, scp__probe *p, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (!all->pool)
		rc = scp__pool_new(&all->pool, "scp-probe", (unsigned)all->count + 1, 0, err);
	return rc ? rc : scp__pool_submit(all->pool, run_probe, p);
}

static void put(scp__probes *all, scp__probe *p, uint32_t deadline_ms)
{
	if (p->begun != p->done)
		return;
	p->begun++;
	p->deadline_ms = deadline_ms;
	p->rc = begin(all, p, &p->err);
	if (p->rc)
		p->done = p->begun;
}

bool scp__probe_answered(const scp__probes *all, const scp__round *round, size_t i)
{
	return all->probes[round->first + i].done >= round->wanted[i];
}

static bool all_answered(const scp__probes *all, const scp__round *round)
{
	for (size_t i = 0; i < round->count; i++)
		if (!scp__probe_answered(all, round, i))
			return false;
	return true;
}

void scp__probes_ask(scp__probes *all, scp__round *round, size_t first, size_t count, uint32_t deadline_ms)
{
	struct timespec until = scp__mono_in(deadline_ms);

	round->first = first;
	round->count = count;
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < count; i++) {
		put(all, &all->probes[first + i], deadline_ms);
		round->wanted[i] = all->probes[first + i].begun;
	}
	while (!all_answered(all, round) && pthread_cond_timedwait(&all->change, &all->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&all->lock);
}
