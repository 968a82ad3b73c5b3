/* One record a request: who asked for what, how it went, how long it took. Never a body, a query or a token. */
#include <stdio.h>

#include "clock.h"
#include "exchange.h"

static const char *or_null(const char *s)
{
	return s[0] ? s : NULL;
}

void exchange_log(const struct exchange *x, const http_request *q)
{
	char status[16] = "gone", latency[32];
	scp__log_ids ids = { x->request_id, or_null(x->reply.session_id), or_null(x->reply.execution_id), NULL };
	scp_pair fields[] = { { "method", http_method(q) }, { "route", x->route ? x->route->pattern : "none" },
		{ "status", status }, { "latency_ms", latency }, { "actor", x->actor ? x->actor : "-" },
		{ NULL, NULL } };

	if (x->app->log.level > SCP_LOG_INFO)
		return;
	if (http_answer_status(q))
		(void)snprintf(status, sizeof(status), "%d", http_answer_status(q));
	(void)snprintf(latency, sizeof(latency), "%.3f", (double)(scp__mono_us() - x->begun_us) / 1000.0);
	scp__log_write(&x->app->log, SCP_LOG_INFO, "http", &ids, fields, "request");
}
