/*
 * Workspaces in place: a folder with a disk of its own while somebody uses it or its sandbox lives, nothing mounted
 * once the session is over and the last reader is done. Users are counted, so that a disk is never taken from under
 * one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "provision.h"
#include "runtime.h"
#include "storage.h"

enum { TIDY_BATCH = 64 };

struct place {
	char *path; /* NULL: not known yet */
	unsigned users;
	bool ready;  /* the disk is attached */
	bool rest;   /* detach when the last user is done */
	bool moving; /* somebody attaches or detaches right now */
};

static void free_place(void *user, const char *id, void *value)
{
	struct place *place = value;

	(void)user;
	(void)id;
	free(place->path);
	free(place);
}

scp_status scp__workspaces_init(scp__provision *p, scp_error *err)
{
	p->places = scp__map_new();
	if (!p->places)
		return scp__nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->moved, NULL);
	return SCP_OK;
}

void scp__workspaces_fini(scp__provision *p)
{
	if (!p->places)
		return;
	scp__map_each(p->places, free_place, NULL);
	scp__map_free(p->places);
	pthread_cond_destroy(&p->moved);
	pthread_mutex_destroy(&p->lock);
	p->places = NULL;
}

/* ---- with the lock held ---- */

static struct place *get_place(scp__provision *p, const char *id)
{
	struct place *place = scp__map_get(p->places, id);

	if (place)
		return place;
	place = calloc(1, sizeof(*place));
	if (place && scp__map_put(p->places, id, place))
		return place;
	free(place);
	return NULL;
}

static void wait_still(scp__provision *p, const struct place *place)
{
	while (place->moving)
		pthread_cond_wait(&p->moved, &p->lock);
}

static void drop_place(scp__provision *p, const char *id, struct place *place)
{
	if (place->users || place->moving || place->ready)
		return;
	scp__map_remove(p->places, id);
	free_place(NULL, id, place);
}

static void begin_move(struct place *place)
{
	place->moving = true;
}

static void end_move(scp__provision *p, struct place *place, bool ready)
{
	place->moving = false;
	place->ready = ready;
	pthread_cond_broadcast(&p->moved);
}

/* ---- moves: without the lock ---- */

static void prefix_of(char out[96], const char *id)
{
	snprintf(out, 96, "sessions/%s", id);
}

static scp_status attach_disk(
    scp__provision *p, int32_t uid, const char *id, uint64_t disk_bytes, char **path, scp_error *err)
{
	char prefix[96];
	scp_status rc;

	free(*path);
	*path = NULL;
	prefix_of(prefix, id);
	rc = scp__storage_local_folder(p->local, prefix, uid, uid, path, err);
	return rc ? rc : scp__volume_attach(p->volumes, id, disk_bytes, *path, err);
}

/* Whatever lies on the disk here is of an older time, or half of it. */
static scp_status fill(scp__provision *p, int32_t uid, const char *id, uint64_t disk_bytes, char **path, scp_error *err)
{
	scp__mirror_place place = { .workspace_id = id, .uid = uid };
	scp__mirror_done done;
	int64_t begun = scp__mono_us();
	scp_status rc = attach_disk(p, uid, id, disk_bytes, path, err);

	if (!rc)
		rc = scp__volume_remove(p->volumes, id, *path, err);
	if (!rc)
		rc = attach_disk(p, uid, id, disk_bytes, path, err);
	place.path = *path;
	if (!rc)
		rc = scp__mirror_restore(p->mirror, &place, &done, err);
	if (!rc)
		rc = scp__mirror_ready(p->mirror, id, err);
	if (!rc && done.copied)
		scp__log_write(&p->log, SCP_LOG_INFO, "workspace", NULL, NULL,
		    "%s restored: %llu files, %llu bytes in %.1f ms", id, (unsigned long long)done.copied,
		    (unsigned long long)done.copied_bytes, (double)(scp__mono_us() - begun) / 1000.0);
	return rc;
}

static scp_status attach(
    scp__provision *p, scp_runtime *rt, const char *id, uint64_t disk_bytes, char **path, scp_error *err)
{
	int32_t uid = scp__runtime_workspace_uid(rt);
	bool ready = true;
	scp_status rc = p->mirror ? scp__mirror_claim(p->mirror, id, &ready, err) : SCP_OK;

	if (!rc)
		rc = ready ? attach_disk(p, uid, id, disk_bytes, path, err) : fill(p, uid, id, disk_bytes, path, err);
	if (rc) {
		free(*path);
		*path = NULL;
		return scp__prefix(err, "workspace %s", id);
	}
	return SCP_OK;
}

static char *folder_of(scp__provision *p, const char *id)
{
	char prefix[96];
	char *path = NULL;

	prefix_of(prefix, id);
	return scp__storage_local_folder(p->local, prefix, -1, -1, &path, NULL) ? NULL : path;
}

/* False: it is still attached, and another try is worth it. */
static bool detach(scp__provision *p, const char *id)
{
	char *path = folder_of(p, id);
	bool gone = !path || scp__volume_detach(p->volumes, id, path) != SCP_EBUSY;

	free(path);
	return gone;
}

