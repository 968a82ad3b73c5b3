/*
 * What the library gives, as the JSON of the REST contract: one room for whoever writes it, the daemon and the command
 * line that stands in for one. Every field, null where there is nothing. `key` NULL: the outermost value, or an
 * array's.
 */
#ifndef SCP_WIRE_WIRE_H
#define SCP_WIRE_WIRE_H

#include <sandboxcp/sandboxcp.h>

#include "buf.h"
#include "json.h"

/* encode.c */
void encode_session(scp__json_writer *w, const char *key, const scp_session *s);
void encode_template(scp__json_writer *w, const char *key, const scp_template *t);
void encode_file(scp__json_writer *w, const char *key, const scp_file *f);
void encode_uploaded(scp__json_writer *w, const char *key, const scp_file *f);
void encode_resources(scp__json_writer *w, const char *key, const scp_resources *res);
void encode_env(scp__json_writer *w, const char *key, const scp_pair *const *env, size_t count);
/** total, limit, offset, next: what stands behind a list. */
void encode_page(scp__json_writer *w, uint64_t total, uint32_t limit, uint64_t offset, const char *next);

/* encode_container.c */
void encode_container(scp__json_writer *w, const char *key, const scp_container *c);
void encode_node(scp__json_writer *w, const char *key, const scp_node *n);

/* encode_execution.c */
void encode_execution(scp__json_writer *w, const char *key, const scp_execution *e);
void encode_result(scp__json_writer *w, const char *key, const scp_execution *e);
void encode_submitted(scp__json_writer *w, const scp_execution *e);
void encode_execution_status(scp__json_writer *w, const scp_execution *e);

/* error.c */
int error_http_status(const scp_error *err);
void error_encode(scp__buf *out, const scp_error *err, const char *request_id);
/** `prefix`: "Sandbox", or "Internal" towards executors. */
void error_encode_as(scp__buf *out, const char *prefix, const scp_error *err, const char *request_id);

#endif
