#include "sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "mirror.h"

struct waiter {
	struct waiter *next;
	scp__synced_fn *fn;
	void *arg;
};

/* One workspace that is being synced, or will be. */
struct sync {
	scp__core *core;
	char workspace_id[SCP__ID_SIZE];
	/* Under core->lock: */
	struct waiter *waiters; /* of the next round */
	bool again;
};

/* ---- a round ---- */

struct row {
	const char *id;
	scp__workspace *w;
	scp__session *s;
	int64_t since_us;
	bool still; /* its session is over, and so is its container: nobody writes any more */
	bool failed;
};

static void row_clear(struct row *r)
{
	scp__workspace_free(r->w);
	if (r->s)
		scp_session_free(&r->s->pub);
	r->w = NULL;
	r->s = NULL;
}

static scp_status look_if_still(scp_db_tx *tx, struct row *r, scp_error *err)
{
	scp__container *c;
	scp_status rc;

	r->still = r->w->ended_us > 0;
	if (!r->still || !r->s->pub.container_id)
		return SCP_OK;
	rc = scp__store_container_get(tx, r->s->pub.container_id, &c, err);
	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	r->still = c->status == SCP_CONTAINER_REMOVED;
	scp__container_free(c);
	return SCP_OK;
}

static scp_status row_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct row *r = arg;
	scp_status rc;

	row_clear(r);
	rc = scp__store_workspace_get(tx, r->id, &r->w, err);
	if (!rc)
		rc = scp__store_session_get(tx, r->w->session_id, &r->s, err);
	return rc ? rc : look_if_still(tx, r, err);
}

static scp_status told_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct row *r = arg;

	return r->failed ? scp__store_workspace_dirty(tx, r->w->session_id, r->since_us, err)
			 : scp__store_workspace_clean(tx, r->id, r->w->session_id, r->since_us, err);
}

static scp_status push(scp__core *core, const struct row *r, scp__mirror_done *done, scp_error *err)
{
	scp_runtime *rt = r->s->pub.runtime_node ? scp__node_runtime(core, r->s->pub.runtime_node) : core->runtimes[0];
	scp__mirror_place place = { .workspace_id = r->id };
	char *path = NULL;
	scp_status rc;

	if (!rt)
		return scp__fail(err, SCP_EUNAVAIL, "node %s is out of reach for this process", r->s->pub.runtime_node);
	rc = scp__workspace_begin(&core->provision, rt, r->id, r->w->disk_bytes, &path, err);
	if (rc)
		return rc;
	place.path = path;
	rc = scp__mirror_push(core->provision.mirror, &place, done, err);
	scp__workspace_end(&core->provision, r->id, false);
	free(path);
	return rc;
}

static void say(scp__core *core, const struct row *r, const scp__mirror_done *d, scp_status rc, const scp_error *err)
{
	scp__log_ids ids = { NULL, r->w->session_id, NULL, NULL };
	double ms = (double)(scp__core_now_us(core) - r->since_us) / 1000.0;

	if (rc)
		scp__core_log(
		    core, SCP_LOG_WARN, &ids, "the files can't be brought to the storage yet: %s", err->message);
	else if (d->copied || d->removed)
		scp__core_log(core, SCP_LOG_INFO, &ids, "synced: %llu paths, %llu bytes, %llu removed in %.1f ms",
		    (unsigned long long)d->copied, (unsigned long long)d->copied_bytes, (unsigned long long)d->removed,
		    ms);
	if (!rc && d->left_out)
		scp__core_log(core, SCP_LOG_WARN, &ids,
		    "%llu paths aren't kept: their names are too long, or can't be read",
		    (unsigned long long)d->left_out);
}

static scp_status sync_row(scp__core *core, struct row *r, scp_error *err)
{
	scp__mirror_done done = { 0 };
	int64_t begun = scp__mono_us();
	scp_status rc = push(core, r, &done, err);

	scp__count_sync(core->figures, !rc, done.copied_bytes, scp__mono_us() - begun);
	say(core, r, &done, rc, err);
	if (rc == SCP_ECLOSED || rc == SCP_ESTATE)
		return rc;
	r->failed = rc != SCP_OK;
	if (r->failed ? !r->w->dirty_us : r->w->dirty_us != 0)
		(void)scp__database_transact(core->db, SCP_DB_WRITE, told_tx, r, NULL);
	if (!rc && r->still) /* one that is being read keeps its disk for the next round */
		(void)scp__workspace_drop(&core->provision, r->id, NULL);
	return rc;
}

static bool is_here(const scp__core *core, const scp__workspace *w)
{
	return w->node && w->node_ready && !w->removed_us && !strcmp(w->node, core->home);
}

static scp_status sync_once(scp__core *core, const char *workspace_id)
{
	struct row r = { .id = workspace_id, .since_us = scp__core_now_us(core) };
	scp_error err = { 0 };
	scp_status rc = scp__database_transact(core->db, SCP_DB_READ, row_tx, &r, &err);

	/* Of no home: the storage has everything. */
	if (!rc && is_here(core, r.w))
		rc = sync_row(core, &r, &err);
	row_clear(&r);
	return rc;
}

/* ---- rounds, one behind the other ---- */

static void tell(struct waiter *w, scp_status rc)
{
	struct waiter *next;

	for (; w; w = next) {
		next = w->next;
		w->fn(w->arg, rc);
		free(w);
	}
}

static struct waiter *take_round(struct sync *s)
{
	struct waiter *w;

