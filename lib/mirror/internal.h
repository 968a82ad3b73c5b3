/*
 * Inside: paths are copied by a few threads that all workspaces share, so that memory is bounded whatever there is to
 * copy. A batch is what one push or restore has given them; its caller walks, gives, and waits.
 */
#ifndef SCP_MIRROR_INTERNAL_H
#define SCP_MIRROR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "digest.h"
#include "fs_walk.h"
#include "map.h"
#include "mirror.h"
#include "pool.h"
#include "store.h"

#define MIRROR_KEY_SIZE 1200
#define MIRROR_PAGE 500

struct scp__mirror {
	scp_database *db;
	scp_storage *storage;
	const char *home;
	scp__log log;
	scp__pool *pool;
	_Atomic bool stopped;
	_Atomic int64_t down_mono_us; /* until then it isn't worth a try */
	pthread_mutex_t lock;
	pthread_cond_t opened;
	scp__map *gates; /* "workspace/path" that is being copied right now */
};

/* ---- batch.c ---- */

typedef struct mirror_batch {
	scp__mirror *m;
	const scp__mirror_place *place;
	int dir;
	scp__mirror_done *done;
	pthread_mutex_t lock; /* for what follows, and *done */
	pthread_cond_t changed;
	unsigned waiting;
	scp_status rc; /* the first that failed */
	scp_error err;
} mirror_batch;

/** What is done with a path; `known` is its row, NULL where there is none. */
typedef scp_status mirror_copy_fn(mirror_batch *b, const char *path, const scp__workspace_file *known, scp_error *err);

scp_status mirror_batch_init(
    mirror_batch *b, scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err);
/** Have a thread do it. Waits while many wait already. An error is the batch's: it has failed. */
scp_status mirror_batch_add(
    mirror_batch *b, mirror_copy_fn *fn, const char *path, const scp__workspace_file *known, scp_error *err);
/** Do it here. */
scp_status mirror_batch_now(
    mirror_batch *b, mirror_copy_fn *fn, const char *path, const scp__workspace_file *known, scp_error *err);
/** Wait for all, and let go. Returns rc, or what failed in a thread. */
scp_status mirror_batch_end(mirror_batch *b, scp_status rc, scp_error *err);
void mirror_count(mirror_batch *b, uint64_t copied, uint64_t bytes, uint64_t removed, uint64_t left_out);
/** One thread at a time for a path. */
scp_status mirror_gate_enter(scp__mirror *m, const char *workspace_id, const char *path, char gate[MIRROR_KEY_SIZE]);
void mirror_gate_leave(scp__mirror *m, const char *gate);
/** Remember that the storage is out of reach, where rc says so. Returns rc. */
scp_status mirror_saw(scp__mirror *m, scp_status rc);

/* ---- rows: home.c ---- */

void mirror_key(char key[MIRROR_KEY_SIZE], const char *workspace_id, const char *path);
scp_status mirror_rows(
    scp__mirror *m, const char *workspace_id, const char *after, scp__workspace_files *out, scp_error *err);
scp_status mirror_row(
    scp__mirror *m, const char *workspace_id, const char *path, scp__workspace_files *out, scp_error *err);
/** Only while the workspace is this home's; else SCP_ESTATE. */
scp_status mirror_row_put(scp__mirror *m, const char *workspace_id, const scp__workspace_file *f, scp_error *err);
scp_status mirror_row_remove(scp__mirror *m, const char *workspace_id, const char *path, scp_error *err);

/* ---- up.c, down.c ---- */

mirror_copy_fn mirror_up;   /* whatever the path is on the disk now, nothing included */
mirror_copy_fn mirror_down; /* a file of the storage */
/** Is the row what lstat says? */
bool mirror_same(const scp__workspace_file *known, unsigned kind, const struct stat *at);
int64_t mirror_us(const struct timespec *t);
/*
 * Rows of a push that was cut short may say both what a path is now and what was below it when it was a folder: then
 * the path counts, and what can't be below it is dropped.
 */
bool mirror_is_stale(int error_number);
void mirror_make_room(int dir, const char *leaf);
/** When what a row is of was accessed and changed, for utimensat(). */
void mirror_times(const scp__workspace_file *row, struct timespec times[2]);

#endif
