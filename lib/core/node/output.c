/* Large output lies in the storage of the process that ran the code, which need not be everybody's. */
#include <stdio.h>

#include "err.h"
#include "plane.h"

struct owner {
	const scp__execution *e;
	scp__core *core;
	bool another;
	char node[2 * SCP__ID_SIZE];
};

static scp_status look_at_node(scp_db_tx *tx, struct owner *o, const char *name, scp_error *err)
{
	scp__node *n;
	scp_status rc;

	if (!name || scp__node_runtime(o->core, name))
		return SCP_OK;
	rc = scp__store_node_get(tx, name, &n, err);
	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	o->another = !n->lost_us;
	snprintf(o->node, sizeof(o->node), "%s", name);
	scp__node_free(n);
	return SCP_OK;
}

static scp_status owner_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct owner *o = arg;
	scp__session *s;
	scp_status rc = scp__store_session_get(tx, o->e->pub.session_id, &s, err);

	o->another = false;
	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	rc = look_at_node(tx, o, s->pub.runtime_node, err);
	scp_session_free(&s->pub);
	return rc;
}

scp_status scp__output_missing(scp__core *core, const scp__execution *e, scp_error *err)
{
	struct owner o = { .e = e, .core = core };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, owner_tx, &o, err);

	if (rc || !o.another)
		return rc;
	scp__fail(
	    err, SCP_EUNAVAIL, "the output of %s lies with node %s, which is another process's", e->pub.id, o.node);
	scp__hint(
	    err, "Give all processes on this database one storage (--storage), or ask the one that drives the node");
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}
