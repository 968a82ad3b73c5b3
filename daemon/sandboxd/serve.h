#ifndef SCP_SANDBOXD_SERVE_H
#define SCP_SANDBOXD_SERVE_H

#include "config/config.h"

/** Serve until SIGTERM or SIGINT. */
scp_status serve(const struct config *c, scp_error *err);

#endif
