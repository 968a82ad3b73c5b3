/*
 * The order of an execution's events: entries that point into one buffer of bytes. In memory while it runs; as an index
 * beside the output once it is stored, from which the same entries come back.
 *
 * The stored index is a sequence of (kind, seq − previous seq, length), each a little-endian base-128 number; stdout's
 * and stderr's bytes are taken in order from their blobs, a status' name stands in the index itself.
 */
#ifndef SCP_CORE_EVENTS_H
#define SCP_CORE_EVENTS_H

#include "buf.h"
#include <sandboxcp/execution.h>

typedef struct scp__event {
	uint64_t seq;
	size_t offset;
	uint32_t len;
	uint32_t kind; /* scp_event_kind */
} scp__event;

typedef struct scp__events {
	scp__event *list;
	size_t count;
	size_t capacity;
	size_t attempt; /* the present attempt's first */
	scp__buf bytes;
} scp__events;

void scp__events_init(scp__events *e);
void scp__events_free(scp__events *e);
scp_status scp__events_append(scp__events *e, scp_event_kind kind, uint64_t seq, const void *data, size_t len);
/** Split the present attempt into what is stored. */
scp_status scp__events_store(const scp__events *e, scp__buf *out, scp__buf *err_out, scp__buf *index);
/** The opposite, into an empty one. An empty index means stdout, then stderr, numbered just before `last_seq`. */
scp_status scp__events_load(scp__events *e, const void *index, size_t index_len, const void *out, size_t out_len,
    const void *err_out, size_t err_len, uint64_t last_seq);
/** The seq of the last entry; 0: there is none. */
uint64_t scp__events_last(const scp__events *e);
/** The first entry whose seq is greater; count if there is none. */
size_t scp__events_after(const scp__events *e, uint64_t seq);

#endif
