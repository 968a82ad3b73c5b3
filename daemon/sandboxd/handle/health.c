/* Health: alive at all; ready for work; everything that was probed. */
#include <string.h>

#include "handle.h"

#define PROBE_MS 2000

scp_status get_live(struct request *q, struct reply *r, scp_error *err)
{
	(void)q;
	(void)err;
	return scp__buf_puts(&r->body, "{\"status\":\"alive\"}");
}

static bool database_works(const scp_health *h)
{
	for (size_t i = 0; i < h->probe_count; i++)
		if (strcmp(h->probes[i]->name, "database") == 0)
			return h->probes[i]->status != SCP_UNHEALTHY;
	return true;
}

scp_status get_ready(struct request *q, struct reply *r, scp_error *err)
{
	scp_health *h = NULL;
	bool ready = false;
	scp_status rc;

	if (atomic_load(&q->app->draining))
		return scp__fail_as(err, "BackendUnavailable", "this daemon is shutting down");
	rc = scp_plane_health(&h, q->plane, PROBE_MS, err);
	if (!rc)
		ready = database_works(h);
	scp_health_free(h);
	if (rc)
		return rc;
	if (!ready)
		return scp__fail_as(err, "BackendUnavailable", "the database is out of reach");
	return scp__buf_puts(&r->body, "{\"status\":\"ready\"}");
}

static void write_probes(scp__json_writer *w, const scp_health *h)
{
	scp__jw_object(w, "checks");
	for (size_t i = 0; i < h->probe_count; i++) {
		const scp_probe *p = h->probes[i];

		scp__jw_object(w, p->name);
		scp__jw_string(w, "status", scp_health_status_name(p->status));
		scp__jw_real(w, "latency_ms", p->latency_ms);
		scp__jw_string(w, "detail", p->detail);
		scp__jw_end_object(w);
	}
	scp__jw_end_object(w);
	scp__jw_object(w, "limits");
	for (size_t i = 0; i < h->limit_count; i++)
		scp__jw_string(w, h->limits[i]->name, h->limits[i]->state);
	scp__jw_end_object(w);
}

scp_status get_health(struct request *q, struct reply *r, scp_error *err)
{
	scp_health *h = NULL;
	scp__json_writer w;
	scp_status rc = scp_plane_health(&h, q->plane, PROBE_MS, err);

	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "status", scp_health_status_name(h->status));
	scp__jw_string(&w, "version", h->version);
	scp__jw_real(&w, "uptime_seconds", h->uptime_s);
	write_probes(&w, h);
	scp__jw_end_object(&w);
	r->status = h->status == SCP_UNHEALTHY ? 503 : 200;
	scp_health_free(h);
	return SCP_OK;
}
