/* A session's container, made and taken down. */
#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "placement.h"
#include "settle.h"

/* How long something that may pass is waited for: a runtime that doesn't answer about a minute, others a few times. */
enum { PATIENCE = 12, COST_UNREACHABLE = 1, COST_OTHER = 4 };

struct change {
	scp__core *core;
	const char *id, *session_id;
	const scp__container *row;
	bool first; /* the session was creating */
	bool changed;
};

struct load {
	const char *id;
	scp__container *c;
};

static scp_status load_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct load *a = arg;

	scp__container_free(a->c);
	a->c = NULL;
	return scp__store_container_get(tx, a->id, &a->c, err);
}

scp_status scp__container_load(scp__core *core, const char *id, scp__container **out, scp_error *err)
{
	struct load a = { id, NULL };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, load_tx, &a, err);

	if (rc)
		scp__container_free(a.c);
	*out = rc ? NULL : a.c;
	return rc;
}

/* ---- down ---- */

#define NOT_REMOVED                                                                                                    \
	(SCP__BIT(SCP_CONTAINER_WARM) | SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING) |           \
	    SCP__BIT(SCP_CONTAINER_EXITED))

static scp_status removed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct change *a = arg;
	int64_t now = scp__core_now_us(a->core);
	bool ignored;
	scp_status rc;

	rc = scp__store_container_set_status(
	    tx, a->id, NOT_REMOVED, SCP_CONTAINER_REMOVED, -1, "sigkill", now, &ignored, err);
	if (!rc)
		rc = scp__store_session_set_container(tx, a->session_id, a->id, NULL, now, &ignored, err);
	return rc;
}

scp_status scp__take_down(
    scp__core *core, const scp__session *s, scp_runtime *rt, const char *container_id, bool oom_killed)
{
	struct change a = { .core = core, .id = container_id, .session_id = s->pub.id };
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, container_id };
	scp_error err = { 0 };
	scp_status rc = scp__provision_remove(&core->provision, rt, container_id, &err);

	if (rc) {
		scp__core_log(core, SCP_LOG_ERROR, &ids, "the container can't be removed: %s", err.message);
		return rc;
	}
	scp__runs_lost(core, container_id, oom_killed);
	return scp__database_transact(core->db, SCP_DB_WRITE, removed_tx, &a, NULL);
}

/* ---- up ---- */

/* Held until the transaction ends: from here on nobody can say that the node is lost without finding what it has. */
static scp_status check_node(scp_db_tx *tx, const char *node, scp_error *err)
{
	bool lost;
	scp_status rc = scp__store_node_hold(tx, node, &lost, err);

	if (rc || !lost)
		return rc;
	scp__fail(err, SCP_EUNAVAIL, "node %s is lost: it takes nothing before it has tidied up", node);
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

/* The row first, then the container: whatever runs is known. Where another process was faster, it is that one's. */
static scp_status intend_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct change *a = arg;
	int64_t now = scp__core_now_us(a->core);
	scp_status rc = check_node(tx, a->row->node, err);

	a->changed = false;
	if (!rc)
		rc = scp__store_session_place(
		    tx, a->session_id, a->row->node, a->row->runtime_type, now, &a->changed, err);
	if (!rc && a->changed)
		rc = scp__store_session_set_container(tx, a->session_id, NULL, a->id, now, &a->changed, err);
	if (!rc && a->changed)
		rc = scp__store_container_insert(tx, a->row, err);
	return rc;
}

static scp_status intend(
    scp__core *core, const scp__session *s, scp_runtime *rt, const char *id, bool *made, scp_error *err)
{
	scp__container row = { .id = id,
		.node = scp__runtime_node_name(rt),
		.runtime_type = scp__runtime_type(rt),
		.status = SCP_CONTAINER_CREATING,
		.session_id = s->pub.id,
		.workspace_id = s->workspace_id,
		.image = s->image,
		.resources = s->pub.resources,
		.labels_json = "{}",
		.created_us = scp__core_now_us(core),
		.exit_code = -1 };
	struct change a = { .core = core, .id = id, .session_id = s->pub.id, .row = &row };
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, intend_tx, &a, err);

	*made = !rc && a.changed;
	return rc;
}

static scp_status make_container(
    scp__core *core, const scp__session *s, scp_runtime *rt, char id[SCP__ID_SIZE], bool *made, scp_error *err)
{
	scp__provision_spec spec = { 0 };
	int64_t begun = scp__mono_us();
	scp_status rc = scp__id_make(id, "scp-", 20, err);

	if (!rc)
		rc = intend(core, s, rt, id, made, err);
	if (rc || !*made)
		return rc; /* it is over meanwhile, or somebody was faster */
	spec.container_id = id;
	spec.session_id = s->pub.id;
	spec.workspace_id = s->workspace_id;
	spec.image = s->image;
	spec.resources = s->pub.resources;
	spec.network = s->pub.network_enabled;
	spec.read_only_root = s->read_only_root;
	rc = scp__provision_container(&core->provision, rt, &spec, err);
	scp__count_container_start(core->figures, !rc, scp__mono_us() - begun);
	return rc;
}

