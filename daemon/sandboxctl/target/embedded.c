/* The embedded target: a plane of our own, by the public API alone. */
#include "target.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "wire.h"

#define ANSWER_MAX (64u << 20)

struct embedded {
	struct target target;
	scp_plane *plane;
};

static scp_plane *plane_of(struct target *t)
{
	return ((struct embedded *)t)->plane;
}

static void begin(struct answer *a, scp__json_writer *w)
{
	answer_free(a);
	scp__buf_init(&a->text, ANSWER_MAX);
	scp__jw_init(w, &a->text);
}

static scp_status end(struct answer *a, scp_error *err)
{
	return answer_parse(a, "answer", err);
}

static scp_status answer_session(struct answer *a, scp_status rc, scp_session *s, scp_error *err)
{
	scp__json_writer w;

	if (!rc) {
		begin(a, &w);
		encode_session(&w, NULL, s);
		rc = end(a, err);
	}
	scp_session_free(s);
	return rc;
}

static scp_status session_create(
    struct target *t, const scp_session_spec *spec, uint32_t wait_ms, struct answer *a, scp_error *err)
{
	scp_session *s = NULL, *waited = NULL;
	scp_status rc = scp_session_create(&s, plane_of(t), spec, err);

	if (rc || !wait_ms)
		return answer_session(a, rc, s, err);
	rc = scp_session_wait(&waited, plane_of(t), s->id, wait_ms, err);
	scp_session_free(s);
	return answer_session(a, rc, waited, err);
}

static scp_status session_get(struct target *t, const char *id, struct answer *a, scp_error *err)
{
	scp_session *s = NULL;
	scp_status rc = scp_session_get(&s, plane_of(t), id, err);

	return answer_session(a, rc, s, err);
}

static scp_status session_keepalive(
    struct target *t, const char *id, uint32_t extend_s, struct answer *a, scp_error *err)
{
	scp_session *s = NULL;
	scp_status rc = scp_session_keepalive(&s, plane_of(t), id, extend_s, err);

	return answer_session(a, rc, s, err);
}

static scp_status session_delete(struct target *t, const char *id, struct answer *a, scp_error *err)
{
	scp_session *s = NULL;
	scp_status rc = scp_session_terminate(&s, plane_of(t), id, err);

	return answer_session(a, rc, s, err);
}

static scp_status session_status_of(scp_session_status *out, const char *name, scp_error *err)
{
	for (int s = SCP_SESSION_CREATING; name && s <= SCP_SESSION_TERMINATED; s++)
		if (!strcmp(scp_session_status_name((scp_session_status)s), name))
			*out = (scp_session_status)s;
	return name && !*out ? scp__fail(err, SCP_EINVAL, "status: '%s' is no state of a session", name) : SCP_OK;
}

static void begin_list(scp__json_writer *w, const char *name)
{
	scp__jw_object(w, NULL);
	scp__jw_array(w, name);
}

static void end_list(scp__json_writer *w, uint64_t total, const char *next, const struct listing *l)
{
	scp__jw_end_array(w);
	encode_page(w, total, l->limit, l->offset, next);
	scp__jw_end_object(w);
}

static scp_status session_list(struct target *t, const struct listing *l, struct answer *a, scp_error *err)
{
	scp_session_query q = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;
	scp__json_writer w;
	scp_status rc = session_status_of(&q.status, l->status, err);

	q.template_id = l->template_id;
	q.limit = l->limit;
	q.offset = l->offset;
	if (!rc)
		rc = scp_session_list(&page, plane_of(t), &q, err);
	if (rc)
		return rc;
	begin(a, &w);
	begin_list(&w, "sessions");
	for (size_t i = 0; i < page->count; i++) {
		encode_session(&w, NULL, page->items[i]);
	}
	end_list(&w, page->total, page->next, l);
	scp_session_page_free(page);
	return end(a, err);
}

static scp_status execute(
    struct target *t, const char *session, const scp_execution_spec *spec, struct answer *a, scp_error *err)
{
	scp_execution *e = NULL;
	scp__json_writer w;
	scp_status rc = scp_execute(&e, plane_of(t), session, spec, err);

	if (rc)
		return rc;
	begin(a, &w);
	encode_execution(&w, NULL, e);
	scp_execution_free(e);
	return end(a, err);
}

static scp_status execution_list(
    struct target *t, const char *session, const struct listing *l, struct answer *a, scp_error *err)
{
	scp_execution_query q = SCP_EXECUTION_QUERY_INIT;
	scp_execution_page *page = NULL;
	scp__json_writer w;
	scp_status rc;

	q.session_id = session;
	q.limit = l->limit;
	q.offset = l->offset;
	rc = scp_execution_list(&page, plane_of(t), &q, err);
	if (rc)
		return rc;
	begin(a, &w);
	begin_list(&w, "executions");
	for (size_t i = 0; i < page->count; i++) {
		encode_execution(&w, NULL, page->items[i]);
	}
	end_list(&w, page->total, page->next, l);
	scp_execution_page_free(page);
	return end(a, err);
}

