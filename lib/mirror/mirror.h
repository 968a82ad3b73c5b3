/*
 * The copy of a workspace in a storage that is no folder. While a sandbox may run, a disk of this process's home has
 * the files; the storage is brought up to it (push), a path at a time or all of it, and is what the next home starts
 * from (restore). A row for each path says what the storage has, so that only what changed is copied.
 *
 * A row follows its object: whoever is killed in between has copied something twice, or a file nobody was told of.
 * Every row's change looks whether the workspace is still this home's: one that was taken for lost changes nothing.
 */
#ifndef SCP_MIRROR_MIRROR_H
#define SCP_MIRROR_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include <sandboxcp/sys/database.h>
#include <sandboxcp/sys/storage.h>

typedef struct scp__mirror scp__mirror; /* any thread */

typedef struct scp__mirror_options {
	scp_database *db;
	scp_storage *storage;
	const char *home; /* outlives the mirror */
	scp__log log;
} scp__mirror_options;

scp_status scp__mirror_open(scp__mirror **out, const scp__mirror_options *options, scp_error *err);
/** What is under way ends soon, with SCP_ECLOSED; so does what begins later. */
void scp__mirror_stop(scp__mirror *m);
/** Nobody calls it any more. NULL is accepted. */
void scp__mirror_close(scp__mirror *m);

/** A workspace whose disk is in place and stays there for the call. */
typedef struct scp__mirror_place {
	const char *workspace_id;
	const char *path; /* the folder */
	int32_t uid;	  /* owner of what is restored; -1: left */
} scp__mirror_place;

typedef struct scp__mirror_done {
	uint64_t copied, copied_bytes;
	uint64_t removed;
	uint64_t left_out; /* paths that the storage takes no key for */
} scp__mirror_done;

/** Bring the storage up to the disk. Blocks. SCP_EUNAVAIL the storage or the database is out of reach; SCP_ESTATE the
 *  workspace isn't this home's any more; SCP_ECLOSED. What was copied until then stays copied. */
scp_status scp__mirror_push(scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err);
/** The same for one path: written, made or removed just now. */
scp_status scp__mirror_push_path(scp__mirror *m, const scp__mirror_place *place, const char *path, scp_error *err);
/** Whether the storage has that file as it is on the disk. */
bool scp__mirror_has(scp__mirror *m, const scp__mirror_place *place, const char *path);

/** Fill an empty disk with what the storage has. Blocks. */
scp_status scp__mirror_restore(scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err);

/** Delete its objects and rows. Idempotent. */
scp_status scp__mirror_erase(scp__mirror *m, const char *workspace_id, scp_error *err);

/* ---- home.c: whose the files are ---- */

/** Make it this home's, for whoever is to run its session: another home that had it is lost, and changes nothing any
 *  more. *ready: its disk here has everything already. SCP_ESTATE: it is removed. */
scp_status scp__mirror_claim(scp__mirror *m, const char *workspace_id, bool *ready, scp_error *err);
/** Its disk here has everything now. */
scp_status scp__mirror_ready(scp__mirror *m, const char *workspace_id, scp_error *err);
/** The storage has everything, and the disk here is of no use any more. */
scp_status scp__mirror_leave(scp__mirror *m, const char *workspace_id, scp_error *err);
/** A file was put into, or removed from (NULL), the storage itself, since no home has the workspace. SCP_EUNAVAIL: one
 *  has meanwhile, and may have looked before. */
scp_status scp__mirror_note(
    scp__mirror *m, const char *workspace_id, const char *path, const scp_object *object, scp_error *err);

/** The storage was out of reach a moment ago: whoever can do without needn't try. */
bool scp__mirror_is_down(scp__mirror *m);

#endif
