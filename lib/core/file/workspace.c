#include "workspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "fs.h"
#include "state.h"

enum { DIRECT_WRITES_MAX = 16 };

struct row {
	const char *session_id;
	scp__session *s;
	scp__workspace *w;
};

static scp_status read_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct row *r = arg;
	scp_status rc;

	if (r->s)
		scp_session_free(&r->s->pub);
	scp__workspace_free(r->w);
	r->s = NULL;
	r->w = NULL;
	rc = scp__store_session_get(tx, r->session_id, &r->s, err);
	return rc ? rc : scp__store_workspace_get(tx, r->s->workspace_id, &r->w, err);
}

struct touch {
	scp__core *core;
	const char *session_id;
	bool live;
};

static scp_status touch_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct touch *t = arg;

	return scp__store_session_touch_live(tx, t->session_id, scp__core_now_us(t->core), &t->live, err);
}

/* It may have ended since its row was read, and been put to rest before it was in place: then that is left to us. */
static scp_status touch(scp__core *core, const char *session_id, scp__files *out, scp_error *err)
{
	struct touch t = { core, session_id, true };
	scp_status rc = scp__database_transact(core->db, SCP_DB_WRITE, touch_tx, &t, err);

	out->over = !rc && !t.live;
	return rc;
}

static scp_status check(const struct row *r, bool write, scp_error *err)
{
	char when[SCP__TIME_SIZE];

	if (r->w->removed_us)
		return scp__fail_as(err, "FileNotFound", "the files of session '%s' were removed at %s", r->session_id,
		    scp__time_format(when, r->w->removed_us));
	if (write && scp__session_over(r->s->pub.status))
		return scp__fail_as(err, "SessionNotRunning", "Session '%s' is %s: its files can only be read",
		    r->session_id, scp_session_status_name(r->s->pub.status));
	return SCP_OK;
}

/* Not placed yet: where it will be is where its files are, as long as there is one node. */
static scp_runtime *runtime_of(scp__core *core, const scp_session *s)
{
	return s->runtime_node ? scp__node_runtime(core, s->runtime_node) : core->runtimes[0];
}

static scp_status unreachable(const struct row *r, scp_error *err)
{
	scp_status rc = scp__fail(err, SCP_EUNAVAIL, "node %s, where the files lie, is out of reach for this process",
	    r->s->pub.runtime_node ? r->s->pub.runtime_node : "(none yet)");

	scp__retry_after(err, 1000);
	return rc;
}

static scp_status on_disk(scp__core *core, const struct row *r, scp__files *out, scp_error *err)
{
	scp_runtime *rt = runtime_of(core, &r->s->pub);
	scp_status rc;

	if (!rt)
		return unreachable(r, err);
	out->storage = core->provision.local;
	out->uid = scp__runtime_workspace_uid(rt);
	rc = scp__workspace_begin(&core->provision, rt, r->w->id, r->w->disk_bytes, &out->folder, err);
	if (!rc)
		snprintf(out->workspace_id, sizeof(out->workspace_id), "%s", r->w->id);
	return rc;
}

/* Each may hold a part of an upload in memory; with a disk between a few threads do, for all. */
static scp_status begin_direct_write(scp__core *core, scp__files *out, scp_error *err)
{
	scp_status rc;

	pthread_mutex_lock(&core->lock);
	out->direct_write = core->direct_writes < DIRECT_WRITES_MAX;
	core->direct_writes += out->direct_write;
	pthread_mutex_unlock(&core->lock);
	if (out->direct_write)
		return SCP_OK;
	rc = scp__fail(err, SCP_EBUSY, "%d uploads are under way to sessions without a sandbox", DIRECT_WRITES_MAX);
	scp__retry_after(err, 1000);
	return rc;
}

static void end_direct_write(scp__core *core, scp__files *w)
{
	if (!w->direct_write)
		return;
	pthread_mutex_lock(&core->lock);
	core->direct_writes--;
	pthread_mutex_unlock(&core->lock);
	w->direct_write = false;
}

/* Where a storage is behind the disks, one of them has the files only from the first container to the session's end. */
static scp_status in_place(scp__core *core, const struct row *r, bool write, scp__files *out, scp_error *err)
{
	snprintf(out->prefix, sizeof(out->prefix), "sessions/%s", r->w->id);
	out->over = scp__session_over(r->s->pub.status);
	if (!core->provision.mirror)
		return on_disk(core, r, out, err);
	/* Also another home's, if its node is ours: then that home is lost. What is written before there is a sandbox
	 * is on its disk already when it comes. */
	if (r->w->node || (write && core->upkeep))
		return on_disk(core, r, out, err);
	out->storage = core->storage;
	out->uid = -1;
	snprintf(out->workspace_id, sizeof(out->workspace_id), "%s", r->w->id);
	return write ? begin_direct_write(core, out, err) : SCP_OK;
}

void scp__workspace_done(scp__core *core, scp__files *w)
{
	if (w->workspace_id[0] && w->folder)
		scp__workspace_end(&core->provision, w->workspace_id, w->over && !core->provision.mirror);
	end_direct_write(core, w);
	free(w->folder);
	w->folder = NULL;
	w->workspace_id[0] = 0;
}

