#include "http_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "metrics.h"

enum { SECONDS, RECEIVED, SENT, REFUSED, FAMILIES };

static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "other" };
/* "gone": the client went before an answer began. */
static const char *const statuses[] = { "200", "201", "204", "206", "304", "307", "400", "401", "404", "405", "408",
	"409", "413", "414", "415", "416", "429", "431", "500", "501", "503", "gone", "other" };

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))
#define MS(n) ((n)*UINT64_C(1000))
#define S(n) ((n)*UINT64_C(1000000))
static const uint64_t buckets[] = { 250, 500, MS(1), MS(2) + 500, MS(5), MS(10), MS(25), MS(50), MS(100), MS(250),
	MS(500), S(1), S(2) + MS(500), S(5), S(10), S(60), 0 };

static const scp__metric_family families[FAMILIES] = {
	[SECONDS] = { "sandboxcp_http_request_seconds", "From a request's head to the end of its answer.",
	    SCP__HISTOGRAM, true, { { 0 } }, buckets },
	[RECEIVED] = { "sandboxcp_http_received_bytes_total", "Bytes of request bodies.", SCP__COUNTER, false,
	    { { 0 } }, NULL },
	[SENT] = { "sandboxcp_http_sent_bytes_total", "Bytes of answers' bodies.", SCP__COUNTER, false, { { 0 } },
	    NULL },
	[REFUSED] = { "sandboxcp_http_refused_total",
	    "Malformed, late or oversized requests that never came to a route.", SCP__COUNTER, true,
	    { { "status", statuses, COUNT(statuses) } }, NULL },
};

struct http_figures {
	scp__metrics *metrics;
	_Atomic unsigned in_flight;
	_Atomic size_t connections;
	scp__metric_family families[FAMILIES];
	const char *patterns[]; /* of the routes, each once; "none" is the last */
};

/* The label's values come from the route table itself: a path that a client makes up is "none". */
static uint32_t list_patterns(const char *patterns[])
{
	uint32_t n = 0, k;

	for (size_t i = 0; i < route_count; i++) {
		for (k = 0; k < n && strcmp(patterns[k], routes[i].pattern) != 0; k++)
			;
		if (k == n)
			patterns[n++] = routes[i].pattern;
	}
	patterns[n++] = "none";
	return n;
}

scp_status http_figures_new(struct http_figures **out, scp_error *err)
{
	struct http_figures *f = calloc(1, sizeof(*f) + (route_count + 1) * sizeof(f->patterns[0]));
	scp__metric_label *labels;
	scp_status rc;

	*out = NULL;
	if (!f)
		return scp__nomem(err);
	memcpy(f->families, families, sizeof(families));
	labels = f->families[SECONDS].labels;
	labels[0] = (scp__metric_label){ "route", f->patterns, list_patterns(f->patterns) };
	labels[1] = (scp__metric_label){ "method", methods, COUNT(methods) };
	labels[2] = (scp__metric_label){ "status", statuses, COUNT(statuses) };
	rc = scp__metrics_new(&f->metrics, f->families, FAMILIES, err);
	if (rc)
		free(f);
	else
		*out = f;
	return rc;
}

void http_figures_free(struct http_figures *f)
{
	if (!f)
		return;
	scp__metrics_free(f->metrics);
	free(f);
}

/* ---- counting ---- */

/* A value that the label doesn't have is its last: "other", or "none". */
static uint32_t index_of(const scp__metric_label *label, const char *value)
{
	uint32_t i = scp__metric_index(label, value);

	return i < label->count ? i : label->count - 1;
}

static uint32_t status_index(const scp__metric_label *label, int status)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", status);
	return index_of(label, status ? text : "gone");
}

void http_figures_begun(struct http_figures *f, size_t connections)
{
	atomic_fetch_add(&f->in_flight, 1);
	atomic_store(&f->connections, connections);
}

void http_figures_received(struct http_figures *f, size_t len)
{
	scp__metric_add(f->metrics, RECEIVED, SCP__SERIES(0), len);
}

void http_figures_ended(struct http_figures *f, const struct exchange *x, const http_request *q)
{
	const scp__metric_label *labels = f->families[SECONDS].labels;
	scp__series s = SCP__SERIES(index_of(&labels[0], x->route ? x->route->pattern : NULL),
	    index_of(&labels[1], http_method(q)), status_index(&labels[2], http_answer_status(q)));

	atomic_fetch_sub(&f->in_flight, 1);
	scp__metric_observe(f->metrics, SECONDS, s, scp__mono_us() - x->begun_us);
	scp__metric_add(f->metrics, SENT, SCP__SERIES(0), http_answer_bytes(q));
}

void http_figures_refused(struct http_figures *f, int status)
{
	scp__metric_add(f->metrics, REFUSED, SCP__SERIES(status_index(&families[REFUSED].labels[0], status)), 1);
}

unsigned http_figures_in_flight(const struct http_figures *f)
{
	return atomic_load(&f->in_flight);
}

/* ---- text ---- */

static void gauge(scp__buf *out, const char *name, const char *help, uint64_t value)
{
	scp__metric_head(out, name, SCP__GAUGE, help);
	scp__metric_line(out, name, NULL, value);
}

scp_status http_figures_render(const struct http_figures *f, uint64_t body_memory, scp__buf *out)
{
	gauge(out, "sandboxcp_http_requests_in_flight", "Requests that aren't answered in full, this one among them.",
	    atomic_load(&f->in_flight));
	gauge(out, "sandboxcp_http_connections", "Clients that are connected.", atomic_load(&f->connections));
	gauge(out, "sandboxcp_http_body_memory_bytes", "What the bodies take that are gathered now.", body_memory);
	return scp__metrics_render(f->metrics, out);
}
