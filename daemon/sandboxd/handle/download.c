/*
 * Downloads. What is inside a file was written by code that nobody trusts: it is never shown by a browser as if it were
 * ours (attachment, nosniff, sandbox). The file is opened first and everything said about it is said about what is
 * open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_headers.h"
#include "handle.h"

#define QUEUED_MAX (256u * 1024)
#define READS_A_TURN 16
#define LINK_FROM (10u * MIB)
#define LINK_SECONDS 300u

struct download {
	struct exchange *x;
	scp_download *d;
	post ready;
	bool started;
	bool blocked;
	bool whole;   /* the range is served no more: the file changed since it was reckoned */
	bool no_link; /* a link was asked for in vain, or isn't wanted */
	bool ranged;  /* `d` was opened with `range` */
	scp_range range;
	uint64_t size; /* of the file that the range was reckoned for */
	char etag[128];
	char *url;
};

static void advance(struct download *dl);

static void on_ready_post(post *p)
{
	advance((struct download *)(void *)((char *)p - offsetof(struct download, ready)));
}

/* In a library's thread. */
static void on_ready(void *user)
{
	struct download *dl = user;

	postbox_put(dl->x->app->box, &dl->ready);
}

static scp_status open_it(struct download *dl, scp_error *err)
{
	struct request *q = &dl->x->request;

	scp_download_close(dl->d);
	dl->d = NULL;
	return scp_download_open(
	    &dl->d, q->plane, q->param[0], q->param[1], dl->ranged ? &dl->range : NULL, on_ready, dl, err);
}

static void reopen(struct download *dl)
{
	scp_status rc = open_it(dl, &dl->x->error);

	if (rc)
		exchange_fail(dl->x, rc);
	else
		advance(dl);
}

static void end_without_body(struct download *dl, int status, const char *const *headers)
{
	dl->x->stage = OVER;
	http_reply(dl->x->http, status, headers, "", 0);
}

/* ---- a link to the storage instead of the bytes ---- */

static void link_job(void *arg)
{
	struct exchange *x = arg;
	struct download *dl = x->stream_data;
	struct request *q = &x->request;

	x->rc = scp_file_link(&dl->url, q->plane, q->param[0], q->param[1], LINK_SECONDS, &x->error);
	postbox_put(x->app->box, &x->done);
}

static void redirect(struct download *dl)
{
	char line[4200], id[96];
	const char *headers[] = { line, exchange_header(dl->x, id, sizeof(id)), "Cache-Control: no-store", NULL };

	(void)snprintf(line, sizeof(line), "Location: %s", dl->url);
	end_without_body(dl, 307, headers);
}

static void linked(post *p)
{
	struct exchange *x = (struct exchange *)(void *)((char *)p - offsetof(struct exchange, done));
	struct download *dl = x->stream_data;

	if (!x->http) {
		exchange_free(x);
		return;
	}
	x->stage = STREAMING;
	dl->no_link = true;
	if (!x->rc) {
		redirect(dl);
	} else if (x->rc == SCP_ENOTSUP) {
		memset(&x->error, 0, sizeof(x->error));
		x->rc = SCP_OK;
		advance(dl);
	} else {
		exchange_fail(x, x->rc);
	}
}

static bool try_link(struct download *dl, const scp_file *file)
{
	if (dl->no_link || file->size_bytes < LINK_FROM)
		return false;
	dl->x->done.fn = linked;
	exchange_work(dl->x, link_job);
	return true;
}

/* ---- the bytes ---- */

static void not_satisfiable(struct download *dl, const scp_file *file)
{
	char line[80], id[96];
	const char *headers[] = { "Content-Type: application/json", line, exchange_header(dl->x, id, sizeof(id)),
		NULL };
	scp__buf *body = &dl->x->reply.body;

	(void)snprintf(line, sizeof(line), "Content-Range: bytes */%llu", (unsigned long long)file->size_bytes);
	scp__fail(
	    &dl->x->error, SCP_EINVAL, "Range: not within the file's %llu bytes", (unsigned long long)file->size_bytes);
	error_encode(body, &dl->x->error, dl->x->request_id);
	dl->x->stage = OVER;
	http_reply(dl->x->http, 416, headers, body->data, body->len);
}

static bool wants_range(const struct download *dl, const scp_file *file)
{
	const char *if_range = http_header(dl->x->http, "If-Range");

	return !dl->whole && http_header(dl->x->http, "Range") && strcmp(http_method(dl->x->http), "GET") == 0 &&
	       (!if_range || etag_same(if_range, file->etag));
}

