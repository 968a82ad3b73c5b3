/* Private to json: the keys of the objects that the scan is in, to find twins ("a" and "\u0061" are the same). */
#ifndef SCP_JSON_KEYS_H
#define SCP_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>

struct scp__json_key;

struct scp__json_keys {
	const unsigned char *text;
	struct scp__json_key *keys;
	size_t count;
	size_t capacity;
};

bool scp__json_keys_add(struct scp__json_keys *k, size_t at, size_t len); /* between the quotes; false: no memory */
/** Forget the keys from `first` on; true if two of them are the same, and where the later one is. */
bool scp__json_keys_twin(struct scp__json_keys *k, size_t first, size_t *at, size_t *len);
void scp__json_keys_free(struct scp__json_keys *k);

#endif