static scp_status execution_cancel(struct target *t, const char *id, scp_error *err)
{
	return scp_execution_cancel(NULL, plane_of(t), id, err);
}

/* One who watches: filled by call-backs in library threads, awaited here. */
struct view {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct watcher *watcher;
	struct answer *result;
	bool over;
	scp_status rc;
	scp_error err;
};

static scp_status take_result(struct view *v, const scp_execution *e)
{
	scp__json_writer w;

	begin(v->result, &w);
	encode_result(&w, NULL, e);
	return end(v->result, &v->err);
}

static scp_status take_event(struct view *v, const scp_execution_event *event)
{
	bool is_stderr = event->kind == SCP_EVENT_STDERR;
	char name[32];

	switch (event->kind) {
	case SCP_EVENT_STDOUT:
	case SCP_EVENT_STDERR:
		return v->watcher->output(v->watcher->user, is_stderr, event->data, event->len, &v->err);
	case SCP_EVENT_STATUS:
		(void)snprintf(name, sizeof(name), "%.*s", (int)event->len, (const char *)event->data);
		if (v->watcher->status)
			v->watcher->status(v->watcher->user, name);
		return SCP_OK;
	case SCP_EVENT_RESULT:
		return take_result(v, event->execution);
	}
	return SCP_OK;
}

static void on_event(void *user, const scp_execution_event *event)
{
	struct view *v = user;
	scp_status rc;

	(void)pthread_mutex_lock(&v->lock);
	if (!v->over) {
		rc = take_event(v, event);
		v->over = rc || event->kind == SCP_EVENT_RESULT;
		v->rc = rc;
		(void)pthread_cond_signal(&v->changed);
	}
	(void)pthread_mutex_unlock(&v->lock);
}

static scp_status watch(
    struct target *t, const char *id, const struct watcher *w, struct answer *result, scp_error *err)
{
	struct view v = { .watcher = w, .result = result };
	scp_subscription *subscription = NULL;
	scp_status rc;

	(void)pthread_mutex_init(&v.lock, NULL);
	(void)pthread_cond_init(&v.changed, NULL);
	rc = scp_execution_subscribe(&subscription, plane_of(t), id, 0, on_event, &v, err);
	if (!rc) {
		(void)pthread_mutex_lock(&v.lock);
		while (!v.over)
			(void)pthread_cond_wait(&v.changed, &v.lock);
		(void)pthread_mutex_unlock(&v.lock);
		scp_subscription_close(subscription);
		rc = v.rc;
		if (rc)
			scp__error_copy(err, &v.err);
	}
	(void)pthread_cond_destroy(&v.changed);
	(void)pthread_mutex_destroy(&v.lock);
	return rc;
}

static scp_status file_put(struct target *t, const char *session, const char *path, scp_source *source, int64_t len,
    struct answer *a, scp_error *err)
{
	scp_file *f = NULL;
	scp__json_writer w;
	scp_status rc = scp_file_put(&f, plane_of(t), session, path, source, err);

	(void)len;
	if (rc)
		return rc;
	begin(a, &w);
	encode_uploaded(&w, NULL, f);
	scp_file_free(f);
	return end(a, err);
}

static scp_status file_get(struct target *t, const char *session, const char *path, scp_sink *sink, scp_error *err)
{
	return scp_file_get(plane_of(t), session, path, NULL, sink, err);
}

static void embedded_close(struct target *t)
{
	scp_plane_close(plane_of(t));
	free(t);
}

static const struct target_ops embedded_ops = {
	.session_create = session_create,
	.session_get = session_get,
	.session_list = session_list,
	.session_keepalive = session_keepalive,
	.session_delete = session_delete,
	.execute = execute,
	.execution_list = execution_list,
	.execution_cancel = execution_cancel,
	.watch = watch,
	.file_put = file_put,
	.file_get = file_get,
	.close = embedded_close,
};

scp_status embedded_open(
    struct target **out, const char *state_dir, const char *runtime, const char *allow_unenforced, scp_error *err)
{
	struct embedded *e = calloc(1, sizeof(*e));
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;
	scp_status rc;

	*out = NULL;
	if (!e)
		return scp__nomem(err);
	options.state_dir = state_dir;
	options.runtime_urls = runtime ? &runtime : NULL;
	options.runtime_url_count = runtime ? 1 : 0;
	options.allow_unenforced = allow_unenforced;
	options.log_level = SCP_LOG_OFF;
	rc = scp_plane_open(&e->plane, &options, err);
	if (rc) {
		free(e);
		return rc;
	}
	e->target.ops = &embedded_ops;
	*out = &e->target;
	return SCP_OK;
}
