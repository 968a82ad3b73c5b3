/* The metrics' text: what was counted here, and what the database says now. */
#include "metrics.h"

#include <stdlib.h>

#include "async.h"
#include "err.h"
#include "probe.h"

enum { ROWS_MS = 1000, TEXT_MAX = 4 << 20 };

static void line(scp__buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
	scp__metric_line(out, name, (scp_pair[]){ { label, value }, { NULL, NULL } }, n);
}

static void gauge(scp__buf *out, const char *name, const char *help, uint64_t value)
{
	scp__metric_head(out, name, SCP__GAUGE, help);
	scp__metric_line(out, name, NULL, value);
}

static void render_census(const scp__census *c, scp__buf *out)
{
	static const char sessions[] = "sandboxcp_sessions_active", executions[] = "sandboxcp_executions_live";
	static const char containers[] = "sandboxcp_containers";
	static const char *const states[] = { NULL, "warm", "creating", "running", "exited" };

	scp__metric_head(out, sessions, SCP__GAUGE, "Sessions that aren't over, by status; of all replicas.");
	line(out, sessions, "status", "creating", c->sessions_creating);
	line(out, sessions, "status", "running", c->sessions_running);
	scp__metric_head(out, executions, SCP__GAUGE, "Executions that aren't over, by status; of all replicas.");
	line(out, executions, "status", "pending", c->executions_pending);
	line(out, executions, "status", "running", c->executions_running);
	scp__metric_head(out, containers, SCP__GAUGE, "Containers that weren't removed, by status; of all replicas.");
	for (int i = SCP_CONTAINER_WARM; i <= SCP_CONTAINER_EXITED; i++)
		line(out, containers, "status", states[i], c->containers[i]);
	gauge(out, "sandboxcp_workspaces_unsynced",
	    "Workspaces of which the storage is known to lack something; of all replicas.", c->workspaces_unsynced);
}

/* Without a database there are no rows to count: the lines are missing, and the rest stands. */
static void render_rows(scp__core *core, scp__buf *out)
{
	scp__probes *all = core->probes;
	scp__census census;
	scp__round round;
	bool known;

	scp__probes_ask(all, &round, all->count, 1, ROWS_MS);
	pthread_mutex_lock(&all->lock);
	known = scp__probe_answered(all, &round, 0) && !all->probes[all->count].rc;
	census = all->census;
	pthread_mutex_unlock(&all->lock);
	if (known)
		render_census(&census, out);
}

static void render_core(scp__core *core, scp__buf *out)
{
	uint64_t calls, queued, driven;
	scp_db_load load;

	pthread_mutex_lock(&core->lock);
	calls = core->in_flight - 1; /* without this one */
	queued = core->queued_requests;
	driven = scp__map_count(core->runs);
	pthread_mutex_unlock(&core->lock);
	gauge(out, "sandboxcp_calls_in_flight", "Calls of the library that are under way.", calls);
	gauge(out, "sandboxcp_calls_queued", "Asynchronous calls that no thread has begun with.", queued);
	gauge(out, "sandboxcp_executions_driven", "Executions that this process drives.", driven);
	scp__database_load(core->db, &load);
	gauge(out, "sandboxcp_database_connections_held", "Database connections that a transaction uses.", load.held);
	gauge(out, "sandboxcp_database_connections_idle", "Database connections that are open and unused.", load.idle);
	gauge(out, "sandboxcp_database_waiting", "Transactions that wait for a database connection.", load.waiting);
	scp__metric_head(out, "sandboxcp_build_info", SCP__GAUGE, "Always 1; its label says which release this is.");
	line(out, "sandboxcp_build_info", "version", scp_version(), 1);
}

static scp_status render(char **text, scp__core *core, scp_error *err)
{
	scp__buf out;

	scp__buf_init(&out, TEXT_MAX);
	render_core(core, &out);
	render_rows(core, &out);
	(void)scp__figures_render(core->figures, &out);
	scp__metrics_process(&out);
	*text = scp__buf_detach(&out);
	return *text ? SCP_OK : scp__nomem(err);
}

scp_status scp_plane_metrics(char **prometheus_text, scp_plane *plane, scp_error *err)
{
	scp_status rc;

	if (!prometheus_text)
		return scp__fail(err, SCP_EINVAL, "prometheus_text must not be NULL");
	*prometheus_text = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = render(prometheus_text, plane->core, err);
	scp__leave(plane);
	return rc;
}

static scp_status metrics(scp_plane *view, void *args, void **result, scp_error *err)
{
	(void)args;
	return scp_plane_metrics((char **)result, view, err);
}

scp_status scp_plane_metrics_async(scp_request **out, scp_plane *plane, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, metrics, free, fn, user, err);

	return rc ? rc : scp__async_go(&a, out, plane, plane->core->io, err);
}