/* The range is reckoned with the size of what is open; then that part alone is opened. */
static bool begin_range(struct download *dl, const scp_file *file)
{
	enum range_kind kind;

	if (!wants_range(dl, file))
		return false;
	kind = range_parse(http_header(dl->x->http, "Range"), file->size_bytes, &dl->range);
	if (kind == RANGE_NONE)
		return false;
	if (kind == RANGE_BAD) {
		not_satisfiable(dl, file);
		return true;
	}
	dl->ranged = true;
	dl->size = file->size_bytes;
	(void)snprintf(dl->etag, sizeof(dl->etag), "%s", file->etag ? file->etag : "");
	reopen(dl);
	return true;
}

static bool changed_meanwhile(const struct download *dl, const scp_file *file)
{
	return dl->ranged && (file->size_bytes != dl->size || strcmp(dl->etag, file->etag ? file->etag : "") != 0);
}

static void start_answer(struct download *dl, const scp_file *file)
{
	struct file_headers h;
	char id[96];
	uint64_t length = dl->ranged ? dl->range.length : file->size_bytes;

	dl->started = true;
	file_headers_fill(&h, file, dl->ranged ? &dl->range : NULL, exchange_header(dl->x, id, sizeof(id)));
	http_reply_start(dl->x->http, dl->ranged ? 206 : 200, h.list, (int64_t)length);
	if (strcmp(http_method(dl->x->http), "HEAD") != 0)
		return;
	dl->x->stage = OVER;
	http_reply_end(dl->x->http);
}

/* What is open is known: say what it is, or something else. True: go on with its bytes. */
static bool begin(struct download *dl, const scp_file *file)
{
	const char *match = http_header(dl->x->http, "If-None-Match");

	if (changed_meanwhile(dl, file)) {
		dl->whole = true;
		dl->ranged = false;
		reopen(dl);
		return false;
	}
	if (!dl->ranged && match && etag_matches(match, file->etag)) {
		struct file_headers h;
		char id[96];

		file_headers_fill(&h, file, NULL, exchange_header(dl->x, id, sizeof(id)));
		end_without_body(dl, 304, h.list);
		return false;
	}
	if (!dl->ranged && (try_link(dl, file) || begin_range(dl, file)))
		return false;
	start_answer(dl, file);
	return true;
}

static void pump(struct download *dl)
{
	struct exchange *x = dl->x;
	char block[65536];

	for (int i = 0; i < READS_A_TURN && !dl->blocked && x->stage == STREAMING; i++) {
		size_t len = 0;
		scp_status rc = scp_download_read(dl->d, block, sizeof(block), &len, &x->error);

		if (rc == SCP_EAGAIN)
			return;
		if (rc) {
			exchange_fail(x, rc);
		} else if (!len) {
			x->stage = OVER;
			http_reply_end(x->http);
		} else {
			dl->blocked = http_reply_write(x->http, block, len) > QUEUED_MAX;
		}
	}
	if (!dl->blocked && x->stage == STREAMING)
		postbox_put(x->app->box, &dl->ready);
}

static void advance(struct download *dl)
{
	const scp_file *file = NULL;
	scp_status rc;

	if (dl->x->stage != STREAMING)
		return;
	if (!dl->started) {
		rc = scp_download_file(dl->d, &file, &dl->x->error);
		if (rc == SCP_EAGAIN)
			return;
		if (rc)
			exchange_fail(dl->x, rc);
		else if (begin(dl, file))
			pump(dl);
		return;
	}
	pump(dl);
}

static void on_drain(struct exchange *x)
{
	struct download *dl = x->stream_data;

	dl->blocked = false;
	advance(dl);
}

static void download_free(struct exchange *x)
{
	struct download *dl = x->stream_data;

	scp_download_close(dl->d);
	postbox_remove(x->app->box, &dl->ready);
	free(dl->url);
	free(dl);
}

static const struct stream_ops ops = { .drain = on_drain, .free = download_free };

static void drained(http_request *http, void *user)
{
	(void)http;
	on_drain(user);
}

scp_status start_download(struct exchange *x, scp_error *err)
{
	struct download *dl = calloc(1, sizeof(*dl));
	bool wants_link = true;
	scp_status rc;

	if (!dl)
		return scp__nomem(err);
	dl->x = x;
	dl->ready.fn = on_ready_post;
	x->stream = &ops;
	x->stream_data = dl;
	rc = query_bool(&x->request, "redirect", &wants_link, err);
	dl->no_link = !wants_link || strcmp(http_method(x->http), "GET") != 0;
	http_on_drain(x->http, drained, x);
	if (!rc)
		rc = open_it(dl, err);
	if (!rc)
		advance(dl);
	return rc;
}
