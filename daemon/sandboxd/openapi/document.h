/* The API's OpenAPI 3.1 document: made once, from the route table and components.json. */
#ifndef SCP_SANDBOXD_OPENAPI_DOCUMENT_H
#define SCP_SANDBOXD_OPENAPI_DOCUMENT_H

#include <stdio.h>

#include "../app.h"

struct document {
	scp__buf text;
	scp__buf packed; /* gzipped */
	char etag[40];
};

/** @param with_tokens  whether this daemon wants a token; else the document says that none is needed */
scp_status document_new(struct document **out, bool with_tokens, scp_error *err);
void document_free(struct document *d);

/**
 * Append it. What routes say and components.json doesn't hold is left out and named in `problems`, a line each, as is a
 * route that says nothing: a test wants none.
 */
scp_status document_write(scp__buf *out, bool with_tokens, scp__buf *problems, scp_error *err);
scp_status document_print(FILE *out, scp_error *err);

#endif
