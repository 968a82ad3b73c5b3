/* Percent-encoding and query strings. */
#include <string.h>

#include "internal.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One character of `in` at *i; -1: a bad escape or NUL. */
static int unescape_one(const char *in, size_t len, size_t *i, bool plus)
{
	int high, low;

	if (in[*i] == '+' && plus)
		return ' ';
	if (in[*i] != '%')
		return (unsigned char)in[*i];
	if (*i + 2 >= len)
		return -1;
	high = hex(in[*i + 1]);
	low = hex(in[*i + 2]);
	*i += 2;
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -1;
	return high * 16 + low;
}

ssize_t http__unescape(const char *in, size_t len, bool plus, char *out, size_t out_size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = unescape_one(in, len, &i, plus);

		if (c < 0 || n + 1 >= out_size)
			return -1;
		out[n++] = (char)c;
	}
	if (n >= out_size)
		return -1;
	out[n] = '\0';
	return (ssize_t)n;
}

/* Whether the raw name of a pair stands for `name`. */
static bool named(const char *raw, size_t len, const char *name)
{
	size_t want = strlen(name), n = 0;

	for (size_t i = 0; i < len; i++, n++) {
		int c = unescape_one(raw, len, &i, true);

		if (n >= want || c != (unsigned char)name[n])
			return false;
	}
	return n == want;
}

int http_query_get(const char *raw_query, const char *name, char *out, size_t out_size)
{
	const char *at = raw_query;

	while (*at) {
		size_t len = strcspn(at, "&");
		const char *equals = memchr(at, '=', len);
		size_t name_len = equals ? (size_t)(equals - at) : len;

		if (named(at, name_len, name)) {
			const char *value = equals ? equals + 1 : at + len;

			return http__unescape(value, (size_t)(at + len - value), true, out, out_size) < 0 ? -1 : 1;
		}
		at += len;
		at += *at == '&';
	}
	return 0;
}

int http_query_next(const char **raw_query, char *name, size_t name_size, char *value, size_t value_size)
{
	const char *at = *raw_query + strspn(*raw_query, "&");
	size_t len = strcspn(at, "&");
	const char *equals = memchr(at, '=', len);
	size_t name_len = equals ? (size_t)(equals - at) : len;
	const char *rest = equals ? equals + 1 : at + len;

	*raw_query = at + len;
	if (!len)
		return 0;
	if (http__unescape(at, name_len, true, name, name_size) < 0 ||
	    http__unescape(rest, (size_t)(at + len - rest), true, value, value_size) < 0)
		return -1;
	return 1;
}
