/*
 * Objects as files below a root. A workspace's content is hostile: everything by descriptor and openat2, nothing but
 * regular files and directories is ever opened, names that start with SCP__LOCALFS_HIDDEN are ours.
 */
#ifndef SCP_STORAGE_LOCALFS_H
#define SCP_STORAGE_LOCALFS_H

#include <sys/stat.h>

#include "storage.h"

#define SCP__LOCALFS_HIDDEN SCP__STORAGE_HIDDEN
#define SCP__LOCALFS_KEY_SIZE 1401

struct scp__localfs {
	scp_storage base;
	int root;
	bool sync; /* fsync before an object becomes visible */
	char *path;
};

scp_status scp__localfs_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err);
scp_status scp__localfs_put_write(scp_object_writer *w, const void *data, size_t len, scp_error *err);
scp_status scp__localfs_put_commit(scp_object_writer *w, scp_object *out, scp_error *err);
void scp__localfs_put_close(scp_object_writer *w);

scp_status scp__localfs_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err);
scp_status scp__localfs_get_read(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err);
void scp__localfs_get_close(scp_object_reader *r);

scp_status scp__localfs_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err);

/** Is one of the key's parts a name of ours? */
bool scp__localfs_reserved(const char *key);
/** The directory that holds `key`, or -1 with errno; *leaf points into `key`. */
int scp__localfs_parent(int root, const char *key, const char **leaf);
/** Remove what a crashed upload left: `name` in `dir`, unless a writer still has it. */
void scp__localfs_sweep(int dir, const char *name);
/** Everything but key and sha256. */
void scp__localfs_describe(const struct stat *st, scp_object *out);
/** From the errno of a call that looks for `key`. */
scp_status scp__localfs_fail(scp_error *err, int error_number, const char *key);

#endif
