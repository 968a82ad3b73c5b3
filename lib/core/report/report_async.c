/* The asynchronous twins of reports. */
#include <string.h>

#include "arena.h"
#include "copy.h"
#include "err.h"
#include "report.h"

struct args {
	const char *id, *text;
	uint32_t attempt;
	int64_t time_us;
	bool have;
	bool *first;
	scp_report report;
	scp_container_report container;
	const scp_artifact *const *artifacts;
	size_t count;
};

/* A call under construction. */
struct twin {
	scp__request_spec spec;
	struct args *args;
};

static void free_execution(void *e)
{
	scp_execution_free(e);
}

static void free_session(void *s)
{
	scp_session_free(s);
}

static scp_status begin(struct twin *t, scp_request **out, scp_plane *plane, const char *id, scp__request_work_fn *work,
    void (*free_result)(void *), scp_done_fn *fn, void *user, scp_error *err)
{
	scp_status rc;

	if (out)
		*out = NULL;
	if (!fn)
		return scp__fail(err, SCP_EINVAL, "fn must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	*t = (struct twin){ .spec = { .work = work, .free_result = free_result, .fn = fn, .user = user } };
	t->spec.pool = plane->core->io; /* large output goes to storage */
	t->spec.arena = scp__arena_new();
	t->args = t->spec.arena ? scp__arena_alloc(t->spec.arena, sizeof(*t->args)) : NULL;
	t->spec.args = t->args;
	if (t->args)
		t->args->id = id;
	if (t->args && scp__copy_text(t->spec.arena, &t->args->id))
		return SCP_OK;
	scp__arena_free(t->spec.arena);
	scp__leave(plane);
	return scp__nomem(err);
}

static scp_status go(struct twin *t, scp_request **out, scp_plane *plane, bool ok, scp_error *err)
{
	scp_status rc;

	if (ok) {
		rc = scp__request_start(out, plane, &t->spec, err);
	} else {
		scp__arena_free(t->spec.arena);
		rc = scp__nomem(err);
	}
	scp__leave(plane);
	return rc;
}

/* ---- copies ---- */

static bool copy_bytes(scp__arena *a, const void **data, size_t len)
{
	if (!*data)
		return true;
	*data = scp__arena_memdup(a, *data, len);
	return *data != NULL;
}

static bool copy_artifact(scp__arena *a, scp_artifact *to, const scp_artifact *from)
{
	*to = *from;
	return scp__copy_text(a, &to->path) && scp__copy_text(a, &to->mime_type) && scp__copy_text(a, &to->type) &&
	       scp__copy_text(a, &to->sha256);
}

static bool copy_artifacts(scp__arena *a, const scp_artifact *const **list, size_t count)
{
	const scp_artifact **to;
	scp_artifact *items;
	bool ok = true;

	if (!*list || !count)
		return true;
	to = scp__arena_alloc(a, count * sizeof(*to));
	items = scp__arena_alloc(a, count * sizeof(*items));
	if (!to || !items)
		return false;
	for (size_t i = 0; ok && i < count; i++) {
		to[i] = (*list)[i] ? &items[i] : NULL;
		ok = !to[i] || copy_artifact(a, &items[i], (*list)[i]);
	}
	*list = to;
	return ok;
}

static bool copy_metrics(scp__arena *a, const scp_metrics **metrics)
{
	const void *bytes = *metrics;
	scp_metrics *copy;

	if (!copy_bytes(a, &bytes, sizeof(**metrics)))
		return false;
	copy = (scp_metrics *)(uintptr_t)bytes;
	*metrics = copy;
	return !copy || scp__copy_text(a, &copy->source);
}

static bool copy_code(scp__arena *a, const int **code)
{
	const void *bytes = *code;
	bool ok = copy_bytes(a, &bytes, sizeof(**code));

	*code = bytes;
	return ok;
}

/* What doesn't have its size set is copied as far as that it is refused for it. */
static bool copy_report(scp__arena *a, scp_report *to, const scp_report *from)
{
	size_t size = from->struct_size < sizeof(*to) ? from->struct_size : sizeof(*to);

	memcpy(to, from, size < sizeof(from->struct_size) ? sizeof(from->struct_size) : size);
	return copy_bytes(a, &to->out, to->out_len) && copy_bytes(a, &to->err, to->err_len) &&
	       copy_code(a, &to->exit_code) && copy_metrics(a, &to->metrics) && scp__copy_text(a, &to->status) &&
	       scp__copy_text(a, &to->return_json) && scp__copy_text(a, &to->error) &&
	       copy_artifacts(a, &to->artifacts, to->artifact_count);
}

static bool copy_container(scp__arena *a, scp_container_report *to, const scp_container_report *from)
{
	size_t size = from->struct_size < sizeof(*to) ? from->struct_size : sizeof(*to);

	memcpy(to, from, size < sizeof(from->struct_size) ? sizeof(from->struct_size) : size);
	return scp__copy_text(a, &to->container_id) && scp__copy_text(a, &to->exit_reason) &&
	       copy_code(a, &to->exit_code);
}

/* ---- what the pool does ---- */

static scp_status result(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_result((scp_execution **)out, a->first, view, a->id, a->have ? &a->report : NULL, err);
}

static scp_status status(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_status((scp_execution **)out, view, a->id, a->attempt, a->text, a->time_us, err);
}

static scp_status heartbeat(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_heartbeat((scp_execution **)out, view, a->id, a->attempt, err);
}

static scp_status artifacts(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_artifacts((scp_execution **)out, view, a->id, a->attempt, a->artifacts, a->count, err);
}

static scp_status ready(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_container_ready((scp_session **)out, view, a->id, a->have ? &a->container : NULL, err);
}

static scp_status exited(scp_plane *view, void *args, void **out, scp_error *err)
{
	const struct args *a = args;

	return scp_report_container_exited((scp_session **)out, view, a->id, a->have ? &a->container : NULL, err);
}

/* ---- the twins ---- */

scp_status scp_report_result_async(scp_request **out, bool *first, scp_plane *plane, const char *id,
    const scp_report *report, scp_done_fn *fn, void *user, scp_error *err)
{
	struct twin t;
	scp_status rc = begin(&t, out, plane, id, result, free_execution, fn, user, err);

	if (rc)
		return rc;
	t.args->first = first;
	t.args->have = report != NULL;
	return go(&t, out, plane, !report || copy_report(t.spec.arena, &t.args->report, report), err);
}

scp_status scp_report_status_async(scp_request **out, scp_plane *plane, const char *id, uint32_t attempt,
    const char *text, int64_t started_us, scp_done_fn *fn, void *user, scp_error *err)
{
	struct twin t;
	scp_status rc = begin(&t, out, plane, id, status, free_execution, fn, user, err);

	if (rc)
		return rc;
	t.args->attempt = attempt;
	t.args->time_us = started_us;
	t.args->text = text;
	return go(&t, out, plane, scp__copy_text(t.spec.arena, &t.args->text), err);
}

scp_status scp_report_heartbeat_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t attempt, scp_done_fn *fn, void *user, scp_error *err)
{
	struct twin t;
	scp_status rc = begin(&t, out, plane, id, heartbeat, free_execution, fn, user, err);

	if (rc)
		return rc;
	t.args->attempt = attempt;
	return go(&t, out, plane, true, err);
}

