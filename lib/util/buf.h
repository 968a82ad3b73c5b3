/* A growing byte buffer that declares its maximum. Always NUL-terminated behind `len` once something was appended. */
#ifndef SCP_UTIL_BUF_H
#define SCP_UTIL_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include <sandboxcp/error.h>

typedef struct scp__buf {
	char *data;
	size_t len;
	size_t capacity;
	size_t max;	   /* most bytes of content */
	scp_status status; /* sticky: SCP_ENOMEM or SCP_ETOOBIG once an append failed; later appends do nothing */
} scp__buf;

void scp__buf_init(scp__buf *b, size_t max);
void scp__buf_free(scp__buf *b); /* may be used again, with the same max */
scp_status scp__buf_append(scp__buf *b, const void *data, size_t len);
scp_status scp__buf_puts(scp__buf *b, const char *s);
scp_status scp__buf_printf(scp__buf *b, const char *fmt, ...) SCP_PRINTF(2, 3);
void scp__buf_consume(scp__buf *b, size_t len); /* drop from the front */
void scp__buf_clear(scp__buf *b);		/* empty, and a failure is forgotten */
char *scp__buf_detach(scp__buf *b);		/* the bytes, free(); "" rather than NULL; NULL after an error */

#endif