/* ---- in and out ---- */

scp_status scp__workspace_begin(
    scp__provision *p, scp_runtime *rt, const char *id, uint64_t disk_bytes, char **path, scp_error *err)
{
	struct place *place;
	char *made = NULL;
	scp_status rc = SCP_OK;

	if (path)
		*path = NULL;
	pthread_mutex_lock(&p->lock);
	place = get_place(p, id);
	if (!place) {
		pthread_mutex_unlock(&p->lock);
		return scp__nomem(err);
	}
	place->users++;
	wait_still(p, place);
	/* Without a path: one that couldn't be put to rest, and that this process never attached. */
	if (!place->ready || !place->path) {
		begin_move(place);
		pthread_mutex_unlock(&p->lock);
		rc = attach(p, rt, id, disk_bytes, &made, err);
		pthread_mutex_lock(&p->lock);
		end_move(p, place, !rc);
		free(place->path);
		place->path = made;
	}
	if (!rc && path && !(*path = strdup(place->path)))
		rc = scp__nomem(err);
	if (rc) {
		place->users--;
		drop_place(p, id, place);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* With the lock held; nobody uses it: take the disk away. One that can't go yet keeps its place, for
 * scp__workspaces_tidy(). */
static void take_away(scp__provision *p, const char *id, struct place *place)
{
	bool gone;

	begin_move(place);
	pthread_mutex_unlock(&p->lock);
	gone = detach(p, id);
	pthread_mutex_lock(&p->lock);
	end_move(p, place, !gone);
	drop_place(p, id, place);
}

void scp__workspace_end(scp__provision *p, const char *id, bool over)
{
	struct place *place;

	pthread_mutex_lock(&p->lock);
	place = scp__map_get(p->places, id);
	if (place) {
		place->users--;
		place->rest |= over;
		if (!place->users && place->rest && !place->moving)
			take_away(p, id, place);
	}
	pthread_mutex_unlock(&p->lock);
}

void scp__workspace_rest(scp__provision *p, const char *id)
{
	struct place *place;

	pthread_mutex_lock(&p->lock);
	place = get_place(p, id); /* also one that another process made ready */
	if (place) {
		place->users++; /* it stays there while this waits */
		place->rest = true;
		wait_still(p, place);
		place->users--;
		if (!place->users)
			take_away(p, id, place);
	}
	pthread_mutex_unlock(&p->lock);
}

struct tired {
	char *ids[TIDY_BATCH];
	size_t count;
};

static void add_tired(void *user, const char *id, void *value)
{
	const struct place *place = value;
	struct tired *t = user;

	if (place->rest && place->ready && !place->users && !place->moving && t->count < TIDY_BATCH &&
	    (t->ids[t->count] = strdup(id)))
		t->count++;
}

void scp__workspaces_tidy(scp__provision *p)
{
	struct tired t = { .count = 0 };

	pthread_mutex_lock(&p->lock);
	scp__map_each(p->places, add_tired, &t);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < t.count; i++) {
		scp__workspace_rest(p, t.ids[i]);
		free(t.ids[i]);
	}
}

static scp_status erase_disk(scp__provision *p, const char *id, scp_error *err)
{
	char *path = folder_of(p, id);
	scp_status rc = path ? scp__volume_remove(p->volumes, id, path, err) : SCP_OK;

	free(path);
	return rc;
}

static scp_status erase(scp__provision *p, const char *id, scp_error *err)
{
	char prefix[96];
	scp_status rc = erase_disk(p, id, err);

	prefix_of(prefix, id);
	if (!rc)
		rc = scp__storage_remove_prefix(p->local, prefix, err);
	return rc || !p->mirror ? rc : scp__mirror_erase(p->mirror, id, err);
}

/* Its row first: whoever reads from then on reads the storage. */
static scp_status give_back(scp__provision *p, const char *id, scp_error *err)
{
	scp_status rc = scp__mirror_leave(p->mirror, id, err);

	return rc ? rc : erase_disk(p, id, err);
}

static scp_status alone(
    scp__provision *p, const char *id, scp_status (*act)(scp__provision *, const char *, scp_error *), scp_error *err)
{
	struct place *place;
	scp_status rc;

	pthread_mutex_lock(&p->lock);
	place = get_place(p, id);
	if (!place || place->users || place->moving) {
		pthread_mutex_unlock(&p->lock);
		return place ? scp__fail(err, SCP_EBUSY, "workspace %s is being read", id) : scp__nomem(err);
	}
	begin_move(place);
	pthread_mutex_unlock(&p->lock);
	rc = act(p, id, err);
	pthread_mutex_lock(&p->lock);
	end_move(p, place, false);
	drop_place(p, id, place);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

scp_status scp__workspace_remove(scp__provision *p, const char *id, scp_error *err)
{
	return alone(p, id, erase, err);
}

scp_status scp__workspace_drop(scp__provision *p, const char *id, scp_error *err)
{
	return alone(p, id, give_back, err);
}

scp_status scp__workspace_scrap(scp__provision *p, const char *id, scp_error *err)
{
	return alone(p, id, erase_disk, err);
}
