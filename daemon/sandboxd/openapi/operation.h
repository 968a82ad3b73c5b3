/* Of document.c and operation.c alone. */
#ifndef SCP_SANDBOXD_OPENAPI_OPERATION_H
#define SCP_SANDBOXD_OPENAPI_OPERATION_H

#include "../app.h"

#define DOC_PATH_SIZE 256

struct doc_writer {
	scp__json_writer w;
	const scp__json *components;
	scp__buf *problems;
	bool with_tokens;
};

/** "/api/v1/sessions/{id}/files/{path...}" as OpenAPI has it: "/api/v1/sessions/{session_id}/files/{path}". */
void doc_path(const char *pattern, char out[DOC_PATH_SIZE]);
/** One operation, as the member "get" of its path. */
void doc_operation(struct doc_writer *d, const struct route *route);
/** "Error404" and so on: the members of components/responses that operations name, from the library's error table. */
void doc_error_responses(struct doc_writer *d);

#endif
