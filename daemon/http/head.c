/*
 * A request's head. http_parser reads it; before that, every line is checked for what http_parser lets through: bare
 * LF, folded lines, blanks before a colon, control characters, versions that aren't 1.0 or 1.1, twins of Host.
 */
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "internal.h"

#define METHOD_MAX 24

ssize_t http__head_find(const char *data, size_t len, size_t *scanned)
{
	size_t i = *scanned;

	for (;;) {
		const char *lf = memchr(data + i, '\n', len - i);
		size_t at = lf ? (size_t)(lf - data) : len;

		if (!lf)
			break;
		if (at == 0 || data[at - 1] != '\r')
			return -1;
		i = at + 1;
		*scanned = i;
		if (at >= 3 && data[at - 2] == '\n')
			return (ssize_t)i;
	}
	*scanned = len;
	return 0;
}

/* RFC 9110's token characters, a bit each, 32 to a word. */
static bool is_token(unsigned char c)
{
	static const uint32_t bits[4] = { 0, 0x03ff6cfau, 0xc7fffffeu, 0x57ffffffu };

	return c < 128 && (bits[c / 32] >> (c % 32) & 1u);
}

static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int bad(const char **why, int status, const char *what)
{
	*why = what;
	return status;
}

/* One "name: value" from `at` to `end` (its CR). */
static int parse_field(struct http__head *h, size_t at, size_t end, const char **why)
{
	char *t = h->text;
	size_t colon = at, value, last = end;

	while (colon < end && is_token((unsigned char)t[colon]))
		colon++;
	if (is_blank(t[at]))
		return bad(why, 400, "folded header lines are not allowed");
	if (colon == end || t[colon] != ':' || colon == at)
		return bad(why, 400, "a header's name is malformed");
	for (value = colon + 1; value < end; value++)
		if (!is_text((unsigned char)t[value]))
			return bad(why, 400, "a header's value holds a control character");
	for (value = colon + 1; value < end && is_blank(t[value]);)
		value++;
	while (last > value && is_blank(t[last - 1]))
		last--;
	if (h->field_count == HTTP__MAX_FIELDS)
		return bad(why, 431, "more than 100 headers");
	t[colon] = '\0';
	t[last] = '\0';
	h->fields[h->field_count++] = (struct http__field){ (uint16_t)at, (uint16_t)value };
	return 0;
}

/* All lines after the first; `at` is the start of the second. */
static int parse_fields(struct http__head *h, size_t at, size_t len, const char **why)
{
	while (at + 2 < len) {
		const char *cr = memchr(h->text + at, '\r', len - at);
		size_t end = (size_t)(cr - h->text);
		int status;

		if (h->text[end + 1] != '\n')
			return bad(why, 400, "a bare CR in a header");
		status = parse_field(h, at, end, why);
		if (status)
			return status;
		at = end + 2;
	}
	return 0;
}

