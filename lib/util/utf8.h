/* UTF-8. */
#ifndef SCP_UTIL_UTF8_H
#define SCP_UTIL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

bool scp__utf8_valid(const void *data, size_t len); /* no surrogates, no overlong forms, ≤ U+10FFFF; NUL is fine */
size_t scp__utf8_valid_prefix(const void *data, size_t len); /* length of the well-formed beginning */
size_t scp__utf8_complete(const void *data, size_t len);     /* length without an unfinished sequence at the end */
scp_status scp__utf8_repair(scp__buf *out, const void *data, size_t len, bool *lossy); /* bad bytes → U+FFFD each */
bool scp__text_printable(const char *s);					       /* no control characters */

#endif
