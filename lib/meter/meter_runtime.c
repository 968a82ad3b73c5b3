#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "meter.h"

struct meter {
	scp_runtime rt;
	scp_runtime_ops ops;
	scp_runtime *behind;
	scp__figures *figures;
};

static const struct meter *meter_of(const scp_runtime *rt)
{
	return (const struct meter *)(const void *)rt;
}

/* Call an operation of the runtime behind and count it as `name`. */
#define TIMED(name, operation, ...)                                                                                    \
	do {                                                                                                           \
		const struct meter *m = meter_of(rt);                                                                  \
		int64_t begun = scp__mono_us();                                                                        \
		scp_status rc = m->behind->ops->operation(m->behind, __VA_ARGS__);                                     \
                                                                                                                       \
		scp__count_backend(m->figures, SCP__BACKEND_RUNTIME, name, rc, scp__mono_us() - begun);                \
		return rc;                                                                                             \
	} while (0)

static scp_status image_prepare(scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	TIMED("prepare", image_prepare, image, digest, digest_size, err);
}

static scp_status image_look(scp_runtime *rt, const char *image, bool *here, scp_error *err)
{
	TIMED("prepare", image_look, image, here, err);
}

static scp_status image_fetch(
    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err)
{
	TIMED("prepare", image_fetch, image, fn, user, err);
}

static scp_status run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	TIMED("run", run, spec, err);
}

static scp_status stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	TIMED("stop", stop, name, grace_ms, err);
}

static scp_status remove_container(scp_runtime *rt, const char *name, scp_error *err)
{
	TIMED("remove", remove, name, err);
}

static scp_status inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	TIMED("inspect", inspect, name, fn, user, err);
}

static scp_status list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	TIMED("list", list, fn, user, err);
}

static scp_status logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err)
{
	TIMED("logs", logs, name, tail, out, out_size, err);
}

static scp_status stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	TIMED("stats", stats, name, out, err);
}

static scp_status connect_executor(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	TIMED("connect", connect, name, fd, err);
}

static scp_status pause_container(scp_runtime *rt, const char *name, scp_error *err)
{
	TIMED("pause", pause, name, err);
}

static scp_status resume_container(scp_runtime *rt, const char *name, scp_error *err)
{
	TIMED("resume", resume, name, err);
}

static scp_status health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	TIMED("health", health, deadline_ms, detail, detail_size, err);
}

/* ---- what isn't timed: facts, and waiting ---- */

static const char *node_name(scp_runtime *rt)
{
	scp_runtime *behind = meter_of(rt)->behind;

	return behind->ops->node_name(behind);
}

static int32_t workspace_uid(scp_runtime *rt)
{
	scp_runtime *behind = meter_of(rt)->behind;

	return behind->ops->workspace_uid(behind);
}

static scp_status next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	scp_runtime *behind = meter_of(rt)->behind;

	return behind->ops->next_event(behind, out, timeout_ms, err);
}

static void interrupt(scp_runtime *rt)
{
	scp_runtime *behind = meter_of(rt)->behind;

	behind->ops->interrupt(behind);
}

static scp_status capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	scp_runtime *behind = meter_of(rt)->behind;

	return behind->ops->capacity(behind, out, err);
}

static void limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	scp_runtime *behind = meter_of(rt)->behind;

	behind->ops->limits(behind, rows, count);
}

static scp_status network(scp_runtime *rt, scp_error *err)
{
	scp_runtime *behind = meter_of(rt)->behind;

	return behind->ops->network(behind, err);
}

static void close_both(scp_runtime *rt)
{
	scp_runtime *behind = scp__unmeter_runtime(rt);

	behind->ops->close(behind);
}

scp_runtime *scp__unmeter_runtime(scp_runtime *rt)
{
	struct meter *m = (struct meter *)(void *)rt;
	scp_runtime *behind;

	if (!rt || rt->ops->close != close_both)
		return rt;
	behind = m->behind;
	free(m);
	return behind;
}

static const scp_runtime_ops metered = {
	sizeof(scp_runtime_ops),
	.node_name = node_name,
	.workspace_uid = workspace_uid,
	.image_prepare = image_prepare,
	.run = run,
	.stop = stop,
	.remove = remove_container,
	.inspect = inspect,
	.list = list,
	.logs = logs,
	.stats = stats,
	.connect = connect_executor,
	.next_event = next_event,
	.interrupt = interrupt,
	.capacity = capacity,
	.limits = limits,
	.health = health,
	.pause = pause_container,
	.resume = resume_container,
	.close = close_both,
	.network = network,
	.image_look = image_look,
	.image_fetch = image_fetch,
};

/* What the backend doesn't have isn't had through the meter either. */
static void leave_out(scp_runtime_ops *ops, const scp_runtime_ops *behind)
{
	ops->type = behind->type;
	if (!behind->image_prepare)
		ops->image_prepare = NULL;
	if (!behind->network)
		ops->network = NULL;
	if (!behind->image_look)
		ops->image_look = NULL;
	if (!behind->image_fetch)
		ops->image_fetch = NULL;
	if (!behind->logs)
		ops->logs = NULL;
	if (!behind->stats)
		ops->stats = NULL;
	if (!behind->pause)
		ops->pause = NULL;
	if (!behind->resume)
		ops->resume = NULL;
}

scp_status scp__meter_runtime(scp_runtime **rt, scp__figures *f, scp_error *err)
{
	struct meter *m = calloc(1, sizeof(*m));

	if (!m)
		return scp__nomem(err);
	m->ops = metered;
	leave_out(&m->ops, (*rt)->ops);
	m->rt.ops = &m->ops;
	m->behind = *rt;
	m->figures = f;
	*rt = &m->rt;
	return SCP_OK;
}
