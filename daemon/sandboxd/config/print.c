/* The table as help, and as a commented configuration file. */
#include <string.h>

#include "table.h"

/* Text in lines of at most `width`, each behind `indent`. */
static void wrap(FILE *out, const char *text, const char *indent, size_t width)
{
	while (*text) {
		size_t len = strlen(text);

		if (len > width) {
			for (len = width; len && text[len] != ' ';)
				len--;
			len = len ? len : width;
		}
		(void)fprintf(out, "%s%.*s\n", indent, (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

void config_help(FILE *out)
{
	(void)fprintf(out, "Usage: sandboxd [OPTION]...\n\nServes libsandboxcp's REST API.\n");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];

		(void)fprintf(out, "\n  --%s%s%s\n", row->name, row->value ? " " : "", row->value ? row->value : "");
		wrap(out, row->help, "        ", 96);
		if (row->max && row->value)
			(void)fprintf(out, "        from %llu to %llu\n", (unsigned long long)row->min,
			    (unsigned long long)row->max);
		if (row->choices)
			(void)fprintf(out, "        one of: %s\n", row->choices);
		if (row->fallback)
			(void)fprintf(out, "        default: %s\n", row->fallback);
		if (row->environment)
			(void)fprintf(out, "        environment: %s\n", row->environment);
	}
	(void)fprintf(out, "\nA flag wins over the environment, that over the file. SIGTERM ends, SIGHUP reads tokens "
			   "and reopens the log.\n");
}

static const void *place(const struct config *c, const struct option_row *row)
{
	return (const char *)c + row->offset;
}

static void print_number(const struct option_row *row, uint64_t value, FILE *out)
{
	const char *unit = "";

	if (row->kind == OPTION_BYTES && value && value % (1 << 20) == 0) {
		unit = "Mi";
		value >>= 20;
	} else if (row->kind == OPTION_SECONDS) {
		unit = "s";
	}
	(void)fprintf(out, "%s = %llu%s\n", row->name, (unsigned long long)value, unit);
}

static void print_value(const struct config *c, const struct option_row *row, FILE *out)
{
	const struct strings *list = place(c, row);
	const char *const *text = place(c, row);

	if (row->kind == OPTION_LIST) {
		for (size_t i = 0; i < list->count; i++)
			(void)fprintf(out, "%s = %s\n", row->name, list->list[i]);
		if (!list->count)
			(void)fprintf(out, "#%s = \n", row->name);
	} else if (row->kind == OPTION_TEXT || row->kind == OPTION_CHOICE) {
		(void)fprintf(out, "%s%s = %s\n", *text ? "" : "#", row->name, *text ? *text : "");
	} else if (row->kind == OPTION_YES) {
		(void)fprintf(out, "%s = %s\n", row->name, *(const bool *)place(c, row) ? "yes" : "no");
	} else {
		print_number(row, *(const uint64_t *)place(c, row), out);
	}
}

void config_print(const struct config *c, FILE *out)
{
	(void)fprintf(out, "# sandboxd's configuration: name = value. What stands behind a # is not set.\n");
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->flag_only)
			continue;
		(void)fprintf(out, "\n");
		wrap(out, row->help, "# ", 100);
		if (row->choices)
			(void)fprintf(out, "# one of: %s\n", row->choices);
		if (row->fallback)
			(void)fprintf(out, "# default: %s\n", row->fallback);
		print_value(c, row, out);
	}
}
