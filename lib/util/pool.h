/* A small fixed set of named threads that run jobs in order, and jobs that wait for a time. */
#ifndef SCP_UTIL_POOL_H
#define SCP_UTIL_POOL_H

#include <stdint.h>

#include <sandboxcp/error.h>

typedef struct scp__pool scp__pool;
typedef void scp__job_fn(void *arg);

/** @param name  of the threads, ≤ 12 bytes; a number follows. @param queue_max  jobs that may wait (0: 65,536) */
scp_status scp__pool_new(scp__pool **out, const char *name, unsigned threads, unsigned queue_max, scp_error *err);

/** Run `fn(arg)` soon. SCP_EBUSY: the queue is full; SCP_ECLOSED. Never blocks. Any thread. */
scp_status scp__pool_submit(scp__pool *pool, scp__job_fn *fn, void *arg);

/** Run it once `delay_ms` have passed. As scp__pool_submit(). Jobs that still wait at the end never run: give them
 *  nothing that must be freed, or an `drop` that frees it (may be NULL). */
scp_status scp__pool_submit_after(scp__pool *pool, uint32_t delay_ms, scp__job_fn *fn, void *arg, scp__job_fn *drop);

/** No further jobs; those that were submitted (but for the delayed ones) run to their end; joins. NULL is accepted. */
void scp__pool_free(scp__pool *pool);

/** Start one named thread with every signal blocked. */
scp_status scp__thread_start(void *pthread_t_out, const char *name, void *(*fn)(void *), void *arg, scp_error *err);

#endif
