#include "health_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "json.h"

enum { PROBE_MS = 2000, BODY_MAX = 64 << 10 };
#define FRESH_US INT64_C(1000000)
#define STALE_US INT64_C(5000000) /* older than this it is of no use, not even while another one asks */

struct health_cache {
	pthread_mutex_t lock;
	pthread_cond_t asked;
	bool asking;
	int64_t at_us; /* of the answer; 0: none yet */
	const char *auth;
	struct health_view view;
	scp__buf body;
};

scp_status health_cache_new(struct health_cache **out, const char *auth, scp_error *err)
{
	struct health_cache *c = calloc(1, sizeof(*c));

	*out = c;
	if (!c)
		return scp__nomem(err);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->asked, NULL);
	c->auth = auth;
	scp__buf_init(&c->body, BODY_MAX);
	return SCP_OK;
}

void health_cache_free(struct health_cache *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->asked);
	scp__buf_free(&c->body);
	free(c);
}

/* ---- encoding ---- */

static bool database_works(const scp_health *h)
{
	for (size_t i = 0; i < h->probe_count; i++)
		if (strcmp(h->probes[i]->name, "database") == 0)
			return h->probes[i]->status != SCP_UNHEALTHY;
	return true;
}

static void write_checks(scp__json_writer *w, const scp_health *h)
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
}

static void write_health(scp__buf *out, const char *auth, const scp_health *h)
{
	scp__json_writer w;

	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "status", scp_health_status_name(h->status));
	scp__jw_string(&w, "version", h->version);
	scp__jw_real(&w, "uptime_seconds", h->uptime_s);
	scp__jw_string(&w, "auth", auth);
	write_checks(&w, h);
	scp__jw_object(&w, "limits");
	for (size_t i = 0; i < h->limit_count; i++)
		scp__jw_string(&w, h->limits[i]->name, h->limits[i]->state);
	scp__jw_end_object(&w);
	scp__jw_end_object(&w);
}

/* ---- one asks, the others take what there is ---- */

/* With the lock held; it is let go of meanwhile. */
static scp_status ask(struct health_cache *c, scp_plane *plane, scp_error *err)
{
	scp_health *h = NULL;
	scp_status rc;

	c->asking = true;
	pthread_mutex_unlock(&c->lock);
	rc = scp_plane_health(&h, plane, PROBE_MS, err);
	pthread_mutex_lock(&c->lock);
	c->asking = false;
	pthread_cond_broadcast(&c->asked);
	if (rc)
		return rc;
	scp__buf_clear(&c->body);
	write_health(&c->body, c->auth, h);
	c->view = (struct health_view){ database_works(h), h->status == SCP_UNHEALTHY ? 503 : 200 };
	c->at_us = c->body.status ? 0 : scp__mono_us();
	scp_health_free(h);
	return c->body.status ? scp__fail(err, c->body.status, "the health's answer") : SCP_OK;
}

static bool is_younger(const struct health_cache *c, int64_t us)
{
	return c->at_us && scp__mono_us() - c->at_us < us;
}

scp_status health_cache_get(
    struct health_cache *c, scp_plane *plane, struct health_view *view, scp__buf *body, scp_error *err)
{
	scp_status rc = SCP_OK;

	pthread_mutex_lock(&c->lock);
	while (c->asking && !is_younger(c, STALE_US))
		pthread_cond_wait(&c->asked, &c->lock);
	if (!c->asking && !is_younger(c, FRESH_US))
		rc = ask(c, plane, err);
	if (!rc)
		*view = c->view;
	if (!rc && body)
		rc = scp__buf_append(body, c->body.data, c->body.len);
	pthread_mutex_unlock(&c->lock);
	return rc;
}
