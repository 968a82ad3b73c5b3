/* Downloads that never block their caller. */
#include <stdlib.h>

#include "err.h"
#include "transfer.h"

static scp_status open_reader(scp__transfer *t, scp_error *err)
{
	scp__core *core = t->core;
	char key[SCP__KEY_SIZE];
	scp_object object;
	scp_file *file;
	scp_status rc;

	if (t->reader)
		return SCP_OK;
	scp__workspace_done(core, &t->use); /* of an earlier try */
	rc = scp__workspace_open(core, t->session_id, t->path, false, &t->use, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_get_open(t->use.storage, key, t->ranged ? t->range.offset : 0,
					 t->ranged ? t->range.length : 0, &t->reader, &object, err),
		    t->path, err);
	if (rc)
		return rc;
	file = scp__file_new(&object, t->path);
	pthread_mutex_lock(&t->lock);
	t->file = file;
	pthread_mutex_unlock(&t->lock);
	return file ? SCP_OK : scp__nomem(err);
}

static bool wants(const scp__transfer *t)
{
	return !t->end && SCP__TRANSFER_RING - t->len >= SCP__TRANSFER_CHUNK;
}

static bool is_complete(const scp__transfer *t)
{
	return t->end;
}

static void step(scp__transfer *t, char *chunk, scp_status *rc, scp_error *err)
{
	size_t len = 0;
	bool closed;

	pthread_mutex_lock(&t->lock);
	closed = t->closed || t->status;
	pthread_mutex_unlock(&t->lock);
	if (closed)
		return;
	*rc = open_reader(t, err);
	if (!*rc)
		*rc = scp__storage_get_read(t->use.storage, t->reader, chunk, SCP__TRANSFER_CHUNK, &len, err);
	if (*rc)
		return;
	pthread_mutex_lock(&t->lock);
	scp__transfer_put(t, chunk, len);
	t->end = !len;
	pthread_mutex_unlock(&t->lock);
}

static void job(void *arg)
{
	scp__transfer *t = arg;
	scp_error err = { 0 };
	scp_status rc = SCP_OK;
	char *chunk = malloc(SCP__TRANSFER_CHUNK);

	if (chunk)
		step(t, chunk, &rc, &err);
	else
		rc = scp__nomem(&err);
	free(chunk);
	scp__transfer_turn_over(t, rc, &err);
}

static const scp__transfer_kind kind = { job, wants, is_complete };

scp_status scp_download_open(scp_download **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, scp_ready_fn *ready, void *user, scp_error *err)
{
	const scp__transfer_spec spec = { &kind, session_id, path, ready, user };
	scp__transfer *t = NULL;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__transfer_open(&t, plane, &spec, err);
	if (rc)
		return rc;
	if (range) {
		t->range = *range;
		t->ranged = true;
	}
	pthread_mutex_lock(&t->lock);
	t->waiting = true; /* the host hears of the file without having asked */
	rc = t->status ? scp__transfer_failed(t, err) : scp__transfer_schedule(t, err);
	pthread_mutex_unlock(&t->lock);
	if (rc)
		scp__transfer_close(t);
	else
		*out = (scp_download *)t;
	return rc;
}

scp_status scp_download_file(scp_download *download, const scp_file **file, scp_error *err)
{
	scp__transfer *t = &download->t;
	scp_status rc = SCP_OK;

	pthread_mutex_lock(&t->lock);
	*file = t->file;
	if (!t->file)
		rc = t->status ? scp__transfer_failed(t, err) : scp__transfer_again(t);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

scp_status scp_download_read(scp_download *download, void *data, size_t capacity, size_t *len, scp_error *err)
{
	scp__transfer *t = &download->t;
	scp_status rc = SCP_OK;

	*len = 0;
	pthread_mutex_lock(&t->lock);
	if (t->len)
		*len = scp__transfer_take(t, data, capacity);
	else if (t->status)
		rc = scp__transfer_failed(t, err);
	else if (!t->end)
		rc = scp__transfer_again(t);
	if (!t->status && wants(t))
		(void)scp__transfer_schedule(t, NULL); /* if it can't be, the plane's end says so */
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void scp_download_close(scp_download *download)
{
	scp__transfer_close(download ? &download->t : NULL);
}
