/* Sessions that are too old or idle end; pending executions that are nobody's are taken up. */
#include <stdio.h>

#include "clock.h"
#include "err.h"
#include "upkeep.h"

#define SECOND_US INT64_C(1000000)

enum { BATCH = 200 };

struct query {
	scp__core *core;
	const char *node;
	int64_t now_us;
	scp__ids ids;
};

static scp_status expired_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct query *q = arg;

	scp__ids_clear(&q->ids);
	return scp__store_session_expired(tx, q->now_us, BATCH, &q->ids, err);
}

static scp_status idle_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct query *q = arg;

	scp__ids_clear(&q->ids);
	return scp__store_session_idle(
	    tx, q->now_us - (int64_t)q->core->limits.session_idle_s * SECOND_US, BATCH, &q->ids, err);
}

/* Looked at again where nothing can come between: a keepalive or an execution that was faster wins. */
static scp_status still_expired(scp_db_tx *tx, const scp__session *s, void *arg, bool *still, scp_error *err)
{
	struct query *q = arg;

	(void)tx;
	(void)err;
	*still = s->pub.expires_us <= q->now_us;
	return SCP_OK;
}

static scp_status still_idle(scp_db_tx *tx, const scp__session *s, void *arg, bool *still, scp_error *err)
{
	struct query *q = arg;
	scp__ids live = { 0 };
	scp_status rc = scp__store_execution_live(
	    tx, s->pub.id, SCP__BIT(SCP_EXECUTION_PENDING) | SCP__BIT(SCP_EXECUTION_RUNNING), 1, &live, err);

	*still = !rc && !live.count &&
		 s->pub.last_activity_us <= q->now_us - (int64_t)q->core->limits.session_idle_s * SECOND_US;
	scp__ids_free(&live);
	return rc;
}

static void end_all(scp__core *core, scp_db_fn *find, scp__still_fn *still, const char *why)
{
	struct query q = { core, NULL, scp__core_now_us(core), { 0 } };
	scp_error reason = { 0 };

	scp__fail(&reason, SCP_ESTATE, "%s", why);
	scp__hint(&reason, "Create a new session");
	if (!scp__database_transact(core->db, SCP_DB_READ, find, &q, NULL))
		for (size_t i = 0; i < q.ids.count; i++)
			(void)scp__session_end_if(core, q.ids.ids[i], SCP_SESSION_TIMEOUT, &reason, still, &q, NULL);
	scp__ids_free(&q.ids);
}

void scp__reap(scp__core *core)
{
	char idle[80];

	snprintf(idle, sizeof(idle), "the session was idle for %u s", core->limits.session_idle_s);
	end_all(core, expired_tx, still_expired, "the session's time is up");
	end_all(core, idle_tx, still_idle, idle);
}

static scp_status due_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct query *q = arg;

	scp__ids_clear(&q->ids);
	return scp__store_execution_due(tx, q->node, q->now_us, BATCH, &q->ids, err);
}

static scp_status creating_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct query *q = arg;

	scp__ids_clear(&q->ids);
	return scp__store_session_unmade(tx, q->node, BATCH, &q->ids, err);
}

static scp_status over_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct query *q = arg;

	scp__ids_clear(&q->ids);
	return scp__store_container_of_over(tx, q->node, BATCH, &q->ids, err);
}

static void settle_all(scp__core *core, scp_db_fn *find, struct query *q)
{
	if (scp__database_transact(core->db, SCP_DB_READ, find, q, NULL))
		return;
	for (size_t i = 0; i < q->ids.count; i++)
		if (!scp__session_is_settling(core, q->ids.ids[i]))
			scp__session_settle(core, q->ids.ids[i]);
}

static void settle_session_of(scp__core *core, const char *execution_id)
{
	scp__execution *e;

	if (scp__execution_load(core, execution_id, 0, &e, NULL))
		return;
	if (!scp__session_is_settling(core, e->pub.session_id))
		scp__session_settle(core, e->pub.session_id);
	scp_execution_free(&e->pub);
}

/* Sessions that a process without upkeep, or one that is no more, has left to whoever can make them; and executions. */
void scp__adopt_due(scp__core *core)
{
	struct query q = { core, NULL, scp__core_now_us(core), { 0 } };

	for (size_t i = 0; i < core->runtime_count; i++) {
		q.node = scp__runtime_node_name(core->runtimes[i]);
		settle_all(core, creating_tx, &q);
		if (scp__database_transact(core->db, SCP_DB_READ, due_tx, &q, NULL))
			continue;
		for (size_t k = 0; k < q.ids.count; k++)
			settle_session_of(core, q.ids.ids[k]);
	}
	scp__ids_free(&q.ids);
}

/* Sessions that another process has ended, and whose containers only this one can remove. */
void scp__adopt_over(scp__core *core)
{
	struct query q = { core, NULL, 0, { 0 } };

	for (size_t i = 0; i < core->runtime_count; i++) {
		q.node = scp__runtime_node_name(core->runtimes[i]);
		settle_all(core, over_tx, &q);
	}
	scp__ids_free(&q.ids);
}
