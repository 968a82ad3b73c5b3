/* The storage port: checks a backend's vtable and every key, answers what a backend lacks with SCP_ENOTSUP. */
#ifndef SCP_STORAGE_STORAGE_H
#define SCP_STORAGE_STORAGE_H

#include <sandboxcp/sys/storage.h>

/** Names that begin so are ours, in whatever folder: an upload that isn't whole yet. */
#define SCP__STORAGE_HIDDEN ".scp-upload-"

typedef struct scp__storage_options {
	const char *credentials_file; /* NULL: none is given */
} scp__storage_options;

scp_status scp__storage_check(const scp_storage *st, scp_error *err); /* SCP_EINVAL names the missing operation */

scp_status scp__storage_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err);
scp_status scp__storage_put_write(scp_storage *st, scp_object_writer *w, const void *data, size_t len, scp_error *err);
scp_status scp__storage_put_commit(scp_storage *st, scp_object_writer *w, scp_object *out, scp_error *err);
void scp__storage_put_close(scp_storage *st, scp_object_writer *w); /* NULL is accepted */
scp_status scp__storage_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err);
scp_status scp__storage_get_read(
    scp_storage *st, scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err);
void scp__storage_get_close(scp_storage *st, scp_object_reader *r); /* NULL is accepted */
scp_status scp__storage_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err);
scp_status scp__storage_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err);
scp_status scp__storage_remove(scp_storage *st, const char *key, scp_error *err);
scp_status scp__storage_remove_prefix(scp_storage *st, const char *prefix, scp_error *err);
scp_status scp__storage_presign(
    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err);
/** Whether sandboxes can mount what lies in it. */
bool scp__storage_has_folders(const scp_storage *st);
scp_status scp__storage_local_folder(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err);
scp_status scp__storage_health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
void scp__storage_close(scp_storage *st); /* NULL is accepted */

/** Small objects in one call. *data: free(). */
scp_status scp__storage_put_bytes(scp_storage *st, const char *key, const void *data, size_t len, scp_error *err);
scp_status scp__storage_get_bytes(
    scp_storage *st, const char *key, size_t max, void **data, size_t *len, scp_error *err);

/** What every key must be. SCP_EINVAL names `field`. */
scp_status scp__storage_check_key(const char *key, const char *field, scp_error *err);

/** Adapters: "file:/path", "s3://bucket?…". */
scp_status scp__localfs_open(scp_storage **out, const char *url, scp_error *err);
scp_status scp__s3_open(scp_storage **out, const char *url, const scp__storage_options *options, scp_error *err);
/** Make what a URL's storage needs outside this host: a bucket. SCP_OK also where it is there already, and ours. */
scp_status scp__storage_make(const char *url, const scp__storage_options *options, scp_error *err);
scp_status scp__s3_make_bucket(const char *url, const scp__storage_options *options, scp_error *err);
/** By the URL's scheme. `options` may be NULL. SCP_EINVAL names the schemes there are. */
scp_status scp__storage_open(scp_storage **out, const char *url, const scp__storage_options *options, scp_error *err);

#endif
