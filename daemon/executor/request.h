/* What a run is asked to do: the records of POST /v1/run, checked. */
#ifndef EXECUTOR_REQUEST_H
#define EXECUTOR_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "languages/language.h"
#include "supervisor/channel.h"

#define EXECUTION_SIZE 64u
/* All records with their headers, and some to spare: a longer request can't be a right one. */
#define REQUEST_BYTES_MAX (SCP__CODE_MAX + SCP__EVENT_MAX + SCP__STDIN_MAX + SCP__ENV_MAX + (32u << 10))

struct text {
	const char *data;
	size_t len;
};

struct run_request {
	scp__buf body; /* everything else points into it */
	char execution[EXECUTION_SIZE];
	uint32_t attempt;
	uint64_t seq;
	enum language language;
	uint32_t timeout_ms;
	uint32_t env_count;
	struct text env[JOB_ENV_COUNT_MAX];
	size_t env_bytes;
	struct text code;
	struct text event;
	struct text stdin_data;
};

/** Take the body and check it. NULL: no memory or a bad request, *why (static) says which; the body is the caller's
 * then. */
struct run_request *request_parse(scp__buf *body, const char **why);
void request_free(struct run_request *request);

bool request_execution_valid(const char *id, size_t len);

#endif
