/* The files that changed while an execution ran. The workspace is hostile: nothing is followed, everything is bounded.
 */
#ifndef EXECUTOR_FILES_H
#define EXECUTOR_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define FILES_ENTRIES_MAX 100000u
#define FILES_DEPTH_MAX 64u
#define FILES_DIGEST_EACH_MAX (64ull << 20)
#define FILES_DIGEST_ALL_MAX (256ull << 20)
#define FILES_TIME_MAX_US 3000000
#define FILES_GLANCE_MAX 256u

struct files_found {
	char *out; /* SCP__RESULT_ARTIFACT records */
	size_t out_size;
	size_t len;
	unsigned count;
};

/**
 * List the regular files beneath `root` whose ctime is `since` or later, as many as fit. A name that isn't UTF-8 or
 * holds control characters is skipped; one that can't be read (its mode, a lease) is listed without a digest.
 */
void files_list_changed(const char *root, struct timespec since, struct files_found *found);

/**
 * The latest ctime beneath `root` in nanoseconds, INT64_MIN if there is no file. False: it has more than
 * FILES_GLANCE_MAX entries and wasn't looked through.
 */
bool files_newest(const char *root, int64_t *newest_ns);

#endif
