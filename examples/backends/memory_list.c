/* A listing: what there is is copied under the lock, and told without it. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *key;
	scp_object object;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* How much of the object's key the listing shows; 0: it is too deep. */
static size_t shown(const char *key, size_t below, const scp_list_options *options)
{
	const char *slash = strchr(key + below, '/');
	uint32_t depth = 1;

	if (!options->recursive)
		return slash ? (size_t)(slash - key) : strlen(key);
	for (; slash; slash = strchr(slash + 1, '/'))
		depth++;
	return depth > (options->max_depth ? options->max_depth : 64) ? 0 : strlen(key);
}

static bool is_again(const struct entry *last, const char *key, size_t len)
{
	return last->object.directory && strlen(last->key) == len && !strncmp(last->key, key, len);
}

/* All of them: only in the order of names is it known which come first. -1: no memory. */
static long collect(struct memory *m, const char *prefix, const scp_list_options *options, struct entry **entries)
{
	char slash[KEY_SIZE];
	size_t i = memory_below(m, prefix, slash), len, n = 0;

	*entries = calloc(m->count - i + 1, sizeof(**entries));
	for (; *entries && i < m->count && memory_begins(m->objects[i].key, slash); i++) {
		const struct object *o = &m->objects[i];
		struct entry *e = &(*entries)[n];

		len = shown(o->key, strlen(slash), options);
		if (!len || (n && is_again(e - 1, o->key, len)))
			continue;
		memory_describe(o, &e->object);
		if (o->key[len])
			e->object = (scp_object){ .directory = true };
		e->key = strndup(o->key, len);
		if (!e->key)
			return -1;
		n++;
	}
	return *entries ? (long)n : -1;
}

static scp_status tell(struct entry *entries, size_t count, const char *after, uint32_t limit, scp_object_fn *fn,
    void *user, char *next, size_t next_size, scp_error *err)
{
	const char *last = "";
	uint32_t told = 0;
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < count; i++) {
		if (strcmp(entries[i].key, after) <= 0)
			continue;
		if (told++ == limit) {
			snprintf(next, next_size, "%s", last);
			break;
		}
		last = entries[i].object.key = entries[i].key;
		rc = fn(user, &entries[i].object, err);
	}
	return rc;
}

scp_status memory_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	struct memory *m = (struct memory *)st;
	struct entry *entries;
	scp_status rc;
	long count;

	pthread_mutex_lock(&m->lock);
	count = collect(m, prefix, options, &entries);
	pthread_mutex_unlock(&m->lock);
	if (count > 0)
		qsort(entries, (size_t)count, sizeof(*entries), by_key);
	rc = count < 0 ? memory_none(err)
		       : tell(entries, (size_t)count, after, options->limit ? options->limit : 1000, fn, user, next,
			     next_size, err);
	for (size_t i = 0; entries && entries[i].key; i++)
		free(entries[i].key);
	free(entries);
	return rc;
}
