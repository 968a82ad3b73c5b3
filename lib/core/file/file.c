/* Files of a workspace: the blocking functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "fs.h"
#include "workspace.h"

enum { CHUNK = 64 << 10, LINK_SECONDS = 300, LINK_SECONDS_MAX = 3600 };
#define BYTES_MAX (UINT64_C(100) << 20)

/* ---- put ---- */

static scp_status pump_in(scp_storage *storage, scp_object_writer *w, scp_source *source, scp_error *err)
{
	char *chunk = malloc(CHUNK);
	size_t len = 1;
	scp_status rc = chunk ? SCP_OK : scp__nomem(err);

	while (!rc && len) {
		len = 0;
		rc = source->fn(source->user, chunk, CHUNK, &len, err);
		if (!rc && len)
			rc = scp__storage_put_write(storage, w, chunk, len, err);
	}
	free(chunk);
	return rc;
}

static scp_status put(
    scp_file **out, scp__core *core, const char *session_id, const char *path, scp_source *source, scp_error *err)
{
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_put_options options;
	scp_object_writer *w = NULL;
	scp_object object;
	scp_status rc;

	rc = scp__workspace_open(core, session_id, path, true, &use, key, err);
	options = scp__file_put_options(core, &use);
	if (!rc)
		rc = scp__storage_put_open(use.storage, key, &options, &w, err);
	if (!rc)
		rc = pump_in(use.storage, w, source, err);
	if (!rc)
		rc = scp__storage_put_commit(use.storage, w, &object, err);
	if (!rc)
		rc = scp__workspace_changed(core, &use, path, &object, err);
	if (!rc && out) {
		*out = scp__file_new(&object, path);
		rc = *out ? SCP_OK : scp__nomem(err);
	}
	scp__storage_put_close(use.storage, w);
	scp__workspace_done(core, &use);
	return rc == SCP_ENOTFOUND ? rc : scp__file_error(rc, path, err);
}

