#include "placement.h"

#include <string.h>

#include "err.h"

static scp_status on_node(
    scp_runtime **out, scp_runtime *const *runtimes, size_t count, const char *node, scp_error *err)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(scp__runtime_node_name(runtimes[i]), node))
			continue;
		*out = runtimes[i];
		return SCP_OK;
	}
	scp__fail(err, SCP_EUNAVAIL, "node %s is out of reach for this process", node);
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

scp_status scp__schedule_place(
    scp_runtime **out, scp_runtime *const *runtimes, size_t count, const char *node, const char *image, scp_error *err)
{
	scp_status rc = SCP_ENOTFOUND;

	*out = NULL;
	if (node)
		return on_node(out, runtimes, count, node, err);
	/* One that has the image, or can get it; the first in the operator's order. */
	for (size_t i = 0; i < count; i++) {
		rc = scp__runtime_image_prepare(runtimes[i], image, NULL, 0, err);
		if (!rc) {
			*out = runtimes[i];
			return SCP_OK;
		}
	}
	return rc;
}
