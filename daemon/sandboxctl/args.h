/* The command line as data: one table of options, one structure that they fill. */
#ifndef SANDBOXCTL_ARGS_H
#define SANDBOXCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>

#define ARGS_LIST_MAX 64
#define ARGS_UNSET UINT32_MAX /* a number that was not given */

struct list {
	const char *item[ARGS_LIST_MAX];
	size_t count;
};

/* What the user wrote; strings are argv's. A new one is made by args_init(). */
struct args {
	const char *server, *token_file, *state_dir, *runtime, *allow_unenforced;
	bool json, embedded, help, version;
	const char *template_id, *language, *code, *event, *stdin_file, *agent_id, *key, *status;
	const char *cpu, *memory, *disk;
	struct list env;
	bool ephemeral, network, keep, detach, all;
	uint32_t timeout_s, wait_s, retries, processes, extend_s, limit, offset;
	struct list words; /* the command and what it is about */
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_LIST, OPTION_NUMBER };

struct option_row {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	const char *value; /* what the help calls its value */
	const char *help;
	size_t offset; /* in struct args */
	uint32_t min, max;
};

/** The option's row, or NULL past the end of the table. */
const struct option_row *option_at(size_t index);
const struct option_row *option_named(const char *name, size_t len);

void args_init(struct args *a);

/** Fill *a from the command line. SCP_EINVAL says what is wrong with which word. */
scp_status args_parse(struct args *a, int argc, char *const argv[], scp_error *err);

/** SCP_EINVAL naming the first option that was given and is in none of the two comma-separated lists. */
scp_status args_only(const struct args *a, const char *allowed, const char *also, scp_error *err);

/** Is `name` one of the comma-separated `list`? */
bool name_in(const char *list, const char *name);

#endif
