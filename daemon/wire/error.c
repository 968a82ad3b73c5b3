/* Errors on the wire: API.md's object, from the one table that the library has. */
#include <stdio.h>
#include <string.h>

#include "wire.h"

int error_http_status(const scp_error *err)
{
	return scp_error_kind_get(err->code)->http_status;
}

void error_encode_as(scp__buf *out, const char *prefix, const scp_error *err, const char *request_id)
{
	const scp_error_kind *kind = scp_error_kind_get(err->code);
	char code[80];
	scp__json_writer w;

	(void)snprintf(code, sizeof(code), "%s.%s", prefix, kind->code);
	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "error_code", code);
	scp__jw_string(&w, "description", kind->description);
	/* a message may quote what the client sent: never trust it to be UTF-8 */
	scp__jw_bytes(&w, "error_detail", err->message, strlen(err->message), NULL);
	scp__jw_bytes(&w, "solution", err->hint[0] ? err->hint : kind->solution,
	    strlen(err->hint[0] ? err->hint : kind->solution), NULL);
	scp__jw_string(&w, "request_id", request_id);
	scp__jw_end_object(&w);
}

void error_encode(scp__buf *out, const scp_error *err, const char *request_id)
{
	error_encode_as(out, "Sandbox", err, request_id);
}
