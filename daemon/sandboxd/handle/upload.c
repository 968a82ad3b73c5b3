/*
 * Uploads: multipart (`file` and `path`) or the bytes alone. They go into scp_upload as they come; where that can't
 * take more, the client waits. A form that names its path after its file (curl does as it is told) goes through a
 * spool.
 */
#include "upload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FORM_EXTRA MIB /* boundaries and heads of a form, beyond its file */

/* Give what is held; true: all of it is gone. */
static bool flush(struct upload *u)
{
	while (u->held.len) {
		size_t taken = 0;
		scp_status rc = scp_upload_write(u->up, u->held.data, u->held.len, &taken, &u->x->error);

		scp__buf_consume(&u->held, taken);
		if (rc == SCP_EAGAIN)
			return false;
		if (rc) {
			exchange_fail(u->x, rc);
			return false;
		}
	}
	return true;
}

static void answer(struct upload *u, const scp_file *file)
{
	struct exchange *x = u->x;
	scp__json_writer w;

	scp__jw_init(&w, &x->reply.body);
	encode_uploaded(&w, NULL, file);
	x->rc = SCP_OK;
	exchange_answer(x);
}

static void commit(struct upload *u)
{
	scp_file *file = NULL;
	scp_status rc = scp_upload_commit(u->up, &file, &u->x->error);

	if (!rc)
		answer(u, file);
	else if (rc != SCP_EAGAIN)
		exchange_fail(u->x, rc);
	scp_file_free(file);
}

/* Go on as far as possible: what is held, what was spooled, the rest of the body, the end. */
static void advance(struct upload *u)
{
	scp_status rc;

	for (int turns = 0; u->x->stage == STREAMING && u->up; turns++) {
		if (!flush(u))
			return;
		if (!u->ended) {
			http_resume_body(u->x->http);
			return;
		}
		if (!spool_left(&u->spool)) {
			commit(u);
			return;
		}
		if (turns == 16) { /* others have their turn */
			postbox_put(u->x->app->box, &u->ready);
			return;
		}
		rc = spool_read(&u->spool, &u->held, &u->x->error);
		if (rc)
			exchange_fail(u->x, rc);
	}
}

static void on_ready_post(post *p)
{
	advance((struct upload *)(void *)((char *)p - offsetof(struct upload, ready)));
}

/* In a library's thread. */
static void on_ready(void *user)
{
	struct upload *u = user;

	postbox_put(u->x->app->box, &u->ready);
}

static scp_status open_upload(struct upload *u, scp_error *err)
{
	struct exchange *x = u->x;

	return u->up ? SCP_OK : scp_upload_open(&u->up, u->plane, x->request.param[0], u->path, on_ready, u, err);
}

/* Bytes of the file. */
static scp_status take(struct upload *u, const void *data, size_t len, scp_error *err)
{
	scp_status rc;

	if (!u->up)
		return spool_write(&u->spool, data, len, err);
	rc = scp__buf_append(&u->held, data, len);
	if (rc)
		return scp__fail(err, rc, "no memory for an upload");
	if (!flush(u) && u->x->stage == STREAMING)
		http_pause_body(u->x->http);
	return SCP_OK;
}

/* ---- the form ---- */

static int form_fail(struct upload *u, scp_status rc)
{
	if (rc && u->x->stage == STREAMING)
		exchange_fail(u->x, rc);
	return rc ? -1 : 0;
}

static scp_status begin_file(struct upload *u, scp_error *err)
{
	if (u->has_file)
		return scp__fail(err, SCP_EINVAL, "file: more than one was sent");
	u->has_file = true;
	u->part = PART_FILE;
	return u->path ? open_upload(u, err) : spool_open(&u->spool, err);
}

static scp_status begin_path(struct upload *u, scp_error *err)
{
	if (u->path)
		return scp__fail(err, SCP_EINVAL, "path: is given more than once");
	u->part = PART_PATH;
	return SCP_OK;
}

static int on_part(void *user, const multipart_part *part)
{
	struct upload *u = user;
	scp_error *err = &u->x->error;

	if (strcmp(part->name, "file") == 0)
		return form_fail(u, begin_file(u, err));
	if (strcmp(part->name, "path") == 0)
		return form_fail(u, begin_path(u, err));
	return form_fail(
	    u, scp__fail(err, SCP_EINVAL, "body: the part '%.100s' is unknown; known: file, path", part->name));
}

static scp_status take_path(struct upload *u, const char *data, size_t len, scp_error *err)
{
	if (memchr(data, '\0', len) || scp__buf_append(&u->path_text, data, len))
		return scp__fail(err, SCP_EINVAL, "path: longer than 1,024 bytes, or with a NUL");
	return SCP_OK;
}

