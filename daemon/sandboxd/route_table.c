/* Every route, once: the router walks it, and whoever documents the API does. */
#include "handle/handle.h"

#define API "/api/v1"
#define PAGE " limit offset "

/* a program of 100 KiB and an event and a stdin of 1 MiB each, all of which escapes may lengthen sixfold */
#define EXECUTE_BODY (14u * MIB)
#define SESSION_BODY (256u * 1024)
#define TEMPLATE_BODY (512u * 1024)
#define SMALL_BODY 4096u
#define UPLOAD_BODY (UINT64_MAX / 2) /* the real limit is an option; see handle/upload.c */

/* clang-format off */
const struct route routes[] = {
	{ "GET",    API "/health/live", LOOP, PUBLIC, 0, "", .handler = get_live },
	{ "GET",    API "/health/ready", WORKER, PUBLIC, 0, "", .handler = get_ready },
	{ "GET",    API "/health", WORKER, API_TOKEN, 0, "", .handler = get_health },

	{ "POST",   API "/sessions", WORKER, API_TOKEN, SESSION_BODY, " wait ", .handler = post_session },
	{ "GET",    API "/sessions", WORKER, API_TOKEN, 0, " status template_id agent_id" PAGE, .handler = get_sessions },
	{ "GET",    API "/sessions/{id}", WORKER, API_TOKEN, 0, "", .handler = get_session },
	{ "DELETE", API "/sessions/{id}", WORKER, API_TOKEN, 0, "", .handler = delete_session },
	{ "POST",   API "/sessions/{id}/keepalive", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_keepalive },

	{ "POST",   API "/sessions/{id}/execute", WORKER, API_TOKEN, EXECUTE_BODY, " wait ", .handler = post_execute },
	{ "GET",    API "/sessions/{id}/executions", WORKER, API_TOKEN, 0, " status" PAGE, .handler = get_executions },
	{ "GET",    API "/executions/{id}", WORKER, API_TOKEN, 0, "", .handler = get_execution },
	{ "GET",    API "/executions/{id}/status", WORKER, API_TOKEN, 0, "", .handler = get_execution_status },
	{ "GET",    API "/executions/{id}/result", WORKER, API_TOKEN, 0, " wait ", .handler = get_execution_result },
	{ "POST",   API "/executions/{id}/cancel", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_cancel },
	{ "GET",    API "/executions/{id}/events", STREAM, API_TOKEN, 0, "", .start = start_events },

	{ "POST",   API "/sessions/{id}/files/upload", STREAM, API_TOKEN, UPLOAD_BODY, " path ", .start = start_upload },
	{ "GET",    API "/sessions/{id}/files", WORKER, API_TOKEN, 0, " path recursive" PAGE, .handler = get_files },
	{ "GET",    API "/sessions/{id}/files/{path...}", STREAM, API_TOKEN, 0, " redirect ", .start = start_download },
	{ "HEAD",   API "/sessions/{id}/files/{path...}", STREAM, API_TOKEN, 0, " redirect ", .start = start_download },
	{ "DELETE", API "/sessions/{id}/files/{path...}", WORKER, API_TOKEN, 0, "", .handler = delete_file },

	{ "POST",   API "/templates", WORKER, API_TOKEN, TEMPLATE_BODY, "", .handler = post_template },
	{ "GET",    API "/templates", WORKER, API_TOKEN, 0, PAGE, .handler = get_templates },
	{ "GET",    API "/templates/{id}", WORKER, API_TOKEN, 0, "", .handler = get_template },
	{ "PUT",    API "/templates/{id}", WORKER, API_TOKEN, TEMPLATE_BODY, "", .handler = put_template },
	{ "DELETE", API "/templates/{id}", WORKER, API_TOKEN, 0, "", .handler = delete_template },
};
/* clang-format on */

const size_t route_count = sizeof(routes) / sizeof(*routes);
