/*
 * The storage port: objects by key, as streams. For people who write a backend.
 *
 * Keys are relative paths of parts by '/', UTF-8, no empty, "." or ".." part, no control character, ≤ 1,400 bytes:
 * `sessions/{workspace}/{path}` for workspaces, `executions/{id}/{name}` for outputs. The port checks them before an
 * adapter sees them. A workspace's content is hostile: an adapter that keeps files follows no link, opens nothing but
 * regular files and never blocks on what it finds.
 */
#ifndef SANDBOXCP_SYS_STORAGE_H
#define SANDBOXCP_SYS_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>
#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef struct scp_object_writer scp_object_writer; /* the adapter's */
typedef struct scp_object_reader scp_object_reader;

typedef struct scp_object {
	const char *key;
	uint64_t size_bytes;
	int64_t modified_us;
	bool directory;
	char etag[72];	 /* changes when the object does; no quotes */
	char sha256[65]; /* lower-case hex, or "" where it isn't known */
} scp_object;

/** One object found by list(); borrowed. Anything but SCP_OK ends the listing with that status. */
typedef scp_status scp_object_fn(void *user, const scp_object *object, scp_error *err);

typedef struct scp_put_options {
	uint32_t struct_size;
	uint64_t max_bytes; /* SCP_ETOOBIG beyond it; 0: no bound */
	int32_t owner_uid;  /* for files: give it to this uid and gid, by descriptor, before it is visible; -1: leave */
	int32_t owner_gid;
	bool unchecked; /* whoever puts knows that nothing is in the way: where looking costs, it needn't be looked for
			 */
} scp_put_options;

typedef struct scp_list_options {
	uint32_t struct_size;
	bool recursive;	    /* false: the directory's own entries, directories among them */
	uint32_t limit;	    /* most objects to give; 0: 1,000 */
	uint32_t max_depth; /* 0: 64 */
} scp_list_options;

typedef struct scp_storage_ops {
	uint32_t struct_size;
	const char *name; /* "localfs", "s3" */

	/* Required. Blocks. The object is seen whole after commit() or not at all; parents are made.
	 * SCP_ECONFLICT: a directory, a link or something else that isn't a regular file is in the way. */
	scp_status (*put_open)(
	    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err);
	/* Required. Blocks. SCP_ETOOBIG: over max_bytes, or the disk (or its quota) is full. */
	scp_status (*put_write)(scp_object_writer *w, const void *data, size_t len, scp_error *err);
	/* Required. Blocks. Fills *out (key borrowed from the writer until put_close). */
	scp_status (*put_commit)(scp_object_writer *w, scp_object *out, scp_error *err);
	/* Required. Frees the writer; uncommitted bytes are gone. */
	void (*put_close)(scp_object_writer *w);

	/* Required. Blocks. length 0: to the end. SCP_EINVAL: the range starts past the end (never for an empty object
	 * with offset 0). SCP_ECONFLICT: not a regular file. */
	scp_status (*get_open)(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
	    scp_object_reader **out, scp_object *object, scp_error *err);
	/* Required. Blocks. *len 0: the end; an object that shrank ends early with SCP_EBACKEND. */
	scp_status (*get_read)(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err);
	/* Required. */
	void (*get_close)(scp_object_reader *r);

	/* Required. Blocks. Links and special files are SCP_ENOTFOUND. */
	scp_status (*stat)(scp_storage *st, const char *key, scp_object *out, scp_error *err);
	/* Required. Blocks. Ordered by key, byte by byte. `after` "" or the last key seen (an adapter may keep more in
	 * a token). `next`, of `next_size` bytes: "" at the end. Regular files and directories only. */
	scp_status (*list)(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
	    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err);
	/* Required. Blocks. Idempotent but for its answer: SCP_ENOTFOUND where there was nothing; SCP_ECONFLICT: a
	 * directory that isn't empty. */
	scp_status (*remove)(scp_storage *st, const char *key, scp_error *err);
	/* Required. Blocks. Everything below the prefix, whatever its kind; SCP_OK where there was nothing. */
	scp_status (*remove_prefix)(scp_storage *st, const char *prefix, scp_error *err);
	/* Optional. `method` "GET" or "PUT"; *url: free(). */
	scp_status (*presign)(
	    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err);
	/* Optional. The folder on this host that *is* the prefix, so that a sandbox can mount it; it is made, with its
	 * parents, and given to the uid and gid (-1: left). *path: free(). */
	scp_status (*local_folder)(
	    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err);
	/* Required. Blocks for deadline_ms at most. */
	scp_status (*health)(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
	/* Required. Frees st. */
	void (*close)(scp_storage *st);
} scp_storage_ops;

/** A backend is a struct of its own whose first member is this. */
struct scp_storage {
	const scp_storage_ops *ops;
};

SCP_END_DECLS

#endif
