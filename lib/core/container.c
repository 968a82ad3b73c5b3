/* Containers and nodes: what happened to a container, and which runtimes this process reaches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "plane.h"

enum { GONE_RETRY_MS = 500 };

scp_runtime *scp__node_runtime(scp__core *core, const char *node)
{
	for (size_t i = 0; i < core->runtime_count; i++)
		if (!strcmp(scp__runtime_node_name(core->runtimes[i]), node))
			return core->runtimes[i];
	return NULL;
}

struct gone {
	scp__core *core;
	const char *id;
	int exit_code;
	bool oom_killed;
	bool changed;
	scp__container *c;
	char request_id[SCP__REQUEST_ID_SIZE]; /* of its session */
};

const char *scp__exit_reason(int exit_code, bool oom_killed)
{
	if (oom_killed)
		return "oom_killed";
	if (exit_code == 0)
		return "normal";
	if (exit_code == 128 + 15)
		return "sigterm";
	if (exit_code == 128 + 9)
		return "sigkill";
	return "error";
}

static const char *reason_of(const struct gone *g)
{
	return scp__exit_reason(g->exit_code, g->oom_killed);
}

/* Lines about a session name the request that made it. */
static scp_status note_request(scp_db_tx *tx, struct gone *g)
{
	scp__session *s = NULL;
	scp_status rc = SCP_OK;

	if (g->changed && g->c->session_id)
		rc = scp__store_session_get(tx, g->c->session_id, &s, NULL);
	if (s)
		snprintf(g->request_id, sizeof(g->request_id), "%s", s->request_id ? s->request_id : "");
	if (s)
		scp_session_free(&s->pub);
	return rc == SCP_ENOTFOUND ? SCP_OK : rc;
}

static scp_status gone_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct gone *g = arg;
	scp_status rc;

	scp__container_free(g->c);
	g->c = NULL;
	rc = scp__store_container_set_status(tx, g->id,
	    SCP__BIT(SCP_CONTAINER_WARM) | SCP__BIT(SCP_CONTAINER_CREATING) | SCP__BIT(SCP_CONTAINER_RUNNING),
	    SCP_CONTAINER_EXITED, g->exit_code, reason_of(g), scp__core_now_us(g->core), &g->changed, err);
	if (!rc)
		rc = scp__store_container_get(tx, g->id, &g->c, err);
	return rc ? rc : note_request(tx, g);
}

struct gone_later {
	scp__core *core;
	char id[SCP__ID_SIZE];
	int exit_code;
	bool oom_killed;
};

static void gone_again(void *arg)
{
	struct gone_later *g = arg;

	scp__container_gone(g->core, g->id, g->exit_code, g->oom_killed);
	free(g);
}

static void gone_later(scp__core *core, const struct gone *g)
{
	struct gone_later *later = malloc(sizeof(*later));

	if (!later)
		return; /* reconciling finds it */
	*later = (struct gone_later){ core, "", g->exit_code, g->oom_killed };
	snprintf(later->id, sizeof(later->id), "%s", g->id);
	if (scp__pool_submit_after(core->fast, GONE_RETRY_MS, gone_again, later, free))
		free(later);
}

/* The row first: as long as it says that the container runs, a retry would be sent to it. */
void scp__container_gone(scp__core *core, const char *container_id, int exit_code, bool oom_killed)
{
	struct gone g = { .core = core, .id = container_id, .exit_code = exit_code, .oom_killed = oom_killed };
	scp__log_ids ids = { .container_id = container_id };
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, gone_tx, &g, NULL);

	if (rc && rc != SCP_ENOTFOUND) {
		gone_later(core, &g);
		scp__container_free(g.c);
		return;
	}
	if (!rc && g.changed) {
		ids.session_id = g.c->session_id;
		ids.request_id = g.request_id[0] ? g.request_id : NULL;
		scp__count_container_death(core->figures, reason_of(&g));
		scp__core_log(core, SCP_LOG_WARN, &ids, "the container ended by itself: %s", reason_of(&g));
	}
	scp__runs_lost(core, container_id, oom_killed);
	if (!rc && g.c->session_id)
		scp__session_settle(core, g.c->session_id);
	scp__container_free(g.c);
}

