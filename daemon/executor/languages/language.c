#include "language.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wrappers.h"

static const char *const directories[] = { "/usr/local/bin", "/usr/bin", "/bin" };

static const struct {
	const char *name;
	const char *programs[3]; /* best first */
	const char *options[5];	 /* before the wrapper or the code */
	const char *wrapper;	 /* NULL: the code itself is the argument */
} languages[] = {
	/* -I: the wrapper's own imports come from the image, whatever lies in the workspace or the environment */
	[LANGUAGE_PYTHON] = { "python", { "python3" }, { "-I", "-X", "utf8", "-c" }, wrapper_python },
	[LANGUAGE_JAVASCRIPT] = { "javascript", { "node" }, { "-e" }, wrapper_javascript },
	[LANGUAGE_SHELL] = { "shell", { "bash", "sh" }, { "-c" }, NULL },
};
_Static_assert(sizeof(languages) / sizeof(languages[0]) == LANGUAGE_COUNT, "every language has a row");
_Static_assert(sizeof(directories) / sizeof(directories[0]) * 2 <= COMMAND_PATHS_MAX, "every candidate has a place");

const char *language_name(enum language language)
{
	return languages[language].name;
}

const char *language_program(enum language language)
{
	return language == LANGUAGE_SHELL ? "sh" : languages[language].programs[0];
}

bool language_from_name(const char *name, size_t len, enum language *out)
{
	for (unsigned i = 0; i < LANGUAGE_COUNT; i++) {
		if (strlen(languages[i].name) == len && !memcmp(languages[i].name, name, len)) {
			*out = (enum language)i;
			return true;
		}
	}
	return false;
}

bool language_takes_input(enum language language)
{
	return languages[language].wrapper != NULL;
}

bool language_there(enum language language)
{
	struct command_line line;

	language_command_line(language, "", &line);
	for (unsigned i = 0; i < line.path_count; i++)
		if (!access(line.paths[i], X_OK))
			return true;
	return false;
}

static void add_paths(struct command_line *out, const char *program)
{
	for (unsigned i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		(void)snprintf(out->paths[out->path_count++], sizeof(out->paths[0]), "%s/%s", directories[i], program);
}

/* exec takes its arguments as writable strings, and never writes to them. */
static char *argument(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { .in = text };

	return u.out;
}

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("/._-+:,@%", c));
}

/*
 * Shell code that is one program's path and plain words means what exec means: a shell would only be in its way, and
 * takes longer to start than most such programs run. Where exec fails a shell gets it all the same, to say why.
 */
static void find_direct(const char *code, struct command_line *out)
{
	size_t len = strlen(code);
	unsigned words = 0;

	out->direct[0] = NULL;
	while (len && code[len - 1] == '\n')
		len--;
	if (code[0] != '/' || len >= sizeof(out->direct_text))
		return;
	for (size_t i = 0; i < len; i++) {
		if (!plain(code[i]) && code[i] != ' ')
			return;
		words += code[i] != ' ' && (i == 0 || code[i - 1] == ' ');
		out->direct_text[i] = code[i] == ' ' ? '\0' : code[i];
	}
	if (words > DIRECT_WORDS_MAX)
		return;
	out->direct_text[len] = '\0';
	words = 0;
	for (size_t i = 0; i < len; i++)
		if (code[i] != ' ' && (i == 0 || code[i - 1] == ' '))
			out->direct[words++] = out->direct_text + i;
	out->direct[words] = NULL;
}

void language_command_line(enum language language, const char *code, struct command_line *out)
{
	unsigned n = 0;

	out->path_count = 0;
	out->direct[0] = NULL;
	if (!languages[language].wrapper)
		find_direct(code, out);
	for (unsigned i = 0; i < 3 && languages[language].programs[i]; i++)
		add_paths(out, languages[language].programs[i]);
	out->argv[n++] = argument(languages[language].programs[0]);
	for (unsigned i = 0; i < 5 && languages[language].options[i]; i++)
		out->argv[n++] = argument(languages[language].options[i]);
	out->argv[n++] = argument(languages[language].wrapper ? languages[language].wrapper : code);
	out->argv[n] = NULL;
}
