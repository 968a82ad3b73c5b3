/* The bodies of reports: JSON, written without a parser of it. */
#ifndef EXECUTOR_BODY_H
#define EXECUTOR_BODY_H

#include "run.h"

#define BODY_MAX (24u << 20) /* two streams of which each byte may take six, and a return value */

void body_status(scp__buf *out, const struct run *run);
void body_heartbeat(scp__buf *out, const struct run *run);
/** From the events in the run's spool; the return value as the interpreter made it, last, unless `plain`. */
void body_result(scp__buf *out, const struct run *run, bool plain);

#endif