scp_status scp_file_put(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_source *source, scp_error *err)
{
	scp_status rc;

	if (out)
		*out = NULL;
	if (!session_id || !path || !source || !source->fn)
		return scp__fail(err, SCP_EINVAL, "session_id, path and source must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = put(out, plane->core, session_id, path, source, err);
	scp__audit(plane, "file.upload", session_id, NULL, rc, err);
	scp__leave(plane);
	return rc;
}

struct bytes {
	const char *data;
	size_t left;
};

static scp_status read_bytes(void *user, void *data, size_t capacity, size_t *len, scp_error *err)
{
	struct bytes *b = user;

	(void)err;
	*len = b->left < capacity ? b->left : capacity;
	if (*len)
		memcpy(data, b->data, *len);
	b->data += *len;
	b->left -= *len;
	return SCP_OK;
}

scp_status scp_file_put_bytes(scp_file **out, scp_plane *plane, const char *session_id, const char *path,
    const void *data, size_t len, scp_error *err)
{
	struct bytes b = { data, len };
	scp_source source = { read_bytes, &b };

	if (!data && len)
		return scp__fail(err, SCP_EINVAL, "data must not be NULL");
	return scp_file_put(out, plane, session_id, path, &source, err);
}

static scp_status read_fd(void *user, void *data, size_t capacity, size_t *len, scp_error *err)
{
	ssize_t n;

	do {
		n = read(*(int *)user, data, capacity);
	} while (n < 0 && errno == EINTR);
	*len = n > 0 ? (size_t)n : 0;
	return n < 0 ? scp__fail_errno(err, errno, "read") : SCP_OK;
}

scp_status scp_file_put_path(
    scp_file **out, scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err)
{
	int fd = local_path ? open(local_path, O_RDONLY | O_CLOEXEC) : -1;
	scp_source source = { read_fd, &fd };
	scp_status rc;

	if (out)
		*out = NULL;
	if (!local_path)
		return scp__fail(err, SCP_EINVAL, "local_path must not be NULL");
	if (fd < 0)
		return scp__fail_errno(err, errno, "%s", local_path);
	rc = scp_file_put(out, plane, session_id, path, &source, err);
	close(fd);
	return rc;
}

/* ---- get ---- */

static scp_status open_sink(
    scp_sink *sink, const scp_object *object, const char *path, const scp_range *range, scp_error *err)
{
	scp_range whole = { 0, object->size_bytes };
	scp_file *file;
	scp_status rc;

	if (!sink->open)
		return SCP_OK;
	if (range) {
		whole.offset = range->offset;
		whole.length = object->size_bytes - range->offset;
		if (range->length && range->length < whole.length)
			whole.length = range->length;
	}
	file = scp__file_new(object, path);
	rc = file ? sink->open(sink->user, file, &whole, err) : scp__nomem(err);
	scp_file_free(file);
	return rc;
}

static scp_status pump_out(scp_storage *storage, scp_object_reader *r, scp_sink *sink, scp_error *err)
{
	char *chunk = malloc(CHUNK);
	size_t len = 1;
	scp_status rc = chunk ? SCP_OK : scp__nomem(err);

	while (!rc && len) {
		rc = scp__storage_get_read(storage, r, chunk, CHUNK, &len, err);
		if (!rc && len)
			rc = sink->fn(sink->user, chunk, len, err);
	}
	free(chunk);
	return rc;
}

static scp_status get(
    scp__core *core, const char *session_id, const char *path, const scp_range *range, scp_sink *sink, scp_error *err)
{
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_object_reader *r = NULL;
	scp_object object;
	scp_status rc;

	rc = scp__workspace_open(core, session_id, path, false, &use, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_get_open(use.storage, key, range ? range->offset : 0,
					 range ? range->length : 0, &r, &object, err),
		    path, err);
	if (!rc)
		rc = open_sink(sink, &object, path, range, err);
	if (!rc)
		rc = pump_out(use.storage, r, sink, err);
	scp__storage_get_close(use.storage, r);
	scp__workspace_done(core, &use);
	return rc;
}

scp_status scp_file_get(
    scp_plane *plane, const char *session_id, const char *path, const scp_range *range, scp_sink *sink, scp_error *err)
{
	scp_status rc;

	if (!session_id || !path || !sink || !sink->fn)
		return scp__fail(err, SCP_EINVAL, "session_id, path and sink must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = get(plane->core, session_id, path, range, sink, err);
	scp__leave(plane);
	return rc;
}

static scp_status append(void *user, const void *data, size_t len, scp_error *err)
{
	scp_status rc = scp__buf_append(user, data, len);

	return rc ? scp__fail(
			err, rc, "the file is larger than the %zu bytes that were allowed", ((scp__buf *)user)->max)
		  : SCP_OK;
}

scp_status scp_file_get_bytes(void **data, size_t *len, scp_plane *plane, const char *session_id, const char *path,
    size_t max_len, scp_error *err)
{
	scp__buf b;
	scp_sink sink = { append, &b, NULL };
	scp_status rc;

	if (!data || !len)
		return scp__fail(err, SCP_EINVAL, "data and len must not be NULL");
	*data = NULL;
	*len = 0;
	scp__buf_init(&b, max_len ? max_len : BYTES_MAX);
	rc = scp_file_get(plane, session_id, path, NULL, &sink, err);
	if (!rc) {
		size_t n = b.len;

		*data = scp__buf_detach(&b);
		*len = *data ? n : 0;
		rc = *data ? SCP_OK : scp__nomem(err);
	}
	scp__buf_free(&b);
	return rc;
}

static scp_status write_fd(void *user, const void *data, size_t len, scp_error *err)
{
	return scp__fs_write_all(*(int *)user, data, len) ? scp__fail_errno(err, errno, "write") : SCP_OK;
}

scp_status scp_file_get_path(
    scp_plane *plane, const char *session_id, const char *path, const char *local_path, scp_error *err)
{
	int fd = local_path ? open(local_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
	scp_sink sink = { write_fd, &fd, NULL };
	scp_status rc;

	if (!local_path)
		return scp__fail(err, SCP_EINVAL, "local_path must not be NULL");
	if (fd < 0)
		return scp__fail_errno(err, errno, "%s", local_path);
	rc = scp_file_get(plane, session_id, path, NULL, &sink, err);
	if (close(fd) && !rc)
		rc = scp__fail_errno(err, errno, "%s", local_path);
	return rc;
}

/* ---- stat, delete, link ---- */

static scp_status stat_file(scp_file **out, scp__core *core, const char *session_id, const char *path, scp_error *err)
{
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_object object;
	scp_status rc;

	rc = scp__workspace_open(core, session_id, path, false, &use, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_stat(use.storage, key, &object, err), path, err);
	scp__workspace_done(core, &use);
	if (rc)
		return rc;
	*out = scp__file_new(&object, path);
	return *out ? SCP_OK : scp__nomem(err);
}

scp_status scp_file_stat(scp_file **out, scp_plane *plane, const char *session_id, const char *path, scp_error *err)
{
	scp_status rc;

	if (!out || !session_id || !path)
		return scp__fail(err, SCP_EINVAL, "out, session_id and path must not be NULL");
	*out = NULL;
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = stat_file(out, plane->core, session_id, path, err);
	scp__leave(plane);
	return rc;
}

static scp_status delete_file(scp__core *core, const char *session_id, const char *path, scp_error *err)
{
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_status rc;

	rc = scp__workspace_open(core, session_id, path, true, &use, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_remove(use.storage, key, err), path, err);
	if (!rc)
		rc = scp__workspace_changed(core, &use, path, NULL, err);
	scp__workspace_done(core, &use);
	return rc;
}

scp_status scp_file_delete(scp_plane *plane, const char *session_id, const char *path, scp_error *err)
{
	scp_status rc;

	if (!session_id || !path)
		return scp__fail(err, SCP_EINVAL, "session_id and path must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = delete_file(plane->core, session_id, path, err);
	scp__audit(plane, "file.delete", session_id, NULL, rc, err);
	scp__leave(plane);
	return rc;
}

/* A link leads to the storage: only for what it has. */
static bool is_stored(scp__core *core, const scp__files *use, const char *path)
{
	const scp__mirror_place place = { use->workspace_id, use->folder, use->uid };

	return !core->provision.mirror || !use->folder || scp__mirror_has(core->provision.mirror, &place, path);
}

static scp_status link_file(
    char **url, scp__core *core, const char *session_id, const char *path, uint32_t seconds, scp_error *err)
{
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_object object;
	scp_status rc;

	rc = scp__workspace_open(core, session_id, path, false, &use, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_stat(use.storage, key, &object, err), path, err);
	if (!rc && !is_stored(core, &use, path))
		rc = scp__fail(err, SCP_ENOTSUP, "the storage hasn't got '%.300s' as it is now", path);
	if (!rc)
		rc = scp__storage_presign(core->storage, key, "GET", seconds, url, err);
	scp__workspace_done(core, &use);
	return rc;
}

scp_status scp_file_link(
    char **url, scp_plane *plane, const char *session_id, const char *path, uint32_t seconds, scp_error *err)
{
	scp_status rc;

	if (!url || !session_id || !path)
		return scp__fail(err, SCP_EINVAL, "url, session_id and path must not be NULL");
	*url = NULL;
	if (seconds > LINK_SECONDS_MAX)
		return scp__fail(err, SCP_EINVAL, "seconds is %u; allowed is 1 to %d", seconds, LINK_SECONDS_MAX);
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = link_file(url, plane->core, session_id, path, seconds ? seconds : LINK_SECONDS, err);
	scp__leave(plane);
	return rc;
}
