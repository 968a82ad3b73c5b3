/*
 * Transfers that never block their caller: a bounded ring between the host and a job on the file pool. The job moves
 * what it can and ends; the next write or read, or room in the ring, starts it again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fs.h"
#include "workspace.h"

enum { RING = 256 << 10, CHUNK = 64 << 10 };

struct transfer {
	scp_plane view;
	char session_id[SCP__ID_SIZE];
	char *path;
	scp_ready_fn *ready;
	void *user;

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t quiet;
	unsigned refs;
	bool scheduled; /* a job runs or waits to run */
	bool waiting;	/* the host was told SCP_EAGAIN */
	bool posted, calling, closed;
	pthread_t thread;
	scp_status status;
	scp_error err;
	char *ring;
	size_t at, len; /* the bytes that wait */
	bool end;	/* upload: commit was asked for; download: all was read */
	bool done;
	scp_file *file;

	/* The job's alone: */
	scp_object_writer *writer;
	scp_object_reader *reader;
	scp_range range;
	bool ranged;
};

struct scp_upload {
	struct transfer t;
};

struct scp_download {
	struct transfer t;
};

static void transfer_free(struct transfer *t)
{
	scp_storage *st = t->view.core->storage;

	scp__storage_put_close(st, t->writer);
	scp__storage_get_close(st, t->reader);
	scp_file_free(t->file);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->quiet);
	free(t->ring);
	free(t->path);
	free(t);
}

static void unref(struct transfer *t)
{
	bool last;

	pthread_mutex_lock(&t->lock);
	last = !--t->refs;
	pthread_mutex_unlock(&t->lock);
	if (last)
		transfer_free(t);
}

static struct transfer *transfer_new(
    scp_plane *plane, const char *session_id, const char *path, scp_ready_fn *ready, void *user)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->path = strdup(path);
	t->ring = malloc(RING);
	if (!t->path || !t->ring) {
		free(t->path);
		free(t->ring);
		free(t);
		return NULL;
	}
	t->view = *plane;
	snprintf(t->session_id, sizeof(t->session_id), "%.63s", session_id);
	t->ready = ready;
	t->user = user;
	t->refs = 1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->quiet, NULL);
	return t;
}

/* ---- telling the host ---- */

static void call_ready(void *arg)
{
	struct transfer *t = arg;
	bool call;

	pthread_mutex_lock(&t->lock);
	t->posted = false;
	call = !t->closed;
	t->calling = call;
	t->thread = pthread_self();
	pthread_mutex_unlock(&t->lock);
	if (call)
		t->ready(t->user);
	pthread_mutex_lock(&t->lock);
	t->calling = false;
	pthread_cond_broadcast(&t->quiet);
	pthread_mutex_unlock(&t->lock);
	unref(t);
}

/* With the lock held; true: post call_ready. */
static bool wake(struct transfer *t)
{
	if (!t->waiting || t->posted || t->closed || !t->ready)
		return false;
	t->waiting = false;
	t->posted = true;
	t->refs++;
	return true;
}

static void close_transfer(struct transfer *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->closed = true;
	while (t->calling && !pthread_equal(t->thread, pthread_self()))
		pthread_cond_wait(&t->quiet, &t->lock);
	pthread_mutex_unlock(&t->lock);
	unref(t);
}

/* With the lock held: start the job unless it runs. False: it can't be started. */
static bool schedule(struct transfer *t, scp__job_fn *job)
{
	if (t->scheduled)
		return true;
	if (scp__pool_submit(t->view.core->io, job, t))
		return false;
	t->scheduled = true;
	t->refs++;
	return true;
}

static scp_status again(struct transfer *t)
{
	t->waiting = true;
	return SCP_EAGAIN;
}

static scp_status failed(struct transfer *t, scp_error *err)
{
	scp__error_copy(err, &t->err);
	return t->status;
}

/* ---- the ring ---- */

static size_t ring_put(struct transfer *t, const char *data, size_t len)
{
	size_t room = RING - t->len, to = (t->at + t->len) % RING, first;

	len = len < room ? len : room;
	first = len < RING - to ? len : RING - to;
	memcpy(t->ring + to, data, first);
	memcpy(t->ring, data + first, len - first);
	t->len += len;
	return len;
}

