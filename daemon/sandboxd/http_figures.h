/* What the daemon counts of its own: requests by route, method and status, and bytes. Counting is the loop's; reading
 * is any thread's. */
#ifndef SCP_SANDBOXD_HTTP_FIGURES_H
#define SCP_SANDBOXD_HTTP_FIGURES_H

#include "app.h"

struct http_figures;

scp_status http_figures_new(struct http_figures **out, scp_error *err);
void http_figures_free(struct http_figures *f);

/* The loop's: */

/** A request's head has come; `connections` is how many there are now. */
void http_figures_begun(struct http_figures *f, size_t connections);
void http_figures_received(struct http_figures *f, size_t len);
/** It is over: answered, or its client is gone. `q` may have no status. */
void http_figures_ended(struct http_figures *f, const struct exchange *x, const http_request *q);
/** The server refused something that never became a request. */
void http_figures_refused(struct http_figures *f, int status);
unsigned http_figures_in_flight(const struct http_figures *f);

/* Any thread's: */
/** `body_memory`: how many bytes the bodies take that are held now. */
scp_status http_figures_render(const struct http_figures *f, uint64_t body_memory, scp__buf *out);

#endif
