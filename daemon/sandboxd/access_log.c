/* One record a request: who asked for what, how it went, how long it took. Never a body, a query or a token. */
#include <stdio.h>

#include "clock.h"
#include "exchange.h"

/* What a handler noted is a worker's until that is back: of a client that left earlier, the path must do. */
static const char *known(const struct exchange *x, const char *noted, const char *in_path)
{
	if (x->stage != WORKING && noted[0])
		return noted;
	return in_path[0] ? in_path : NULL;
}

void exchange_log(const struct exchange *x, const http_request *q)
{
	char status[16] = "gone", latency[32];
	scp__log_ids ids = { x->request_id, known(x, x->reply.session_id, x->session_id),
		known(x, x->reply.execution_id, x->execution_id), NULL };
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
