/*
 * The example's own insides.
 *
 * A directory is there while an object's key begins with its name. Bytes are in blobs that are counted: who reads goes
 * on with what it opened, whatever is put in its place meanwhile. One lock guards array, counts and sums; it is never
 * held while bytes are copied or a call-back runs.
 */
#ifndef EXAMPLES_MEMORY_H
#define EXAMPLES_MEMORY_H

#include <pthread.h>

#include "memory_storage.h"

#define KEY_SIZE 1402 /* the longest key that the port lets through, a '/' and the end */

struct blob {
	unsigned users;
	char *data;
	size_t len, room;
};

struct object {
	char *key;
	struct blob *blob;
	uint64_t version;
	int64_t modified_us;
};

struct memory {
	scp_storage base; /* first: a pointer to one is a pointer to the other */
	pthread_mutex_t lock;
	struct object *objects; /* by key */
	size_t count, room;
	uint64_t bytes, max_bytes, version;
};

/** Status, message, and a code out of the library's table, which REST clients see. Returns the code's status. */
scp_status memory_fail(scp_error *err, const char *code, const char *fmt, ...) SCP_PRINTF(3, 4);
/** SCP_ENOMEM. */
scp_status memory_none(scp_error *err);

/* Under the lock. */
size_t memory_place(const struct memory *m, const char *key); /* where the key is, or would be */
struct object *memory_find(const struct memory *m, const char *key);
/** The first object below a directory, or where it would be; `slash` becomes its name and '/'. "" has all. */
size_t memory_below(const struct memory *m, const char *directory, char slash[KEY_SIZE]);
bool memory_begins(const char *key, const char *with);
bool memory_is_directory(const struct memory *m, const char *key);
/** Something else is where the key, or one of its directories, would be. */
bool memory_blocked(const struct memory *m, const char *key);
/** Room for one more; NULL: no memory. */
struct object *memory_put_in(struct memory *m, const char *key);
void memory_take_out(struct memory *m, size_t place);
void memory_drop(struct memory *m, struct blob *blob);	       /* one user less */
void memory_describe(const struct object *o, scp_object *out); /* its key is borrowed from the object */

scp_status memory_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err);

#endif
