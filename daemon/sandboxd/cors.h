/* Cross-origin requests: what browsers are told of them. Off unless --cors-origin names who may. */
#ifndef SCP_SANDBOXD_CORS_H
#define SCP_SANDBOXD_CORS_H

#include "app.h"

/** SCP_EINVAL names what is neither "*" nor an origin as browsers send it. */
scp_status cors_check_origins(const char *const *origins, scp_error *err);
/** Give every answer to this request the headers that its origin gets. SCP_ENOMEM alone. */
scp_status cors_mark(struct exchange *x, scp_error *err);
/** Whether it asked what it may ask, from an origin that may: then it is answered. */
bool cors_preflight(struct exchange *x);

#endif
