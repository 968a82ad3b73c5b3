/*
 * A storage backend by public headers alone. What it keeps dies with the process: that is for tests, and for sandboxes
 * whose files nobody wants afterwards. memory_objects.c has the objects, memory_list.c the one operation that is
 * longer.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct scp_object_writer {
	struct memory *m;
	char key[KEY_SIZE];
	struct blob *blob;
	uint64_t max_bytes;
	bool over;
};

struct scp_object_reader {
	struct memory *m;
	struct blob *blob;
	size_t at, end;
};

/* ---- putting ---- */

static scp_status conflict(const char *key, scp_error *err)
{
	return memory_fail(err, "Conflict", "%s: a directory, or an object where it needs one, is in the way", key);
}

static scp_status memory_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	scp_object_writer *w = calloc(1, sizeof(*w));
	bool blocked;

	if (w)
		w->blob = calloc(1, sizeof(*w->blob));
	if (!w || !w->blob) {
		free(w);
		return memory_none(err);
	}
	w->m = (struct memory *)st;
	w->blob->users = 1;
	w->max_bytes = options->max_bytes;
	snprintf(w->key, sizeof(w->key), "%s", key);
	pthread_mutex_lock(&w->m->lock);
	blocked = memory_blocked(w->m, key);
	pthread_mutex_unlock(&w->m->lock);
	if (!blocked) {
		*out = w;
		return SCP_OK;
	}
	free(w->blob);
	free(w);
	return conflict(key, err);
}

/* Counted before they are there: two writers can't both have the last byte. */
static bool reserve(struct memory *m, size_t len)
{
	bool fits;

	pthread_mutex_lock(&m->lock);
	fits = len <= m->max_bytes - m->bytes;
	m->bytes += fits ? len : 0;
	pthread_mutex_unlock(&m->lock);
	return fits;
}

static scp_status grow(struct blob *blob, size_t len, scp_error *err)
{
	size_t room = blob->room ? 2 * blob->room : 4096;
	char *data;

	if (blob->len + len <= blob->room)
		return SCP_OK;
	room = room < blob->len + len ? blob->len + len : room;
	data = realloc(blob->data, room);
	if (!data)
		return memory_none(err);
	blob->data = data;
	blob->room = room;
	return SCP_OK;
}

static scp_status memory_put_write(scp_object_writer *w, const void *data, size_t len, scp_error *err)
{
	scp_status rc = w->over ? SCP_EINTERNAL : SCP_OK;

	if (rc)
		return memory_fail(err, "InternalError", "%s: it was too large already", w->key);
	w->over = true;
	if (w->max_bytes && len > w->max_bytes - w->blob->len)
		return memory_fail(
		    err, "PayloadTooLarge", "%s: more than %llu bytes", w->key, (unsigned long long)w->max_bytes);
	rc = grow(w->blob, len, err);
	if (rc)
		return rc;
	if (!reserve(w->m, len))
		return memory_fail(err, "PayloadTooLarge", "%s: the storage's memory is full", w->key);
	memcpy(w->blob->data + w->blob->len, data, len);
	w->blob->len += len;
	w->over = false;
	return SCP_OK;
}

static scp_status commit(scp_object_writer *w, scp_object *out, scp_error *err)
{
	struct memory *m = w->m;
	struct object *o = memory_find(m, w->key);
	struct timespec now;

	if (memory_blocked(m, w->key)) /* by now */
		return conflict(w->key, err);
	if (o)
		memory_drop(m, o->blob);
	else
		o = memory_put_in(m, w->key);
	if (!o)
		return memory_none(err);
	clock_gettime(CLOCK_REALTIME, &now);
	o->blob = w->blob;
	o->blob->users++;
	o->version = ++m->version;
	o->modified_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	memory_describe(o, out);
	out->key = w->key; /* the object itself may be gone as soon as the lock is */
	return SCP_OK;
}

static scp_status memory_put_commit(scp_object_writer *w, scp_object *out, scp_error *err)
{
	scp_status rc;

	if (w->over)
		return memory_fail(err, "InternalError", "%s: it was too large", w->key);
	pthread_mutex_lock(&w->m->lock);
	rc = commit(w, out, err);
	pthread_mutex_unlock(&w->m->lock);
	return rc;
}

static void memory_put_close(scp_object_writer *w)
{
	pthread_mutex_lock(&w->m->lock);
	memory_drop(w->m, w->blob);
	pthread_mutex_unlock(&w->m->lock);
	free(w);
}

/* ---- getting ---- */

static scp_status not_found(const char *key, scp_error *err)
{
	return memory_fail(err, "FileNotFound", "there is no %s", key);
}

