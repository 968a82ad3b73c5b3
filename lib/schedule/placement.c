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

static bool can_not(scp_status rc)
{
	return rc == SCP_ENOTFOUND || rc == SCP_ENOTSUP;
}

/* The first cause; but that a node couldn't tell outweighs that another can't: it may be able to, later. */
static bool outweighs(scp_status rc, scp_status before)
{
	return before == SCP_OK || (can_not(before) && !can_not(rc));
}

scp_status scp__schedule_place(scp_runtime **out, const scp__schedule_node *nodes, size_t count, const char *node,
    const char *image, scp_error *err)
{
	scp_status rc, refused = SCP_OK;
	scp_error now, refusal = { 0 };

	*out = NULL;
	if (node)
		return on_node(out, nodes, count, node, err);
	/* One that has the image, or can get it; the first in the operator's order. */
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].draining)
			continue;
		now = (scp_error){ 0 };
		rc = scp__runtime_image_prepare(nodes[i].runtime, image, NULL, 0, &now);
		if (!rc) {
			*out = nodes[i].runtime;
			return SCP_OK;
		}
		if (outweighs(rc, refused)) {
			refused = rc;
			refusal = now;
		}
	}
	if (!refused)
		return all_draining(err);
	scp__error_copy(err, &refusal);
	return refused;
}
