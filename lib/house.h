/* What plane.c and check.c need besides the rooms: options read and completed with their defaults (options.c). */
#ifndef SCP_HOUSE_H
#define SCP_HOUSE_H

#include "plane.h"

/** Where things are, once the defaults are filled in. */
struct scp__choice {
	char *state_dir; /* absolute */
	char *database_url;
	char *storage_url;
};

/** Copy what the caller's struct has (it may be of an older release: shorter), the rest zero. NULL: all defaults. */
scp_status scp__options_read(scp_plane_options *out, const scp_plane_options *options, scp_error *err);
scp_status scp__choose(struct scp__choice *out, scp__limits *limits, const scp_plane_options *options, scp_error *err);
void scp__choice_free(struct scp__choice *c);

scp_status scp__make_state_dir(const char *path, scp_error *err);

/** The path of sandbox-executor: the options', SANDBOXCP_EXECUTOR, beside the library, or where it is installed. */
scp_status scp__find_executor(char *out, size_t size, const scp_plane_options *options, scp_error *err);

/** Whether a list of names by comma holds one. */
bool scp__list_has(const char *list, const char *name);

#endif
