#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK 1024
#define LARGEST_CHUNK (64 * 1024)

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) unsigned char data[];
};

struct scp__arena {
	struct chunk *chunks; /* the one that is filled first */
	size_t next_size;
};

scp__arena *scp__arena_new(void)
{
	scp__arena *a = calloc(1, sizeof(*a));

	if (a)
		a->next_size = FIRST_CHUNK;
	return a;
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c;

	if (size > SIZE_MAX - sizeof(*c))
		return NULL;
	c = calloc(1, sizeof(*c) + size);
	if (c)
		c->size = size;
	return c;
}

/* A request that is large gets a chunk of its own behind the one in use, whose rest stays useful. */
static void *alloc_apart(scp__arena *a, size_t size)
{
	struct chunk *c = chunk_new(size);

	if (!c)
		return NULL;
	c->used = size;
	if (a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		a->chunks = c;
	}
	return c->data;
}

static struct chunk *add_chunk(scp__arena *a)
{
	struct chunk *c = chunk_new(a->next_size);

	if (!c)
		return NULL;
	c->next = a->chunks;
	a->chunks = c;
	if (a->next_size < LARGEST_CHUNK)
		a->next_size *= 2;
	return c;
}

void *scp__arena_alloc(scp__arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	void *p;

	if (size > SIZE_MAX - alignof(max_align_t))
		return NULL;
	size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	if (!size)
		size = alignof(max_align_t);
	if (!c || c->size - c->used < size) {
		if (size > a->next_size / 4)
			return alloc_apart(a, size);
		c = add_chunk(a);
		if (!c)
			return NULL;
	}
	p = c->data + c->used;
	c->used += size;
	return p;
}

char *scp__arena_strdup(scp__arena *a, const char *s)
{
	return s ? scp__arena_memdup(a, s, strlen(s)) : NULL;
}

char *scp__arena_memdup(scp__arena *a, const void *data, size_t len)
{
	char *p = len < SIZE_MAX ? scp__arena_alloc(a, len + 1) : NULL;

	if (p && len)
		memcpy(p, data, len);
	return p;
}

void scp__arena_free(scp__arena *a)
{
	struct chunk *next;

	if (!a)
		return;
	for (struct chunk *c = a->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}
