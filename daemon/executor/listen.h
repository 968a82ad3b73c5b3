/* Where the control plane connects. */
#ifndef EXECUTOR_LISTEN_H
#define EXECUTOR_LISTEN_H

#include <stdbool.h>

#include "options.h"

/** The listening socket: non-blocking, close-on-exec; every other descriptor from 3 on is closed. -1 with errno. */
int listen_open(const struct options *options);

/**
 * Whether a connected peer may speak to us. Seen from a sandbox's first process, one from outside the sandbox has no
 * pid; with `root_too`, root of the sandbox (never the code) is let in as well: an engine's exec.
 */
bool listen_peer_allowed(int fd, bool root_too);

#endif
