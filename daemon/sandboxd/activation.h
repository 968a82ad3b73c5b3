/* Listening sockets that were made by whoever started us: systemd's socket activation (LISTEN_FDS). */
#ifndef SCP_SANDBOXD_ACTIVATION_H
#define SCP_SANDBOXD_ACTIVATION_H

#include "listen.h"

/**
 * Add the sockets that were handed to this process, if any were, and take LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out
 * of the environment. SCP_EINVAL: what was handed over isn't what the variables say, or is no listening stream socket
 * of TCP or a path; nothing of it is served then.
 */
scp_status activation_take(struct listeners *l, scp_error *err);

#endif
