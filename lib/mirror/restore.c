/* All rows onto an empty disk: directories and links by the caller, in order, files by the threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "internal.h"

static scp_status trouble(mirror_batch *b, const char *path, scp_error *err)
{
	if (mirror_is_stale(errno))
		return mirror_row_remove(b->m, b->place->workspace_id, path, err);
	if (errno == ENOSPC || errno == EDQUOT)
		return scp__fail(err, SCP_ETOOBIG, "%s: the workspace's disk is full", path);
	return scp__fail_errno(err, errno, "restore %s", path);
}

static scp_status make_link(mirror_batch *b, const scp__workspace_file *row, scp_error *err)
{
	int32_t uid = b->place->uid;
	struct timespec times[2];
	const char *leaf;
	int dir = scp__fs_open_parent(b->dir, row->path, true, uid, uid, &leaf);
	scp_status rc = SCP_OK;

	if (dir < 0)
		return trouble(b, row->path, err);
	mirror_times(row, times);
	mirror_make_room(dir, leaf);
	if (symlinkat(row->target ? row->target : "", dir, leaf))
		rc = trouble(b, row->path, err);
	else if (uid >= 0 && fchownat(dir, leaf, (uid_t)uid, (gid_t)uid, AT_SYMLINK_NOFOLLOW))
		rc = trouble(b, row->path, err);
	else if (utimensat(dir, leaf, times, AT_SYMLINK_NOFOLLOW))
		rc = trouble(b, row->path, err);
	close(dir);
	return rc;
}

/* Its owner can always go on with it, until all is there. */
static scp_status make_directory(mirror_batch *b, const scp__workspace_file *row, mode_t mode, scp_error *err)
{
	int fd = scp__fs_make_dirs(b->dir, row->path, 0755, b->place->uid, b->place->uid);
	scp_status rc = SCP_OK;

	if (fd < 0)
		return trouble(b, row->path, err);
	if (fchmod(fd, mode & 0777))
		rc = trouble(b, row->path, err);
	close(fd);
	return rc;
}

static scp_status begin_one(mirror_batch *b, const scp__workspace_file *row, bool *closed, scp_error *err)
{
	switch (row->kind) {
	case SCP__FS_DIRECTORY:
		*closed |= (row->mode & 0700) != 0700;
		return make_directory(b, row, row->mode | 0700, err);
	case SCP__FS_LINK:
		return make_link(b, row, err);
	default:
		return mirror_batch_add(b, mirror_down, row->path, row, err);
	}
}

static scp_status close_one(mirror_batch *b, const scp__workspace_file *row, bool *closed, scp_error *err)
{
	(void)closed;
	return row->kind == SCP__FS_DIRECTORY && (row->mode & 0700) != 0700 ? make_directory(b, row, row->mode, err)
									    : SCP_OK;
}

typedef scp_status row_fn(mirror_batch *b, const scp__workspace_file *row, bool *closed, scp_error *err);

static scp_status each_row(mirror_batch *b, row_fn *fn, bool *closed, scp_error *err)
{
	char after[SCP__FS_WALK_PATH_SIZE] = "";
	scp__workspace_files page = { 0 };
	scp_status rc;

	do {
		rc = mirror_rows(b->m, b->place->workspace_id, after, &page, err);
		for (size_t i = 0; !rc && i < page.count; i++)
			rc = fn(b, &page.items[i], closed, err);
		if (!rc && page.count)
			(void)snprintf(after, sizeof(after), "%s", page.items[page.count - 1].path);
	} while (!rc && page.count == MIRROR_PAGE);
	scp__workspace_files_free(&page);
	return rc;
}

scp_status scp__mirror_restore(scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err)
{
	bool closed = false;
	mirror_batch b;
	scp_status rc = mirror_batch_init(&b, m, place, done, err);

	if (rc)
		return rc;
	rc = mirror_batch_end(&b, each_row(&b, begin_one, &closed, err), err);
	if (rc || !closed)
		return rc;
	rc = mirror_batch_init(&b, m, place, &(scp__mirror_done){ 0 }, err);
	return rc ? rc : mirror_batch_end(&b, each_row(&b, close_one, &closed, err), err);
}
