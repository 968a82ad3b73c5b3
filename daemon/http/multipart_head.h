/* Reading a part's head, apart from the stream it comes in. */
#ifndef SCP_DAEMON_HTTP_MULTIPART_HEAD_H
#define SCP_DAEMON_HTTP_MULTIPART_HEAD_H

#include "multipart.h"

/** Parse the head (its last line empty) in place; `part` points into it. NULL, or what is wrong with it. */
const char *multipart__head_parse(char *head, size_t len, multipart_part *part);

/** Parameter `name` of a header's value (`form-data; name="x"`), unquoted. 1, 0: not there, -1: malformed or too long.
 */
int multipart__param(const char *value, const char *name, char *out, size_t out_size);

#endif