static size_t ring_take(struct transfer *t, char *data, size_t capacity)
{
	size_t len = t->len < capacity ? t->len : capacity;
	size_t first = len < RING - t->at ? len : RING - t->at;

	memcpy(data, t->ring + t->at, first);
	memcpy(data + first, t->ring, len - first);
	t->at = (t->at + len) % RING;
	t->len -= len;
	return len;
}

/* ---- upload ---- */

static scp_status open_writer(struct transfer *t, scp_error *err)
{
	scp__core *core = t->view.core;
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_put_options options;
	scp_status rc;

	if (t->writer)
		return SCP_OK;
	rc = scp__workspace_use(core, t->session_id, true, &use, err);
	if (!rc)
		rc = scp__workspace_key(&use, t->path, key, err);
	if (rc)
		return rc;
	options = scp__file_put_options(core, &use);
	return scp__storage_put_open(core->storage, key, &options, &t->writer, err);
}

static scp_status commit(struct transfer *t, scp_file **file, scp_error *err)
{
	scp_object object;
	scp_status rc = scp__storage_put_commit(t->view.core->storage, t->writer, &object, err);

	if (rc)
		return rc;
	*file = scp__file_new(&object, t->path);
	return *file ? SCP_OK : scp__nomem(err);
}

/* One step of the job; false: nothing more to do now. */
static bool upload_step(struct transfer *t, char *chunk, scp_status *rc, scp_error *err)
{
	scp_file *file = NULL;
	size_t len;
	bool end;

	pthread_mutex_lock(&t->lock);
	len = t->closed ? 0 : ring_take(t, chunk, CHUNK);
	end = !len && t->end && !t->done && !t->closed;
	pthread_mutex_unlock(&t->lock);
	if (!len && !end)
		return false;
	*rc = open_writer(t, err);
	if (!*rc && len)
		*rc = scp__storage_put_write(t->view.core->storage, t->writer, chunk, len, err);
	if (!*rc && end)
		*rc = commit(t, &file, err);
	pthread_mutex_lock(&t->lock);
	t->file = file ? file : t->file;
	t->done = end && !*rc;
	pthread_mutex_unlock(&t->lock);
	return !*rc && !end;
}

static void job_over(struct transfer *t, scp_status rc, const scp_error *err, scp__job_fn *job, bool more)
{
	bool post;

	pthread_mutex_lock(&t->lock);
	t->scheduled = false;
	if (rc && !t->status) {
		t->status = rc;
		t->err = *err;
	}
	post = wake(t);
	if (more && !rc && !t->closed && !schedule(t, job))
		t->status = scp__fail(&t->err, SCP_ECLOSED, "the plane is closing");
	pthread_mutex_unlock(&t->lock);
	if (post)
		scp__callbacks_post(t->view.core->callbacks, call_ready, t);
	unref(t);
}

/* One chunk a turn, so that a hundred transfers share the pool's threads fairly. */
static void upload_job(void *arg)
{
	struct transfer *t = arg;
	scp_error err = { 0 };
	scp_status rc = SCP_OK;
	char *chunk = malloc(CHUNK);
	bool more;

	if (!chunk) {
		job_over(t, scp__nomem(&err), &err, upload_job, false);
		return;
	}
	more = upload_step(t, chunk, &rc, &err);
	free(chunk);
	job_over(t, rc, &err, upload_job, more);
}

