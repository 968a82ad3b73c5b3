/* The metrics: the library's, and the daemon's own behind them. */
#include <stdlib.h>

#include "handle.h"
#include "http_figures.h"

scp_status get_metrics(struct request *q, struct reply *r, scp_error *err)
{
	char *text = NULL;
	scp_status rc = scp_plane_metrics(&text, q->plane, err);

	if (rc)
		return rc;
	r->content_type = "text/plain; version=0.0.4; charset=utf-8";
	(void)scp__buf_puts(&r->body, text);
	free(text);
	return http_figures_render(q->app->figures, atomic_load(&q->app->body_memory), &r->body);
}
