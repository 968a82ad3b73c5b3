/* What uploads and downloads share. */
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fs.h"

/* ---- life ---- */

static void let_go(scp__transfer *t)
{
	scp__storage_put_close(t->use.storage, t->writer);
	scp__storage_get_close(t->use.storage, t->reader);
	scp__workspace_done(t->core, &t->use);
	t->writer = NULL;
	t->reader = NULL;
}

/* What was opened is closed already, or the storage is there still. */
static void unref(scp__transfer *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	if (t->writer || t->reader || t->use.workspace_id[0])
		let_go(t);
	scp_file_free(t->file);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->quiet);
	free(t->ring);
	free(t->path);
	free(t);
}

/* What isn't in the list before the plane begins to close never is. */
static bool enlist(scp__transfer *t)
{
	scp__core *core = t->core;
	bool closing;

	pthread_mutex_lock(&core->lock);
	closing = core->closing;
	if (!closing) {
		t->next = core->transfers;
		t->prev = &core->transfers;
		if (t->next)
			t->next->prev = &t->next;
		core->transfers = t;
		atomic_fetch_add(&t->refs, 1);
	}
	pthread_mutex_unlock(&core->lock);
	return !closing;
}

/* With core->lock held. False: it was out already. */
static bool delist(scp__transfer *t)
{
	if (!t->prev)
		return false;
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->prev = NULL;
	return true;
}

static scp__transfer *transfer_new(scp_plane *plane, const scp__transfer_spec *spec)
{
	scp__transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->core = plane->core;
	t->view = *plane;
	t->kind = spec->kind;
	t->path = strdup(spec->path);
	t->ring = malloc(SCP__TRANSFER_RING);
	snprintf(t->session_id, sizeof(t->session_id), "%.*s", SCP__ID_SIZE - 1, spec->session_id);
	t->ready = spec->ready;
	t->user = spec->user;
	atomic_init(&t->refs, 1);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->quiet, NULL);
	if (t->path && t->ring)
		return t;
	unref(t);
	return NULL;
}

static scp_status open_in(scp__transfer **out, scp_plane *plane, const scp__transfer_spec *spec, scp_error *err)
{
	scp__transfer *t = transfer_new(plane, spec);

	if (!t)
		return scp__nomem(err);
	if (!enlist(t)) {
		unref(t);
		return scp__fail(err, SCP_ECLOSED, "the plane is closing");
	}
	*out = t;
	return SCP_OK;
}

scp_status scp__transfer_open(scp__transfer **out, scp_plane *plane, const scp__transfer_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!spec->session_id || !spec->path)
		return scp__fail(err, SCP_EINVAL, "session_id and path must not be NULL");
	rc = scp__path_check(spec->path, "path", err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = open_in(out, plane, spec, err);
	scp__leave(plane);
	return rc;
}

static void leave_plane(scp__transfer *t)
{
	scp__core *core = t->core;
	bool was_in;

	pthread_mutex_lock(&core->lock);
	was_in = delist(t);
	pthread_mutex_unlock(&core->lock);
	if (was_in)
		unref(t);
}

/* The host's last word. The plane may be gone: then nothing of it is touched. */
void scp__transfer_close(scp__transfer *t)
{
	scp__core *core;
	bool there;

	if (!t)
		return;
	core = t->core;
	pthread_mutex_lock(&t->lock);
	t->closed = true;
	while (t->calling && !pthread_equal(t->thread, pthread_self()))
		pthread_cond_wait(&t->quiet, &t->lock);
	there = !t->stopped;
	if (there)
		scp__hold(core);
	pthread_mutex_unlock(&t->lock);
	if (there)
		leave_plane(t);
	unref(t);
	if (there)
		scp__unhold(core);
}

/* ---- telling the host ---- */

