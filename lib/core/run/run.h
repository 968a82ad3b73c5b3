/* The run that drives one execution in this process: run.c talks to the link, run_end.c ends it. */
#ifndef SCP_CORE_RUN_H
#define SCP_CORE_RUN_H

#include "plane.h"
#include "result.h"

struct scp__item; /* a record or the stream's end, waiting to be worked off */

struct scp__run {
	scp__core *core;
	char id[SCP__ID_SIZE];
	char session_id[SCP__ID_SIZE];
	char container_id[SCP__ID_SIZE];
	char request_id[SCP__REQUEST_ID_SIZE];
	scp_runtime *rt;
	uint32_t attempt;
	uint32_t max_retries;
	uint32_t timeout_ms;
	int64_t epoch;
	bool ephemeral;
	scp__topic *topic;

	pthread_mutex_t lock; /* for what follows */
	unsigned refs;
	scp__link_stream *stream;
	bool borrowed; /* somebody is at the stream right now, and closes it if `closed` was set meanwhile */
	bool closed;   /* no longer driven here */
	struct scp__item *first, **last;
	size_t queued_bytes;
	bool scheduled; /* a job works the items off */
	bool paused;

	/* The job's alone: */
	bool started_stored;
	uint64_t oom_kills;	   /* of the container when it started */
	unsigned char carry[2][4]; /* an unfinished UTF-8 sequence of each stream */
	size_t carry_len[2];
	unsigned attach_tries;

	/* Read by others, written by the job: */
	_Atomic bool ready;   /* what stands above `lock` is filled in */
	_Atomic uint64_t seq; /* of the last event */
	_Atomic int64_t started_us;
	_Atomic int64_t heard_mono_us;
	_Atomic int64_t deadline_us;
	_Atomic bool suspect;
	_Atomic bool cancel_sent;
};

/** By execution id, referenced; NULL: not driven here, or not yet. */
scp__run *scp__run_find(scp__core *core, const char *id);
void scp__run_ref(scp__run *run);
void scp__run_unref(scp__run *run);
/** No longer driven here: out of the map, its stream closed. */
void scp__run_close(scp__run *run);

/** The executor's result record. */
void scp__run_result(scp__run *run, const void *data, size_t len);
/** The container is gone. */
void scp__run_lost(scp__run *run, bool oom_killed);
/** Ends with what output there is. `from_bits` as in the store. */
scp_status scp__run_finish(
    scp__run *run, uint32_t from_bits, int64_t attempt, int64_t epoch, scp__finish *f, bool *changed, scp_error *err);

#endif
