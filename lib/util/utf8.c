#include "utf8.h"

/*
 * What stands at p, of at most len > 0 bytes: the length of a well-formed sequence (1–4), 0 where it is ill-formed, or
 * minus the number of bytes there, where they could be the beginning of one.
 */
static int sequence(const unsigned char *p, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	int need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	/* The second byte's range shuts out overlong forms, surrogates and what is beyond U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (int i = 1; i < need; i++) {
		if ((size_t)i >= len)
			return -i;
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return need;
}

/* Length of the well-formed beginning. */
static size_t valid_prefix(const unsigned char *p, size_t len)
{
	size_t i = 0;
	int n;

	while (i < len) {
		n = sequence(p + i, len - i);
		if (n <= 0)
			break;
		i += (size_t)n;
	}
	return i;
}

bool scp__utf8_valid(const void *data, size_t len)
{
	return valid_prefix(data, len) == len;
}

size_t scp__utf8_valid_prefix(const void *data, size_t len)
{
	return valid_prefix(data, len);
}

size_t scp__utf8_complete(const void *data, size_t len)
{
	const unsigned char *p = data;

	/* An unfinished sequence is at most three bytes. */
	for (size_t back = 1; back <= 3 && back <= len; back++)
		if (sequence(p + len - back, back) == -(int)back)
			return len - back;
	return len;
}

scp_status scp__utf8_repair(scp__buf *out, const void *data, size_t len, bool *lossy)
{
	const unsigned char *p = data;
	size_t good;

	for (;;) {
		good = valid_prefix(p, len);
		if (good)
			scp__buf_append(out, p, good);
		if (good == len)
			return out->status;
		scp__buf_append(out, "\xef\xbf\xbd", 3);
		if (lossy)
			*lossy = true;
		p += good + 1;
		len -= good + 1;
	}
}

bool scp__text_printable(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) /* C1 */
			return false;
	}
	return true;
}
