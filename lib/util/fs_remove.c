/*
 * Removing a tree that somebody hostile made and may still be changing. No recursion and at most three descriptors: a
 * directory inside a directory is lifted up to the top (one rename) and emptied there in a later pass, so that depth
 * costs time alone. Nothing is followed, no mount is crossed.
 */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs_open.h"
#include "id.h"

#define BUDGET (32u * 1024 * 1024) /* more steps than this: somebody keeps making files */
#define REFILLS 64
#define TRIES 8

struct removal {
	int top;
	unsigned steps;
	unsigned done; /* entries that went or were lifted */
	int first_errno;
	bool empty; /* the last pass saw nothing */
};

static int open_dir(int dir, const char *name, int flags)
{
	return scp__fs_openat2(dir, name, flags | O_DIRECTORY, 0, RESOLVE_NO_XDEV);
}

/* A directory without rights for its owner stops everybody but root. By descriptor: a link would be refused. */
static int give_rights(int dir, const char *name)
{
	char path[40];
	int fd = open_dir(dir, name, O_PATH);
	int rc;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = chmod(path, 0700);
	close(fd);
	return rc;
}

/* 0: gone; 1: a directory that isn't empty; -1. */
static int remove_entry(int dir, const char *name)
{
	int error_number = 0;

	for (int i = 0; i < TRIES; i++) {
		if (!unlinkat(dir, name, 0) || errno == ENOENT)
			return 0;
		error_number = errno;
		/* EPERM is what POSIX says where Linux says EISDIR. */
		if (error_number != EISDIR && error_number != EPERM)
			break;
		if (!unlinkat(dir, name, AT_REMOVEDIR) || errno == ENOENT)
			return 0;
		if (errno == ENOTEMPTY || errno == EEXIST)
			return 1;
		/* ENOTDIR: what was a directory is none now, so again; or it never was, and unlink's error counts. */
		if (errno != ENOTDIR)
			return -1;
	}
	errno = error_number;
	return -1;
}

static int lift(struct removal *r, int dir, const char *name)
{
	char target[32] = ".lifted-";

	for (int i = 0; i < TRIES; i++) {
		if (scp__id_random(target + 8, 16, NULL))
			return -1;
		if (!renameat(dir, name, r->top, target) || errno == ENOENT)
			return 0;
		if (errno == EACCES && !give_rights(dir, name))
			continue;
		/* Somebody guessed the name, or swapped what is lifted. */
		if (errno != ENOTDIR && errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST)
			return -1;
	}
	return -1;
}

static void note(struct removal *r, int rc)
{
	if (!rc)
		r->done++;
	else if (!r->first_errno)
		r->first_errno = errno;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static DIR *open_stream(int dir, const char *name)
{
	int fd = open_dir(dir, name, O_RDONLY);
	DIR *stream;

	if (fd < 0 && errno == EACCES && !give_rights(dir, name))
		fd = open_dir(dir, name, O_RDONLY);
	if (fd < 0)
		return NULL;
	stream = fdopendir(fd);
	if (!stream)
		close(fd);
	return stream;
}

/* Remove or lift every entry of the directory `name` of the top. 0, or -1 with errno where it can't be opened. */
static int empty_child(struct removal *r, const char *name)
{
	DIR *stream = open_stream(r->top, name);
	struct dirent *e;
	int fd, rc;

	if (!stream)
		return -1;
	fd = dirfd(stream);
	/* Without the right to write in it nothing goes; where this fails the entries tell. */
	(void)fchmod(fd, 0700);
	while (r->steps < BUDGET && (e = readdir(stream))) {
		if (is_dots(e->d_name))
			continue;
		r->steps++;
		rc = remove_entry(fd, e->d_name);
		note(r, rc == 1 ? lift(r, fd, e->d_name) : rc);
	}
	closedir(stream);
	return 0;
}

/* Try each entry of the top once. */
static int pass(struct removal *r)
{
	DIR *stream = open_stream(r->top, ".");
	struct dirent *e;
	int rc;

	if (!stream)
		return -1;
	r->empty = true;
	r->first_errno = 0;
	while (r->steps < BUDGET && (e = readdir(stream))) {
		if (is_dots(e->d_name))
			continue;
		r->empty = false;
		r->steps++;
		rc = remove_entry(r->top, e->d_name);
		if (rc == 1) {
			rc = empty_child(r, e->d_name);
			if (!rc)
				rc = remove_entry(r->top, e->d_name);
			if (rc == 1) /* it was filled again, or something in it stays: the next pass */
				continue;
		}
		note(r, rc);
	}
	closedir(stream);
	return 0;
}

/* Passes until nothing is left, nothing moves any more or the budget is spent. */
static int empty_top(struct removal *r)
{
	unsigned before;

	do {
		before = r->done;
		if (pass(r))
			return -1;
		if (r->empty)
			return 0;
	} while (r->done != before && r->steps < BUDGET);
	errno = r->first_errno ? r->first_errno : EBUSY;
	return -1;
}

static int empty_dir(int dir, const char *name, struct removal *r)
{
	int rc, error_number;

	r->top = open_dir(dir, name, O_RDONLY);
	if (r->top < 0 && errno == EACCES && !give_rights(dir, name))
		r->top = open_dir(dir, name, O_RDONLY);
	if (r->top < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
	(void)fchmod(r->top, 0700);
	rc = empty_top(r);
	error_number = errno;
	close(r->top);
	errno = error_number;
	return rc;
}

int scp__fs_remove_tree(int dir, const char *name)
{
	struct removal r = { .top = -1 };
	int rc;

	if (!*name || is_dots(name) || strchr(name, '/')) {
		errno = EINVAL;
		return -1;
	}
	for (int i = 0; i < REFILLS; i++) {
		rc = remove_entry(dir, name);
		if (rc <= 0)
			return rc;
		if (empty_dir(dir, name, &r))
			return -1;
	}
	errno = ENOTEMPTY;
	return -1;
}
