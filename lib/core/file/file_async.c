/* The asynchronous twins of the file functions. */
#include "async.h"

static void free_file(void *f)
{
	scp_file_free(f);
}

static void free_page(void *p)
{
	scp_file_page_free(p);
}

static scp_status put(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_file_put((scp_file **)result, view, a->id, a->path, a->have ? &a->source : NULL, err);
}

static scp_status get(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	*result = NULL;
	return scp_file_get(view, a->id, a->path, a->have ? &a->range : NULL, &a->sink, err);
}

static scp_status stat_file(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_file_stat((scp_file **)result, view, a->id, a->path, err);
}

static scp_status list(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	return scp_file_list((scp_file_page **)result, view, a->id, &a->files, err);
}

static scp_status delete_file(scp_plane *view, void *args, void **result, scp_error *err)
{
	scp__async_args *a = args;

	*result = NULL;
	return scp_file_delete(view, a->id, a->path, err);
}

scp_status scp_file_put_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_source *source, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, put, free_file, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	scp__async_text(&a, &a.args->path, path);
	a.args->have = source != NULL;
	if (source)
		a.args->source = *source;
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_file_get_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, const scp_sink *sink, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, get, NULL, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	scp__async_text(&a, &a.args->path, path);
	a.args->have = range != NULL;
	if (range)
		a.args->range = *range;
	if (sink)
		a.args->sink = *sink;
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_file_stat_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, stat_file, free_file, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	scp__async_text(&a, &a.args->path, path);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_file_list_async(scp_request **out, scp_plane *plane, const char *session_id, const scp_file_query *query,
    scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, list, free_page, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	a.args->files = query ? *query : (scp_file_query)SCP_FILE_QUERY_INIT;
	scp__async_text(&a, &a.args->files.path, a.args->files.path);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}

scp_status scp_file_delete_async(scp_request **out, scp_plane *plane, const char *session_id, const char *path,
    scp_done_fn *fn, void *user, scp_error *err)
{
	scp__async a;
	scp_status rc = scp__async_begin(&a, out, plane, delete_file, NULL, fn, user, err);

	if (rc)
		return rc;
	scp__async_text(&a, &a.args->id, session_id);
	scp__async_text(&a, &a.args->path, path);
	return scp__async_go(&a, out, plane, plane->core->io, err);
}
