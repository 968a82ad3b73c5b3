#include "gzip.h"

#include <string.h>
#include <strings.h>

#include <zlib.h>

#define GZIP_FORMAT (15 + 16) /* the largest window; zlib's way of saying "with a gzip header" */
#define BLOCK 16384u
#define BLANKS " \t"

/* "q=0", "q=0.000": not at any price. */
static bool is_refused(const char *parameters, size_t len)
{
	const char *q = memchr(parameters, '=', len);
	const char *end = parameters + len;

	if (!q)
		return false;
	for (q++; q < end && strchr(BLANKS, *q); q++)
		;
	return q < end && *q == '0' && strspn(q, "0." BLANKS) >= (size_t)(end - q);
}

bool gzip_accepted(const char *accept_encoding)
{
	bool any = false;

	for (const char *at = accept_encoding; at && *at;) {
		size_t len, name;

		at += strspn(at, BLANKS ",");
		len = strcspn(at, ",");
		name = strcspn(at, BLANKS ";,");
		if (name == 4 && strncasecmp(at, "gzip", 4) == 0)
			return !is_refused(at + name, len - name);
		any |= name == 1 && *at == '*' && !is_refused(at + name, len - name);
		at += len;
	}
	return any;
}

scp_status gzip_deflate(scp__buf *out, const void *data, size_t len)
{
	unsigned char block[BLOCK];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	int rc;

	if (len > UINT32_MAX)
		return SCP_ETOOBIG;
	/* fast rather than small: it is made anew for each answer */
	if (deflateInit2(&z, 4, Z_DEFLATED, GZIP_FORMAT, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return SCP_ENOMEM;
	do {
		z.next_out = block;
		z.avail_out = sizeof(block);
		rc = deflate(&z, Z_FINISH);
		(void)scp__buf_append(out, block, sizeof(block) - z.avail_out);
	} while (rc == Z_OK && !out->status);
	(void)deflateEnd(&z);
	return out->status ? out->status : rc == Z_STREAM_END ? SCP_OK : SCP_EINTERNAL;
}

scp_status gzip_inflate(scp__buf *out, const void *data, size_t len)
{
	unsigned char block[BLOCK];
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	int rc;

	if (len > UINT32_MAX)
		return SCP_ETOOBIG;
	if (inflateInit2(&z, GZIP_FORMAT) != Z_OK)
		return SCP_ENOMEM;
	do {
		z.next_out = block;
		z.avail_out = sizeof(block);
		rc = inflate(&z, Z_NO_FLUSH);
		(void)scp__buf_append(out, block, sizeof(block) - z.avail_out);
	} while (rc == Z_OK && !out->status);
	(void)inflateEnd(&z);
	return out->status ? out->status : rc == Z_STREAM_END ? SCP_OK : SCP_EINTERNAL;
}
