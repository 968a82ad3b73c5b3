/*
 * Memory for what runs made, until it is acknowledged. All runs share one bound; a run has what its output and result
 * may need at most reserved before it starts, and gives back at its end what it didn't need. Pages are taken from the
 * kernel only when written.
 */
#ifndef EXECUTOR_SPOOL_H
#define EXECUTOR_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/channel.h"

#define SPOOL_STREAM_HEADERS (192u << 10) /* of the records of one stream */
#define SPOOL_SMALL 8192u		  /* a run that never starts: its result alone */
#define SPOOL_TAIL (SCP__RETURN_MAX + 1u)
#define SPOOL_RUN (2u * (SCP__OUTPUT_MAX + SPOOL_STREAM_HEADERS) + ARTIFACT_BYTES_MAX + SPOOL_TAIL + (16u << 10))

struct spool_budget {
	size_t total;
	size_t used;
};

struct spool {
	char *bytes; /* events as they go over the wire */
	size_t len;
	size_t size;  /* reserved */
	uint64_t seq; /* of the last event */
};

/** Whether `size` more bytes are to be had. */
bool spool_fits(const struct spool_budget *budget, size_t size);
/** Reserve; what the spool held before goes. The sequence goes on. 0; -1: the bound is reached, or no memory. */
int spool_reserve(struct spool_budget *budget, struct spool *spool, size_t size);
/** Give back what isn't used. */
void spool_shrink(struct spool_budget *budget, struct spool *spool);
void spool_free(struct spool_budget *budget, struct spool *spool);

/** Append an event. False: it doesn't fit (and nothing was appended). */
bool spool_event(struct spool *spool, const char *name, const void *data, size_t len);
/** Append an event's header alone, for `len` bytes that the caller then writes to what is returned. NULL: no room. */
char *spool_event_space(struct spool *spool, const char *name, size_t len);
/** Where the first event behind `seq` starts. */
size_t spool_find(const struct spool *spool, uint64_t seq);

/** SPOOL_TAIL bytes at the reservation's end, for what comes back on the result channel until the result is made. */
char *spool_tail(const struct spool *spool);

#endif
