#include "image.h"

#include <stdbool.h>
#include <string.h>

#include "err.h"
#include "utf8.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

enum { PATH_LEN_MAX = 1024, NAME_LEN_MAX = 255, TAG_LEN_MAX = 128, DIGEST_LEN = 64, PORT_LEN_MAX = 5 };

/* ---- a part of the text, never NUL-terminated where it ends ---- */

typedef struct span {
	const char *at;
	size_t len;
} span;

static bool all_of(span s, const char *set)
{
	for (size_t i = 0; i < s.len; i++)
		if (!strchr(set, s.at[i]))
			return false;
	return s.len > 0;
}

static bool one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* What stands before the first `c` (all of it where there is none), taken off the front. */
static span take_to(span *rest, char c)
{
	const char *end = memchr(rest->at, c, rest->len);
	span head = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
	size_t used = head.len + (end ? 1 : 0);

	*rest = (span){ rest->at + used, rest->len - used };
	return head;
}

/* ---- a registry's reference ---- */

/* Words of [a-z0-9]+ with one of ".", "_", "__", "-…" between them. */
static bool is_component(span s)
{
	size_t i = 0, n;

	for (;;) {
		for (n = 0; i + n < s.len && one_of(s.at[i + n], LOWER DIGITS); n++)
			;
		i += n;
		if (!n || i == s.len)
			return n > 0;
		if (s.at[i] == '.') {
			i++;
		} else if (s.at[i] == '_') {
			i += i + 1 < s.len && s.at[i + 1] == '_' ? 2 : 1;
		} else if (s.at[i] == '-') {
			while (i < s.len && s.at[i] == '-')
				i++;
		} else {
			return false;
		}
	}
}

static bool is_label(span s)
{
	return all_of(s, LOWER UPPER DIGITS "-") && s.at[0] != '-' && s.at[s.len - 1] != '-';
}

/* "example.com", "[::1]", each with a port or without. */
static bool is_host(span s)
{
	span name, port;

	if (s.len && s.at[0] == '[') {
		if (!memchr(s.at, ']', s.len))
			return false;
		name = take_to(&s, ']');
		name = (span){ name.at + 1, name.len - 1 };
		if (!all_of(name, DIGITS "abcdefABCDEF:."))
			return false;
		return !s.len ||
		       (s.at[0] == ':' && s.len <= PORT_LEN_MAX + 1 && all_of((span){ s.at + 1, s.len - 1 }, DIGITS));
	}
	port = s;
	name = take_to(&port, ':');
	if (name.len != s.len && (port.len > PORT_LEN_MAX || !all_of(port, DIGITS)))
		return false;
	while (name.len) {
		size_t before = name.len;
		span label = take_to(&name, '.');

		if (!is_label(label) || (!name.len && label.len != before))
			return false;
	}
	return s.len > 0;
}

/* The first part is a host where it couldn't be a name: it has a dot or a port, or is "localhost". */
static bool looks_like_host(span first)
{
	return memchr(first.at, '.', first.len) || memchr(first.at, ':', first.len) ||
	       (first.len == 9 && !memcmp(first.at, "localhost", 9));
}

static bool is_name(span s)
{
	span rest = s, first = take_to(&rest, '/');

	if (!s.len || s.len > NAME_LEN_MAX || s.at[s.len - 1] == '/')
		return false;
	if (rest.len && looks_like_host(first)) {
		if (!is_host(first))
			return false;
		first = take_to(&rest, '/');
	}
	while (is_component(first)) {
		if (!rest.len)
			return true;
		first = take_to(&rest, '/');
	}
	return false;
}

static bool is_tag(span s)
{
	return s.len <= TAG_LEN_MAX && all_of(s, LOWER UPPER DIGITS "_.-") && !one_of(s.at[0], ".-");
}

/* Cut "@sha256:…" off; false: what stands there is none. */
static bool take_digest(span *s)
{
	const char *at = memchr(s->at, '@', s->len);
	span digest;

	if (!at)
		return true;
	digest = (span){ at + 1, s->len - (size_t)(at + 1 - s->at) };
	s->len = (size_t)(at - s->at);
	if (digest.len != 7 + DIGEST_LEN || memcmp(digest.at, "sha256:", 7) != 0)
		return false;
	return all_of((span){ digest.at + 7, DIGEST_LEN }, DIGITS "abcdef");
}

static bool is_reference(const char *image)
{
	span s = { image, strlen(image) };
	const char *colon, *slash;

	if (!take_digest(&s))
		return false;
	colon = memrchr(s.at, ':', s.len);
	slash = memrchr(s.at, '/', s.len);
	/* A colon before the last slash is a port's. */
	if (colon && (!slash || colon > slash)) {
		if (!is_tag((span){ colon + 1, s.len - (size_t)(colon + 1 - s.at) }))
			return false;
		s.len = (size_t)(colon - s.at);
	}
	return is_name(s);
}

/* ---- paths ---- */

static bool has_dots(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/.")); p++)
		if (!p[2] || p[2] == '/' || (p[2] == '.' && (!p[3] || p[3] == '/')))
			return true;
	return false;
}

static scp_status check_path(const char *field, const char *image, const char *path, scp_error *err)
{
	if (path[0] != '/' || !path[1])
		return scp__fail(
		    err, SCP_EINVAL, "%s: '%.200s' must have an absolute path behind %.4s", field, image, image);
	if (strlen(path) > PATH_LEN_MAX)
		return scp__fail(
		    err, SCP_EINVAL, "%s: its path has %zu bytes; allowed are %d", field, strlen(path), PATH_LEN_MAX);
	if (has_dots(path) || !scp__utf8_valid(path, strlen(path)) || !scp__text_printable(path))
		return scp__fail(err, SCP_EINVAL,
		    "%s: its path must be UTF-8 without \".\" or \"..\" parts and control characters", field);
	return SCP_OK;
}

scp_status scp__image_check(const char *field, const char *image, scp_error *err)
{
	if (!strcmp(image, "host:"))
		return SCP_OK;
	if (!strncmp(image, "dir:", 4) || !strncmp(image, "tar:", 4))
		return check_path(field, image, image + 4, err);
	/* "host:x" would be a reference too; it is meant for something that there isn't. */
	if (strncmp(image, "host:", 5) != 0 && is_reference(image))
		return SCP_OK;
	scp__fail(err, SCP_EINVAL, "%s: '%.200s' is none of host:, dir:/path, tar:/file, registry/name:tag@sha256:…",
	    field, image);
	scp__hint(err, "A registry's names are in lower case, and a digest is sha256: and 64 of [0-9a-f]");
	return SCP_EINVAL;
}
