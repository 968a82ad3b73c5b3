/* Files of a session's workspace. REST: /api/v1/sessions/{id}/files. */
#ifndef SANDBOXCP_FILE_H
#define SANDBOXCP_FILE_H

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef enum scp_file_type { SCP_FILE = 1, SCP_DIRECTORY = 2 } scp_file_type;

/** A file or directory. Freed whole by scp_file_free(). */
typedef struct scp_file {
	const char *path; /* relative to the workspace */
	uint64_t size_bytes;
	const char *mime_type; /* by its name; "inode/directory" for a directory */
	int64_t modified_us;
	scp_file_type type;
	const char *sha256; /* 64 hex digits after a put; else NULL */
	const char *etag;   /* changes when the file does; NULL for a directory */
} scp_file;

typedef struct scp_file_query {
	uint32_t struct_size;
	const char *path; /* the directory; NULL or "": the workspace */
	bool recursive;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_file_query;
#define SCP_FILE_QUERY_INIT                                                                                            \
	{                                                                                                              \
		sizeof(scp_file_query)                                                                                 \
	}

typedef struct scp_file_page {
	size_t count;
	const scp_file *const *items; /* ordered by path */
	uint64_t total;
	const char *next;
} scp_file_page;

/** Bytes `offset` to `offset + length`; length 0: to the end. */
typedef struct scp_range {
	uint64_t offset;
	uint64_t length;
} scp_range;

/**
 * Where bytes come from: fill `data` with up to `capacity`, say how many in `*len`; 0 is the end.
 * Anything but SCP_OK stops the transfer, which then ends with that status and changes nothing.
 */
typedef struct scp_source {
	scp_status (*fn)(void *user, void *data, size_t capacity, size_t *len, scp_error *err);
	void *user;
} scp_source;

/**
 * Where bytes go. `open`, if not NULL, is called once before the first byte with the whole file's snapshot (borrowed)
 * and the range that follows. Anything but SCP_OK stops the transfer.
 */
typedef struct scp_sink {
	scp_status (*fn)(void *user, const void *data, size_t len, scp_error *err);
	void *user;
	scp_status (*open)(void *user, const scp_file *file, const scp_range *range, scp_error *err);
} scp_sink;

/**
 * Write a file: parents are made, an old one is replaced in one step or not at all.
 *
 * @param path  relative, UTF-8, no empty, "." or ".." part, no control character, ≤ 1,024 bytes, ≤ 255 a part
 * @param out   the new file with its sha256; may be NULL
 * @return SCP_OK; SCP_EINVAL (path); SCP_ENOTFOUND no such session; SCP_ESTATE the session is over; SCP_ECONFLICT a
 *         directory or a link is in the way; SCP_ETOOBIG over 100 MiB or the disk limit; what the source said
 * Blocks for the storage. Any thread. REST: POST …/files/upload.
 */
SCP_API scp_status scp_file_put(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_source *source, scp_error *err);
SCP_API scp_status scp_file_put_bytes(scp_file **out, scp_plane *plane, const char *session_id, const char *path,
    const void *data, size_t len, scp_error *err);
/** @param local_path  a regular file on the caller's machine */
SCP_API scp_status scp_file_put_path(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err);

/**
 * Read a file into `sink`. @param range NULL: all of it.
 * @return SCP_OK; SCP_EINVAL (path; a range past the end); SCP_ENOTFOUND; SCP_ECONFLICT not a regular file
 * REST: GET …/files/{path}.
 */
SCP_API scp_status scp_file_get(
    scp_plane *plane, const char *session_id, const char *path, const scp_range *range, scp_sink *sink, scp_error *err);
/** @param data  the caller's, free(); NUL-terminated beyond `len`. SCP_ETOOBIG over `max_len` (0: 100 MiB). */
SCP_API scp_status scp_file_get_bytes(void **data, size_t *len, scp_plane *plane, const char *session_id,
    const char *path, size_t max_len, scp_error *err);
SCP_API scp_status scp_file_get_path(
    scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err);

SCP_API scp_status scp_file_stat(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_error *err);
SCP_API scp_status scp_file_list(
    scp_file_page **out, scp_plane *plane, const char *session_id, const scp_file_query *query, scp_error *err);
/** Remove a file or an empty directory. @return SCP_OK; SCP_ENOTFOUND; SCP_ESTATE; SCP_ECONFLICT not empty. */
SCP_API scp_status scp_file_delete(scp_plane *plane, const char *session_id, const char *path, scp_error *err);
/** A URL that reads the file for `seconds` (1–3,600; 0: 300). SCP_ENOTSUP where the storage can't. *url: free(). */
SCP_API scp_status scp_file_link(
    char **url, scp_plane *plane, const char *session_id, const char *path, uint32_t seconds, scp_error *err);

SCP_API void scp_file_free(scp_file *file);
SCP_API void scp_file_page_free(scp_file_page *page);

/*
 * Transfers that never block, for hosts with a loop. Each holds at most 256 KiB; where it can't go on it answers
 * SCP_EAGAIN and calls `ready` once when it can. One thread at a time for each transfer.
 */
typedef struct scp_upload scp_upload;
typedef struct scp_download scp_download;
typedef void scp_ready_fn(void *user);

SCP_API scp_status scp_upload_open(scp_upload **out, scp_plane *plane, const char *session_id, const char *path,
    scp_ready_fn *ready, void *user, scp_error *err);
/** Takes up to `len` bytes, says in `*taken` how many. SCP_EAGAIN: none; or the transfer's own error. */
SCP_API scp_status scp_upload_write(scp_upload *upload, const void *data, size_t len, size_t *taken, scp_error *err);
/** The end: SCP_EAGAIN until the file is in place, then SCP_OK and *out (may be NULL) or the error. Then call abort().
 */
SCP_API scp_status scp_upload_commit(scp_upload *upload, scp_file **out, scp_error *err);
/** Frees the transfer; a file that wasn't committed is gone. No call-back starts after it returns. NULL is accepted. */
SCP_API void scp_upload_abort(scp_upload *upload);

SCP_API scp_status scp_download_open(scp_download **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, scp_ready_fn *ready, void *user, scp_error *err);
/** The file's snapshot once known: SCP_EAGAIN before; borrowed until close. */
SCP_API scp_status scp_download_file(scp_download *download, const scp_file **file, scp_error *err);
/** Up to `capacity` bytes; `*len` 0 with SCP_OK is the end. SCP_EAGAIN: none yet. */
SCP_API scp_status scp_download_read(scp_download *download, void *data, size_t capacity, size_t *len, scp_error *err);
SCP_API void scp_download_close(scp_download *download);

/* Asynchronous twins; see session.h. A source or sink is called in a library thread. */
SCP_API scp_status scp_file_put_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_source *source, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_file_get_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, const scp_sink *sink, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_file_stat_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_file_list_async(scp_request **out, scp_plane *plane, const char *session_id,
    const scp_file_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_file_delete_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
