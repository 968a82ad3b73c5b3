/* From what the user wrote to what the API wants. Errors name the option. */
#ifndef SANDBOXCTL_VALUES_H
#define SANDBOXCTL_VALUES_H

#include "args.h"

#include <sandboxcp/sandboxcp.h>

#define INPUT_MAX (4u << 20) /* code, event or stdin: the limits proper are the target's */

/* Bytes read from a file; free() data. */
struct input {
	char *data;
	size_t len;
};

/** All of a file; "-" is standard input. `what` names it in errors. */
scp_status input_read(struct input *in, const char *path, const char *what, scp_error *err);

/** --env: fills `pairs` (ARGS_LIST_MAX of them); names are cut out of copies kept in *storage, free(). */
scp_status env_pairs(scp_pair *pairs, char **storage, const struct list *env, scp_error *err);

/** --cpu, --memory, --disk, --processes; *given says whether any was. */
scp_status resources_of(scp_resources *out, bool *given, const struct args *a, scp_error *err);

/** The language by --language, the name's extension, or the code's #! line. SCP_EINVAL: none tells. */
scp_status language_of(
    scp_language *out, const char *option, const char *name, const struct input *code, scp_error *err);

/** The seeded template for a language. */
const char *template_for(scp_language language);

/** "SESSION:PATH" → the session's id into `id` (64 bytes) and the path, which points into `word`; NULL: it is local. */
const char *remote_path(const char *word, char id[64]);

#endif
