#include "placement.h"

#include <string.h>

#include "err.h"

/* Why nobody takes it, so far. */
struct refusal {
	scp_status rc;
	scp_error why;
};

double scp__schedule_load(uint64_t cpu_used, uint64_t cpu, uint64_t memory_used, uint64_t memory)
{
	double of_cpu = cpu ? (double)cpu_used / (double)cpu : 0;
	double of_memory = memory ? (double)memory_used / (double)memory : 0;

	return of_cpu > of_memory ? of_cpu : of_memory;
}

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
static void note(struct refusal *r, scp_status rc, const scp_error *why)
{
	if (r->rc != SCP_OK && !(can_not(r->rc) && !can_not(rc)))
		return;
	r->rc = rc;
	r->why = *why;
}

/* The least loaded one behind `last` (NULL: of all), in an order in which each comes once. */
static scp__schedule_node *next(scp__schedule_node *nodes, size_t count, const scp__schedule_node *last)
{
	scp__schedule_node *best = NULL;

	for (scp__schedule_node *n = nodes; n < nodes + count; n++) {
		bool passed = last && (n->load < last->load || (n->load <= last->load && n <= last));

		if (!passed && (!best || n->load < best->load))
			best = n;
	}
	return best;
}

static scp_status look(scp__schedule_node *n, const scp__schedule_want *want, bool *here, scp_error *err)
{
	scp_status rc = want->network ? scp__runtime_network(n->runtime, err) : SCP_OK;

	*here = false;
	if (!rc)
		rc = scp__runtime_image_look(n->runtime, want->image, here, err);
	n->absent = !rc && !*here;
	return rc;
}

static scp_runtime *one_that_has_it(
    scp__schedule_node *nodes, size_t count, const scp__schedule_want *want, struct refusal *refused)
{
	for (scp__schedule_node *n = next(nodes, count, NULL); n; n = next(nodes, count, n)) {
		scp_error now = { 0 };
		scp_status rc;
		bool here;

		n->absent = false;
		if (n->draining)
			continue;
		rc = look(n, want, &here, &now);
		if (here)
			return n->runtime;
		if (rc)
			note(refused, rc, &now);
	}
	return NULL;
}

static scp_runtime *one_that_gets_it(
    scp__schedule_node *nodes, size_t count, const scp__schedule_want *want, struct refusal *refused)
{
	for (scp__schedule_node *n = next(nodes, count, NULL); n; n = next(nodes, count, n)) {
		scp_error now = { 0 };
		scp_status rc;

		if (!n->absent)
			continue;
		rc = scp__runtime_image_fetch(n->runtime, want->image, want->progress, want->user, &now);
		if (!rc)
			return n->runtime;
		note(refused, rc, &now);
		/* It is on its way already: that others fetch it too would be no faster. */
		if (rc == SCP_EAGAIN)
			break;
	}
	return NULL;
}

scp_status scp__schedule_place(
    scp_runtime **out, scp__schedule_node *nodes, size_t count, const scp__schedule_want *want, scp_error *err)
{
	struct refusal refused = { 0 };

	*out = NULL;
	if (want->node)
		return on_node(out, nodes, count, want->node, err);
	*out = one_that_has_it(nodes, count, want, &refused);
	if (!*out)
		*out = one_that_gets_it(nodes, count, want, &refused);
	if (*out)
		return SCP_OK;
	if (!refused.rc)
		return all_draining(err);
	scp__error_copy(err, &refused.why);
	return refused.rc;
}
