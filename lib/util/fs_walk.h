/*
 * Walking a tree in the byte order of its paths, in bounded memory and following nothing: of a directory only a batch
 * of the smallest names behind a cursor are held at a time, however many there are; the next batch reads the directory
 * again. The tree is hostile and may change meanwhile: what vanishes isn't given.
 */
#ifndef SCP_UTIL_FS_WALK_H
#define SCP_UTIL_FS_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <sandboxcp/error.h>

#define SCP__FS_WALK_PATH_SIZE 1401

enum { SCP__FS_FILE = 1, SCP__FS_DIRECTORY = 2, SCP__FS_LINK = 4 };

/** One entry; borrowed for the call. */
typedef struct scp__fs_entry {
	const char *path; /* with the walk's prefix; UTF-8 without control characters */
	const char *name; /* its last part, in `dir` */
	int dir;
	unsigned kind;
	const struct stat *at; /* by lstat */
} scp__fs_entry;

typedef struct scp__fs_walk_options {
	unsigned kinds; /* which are given */
	bool recursive;
	uint32_t max_depth;			 /* 0: 64 */
	const char *after;			 /* NULL, or a path: only what comes behind it */
	bool strict;				 /* what is there and can't be read is an error, not left out */
	uint64_t *unnamed;			 /* NULL, or counts what has a name that the API can't give */
	bool (*skip)(int dir, const char *name); /* NULL, or which names aren't looked at */
} scp__fs_walk_options;

/** Anything but SCP_OK ends the walk with that status; *over set ends it with SCP_OK. */
typedef scp_status scp__fs_walk_fn(void *user, const scp__fs_entry *entry, bool *over, scp_error *err);

/** Walk what is in `dir` (whose descriptor it takes over). Other kinds of files, and names that the API can't give, are
 *  left out. A path is `prefix`, '/' and what it is below; "" for none. */
scp_status scp__fs_walk(
    int dir, const char *prefix, const scp__fs_walk_options *options, scp__fs_walk_fn *fn, void *user, scp_error *err);

#endif
