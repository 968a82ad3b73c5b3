#include "placement.h"

#include <string.h>

#include "err.h"

static scp_status on_node(
    scp_runtime **out, const scp__schedule_node *nodes, size_t count, const char *node, scp_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(scp__runtime_node_name(nodes[i].runtime), node))
			continue;
		*out = nodes[i].runtime;
		return SCP_OK;
	}
	scp__fail(err, SCP_EUNAVAIL, "node %s is out of reach for this process", node);
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

static scp_status all_draining(scp_error *err)
{
	scp__fail(err, SCP_ECAPACITY, "every node is draining");
	scp__retry_after(err, 10000);
	return SCP_ECAPACITY;
}

scp_status scp__schedule_place(scp_runtime **out, const scp__schedule_node *nodes, size_t count, const char *node,
    const char *image, scp_error *err)
{
	scp_status rc = SCP_ENOTFOUND;
	bool any = false;

	*out = NULL;
	if (node)
		return on_node(out, nodes, count, node, err);
	/* One that has the image, or can get it; the first in the operator's order. */
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].draining)
			continue;
		any = true;
		rc = scp__runtime_image_prepare(nodes[i].runtime, image, NULL, 0, err);
		if (!rc) {
			*out = nodes[i].runtime;
			return SCP_OK;
		}
	}
	return any ? rc : all_draining(err);
}
