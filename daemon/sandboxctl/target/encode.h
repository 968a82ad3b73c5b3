/* Snapshots as the JSON objects of the REST API. */
#ifndef SANDBOXCTL_ENCODE_H
#define SANDBOXCTL_ENCODE_H

#include <sandboxcp/sandboxcp.h>

#include "json.h"

void encode_session(scp__json_writer *w, const scp_session *s);
void encode_execution(scp__json_writer *w, const scp_execution *e); /* without code, event and output */
void encode_result(scp__json_writer *w, const scp_execution *e);
void encode_file(scp__json_writer *w, const scp_file *f);

#endif
