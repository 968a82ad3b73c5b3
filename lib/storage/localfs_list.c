/* Listing: a walk in order, of regular files and (where it isn't recursive) directories. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fs.h"
#include "fs_walk.h"
#include "localfs.h"

#define LIMIT_DEFAULT 1000

struct listing {
	scp_object_fn *fn;
	void *user;
	char *next;
	size_t next_size;
	uint32_t limit, given;
	bool over; /* one more than the limit was found */
};

static bool skip(int dir, const char *name)
{
	if (!scp__localfs_reserved(name))
		return false;
	scp__localfs_sweep(dir, name);
	return true;
}

static scp_status take(void *user, const scp__fs_entry *entry, bool *over, scp_error *err)
{
	struct listing *l = user;
	scp_object object = { .key = entry->path };

	if (l->given == l->limit) {
		l->over = *over = true;
		return SCP_OK;
	}
	scp__localfs_describe(entry->at, &object);
	l->given++;
	if (l->next_size)
		snprintf(l->next, l->next_size, "%s", entry->path);
	return l->fn(l->user, &object, err);
}

/* No directory has that name: an empty listing. */
static bool is_nothing(int error_number)
{
	return scp__fs_is_gone(error_number) || error_number == ENAMETOOLONG;
}

scp_status scp__localfs_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	struct listing to = { fn, user, next, next_size, options->limit ? options->limit : LIMIT_DEFAULT, 0, false };
	const scp__fs_walk_options walk = {
		.kinds = options->recursive ? SCP__FS_FILE : SCP__FS_FILE | SCP__FS_DIRECTORY,
		.recursive = options->recursive,
		.max_depth = options->max_depth,
		.after = after,
		.skip = skip,
	};
	int fd = scp__localfs_reserved(prefix) ? -1 : scp__fs_open(l->root, prefix, O_RDONLY | O_DIRECTORY, 0);
	scp_status rc;

	if (fd < 0)
		return scp__localfs_reserved(prefix) || is_nothing(errno) ? SCP_OK
									  : scp__localfs_fail(err, errno, prefix);
	rc = scp__fs_walk(fd, prefix, &walk, take, &to, err);
	if (next_size && (rc || !to.over))
		next[0] = '\0';
	return rc;
}
