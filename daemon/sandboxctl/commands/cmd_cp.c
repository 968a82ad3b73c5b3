/* cp LOCAL SESSION:PATH, cp SESSION:PATH LOCAL; - is standard input or output. */
#include "ctl.h"
#include "values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

#define NAME_SIZE 4096

static scp_status from_fd(void *user, void *data, size_t capacity, size_t *len, scp_error *err)
{
	ssize_t n;

	do
		n = read(*(int *)user, data, capacity);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return scp__fail_errno(err, errno, "read");
	*len = (size_t)n;
	return SCP_OK;
}

static scp_status to_fd(void *user, const void *data, size_t len, scp_error *err)
{
	return scp__fs_write_all(*(int *)user, data, len) ? scp__fail_errno(err, errno, "write") : SCP_OK;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "" or "dir/" name a folder: the file keeps its name in it. */
static scp_status complete(char out[NAME_SIZE], const char *path, const char *source, scp_error *err)
{
	bool folder = !*path || path[strlen(path) - 1] == '/';
	int n = snprintf(out, NAME_SIZE, "%s%s", path, folder ? base_name(source) : "");

	if (n >= NAME_SIZE)
		return scp__fail(err, SCP_EINVAL, "the path is too long");
	if (folder && (!strcmp(source, "-") || !*base_name(source)))
		return scp__fail(err, SCP_EINVAL, "'%s' names no file to copy to", path);
	return SCP_OK;
}

static int open_source(const char *local, int64_t *len, scp_error *err)
{
	int fd = strcmp(local, "-") ? open(local, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		scp__fail_errno(err, errno, "%s", local);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		scp__fail(err, SCP_EINVAL, "%s is a folder: cp copies one file", local);
		(void)close(fd);
		return -1;
	}
	*len = S_ISREG(st.st_mode) && fd != STDIN_FILENO ? st.st_size : -1;
	return fd;
}

static int upload(struct ctl *ctl, const char *local, const char *session, const char *path, scp_error *err)
{
	struct answer a = { 0 };
	char full[NAME_SIZE];
	int64_t len;
	int rc = FAILED, fd;
	scp_source source = { from_fd, &fd };

	if (complete(full, path, local, err))
		return FAILED;
	fd = open_source(local, &len, err);
	if (fd < 0)
		return FAILED;
	if (!ctl->target->ops->file_put(ctl->target, session, full, &source, len, &a, err))
		rc = ctl->args.json ? print_json(&a, err) : 0;
	if (fd != STDIN_FILENO)
		(void)close(fd);
	answer_free(&a);
	return rc;
}

/* Beside its place, so that a broken transfer leaves the old file as it was. */
static int download_to(struct ctl *ctl, const char *session, const char *path, const char *full, scp_error *err)
{
	char temporary[NAME_SIZE + 16];
	int fd, rc = FAILED;
	scp_sink sink = { .fn = to_fd, .user = &fd };
	mode_t mask = umask(0);

	(void)umask(mask);
	(void)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", full);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		scp__fail_errno(err, errno, "%s", full);
		return FAILED;
	}
	(void)fchmod(fd, 0666 & ~mask);
	if (!ctl->target->ops->file_get(ctl->target, session, path, &sink, err)) {
		rc = rename(temporary, full);
		if (rc)
			scp__fail_errno(err, errno, "%s", full);
	}
	(void)close(fd);
	if (rc)
		(void)unlink(temporary);
	return rc;
}

static int download(struct ctl *ctl, const char *session, const char *path, const char *local, scp_error *err)
{
	int out = STDOUT_FILENO;
	scp_sink sink = { .fn = to_fd, .user = &out };
	char full[NAME_SIZE], folder[NAME_SIZE];
	struct stat st;

	if (!strcmp(local, "-"))
		return ctl->target->ops->file_get(ctl->target, session, path, &sink, err) ? FAILED : 0;
	(void)snprintf(folder, sizeof(folder), "%s%s", local, !stat(local, &st) && S_ISDIR(st.st_mode) ? "/" : "");
	if (complete(full, folder, path, err))
		return FAILED;
	return download_to(ctl, session, path, full, err);
}

int cmd_cp(struct ctl *ctl, scp_error *err)
{
	char from_id[64], to_id[64];
	const char *from = remote_path(ctl->word[0], from_id), *to = remote_path(ctl->word[1], to_id);

	if (!from == !to) {
		scp__fail(err, SCP_EINVAL, "one of the two must be in a session, the other here");
		return MISUSED;
	}
	return to ? upload(ctl, ctl->word[0], to_id, to, err) : download(ctl, from_id, from, ctl->word[1], err);
}
