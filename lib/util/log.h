/* Structured logging to the host's call-back. */
#ifndef SCP_UTIL_LOG_H
#define SCP_UTIL_LOG_H

#include <sandboxcp/plane.h>

typedef struct scp__log {
	scp_log_fn *fn; /* NULL: silent */
	void *user;
	scp_log_level level;
} scp__log;

/** What a line is about; any may be NULL. */
typedef struct scp__log_ids {
	const char *request_id;
	const char *session_id;
	const char *execution_id;
	const char *container_id;
} scp__log_ids;

/**
 * One record. `ids` may be NULL. `fields` are name–value pairs up to a NULL name: (scp_pair[]){{"a", "1"}, {0}}, or
 * NULL. Never give it code, events, env values or tokens.
 */
void scp__log_write(const scp__log *log, scp_log_level level, const char *component, const scp__log_ids *ids,
    const scp_pair *fields, const char *fmt, ...) SCP_PRINTF(6, 7);

#endif
