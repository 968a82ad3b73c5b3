#include "scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "keys.h"
#include "utf8.h"

struct scan {
	const unsigned char *text;
	size_t len;
	size_t at;
	unsigned depth;
	size_t values;
	const scp__json_bounds *bounds;
	struct scp__json_keys keys;
	struct scp__json_longs *longs;
	const char *what;
	scp_error *err;
};

static scp_status scan_value(struct scan *s);

static scp_status wrong(struct scan *s, size_t at, const char *problem)
{
	return scp__fail(s->err, SCP_EINVAL, "%s: not JSON at byte %zu: %s", s->what, at, problem);
}

/* -1 at the end. */
static int peek(const struct scan *s)
{
	return s->at < s->len ? s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
{
	while (s->at < s->len && s->text[s->at] && strchr(" \t\r\n", s->text[s->at]))
		s->at++;
}

static bool take(struct scan *s, int c)
{
	if (peek(s) != c)
		return false;
	s->at++;
	return true;
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits behind \u; -1: they aren't. */
static int scan_hex(struct scan *s)
{
	int value = 0, digit;

	for (int i = 0; i < 4; i++) {
		digit = s->at < s->len ? hex_digit(s->text[s->at]) : -1;
		if (digit < 0)
			return -1;
		value = value * 16 + digit;
		s->at++;
	}
	return value;
}

static scp_status scan_unicode(struct scan *s)
{
	size_t start = s->at - 2;
	int unit = scan_hex(s);
	int low;

	if (unit < 0)
		return wrong(s, start, "\\u needs four hexadecimal digits");
	if (!unit)
		return wrong(s, start, "\\u0000 is not allowed");
	if (unit < 0xd800 || unit > 0xdfff)
		return SCP_OK;
	low = unit < 0xdc00 && take(s, '\\') && take(s, 'u') ? scan_hex(s) : -1;
	if (low < 0xdc00 || low > 0xdfff)
		return wrong(s, start, "half of a surrogate pair");
	return SCP_OK;
}

static scp_status scan_escape(struct scan *s)
{
	int c = peek(s);

	if (c <= 0 || !strchr("\"\\/bfnrtu", c))
		return wrong(s, s->at - 1, "unknown escape");
	s->at++;
	return c == 'u' ? scan_unicode(s) : SCP_OK;
}

static scp_status scan_string(struct scan *s)
{
	scp_status rc = SCP_OK;
	size_t start = s->at;
	int c;

	if (!take(s, '"'))
		return wrong(s, s->at, "a string is expected");
	while (!rc) {
		c = peek(s);
		if (c < 0)
			return wrong(s, start, "a string without an end");
		if (c < 0x20)
			return wrong(s, s->at, "a control character in a string");
		s->at++;
		if (c == '"')
			break;
		if (c == '\\')
			rc = scan_escape(s);
	}
	return rc;
}

/* At least one digit. */
static bool take_digits(struct scan *s)
{
	size_t start = s->at;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->at++;
	return s->at > start;
}

static bool take_number(struct scan *s)
{
	take(s, '-');
	if (!take(s, '0') && !take_digits(s))
		return false;
	if (take(s, '.') && !take_digits(s))
		return false;
	if (!take(s, 'e') && !take(s, 'E'))
		return true;
	if (!take(s, '+'))
		take(s, '-');
	return take_digits(s);
}

#define SURE_DIGITS 15 /* as many are a double of their own, whichever they are */

/* A fraction is a double wherever it goes; an integer may be an id that nobody calculates with. */
static scp_status note_long(struct scan *s, size_t start)
{
	struct scp__json_longs *l = s->longs;
	size_t len = s->at - start, capacity;
	void *grown;

	if (!l || len <= SURE_DIGITS || memchr(s->text + start, '.', len) || memchr(s->text + start, 'e', len) ||
	    memchr(s->text + start, 'E', len))
		return SCP_OK;
	if (l->count == l->capacity) {
		capacity = l->capacity ? 2 * l->capacity : 16;
		grown = realloc(l->list, capacity * sizeof(*l->list));
		if (!grown)
			return scp__nomem(s->err);
		l->list = grown;
		l->capacity = capacity;
	}
	l->list[l->count++] = (struct scp__json_long){ s->values - 1, start, len };
	return SCP_OK;
}

static scp_status scan_number(struct scan *s)
{
	char number[SCP__JSON_NUMBER_BYTES + 1];
	size_t start = s->at;

	if (!take_number(s) || (peek(s) >= '0' && peek(s) <= '9'))
		return wrong(s, start, "a malformed number");
	if (s->at - start > SCP__JSON_NUMBER_BYTES)
		return wrong(s, start, "a number of more than 63 characters");
	memcpy(number, s->text + start, s->at - start);
	number[s->at - start] = '\0';
	if (!isfinite(strtod(number, NULL)))
		return wrong(s, start, "a number too large for a double");
	return note_long(s, start);
}

static scp_status scan_word(struct scan *s)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t len;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		len = strlen(words[i]);
		if (s->len - s->at >= len && !memcmp(s->text + s->at, words[i], len)) {
			s->at += len;
			return SCP_OK;
		}
	}
	return wrong(s, s->at, s->at < s->len ? "a value is expected" : "the text ends where a value is expected");
}

