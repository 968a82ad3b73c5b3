/* Memory that is freed as a whole: every snapshot and row lives in one. Not for several threads at once. */
#ifndef SCP_UTIL_ARENA_H
#define SCP_UTIL_ARENA_H

#include <stddef.h>

typedef struct scp__arena scp__arena;

scp__arena *scp__arena_new(void);		       /* NULL: no memory */
void *scp__arena_alloc(scp__arena *a, size_t size);    /* zeroed, aligned for anything; NULL: no memory */
char *scp__arena_strdup(scp__arena *a, const char *s); /* NULL for NULL */
char *scp__arena_memdup(scp__arena *a, const void *data, size_t len); /* adds a NUL behind */
void scp__arena_free(scp__arena *a);

#endif
