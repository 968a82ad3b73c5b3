/* Time. The wall clock for what people read, the monotonic one for waits. */
#ifndef SCP_UTIL_CLOCK_H
#define SCP_UTIL_CLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t scp__now_us(void);  /* since 1970, UTC */
int64_t scp__mono_us(void); /* since some start */

/** A condition that is waited for by the monotonic clock, and such a wait's end. */
void scp__mono_cond_init(pthread_cond_t *cond);
struct timespec scp__mono_in(uint32_t ms);

#define SCP__TIME_SIZE 32
/** RFC 3339 with milliseconds: "2026-01-31T12:00:00.000Z". Returns `out`. */
char *scp__time_format(char out[SCP__TIME_SIZE], int64_t time_us);

#endif
