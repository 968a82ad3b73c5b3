/* Health: what the backends answered, and which limits hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "probe.h"

enum { DEADLINE_MS = 2000, LIMITS_MAX = 16 };

/* ---- the answer ---- */

struct answer {
	scp_health pub;
	scp__arena *arena;
};

static scp_probe *answer_probe(scp__arena *a, const scp__probe *p, bool answered, uint32_t deadline_ms)
{
	scp_probe *out = scp__arena_alloc(a, sizeof(*out));

	if (!out)
		return NULL;
	out->name = p->name;
	out->status = !answered ? SCP_DEGRADED : p->rc ? SCP_UNHEALTHY : SCP_HEALTHY;
	out->latency_ms = answered ? p->latency_ms : deadline_ms;
	if (!answered)
		out->detail = "no answer in time";
	else
		out->detail = scp__arena_strdup(a, p->rc ? p->err.message : p->detail);
	out->hint = answered && p->rc ? scp__arena_strdup(a, p->err.hint) : NULL;
	return out->detail ? out : NULL;
}

/* Of several runtimes: one that fails costs what it has, all cost everything. Its words stand with its name. */
static bool join_runtime(scp__arena *a, scp_probe *sum, const scp_probe *one, const char *node)
{
	bool worse = one->status != SCP_HEALTHY && sum->status == SCP_HEALTHY;
	size_t size;
	char *text;

	sum->status = sum->status == one->status ? one->status : SCP_DEGRADED;
	sum->latency_ms = one->latency_ms > sum->latency_ms ? one->latency_ms : sum->latency_ms;
	if (!worse)
		return true;
	size = strlen(node) + strlen(one->detail) + sizeof(": ");
	text = scp__arena_alloc(a, size);
	if (!text)
		return false;
	(void)snprintf(text, size, "%s: %s", node, one->detail);
	sum->detail = text;
	sum->hint = one->hint;
	return true;
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

/* "enforced", "delayed", "not enforced" */
static int badness(const char *state)
{
	return !strcmp(state, "enforced") ? 0 : !strcmp(state, "delayed") ? 1 : 2;
}

/* What holds wherever a session may come to: the weakest of the runtimes' rows of that name. */
static const scp_runtime_limit *weakest(scp__core *core, const scp_runtime_limit *row)
{
	for (size_t i = 1; i < core->runtime_count; i++) {
		const scp_runtime_limit *rows = NULL;
		size_t count = 0;

		scp__runtime_limits(core->runtimes[i], &rows, &count);
		for (size_t j = 0; j < count; j++)
			if (!strcmp(rows[j].name, row->name) && badness(rows[j].state) > badness(row->state))
				row = &rows[j];
	}
	return row;
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
	for (size_t i = 0; i < rows_count && n < LIMITS_MAX - 1; i++, n++) {
		const scp_runtime_limit *row = weakest(core, &rows[i]);

		if (!(list[n] = answer_limit(h->arena, row->name, row->state, row->detail)))
			return false;
	}
	scp__volumes_limit(core->volumes, &state, &detail);
	if (!(list[n] = answer_limit(h->arena, "disk", state, detail)))
		return false;
	h->pub.limits = list;
	h->pub.limit_count = n + 1;
	return true;
}

static bool fill(struct answer *h, scp__core *core, const scp__round *round, uint32_t deadline_ms)
{
	scp__probes *all = core->probes;
	const scp_probe **list = scp__arena_alloc(h->arena, SCP__PROBES_MAX * sizeof(*list));
	bool ok = list != NULL;
	scp_probe *runtime = NULL;
	size_t n = 0;

	h->pub.status = SCP_HEALTHY;
	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; ok && i < round->count; i++) {
		scp_probe *p = answer_probe(h->arena, &all->probes[i], scp__probe_answered(all, round, i), deadline_ms);

		ok = p != NULL;
		if (ok && runtime && all->probes[i].rt)
			ok = join_runtime(h->arena, runtime, p, scp__runtime_node_name(all->probes[i].rt));
		else if (ok)
			list[n++] = p;
		if (!runtime && all->probes[i].rt)
			runtime = p;
	}
	pthread_mutex_unlock(&all->lock);
	for (size_t i = 0; i < n; i++)
		h->pub.status = list[i]->status > h->pub.status ? list[i]->status : h->pub.status;
	h->pub.probes = list;
	h->pub.probe_count = n;
	h->pub.version = scp_version();
	h->pub.uptime_s = (double)(scp__mono_us() - core->opened_mono_us) / 1e6;
	return ok && answer_limits(h, core);
}

static scp_status look(scp_health **out, scp__core *core, uint32_t deadline_ms, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	struct answer *h = arena ? scp__arena_alloc(arena, sizeof(*h)) : NULL;
	scp__round round;

	scp__probes_ask(core->probes, &round, 0, core->probes->count, deadline_ms);
	if (h)
		h->arena = arena;
	if (!h || !fill(h, core, &round, deadline_ms)) {
		scp__arena_free(arena);
		return scp__nomem(err);
	}
	*out = &h->pub;
	return SCP_OK;
}

scp_status scp_plane_health(scp_health **out, scp_plane *plane, uint32_t deadline_ms, scp_error *err)
{
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = look(out, plane->core, deadline_ms ? deadline_ms : DEADLINE_MS, err);
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
