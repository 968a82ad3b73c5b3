#include "fs_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "utf8.h"

#define BATCH 1024
#define DEPTH_DEFAULT 64
#define DEPTH_MAX 512
#define NAMES_MAX 20000000ULL /* looked at in one walk: a tree of empty directories must end too */

struct walk {
	const scp__fs_walk_options *o;
	scp__fs_walk_fn *fn;
	void *user;
	uint32_t max_depth;
	uint64_t names;
	bool over; /* fn has had enough */
	size_t len;
	char path[SCP__FS_WALK_PATH_SIZE];
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
	const char *after = w->o->after ? w->o->after : "";

	if (!strncmp(after, w->path, w->len))
		return after + w->len;
	return strncmp(after, w->path, w->len) < 0 ? "" : NULL;
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

	return w->len + len < sizeof(w->path) && scp__utf8_valid(name, len) && scp__text_printable(name);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static unsigned kinds_of(unsigned char type)
{
	switch (type) {
	case DT_REG:
		return SCP__FS_FILE;
	case DT_DIR:
		return SCP__FS_DIRECTORY;
	case DT_LNK:
		return SCP__FS_LINK;
	case DT_UNKNOWN:
		return SCP__FS_FILE | SCP__FS_DIRECTORY | SCP__FS_LINK;
	default:
		return 0;
	}
}

static scp_status unreadable(const struct walk *w, const char *name, int error_number, scp_error *err)
{
	if (!w->o->strict || scp__fs_is_gone(error_number))
		return SCP_OK;
	return scp__fail_errno(err, error_number, "read %.200s%.200s", w->path, name);
}

static bool take(struct walk *w, struct batch *b, const struct dirent *e, const char *after, const char *cursor)
{
	char folder[sizeof(e->d_name) + 1];
	unsigned kinds = kinds_of(e->d_type);

	if (!addressable(w, e->d_name)) {
		if (w->o->unnamed)
			++*w->o->unnamed;
		return true;
	}
	if (!kinds)
		return true;
	if ((kinds & w->o->kinds) && wanted(e->d_name, after, cursor) && !keep(b, e->d_name))
		return false;
	if (!(kinds & SCP__FS_DIRECTORY) || !w->o->recursive)
		return true;
	snprintf(folder, sizeof(folder), "%s/", e->d_name);
	return !wanted(folder, after, cursor) || keep(b, folder);
}

static scp_status collect(
    struct walk *w, DIR *d, struct batch *b, const char *after, const char *cursor, scp_error *err)
{
	struct dirent *e;
	int error_number;

	rewinddir(d);
	while ((errno = 0, e = readdir(d))) {
		if (++w->names > NAMES_MAX)
			return scp__fail(err, SCP_ETOOBIG, "%.200s: more entries than are listed in one go", w->path);
		if (is_dots(e->d_name) || (w->o->skip && w->o->skip(dirfd(d), e->d_name)))
			continue;
		if (!take(w, b, e, after, cursor))
			return scp__nomem(err);
	}
	error_number = errno; /* the reader's */
	qsort(b->names, b->count, sizeof(b->names[0]), compare);
	return error_number ? unreadable(w, "", error_number, err) : SCP_OK;
}

static unsigned kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return SCP__FS_FILE;
	if (S_ISDIR(mode))
		return SCP__FS_DIRECTORY;
	return S_ISLNK(mode) ? SCP__FS_LINK : 0;
}

static scp_status emit(struct walk *w, int dir, const char *name, scp_error *err)
{
	struct stat at;
	scp__fs_entry entry = { .path = w->path, .dir = dir, .name = name, .at = &at };

	if (fstatat(dir, name, &at, AT_SYMLINK_NOFOLLOW))
		return unreadable(w, name, errno, err);
	entry.kind = kind_of(at.st_mode);
	if (!(entry.kind & w->o->kinds))
		return SCP_OK;
	snprintf(w->path + w->len, sizeof(w->path) - w->len, "%s", name);
	return w->fn(w->user, &entry, &w->over, err);
}

static scp_status walk_directory(struct walk *w, int fd, uint32_t depth, scp_error *err);

static scp_status descend(struct walk *w, int dir, const char *name, uint32_t depth, scp_error *err)
{
	char part[NAME_MAX + 2];
	size_t len = w->len;
	scp_status rc = SCP_OK;
	int fd;

	snprintf(part, sizeof(part), "%.*s", (int)strlen(name) - 1, name);
	if (depth >= w->max_depth)
		return SCP_OK;
	fd = scp__fs_open(dir, part, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return unreadable(w, name, errno, err);
	w->len += (size_t)snprintf(w->path + len, sizeof(w->path) - len, "%s", name);
	if (w->len < sizeof(w->path))
		rc = walk_directory(w, fd, depth + 1, err);
	else
		close(fd);
	w->len = len;
	w->path[len] = '\0';
	return rc;
}

static scp_status visit(struct walk *w, int dir, const struct batch *b, uint32_t depth, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && !w->over && i < b->count; i++) {
		const char *name = b->names[i];

		rc = name[strlen(name) - 1] == '/' ? descend(w, dir, name, depth, err) : emit(w, dir, name, err);
		w->path[w->len] = '\0';
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

scp_status scp__fs_walk(
    int dir, const char *prefix, const scp__fs_walk_options *options, scp__fs_walk_fn *fn, void *user, scp_error *err)
{
	struct walk w = { .o = options, .fn = fn, .user = user };
	int n = snprintf(w.path, sizeof(w.path), "%s%s", prefix, *prefix ? "/" : "");

	w.max_depth = options->max_depth ? options->max_depth : DEPTH_DEFAULT;
	if (w.max_depth > DEPTH_MAX)
		w.max_depth = DEPTH_MAX;
	w.len = (size_t)n;
	if (w.len < sizeof(w.path))
		return walk_directory(&w, dir, 1, err);
	close(dir);
	return SCP_OK;
}
