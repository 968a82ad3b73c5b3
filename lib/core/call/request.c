/* Asynchronous calls: made on a pool, or completed by an event; delivered once; cancelled at any time. */
#include <stdlib.h>

#include "arena.h"
#include "err.h"
#include "plane.h"

enum { QUEUED_MAX = 65536 };

enum phase { WAITING, DELIVERING, DELIVERED };

struct scp_request {
	scp_plane view; /* first: the caller's view as it was */
	scp__request_spec spec;
	pthread_mutex_t lock;
	pthread_cond_t done;
	enum phase phase;
	bool cancelled;
	unsigned refs;	  /* the work's, and the caller's */
	pthread_t thread; /* that delivers */
	scp_status status;
	void *result;
	scp_error err;
};

static void unref(scp_request *r)
{
	bool last;

	pthread_mutex_lock(&r->lock);
	last = !--r->refs;
	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	if (r->result && r->spec.free_result)
		r->spec.free_result(r->result);
	scp__arena_free(r->spec.arena);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->done);
	free(r);
}

static void deliver(void *arg)
{
	scp_request *r = arg;
	void *result;
	bool call;

	pthread_mutex_lock(&r->lock);
	call = !r->cancelled;
	result = call ? r->result : NULL;
	if (call) {
		r->phase = DELIVERING;
		r->thread = pthread_self();
		r->result = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	if (call)
		r->spec.fn(r->spec.user, r->status, result, &r->err);
	pthread_mutex_lock(&r->lock);
	r->phase = DELIVERED;
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	unref(r);
}

void scp__request_complete(scp_request *r, scp_status status, void *result, const scp_error *err)
{
	scp__core *core = r->view.core;

	r->status = status;
	r->result = result;
	if (status && err)
		r->err = *err;
	scp__callbacks_post(core->callbacks, deliver, r);
}

/* The pool's queue has no bound of its own: what the library itself needs done must never be refused. */
static bool count_in(scp__core *core)
{
	bool room;

	pthread_mutex_lock(&core->lock);
	room = core->queued_requests < QUEUED_MAX;
	core->queued_requests += room;
	pthread_mutex_unlock(&core->lock);
	return room;
}

static void count_out(scp__core *core)
{
	pthread_mutex_lock(&core->lock);
	core->queued_requests--;
	pthread_mutex_unlock(&core->lock);
}

static void work(void *arg)
{
	scp_request *r = arg;
	scp_error err = { 0 };
	void *result = NULL;
	scp_status status;

	count_out(r->view.core);
	status = r->spec.work(&r->view, r->spec.args, &result, &err);
	if (status != SCP_EAGAIN)
		scp__request_complete(r, status, result, &err);
}

scp_request *scp__request_of(scp_plane *view)
{
	return (scp_request *)view; /* its first member */
}

static scp_request *request_new(scp_plane *plane, const scp__request_spec *spec, bool kept)
{
	scp_request *r = calloc(1, sizeof(*r));

	if (!r) {
		scp__arena_free(spec->arena);
		return NULL;
	}
	r->view = *plane;
	r->view.view = true;
	r->spec = *spec;
	r->refs = kept ? 2 : 1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->done, NULL);
	return r;
}

scp_status scp__request_start(scp_request **out, scp_plane *plane, const scp__request_spec *spec, scp_error *err)
{
	scp_request *r = request_new(plane, spec, out != NULL);
	scp_status rc = SCP_EBUSY;

	if (out)
		*out = r;
	if (!r)
		return scp__nomem(err);
	if (count_in(plane->core)) {
		rc = scp__pool_submit(spec->pool, work, r);
		if (!rc)
			return SCP_OK;
		count_out(plane->core);
	}
	if (out) {
		*out = NULL;
		r->refs = 1;
	}
	unref(r);
	return scp__fail(err, rc, "the call can't be queued");
}

void scp_request_cancel(scp_request *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->cancelled = true;
	while (r->phase == DELIVERING && !pthread_equal(r->thread, pthread_self()))
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
	unref(r);
}
