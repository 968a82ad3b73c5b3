/* Health: every backend probed at once, by jobs that may outlive the answer: one that hangs makes it late, not stuck.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "plane.h"

enum { DEADLINE_MS = 2000, DETAIL_SIZE = 256, PROBES_MAX = 16, LIMITS_MAX = 16 };

struct probe {
	struct round *round;
	const char *name;
	scp_runtime *rt;
	scp_status (*ask)(struct probe *p, scp_error *err);
	bool done;
	scp_status rc;
	scp_error err;
	double latency_ms;
	char detail[DETAIL_SIZE];
};

/* One answer in the making; freed by whoever is last. */
struct round {
	scp__core *core;
	uint32_t deadline_ms;
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned refs, open;
	size_t count;
	struct probe probes[PROBES_MAX];
};

static scp_status ask_database(struct probe *p, scp_error *err)
{
	return scp__database_health(p->round->core->db, p->round->deadline_ms, p->detail, sizeof(p->detail), err);
}

static scp_status ask_storage(struct probe *p, scp_error *err)
{
	return scp__storage_health(p->round->core->storage, p->round->deadline_ms, p->detail, sizeof(p->detail), err);
}

static scp_status ask_runtime(struct probe *p, scp_error *err)
{
	return scp__runtime_health(p->rt, p->round->deadline_ms, p->detail, sizeof(p->detail), err);
}

static void round_unref(struct round *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = !--r->refs;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->change);
	free(r);
}

static void run_probe(void *arg)
{
	struct probe *p = arg;
	struct round *r = p->round;
	int64_t begin = scp__mono_us();
	scp_error err = { 0 };
	scp_status rc = p->ask(p, &err);

	pthread_mutex_lock(&r->lock);
	p->rc = rc;
	p->err = err;
	p->latency_ms = (double)(scp__mono_us() - begin) / 1000.0;
	p->done = true;
	r->open--;
	pthread_cond_signal(&r->change);
	pthread_mutex_unlock(&r->lock);
	round_unref(r);
}

static void add_probe(
    struct round *r, const char *name, scp_runtime *rt, scp_status (*ask)(struct probe *, scp_error *))
{
	struct probe *p = &r->probes[r->count];

	if (r->count == PROBES_MAX)
		return;
	*p = (struct probe){ .round = r, .name = name, .rt = rt, .ask = ask };
	r->count++;
}

static struct round *round_new(scp__core *core, uint32_t deadline_ms)
{
	struct round *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	r->core = core;
	r->deadline_ms = deadline_ms ? deadline_ms : DEADLINE_MS;
	r->refs = 1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->change, &attr);
	pthread_condattr_destroy(&attr);
	add_probe(r, "database", NULL, ask_database);
	add_probe(r, "storage", NULL, ask_storage);
	for (size_t i = 0; i < core->runtime_count; i++)
		add_probe(r, "runtime", core->runtimes[i], ask_runtime);
	return r;
}

static void ask_all(struct round *r)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += r->deadline_ms / 1000;
	until.tv_nsec += (long)(r->deadline_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->count; i++) {
		if (scp__pool_submit(r->core->io, run_probe, &r->probes[i]))
			continue;
		r->refs++;
		r->open++;
	}
	while (r->open && pthread_cond_timedwait(&r->change, &r->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
}

/* ---- the answer ---- */

struct answer {
	scp_health pub;
	scp__arena *arena;
};

static scp_health_status status_of(const struct probe *p)
{
	if (!p->done)
		return SCP_DEGRADED;
	return p->rc ? SCP_UNHEALTHY : SCP_HEALTHY;
}

static scp_probe *answer_probe(scp__arena *a, const struct probe *p, uint32_t deadline_ms)
{
	scp_probe *out = scp__arena_alloc(a, sizeof(*out));

	if (!out)
		return NULL;
	out->name = p->name;
	out->status = status_of(p);
	out->latency_ms = p->done ? p->latency_ms : deadline_ms;
	if (!p->done)
		out->detail = "no answer in time";
	else
		out->detail = scp__arena_strdup(a, p->rc ? p->err.message : p->detail);
	out->hint = p->done && p->rc ? scp__arena_strdup(a, p->err.hint) : NULL;
	return out->detail ? out : NULL;
}

static scp_limit *answer_limit(scp__arena *a, const char *name, const char *state, const char *detail)
{
	scp_limit *out = scp__arena_alloc(a, sizeof(*out));

	if (!out)
		return NULL;
	out->name = name;
	out->state = state;
	out->detail = scp__arena_strdup(a, detail ? detail : "");
	return out->detail ? out : NULL;
}

static bool answer_limits(struct answer *h, scp__core *core)
{
	const scp_limit **list = scp__arena_alloc(h->arena, LIMITS_MAX * sizeof(*list));
	const scp_runtime_limit *rows = NULL;
	const char *state, *detail;
	size_t rows_count = 0, n = 0;

	if (!list)
		return false;
	scp__runtime_limits(core->runtimes[0], &rows, &rows_count);
	for (size_t i = 0; i < rows_count && n < LIMITS_MAX - 1; i++, n++)
		if (!(list[n] = answer_limit(h->arena, rows[i].name, rows[i].state, rows[i].detail)))
			return false;
	scp__volumes_limit(core->volumes, &state, &detail);
	if (!(list[n] = answer_limit(h->arena, "disk", state, detail)))
		return false;
	h->pub.limits = list;
	h->pub.limit_count = n + 1;
	return true;
}

static bool fill(struct answer *h, struct round *r)
{
	const scp_probe **list = scp__arena_alloc(h->arena, PROBES_MAX * sizeof(*list));
	bool ok = list != NULL;

	h->pub.status = SCP_HEALTHY;
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; ok && i < r->count; i++) {
		list[i] = answer_probe(h->arena, &r->probes[i], r->deadline_ms);
		ok = list[i] != NULL;
		if (ok && list[i]->status > h->pub.status)
			h->pub.status = list[i]->status;
	}
	pthread_mutex_unlock(&r->lock);
	h->pub.probes = list;
	h->pub.probe_count = r->count;
	h->pub.version = scp_version();
	h->pub.uptime_s = (double)(scp__mono_us() - r->core->opened_mono_us) / 1e6;
	return ok && answer_limits(h, r->core);
}

static scp_status answer(scp_health **out, struct round *r, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	struct answer *h = arena ? scp__arena_alloc(arena, sizeof(*h)) : NULL;

	if (h)
		h->arena = arena;
	if (!h || !fill(h, r)) {
		scp__arena_free(arena);
		return scp__nomem(err);
	}
	*out = &h->pub;
	return SCP_OK;
}

scp_status scp_plane_health(scp_health **out, scp_plane *plane, uint32_t deadline_ms, scp_error *err)
{
	struct round *r;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	r = round_new(plane->core, deadline_ms);
	if (r) {
		ask_all(r);
		rc = answer(out, r, err);
		round_unref(r);
	} else {
		rc = scp__nomem(err);
	}
	scp__leave(plane);
	return rc;
}

void scp_health_free(scp_health *health)
{
	if (health)
		scp__arena_free(((struct answer *)health)->arena);
}

const char *scp_health_status_name(scp_health_status status)
{
	switch (status) {
	case SCP_HEALTHY:
		return "healthy";
	case SCP_DEGRADED:
		return "degraded";
	case SCP_UNHEALTHY:
		return "unhealthy";
	}
	return "?";
}
