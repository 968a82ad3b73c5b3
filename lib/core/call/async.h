/* The common shape of an asynchronous twin: its arguments, copied, and how to make the blocking call with them. */
#ifndef SCP_CORE_ASYNC_H
#define SCP_CORE_ASYNC_H

#include "copy.h"
#include "plane.h"

/** One set of arguments for every twin; each uses what it needs. */
typedef struct scp__async_args {
	const char *id, *path;
	uint32_t number;
	bool have;
	union {
		scp_session_spec session;
		scp_execution_spec execution;
		scp_session_query sessions;
		scp_execution_query executions;
		scp_template_query templates;
		scp_template_spec template;
		scp_file_query files;
		scp_container_query containers;
		scp_node_query nodes;
		scp_log_query log;
		scp_source source;
	};
	scp_sink sink;
	scp_range range;
} scp__async_args;

/** A call under construction: begin, copy what is needed into `args`, then go (which frees everything on failure). */
typedef struct scp__async {
	scp__request_spec spec;
	scp__async_args *args;
	bool ok; /* false: a copy failed */
} scp__async;

scp_status scp__async_begin(scp__async *a, scp_request **out, scp_plane *plane, scp__request_work_fn *work,
    void (*free_result)(void *), scp_done_fn *fn, void *user, scp_error *err);
void scp__async_text(scp__async *a, const char **to, const char *text);
/** The pool NULL: the plane's for short work. */
scp_status scp__async_go(scp__async *a, scp_request **out, scp_plane *plane, scp__pool *pool, scp_error *err);

#endif
