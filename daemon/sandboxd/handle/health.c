/* Health: alive at all; ready for work; everything that was probed. */
#include "handle.h"
#include "health_cache.h"

scp_status get_live(struct request *q, struct reply *r, scp_error *err)
{
	(void)q;
	(void)err;
	return scp__buf_puts(&r->body, "{\"status\":\"alive\"}");
}

scp_status get_ready(struct request *q, struct reply *r, scp_error *err)
{
	struct health_view view;
	scp_status rc;

	if (atomic_load(&q->app->draining))
		return scp__fail_as(err, "BackendUnavailable", "this daemon is shutting down");
	rc = health_cache_get(q->app->health, q->plane, &view, NULL, err);
	if (rc)
		return rc;
	if (!view.database)
		return scp__fail_as(err, "BackendUnavailable", "the database is out of reach");
	return scp__buf_puts(&r->body, "{\"status\":\"ready\"}");
}

scp_status get_health(struct request *q, struct reply *r, scp_error *err)
{
	struct health_view view;
	scp_status rc = health_cache_get(q->app->health, q->plane, &view, &r->body, err);

	if (!rc)
		r->status = view.status;
	return rc;
}
