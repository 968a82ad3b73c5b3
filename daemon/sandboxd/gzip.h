/* gzip, for answers that are worth it and clients that take it. */
#ifndef SCP_SANDBOXD_GZIP_H
#define SCP_SANDBOXD_GZIP_H

#include <stdbool.h>

#include "buf.h"

#define GZIP_FROM 1024u /* bytes: less isn't worth the time */

/** Whether an Accept-Encoding header (NULL: none) takes gzip. */
bool gzip_accepted(const char *accept_encoding);
/** Append `data` gzipped; SCP_ETOOBIG where that would be longer than out->max. About 256 KiB of memory meanwhile. */
scp_status gzip_deflate(scp__buf *out, const void *data, size_t len);
/** Append what `data` was before it was gzipped; SCP_EINTERNAL: it is no whole gzip. */
scp_status gzip_inflate(scp__buf *out, const void *data, size_t len);

#endif
