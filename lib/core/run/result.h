/* A result record as the executor sent it, taken apart and checked: an executor may lie. */
#ifndef SCP_CORE_RESULT_H
#define SCP_CORE_RESULT_H

#include "arena.h"
#include "protocol.h"
#include "store.h"

typedef struct scp__result {
	scp__finish finish; /* all but output, index, seq and time */
	scp_metrics metrics;
	scp__arena *arena;
} scp__result;

/** SCP_EINVAL: not a result. What is merely too long or malformed inside is cut or dropped. */
scp_status scp__result_parse(scp__result *out, const void *data, size_t len, int64_t now_us, scp_error *err);
void scp__result_free(scp__result *r);

#endif
