/* Private to json: the strict look at the text, before cJSON sees it. */
#ifndef SCP_JSON_SCAN_H
#define SCP_JSON_SCAN_H

#include "json.h"

#define SCP__JSON_NUMBER_BYTES 63 /* cJSON cuts longer ones */

/** RFC 8259 to the letter, without trailing bytes, twin keys, bad UTF-8, \u0000, lone surrogates; depth ≤ 64. */
scp_status scp__json_scan(const char *text, size_t len, const char *what, scp_error *err);

#endif
