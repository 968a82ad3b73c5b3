/* Paths given to the threads, and waited for. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "internal.h"

enum { WAITING_MAX = 32 }; /* of one batch: the rest of the threads' time is other workspaces' */

struct job {
	mirror_batch *b;
	mirror_copy_fn *fn;
	bool have;
	scp__workspace_file known; /* of its texts only those below */
	char sha256[SCP__SHA256_HEX_SIZE];
	char *target;
	char path[];
};

scp_status mirror_batch_init(
    mirror_batch *b, scp__mirror *m, const scp__mirror_place *place, scp__mirror_done *done, scp_error *err)
{
	*b = (mirror_batch){ .m = m, .place = place, .done = done };
	memset(done, 0, sizeof(*done));
	b->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->dir < 0)
		return scp__fail_errno(err, errno, "open %s", place->path);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed, NULL);
	return SCP_OK;
}

void mirror_count(mirror_batch *b, uint64_t copied, uint64_t bytes, uint64_t removed, uint64_t left_out)
{
	pthread_mutex_lock(&b->lock);
	b->done->copied += copied;
	b->done->copied_bytes += bytes;
	b->done->removed += removed;
	b->done->left_out += left_out;
	pthread_mutex_unlock(&b->lock);
}

static void free_job(struct job *j)
{
	free(j->target);
	free(j);
}

static struct job *job_new(mirror_batch *b, mirror_copy_fn *fn, const char *path, const scp__workspace_file *known)
{
	size_t len = strlen(path) + 1;
	struct job *j = calloc(1, sizeof(*j) + len);

	if (!j)
		return NULL;
	j->b = b;
	j->fn = fn;
	memcpy(j->path, path, len);
	if (!known)
		return j;
	j->have = true;
	j->known = *known;
	j->known.path = j->path;
	strncpy(j->sha256, known->sha256 ? known->sha256 : "", sizeof(j->sha256) - 1);
	j->known.sha256 = j->sha256;
	if (!known->target)
		return j;
	j->known.target = j->target = strdup(known->target);
	if (j->target)
		return j;
	free_job(j);
	return NULL;
}

static bool has_failed(mirror_batch *b)
{
	bool failed;

	pthread_mutex_lock(&b->lock);
	failed = b->rc != SCP_OK;
	pthread_mutex_unlock(&b->lock);
	return failed;
}

scp_status mirror_batch_now(
    mirror_batch *b, mirror_copy_fn *fn, const char *path, const scp__workspace_file *known, scp_error *err)
{
	char gate[MIRROR_KEY_SIZE];
	scp_status rc;

	if (atomic_load(&b->m->stopped))
		return scp__fail(err, SCP_ECLOSED, "the plane is closing");
	rc = mirror_gate_enter(b->m, b->place->workspace_id, path, gate);
	if (rc)
		return scp__nomem(err);
	rc = mirror_saw(b->m, fn(b, path, known, err));
	mirror_gate_leave(b->m, gate);
	return rc;
}

static void job_main(void *arg)
{
	struct job *j = arg;
	mirror_batch *b = j->b;
	scp_error err = { 0 };
	scp_status rc = SCP_OK;

	if (!has_failed(b))
		rc = mirror_batch_now(b, j->fn, j->path, j->have ? &j->known : NULL, &err);

	free_job(j);
	pthread_mutex_lock(&b->lock);
	if (rc && !b->rc) {
		b->rc = rc;
		b->err = err;
	}
	b->waiting--;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

static scp_status failed(mirror_batch *b, scp_error *err)
{
	scp__error_copy(err, &b->err);
	return b->rc;
}

scp_status mirror_batch_add(
    mirror_batch *b, mirror_copy_fn *fn, const char *path, const scp__workspace_file *known, scp_error *err)
{
	struct job *j = job_new(b, fn, path, known);
	scp_status rc;

	if (!j)
		return scp__nomem(err);
	pthread_mutex_lock(&b->lock);
	while (!b->rc && b->waiting >= WAITING_MAX)
		pthread_cond_wait(&b->changed, &b->lock);
	rc = b->rc ? failed(b, err) : SCP_OK;
	b->waiting += !rc;
	pthread_mutex_unlock(&b->lock);
	if (!rc && scp__pool_submit(b->m->pool, job_main, j)) {
		pthread_mutex_lock(&b->lock);
		b->waiting--;
		pthread_mutex_unlock(&b->lock);
		rc = scp__nomem(err);
	}
	if (rc)
		free_job(j);
	return rc;
}

scp_status mirror_batch_end(mirror_batch *b, scp_status rc, scp_error *err)
{
	pthread_mutex_lock(&b->lock);
	while (b->waiting)
		pthread_cond_wait(&b->changed, &b->lock);
	if (!rc && b->rc)
		rc = failed(b, err);
	pthread_mutex_unlock(&b->lock);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	close(b->dir);
	return rc;
}
