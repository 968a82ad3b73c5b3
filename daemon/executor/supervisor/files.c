#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "protocol.h"
#include "utf8.h"

#define PATH_BYTES_MAX 1024u /* what the control plane accepts as a path */
#define DIRENT_BYTES 8192u
#define READ_BYTES 65536u
#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct entry { /* linux_dirent64 */
	uint64_t ino;
	int64_t off;
	unsigned short length;
	unsigned char type;
	char name[];
};

struct walk {
	struct files_found *found; /* NULL: only the newest is asked for */
	struct timespec since;
	int64_t newest_ns;
	unsigned entries_max;
	int64_t deadline_us;
	dev_t device;
	unsigned entries;
	unsigned depth;
	uint64_t digested;
	size_t path_len;
	char path[PATH_BYTES_MAX + 1];
};

static void walk_directory(struct walk *w, int fd);

static bool over(const struct walk *w)
{
	return w->entries >= w->entries_max || (w->found && w->found->count >= SCP__ARTIFACTS_MAX) ||
	       scp__mono_us() > w->deadline_us;
}

static int64_t to_ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* The digest of what the descriptor holds, if it is what was meant and doesn't take too long. */
static bool digest_fd(struct walk *w, int fd, const struct stat *meant, char hex[SCP__SHA256_HEX_SIZE])
{
	static unsigned char bytes[READ_BYTES];
	scp__sha256 sha;
	struct stat st;
	uint64_t left;
	ssize_t n = 0;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != meant->st_ino || st.st_dev != meant->st_dev)
		return false;
	left = (uint64_t)st.st_size;
	scp__sha256_init(&sha);
	while (left && (n = read(fd, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes))) > 0) {
		scp__sha256_update(&sha, bytes, (size_t)n);
		left -= (uint64_t)n;
		w->digested += (uint64_t)n;
		if (scp__mono_us() > w->deadline_us)
			return false;
	}
	scp__sha256_final_hex(&sha, hex);
	return left == 0;
}

static bool digest_file(
    struct walk *w, int dir, const char *name, const struct stat *st, char hex[SCP__SHA256_HEX_SIZE])
{
	uint64_t size = (uint64_t)st->st_size;
	bool done;
	int fd;

	if (size > FILES_DIGEST_EACH_MAX || w->digested + size > FILES_DIGEST_ALL_MAX)
		return false;
	fd = openat(dir, name, OPEN_FLAGS);
	if (fd < 0)
		return false;
	done = digest_fd(w, fd, st, hex);
	close(fd);
	return done;
}

/* "NAME 0 LENGTH\n" and the bytes, at `to`; returns what is behind. */
static char *put(char *to, const char *name, const void *data, size_t len)
{
	to += scp__record_header(to, name, 0, len);
	memcpy(to, data, len);
	return to + len;
}

static char *put_number(char *to, const char *name, int64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lld", (long long)value);

	return put(to, name, text, (size_t)len);
}

static void add(struct walk *w, const struct stat *st, const char *hex)
{
	char record[PATH_BYTES_MAX + 512];
	struct files_found *f = w->found;
	int64_t mtime_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	char *at = put(record, SCP__ARTIFACT_PATH, w->path, w->path_len);

	at = put_number(at, SCP__ARTIFACT_SIZE, st->st_size);
	at = put_number(at, SCP__ARTIFACT_MTIME_US, mtime_us < 0 ? 0 : mtime_us);
	if (hex)
		at = put(at, SCP__ARTIFACT_SHA256, hex, SCP__SHA256_HEX_SIZE - 1);
	if (f->out_size - f->len < (size_t)(at - record) + SCP__RECORD_HEADER_MAX)
		return;
	f->len = (size_t)(put(f->out + f->len, SCP__RESULT_ARTIFACT, record, (size_t)(at - record)) - f->out);
	f->count++;
}

static void visit_file(struct walk *w, int dir, const char *name, const struct stat *st)
{
	char hex[SCP__SHA256_HEX_SIZE];

	if (to_ns(&st->st_ctim) > w->newest_ns)
		w->newest_ns = to_ns(&st->st_ctim);
	if (w->found && to_ns(&st->st_ctim) >= to_ns(&w->since))
		add(w, st, digest_file(w, dir, name, st, hex) ? hex : NULL);
}

static void visit_directory(struct walk *w, int dir, const char *name)
{
	struct stat st;
	int fd;

	if (w->depth >= FILES_DEPTH_MAX)
		return;
	fd = openat(dir, name, OPEN_FLAGS | O_DIRECTORY);
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_dev == w->device) {
		w->depth++;
		walk_directory(w, fd);
		w->depth--;
	}
	close(fd);
}

/* Lengthen the path by one name; false: such a path is never listed. */
static bool push(struct walk *w, const char *name, size_t len)
{
	if (w->path_len + (w->path_len > 0) + len > PATH_BYTES_MAX)
		return false;
	if (!scp__utf8_valid(name, len) || !scp__text_printable(name))
		return false;
	if (w->path_len)
		w->path[w->path_len++] = '/';
	memcpy(w->path + w->path_len, name, len + 1);
	w->path_len += len;
	return true;
}

static void visit(struct walk *w, int dir, const struct entry *e)
{
	size_t before = w->path_len;
	struct stat st;

	if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
		return;
	w->entries++;
	if ((e->type != DT_REG && e->type != DT_DIR && e->type != DT_UNKNOWN) || !push(w, e->name, strlen(e->name)))
		return;
	if (!fstatat(dir, e->name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (S_ISREG(st.st_mode))
			visit_file(w, dir, e->name, &st);
		else if (S_ISDIR(st.st_mode))
			visit_directory(w, dir, e->name);
	}
	w->path_len = before;
	w->path[before] = '\0';
}

static void walk_directory(struct walk *w, int fd)
{
	char *bytes = malloc(DIRENT_BYTES);
	long n;

	while (bytes && !over(w) && (n = syscall(SYS_getdents64, fd, bytes, DIRENT_BYTES)) > 0) {
		for (long at = 0; at < n && !over(w);) {
			const struct entry *e = (const struct entry *)(const void *)(bytes + at);

			visit(w, fd, e);
			at += e->length;
		}
	}
	free(bytes);
}

static void walk_root(struct walk *w, const char *root)
{
	struct stat st;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	w->deadline_us = scp__mono_us() + FILES_TIME_MAX_US;
	if (!fstat(fd, &st)) {
		w->device = st.st_dev;
		walk_directory(w, fd);
	}
	close(fd);
}

void files_list_changed(const char *root, struct timespec since, struct files_found *found)
{
	struct walk w = { .found = found, .since = since, .entries_max = FILES_ENTRIES_MAX };

	walk_root(&w, root);
}

bool files_newest(const char *root, int64_t *newest_ns)
{
	struct walk w = { .newest_ns = INT64_MIN, .entries_max = FILES_GLANCE_MAX };

	walk_root(&w, root);
	*newest_ns = w.newest_ns;
	return w.entries < FILES_GLANCE_MAX;
}