scp_status scp_report_artifacts_async(scp_request **out, scp_plane *plane, const char *id, uint32_t attempt,
    const scp_artifact *const *list, size_t count, scp_done_fn *fn, void *user, scp_error *err)
{
	struct twin t;
	scp_status rc = begin(&t, out, plane, id, artifacts, free_execution, fn, user, err);

	if (rc)
		return rc;
	t.args->attempt = attempt;
	t.args->artifacts = list;
	t.args->count = count;
	return go(&t, out, plane, copy_artifacts(t.spec.arena, &t.args->artifacts, count), err);
}

static scp_status container_twin(scp_request **out, scp_plane *plane, const char *id,
    const scp_container_report *report, scp__request_work_fn *work, scp_done_fn *fn, void *user, scp_error *err)
{
	struct twin t;
	scp_status rc = begin(&t, out, plane, id, work, free_session, fn, user, err);

	if (rc)
		return rc;
	t.args->have = report != NULL;
	return go(&t, out, plane, !report || copy_container(t.spec.arena, &t.args->container, report), err);
}

scp_status scp_report_container_ready_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_container_report *report, scp_done_fn *fn, void *user, scp_error *err)
{
	return container_twin(out, plane, id, report, ready, fn, user, err);
}

scp_status scp_report_container_exited_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_container_report *report, scp_done_fn *fn, void *user, scp_error *err)
{
	return container_twin(out, plane, id, report, exited, fn, user, err);
}
