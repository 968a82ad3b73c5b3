/* Uploads that never block their caller. */
#include <stdlib.h>

#include "err.h"
#include "transfer.h"

static scp_status open_writer(scp__transfer *t, scp_error *err)
{
	scp__core *core = t->core;
	char key[SCP__KEY_SIZE];
	scp_put_options options;
	scp_status rc;

	if (t->writer)
		return SCP_OK;
	scp__workspace_done(core, &t->use); /* of an earlier try */
	rc = scp__workspace_open(core, t->session_id, t->path, true, &t->use, key, err);
	if (rc)
		return rc;
	options = scp__file_put_options(core, &t->use);
	return scp__storage_put_open(t->use.storage, key, &options, &t->writer, err);
}

static scp_status commit(scp__transfer *t, scp_file **file, scp_error *err)
{
	scp_object object;
	scp_status rc = scp__storage_put_commit(t->use.storage, t->writer, &object, err);

	if (!rc)
		rc = scp__workspace_changed(t->core, &t->use, t->path, &object, err);
	if (rc)
		return rc;
	*file = scp__file_new(&object, t->path);
	return *file ? SCP_OK : scp__nomem(err);
}

static bool wants(const scp__transfer *t)
{
	return t->len || (t->end && !t->done);
}

static bool is_complete(const scp__transfer *t)
{
	return t->done;
}

/* True: this committed it. */
static bool step(scp__transfer *t, char *chunk, scp_status *rc, scp_error *err)
{
	scp_file *file = NULL;
	size_t len;
	bool end;

	pthread_mutex_lock(&t->lock);
	len = t->closed || t->status ? 0 : scp__transfer_take(t, chunk, SCP__TRANSFER_CHUNK);
	end = !len && t->end && !t->done && !t->closed && !t->status;
	pthread_mutex_unlock(&t->lock);
	if (!len && !end)
		return false;
	*rc = open_writer(t, err);
	if (!*rc && len)
		*rc = scp__storage_put_write(t->use.storage, t->writer, chunk, len, err);
	if (!*rc && end)
		*rc = commit(t, &file, err);
	if (*rc != SCP_ENOTFOUND) /* a session's */
		*rc = scp__file_error(*rc, t->path, err);
	pthread_mutex_lock(&t->lock);
	t->file = file ? file : t->file;
	t->done = end && !*rc;
	pthread_mutex_unlock(&t->lock);
	return end && !*rc;
}

/* Committed, or failed for good; one that its host gave up says nothing. */
static void audit(const scp__transfer *t, bool committed, scp_status rc, const scp_error *err)
{
	if (rc || committed)
		scp__audit(&t->view, "file.upload", t->session_id, NULL, rc, err);
}

/* One chunk a turn, so that a hundred transfers share the pool's threads fairly. */
static void job(void *arg)
{
	scp__transfer *t = arg;
	scp_error err = { 0 };
	scp_status rc = SCP_OK;
	char *chunk = malloc(SCP__TRANSFER_CHUNK);
	bool committed = false;

	if (chunk)
		committed = step(t, chunk, &rc, &err);
	else
		rc = scp__nomem(&err);
	free(chunk);
	audit(t, committed, rc, &err);
	scp__transfer_turn_over(t, rc, &err);
}

static const scp__transfer_kind kind = { job, wants, is_complete };

scp_status scp_upload_open(scp_upload **out, scp_plane *plane, const char *session_id, const char *path,
    scp_ready_fn *ready, void *user, scp_error *err)
{
	const scp__transfer_spec spec = { &kind, session_id, path, ready, user };
	scp__transfer *t = NULL;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	rc = scp__transfer_open(&t, plane, &spec, err);
	*out = (scp_upload *)t;
	return rc;
}

scp_status scp_upload_write(scp_upload *upload, const void *data, size_t len, size_t *taken, scp_error *err)
{
	scp__transfer *t = &upload->t;
	scp_status rc = SCP_OK;

	*taken = 0;
	pthread_mutex_lock(&t->lock);
	if (t->status)
		rc = scp__transfer_failed(t, err);
	else if (t->end)
		rc = scp__fail(err, SCP_ESTATE, "the upload is being committed");
	else
		*taken = scp__transfer_put(t, data, len);
	if (!rc && len)
		rc = scp__transfer_schedule(t, err);
	if (!rc && len && !*taken)
		rc = scp__transfer_again(t);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

scp_status scp_upload_commit(scp_upload *upload, scp_file **out, scp_error *err)
{
	scp__transfer *t = &upload->t;
	scp_status rc;

	if (out)
		*out = NULL;
	pthread_mutex_lock(&t->lock);
	if (t->status) {
		rc = scp__transfer_failed(t, err);
	} else if (t->done) {
		rc = SCP_OK;
		if (out) {
			*out = t->file;
			t->file = NULL;
		}
	} else {
		t->end = true;
		rc = scp__transfer_schedule(t, err);
		if (!rc)
			rc = scp__transfer_again(t);
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void scp_upload_abort(scp_upload *upload)
{
	scp__transfer_close(upload ? &upload->t : NULL);
}
