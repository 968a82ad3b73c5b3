/* Nodes: listing them, and keeping new sessions off one. */
#include <string.h>

#include "containers.h"
#include "err.h"

struct list {
	scp_node_query query;
	scp_node_page *page;
};

static scp_status list_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct list *l = arg;

	scp_node_page_free(l->page);
	l->page = NULL;
	return scp__store_node_list(tx, &l->query, &l->page, err);
}

scp_status scp_node_list(scp_node_page **out, scp_plane *plane, const scp_node_query *query, scp_error *err)
{
	struct list l = { SCP_NODE_QUERY_INIT, NULL };
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	if (query)
		l.query = *query;
	rc = scp__check_page(l.query.limit, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_READ, list_tx, &l, err);
	if (!rc)
		*out = l.page;
	else
		scp_node_page_free(l.page);
	scp__leave(plane);
	return rc;
}

struct drain {
	const char *id;
	bool drain;
	scp_node *node;
};

static scp_status drain_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct drain *d = arg;
	scp_status rc;

	scp_node_free(d->node);
	d->node = NULL;
	rc = scp__store_node_drain(tx, d->id, d->drain, err);
	return rc ? rc : scp__store_node_show(tx, d->id, &d->node, err);
}

scp_status scp_node_drain(scp_node **out, scp_plane *plane, const char *id, bool drain, scp_error *err)
{
	struct drain d = { id, drain, NULL };
	scp__log_ids ids = { 0 };
	scp_status rc;

	if (out)
		*out = NULL;
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	ids.request_id = scp__request_id(plane);
	rc = scp__database_transact(plane->core->db, SCP_DB_WRITE, drain_tx, &d, err);
	if (!rc)
		scp__core_log(plane->core, SCP_LOG_INFO, &ids, "node %s is %s", id, d.node->status);
	if (!rc && out)
		*out = d.node;
	else
		scp_node_free(d.node);
	scp__leave(plane);
	return rc;
}

/* ---- for those who place sessions ---- */

scp_status scp__nodes_check_room(scp_db_tx *tx, scp_error *err)
{
	uint64_t ready = 0, draining = 0, lost = 0;
	scp_status rc = scp__store_node_count(tx, "ready", &ready, err);

	if (!rc && !ready)
		rc = scp__store_node_count(tx, "draining", &draining, err);
	if (!rc && !ready)
		rc = scp__store_node_count(tx, "lost", &lost, err);
	if (rc || ready || !(draining || lost))
		return rc;
	scp__fail(err, SCP_ECAPACITY, "every node is %s", !lost ? "draining" : draining ? "draining or lost" : "lost");
	scp__hint(err, lost ? "Start the process that drives a node, or undrain one" : "Undrain a node, or add one");
	scp__retry_after(err, 10000);
	return SCP_ECAPACITY;
}

struct look {
	scp__core *core;
	scp__schedule_node *nodes;
};

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct look *l = arg;
	scp__node *n;
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < l->core->runtime_count; i++) {
		scp_runtime *rt = l->core->runtimes[i];

		rc = scp__store_node_get(tx, scp__runtime_node_name(rt), &n, err);
		if (rc)
			break;
		l->nodes[i] = (scp__schedule_node){ rt, n->lost_us || !strcmp(n->status, "draining"),
			scp__schedule_load(
			    n->allocated_cpu_millis, n->cpu_millis, n->allocated_memory_bytes, n->memory_bytes) };
		scp__node_free(n);
	}
	return rc;
}

scp_status scp__nodes_look(scp__core *core, scp__schedule_node *nodes, scp_error *err)
{
	struct look l = { core, nodes };

	return scp__database_transact(core->db, SCP_DB_READ, look_tx, &l, err);
}
