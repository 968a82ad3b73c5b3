/* The asynchronous twins of sessions, executions and templates. */
#include "async.h"

#include "err.h"

scp_status scp__async_begin(scp__async *a, scp_request **out, scp_plane *plane, scp__request_work_fn *work,
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
	*a = (scp__async){ .spec = { .work = work, .free_result = free_result, .fn = fn, .user = user }, .ok = true };
	a->spec.arena = scp__arena_new();
	a->args = a->spec.arena ? scp__arena_alloc(a->spec.arena, sizeof(*a->args)) : NULL;
	a->spec.args = a->args;
	if (a->args)
		return SCP_OK;
	scp__arena_free(a->spec.arena);
	scp__leave(plane);
	return scp__nomem(err);
}

void scp__async_text(scp__async *a, const char **to, const char *text)
{
	*to = text;
	a->ok = scp__copy_text(a->spec.arena, to) && a->ok;
}

scp_status scp__async_go(scp__async *a, scp_request **out, scp_plane *plane, scp__pool *pool, scp_error *err)
{
	scp_status rc;

	a->spec.pool = pool ? pool : plane->core->fast;
	if (a->ok) {
		rc = scp__request_start(out, plane, &a->spec, err);
	} else {
		scp__arena_free(a->spec.arena);
		rc = scp__nomem(err);
	}
	scp__leave(plane);
	return rc;
}

static void free_session(void *s)
{
	scp_session_free(s);
}

static void free_session_page(void *p)
{
	scp_session_page_free(p);
}

static void free_execution(void *e)
{
	scp_execution_free(e);
}

static void free_execution_page(void *p)
{
	scp_execution_page_free(p);
}

static void free_template(void *t)
{
	scp_template_free(t);
}

static void free_template_page(void *p)
{
	scp_template_page_free(p);
}

/* ---- what the pool does ---- */

static scp_status session_create(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_session_create((scp_session **)result, view, a->have ? &a->session : NULL, err);
}

static scp_status session_get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_session_get((scp_session **)result, view, a->id, err);
}

static scp_status session_list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_session_list((scp_session_page **)result, view, &a->sessions, err);
}

static scp_status session_keepalive(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_session_keepalive((scp_session **)result, view, a->id, a->number, err);
}

static scp_status session_terminate(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_session_terminate((scp_session **)result, view, a->id, err);
}

static scp_status execute(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_execute((scp_execution **)result, view, a->id, a->have ? &a->execution : NULL, err);
}

/* Submit, then wait without a thread. */
static scp_status run(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;
	scp_execution *e = NULL;
	scp_status rc = scp_execute(&e, view, a->id, a->have ? &a->execution : NULL, err);

	if (!rc)
		rc = scp__execution_wait_view(view, e->id, err);
	scp_execution_free(e);
	*result = NULL;
	return rc;
}

static scp_status execution_get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_execution_get((scp_execution **)result, view, a->id, err);
}

static scp_status execution_list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_execution_list((scp_execution_page **)result, view, &a->executions, err);
}

static scp_status execution_cancel(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_execution_cancel((scp_execution **)result, view, a->id, err);
}

static scp_status template_get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_template_get((scp_template **)result, view, a->id, err);
}

static scp_status template_list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_template_list((scp_template_page **)result, view, &a->templates, err);
}

/* ---- the twins ---- */

scp_status scp_session_create_async(
    scp_request **out, scp_plane *plane, const scp_session_spec *spec, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, session_create, free_session, fn, user, err);

	if (rc)
		return rc;
	a.args->have = spec != NULL;
	a.ok = !spec || scp__copy_session_spec(a.spec.arena, &a.args->session, spec);
	return scp__async_go(&a, out, plane, NULL, err);
}

/* Those that take an id and at most a number. */
static scp_status with_id(scp_request **out, scp_plane *plane, const char *id, uint32_t number,
    scp__request_work_fn *work, void (*free_result)(void *), scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, work, free_result, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, id);
	a.args->number = number;
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_session_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, 0, session_get, free_session, fn, user, err);
}

scp_status scp_session_keepalive_async(
    scp_request **out, scp_plane *plane, const char *id, uint32_t extend_s, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, extend_s, session_keepalive, free_session, fn, user, err);
}

scp_status scp_session_terminate_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, 0, session_terminate, free_session, fn, user, err);
}

scp_status scp_session_list_async(
    scp_request **out, scp_plane *plane, const scp_session_query *query, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, session_list, free_session_page, fn, user, err);

	if (rc)
		return rc;
	a.args->sessions = query ? *query : (scp_session_query)SCP_SESSION_QUERY_INIT;
	scp__async_text(&a, &a.args->sessions.template_id, a.args->sessions.template_id);
	scp__async_text(&a, &a.args->sessions.agent_id, a.args->sessions.agent_id);
	return scp__async_go(&a, out, plane, NULL, err);
}

static scp_status submit_async(scp_request **out, scp_plane *plane, const char *session_id,
    const scp_execution_spec *spec, scp__request_work_fn *work, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, work, free_execution, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	a.args->have = spec != NULL;
	a.ok = a.ok && (!spec || scp__copy_execution_spec(a.spec.arena, &a.args->execution, spec));
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_execute_async(scp_request **out, scp_plane *plane, const char *session_id,
    const scp_execution_spec *spec, scp_done_fn *fn, void *user, scp_error *err)
{
	return submit_async(out, plane, session_id, spec, execute, fn, user, err);
}

scp_status scp_run_async(scp_request **out, scp_plane *plane, const char *session_id, const scp_execution_spec *spec,
    scp_done_fn *fn, void *user, scp_error *err)
{
	return submit_async(out, plane, session_id, spec, run, fn, user, err);
}

scp_status scp_execution_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, 0, execution_get, free_execution, fn, user, err);
}

scp_status scp_execution_cancel_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, 0, execution_cancel, free_execution, fn, user, err);
}

scp_status scp_execution_list_async(
    scp_request **out, scp_plane *plane, const scp_execution_query *query, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, execution_list, free_execution_page, fn, user, err);

	if (rc)
		return rc;
	a.args->executions = query ? *query : (scp_execution_query)SCP_EXECUTION_QUERY_INIT;
	scp__async_text(&a, &a.args->executions.session_id, a.args->executions.session_id);
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_template_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return with_id(out, plane, id, 0, template_get, free_template, fn, user, err);
}

scp_status scp_template_list_async(
    scp_request **out, scp_plane *plane, const scp_template_query *query, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, template_list, free_template_page, fn, user, err);

	if (rc)
		return rc;
	a.args->templates = query ? *query : (scp_template_query)SCP_TEMPLATE_QUERY_INIT;
	return scp__async_go(&a, out, plane, NULL, err);
}
