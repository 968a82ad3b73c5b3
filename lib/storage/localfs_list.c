/*
 * Ordered listing in bounded memory: of a directory only the BATCH smallest names behind a cursor are held at a time,
 * however many there are; the next batch reads the directory again.
 */
#include "localfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "utf8.h"

#define BATCH 1024
#define LIMIT_DEFAULT 1000
#define DEPTH_DEFAULT 64
#define DEPTH_MAX 512
#define NAMES_MAX 20000000ULL /* looked at in one call: a tree of empty directories must end too */

struct walk {
	scp_object_fn *fn;
	void *user;
	const char *after;
	char *next;
	size_t next_size;
	uint32_t limit;
	uint32_t max_depth;
	uint32_t given;
	uint64_t names;
	bool recursive;
	bool over; /* one more than the limit was found */
	size_t len;
	char key[SCP__LOCALFS_KEY_SIZE];
};

/* A max-heap of the smallest names so far. A directory to walk into carries a '/' behind: so it sorts as its content.
 */
struct batch {
	size_t count;
	char *names[BATCH];
};

static void swap(char **a, char **b)
{
	char *t = *a;

	*a = *b;
	*b = t;
}

static void sift_up(struct batch *b, size_t i)
{
	for (; i && strcmp(b->names[i], b->names[(i - 1) / 2]) > 0; i = (i - 1) / 2)
		swap(&b->names[i], &b->names[(i - 1) / 2]);
}

static void sift_down(struct batch *b)
{
	size_t i = 0, child;

	for (;; i = child) {
		child = 2 * i + 1;
		if (child >= b->count)
			return;
		if (child + 1 < b->count && strcmp(b->names[child + 1], b->names[child]) > 0)
			child++;
		if (strcmp(b->names[child], b->names[i]) <= 0)
			return;
		swap(&b->names[i], &b->names[child]);
	}
}

static bool keep(struct batch *b, const char *name)
{
	char *copy;

	if (b->count == BATCH && strcmp(name, b->names[0]) >= 0)
		return true;
	copy = strdup(name);
	if (!copy)
		return false;
	if (b->count < BATCH) {
		b->names[b->count++] = copy;
		sift_up(b, b->count - 1);
		return true;
	}
	free(b->names[0]);
	b->names[0] = copy;
	sift_down(b);
	return true;
}

