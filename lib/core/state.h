/* Both state machines as tables: names, edges, and the one place that says which change is allowed. */
#ifndef SCP_CORE_STATE_H
#define SCP_CORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/execution.h>
#include <sandboxcp/session.h>

/** The states from which `to` may be entered, as bits (1 << state): what the store's conditional UPDATE takes. */
uint32_t scp__session_from(scp_session_status to);
uint32_t scp__execution_from(scp_execution_status to);

bool scp__session_over(scp_session_status status);
bool scp__execution_over(scp_execution_status status);

/** How an execution ends that was alive when its session went to `to`. */
scp_execution_status scp__execution_end_of(scp_session_status to);

/** The state of a name, or 0. */
scp_session_status scp__session_status_parse(const char *name);
scp_execution_status scp__execution_status_parse(const char *name);

#endif
