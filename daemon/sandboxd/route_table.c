/* Every route, once: the router walks it, and whoever documents the API does. */
#include "handle/handle.h"

#define API "/api/v1"
#define PAGE " limit offset "

/* a program of 100 KiB and an event and a stdin of 1 MiB each, all of which escapes may lengthen sixfold */
#define EXECUTE_BODY (14u * MIB)
#define SESSION_BODY (256u * 1024)
#define TEMPLATE_BODY (512u * 1024)
#define SMALL_BODY 4096u
/* two streams and a return value, 1 MiB each, and a thousand paths */
#define RESULT_BODY (24u * MIB)
#define ARTIFACTS_BODY (8u * MIB)
#define UPLOAD_BODY (UINT64_MAX / 2) /* the real limit is an option; see handle/upload.c */

#define INSIDE "Served where --internal-listen says, with the internal token or the session's own. "

/* clang-format off */
const struct route routes[] = {
	{ "GET",    "/", WORKER, PUBLIC, 0, "", .handler = get_home,
	  .doc = { "getHome", "Documentation", "Where to go", "200:=Page 304:=NotModified" } },
	{ "GET",    "/docs", WORKER, PUBLIC, 0, "", .handler = get_docs,
	  .doc = { "getDocs", "Documentation", "Read and try the API", "200:=Page 304:=NotModified" } },
	{ "GET",    "/docs/{asset}", WORKER, PUBLIC, 0, "", .handler = get_docs_asset,
	  .doc = { "getDocsAsset", "Documentation", "What that page loads", "200:=Asset 304:=NotModified" } },
	{ "GET",    "/openapi.json", LOOP, PUBLIC, 0, "", .handler = get_openapi,
	  .doc = { "getOpenApi", "Documentation", "This document", "200:Document 304:=NotModified" } },
	{ "GET",    "/favicon.ico", LOOP, PUBLIC, 0, "", .handler = get_favicon,
	  .doc = { "getFavicon", "Documentation", "There is no icon", "204:" } },

	{ "GET",    API "/health/live", LOOP, PUBLIC, 0, "", .handler = get_live,
	  .doc = { "getLive", "Health", "Is the process alive?", "200:Live" } },
	{ "GET",    API "/health/ready", WORKER, PUBLIC, 0, "", .handler = get_ready,
	  .doc = { "getReady", "Health", "Would it serve?", "200:Ready" } },
	{ "GET",    API "/health", WORKER, API_TOKEN, 0, "", .handler = get_health,
	  .doc = { "getHealth", "Health", "Probe every backend", "200:Health 503:=Unhealthy" } },
	{ "GET",    "/metrics", WORKER, API_TOKEN, 0, "", .handler = get_metrics,
	  .doc = { "getMetrics", "Health", "What happened, for Prometheus", "200:=Figures" } },

	{ "POST",   API "/sessions", WORKER, API_TOKEN, SESSION_BODY, " wait ", .handler = post_session,
	  .doc = { "createSession", "Sessions", "Create a session", "201:Session", "404 409 501", "SessionSpec", "Idempotency-Key" } },
	{ "GET",    API "/sessions", WORKER, API_TOKEN, 0, " status template_id agent_id" PAGE, .handler = get_sessions,
	  .doc = { "listSessions", "Sessions", "List sessions", "200:SessionPage" } },
	{ "GET",    API "/sessions/{id}", WORKER, API_TOKEN, 0, "", .handler = get_session,
	  .doc = { "getSession", "Sessions", "One session", "200:Session" } },
	{ "DELETE", API "/sessions/{id}", WORKER, API_TOKEN, 0, "", .handler = delete_session,
	  .doc = { "endSession", "Sessions", "End a session", "200:SessionEnd",
	    .text = "Its container stops, what runs in it is cancelled, its workspace stays for the retention time. A second "
		    "time is the same; a session that had already ended keeps its status." } },
	{ "POST",   API "/sessions/{id}/keepalive", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_keepalive,
	  .doc = { "keepSession", "Sessions", "Move a session's expiry", "200:Session", "409", "Keepalive?" } },

	{ "POST",   API "/sessions/{id}/execute", WORKER, API_TOKEN, EXECUTE_BODY, " wait ", .handler = post_execute, .whose = OUTPUTS,
	  .doc = { "execute", "Executions", "Run code in a session", "200:SubmittedOrResult", "409", "ExecutionSpec", "Idempotency-Key" } },
	{ "GET",    API "/sessions/{id}/executions", WORKER, API_TOKEN, 0, " status" PAGE, .handler = get_executions,
	  .doc = { "listExecutions", "Executions", "A session's executions", "200:ExecutionPage" } },
	{ "GET",    API "/executions/{id}", WORKER, API_TOKEN, 0, "", .handler = get_execution, .whose = OUTPUTS,
	  .doc = { "getExecution", "Executions", "One execution, with code and result", "200:Execution" } },
	{ "GET",    API "/executions/{id}/status", WORKER, API_TOKEN, 0, "", .handler = get_execution_status, .whose = OUTPUTS,
	  .doc = { "getExecutionStatus", "Executions", "How far it is", "200:ExecutionStatus" } },
	{ "GET",    API "/executions/{id}/result", WORKER, API_TOKEN, 0, " wait ", .handler = get_execution_result, .whose = OUTPUTS,
	  .doc = { "getResult", "Executions", "Its result", "200:Result", "409" } },
	{ "POST",   API "/executions/{id}/cancel", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_cancel,
	  .doc = { "cancelExecution", "Executions", "Cancel it", "200:Execution", "409", "Nothing?" } },
	{ "GET",    API "/executions/{id}/events", STREAM, API_TOKEN, 0, "", .start = start_events, .whose = NODES,
	  .doc = { "watchExecution", "Executions", "Follow it as it runs", "200:=Events", .headers = "Last-Event-ID" } },

	{ "POST",   API "/sessions/{id}/files/upload", STREAM, API_TOKEN, UPLOAD_BODY, " path ", .start = start_upload, .whose = NODES,
	  .doc = { "uploadFile", "Files", "Put a file into the workspace", "200:Uploaded", "409 501", "=Upload" } },
	{ "GET",    API "/sessions/{id}/files", WORKER, API_TOKEN, 0, " path recursive" PAGE, .handler = get_files, .whose = NODES,
	  .doc = { "listFiles", "Files", "List the workspace", "200:FilePage", "409 501" } },
	{ "GET",    API "/sessions/{id}/files/{path...}", STREAM, API_TOKEN, 0, " redirect ", .start = start_download, .whose = NODES,
	  .doc = { "getFile", "Files", "A file's bytes",
	    "200:=File 206:=FilePart 304:=NotModified 307:=Elsewhere 416:=RangeNotSatisfiable", "409 501",
	    .headers = "Range If-Range If-None-Match" } },
	{ "HEAD",   API "/sessions/{id}/files/{path...}", STREAM, API_TOKEN, 0, " redirect ", .start = start_download, .whose = NODES,
	  .doc = { "headFile", "Files", "What a file is", "200:=FileHead 304:=NotModified", "409 501", .headers = "If-None-Match" } },
	{ "DELETE", API "/sessions/{id}/files/{path...}", WORKER, API_TOKEN, 0, "", .handler = delete_file, .whose = NODES,
	  .doc = { "deleteFile", "Files", "Delete a file", "204:", "409 501" } },

	{ "POST",   API "/templates", WORKER, API_TOKEN, TEMPLATE_BODY, "", .handler = post_template,
	  .doc = { "createTemplate", "Templates", "Create a template", "201:Template", "409", "TemplateSpec", "Idempotency-Key" } },
	{ "GET",    API "/templates", WORKER, API_TOKEN, 0, PAGE, .handler = get_templates,
	  .doc = { "listTemplates", "Templates", "List templates", "200:TemplatePage" } },
	{ "GET",    API "/templates/{id}", WORKER, API_TOKEN, 0, "", .handler = get_template,
	  .doc = { "getTemplate", "Templates", "One template", "200:Template" } },
	{ "PUT",    API "/templates/{id}", WORKER, API_TOKEN, TEMPLATE_BODY, "", .handler = put_template,
	  .doc = { "replaceTemplate", "Templates", "Replace a template", "200:Template", "409", "TemplateReplacement",
	    .text = "What is left out goes back to its default. Sessions that there are keep what they were made with." } },
	{ "DELETE", API "/templates/{id}", WORKER, API_TOKEN, 0, "", .handler = delete_template,
	  .doc = { "deleteTemplate", "Templates", "Delete a template", "204:", "409",
	    .text = "Not while sessions that aren't over use it: deprecate it instead." } },

	{ "POST",   "/internal/executions/{id}/result", WORKER, INTERNAL, RESULT_BODY, "", .handler = post_report_result,
	  .doc = { "reportResult", "Internal", "How an execution ended", "201:Result 200:Result", "409", "ResultReport",
	    "Idempotency-Key", .text = INSIDE "The first is stored; every repeat, whatever it says, gets that one." } },
	{ "POST",   "/internal/executions/{id}/status", WORKER, INTERNAL, SMALL_BODY, "", .handler = post_report_status,
	  .doc = { "reportStatus", "Internal", "The code runs", "200:ExecutionStatus", "409", "StatusReport", .text = INSIDE } },
	{ "POST",   "/internal/executions/{id}/heartbeat", WORKER, INTERNAL, SMALL_BODY, "", .handler = post_report_heartbeat,
	  .doc = { "reportHeartbeat", "Internal", "It lives", "200:ExecutionStatus", "409", "HeartbeatReport?", .text = INSIDE } },
	{ "POST",   "/internal/executions/{id}/artifacts", WORKER, INTERNAL, ARTIFACTS_BODY, "", .handler = post_report_artifacts,
	  .doc = { "reportArtifacts", "Internal", "Files that it made so far", "200:ExecutionStatus", "409", "ArtifactsReport",
	    .text = INSIDE "They are merged by path, also with the result's." } },
	{ "POST",   "/internal/sessions/{id}/container_ready", WORKER, INTERNAL, SMALL_BODY, "", .handler = post_report_ready,
	  .doc = { "reportReady", "Internal", "A session's container is ready", "200:SessionReported", "409", "ReadyReport?",
	    .text = INSIDE } },
	{ "POST",   "/internal/sessions/{id}/container_exited", WORKER, INTERNAL, SMALL_BODY, "", .handler = post_report_exited,
	  .doc = { "reportExited", "Internal", "A session's container has ended", "200:SessionReported", "409", "ExitedReport?",
	    .text = INSIDE "What ran in it is retried or crashes; a persistent session gets another, an ephemeral one fails." } },

	{ "GET",    API "/containers", WORKER, API_TOKEN, 0, " status runtime_type session_id" PAGE, .handler = get_containers,
	  .doc = { "listContainers", "Containers", "List containers", "200:ContainerPage" } },
	{ "GET",    API "/containers/{id}", WORKER, API_TOKEN, 0, "", .handler = get_container,
	  .doc = { "getContainer", "Containers", "One container, with what it uses", "200:Container" } },
	{ "GET",    API "/containers/{id}/logs", WORKER, API_TOKEN, 0, " tail since ", .handler = get_container_logs, .whose = NODES,
	  .doc = { "getContainerLogs", "Containers", "What it said", "200:=Log",
	    .text = "Its executor's own log and what the executions in it wrote, as lines of time, source and text." } },

	{ "GET",    API "/nodes", WORKER, API_TOKEN, 0, PAGE, .handler = get_nodes,
	  .doc = { "listNodes", "Nodes", "List nodes", "200:NodePage" } },
	{ "POST",   API "/nodes/{id}/drain", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_drain,
	  .doc = { "drainNode", "Nodes", "Keep new sessions off a node", "200:Node", NULL, "Nothing?" } },
	{ "POST",   API "/nodes/{id}/undrain", WORKER, API_TOKEN, SMALL_BODY, "", .handler = post_undrain,
	  .doc = { "undrainNode", "Nodes", "Let a node take sessions again", "200:Node", NULL, "Nothing?" } },
};
/* clang-format on */

const size_t route_count = sizeof(routes) / sizeof(*routes);