static int on_data(void *user, const void *data, size_t len)
{
	struct upload *u = user;
	scp_error *err = &u->x->error;
	scp_status rc = u->part == PART_FILE ? take(u, data, len, err) : take_path(u, data, len, err);

	return form_fail(u, rc) || u->x->stage != STREAMING ? -1 : 0;
}

static int on_part_end(void *user)
{
	struct upload *u = user;

	if (u->part != PART_PATH)
		return 0;
	u->path = scp__arena_strdup(u->x->request.arena, u->path_text.data ? u->path_text.data : "");
	return form_fail(u, u->path ? SCP_OK : scp__nomem(&u->x->error));
}

static const multipart_handler form = { on_part, on_data, on_part_end };

/* ---- the stream ---- */

static void feed(struct upload *u, const void *data, size_t len)
{
	scp_error *err = &u->x->error;

	if (!u->form) {
		(void)form_fail(u, take(u, data, len, err));
		return;
	}
	if (multipart_feed(u->form, data, len) && u->x->stage == STREAMING)
		exchange_fail(u->x, scp__fail(err, SCP_EINVAL, "body: %s", multipart_error(u->form)));
}

static void on_body(struct exchange *x, const void *data, size_t len)
{
	feed(x->stream_data, data, len);
}

static scp_status finish_form(struct upload *u, scp_error *err)
{
	if (u->form && multipart_end(u->form))
		return scp__fail(err, SCP_EINVAL, "body: %s", multipart_error(u->form));
	if (!u->has_file)
		return scp__fail(err, SCP_EINVAL, "file: is required");
	if (!u->path)
		return scp__fail(err, SCP_EINVAL, "path: is required, as a part of the form or in the query");
	return open_upload(u, err);
}

static void on_end(struct exchange *x)
{
	struct upload *u = x->stream_data;
	scp_status rc = finish_form(u, &x->error);

	u->ended = true;
	if (rc)
		exchange_fail(x, rc);
	else
		advance(u);
}

static void upload_free(struct exchange *x)
{
	struct upload *u = x->stream_data;

	scp_upload_abort(u->up);
	postbox_remove(x->app->box, &u->ready);
	scp_plane_close(u->plane);
	multipart_free(u->form);
	spool_close(&u->spool);
	scp__buf_free(&u->held);
	scp__buf_free(&u->path_text);
	free(u);
}

static const struct stream_ops ops = { .body = on_body, .end = on_end, .free = upload_free };

static bool is_type(const char *content_type, const char *type)
{
	size_t len = strlen(type);

	return content_type && strncasecmp(content_type, type, len) == 0 && strchr("; \t", content_type[len]);
}

/* What kind of body it is, and what can be said about it before it comes. */
static scp_status begin(struct upload *u, scp_error *err)
{
	struct exchange *x = u->x;
	const char *type = http_header(x->http, "Content-Type"), *why = NULL;
	bool is_form = is_type(type, "multipart/form-data");
	uint64_t max = x->app->max_upload_bytes;

	if (!is_form && !is_type(type, "application/octet-stream"))
		return scp__fail_as(err, "UnsupportedMediaType",
		    "Content-Type is %.100s; it must be multipart/form-data or application/octet-stream",
		    type ? type : "missing");
	if (http_content_length(x->http) > (int64_t)(max + (is_form ? FORM_EXTRA : 0)))
		return scp__fail(err, SCP_ETOOBIG, "file: larger than %llu bytes", (unsigned long long)max);
	/* the file's own size is the library's to count, and its words are better */
	http_limit_body(x->http, max + FORM_EXTRA);
	if (!is_form) {
		u->has_file = true;
		return u->path ? open_upload(u, err) : scp__fail(err, SCP_EINVAL, "path: is required in the query");
	}
	u->form = multipart_new(type, 8, &form, u, &why);
	return u->form ? SCP_OK : scp__fail(err, SCP_EINVAL, "body: %s", why);
}

static struct upload *upload_new(struct exchange *x)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->x = x;
	u->ready.fn = on_ready_post;
	spool_init(&u->spool);
	scp__buf_init(&u->held, HELD_MAX);
	scp__buf_init(&u->path_text, 1024);
	x->stream = &ops;
	x->stream_data = u;
	return u;
}

scp_status start_upload(struct exchange *x, scp_error *err)
{
	struct upload *u = upload_new(x);
	scp_call call = SCP_CALL_INIT;
	scp_status rc;

	if (!u)
		return scp__nomem(err);
	call.request_id = x->request_id;
	call.actor = x->actor;
	rc = scp_plane_with(&u->plane, x->app->plane, &call, err);
	if (!rc)
		rc = query_text(&x->request, "path", &u->path, err);
	return rc ? rc : begin(u, err);
}
