/*
 * A driver where there is no libFuzzer: replay FOLDER [ROUNDS]. Every file of the corpus is tried as it is, and in
 * ROUNDS mutations that are the same each time.
 */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define INPUT_MAX 65536u

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* One change: a bit, a byte, a cut, a doubled stretch. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
	size_t at = size ? next_random(state) % size : 0, n = 1 + next_random(state) % 16;

	switch (next_random(state) % 4) {
	case 0:
		if (size)
			data[at] ^= (uint8_t)(1u << next_random(state) % 8);
		return size;
	case 1:
		if (size)
			data[at] = (uint8_t) "\r\n:;{}[]\",0 9-\0\xff"[next_random(state) % 17];
		return size;
	case 2:
		n = n > size - at ? size - at : n;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	default:
		n = n > size - at ? size - at : n;
		if (size + n > INPUT_MAX)
			return size;
		memmove(data + at + n, data + at, size - at);
		return size + n;
	}
}

/* In memory of exactly its size, so that a byte read beyond is seen. */
static void try_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	must(copy);
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void try_file(const char *folder, const char *name, unsigned rounds)
{
	static uint8_t original[INPUT_MAX], data[INPUT_MAX];
	uint64_t state = 0x9e3779b97f4a7c15u;
	char path[4096];
	size_t size;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	must(f);
	size = fread(original, 1, sizeof(original), f);
	(void)fclose(f);
	try_one(original, size);
	for (unsigned i = 0; i < rounds; i++) {
		size_t now = size;

		memcpy(data, original, size);
		for (uint64_t n = 1 + next_random(&state) % 4; n; n--)
			now = mutate(data, now, &state);
		try_one(data, now);
	}
}

int main(int argc, char *argv[])
{
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 0, files = 0;
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	struct dirent *entry;

	must(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		try_file(argv[1], entry->d_name, rounds);
		files++;
	}
	(void)closedir(dir);
	must(files);
	(void)printf("100%%: Checks: %u, Failures: 0, Errors: 0\n", files); /* as Check says it: run.sh counts */
	return 0;
}