struct dirty {
	scp__core *core;
	const char *session_id;
};

static scp_status dirty_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	const struct dirty *d = arg;

	return scp__store_workspace_dirty(tx, d->session_id, scp__core_now_us(d->core), err);
}

scp_status scp__workspace_changed(
    scp__core *core, const scp__files *w, const char *path, const scp_object *object, scp_error *err)
{
	scp__mirror_place place = { w->workspace_id, w->folder, w->uid };
	struct dirty d = { core, w->session_id };
	scp_status rc;

	if (!core->provision.mirror)
		return SCP_OK;
	if (!w->folder)
		return scp__mirror_note(core->provision.mirror, w->workspace_id, path, object, err);
	rc = scp__mirror_push_path(core->provision.mirror, &place, path, err);
	if (rc == SCP_ESTATE) {
		rc = scp__fail(err, SCP_EUNAVAIL, "the session's files went to another node just now");
		scp__retry_after(err, 1000);
	} else if (rc) {
		(void)scp__database_transact(core->db, SCP_DB_WRITE, dirty_tx, &d, NULL);
	}
	return rc;
}

scp_status scp__workspace_use(scp__core *core, const char *session_id, bool write, scp__files *out, scp_error *err)
{
	struct row r = { session_id, NULL, NULL };
	scp_status rc;

	memset(out, 0, sizeof(*out));
	snprintf(out->session_id, sizeof(out->session_id), "%.*s", SCP__ID_SIZE - 1, session_id);
	if (!scp__id_is_session(session_id))
		return scp__fail_as(err, "SessionNotFound", "Session '%.64s' does not exist", session_id);
	rc = scp__database_transact(core->db, SCP_DB_READ, read_tx, &r, err);
	if (!rc)
		rc = check(&r, write, err);
	if (!rc)
		rc = in_place(core, &r, write, out, err);
	if (!rc && !out->over)
		rc = touch(core, session_id, out, err);
	if (r.s)
		scp_session_free(&r.s->pub);
	scp__workspace_free(r.w);
	return rc;
}

scp_status scp__workspace_key(const scp__files *w, const char *path, char key[SCP__KEY_SIZE], scp_error *err)
{
	scp_status rc = scp__path_check(path, "path", err);

	if (!rc)
		snprintf(key, SCP__KEY_SIZE, "%s/%s", w->prefix, path);
	return rc;
}

scp_status scp__workspace_open(scp__core *core, const char *session_id, const char *path, bool write, scp__files *out,
    char key[SCP__KEY_SIZE], scp_error *err)
{
	scp_status rc = scp__path_check(path, "path", err);

	memset(out, 0, sizeof(*out));
	key[0] = 0;
	if (!rc)
		rc = scp__workspace_use(core, session_id, write, out, err);
	return rc ? rc : scp__workspace_key(out, path, key, err);
}

/* "sessions/ws_…/a/b: a directory": where it is stored is not for the world to know. */
static void drop_place(scp_error *err)
{
	char *at = err ? strstr(err->message, "sessions/ws_") : NULL;
	char *path = at ? strchr(at + strlen("sessions/"), '/') : NULL;

	if (path)
		memmove(at, path + 1, strlen(path));
}

scp_status scp__file_error(scp_status rc, const char *path, scp_error *err)
{
	if (rc == SCP_ENOTFOUND)
		return scp__fail_as(err, "FileNotFound", "File '%.300s' does not exist", path);
	if (rc)
		drop_place(err);
	return rc;
}

scp_put_options scp__file_put_options(const scp__core *core, const scp__files *w)
{
	scp_put_options o = { sizeof(o), core->limits.max_upload_bytes, w->uid, w->uid };

	return o;
}

struct file {
	scp_file pub;
	scp__arena *arena;
};

scp_file *scp__file_new(const scp_object *object, const char *path)
{
	scp__arena *arena = scp__arena_new();
	struct file *f = arena ? scp__arena_alloc(arena, sizeof(*f)) : NULL;

	if (!f) {
		scp__arena_free(arena);
		return NULL;
	}
	f->arena = arena;
	f->pub.path = scp__arena_strdup(arena, path);
	f->pub.size_bytes = object->directory ? 0 : object->size_bytes;
	f->pub.mime_type = object->directory ? "inode/directory" : scp__mime_type(path);
	f->pub.modified_us = object->modified_us;
	f->pub.type = object->directory ? SCP_DIRECTORY : SCP_FILE;
	f->pub.sha256 = object->sha256[0] ? scp__arena_strdup(arena, object->sha256) : NULL;
	f->pub.etag = object->directory ? NULL : scp__arena_strdup(arena, object->etag);
	if (f->pub.path && (object->directory || f->pub.etag))
		return &f->pub;
	scp__arena_free(arena);
	return NULL;
}

void scp_file_free(scp_file *file)
{
	if (file)
		scp__arena_free(((struct file *)file)->arena);
}
