/*
 * The chunked coding of request bodies. http_parser takes bare LF, and anything at all for a CR's LF, inside it, which
 * is what request smuggling lives on; this decoder takes nothing but the grammar, and bounds extensions and trailers.
 */
#include <string.h>

#include "internal.h"

#define EXTRA_MAX 8192u

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER_START, TRAILER, TRAILER_LF, END_LF, END, BAD };

void http__chunked_init(struct http__chunked *d)
{
	memset(d, 0, sizeof(*d));
}

static int digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t size_byte(struct http__chunked *d, unsigned char c)
{
	int value = digit(c);

	if (value >= 0) {
		/* 15 digits are 2^60: no overflow here, nor in any sum of it */
		if (++d->digits > 15)
			return BAD;
		d->left = d->left * 16 + (unsigned)value;
		return SIZE;
	}
	if (!d->digits)
		return BAD;
	if (c == '\r')
		return SIZE_LF;
	return c == ';' ? EXTENSION : BAD;
}

/* Text up to a CR: an extension or a trailer. */
static uint8_t text_byte(struct http__chunked *d, unsigned char c, uint8_t same, uint8_t next)
{
	if (c == '\r')
		return next;
	if ((c < ' ' && c != '\t') || c == 0x7f || ++d->extra > EXTRA_MAX)
		return BAD;
	return same;
}

static uint8_t size_over(struct http__chunked *d, unsigned char c)
{
	if (c != '\n')
		return BAD;
	d->digits = 0;
	return d->left ? DATA : TRAILER_START;
}

static uint8_t trailer_start(struct http__chunked *d, unsigned char c)
{
	if (c == '\r')
		return END_LF;
	/* a line that begins with a blank is a folded one */
	return c == ' ' || c == '\t' || c == ':' ? BAD : text_byte(d, c, TRAILER, TRAILER_LF);
}

static uint8_t step(struct http__chunked *d, unsigned char c)
{
	switch (d->state) {
	case SIZE:
		return size_byte(d, c);
	case EXTENSION:
		return text_byte(d, c, EXTENSION, SIZE_LF);
	case SIZE_LF:
		return size_over(d, c);
	case DATA_CR:
		return c == '\r' ? DATA_LF : BAD;
	case DATA_LF:
		return c == '\n' ? SIZE : BAD;
	case TRAILER_START:
		return trailer_start(d, c);
	case TRAILER:
		return text_byte(d, c, TRAILER, TRAILER_LF);
	case TRAILER_LF:
		return c == '\n' ? TRAILER_START : BAD;
	case END_LF:
		return c == '\n' ? END : BAD;
	default:
		return BAD;
	}
}

static size_t take(struct http__chunked *d, size_t have)
{
	size_t n = d->left < have ? (size_t)d->left : have;

	d->left -= n;
	if (!d->left)
		d->state = DATA_CR;
	return n;
}

enum http__chunked_got http__chunked_next(
    struct http__chunked *d, const char *data, size_t len, size_t *used, const char **body, size_t *size)
{
	size_t i = 0;

	while (i < len && d->state != DATA && d->state != END && d->state != BAD)
		d->state = step(d, (unsigned char)data[i++]);
	*used = i;
	if (d->state == BAD)
		return HTTP__CHUNKED_BAD;
	if (d->state == END)
		return HTTP__CHUNKED_END;
	if (i == len)
		return HTTP__CHUNKED_MORE;
	*body = data + i;
	*size = take(d, len - i);
	*used = i + *size;
	return HTTP__CHUNKED_DATA;
}
