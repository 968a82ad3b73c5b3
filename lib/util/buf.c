#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void scp__buf_init(scp__buf *b, size_t max)
{
	*b = (scp__buf){ .max = max < SIZE_MAX ? max : SIZE_MAX - 1 };
}

void scp__buf_free(scp__buf *b)
{
	free(b->data);
	scp__buf_init(b, b->max);
}

static scp_status fail(scp__buf *b, scp_status status)
{
	b->status = status;
	return status;
}

/* Room for `more` bytes and the NUL behind them; doubles, but never beyond what the maximum can need. */
static scp_status reserve(scp__buf *b, size_t more)
{
	size_t need, capacity;
	char *p;

	if (b->status)
		return b->status;
	if (more > b->max - b->len)
		return fail(b, SCP_ETOOBIG);
	need = b->len + more + 1;
	if (need <= b->capacity)
		return SCP_OK;
	capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
	while (capacity < need)
		capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
	if (capacity > b->max + 1)
		capacity = b->max + 1;
	p = realloc(b->data, capacity);
	if (!p)
		return fail(b, SCP_ENOMEM);
	b->data = p;
	b->capacity = capacity;
	return SCP_OK;
}

scp_status scp__buf_append(scp__buf *b, const void *data, size_t len)
{
	scp_status rc = reserve(b, len);

	if (rc)
		return rc;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return SCP_OK;
}

scp_status scp__buf_puts(scp__buf *b, const char *s)
{
	return scp__buf_append(b, s, strlen(s));
}

static scp_status vprintf_at_end(scp__buf *b, const char *fmt, va_list ap)
{
	va_list again;
	scp_status rc;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return fail(b, SCP_EINTERNAL);
	rc = reserve(b, (size_t)len);
	if (rc)
		return rc;
	vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
	return SCP_OK;
}

scp_status scp__buf_printf(scp__buf *b, const char *fmt, ...)
{
	scp_status rc;
	va_list ap;

	if (b->status)
		return b->status;
	va_start(ap, fmt);
	rc = vprintf_at_end(b, fmt, ap);
	va_end(ap);
	return rc;
}

static void drop_all(scp__buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void scp__buf_consume(scp__buf *b, size_t len)
{
	if (len >= b->len) {
		drop_all(b);
		return;
	}
	if (!len)
		return;
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
	b->data[b->len] = '\0';
}

void scp__buf_clear(scp__buf *b)
{
	b->status = SCP_OK;
	drop_all(b);
}

char *scp__buf_detach(scp__buf *b)
{
	char *p = NULL;

	if (!b->status)
		p = b->data ? b->data : calloc(1, 1);
	else
		free(b->data);
	scp__buf_init(b, b->max);
	return p;
}
