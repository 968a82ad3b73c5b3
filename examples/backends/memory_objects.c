/* Errors, and the objects: one array in the order of their keys. All but memory_fail() and memory_none() under the
 * lock. */
#include "memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Status, message, and a code out of the library's table: that is what a REST client sees. */
scp_status memory_fail(scp_error *err, const char *code, const char *fmt, ...)
{
	const scp_error_kind *kind = scp_error_kind_get(code);
	va_list args;

	if (!err)
		return kind->status;
	memset(err, 0, sizeof(*err));
	err->status = kind->status;
	snprintf(err->code, sizeof(err->code), "%s", kind->code);
	snprintf(err->hint, sizeof(err->hint), "%s", kind->solution);
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	return kind->status;
}

scp_status memory_none(scp_error *err)
{
	(void)memory_fail(err, "InternalError", "no memory");
	if (err)
		err->status = SCP_ENOMEM;
	return SCP_ENOMEM;
}

/* Where `key` is, or would be. */
size_t memory_place(const struct memory *m, const char *key)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(m->objects[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct object *memory_find(const struct memory *m, const char *key)
{
	size_t i = memory_place(m, key);

	return i < m->count && !strcmp(m->objects[i].key, key) ? &m->objects[i] : NULL;
}

/* The first object below the directory, `slash` being its name and '/'; "" has all. */
size_t memory_below(const struct memory *m, const char *directory, char slash[KEY_SIZE])
{
	snprintf(slash, KEY_SIZE, "%s%s", directory, *directory ? "/" : "");
	return memory_place(m, slash);
}

bool memory_begins(const char *key, const char *with)
{
	return !strncmp(key, with, strlen(with));
}

bool memory_is_directory(const struct memory *m, const char *key)
{
	char slash[KEY_SIZE];
	size_t i = memory_below(m, key, slash);

	return i < m->count && memory_begins(m->objects[i].key, slash);
}

/* Something else is where the key, or one of its directories, would be. */
bool memory_blocked(const struct memory *m, const char *key)
{
	char part[KEY_SIZE];

	for (const char *p = strchr(key, '/'); p; p = strchr(p + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - key), key);
		if (memory_find(m, part))
			return true;
	}
	return memory_is_directory(m, key);
}

void memory_drop(struct memory *m, struct blob *blob)
{
	if (--blob->users)
		return;
	m->bytes -= blob->len;
	free(blob->data);
	free(blob);
}

void memory_take_out(struct memory *m, size_t i)
{
	free(m->objects[i].key);
	memory_drop(m, m->objects[i].blob);
	m->count--;
	memmove(&m->objects[i], &m->objects[i + 1], (m->count - i) * sizeof(*m->objects));
}

/* Room for one more, where it belongs; NULL: no memory. */
struct object *memory_put_in(struct memory *m, const char *key)
{
	size_t i = memory_place(m, key), room = m->room ? 2 * m->room : 64;
	struct object *objects = m->objects;
	char *copy = strdup(key);

	if (copy && m->count == m->room)
		objects = realloc(m->objects, room * sizeof(*objects));
	if (!copy || !objects) {
		free(copy);
		return NULL;
	}
	m->room = m->count == m->room ? room : m->room;
	m->objects = objects;
	memmove(&objects[i + 1], &objects[i], (m->count++ - i) * sizeof(*objects));
	objects[i] = (struct object){ .key = copy };
	return &objects[i];
}

void memory_describe(const struct object *o, scp_object *out)
{
	*out = (scp_object){ .key = o->key, .size_bytes = o->blob->len, .modified_us = o->modified_us };
	snprintf(out->etag, sizeof(out->etag), "%llu", (unsigned long long)o->version);
}
