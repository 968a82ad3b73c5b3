/*
 * The run that drives one execution in this process. run.c is its life and what others ask of it, run_stream.c talks to
 * the link, run_job.c works off what came, run_end.c ends it by its result, run_lost.c in any other way.
 */
#ifndef SCP_CORE_RUN_H
#define SCP_CORE_RUN_H

#include "plane.h"
#include "result.h"

/** What waits in a run's queue. */
typedef enum scp__item_kind {
	SCP__ITEM_RECORD,
	SCP__ITEM_END,	    /* the stream is over: `status` says how */
	SCP__ITEM_NOT_SENT, /* there was no connection to send it on */
	SCP__ITEM_ATTACH,
	SCP__ITEM_HELD,	    /* a result that couldn't be stored before */
	SCP__ITEM_LOST,	    /* the container is gone */
	SCP__ITEM_LOST_OOM, /* by its memory limit */
} scp__item_kind;

typedef struct scp__item {
	struct scp__item *next;
	scp__item_kind kind;
	scp_status status;
	scp__record record;
	char data[];
} scp__item;

/** Where a run's files stand on their way to the storage. */
enum scp__run_sync {
	SCP__SYNC_NOT_YET,
	SCP__SYNC_ASKED,
	SCP__SYNC_DONE,
	SCP__SYNC_PENDING, /* it takes too long, or can't be: later */
};

struct scp__run {
	scp__core *core;
	char id[SCP__ID_SIZE];
	char session_id[SCP__ID_SIZE];
	char container_id[SCP__ID_SIZE];
	char workspace_id[SCP__ID_SIZE];
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
	bool borrowed; /* the job is at the stream, and closes it if `closed` was set meanwhile */
	bool closed;   /* no longer driven here */
	scp__item *first, **last;
	size_t queued_bytes;
	bool scheduled; /* the job runs, or will */
	bool paused;
	bool lossy; /* no memory for a record: nothing counts until the run is attached to again */

	/* The job's alone: */
	bool started_stored;
	bool out_of_place;	   /* no memory for an event: those behind it are of no use before the next attach */
	uint64_t oom_kills;	   /* of the container before it was sent */
	unsigned char carry[2][4]; /* an unfinished UTF-8 sequence of each stream */
	size_t carry_len[2];
	size_t kept[2];	     /* bytes taken of each stream */
	uint64_t dropped[2]; /* and beyond what an honest executor sends */
	unsigned attach_tries;
	unsigned store_tries;

	int64_t synced_mono_us; /* when its files were last asked for, while it runs: the keeper's alone */

	/* Read by others: */
	_Atomic bool ready;   /* what stands above `lock` is filled in */
	_Atomic uint64_t seq; /* of the last event */
	_Atomic int64_t started_us;
	_Atomic int64_t heard_mono_us;
	_Atomic int64_t deadline_us;
	_Atomic int64_t cancelled_us; /* when it was asked to end; 0: it wasn't */
	_Atomic int sync;	      /* of its files, before the result is stored: enum scp__run_sync */
	_Atomic bool has_result;      /* it came, stored or not: no loss of the container matters any more */
	_Atomic bool over;	      /* the row is: what still comes is of no use */
};

/* ---- run.c ---- */

/** By execution id, referenced; NULL: not driven here, or not yet. */
scp__run *scp__run_find(scp__core *core, const char *id);
void scp__run_ref(scp__run *run);
void scp__run_unref(scp__run *run);
/** No longer driven here: out of the map, its stream closed. */
void scp__run_close(scp__run *run);
bool scp__run_closed(scp__run *run);
scp__log_ids scp__run_ids(const scp__run *run);
/** Have the executor end it. */
void scp__run_stop(scp__run *run);

/* ---- run_stream.c ---- */

/** Queue something for the job. `record` (may be NULL) is copied. Any thread. */
void scp__run_push(scp__run *run, scp__item_kind kind, const scp__record *record, scp_status status);
/** The same after a while. */
void scp__run_push_later(scp__run *run, scp__item_kind kind, uint32_t delay_ms);
/** The job's: send the run, attach to it. */
scp_status scp__run_send(scp__run *run, const scp__execution *e, const scp__session *s, scp_error *err);
scp_status scp__run_attach(scp__run *run, scp_error *err);
/** The job's: keep what was made, or close it if the run was closed meanwhile. */
void scp__run_stream_known(scp__run *run, scp__link_stream *stream);

/* ---- run_job.c ---- */

/** The job: works the queue off. Takes over a reference. */
void scp__run_drain(void *run);
/** The job's: unfinished sequences become events, since nothing will finish them. */
void scp__run_flush(scp__run *run);

/* ---- run_end.c ---- */

/** Who ended it. */
typedef enum scp__won {
	SCP__WON,   /* this call */
	SCP__OVER,  /* it was over before */
	SCP__STALE, /* another attempt or another process has it now */
	SCP__NOT,   /* it isn't in one of the states */
} scp__won;

/** Ends it in the database, with what output there is. `from_bits`, `attempt`, `epoch` as in the store. With `cut`,
 *  output that the storage doesn't take is shortened. */
scp_status scp__run_finish(scp__run *run, uint32_t from_bits, int64_t attempt, int64_t epoch, scp__finish *f, bool cut,
    scp__won *won, scp_error *err);
/** The same for one that nobody here drives. */
scp_status scp__row_finish(
    scp__core *core, const char *id, uint32_t from_bits, scp__finish *f, scp__won *won, scp_error *err);
/** It is over and stored: tell those who wait, and see to the session. */
void scp__run_announce(scp__run *run);
/** The job's: the executor's result record. */
void scp__run_result(scp__run *run, const void *data, size_t len);

/* ---- run_lost.c ---- */

/** The job's: the container is gone. */
void scp__run_lost(scp__run *run, bool oom_killed);
/** The job's: the container was gone before the request could be sent. False: it counts as lost. */
bool scp__run_unsend(scp__run *run);

#endif
