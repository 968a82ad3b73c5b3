/* How each language's code is started, and which of them this image has. */
#ifndef EXECUTOR_LANGUAGE_H
#define EXECUTOR_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "channel.h"

#define CODE_PATH "/usr/local/bin:/usr/bin:/bin"
#define COMMAND_PATHS_MAX 6u

#define DIRECT_TEXT_MAX 256u
#define DIRECT_WORDS_MAX 16u

struct command_line {
	char *argv[8];
	char *direct[DIRECT_WORDS_MAX + 1]; /* tried before: code that is one plain command; direct[0] NULL: it isn't */
	char direct_text[DIRECT_TEXT_MAX];
	unsigned path_count;
	char paths[COMMAND_PATHS_MAX][48]; /* where the program may be, best first */
};

const char *language_name(enum language language);
/** False: there is none of that name. */
bool language_from_name(const char *name, size_t len, enum language *out);
/** The program that an image needs for it: "python3". */
const char *language_program(enum language language);
/** Whether the image has it now. */
bool language_there(enum language language);
/** Whether code and event come by a descriptor (JOB_INPUT); else the code is an argument. */
bool language_takes_input(enum language language);
/** `code` is borrowed by *out; only used where the language takes no input. */
void language_command_line(enum language language, const char *code, struct command_line *out);

#endif