static scp_status scan_array(struct scan *s)
{
	scp_status rc;

	s->at++;
	skip_space(s);
	if (take(s, ']'))
		return SCP_OK;
	do {
		rc = scan_value(s);
		if (rc)
			return rc;
	} while (take(s, ','));
	return take(s, ']') ? SCP_OK : wrong(s, s->at, "\",\" or \"]\" is expected");
}

static scp_status scan_member(struct scan *s)
{
	size_t start;
	scp_status rc;

	skip_space(s);
	start = s->at;
	rc = scan_string(s);
	if (rc)
		return rc;
	if (!scp__json_keys_add(&s->keys, start + 1, s->at - start - 2))
		return scp__nomem(s->err);
	skip_space(s);
	if (!take(s, ':'))
		return wrong(s, s->at, "\":\" is expected");
	return scan_value(s);
}

static scp_status end_object(struct scan *s, size_t first_key)
{
	size_t at, len;

	if (!take(s, '}'))
		return wrong(s, s->at, "\",\" or \"}\" is expected");
	if (!scp__json_keys_twin(&s->keys, first_key, &at, &len))
		return SCP_OK;
	return scp__fail(s->err, SCP_EINVAL, "%s: key \"%.*s\" is there twice, again at byte %zu", s->what,
	    (int)(len < 64 ? len : 64), (const char *)s->text + at, at);
}

static scp_status scan_object(struct scan *s)
{
	size_t first_key = s->keys.count;
	scp_status rc;

	s->at++;
	skip_space(s);
	if (take(s, '}'))
		return SCP_OK;
	do {
		rc = scan_member(s);
		if (rc)
			return rc;
	} while (take(s, ','));
	return end_object(s, first_key);
}

static scp_status scan_container(struct scan *s)
{
	scp_status rc;

	if (s->depth == s->bounds->depth)
		return scp__fail(
		    s->err, SCP_EINVAL, "%s: deeper than %u levels at byte %zu", s->what, s->bounds->depth, s->at);
	s->depth++;
	rc = peek(s) == '{' ? scan_object(s) : scan_array(s);
	s->depth--;
	return rc;
}

/* A value and the space around it. Recursion ends at SCP__JSON_DEPTH_MAX. */
static scp_status scan_value(struct scan *s)
{
	scp_status rc;
	int c;

	skip_space(s);
	c = peek(s);
	if (s->values++ == s->bounds->values && s->bounds->values)
		return scp__fail(s->err, SCP_EINVAL, "%s: more than %zu values", s->what, s->bounds->values);
	if (c == '{' || c == '[')
		rc = scan_container(s);
	else if (c == '"')
		rc = scan_string(s);
	else if (c == '-' || (c >= '0' && c <= '9'))
		rc = scan_number(s);
	else
		rc = scan_word(s);
	skip_space(s);
	return rc;
}

scp_status scp__json_scan(const char *text, size_t len, const char *what, const scp__json_bounds *bounds,
    struct scp__json_longs *longs, scp_error *err)
{
	struct scan s = { .text = (const unsigned char *)text, .len = len, .what = what, .err = err };
	size_t good = scp__utf8_valid_prefix(text, len);
	scp_status rc;

	if (good < len)
		return wrong(&s, good, "no valid UTF-8");
	s.keys.text = s.text;
	s.bounds = bounds;
	s.longs = longs;
	rc = scan_value(&s);
	if (!rc && s.at < len)
		rc = wrong(&s, s.at, "something stands behind the value");
	scp__json_keys_free(&s.keys);
	return rc;
}
