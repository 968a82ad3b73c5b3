/* The table, and what reads it. */
#ifndef SCP_SANDBOXD_CONFIG_TABLE_H
#define SCP_SANDBOXD_CONFIG_TABLE_H

#include "config.h"

enum option_kind {
	OPTION_TEXT,
	OPTION_LIST,
	OPTION_CHOICE,
	OPTION_NUMBER,
	OPTION_SECONDS,
	OPTION_BYTES,
	OPTION_YES,   /* yes or no; as a flag, the flag alone */
	OPTION_SWITCH /* what to do instead of serving */
};

struct option_row {
	const char *name;	 /* --name; the file's key is the same */
	const char *environment; /* NULL: none */
	enum option_kind kind;
	size_t offset;
	const char *fallback; /* as text; NULL: none */
	uint64_t min, max;
	const char *choices; /* "json text" */
	const char *value;   /* what stands for it in the help; NULL: it takes none */
	const char *help;
	bool flag_only; /* not in a file */
};

extern const struct option_row option_rows[];
extern const size_t option_count;

const struct option_row *option_find(const char *name, size_t len);
/** Put one value in its place; lists grow. @param from  how errors name the option, "--listen" */
scp_status option_set(
    struct config *c, const struct option_row *row, const char *text, const char *from, scp_error *err);
/** Drop its value. */
void option_clear(struct config *c, const struct option_row *row);

#endif
