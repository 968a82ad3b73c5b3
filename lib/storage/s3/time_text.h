/* Times as S3 writes them, in microseconds since 1970; 0: it isn't one. */
#ifndef SCP_STORAGE_S3_TIME_TEXT_H
#define SCP_STORAGE_S3_TIME_TEXT_H

#include <stdint.h>

int64_t s3_time_iso(const char *text);	/* "2026-01-31T12:00:00.000Z" */
int64_t s3_time_http(const char *text); /* "Sat, 31 Jan 2026 12:00:00 GMT" */

#endif
