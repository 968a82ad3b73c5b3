/* Executions sent to the container of their session. */
#include <string.h>

#include "clock.h"
#include "err.h"
#include "settle.h"

struct claim {
	scp__core *core;
	const char *id, *container_id;
	bool claimed;
	int64_t epoch, now_us;
	scp__execution *e;
};

/* A pending one that was sent somewhere else before may have begun there. */
static bool sent_elsewhere(const scp__execution *e, const char *container_id)
{
	return e->container_id && strcmp(e->container_id, container_id) != 0;
}

static bool may_go(const struct claim *c)
{
	const scp__execution *e = c->e;

	return e->pub.status == SCP_EXECUTION_PENDING && e->not_before_us <= c->now_us && !e->cancel_requested &&
	       !sent_elsewhere(e, c->container_id);
}

static scp_status claim_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct claim *c = arg;
	bool ignored;
	scp_status rc;

	if (c->e)
		scp_execution_free(&c->e->pub);
	c->e = NULL;
	c->now_us = scp__core_now_us(c->core);
	rc = scp__store_execution_claim(
	    tx, c->id, c->core->instance, c->now_us, c->now_us + SCP__LEASE_US, &c->claimed, &c->epoch, err);
	if (!rc && c->claimed)
		rc = scp__store_execution_get(tx, c->id, SCP__LOAD_CODE, &c->e, err);
	if (!rc && c->claimed && may_go(c))
		rc = scp__store_execution_sent(tx, c->id, c->epoch, c->container_id, &ignored, err);
	return rc;
}

/* Cancelled while it ran in a sandbox that is no more. */
static scp_status cancel(const struct claim *c)
{
	bool changed;

	return scp__execution_force(c->core, c->id, SCP__BIT(SCP_EXECUTION_PENDING), SCP_EXECUTION_CANCELLED,
	    "cancelled before it started again", &changed, NULL);
}

static scp_status take_up(const struct claim *c, const scp__session *s, scp__run *run)
{
	const scp__execution *e = c->e;
	bool pending = e->pub.status == SCP_EXECUTION_PENDING;
	bool astray = sent_elsewhere(e, c->container_id) || (!pending && !e->container_id);

	if (!astray && (!pending || may_go(c))) {
		scp__run_go(run, e, s);
		return SCP_OK;
	}
	scp__run_release(run);
	if (astray)
		scp__execution_lost(c->core, e, false);
	else if (e->cancel_requested)
		return cancel(c);
	return SCP_OK; /* not due yet */
}

static scp_status dispatch_one(scp__core *core, const scp__session *s, const char *id)
{
	struct claim c = { .core = core, .id = id, .container_id = s->pub.container_id };
	scp__run *run = scp__run_reserve(core, id);
	scp_status rc;

	if (!run)
		return SCP_OK; /* driven already */
	rc = scp__database_transact(core->db, SCP_DB_WRITE, claim_tx, &c, NULL);
	if (rc || !c.claimed)
		scp__run_release(run);
	else
		rc = take_up(&c, s, run);
	if (c.e)
		scp_execution_free(&c.e->pub);
	return rc;
}

scp_status scp__dispatch(scp__core *core, const scp__session *s, const scp__live *l)
{
	scp_status rc = SCP_OK, first = SCP_OK;

	for (size_t i = 0; i < l->ids.count; i++) {
		rc = dispatch_one(core, s, l->ids.ids[i]);
		first = first ? first : rc;
	}
	return first;
}
