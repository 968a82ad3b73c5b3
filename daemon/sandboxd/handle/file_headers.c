#include "file_headers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Entity tags travel in quotes; the library's may have none. */
static void quote(const char *etag, char *out, size_t size)
{
	bool quoted = etag[0] == '"' || strncmp(etag, "W/", 2) == 0;

	(void)snprintf(out, size, quoted ? "%s" : "\"%s\"", etag);
}

bool etag_same(const char *a, const char *b)
{
	char quoted[160];

	if (!b)
		return false;
	quote(b, quoted, sizeof(quoted));
	return strncmp(a, "W/", 2) != 0 && strcmp(a, quoted) == 0;
}

bool etag_matches(const char *list, const char *etag)
{
	char quoted[160];
	const char *opaque = quoted;
	size_t len;

	if (!etag)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	quote(etag, quoted, sizeof(quoted));
	opaque += strncmp(opaque, "W/", 2) == 0 ? 2 : 0;
	len = strlen(opaque);
	while (*list) {
		list += strspn(list, " \t,");
		list += strncmp(list, "W/", 2) == 0 ? 2 : 0;
		if (strncmp(list, opaque, len) == 0 && strchr(", \t", list[len]))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

static bool number(const char **at, uint64_t *out)
{
	size_t digits = strspn(*at, "0123456789");

	if (!digits || digits > 18)
		return false;
	*out = strtoull(*at, NULL, 10);
	*at += digits;
	return true;
}

/* "-n": the last n bytes. */
static enum range_kind parse_suffix(const char *at, uint64_t size, scp_range *out)
{
	uint64_t n;

	if (!number(&at, &n) || *at)
		return RANGE_NONE;
	n = n < size ? n : size;
	if (!n)
		return RANGE_BAD;
	*out = (scp_range){ size - n, n };
	return RANGE_ONE;
}

enum range_kind range_parse(const char *header, uint64_t size, scp_range *out)
{
	uint64_t first, last = UINT64_MAX;
	const char *at = header + 6;

	if (strncasecmp(header, "bytes=", 6) != 0)
		return RANGE_NONE;
	if (*at == '-')
		return parse_suffix(at + 1, size, out);
	if (!number(&at, &first) || *at++ != '-')
		return RANGE_NONE;
	if (*at && (!number(&at, &last) || *at || last < first))
		return RANGE_NONE;
	if (first >= size)
		return RANGE_BAD;
	last = last < size ? last : size - 1;
	*out = (scp_range){ first, last - first + 1 };
	return RANGE_ONE;
}

static bool is_plain(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$&+-.^_`|~", c));
}

/* RFC 6266: a name that any client can read, and the true one with every doubtful byte escaped. */
static void write_disposition(char *out, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = (size_t)snprintf(out, size, "Content-Disposition: attachment; filename=\"");

	for (const char *c = name; *c && n + 8 < size; c++)
		out[n++] = is_plain((unsigned char)*c) || *c == ' ' ? *c : '_';
	n += (size_t)snprintf(out + n, size - n, "\"; filename*=UTF-8''");
	for (const char *c = name; *c && n + 4 < size; c++) {
		if (is_plain((unsigned char)*c))
			out[n++] = *c;
		else
			n += (size_t)snprintf(out + n, size - n, "%%%02X", (unsigned)(unsigned char)*c);
	}
	out[n] = '\0';
}

void file_headers_fill(struct file_headers *h, const scp_file *file, const scp_range *range, const char *request_id)
{
	char etag[150];
	size_t n = 0;

	(void)snprintf(h->type, sizeof(h->type), "Content-Type: %.150s",
	    file->mime_type ? file->mime_type : "application/octet-stream");
	write_disposition(h->disposition, sizeof(h->disposition), file->path);
	h->list[n++] = h->type;
	h->list[n++] = h->disposition;
	h->list[n++] = "X-Content-Type-Options: nosniff";
	h->list[n++] = "Content-Security-Policy: sandbox; default-src 'none'";
	h->list[n++] = "Cache-Control: private, no-cache";
	h->list[n++] = "Accept-Ranges: bytes";
	h->list[n++] = request_id;
	if (file->etag) {
		quote(file->etag, etag, sizeof(etag));
		(void)snprintf(h->etag, sizeof(h->etag), "ETag: %s", etag);
		h->list[n++] = h->etag;
	}
	if (range) {
		(void)snprintf(h->range, sizeof(h->range), "Content-Range: bytes %llu-%llu/%llu",
		    (unsigned long long)range->offset, (unsigned long long)(range->offset + range->length - 1),
		    (unsigned long long)file->size_bytes);
		h->list[n++] = h->range;
	}
	h->list[n] = NULL;
}