static scp_status open_transfer(struct transfer **out, scp_plane *plane, const char *session_id, const char *path,
    scp_ready_fn *ready, void *user, scp_error *err)
{
	scp_status rc;

	if (!session_id || !path)
		return scp__fail(err, SCP_EINVAL, "session_id and path must not be NULL");
	rc = scp__path_check(path, "path", err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	*out = transfer_new(plane, session_id, path, ready, user);
	scp__leave(plane);
	return *out ? SCP_OK : scp__nomem(err);
}

scp_status scp_upload_open(scp_upload **out, scp_plane *plane, const char *session_id, const char *path,
    scp_ready_fn *ready, void *user, scp_error *err)
{
	struct transfer *t = NULL;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	rc = open_transfer(&t, plane, session_id, path, ready, user, err);
	*out = (scp_upload *)t;
	return rc;
}

scp_status scp_upload_write(scp_upload *upload, const void *data, size_t len, size_t *taken, scp_error *err)
{
	struct transfer *t = &upload->t;
	scp_status rc = SCP_OK;

	*taken = 0;
	pthread_mutex_lock(&t->lock);
	if (t->status) {
		rc = failed(t, err);
	} else {
		*taken = ring_put(t, data, len);
		if (len && !*taken)
			rc = again(t);
		else if (len && !schedule(t, upload_job))
			rc = scp__fail(err, SCP_ECLOSED, "the plane is closing");
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

scp_status scp_upload_commit(scp_upload *upload, scp_file **out, scp_error *err)
{
	struct transfer *t = &upload->t;
	scp_status rc;

	if (out)
		*out = NULL;
	pthread_mutex_lock(&t->lock);
	if (t->status) {
		rc = failed(t, err);
	} else if (t->done) {
		rc = SCP_OK;
		if (out) {
			*out = t->file;
			t->file = NULL;
		}
	} else {
		t->end = true;
		rc = schedule(t, upload_job) ? again(t) : scp__fail(err, SCP_ECLOSED, "the plane is closing");
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void scp_upload_abort(scp_upload *upload)
{
	close_transfer(upload ? &upload->t : NULL);
}

/* ---- download ---- */

static scp_status open_reader(struct transfer *t, scp_error *err)
{
	scp__core *core = t->view.core;
	scp__files use;
	char key[SCP__KEY_SIZE];
	scp_object object;
	scp_file *file;
	scp_status rc;

	if (t->reader)
		return SCP_OK;
	rc = scp__workspace_use(core, t->session_id, false, &use, err);
	if (!rc)
		rc = scp__workspace_key(&use, t->path, key, err);
	if (!rc)
		rc = scp__file_error(scp__storage_get_open(core->storage, key, t->ranged ? t->range.offset : 0,
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

static bool download_step(struct transfer *t, char *chunk, scp_status *rc, scp_error *err)
{
	size_t len = 0;
	bool room;

	*rc = open_reader(t, err);
	if (*rc)
		return false;
	*rc = scp__storage_get_read(t->view.core->storage, t->reader, chunk, CHUNK, &len, err);
	pthread_mutex_lock(&t->lock);
	if (!*rc && len)
		ring_put(t, chunk, len);
	t->end = !*rc && !len;
	room = !t->end && RING - t->len >= CHUNK;
	pthread_mutex_unlock(&t->lock);
	return !*rc && room;
}

static void download_job(void *arg)
{
	struct transfer *t = arg;
	scp_error err = { 0 };
	scp_status rc = SCP_OK;
	char *chunk = malloc(CHUNK);
	bool more;

	if (!chunk) {
		job_over(t, scp__nomem(&err), &err, download_job, false);
		return;
	}
	more = download_step(t, chunk, &rc, &err);
	free(chunk);
	job_over(t, rc, &err, download_job, more);
}

scp_status scp_download_open(scp_download **out, scp_plane *plane, const char *session_id, const char *path,
    const scp_range *range, scp_ready_fn *ready, void *user, scp_error *err)
{
	struct transfer *t = NULL;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = open_transfer(&t, plane, session_id, path, ready, user, err);
	if (rc)
		return rc;
	if (range) {
		t->range = *range;
		t->ranged = true;
	}
	pthread_mutex_lock(&t->lock);
	t->waiting = true; /* the host hears of the file without having asked */
	if (!schedule(t, download_job))
		rc = scp__fail(err, SCP_ECLOSED, "the plane is closing");
	pthread_mutex_unlock(&t->lock);
	if (rc)
		close_transfer(t);
	else
		*out = (scp_download *)t;
	return rc;
}

scp_status scp_download_file(scp_download *download, const scp_file **file, scp_error *err)
{
	struct transfer *t = &download->t;
	scp_status rc = SCP_OK;

	pthread_mutex_lock(&t->lock);
	*file = t->file;
	if (!t->file)
		rc = t->status ? failed(t, err) : again(t);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

scp_status scp_download_read(scp_download *download, void *data, size_t capacity, size_t *len, scp_error *err)
{
	struct transfer *t = &download->t;
	scp_status rc = SCP_OK;

	*len = 0;
	pthread_mutex_lock(&t->lock);
	if (t->len)
		*len = ring_take(t, data, capacity);
	else if (t->status)
		rc = failed(t, err);
	else if (!t->end)
		rc = again(t);
	if (!rc && !t->end && !t->status && RING - t->len >= CHUNK && !schedule(t, download_job))
		rc = *len ? SCP_OK : scp__fail(err, SCP_ECLOSED, "the plane is closing");
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void scp_download_close(scp_download *download)
{
	close_transfer(download ? &download->t : NULL);
}
