#include "protocol.h"

#include <string.h>

#define UINT64_DIGITS 20

static bool name_valid(const char *name, size_t len)
{
	if (len < 1 || len > SCP__NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool letter = (name[i] >= 'a' && name[i] <= 'z') || name[i] == '_';

		if (!letter && (i == 0 || name[i] < '0' || name[i] > '9'))
			return false;
	}
	return true;
}

/* Writes `value` in decimal; returns where it ends. */
static char *put_decimal(char *to, uint64_t value)
{
	char digits[UINT64_DIGITS];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (n)
		*to++ = digits[--n];
	return to;
}

size_t scp__record_header(char out[SCP__RECORD_HEADER_MAX], const char *name, uint64_t seq, size_t len)
{
	size_t name_len = strnlen(name, SCP__NAME_MAX);
	char *at = out;

	memcpy(at, name, name_len);
	at += name_len;
	*at++ = ' ';
	at = put_decimal(at, seq);
	*at++ = ' ';
	at = put_decimal(at, len);
	*at++ = '\n';
	*at = '\0';
	return (size_t)(at - out);
}

scp_status scp__record_put(scp__buf *out, const char *name, uint64_t seq, const void *data, size_t len)
{
	char header[SCP__RECORD_HEADER_MAX];
	size_t header_len;

	if (!name_valid(name, strlen(name)) || len > SCP__RECORD_MAX)
		return SCP_EINVAL;
	header_len = scp__record_header(header, name, seq, len);
	if (out->status == SCP_OK && out->max - out->len < header_len + len) {
		/* Never half a record: what can't hold all of it gets none of it. */
		out->status = SCP_ETOOBIG;
		return SCP_ETOOBIG;
	}
	if (scp__buf_append(out, header, header_len) || !len)
		return out->status;
	return scp__buf_append(out, data, len);
}

scp_status scp__record_put_text(scp__buf *out, const char *name, const char *text)
{
	return scp__record_put(out, name, 0, text, strlen(text));
}

scp_status scp__record_put_uint(scp__buf *out, const char *name, uint64_t value)
{
	char digits[UINT64_DIGITS];

	return scp__record_put(out, name, 0, digits, (size_t)(put_decimal(digits, value) - digits));
}

/* All of text[0..len) as a decimal without sign or leading zeros. */
static bool parse_decimal(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (len < 1 || len > UINT64_DIGITS || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return false;
	}
	if (value > max)
		return false;
	*out = value;
	return true;
}

/* A complete header line, without its LF. */
static bool parse_header(const char *line, size_t line_len, scp__record *out, uint64_t *len)
{
	const char *end = line + line_len;
	const char *seq = memchr(line, ' ', line_len);
	const char *length = seq ? memchr(seq + 1, ' ', (size_t)(end - seq - 1)) : NULL;

	if (!length || !name_valid(line, (size_t)(seq - line)))
		return false;
	if (!parse_decimal(seq + 1, (size_t)(length - seq - 1), UINT64_MAX, &out->seq))
		return false;
	if (!parse_decimal(length + 1, (size_t)(end - length - 1), SCP__RECORD_MAX, len))
		return false;
	memcpy(out->name, line, (size_t)(seq - line));
	out->name[seq - line] = '\0';
	return true;
}

scp_status scp__record_next(const void *data, size_t len, scp__record *out, size_t *used)
{
	size_t scan = len < SCP__RECORD_HEADER_MAX ? len : SCP__RECORD_HEADER_MAX;
	const char *line = data;
	const char *lf = scan ? memchr(line, '\n', scan) : NULL;
	uint64_t bytes = 0;
	size_t header_len;

	if (!lf)
		return len >= SCP__RECORD_HEADER_MAX ? SCP_EINVAL : SCP_EAGAIN;
	header_len = (size_t)(lf - line) + 1;
	if (!parse_header(line, header_len - 1, out, &bytes))
		return SCP_EINVAL;
	if (len - header_len < bytes)
		return SCP_EAGAIN;
	out->data = lf + 1;
	out->len = (size_t)bytes;
	*used = header_len + (size_t)bytes;
	return SCP_OK;
}

bool scp__record_uint(const scp__record *r, uint64_t max, uint64_t *out)
{
	return parse_decimal(r->data, r->len, max, out);
}

bool scp__record_is(const scp__record *r, const char *name)
{
	return !strcmp(r->name, name);
}
