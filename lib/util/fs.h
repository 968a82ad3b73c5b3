/*
 * Files in places that somebody hostile can write: everything by descriptor and openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), always O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW.
 */
#ifndef SCP_UTIL_FS_H
#define SCP_UTIL_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <sandboxcp/error.h>

/** A workspace path as API.md's Files say: relative, UTF-8, no empty, "." or ".." part, no control character, ≤ 1,024
 *  bytes, ≤ 255 a part. SCP_EINVAL names `field`. */
scp_status scp__path_check(const char *path, const char *field, scp_error *err);

/** openat2 beneath `dir`. Returns the descriptor, or -1 with errno. Never follows a link, never blocks.
 *  "" is `dir` itself, opened anew. */
int scp__fs_open(int dir, const char *path, int flags, mode_t mode);

/** Of whoever looked for something in a tree that somebody else changes: it is gone, or no longer what it was. */
bool scp__fs_is_gone(int error_number);

/** Open a regular file beneath `dir` for reading and fstat it. errno: ELOOP a link, EISDIR, ENXIO/EINVAL not regular.
 */
int scp__fs_open_regular(int dir, const char *path, struct stat *st);

/** Open the directory that holds `path` beneath `dir`, making parents (mode 0755, uid/gid if ≥ 0, by descriptor).
 *  *leaf points into `path`. Returns the directory's descriptor, or -1 with errno. */
int scp__fs_open_parent(int dir, const char *path, bool make, int32_t uid, int32_t gid, const char **leaf);

/** mkdir -p beneath dir; returns a descriptor of the last one, or -1 with errno. */
int scp__fs_make_dirs(int dir, const char *path, mode_t mode, int32_t uid, int32_t gid);

/** Remove everything beneath `dir`/`name` and itself, following nothing, with bounded depth by descriptors (deep trees
 *  are flattened as needed). No mount is crossed: EXDEV or EBUSY where one is met. 0, or -1 with errno; ENOENT is
 * success. */
int scp__fs_remove_tree(int dir, const char *name);

/** Write a whole small file of ours, atomically (temporary, fsync if `sync`, rename). 0, or -1 with errno. */
int scp__fs_write_file(int dir, const char *name, const void *data, size_t len, mode_t mode, bool sync);

/** Read a whole small file of ours; at most max bytes (EFBIG). Links are followed: never in a hostile place. `dir` may
 * be AT_FDCWD. *data: free(), NUL-terminated. 0, or -1 with errno. */
int scp__fs_read_file(int dir, const char *path, size_t max, char **data, size_t *len);

/** write() all of it, over EINTR. 0, or -1 with errno. */
int scp__fs_write_all(int fd, const void *data, size_t len);

/** mkdir -p of a path of ours (no hostile parents), mode for those made. 0, or -1 with errno. */
int scp__fs_mkdir_p(const char *path, mode_t mode);

/** Media type by file name: "text/csv"; "application/octet-stream" where unknown. Static. */
const char *scp__mime_type(const char *path);

#endif