static void call_ready(void *arg)
{
	scp__transfer *t = arg;
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
static bool wake(scp__transfer *t)
{
	if (!t->waiting || t->posted || t->closed || !t->ready)
		return false;
	t->waiting = false;
	t->posted = true;
	atomic_fetch_add(&t->refs, 1);
	return true;
}

scp_status scp__transfer_schedule(scp__transfer *t, scp_error *err)
{
	scp_status rc;

	if (t->scheduled)
		return SCP_OK;
	rc = scp__pool_submit(t->core->io, t->kind->job, t);
	if (rc)
		return rc == SCP_ENOMEM ? scp__nomem(err) : scp__fail(err, SCP_ECLOSED, "the plane is closing");
	t->scheduled = true;
	atomic_fetch_add(&t->refs, 1);
	return SCP_OK;
}

scp_status scp__transfer_again(scp__transfer *t)
{
	t->waiting = true;
	return SCP_EAGAIN;
}

scp_status scp__transfer_failed(scp__transfer *t, scp_error *err)
{
	scp__error_copy(err, &t->err);
	return t->status;
}

/* One that nobody has any more is closed here at the latest. */
void scp__transfer_turn_over(scp__transfer *t, scp_status rc, const scp_error *err)
{
	scp__core *core = t->core;
	bool post;

	pthread_mutex_lock(&t->lock);
	t->scheduled = false;
	if (rc && !t->status) {
		t->status = rc;
		t->err = *err;
	}
	/* What came while the job was at work is its next turn. */
	if (!t->status && !t->closed && t->kind->wants(t))
		t->status = scp__transfer_schedule(t, &t->err);
	post = wake(t);
	pthread_mutex_unlock(&t->lock);
	if (post)
		scp__callbacks_post(core->callbacks, call_ready, t);
	unref(t);
}

/* ---- the ring ---- */

size_t scp__transfer_put(scp__transfer *t, const char *data, size_t len)
{
	size_t room = SCP__TRANSFER_RING - t->len, to = (t->at + t->len) % SCP__TRANSFER_RING, first;

	len = len < room ? len : room;
	if (!len)
		return 0;
	first = len < SCP__TRANSFER_RING - to ? len : SCP__TRANSFER_RING - to;
	memcpy(t->ring + to, data, first);
	memcpy(t->ring, data + first, len - first);
	t->len += len;
	return len;
}

size_t scp__transfer_take(scp__transfer *t, char *data, size_t capacity)
{
	size_t len = t->len < capacity ? t->len : capacity;
	size_t first = len < SCP__TRANSFER_RING - t->at ? len : SCP__TRANSFER_RING - t->at;

	memcpy(data, t->ring + t->at, first);
	memcpy(data + first, t->ring, len - first);
	t->at = (t->at + len) % SCP__TRANSFER_RING;
	t->len -= len;
	return len;
}

/* ---- the plane's end ---- */

static void stop(scp__core *core, scp__transfer *t)
{
	bool post;

	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	if (!t->status && !t->kind->complete(t))
		t->status = scp__fail(&t->err, SCP_ECLOSED, "the plane is closing");
	post = wake(t);
	pthread_mutex_unlock(&t->lock);
	if (post)
		scp__callbacks_post(core->callbacks, call_ready, t);
}

/* A transfer of the list and a reference; NULL: none is left. From here on the list's own reference is the caller's. */
static scp__transfer *take_one(scp__core *core)
{
	scp__transfer *t;

	pthread_mutex_lock(&core->lock);
	t = core->transfers;
	if (t)
		(void)delist(t);
	pthread_mutex_unlock(&core->lock);
	return t;
}

/* Nothing new begins; what has begun ends with SCP_ECLOSED. No transfer is opened any more. */
void scp__transfers_stop(scp__core *core)
{
	scp__transfer *stopped = NULL, *t;

	while ((t = take_one(core))) {
		stop(core, t);
		t->next = stopped;
		stopped = t;
	}
	pthread_mutex_lock(&core->lock);
	core->stopped_transfers = stopped;
	pthread_mutex_unlock(&core->lock);
}

/* After the jobs' end: the storage is let go of, whoever may hold the transfers still. */
void scp__transfers_free(scp__core *core)
{
	scp__transfer *t, *next;

	for (t = core->stopped_transfers; t; t = next) {
		next = t->next;
		let_go(t);
		unref(t);
	}
}
