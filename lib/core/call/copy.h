/* Deep copies of specs into a request's arena, for asynchronous calls. Each answers false where memory ran out. */
#ifndef SCP_CORE_COPY_H
#define SCP_CORE_COPY_H

#include <stdbool.h>

#include "arena.h"
#include <sandboxcp/sandboxcp.h>

bool scp__copy_text(scp__arena *a, const char **text);
bool scp__copy_session_spec(scp__arena *a, scp_session_spec *to, const scp_session_spec *from);
bool scp__copy_execution_spec(scp__arena *a, scp_execution_spec *to, const scp_execution_spec *from);
bool scp__copy_template_spec(scp__arena *a, scp_template_spec *to, const scp_template_spec *from);

#endif
