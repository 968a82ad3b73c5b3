/* A hash map from strings to pointers. Not for several threads at once. */
#ifndef SCP_UTIL_MAP_H
#define SCP_UTIL_MAP_H

#include <stdbool.h>
#include <stddef.h>

typedef struct scp__map scp__map;

scp__map *scp__map_new(void);				      /* NULL: no memory */
void scp__map_free(scp__map *m);			      /* keys go; values are the caller's */
void *scp__map_get(const scp__map *m, const char *key);	      /* NULL: none */
bool scp__map_put(scp__map *m, const char *key, void *value); /* replaces; copies the key; false: no memory */
void *scp__map_remove(scp__map *m, const char *key);	      /* the value, or NULL */
size_t scp__map_count(const scp__map *m);
/** Calls fn for each; fn may not change the map. */
void scp__map_each(const scp__map *m, void (*fn)(void *user, const char *key, void *value), void *user);

#endif
