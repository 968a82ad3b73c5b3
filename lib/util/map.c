#include "map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 16

struct node {
	struct node *next;
	void *value;
	uint64_t hash;
	char key[];
};

struct scp__map {
	struct node **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	uint64_t seed[2]; /* so that nobody outside can choose keys that all meet in one bucket */
};

scp__map *scp__map_new(void)
{
	scp__map *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->buckets = calloc(FIRST_BUCKETS, sizeof(*m->buckets));
	if (!m->buckets) {
		free(m);
		return NULL;
	}
	m->bucket_count = FIRST_BUCKETS;
	/* The start of the system may not be waited for; a weaker seed then only makes a map slower. */
	if (getrandom(m->seed, sizeof(m->seed), GRND_NONBLOCK) != (ssize_t)sizeof(m->seed))
		m->seed[0] = (uint64_t)(uintptr_t)m;
	return m;
}

void scp__map_free(scp__map *m)
{
	struct node *next;

	if (!m)
		return;
	for (size_t i = 0; i < m->bucket_count; i++)
		for (struct node *n = m->buckets[i]; n; n = next) {
			next = n->next;
			free(n);
		}
	free(m->buckets);
	free(m);
}

static uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* SipHash-1-3. */
static uint64_t hash_of(const scp__map *m, const char *key)
{
	uint64_t v[4] = { m->seed[0] ^ 0x736f6d6570736575u, m->seed[1] ^ 0x646f72616e646f6du,
		m->seed[0] ^ 0x6c7967656e657261u, m->seed[1] ^ 0x7465646279746573u };
	size_t len = strlen(key);
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, key + i, 8);
		sip_word(v, word);
	}
	word = (uint64_t)len << 56;
	for (unsigned shift = 0; i < len; i++, shift += 8)
		word |= (uint64_t)(unsigned char)key[i] << shift;
	sip_word(v, word);
	v[2] ^= 0xff;
	for (int round = 0; round < 3; round++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The link that points to the key's node, or to the NULL where it would go. */
static struct node **find(const scp__map *m, const char *key, uint64_t hash)
{
	struct node **link = &m->buckets[hash & (m->bucket_count - 1)];

	while (*link && ((*link)->hash != hash || strcmp((*link)->key, key)))
		link = &(*link)->next;
	return link;
}

void *scp__map_get(const scp__map *m, const char *key)
{
	struct node *n = *find(m, key, hash_of(m, key));

	return n ? n->value : NULL;
}

static void move_nodes(scp__map *m, struct node **buckets, size_t bucket_count)
{
	struct node *next, **to;

	for (size_t i = 0; i < m->bucket_count; i++)
		for (struct node *n = m->buckets[i]; n; n = next) {
			next = n->next;
			to = &buckets[n->hash & (bucket_count - 1)];
			n->next = *to;
			*to = n;
		}
}

/* Without memory for more buckets the map goes on, slower. */
static void grow(scp__map *m)
{
	size_t bucket_count = m->bucket_count * 2;
	struct node **buckets;

	if (m->count < m->bucket_count || bucket_count < m->bucket_count)
		return;
	buckets = calloc(bucket_count, sizeof(*buckets));
	if (!buckets)
		return;
	move_nodes(m, buckets, bucket_count);
	free(m->buckets);
	m->buckets = buckets;
	m->bucket_count = bucket_count;
}

bool scp__map_put(scp__map *m, const char *key, void *value)
{
	uint64_t hash = hash_of(m, key);
	struct node **link = find(m, key, hash);
	size_t size = strlen(key) + 1;
	struct node *n;

	if (*link) {
		(*link)->value = value;
		return true;
	}
	n = malloc(sizeof(*n) + size);
	if (!n)
		return false;
	*n = (struct node){ .value = value, .hash = hash };
	memcpy(n->key, key, size);
	*link = n;
	m->count++;
	grow(m);
	return true;
}

void *scp__map_remove(scp__map *m, const char *key)
{
	struct node **link = find(m, key, hash_of(m, key));
	struct node *n = *link;
	void *value;

	if (!n)
		return NULL;
	value = n->value;
	*link = n->next;
	free(n);
	m->count--;
	return value;
}

size_t scp__map_count(const scp__map *m)
{
	return m->count;
}

void scp__map_each(const scp__map *m, void (*fn)(void *user, const char *key, void *value), void *user)
{
	for (size_t i = 0; i < m->bucket_count; i++)
		for (const struct node *n = m->buckets[i]; n; n = n->next)
			fn(user, n->key, n->value);
}
