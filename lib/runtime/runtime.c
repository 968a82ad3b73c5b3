/* The runtime port. What a backend lacks is answered here, so that no caller has an `if` for it. */
#include "runtime.h"

#include <string.h>

#include "err.h"

static scp_status missing(const scp_runtime *rt, const char *what, scp_error *err)
{
	scp_status rc = scp__fail(err, SCP_ENOTSUP, "the %s runtime can't %s", rt->ops->type, what);

	scp__hint(err, "Use a runtime that offers it");
	return rc;
}

scp_status scp__runtime_check(const scp_runtime *rt, scp_error *err)
{
	const scp_runtime_ops *ops = rt ? rt->ops : NULL;

	if (!ops || ops->struct_size < sizeof(*ops))
		return scp__fail(err, SCP_EINVAL, "runtime: no operations, or struct_size is too small");
#define REQUIRE(member)                                                                                                \
	if (!ops->member)                                                                                              \
	return scp__fail(err, SCP_EINVAL, "runtime %s: operation %s is missing", ops->type ? ops->type : "?", #member)
	REQUIRE(type);
	REQUIRE(node_name);
	REQUIRE(workspace_uid);
	REQUIRE(image_prepare);
	REQUIRE(run);
	REQUIRE(stop);
	REQUIRE(remove);
	REQUIRE(inspect);
	REQUIRE(list);
	REQUIRE(connect);
	REQUIRE(next_event);
	REQUIRE(interrupt);
	REQUIRE(capacity);
	REQUIRE(limits);
	REQUIRE(health);
	REQUIRE(close);
#undef REQUIRE
	return SCP_OK;
}

const char *scp__runtime_type(scp_runtime *rt)
{
	return rt->ops->type;
}

const char *scp__runtime_node_name(scp_runtime *rt)
{
	return rt->ops->node_name(rt);
}

int32_t scp__runtime_workspace_uid(scp_runtime *rt)
{
	return rt->ops->workspace_uid(rt);
}

scp_status scp__runtime_image_prepare(
    scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	return rt->ops->image_prepare(rt, image, digest, digest_size, err);
}

scp_status scp__runtime_network(scp_runtime *rt, scp_error *err)
{
	if (rt->ops->network)
		return rt->ops->network(rt, err);
	scp__fail(err, SCP_ENOTSUP, "the %s runtime gives no network to a sandbox", rt->ops->type);
	scp__hint(err, "Leave network_enabled out, or use a runtime that has a network");
	return SCP_ENOTSUP;
}

scp_status scp__runtime_image_look(scp_runtime *rt, const char *image, bool *here, scp_error *err)
{
	scp_status rc;

	if (rt->ops->image_look)
		return rt->ops->image_look(rt, image, here, err);
	rc = scp__runtime_image_prepare(rt, image, NULL, 0, err);
	*here = !rc;
	return rc;
}

scp_status scp__runtime_image_fetch(
    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err)
{
	if (rt->ops->image_fetch && fn)
		return rt->ops->image_fetch(rt, image, fn, user, err);
	return scp__runtime_image_prepare(rt, image, NULL, 0, err);
}

scp_status scp__runtime_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	return rt->ops->run(rt, spec, err);
}

scp_status scp__runtime_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	return rt->ops->stop(rt, name, grace_ms, err);
}

scp_status scp__runtime_remove(scp_runtime *rt, const char *name, scp_error *err)
{
	return rt->ops->remove(rt, name, err);
}

scp_status scp__runtime_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	return rt->ops->inspect(rt, name, fn, user, err);
}

scp_status scp__runtime_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	return rt->ops->list(rt, fn, user, err);
}

scp_status scp__runtime_logs(
    scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err)
{
	if (!rt->ops->logs)
		return missing(rt, "show logs", err);
	return rt->ops->logs(rt, name, tail, out, out_size, err);
}

scp_status scp__runtime_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	if (!rt->ops->stats)
		return missing(rt, "measure usage", err);
	return rt->ops->stats(rt, name, out, err);
}

scp_status scp__runtime_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	return rt->ops->connect(rt, name, fd, err);
}

scp_status scp__runtime_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	return rt->ops->next_event(rt, out, timeout_ms, err);
}

void scp__runtime_interrupt(scp_runtime *rt)
{
	rt->ops->interrupt(rt);
}

scp_status scp__runtime_capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	return rt->ops->capacity(rt, out, err);
}

void scp__runtime_limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	rt->ops->limits(rt, rows, count);
}

scp_status scp__runtime_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	return rt->ops->health(rt, deadline_ms, detail, detail_size, err);
}

void scp__runtime_close(scp_runtime *rt)
{
	if (rt)
		rt->ops->close(rt);
}

scp_status scp__runtime_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err)
{
	*out = NULL;
	if (strncmp(url, "oci:", 4) == 0)
		return scp__oci_open(out, url, options, err);
	if (strncmp(url, "docker:", 7) == 0)
		return scp__docker_open(out, url, options, err);
	return scp__fail(err, SCP_EINVAL, "runtime URL \"%.64s\": its scheme must be one of: oci:, docker:", url);
}
