/* A part's head: Content-Disposition with its parameters, Content-Type. */
#include "multipart_head.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* A quoted string at `at`, behind its quote. Backslash takes the quote and itself alone, as browsers' file names do. */
static const char *read_quoted(const char *at, char *out, size_t size, size_t *len)
{
	while (*at && *at != '"') {
		if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
			at++;
		if (*len + 1 >= size)
			return NULL;
		out[(*len)++] = *at++;
	}
	return *at == '"' ? at + 1 : NULL;
}

static const char *read_plain(const char *at, char *out, size_t size, size_t *len)
{
	size_t n = strcspn(at, "; \t\"");

	if (n + 1 > size)
		return NULL;
	memcpy(out, at, n);
	*len = n;
	return at + n;
}

/* Browsers send a quote in a name as %22, and line ends as %0D %0A: only the quote is undone. */
static void undo_percent(char *s)
{
	char *at;

	while ((at = strstr(s, "%22"))) {
		*at = '"';
		memmove(at + 1, at + 3, strlen(at + 3) + 1);
		s = at + 1;
	}
}

/* The value behind '='. Returns what follows it, or NULL. */
static const char *read_value(const char *at, char *out, size_t size)
{
	size_t len = 0;

	at = *at == '"' ? read_quoted(at + 1, out, size, &len) : read_plain(at, out, size, &len);
	if (!at)
		return NULL;
	out[len] = '\0';
	at = skip_blanks(at);
	return *at == ';' || !*at ? at : NULL;
}

/* One "name=value" behind a ';'. Returns what follows it, or NULL. */
static const char *read_param(const char *at, const char *name, char *out, size_t out_size, int *found)
{
	char other[1024];
	const char *key = skip_blanks(at + 1);
	size_t len = strcspn(key, "=; \t");
	int ours = len == strlen(name) && strncasecmp(key, name, len) == 0;

	if (!*key)
		return key;
	if (key[len] != '=' || (ours && *found))
		return NULL;
	*found |= ours;
	return read_value(key + len + 1, ours ? out : other, ours ? out_size : sizeof(other));
}

int multipart__param(const char *value, const char *name, char *out, size_t out_size)
{
	const char *at = strchr(value, ';');
	int found = 0;

	while (at && *at)
		at = read_param(at, name, out, out_size, &found);
	return value[strcspn(value, ";")] && !at ? -1 : found;
}

/* `form-data; name="…"; filename="…"`: both are written over the value, which is longer than the two together. */
static const char *parse_disposition(char *value, multipart_part *part)
{
	char name[1024], filename[1024];
	size_t kind = strcspn(value, "; \t");
	int has_name = multipart__param(value, "name", name, sizeof(name));
	int has_filename = multipart__param(value, "filename", filename, sizeof(filename));

	if (kind != 9 || strncasecmp(value, "form-data", 9) != 0 || has_name != 1 || has_filename < 0)
		return "a part's Content-Disposition must be form-data with a name";
	undo_percent(name);
	strcpy(value, name);
	part->name = value;
	if (has_filename) {
		undo_percent(filename);
		value += strlen(value) + 1;
		strcpy(value, filename);
		part->filename = value;
	}
	return NULL;
}

static const char *parse_field(char *line, multipart_part *part)
{
	char *colon = strchr(line, ':');
	size_t name_len = colon ? (size_t)(colon - line) : 0;
	char *value;

	if (!name_len || strcspn(line, " \t") < name_len)
		return "a part's header is malformed";
	value = colon + 1 + strspn(colon + 1, " \t");
	for (const char *c = value; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return "a part's header holds a control character";
	if (name_len == 19 && strncasecmp(line, "Content-Disposition", 19) == 0)
		return part->name ? "a part has two Content-Dispositions" : parse_disposition(value, part);
	if (name_len == 12 && strncasecmp(line, "Content-Type", 12) == 0)
		part->content_type = value;
	/* nobody undoes base64 here: better to say so than to store it as the file */
	if (name_len == 25 && strncasecmp(line, "Content-Transfer-Encoding", 25) == 0 &&
	    strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 && strcasecmp(value, "7bit") != 0)
		return "a part's Content-Transfer-Encoding is not supported";
	return NULL;
}

const char *multipart__head_parse(char *head, size_t len, multipart_part *part)
{
	char *end = head + len;

	if (memchr(head, '\0', len))
		return "a part's header holds a control character";
	while (end - head > 2) {
		char *cr = memchr(head, '\r', (size_t)(end - head));
		const char *why;

		*cr = '\0';
		why = parse_field(head, part);
		if (why)
			return why;
		head = cr + 2;
	}
	return part->name ? NULL : "a part has no Content-Disposition";
}
