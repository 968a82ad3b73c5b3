/* Waiting for a session to leave "creating" or an execution to be over: one way for both, blocking or by call-back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "plane.h"

static scp_status check(const char *id, uint32_t wait_ms, const scp__wait_kind *kind, scp_error *err)
{
	if (!id)
		return scp__fail(err, SCP_EINVAL, "id must not be NULL");
	if (wait_ms > kind->wait_max_ms)
		return scp__fail(err, SCP_EINVAL, "wait is %u ms; allowed is 0 to %u", wait_ms, kind->wait_max_ms);
	return SCP_OK;
}

scp_status scp__wait_blocking(
    void **out, scp_plane *plane, const char *id, uint32_t wait_ms, const scp__wait_kind *kind, scp_error *err)
{
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = check(id, wait_ms, kind, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = scp__topic_wait_here(plane->core, id, scp__bounded_wait(plane, wait_ms), kind->look, err);
	if (!rc || rc == SCP_ETIMEDOUT)
		rc = kind->load(out, plane->core, id, err);
	scp__leave(plane);
	return rc;
}

/* One request that waits. Held by the wait and by who registers it, so that its address names no other one. */
struct waiting {
	_Atomic unsigned refs;
	scp__core *core;
	scp_request *request;
	const scp__wait_kind *kind;
	char id[SCP__ID_SIZE];
};

static void waiting_unref(struct waiting *w, unsigned count)
{
	if (atomic_fetch_sub(&w->refs, count) == count)
		free(w);
}

static void woken(void *arg, scp_status status)
{
	struct waiting *w = arg;
	scp_error err = { 0 };
	void *snapshot = NULL;

	if (status == SCP_ECLOSED)
		scp__fail(&err, SCP_ECLOSED, "the plane is closing");
	else
		status = w->kind->load(&snapshot, w->core, w->id, &err);
	scp__request_complete(w->request, status, snapshot, &err);
	waiting_unref(w, 1);
}

/* Registered, then looked: what ends in between is seen by one of the two. */
static scp_status look_once(struct waiting *w, scp_error *err)
{
	bool over = false, mine;
	scp_status rc = w->kind->look(w->core, w->id, &over, err);

	mine = (rc || over) && scp__topic_unwait(w->core->topics, w->id, w);
	if (mine && !rc)
		woken(w, SCP_OK);
	waiting_unref(w, mine && rc ? 2 : 1);
	return mine && rc ? rc : SCP_EAGAIN;
}

scp_status scp__wait_then_complete(
    scp_plane *view, const char *id, uint32_t wait_ms, const scp__wait_kind *kind, scp_error *err)
{
	scp__core *core = view->core;
	struct waiting *w = malloc(sizeof(*w));
	int64_t deadline = scp__mono_us() + (int64_t)scp__bounded_wait(view, wait_ms) * 1000;
	scp_status rc;

	if (!w)
		return scp__nomem(err);
	*w = (struct waiting){ 2, core, scp__request_of(view), kind, "" };
	snprintf(w->id, sizeof(w->id), "%s", id);
	rc = scp__topic_wait(core->topics, id, deadline, woken, w, err);
	if (rc)
		free(w);
	else
		rc = look_once(w, err);
	return rc;
}

struct args {
	const scp__wait_kind *kind;
	uint32_t wait_ms;
	char id[SCP__ID_SIZE];
};

static scp_status wait_work(scp_plane *view, void *arg, void **result, scp_error *err)
{
	struct args *a = arg;

	*result = NULL;
	return scp__wait_then_complete(view, a->id, a->wait_ms, a->kind, err);
}

scp_status scp__wait_async(scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms,
    const scp__wait_kind *kind, scp_done_fn *fn, void *user, scp_error *err)
{
	scp__request_spec spec = { .work = wait_work, .free_result = kind->free, .fn = fn, .user = user };
	struct args *a;
	scp_status rc;

	if (out)
		*out = NULL;
	rc = check(id, wait_ms, kind, err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	spec.pool = plane->core->fast;
	spec.arena = scp__arena_new();
	spec.args = a = spec.arena ? scp__arena_alloc(spec.arena, sizeof(*a)) : NULL;
	if (a) {
		*a = (struct args){ kind, wait_ms, "" };
		snprintf(a->id, sizeof(a->id), "%.63s", id);
		rc = scp__request_start(out, plane, &spec, err);
	} else {
		scp__arena_free(spec.arena);
		rc = scp__nomem(err);
	}
	scp__leave(plane);
	return rc;
}
