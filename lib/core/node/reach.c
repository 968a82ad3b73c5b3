/* Where something is served: by the process that drives its node. */
#include <string.h>

#include "err.h"
#include "plane.h"
#include "state.h"

struct reach {
	scp_reach pub; /* first */
	scp__arena *arena;
};

/* What is looked up, anew each time the transaction runs. */
struct look {
	scp__core *core;
	const char *id;
	bool anywhere;	/* the database has it all */
	bool execution; /* how it ends is in the database, whatever becomes of its node */
	bool over;	/* it has ended; its output may be in a storage that all processes have */
	bool pin;	/* it has no node, and should get one here */
	scp__session *s;
	scp__node *node;
	char name[SCP__ID_SIZE * 2]; /* of the node; "" none */
};

static void clear(struct look *l)
{
	if (l->s)
		scp_session_free(&l->s->pub);
	scp__node_free(l->node);
	l->s = NULL;
	l->node = NULL;
	l->name[0] = '\0';
	l->anywhere = l->execution = l->over = l->pin = false;
}

static scp_status name_node(struct look *l, const char *name, scp_error *err)
{
	if (!name)
		return SCP_OK;
	if (strlen(name) >= sizeof(l->name))
		return scp__fail(err, SCP_EBACKEND, "the node's name is too long");
	strcpy(l->name, name);
	return SCP_OK;
}

static scp_status of_session(scp_db_tx *tx, struct look *l, const char *id, scp_error *err)
{
	scp_status rc = scp__store_session_get(tx, id, &l->s, err);

	return rc ? rc : name_node(l, l->s->pub.runtime_node, err);
}

static scp_status of_files(scp_db_tx *tx, struct look *l, scp_error *err)
{
	scp_status rc = of_session(tx, l, l->id, err);

	return rc ? rc : scp__workspace_everywhere(tx, l->core, l->s, &l->anywhere, err);
}

/* One that is over is in the database, but for large output, which may lie in a folder of its node's process. */
static scp_status of_execution(scp_db_tx *tx, struct look *l, scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__store_execution_get(tx, l->id, SCP__LOAD_RESULT, &e, err);

	if (rc)
		return rc;
	l->execution = true;
	l->over = scp__execution_over(e->pub.status);
	l->anywhere = l->over && !e->stdout_key && !e->stderr_key;
	rc = of_session(tx, l, e->pub.session_id, err);
	scp_execution_free(&e->pub);
	return rc;
}

static scp_status of_container(scp_db_tx *tx, struct look *l, scp_error *err)
{
	scp__container *c;
	scp_status rc = scp__store_container_get(tx, l->id, &c, err);

	if (rc)
		return rc;
	l->anywhere = c->status == SCP_CONTAINER_REMOVED;
	rc = name_node(l, c->node, err);
	scp__container_free(c);
	return rc;
}

/* A process that is alone needs no other's leave. */
static scp_status are_there_others(scp_db_tx *tx, const struct look *l, bool *others, scp_error *err)
{
	scp__ids ids = { 0 };
	scp_status rc = scp__store_node_ids(tx, &ids, err);

	*others = false;
	for (size_t i = 0; !rc && i < ids.count; i++)
		*others |= !scp__node_runtime(l->core, ids.ids[i]);
	scp__ids_free(&ids);
	return rc;
}

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct look *l = arg;
	scp_status rc;

	clear(l);
	if (scp__id_is_session(l->id))
		rc = of_files(tx, l, err);
	else if (scp__id_is_execution(l->id))
		rc = of_execution(tx, l, err);
	else
		rc = of_container(tx, l, err);
	if (rc || l->anywhere)
		return rc;
	if (l->name[0])
		return scp__node_runtime(l->core, l->name) ? SCP_OK : scp__store_node_get(tx, l->name, &l->node, err);
	return l->s && !scp__session_over(l->s->pub.status) && l->core->upkeep ? are_there_others(tx, l, &l->pin, err)
									       : SCP_OK;
}

/* ---- a session that has no node ---- */

struct pin {
	struct look *l;
	scp_runtime *rt;
};

static scp_status pin_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct pin *p = arg;
	bool ignored;

	/* Where another process was faster, it is that one's: the caller looks again. */
	return scp__store_session_place(tx, p->l->s->pub.id, scp__runtime_node_name(p->rt), scp__runtime_type(p->rt),
	    scp__core_now_us(p->l->core), &ignored, err);
}

static scp_status pin(struct look *l, scp_error *err)
{
	struct pin p = { l, NULL };
	scp_status rc = scp__session_choose(l->core, l->s, &p.rt, err);

	if (!rc)
		rc = scp__database_transact(l->core->db, SCP_DB_WRITE, pin_tx, &p, err);
	if (!rc)
		rc = scp__database_transact(l->core->db, SCP_DB_READ, look_tx, l, err);
	return rc;
}

/* ---- the answer ---- */

static bool is_here(const struct look *l)
{
	const scp__node *n = l->node;

	return l->anywhere || !n || (l->execution && n->lost_us) || (l->over && !n->advertise_url);
}

static scp_status answer(scp_reach **out, const struct look *l, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	struct reach *r = arena ? scp__arena_alloc(arena, sizeof(*r)) : NULL;
	const scp__node *n = l->node;

	if (!r) {
		scp__arena_free(arena);
		return scp__nomem(err);
	}
	r->arena = arena;
	r->pub.here = is_here(l);
	if (l->name[0])
		r->pub.node = scp__arena_strdup(arena, l->name);
	if (l->name[0])
		r->pub.node_status = !n ? "ready" : n->lost_us ? "lost" : scp__arena_strdup(arena, n->status);
	if (!r->pub.here && !n->lost_us && n->advertise_url)
		r->pub.url = scp__arena_strdup(arena, n->advertise_url);
	*out = &r->pub;
	return SCP_OK;
}

scp_status scp_reach_get(scp_reach **out, scp_plane *plane, const char *id, scp_error *err)
{
	struct look l = { .id = id };
	scp_status rc;

	if (!out || !id)
		return scp__fail(err, SCP_EINVAL, "out and id must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	l.core = plane->core;
	rc = scp__database_transact(l.core->db, SCP_DB_READ, look_tx, &l, err);
	if (!rc && l.pin)
		rc = pin(&l, err);
	if (!rc)
		rc = answer(out, &l, err);
	clear(&l);
	scp__leave(plane);
	return rc;
}

void scp_reach_free(scp_reach *reach)
{
	if (reach)
		scp__arena_free(((struct reach *)reach)->arena);
}