static void clear(struct batch *b)
{
	while (b->count)
		free(b->names[--b->count]);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* The part of `after` that concerns this directory; NULL: all of the directory is before it. */
static const char *after_here(const struct walk *w)
{
	if (!strncmp(w->after, w->key, w->len))
		return w->after + w->len;
	return strncmp(w->after, w->key, w->len) < 0 ? "" : NULL;
}

static bool wanted(const char *name, const char *after, const char *cursor)
{
	size_t len = strlen(name);

	if (strcmp(name, cursor) <= 0)
		return false;
	return strcmp(name, after) > 0 || (name[len - 1] == '/' && starts_with(after, name));
}

/* Can the API name it? What it can't isn't shown. */
static bool addressable(const struct walk *w, const char *name)
{
	size_t len = strlen(name);

	return w->len + len < SCP__LOCALFS_KEY_SIZE && scp__utf8_valid(name, len) && scp__text_printable(name);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool take(struct walk *w, struct batch *b, const struct dirent *e, const char *after, const char *cursor)
{
	char folder[sizeof(e->d_name) + 1];
	bool directory = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
	bool file = e->d_type == DT_REG || e->d_type == DT_UNKNOWN;

	if (!addressable(w, e->d_name) || (!directory && !file))
		return true;
	if ((file || !w->recursive) && wanted(e->d_name, after, cursor) && !keep(b, e->d_name))
		return false;
	if (!directory || !w->recursive)
		return true;
	snprintf(folder, sizeof(folder), "%s/", e->d_name);
	return !wanted(folder, after, cursor) || keep(b, folder);
}

static scp_status collect(
    struct walk *w, DIR *d, struct batch *b, const char *after, const char *cursor, scp_error *err)
{
	struct dirent *e;

	rewinddir(d);
	while ((e = readdir(d))) {
		if (++w->names > NAMES_MAX)
			return scp__fail(err, SCP_ETOOBIG, "%.200s: more entries than are listed in one go", w->key);
		if (is_dots(e->d_name))
			continue;
		if (scp__localfs_reserved(e->d_name))
			scp__localfs_sweep(dirfd(d), e->d_name);
		else if (!take(w, b, e, after, cursor))
			return scp__nomem(err);
	}
	qsort(b->names, b->count, sizeof(b->names[0]), compare);
	return SCP_OK;
}

static scp_status emit(struct walk *w, int dir, const char *name, scp_error *err)
{
	scp_object object = { 0 };
	struct stat at;

	if (fstatat(dir, name, &at, AT_SYMLINK_NOFOLLOW))
		return SCP_OK; /* gone meanwhile */
	if (!S_ISREG(at.st_mode) && !(S_ISDIR(at.st_mode) && !w->recursive))
		return SCP_OK;
	if (w->given == w->limit) {
		w->over = true;
		return SCP_OK;
	}
	snprintf(w->key + w->len, sizeof(w->key) - w->len, "%s", name);
	object.key = w->key;
	scp__localfs_describe(&at, &object);
	w->given++;
	if (w->next_size)
		snprintf(w->next, w->next_size, "%s", w->key);
	return w->fn(w->user, &object, err);
}

static scp_status walk_directory(struct walk *w, int fd, uint32_t depth, scp_error *err);

static scp_status descend(struct walk *w, int dir, const char *name, uint32_t depth, scp_error *err)
{
	char part[NAME_MAX + 2];
	size_t len = w->len;
	scp_status rc = SCP_OK;
	int fd;

	snprintf(part, sizeof(part), "%.*s", (int)strlen(name) - 1, name);
	fd = depth < w->max_depth ? scp__fs_open(dir, part, O_RDONLY | O_DIRECTORY, 0) : -1;
	if (fd < 0)
		return SCP_OK; /* no directory (any more), or one that can't be read */
	w->len += (size_t)snprintf(w->key + len, sizeof(w->key) - len, "%s", name);
	if (w->len < sizeof(w->key))
		rc = walk_directory(w, fd, depth + 1, err);
	else
		close(fd);
	w->len = len;
	w->key[len] = '\0';
	return rc;
}

static scp_status visit(struct walk *w, int dir, const struct batch *b, uint32_t depth, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && !w->over && i < b->count; i++) {
		const char *name = b->names[i];

		rc = name[strlen(name) - 1] == '/' ? descend(w, dir, name, depth, err) : emit(w, dir, name, err);
		w->key[w->len] = '\0';
	}
	return rc;
}

static scp_status walk_batches(struct walk *w, DIR *d, struct batch *b, uint32_t depth, scp_error *err)
{
	const char *after = after_here(w);
	char cursor[NAME_MAX + 2] = "";
	bool more = after != NULL;
	scp_status rc = SCP_OK;

	while (!rc && more && !w->over) {
		rc = collect(w, d, b, after, cursor, err);
		if (rc)
			break;
		more = b->count == BATCH;
		if (more)
			snprintf(cursor, sizeof(cursor), "%s", b->names[b->count - 1]);
		rc = visit(w, dirfd(d), b, depth, err);
		clear(b);
	}
	clear(b);
	return rc;
}

/* Takes the descriptor. */
static scp_status walk_directory(struct walk *w, int fd, uint32_t depth, scp_error *err)
{
	struct batch *b = calloc(1, sizeof(*b));
	DIR *d = b ? fdopendir(fd) : NULL;
	scp_status rc = d ? walk_batches(w, d, b, depth, err) : scp__nomem(err);

	if (d)
		closedir(d);
	else
		close(fd);
	free(b);
	return rc;
}

static void walk_init(struct walk *w, const char *prefix, const scp_list_options *o)
{
	w->recursive = o->recursive;
	w->limit = o->limit ? o->limit : LIMIT_DEFAULT;
	w->max_depth = o->max_depth ? o->max_depth : DEPTH_DEFAULT;
	if (w->max_depth > DEPTH_MAX)
		w->max_depth = DEPTH_MAX;
	w->len = (size_t)snprintf(w->key, sizeof(w->key), "%s%s", prefix, *prefix ? "/" : "");
}

/* No directory has that name: an empty listing. */
static bool is_nothing(int error_number)
{
	return error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP || error_number == EXDEV ||
	       error_number == ENAMETOOLONG;
}

scp_status scp__localfs_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	struct scp__localfs *l = (struct scp__localfs *)st;
	struct walk w = { .fn = fn, .user = user, .after = after, .next = next, .next_size = next_size };
	int fd = scp__localfs_reserved(prefix) ? -1 : scp__fs_open(l->root, prefix, O_RDONLY | O_DIRECTORY, 0);
	scp_status rc;

	if (fd < 0)
		return scp__localfs_reserved(prefix) || is_nothing(errno) ? SCP_OK
									  : scp__localfs_fail(err, errno, prefix);
	walk_init(&w, prefix, options);
	if (w.len >= sizeof(w.key)) {
		close(fd);
		return SCP_OK;
	}
	rc = walk_directory(&w, fd, 1, err);
	if (next_size && (rc || !w.over))
		next[0] = '\0';
	return rc;
}
