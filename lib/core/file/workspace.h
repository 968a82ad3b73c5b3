/* A session's files as the file functions see them: checked, in place, and where their keys begin. */
#ifndef SCP_CORE_WORKSPACE_H
#define SCP_CORE_WORKSPACE_H

#include "plane.h"

#define SCP__KEY_SIZE 1200

typedef struct scp__files {
	char workspace_id[SCP__ID_SIZE]; /* "": not in use */
	char session_id[SCP__ID_SIZE];
	bool over;	      /* its session has ended */
	bool direct_write;    /* one of core->direct_writes */
	scp_storage *storage; /* where its files are read and written */
	char *folder;	      /* on this host; NULL: no home has it, and `storage` is the only place */
	char prefix[96];      /* "sessions/{workspace}" */
	int32_t uid;	      /* owner of what is written; −1: left */
} scp__files;

/** Ready a session's workspace to be read, or written (then the session must not be over). Counts as activity.
 *  scp__workspace_done() must follow, whatever it answered. */
scp_status scp__workspace_use(scp__core *core, const char *session_id, bool write, scp__files *out, scp_error *err);

/** The same for one file: its path is checked first, its storage key given. */
scp_status scp__workspace_open(scp__core *core, const char *session_id, const char *path, bool write, scp__files *out,
    char key[SCP__KEY_SIZE], scp_error *err);
void scp__workspace_done(scp__core *core, scp__files *w);

/** A path was written, or (object NULL) removed: where a storage is behind the folder, it is told before anybody is. */
scp_status scp__workspace_changed(
    scp__core *core, const scp__files *w, const char *path, const scp_object *object, scp_error *err);

/** The storage key of a path in it. SCP_EINVAL: the path isn't one. */
scp_status scp__workspace_key(const scp__files *w, const char *path, char key[SCP__KEY_SIZE], scp_error *err);

/** What the storage said of a key, in the words of the file API. Returns rc. */
scp_status scp__file_error(scp_status rc, const char *path, scp_error *err);

/** A snapshot of an object. NULL: no memory. */
scp_file *scp__file_new(const scp_object *object, const char *path);

/** The options of a write. */
scp_put_options scp__file_put_options(const scp__core *core, const scp__files *w);

#endif
