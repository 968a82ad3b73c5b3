/*
 * A supervisor: a small process between the executor and the code, one for each execution that runs, kept for the next.
 * It is the code's parent and the subreaper of whatever that starts, so an execution's processes are exactly its
 * descendants, and "none is left" is what wait() says. The code can neither signal, trace nor read it where it has a
 * uid of its own.
 */
#ifndef EXECUTOR_SUPERVISOR_H
#define EXECUTOR_SUPERVISOR_H

#include "channel.h"
#include "limits.h"

/** Serve jobs until the executor is gone. In a fresh fork, with every signal blocked; `channel` is its only tie. */
_Noreturn void supervisor_run(const struct settings *settings, int channel, struct share *share);

#endif
