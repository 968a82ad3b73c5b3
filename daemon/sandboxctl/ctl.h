/* What the commands share: the parsed command line, the target, and how they print. */
#ifndef SANDBOXCTL_CTL_H
#define SANDBOXCTL_CTL_H

#include "args.h"
#include "target.h"

#define EXIT_ERROR 1
#define EXIT_USAGE 2
#define EXIT_TIMEOUT 124
#define EXIT_SIGNAL 128

struct ctl {
	struct args args;
	struct target *target;	 /* NULL for commands that need none */
	const char *const *word; /* what follows the command */
	size_t words;
};

#define FAILED (-1)
#define MISUSED (-2)

/** A command: returns the program's exit code, or fills err and returns FAILED, or MISUSED where the words are wrong.
 */
typedef int command_fn(struct ctl *ctl, scp_error *err);

struct command {
	const char *name; /* "session create": one or two words */
	const char *operands;
	const char *summary;
	const char *options; /* comma-separated names, besides those that all have */
	size_t min_words, max_words;
	bool no_target;
	command_fn *run;
};

command_fn cmd_run, cmd_exec, cmd_logs, cmd_cp, cmd_ps, cmd_doctor;
command_fn cmd_session_create, cmd_session_list, cmd_session_get, cmd_session_keepalive, cmd_session_delete;

/** Create a session from the command line; template_id NULL: --template or python-basic. */
scp_status make_session(
    struct ctl *ctl, struct answer *answer, uint32_t wait_ms, const char *template_id, scp_error *err);

/** Print an error with its hint on stderr. */
void print_error(const scp_error *err);

/** Print an answer's JSON and a line feed. -1 and err if stdout is broken. */
int print_json(const struct answer *a, scp_error *err);

/** A key: value block of an object's scalar members. */
int print_object(const scp__json *object, scp_error *err);

/* A table in columns as wide as they must be; cells are copied, cut at 80 bytes. */
struct table;
struct table *table_new(size_t columns, const char *const *heads);
void table_cell(struct table *t, const char *text); /* row by row, from the left */
int table_print(struct table *t, scp_error *err);   /* also frees it */
void table_free(struct table *t);

#endif
