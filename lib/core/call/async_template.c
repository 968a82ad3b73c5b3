/* The asynchronous twins that change templates. */
#include "async.h"
#include "err.h"

static void free_template(void *t)
{
	scp_template_free(t);
}

static void free_nothing(void *none)
{
	(void)none;
}

static scp_status create(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_template_create((scp_template **)result, view, a->have ? &a->template : NULL, err);
}

static scp_status update(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_template_update((scp_template **)result, view, a->id, a->have ? &a->template : NULL, err);
}

static scp_status delete (scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	*result = NULL;
	return scp_template_delete(view, a->id, err);
}

static scp_status start(scp_request **out, scp_plane *plane, const char *id, const scp_template_spec *spec,
    scp__request_work_fn *work, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc =
	    scp__async_begin(&a, out, plane, work, work == delete ? free_nothing : free_template, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, id);
	a.args->have = spec != NULL;
	a.ok = a.ok && (!spec || scp__copy_template_spec(a.spec.arena, &a.args->template, spec));
	return scp__async_go(&a, out, plane, NULL, err);
}

scp_status scp_template_create_async(
    scp_request **out, scp_plane *plane, const scp_template_spec *spec, scp_done_fn *fn, void *user, scp_error *err)
{
	return start(out, plane, NULL, spec, create, fn, user, err);
}

scp_status scp_template_update_async(scp_request **out, scp_plane *plane, const char *id, const scp_template_spec *spec,
    scp_done_fn *fn, void *user, scp_error *err)
{
	return start(out, plane, id, spec, update, fn, user, err);
}

scp_status scp_template_delete_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err)
{
	return start(out, plane, id, NULL, delete, fn, user, err);
}
