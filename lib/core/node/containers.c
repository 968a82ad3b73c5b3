/* Containers as they are shown: the row, and what the runtime says of one that this process reaches. */
#include <string.h>

#include "clock.h"
#include "containers.h"
#include "err.h"

#define SECOND_US 1e6

static const char *const names[] = {
	[SCP_CONTAINER_WARM] = "warm",
	[SCP_CONTAINER_CREATING] = "creating",
	[SCP_CONTAINER_RUNNING] = "running",
	[SCP_CONTAINER_EXITED] = "exited",
	[SCP_CONTAINER_REMOVED] = "removed",
};

const char *scp_container_status_name(scp_container_status status)
{
	return status >= SCP_CONTAINER_WARM && status <= SCP_CONTAINER_REMOVED ? names[status] : "?";
}

struct show {
	const char *id;
	scp__container_shown *c;
};

static scp_status show_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct show *s = arg;

	if (s->c)
		scp_container_free(&s->c->pub);
	s->c = NULL;
	return scp__store_container_show(tx, s->id, &s->c, err);
}

scp_status scp__container_show(scp__core *core, const char *id, scp__container_shown **out, scp_error *err)
{
	struct show s = { id, NULL };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, show_tx, &s, err);

	if (rc && s.c)
		scp_container_free(&s.c->pub);
	*out = rc ? NULL : s.c;
	return rc;
}

/* ---- what the runtime knows ---- */

static void measure(scp__core *core, scp__container_shown *c, scp_runtime *rt)
{
	scp_runtime_stats stats = { 0 };
	int64_t lived_us = scp__core_now_us(core) - c->pub.started_us;

	if (scp__runtime_stats(rt, c->pub.id, &stats, NULL))
		return;
	c->usage.cpu_percent = lived_us > 0 ? 100.0 * (double)stats.cpu_time_us / (double)lived_us : 0;
	c->usage.memory_bytes = stats.memory_bytes;
	c->usage.processes = stats.processes;
	c->pub.usage = &c->usage;
}

/* It ended, and nobody has written that down yet. */
static void show_gone(scp__core *core, scp_container *c, int exit_code, bool oom_killed)
{
	c->status = SCP_CONTAINER_EXITED;
	c->exit_code = exit_code;
	c->exit_reason = scp__exit_reason(exit_code, oom_killed);
	c->exited_us = scp__core_now_us(core);
}

static void look(scp__core *core, scp__container_shown *c)
{
	scp_runtime *rt = scp__node_runtime(core, c->pub.node);
	bool gone = false, oom_killed = false;
	int exit_code = -1;

	if (!rt || c->pub.status != SCP_CONTAINER_RUNNING)
		return;
	/* A runtime that doesn't answer makes nothing known: the row stands. */
	if (scp__container_confirm(core, rt, c->pub.id, &gone, &oom_killed, &exit_code, NULL))
		return;
	if (gone)
		show_gone(core, &c->pub, exit_code, oom_killed);
	else
		measure(core, c, rt);
}

static void set_uptime(scp__core *core, scp_container *c)
{
	int64_t end_us = c->exited_us;

	if (c->status == SCP_CONTAINER_RUNNING)
		end_us = scp__core_now_us(core);
	if (c->started_us && end_us > c->started_us)
		c->uptime_s = (double)(end_us - c->started_us) / SECOND_US;
}

scp_status scp_container_get(scp_container **out, scp_plane *plane, const char *id, scp_error *err)
{
	scp__container_shown *c;
	scp_status rc;

	if (!out || !id)
		return scp__fail(err, SCP_EINVAL, "out and id must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__container_show(plane->core, id, &c, err);
	if (!rc) {
		look(plane->core, c);
		set_uptime(plane->core, &c->pub);
		*out = &c->pub;
	}
	scp__leave(plane);
	return rc;
}

/* ---- list ---- */

struct list {
	scp_container_query query;
	scp_container_page *page;
};

static scp_status list_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct list *l = arg;

	scp_container_page_free(l->page);
	l->page = NULL;
	return scp__store_container_list(tx, &l->query, &l->page, err);
}

static scp_status check_query(const scp_container_query *q, scp_error *err)
{
	if (q->status && (q->status < SCP_CONTAINER_WARM || q->status > SCP_CONTAINER_REMOVED))
		return scp__fail(err, SCP_EINVAL, "status must be one of scp_container_status");
	return scp__check_page(q->limit, err);
}

scp_status scp_container_list(
    scp_container_page **out, scp_plane *plane, const scp_container_query *query, scp_error *err)
{
	struct list l = { SCP_CONTAINER_QUERY_INIT, NULL };
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	if (query)
		l.query = *query;
	rc = check_query(&l.query, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__database_transact(plane->core->db, SCP_DB_READ, list_tx, &l, err);
	for (size_t i = 0; !rc && i < l.page->count; i++)
		set_uptime(plane->core, (scp_container *)(uintptr_t)l.page->items[i]);
	if (!rc)
		*out = l.page;
	else
		scp_container_page_free(l.page);
	scp__leave(plane);
	return rc;
}
