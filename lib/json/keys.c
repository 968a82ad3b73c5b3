#include "keys.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct scp__json_key {
	size_t at;
	size_t len;
};

/* Walks the bytes that a key means. The scan has passed it: what is malformed can't be here. */
struct reader {
	const unsigned char *p, *end;
	unsigned char pending[4]; /* the UTF-8 of an escape, last byte first */
	int pending_count;
};

static uint32_t read_hex(const unsigned char *p)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value * 16 + (uint32_t)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return value;
}

static uint32_t read_code_point(struct reader *r)
{
	uint32_t unit = read_hex(r->p);

	r->p += 4;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	unit = 0x10000 + ((unit - 0xd800) << 10) + (read_hex(r->p + 2) - 0xdc00);
	r->p += 6;
	return unit;
}

static void push(struct reader *r, uint32_t byte)
{
	r->pending[r->pending_count++] = (unsigned char)byte;
}

static void push_code_point(struct reader *r, uint32_t c)
{
	uint32_t lead = c < 0x800 ? 0xc0 : c < 0x10000 ? 0xe0 : 0xf0;

	if (c < 0x80) {
		push(r, c);
		return;
	}
	for (uint32_t rest = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; rest; rest--, c >>= 6)
		push(r, 0x80 | (c & 0x3f));
	push(r, lead | c);
}

/* The next byte, or -1 at the end. */
static int next_byte(struct reader *r)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *simple;
	int c;

	if (r->pending_count)
		return r->pending[--r->pending_count];
	if (r->p == r->end)
		return -1;
	c = *r->p++;
	if (c != '\\')
		return c;
	c = *r->p++;
	if (c == 'u') {
		push_code_point(r, read_code_point(r));
		return r->pending[--r->pending_count];
	}
	simple = strchr(from, c);
	return simple ? to[simple - from] : c;
}

static int compare(const void *left, const void *right, void *text)
{
	const struct scp__json_key *a = left, *b = right;
	struct reader x = { .p = (const unsigned char *)text + a->at },
		      y = { .p = (const unsigned char *)text + b->at };
	int c, d;

	x.end = x.p + a->len;
	y.end = y.p + b->len;
	do {
		c = next_byte(&x);
		d = next_byte(&y);
	} while (c == d && c >= 0);
	return c - d;
}

bool scp__json_keys_add(struct scp__json_keys *k, size_t at, size_t len)
{
	size_t capacity = k->capacity ? k->capacity * 2 : 32;
	struct scp__json_key *keys;

	if (k->count == k->capacity) {
		keys = realloc(k->keys, capacity * sizeof(*keys));
		if (!keys)
			return false;
		k->keys = keys;
		k->capacity = capacity;
	}
	k->keys[k->count++] = (struct scp__json_key){ at, len };
	return true;
}

bool scp__json_keys_twin(struct scp__json_keys *k, size_t first, size_t *at, size_t *len)
{
	struct scp__json_key *keys = k->keys + first, *later;
	size_t count = k->count - first;

	k->count = first;
	qsort_r(keys, count, sizeof(*keys), compare, (void *)(uintptr_t)k->text);
	for (size_t i = 1; i < count; i++) {
		if (compare(&keys[i - 1], &keys[i], (void *)(uintptr_t)k->text))
			continue;
		later = keys[i].at > keys[i - 1].at ? &keys[i] : &keys[i - 1];
		*at = later->at;
		*len = later->len;
		return true;
	}
	return false;
}

void scp__json_keys_free(struct scp__json_keys *k)
{
	free(k->keys);
	k->keys = NULL;
	k->count = k->capacity = 0;
}
