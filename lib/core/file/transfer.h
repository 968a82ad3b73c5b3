/*
 * Transfers that never block their caller: a bounded ring between the host and a job on the file pool. The job moves
 * what it can and ends; the next write or read, or room in the ring, starts it again.
 */
#ifndef SCP_CORE_TRANSFER_H
#define SCP_CORE_TRANSFER_H

#include "workspace.h"

#define SCP__TRANSFER_RING ((size_t)256 << 10)
#define SCP__TRANSFER_CHUNK ((size_t)64 << 10)

struct scp__transfer;

typedef struct scp__transfer_kind {
	scp__job_fn *job;
	/* With the lock held: whether the job has something to do, and whether nothing more can go wrong. */
	bool (*wants)(const struct scp__transfer *t);
	bool (*complete)(const struct scp__transfer *t);
} scp__transfer_kind;

typedef struct scp__transfer {
	struct scp__transfer *next, **prev; /* of the plane's; under core->lock */
	scp__core *core;
	struct scp_plane view; /* who asked, as it was */
	char session_id[SCP__ID_SIZE];
	char *path;
	scp_ready_fn *ready;
	void *user;
	const struct scp__transfer_kind *kind;

	_Atomic unsigned refs; /* the host's, the plane's, the job's, the call-back's */
	pthread_mutex_t lock;  /* for what follows; before core->lock */
	pthread_cond_t quiet;
	bool scheduled; /* a job runs or waits to run */
	bool waiting;	/* the host was told SCP_EAGAIN */
	bool posted, calling, closed;
	bool stopped; /* the plane is going: the host's functions touch nothing of it any more */
	pthread_t thread;
	scp_status status;
	scp_error err;
	char *ring;
	size_t at, len; /* the bytes that wait */
	bool end;	/* upload: commit was asked for; download: all was read */
	bool done;
	scp_file *file;

	/* The job's alone: */
	scp__files use;
	scp_object_writer *writer;
	scp_object_reader *reader;
	scp_range range;
	bool ranged;
} scp__transfer;

struct scp_upload {
	scp__transfer t;
};

struct scp_download {
	scp__transfer t;
};

typedef struct scp__transfer_spec {
	const scp__transfer_kind *kind;
	const char *session_id, *path;
	scp_ready_fn *ready;
	void *user;
} scp__transfer_spec;
scp_status scp__transfer_open(scp__transfer **out, scp_plane *plane, const scp__transfer_spec *spec, scp_error *err);
void scp__transfer_close(scp__transfer *t);

/* With the lock held: */

/** Start the job unless it runs. Returns SCP_ECLOSED or SCP_ENOMEM if it can't be. */
scp_status scp__transfer_schedule(scp__transfer *t, scp_error *err);
scp_status scp__transfer_again(scp__transfer *t);
scp_status scp__transfer_failed(scp__transfer *t, scp_error *err);
size_t scp__transfer_put(scp__transfer *t, const char *data, size_t len);
size_t scp__transfer_take(scp__transfer *t, char *data, size_t capacity);

/** The job's last act. */
void scp__transfer_turn_over(scp__transfer *t, scp_status rc, const scp_error *err);

#endif