static scp_status running_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct change *a = arg;
	int64_t now = scp__core_now_us(a->core);
	bool ignored;
	scp_status rc;

	rc = scp__store_container_set_status(
	    tx, a->id, SCP__BIT(SCP_CONTAINER_CREATING), SCP_CONTAINER_RUNNING, -1, NULL, now, &a->changed, err);
	if (!rc && a->changed && a->first)
		rc = scp__store_session_set_status(
		    tx, a->session_id, SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_RUNNING, NULL, now, &ignored, err);
	return rc;
}

static scp_status brought_up(scp__core *core, const scp__session *s, const char *container_id, scp_error *err)
{
	struct change a = { .core = core,
		.id = container_id,
		.session_id = s->pub.id,
		.first = s->pub.status == SCP_SESSION_CREATING };
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, container_id };
	double took_ms = (double)(scp__core_now_us(core) - s->pub.created_us) / 1000.0;
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, running_tx, &a, err);

	if (rc)
		return rc;
	if (!a.changed)
		return scp__fail(err, SCP_EBACKEND, "the container ended as soon as it had begun");
	if (a.first)
		scp__core_log(core, SCP_LOG_INFO, &ids, "session running after %.1f ms", took_ms);
	else
		scp__core_log(core, SCP_LOG_INFO, &ids, "session has a fresh container");
	if (a.first)
		scp__count_session_ready(core->figures, false, scp__core_now_us(core) - s->pub.created_us);
	scp__topics_over(core->topics, s->pub.id);
	return SCP_OK;
}

/* SCP_EBACKEND: also a container that ended as soon as it had begun, for whatever reason of that moment. */
static bool passes(scp_status rc)
{
	return rc == SCP_EBACKEND || rc == SCP_EUNAVAIL || rc == SCP_ECAPACITY || rc == SCP_EBUSY ||
	       rc == SCP_ETIMEDOUT;
}

/* Those that wait can't be run; the session is left for what may come later. */
static scp_status fail_waiting(scp__core *core, const scp__session *s, const scp_error *why)
{
	scp__live l = { s->pub.id, { 0 } };
	scp_status rc = scp__live_load(core, &l, NULL);
	bool changed;

	for (size_t i = 0; !rc && i < l.ids.count; i++)
		rc = scp__execution_force(core, l.ids.ids[i], SCP__BIT(SCP_EXECUTION_PENDING), SCP_EXECUTION_FAILED,
		    why->message, &changed, NULL);
	scp__ids_free(&l.ids);
	return rc;
}

/* SCP_EAGAIN: try later. */
static scp_status not_brought_up(scp__settling *st, const scp__session *s, const scp_error *why)
{
	scp__core *core = st->core;
	scp__log_ids ids = { s->request_id, s->pub.id, NULL, NULL };

	/* Its image is on its way: that takes as long as it takes, and whoever fetches it tells how it ends. */
	if (why->status == SCP_EAGAIN)
		return SCP_EAGAIN;
	scp__core_log(core, SCP_LOG_WARN, &ids, "the sandbox can't be started: %s", why->message);
	st->failures += why->status == SCP_EUNAVAIL ? COST_UNREACHABLE : COST_OTHER;
	if (passes(why->status) && st->failures < PATIENCE)
		return SCP_EAGAIN;
	st->failures = 0;
	if (s->pub.status == SCP_SESSION_CREATING)
		return scp__session_end(core, s->pub.id, SCP_SESSION_FAILED, why, NULL, NULL);
	return fail_waiting(core, s, why);
}

struct fetching {
	scp__core *core;
	scp__log_ids ids;
	const char *image;
};

static void log_fetching(void *user, const char *layer, const char *step, uint64_t done, uint64_t total)
{
	const struct fetching *f = user;

	if (total)
		scp__core_log(f->core, SCP_LOG_INFO, &f->ids, "image %s: %s %s, %.1f of %.1f MB", f->image, layer, step,
		    (double)done / 1e6, (double)total / 1e6);
	else
		scp__core_log(
		    f->core, SCP_LOG_INFO, &f->ids, "image %s: %s%s%s", f->image, layer, *layer ? " " : "", step);
}

scp_status scp__session_choose(scp__core *core, const scp__session *s, scp_runtime **rt, scp_error *err)
{
	scp__schedule_node *nodes = calloc(core->runtime_count, sizeof(*nodes));
	struct fetching f = { core, { s->request_id, s->pub.id, NULL, NULL }, s->image };
	const scp__schedule_want want = { s->pub.runtime_node, s->image, s->pub.network_enabled, log_fetching, &f };
	scp_status rc = nodes ? scp__nodes_look(core, nodes, err) : scp__nomem(err);

	if (!rc)
		rc = scp__schedule_place(rt, nodes, core->runtime_count, &want, err);
	free(nodes);
	return rc;
}

scp_status scp__bring_up(scp__settling *st, const scp__session *s)
{
	scp__core *core = st->core;
	scp_runtime *rt = NULL;
	char id[SCP__ID_SIZE];
	bool made = false;
	scp_error err = { 0 };
	scp_status rc;

	rc = scp__session_choose(core, s, &rt, &err);
	if (!rc)
		rc = make_container(core, s, rt, id, &made, &err);
	if (!rc && made)
		rc = brought_up(core, s, id, &err);
	if (rc && made)
		(void)scp__take_down(core, s, rt, id, false);
	if (rc)
		return not_brought_up(st, s, &err);
	st->failures = 0;
	st->again = true; /* look again: dispatch, or take it down if the session ended meanwhile */
	return SCP_OK;
}
