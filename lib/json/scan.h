/* Private to json: the strict look at the text, before cJSON sees it. */
#ifndef SCP_JSON_SCAN_H
#define SCP_JSON_SCAN_H

#include "json.h"

#define SCP__JSON_NUMBER_BYTES 63 /* cJSON cuts longer ones */

/* An integer that a double may not tell from its neighbours: which value of the text it is, and where it stands. */
struct scp__json_long {
	size_t value; /* values are counted in their order, from 0 */
	size_t at;
	size_t len;
};

struct scp__json_longs {
	struct scp__json_long *list;
	size_t count;
	size_t capacity;
};

/**
 * RFC 8259 to the letter, without trailing bytes, twin keys, bad UTF-8, \u0000, lone surrogates, or more than `bounds`
 * allow. `longs` (may be NULL; zero it first) gets the long integers, free() its list whatever comes back.
 */
scp_status scp__json_scan(const char *text, size_t len, const char *what, const scp__json_bounds *bounds,
    struct scp__json_longs *longs, scp_error *err);

#endif
