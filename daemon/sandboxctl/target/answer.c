#include "target.h"

#include <string.h>

#include "err.h"

void answer_free(struct answer *a)
{
	scp__json_free(a->json);
	scp__buf_free(&a->text);
	a->json = NULL;
}

/* \u0000 → \ufffd; a backslash that is escaped itself starts nothing. */
static void replace_nul_escapes(char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '\\')
			continue;
		if (len - i >= 6 && !memcmp(text + i, "\\u0000", 6))
			memcpy(text + i, "\\ufffd", 6);
		i++;
	}
}

/* A return value may be 64 levels deep, and the answers that carry it add theirs. */
static const scp__json_bounds bounds = { .depth = SCP__JSON_DEPTH + 8 };

scp_status answer_parse(struct answer *a, const char *what, scp_error *err)
{
	if (a->text.status)
		return scp__fail(err, a->text.status, "%s: the answer is too long", what);
	if (!a->text.len)
		return scp__fail(err, SCP_EBACKEND, "%s: the answer is empty", what);
	scp__json_free(a->json);
	a->json = NULL;
	replace_nul_escapes(a->text.data, a->text.len);
	return scp__json_parse_within(&a->json, a->text.data, a->text.len, what, &bounds, err);
}

const char *answer_text(const scp__json *object, const char *key)
{
	const scp__json *v = object ? scp__json_get(object, key) : NULL;
	const char *text = v ? scp__json_string(v) : NULL;

	return text ? text : "";
}