struct confirm {
	bool gone;
	bool oom_killed;
	int exit_code;
};

static scp_status take_info(void *user, const scp_runtime_info *info, scp_error *err)
{
	struct confirm *c = user;

	(void)err;
	c->gone = info->status == SCP_CONTAINER_EXITED;
	c->oom_killed = info->oom_killed;
	c->exit_code = info->exit_code;
	return SCP_OK;
}

scp_status scp__container_confirm(scp__core *core, scp_runtime *rt, const char *container_id, bool *gone,
    bool *oom_killed, int *exit_code, scp_error *err)
{
	struct confirm c = { false, false, -1 };
	scp_status rc = scp__runtime_inspect(rt, container_id, take_info, &c, err);

	(void)core;
	if (rc == SCP_ENOTFOUND) {
		c.gone = true;
		rc = SCP_OK;
	}
	*gone = c.gone;
	*oom_killed = c.oom_killed;
	*exit_code = c.exit_code;
	return rc;
}

struct registration {
	bool drives;
	scp__node node;
};

/* Who only submits says nothing about whether anybody drives it. */
static scp_status register_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct registration *r = arg;
	scp__node *n = NULL;
	scp_status rc = SCP_ENOTFOUND;

	if (!r->drives)
		rc = scp__store_node_get(tx, r->node.id, &n, NULL);
	scp__node_free(n);
	return rc == SCP_ENOTFOUND ? scp__store_node_put(tx, &r->node, err) : rc;
}

static scp_status register_node(scp__core *core, scp_runtime *rt, scp_error *err)
{
	scp_runtime_capacity capacity = { 0 };
	char url[80];
	struct registration r = { .drives = core->upkeep };
	scp__node *node = &r.node;
	scp_status rc = scp__runtime_capacity(rt, &capacity, err);

	if (rc)
		return rc;
	snprintf(url, sizeof(url), "%s:", scp__runtime_type(rt));
	node->id = scp__runtime_node_name(rt);
	node->runtime_type = scp__runtime_type(rt);
	node->url = url;
	node->status = "ready";
	node->cpu_millis = capacity.cpu_millis;
	node->memory_bytes = capacity.memory_bytes;
	node->containers = capacity.containers;
	node->advertise_url = core->advertise_url;
	node->heartbeat_us = scp__core_now_us(core);
	node->lost_after_us = (int64_t)core->limits.node_lost_after_s * 1000000;
	return scp__database_transact(core->db, SCP_DB_WRITE, register_tx, &r, err);
}

static scp_status ids_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp__ids_clear(arg);
	return scp__store_node_ids(tx, arg, err);
}

/* What is for these nodes others can't pass on; a process that is alone has none of that. */
static void warn_unreachable(scp__core *core)
{
	scp__ids ids = { 0 };
	bool others = false;

	if (!scp__database_transact(core->db, SCP_DB_READ, ids_tx, &ids, NULL))
		for (size_t i = 0; i < ids.count; i++)
			others |= !scp__node_runtime(core, ids.ids[i]);
	scp__ids_free(&ids);
	if (others)
		scp__core_log(core, SCP_LOG_WARN, NULL,
		    "there are other nodes on this database, and their processes aren't told where this one is reached "
		    "(advertise_url, --advertise): its files and streams are to be had from it alone");
}

scp_status scp__nodes_register(scp__core *core, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < core->runtime_count; i++)
		rc = register_node(core, core->runtimes[i], err);
	if (!rc && core->upkeep && !core->advertise_url)
		warn_unreachable(core);
	return rc;
}