/* An object, for as long as the lock is held; *status why not. */
static const struct object *look(struct memory *m, const char *key, scp_status *status, scp_error *err)
{
	const struct object *o = memory_find(m, key);

	*status = o				? SCP_OK
		  : memory_is_directory(m, key) ? memory_fail(err, "Conflict", "%s is a directory", key)
						: not_found(key, err);
	return o;
}

static scp_status open_range(struct memory *m, const char *key, uint64_t offset, uint64_t length, scp_object_reader *r,
    scp_object *object, scp_error *err)
{
	scp_status rc;
	const struct object *o = look(m, key, &rc, err);
	uint64_t size;

	if (!o)
		return rc;
	size = o->blob->len;
	if (offset && offset >= size)
		return memory_fail(err, "InvalidParameter", "%s: it has %llu bytes", key, (unsigned long long)size);
	memory_describe(o, object);
	object->key = key;
	r->m = m;
	r->blob = o->blob;
	r->blob->users++;
	r->at = (size_t)offset;
	r->end = (size_t)(length && length < size - offset ? offset + length : size);
	return SCP_OK;
}

static scp_status memory_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err)
{
	struct memory *m = (struct memory *)st;
	scp_object_reader *r = calloc(1, sizeof(*r));
	scp_status rc;

	if (!r)
		return memory_none(err);
	pthread_mutex_lock(&m->lock);
	rc = open_range(m, key, offset, length, r, object, err);
	pthread_mutex_unlock(&m->lock);
	if (rc)
		free(r);
	else
		*out = r;
	return rc;
}

static scp_status memory_get_read(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err)
{
	(void)err;
	*len = r->end - r->at < capacity ? r->end - r->at : capacity;
	if (*len)
		memcpy(data, r->blob->data + r->at, *len);
	r->at += *len;
	return SCP_OK;
}

static void memory_get_close(scp_object_reader *r)
{
	pthread_mutex_lock(&r->m->lock);
	memory_drop(r->m, r->blob);
	pthread_mutex_unlock(&r->m->lock);
	free(r);
}

static scp_status memory_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	struct memory *m = (struct memory *)st;
	const struct object *o;
	bool directory;

	pthread_mutex_lock(&m->lock);
	o = memory_find(m, key);
	directory = !o && memory_is_directory(m, key);
	if (o)
		memory_describe(o, out);
	pthread_mutex_unlock(&m->lock);
	if (directory)
		*out = (scp_object){ .directory = true };
	out->key = key;
	return o || directory ? SCP_OK : not_found(key, err);
}

/* ---- removing, and the rest ---- */

static scp_status memory_remove(scp_storage *st, const char *key, scp_error *err)
{
	struct memory *m = (struct memory *)st;
	const struct object *o;
	scp_status rc;

	pthread_mutex_lock(&m->lock);
	o = look(m, key, &rc, err);
	if (o)
		memory_take_out(m, (size_t)(o - m->objects));
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static scp_status memory_remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	struct memory *m = (struct memory *)st;
	char slash[KEY_SIZE];
	size_t i;

	(void)err;
	pthread_mutex_lock(&m->lock);
	if (memory_find(m, prefix))
		memory_take_out(m, memory_place(m, prefix));
	for (i = memory_below(m, prefix, slash); i < m->count && memory_begins(m->objects[i].key, slash);)
		memory_take_out(m, i);
	pthread_mutex_unlock(&m->lock);
	return SCP_OK;
}

static scp_status memory_health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	struct memory *m = (struct memory *)st;

	(void)deadline_ms;
	(void)err;
	pthread_mutex_lock(&m->lock);
	snprintf(detail, detail_size, "%zu objects in memory, %llu of %llu bytes", m->count,
	    (unsigned long long)m->bytes, (unsigned long long)m->max_bytes);
	pthread_mutex_unlock(&m->lock);
	return SCP_OK;
}

static void memory_close(scp_storage *st)
{
	struct memory *m = (struct memory *)st;

	while (m->count)
		memory_take_out(m, m->count - 1);
	free(m->objects);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Neither presign nor local_folder: the port says so to whoever asks, and workspaces are mirrored to this storage. */
static const scp_storage_ops memory_ops = {
	.struct_size = sizeof(memory_ops),
	.name = "memory",
	.put_open = memory_put_open,
	.put_write = memory_put_write,
	.put_commit = memory_put_commit,
	.put_close = memory_put_close,
	.get_open = memory_get_open,
	.get_read = memory_get_read,
	.get_close = memory_get_close,
	.stat = memory_stat,
	.list = memory_list,
	.remove = memory_remove,
	.remove_prefix = memory_remove_prefix,
	.health = memory_health,
	.close = memory_close,
};

scp_status memory_storage_open(scp_storage **out, uint64_t max_bytes, scp_error *err)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return memory_none(err);
	m->base.ops = &memory_ops;
	m->max_bytes = max_bytes;
	pthread_mutex_init(&m->lock, NULL);
	*out = &m->base;
	return SCP_OK;
}