	pthread_mutex_lock(&s->core->lock);
	w = s->waiters;
	s->waiters = NULL;
	s->again = false;
	pthread_mutex_unlock(&s->core->lock);
	return w;
}

static bool is_over(struct sync *s)
{
	bool over;

	pthread_mutex_lock(&s->core->lock);
	over = !s->again;
	if (over)
		scp__map_remove(s->core->syncing, s->workspace_id);
	pthread_mutex_unlock(&s->core->lock);
	return over;
}

static void sync_job(void *arg)
{
	struct sync *s = arg;

	do {
		struct waiter *w = take_round(s);

		tell(w, sync_once(s->core, s->workspace_id));
	} while (!is_over(s));
	free(s);
}

/* With core->lock held. NULL: no memory. *post: it is new. */
static struct sync *get_sync(scp__core *core, const char *workspace_id, bool *post)
{
	struct sync *s = scp__map_get(core->syncing, workspace_id);

	if (s || !(s = calloc(1, sizeof(*s))))
		return s;
	s->core = core;
	snprintf(s->workspace_id, sizeof(s->workspace_id), "%s", workspace_id);
	if (scp__map_put(core->syncing, workspace_id, s)) {
		*post = true;
		return s;
	}
	free(s);
	return NULL;
}

static scp_status enqueue(scp__core *core, const char *workspace_id, struct waiter *w)
{
	struct sync *s = NULL;
	bool post = false;

	pthread_mutex_lock(&core->lock);
	if (!core->closing)
		s = get_sync(core, workspace_id, &post);
	if (s) {
		w->next = w->fn ? s->waiters : w->next;
		s->waiters = w->fn ? w : s->waiters;
		s->again = true;
	}
	pthread_mutex_unlock(&core->lock);
	if (!s)
		return SCP_ECLOSED;
	if (post && scp__pool_submit(core->sync, sync_job, s))
		sync_job(s); /* nobody else will */
	return SCP_OK;
}

void scp__sync_request(scp__core *core, const char *workspace_id, scp__synced_fn *fn, void *arg)
{
	struct waiter *w, none = { .fn = NULL };
	scp_status rc;

	if (!core->provision.mirror) {
		if (fn)
			fn(arg, SCP_OK);
		return;
	}
	w = fn ? malloc(sizeof(*w)) : &none;
	if (!w) {
		fn(arg, SCP_ENOMEM);
		return;
	}
	*w = (struct waiter){ .fn = fn, .arg = arg };
	rc = enqueue(core, workspace_id, w);
	if (!rc || !fn)
		return;
	free(w);
	fn(arg, rc);
}

/* ---- with an end to the patience ---- */

struct patience {
	_Atomic int refs; /* the round's and the clock's */
	_Atomic bool told;
	scp__synced_fn *fn;
	void *arg;
};

static void unref(void *arg)
{
	struct patience *p = arg;

	if (atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

static void tell_once(struct patience *p, scp_status rc)
{
	if (!atomic_exchange(&p->told, true))
		p->fn(p->arg, rc);
	unref(p);
}

static void synced(void *arg, scp_status rc)
{
	tell_once(arg, rc);
}

static void time_is_up(void *arg)
{
	tell_once(arg, SCP_ETIMEDOUT);
}

void scp__sync_within(scp__core *core, const char *workspace_id, uint32_t ms, scp__synced_fn *fn, void *arg)
{
	struct patience *p;

	if (!core->provision.mirror || scp__mirror_is_down(core->provision.mirror)) {
		fn(arg, core->provision.mirror ? SCP_EUNAVAIL : SCP_OK);
		return;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		fn(arg, SCP_ENOMEM);
		return;
	}
	*p = (struct patience){ .refs = 2, .told = false, .fn = fn, .arg = arg };
	if (scp__pool_submit_after(core->fast, ms, time_is_up, p, unref))
		unref(p); /* then only the round ends it */
	scp__sync_request(core, workspace_id, synced, p);
}

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool over;
	scp_status rc;
};

static void wake(void *arg, scp_status rc)
{
	struct wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->over = true;
	w->rc = rc;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

scp_status scp__sync_wait(scp__core *core, const char *workspace_id, uint32_t ms)
{
	struct wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, SCP_OK };

	scp__sync_within(core, workspace_id, ms, wake, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.over)
		pthread_cond_wait(&w.changed, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.changed);
	pthread_mutex_destroy(&w.lock);
	return w.rc;
}

/* ---- unasked ---- */

struct owed {
	scp__core *core;
	char after[SCP__ID_SIZE];
	scp__ids ids;
};

enum { OWED_BATCH = 200 };

static scp_status owed_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct owed *o = arg;

	scp__ids_clear(&o->ids);
	return scp__store_workspace_owed(tx, o->core->home, o->after, OWED_BATCH, &o->ids, err);
}

/* While the storage is out of reach one is enough to see when it is back. */
void scp__sync_owed(scp__core *core)
{
	struct owed o = { .core = core };

	if (!core->provision.mirror)
		return;
	do {
		if (scp__database_transact(core->db, SCP_DB_READ, owed_tx, &o, NULL))
			break;
		for (size_t i = 0; i < o.ids.count && !(i && scp__mirror_is_down(core->provision.mirror)); i++)
			scp__sync_request(core, o.ids.ids[i], NULL, NULL);
		if (o.ids.count)
			snprintf(o.after, sizeof(o.after), "%s", o.ids.ids[o.ids.count - 1]);
	} while (o.ids.count == OWED_BATCH && !scp__mirror_is_down(core->provision.mirror));
	scp__ids_free(&o.ids);
}
