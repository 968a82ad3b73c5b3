/* The asynchronous twins of containers and nodes. */
#include "async.h"
#include "err.h"

static void free_container(void *c)
{
	scp_container_free(c);
}

static void free_container_page(void *p)
{
	scp_container_page_free(p);
}

static void free_log(void *l)
{
	scp_container_log_free(l);
}

static void free_node(void *n)
{
	scp_node_free(n);
}

static void free_reach(void *r)
{
	scp_reach_free(r);
}

static void free_node_page(void *p)
{
	scp_node_page_free(p);
}

/* ---- what the pool does ---- */

static scp_status container_get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_container_get((scp_container **)result, view, a->id, err);
}

static scp_status container_list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_container_list((scp_container_page **)result, view, &a->containers, err);
}

static scp_status container_logs(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_container_logs((scp_container_log **)result, view, a->id, &a->log, err);
}

static scp_status node_list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_node_list((scp_node_page **)result, view, &a->nodes, err);
}

static scp_status node_drain(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_node_drain((scp_node **)result, view, a->id, a->have, err);
}

static scp_status reach_get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_reach_get((scp_reach **)result, view, a->id, err);
}

/* ---- the twins ---- */

scp_status scp_container_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, container_get, free_container, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, id);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_container_list_async(
    scp_request **out, scp_plane *plane, const scp_container_query *query, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, container_list, free_container_page, fn, user, err);

	if (rc)
		return rc;
	a.args->containers = query ? *query : (scp_container_query)SCP_CONTAINER_QUERY_INIT;
	scp__async_text(&a, &a.args->containers.runtime_type, a.args->containers.runtime_type);
	scp__async_text(&a, &a.args->containers.session_id, a.args->containers.session_id);
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_container_logs_async(scp_request **out, scp_plane *plane, const char *id, const scp_log_query *query,
    scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, container_logs, free_log, fn, user, err);

	if (rc)
		return rc;
	a.args->log = query ? *query : (scp_log_query)SCP_LOG_QUERY_INIT;
	scp__async_text(&a, &a.args->id, id);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_node_list_async(
    scp_request **out, scp_plane *plane, const scp_node_query *query, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, node_list, free_node_page, fn, user, err);

	if (rc)
		return rc;
	a.args->nodes = query ? *query : (scp_node_query)SCP_NODE_QUERY_INIT;
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_node_drain_async(
    scp_request **out, scp_plane *plane, const char *id, bool drain, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, node_drain, free_node, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, id);
	a.args->have = drain;
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_reach_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, reach_get, free_reach, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, id);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}