/* The request line: exactly one blank between method, target and version. `end` is its CR. */
static int parse_line(struct http__head *h, size_t end, const char **why)
{
	char *t = h->text;
	char *first = memchr(t, ' ', end);
	size_t target = first ? (size_t)(first - t) + 1 : 0;
	char *second = first ? memchr(t + target, ' ', end - target) : NULL;
	size_t version = second ? (size_t)(second - t) + 1 : 0;

	if (!second || end - version != 8 || memcmp(t + version, "HTTP/1.", 7) != 0)
		return bad(why, 400, "the request line is not 'METHOD target HTTP/1.1'");
	if (t[version + 7] != '0' && t[version + 7] != '1')
		return bad(why, 400, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	h->http_1_0 = t[version + 7] == '0';
	for (size_t i = target; i + 1 < version; i++)
		if ((unsigned char)t[i] <= ' ' || t[i] == 0x7f || t[i] == '#')
			return bad(why, 400, "the request target holds a character that must be escaped");
	h->method = 0;
	h->path = (uint16_t)target;
	*first = '\0';
	*second = '\0';
	h->query = (uint16_t)(second - t);
	return 0;
}

/* "http://host/path" is what proxies are sent; what matters here begins at the path. */
static int strip_authority(struct http__head *h, const char **why)
{
	struct http_parser_url url;
	char *target = h->text + h->path;

	if (*target == '/' || strcmp(target, "*") == 0)
		return 0;
	http_parser_url_init(&url);
	if (strcmp(h->text + h->method, "CONNECT") == 0 || http_parser_parse_url(target, strlen(target), 0, &url) ||
	    !(url.field_set & 1u << UF_HOST) || !(url.field_set & 1u << UF_PATH))
		return bad(why, 400, "the request target must begin with '/'");
	h->path = (uint16_t)(h->path + url.field_data[UF_PATH].off);
	return 0;
}

/* Apart the query, and decode the path where it needs it. */
static int split_target(struct http__head *h, const char **why)
{
	char *mark;
	size_t len;

	if (strip_authority(h, why))
		return 400;
	mark = strchr(h->text + h->path, '?');
	if (mark) {
		*mark = '\0';
		h->query = (uint16_t)(mark + 1 - h->text);
	}
	if (!strchr(h->text + h->path, '%'))
		return 0;
	len = strlen(h->text + h->path);
	h->decoded = malloc(len + 1);
	if (!h->decoded)
		return bad(why, 500, "no memory");
	if (http__unescape(h->text + h->path, len, false, h->decoded, len + 1) < 0)
		return bad(why, 400, "the path holds a malformed escape or %00");
	return 0;
}

static const char *find(const struct http__head *h, const char *name, unsigned *count)
{
	const char *value = NULL;

	*count = 0;
	for (unsigned i = 0; i < h->field_count; i++)
		if (strcasecmp(h->text + h->fields[i].name, name) == 0 && (*count)++ == 0)
			value = h->text + h->fields[i].value;
	return value;
}

static int check_length(struct http__head *h, const char **why)
{
	unsigned count;
	const char *value = find(h, "Content-Length", &count);
	size_t digits = value ? strspn(value, "0123456789") : 0;

	if (count > 1)
		return bad(why, 400, "more than one Content-Length");
	if (value && (h->chunked || !digits || digits > 18 || value[digits]))
		return bad(
		    why, 400, h->chunked ? "both Content-Length and Transfer-Encoding" : "Content-Length is malformed");
	h->length = value ? strtoull(value, NULL, 10) : 0;
	return 0;
}

static int check_coding(struct http__head *h, const char **why)
{
	unsigned count;
	const char *value = find(h, "Transfer-Encoding", &count);

	if (!value)
		return 0;
	if (count > 1 || strcasecmp(value, "chunked") != 0 || h->http_1_0)
		return bad(why, 400, "Transfer-Encoding can only be 'chunked', once, in HTTP/1.1");
	h->chunked = true;
	return 0;
}

static int check_host(const struct http__head *h, const char **why)
{
	unsigned count;
	const char *value = find(h, "Host", &count);

	if (count > 1 || (!count && !h->http_1_0))
		return bad(why, 400, count ? "more than one Host" : "Host is missing");
	if (value && value[strcspn(value, " \t,/@?#")])
		return bad(why, 400, "Host is malformed");
	return 0;
}

static int check_expect(struct http__head *h, const char **why)
{
	unsigned count;
	const char *value = find(h, "Expect", &count);

	if (!value || h->http_1_0)
		return 0;
	if (strcasecmp(value, "100-continue") != 0)
		return bad(why, 417, "the only expectation met here is 100-continue");
	h->expects_continue = true;
	return 0;
}

static int headers_complete(http_parser *p)
{
	struct http__head *h = p->data;

	h->keep_alive = http_should_keep_alive(p) != 0;
	return 1; /* no body: that isn't read by http_parser */
}

/* A method that the parser doesn't know: whether it is possible is the application's to say, the rest is judged alike.
 */
static size_t run_as_get(http_parser *p, const http_parser_settings *settings, const char *text, size_t len)
{
	size_t method = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
	void *data = p->data;

	if (!method || method > METHOD_MAX || text[method] != ' ')
		return 0;
	http_parser_init(p, HTTP_REQUEST);
	p->data = data;
	(void)http_parser_execute(p, settings, "GET", 3);
	return method + http_parser_execute(p, settings, text + method, len - method);
}

static int run_parser(struct http__head *h, const char *text, size_t len, const char **why)
{
	static const http_parser_settings settings = { .on_headers_complete = headers_complete };
	http_parser p;
	size_t used;

	http_parser_init(&p, HTTP_REQUEST);
	p.data = h;
	used = http_parser_execute(&p, &settings, text, len);
	if (HTTP_PARSER_ERRNO(&p) == HPE_INVALID_METHOD)
		used = run_as_get(&p, &settings, text, len);
	if (HTTP_PARSER_ERRNO(&p) != HPE_OK || (used != len && !p.upgrade))
		return bad(why, 400, http_errno_description(HTTP_PARSER_ERRNO(&p)));
	h->is_head = p.method == HTTP_HEAD;
	return 0;
}

int http__head_parse(struct http__head *h, char *text, size_t len, const char **why)
{
	const char *cr = memchr(text, '\r', len);
	size_t end = (size_t)(cr - text);
	int status;

	h->text = text;
	if (text[end + 1] != '\n')
		return bad(why, 400, "a bare CR in the request line");
	status = run_parser(h, text, len, why);
	if (!status)
		status = parse_line(h, end, why);
	if (!status)
		status = parse_fields(h, end + 2, len, why);
	if (!status)
		status = split_target(h, why);
	if (!status)
		status = check_coding(h, why);
	if (!status)
		status = check_length(h, why);
	if (!status)
		status = check_host(h, why);
	return status ? status : check_expect(h, why);
}
