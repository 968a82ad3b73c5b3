/* Containers and nodes: what runs behind sessions, and where. REST: /api/v1/containers, /api/v1/nodes. */
#ifndef SANDBOXCP_CONTAINER_H
#define SANDBOXCP_CONTAINER_H

#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

typedef enum scp_container_status {
	SCP_CONTAINER_WARM = 1,
	SCP_CONTAINER_CREATING,
	SCP_CONTAINER_RUNNING,
	SCP_CONTAINER_EXITED,
	SCP_CONTAINER_REMOVED
} scp_container_status;

/** What a container uses right now. */
typedef struct scp_usage {
	double cpu_percent; /* since it started, on average; 100 is one core */
	uint64_t memory_bytes;
	uint32_t processes;
} scp_usage;

/** One container as it was when asked. Freed whole by scp_container_free(). Only ever appended to. */
typedef struct scp_container {
	const char *id;	      /* scp- + 20 of [a-z0-9] */
	const char *pod_name; /* NULL but on Kubernetes */
	const char *runtime_type;
	scp_container_status status;
	const char *session_id;	 /* NULL: a warm one */
	const char *template_id; /* likewise */
	const char *node;
	const char *image;
	const scp_resources *resources;
	const scp_usage *usage; /* NULL in lists, where it doesn't run, and where it can't be measured from here */
	int64_t created_us;
	int64_t started_us;	 /* 0: not yet */
	int64_t exited_us;	 /* 0: not yet */
	double uptime_s;	 /* from its start to its end, or to now */
	int exit_code;		 /* -1: unknown, or it hasn't ended */
	const char *exit_reason; /* "normal", "sigterm", "sigkill", "oom_killed", "error"; NULL: it hasn't ended */
} scp_container;

/** What to list: newest first. Zero means any. */
typedef struct scp_container_query {
	uint32_t struct_size;
	scp_container_status status;
	const char *runtime_type;
	const char *session_id;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_container_query;
#define SCP_CONTAINER_QUERY_INIT                                                                                       \
	{                                                                                                              \
		sizeof(scp_container_query)                                                                            \
	}

typedef struct scp_container_page {
	size_t count;
	const scp_container *const *items;
	uint64_t total;
	const char *next;
} scp_container_page;

/** Which lines of a log. */
typedef struct scp_log_query {
	uint32_t struct_size;
	uint32_t tail;	  /* the last so many: 1–10,000, default 100 */
	int64_t since_us; /* not what is older */
} scp_log_query;
#define SCP_LOG_QUERY_INIT                                                                                             \
	{                                                                                                              \
		sizeof(scp_log_query)                                                                                  \
	}

/** Lines, oldest first, the last 1 MiB of them or so: "TIME SOURCE TEXT". Freed whole by scp_container_log_free(). */
typedef struct scp_container_log {
	const char *text; /* UTF-8; NUL-terminated beyond `len` */
	size_t len;
	size_t line_count;
} scp_container_log;

/** "warm", "creating", "running", "exited", "removed"; "?" for a number that is none. Static. */
SCP_API const char *scp_container_status_name(scp_container_status status);

/**
 * One container: what the database says, and of one that runs on a node which this process reaches, what its runtime
 * says.
 * @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL database lost. Blocks shortly. REST: GET /api/v1/containers/{id}.
 */
SCP_API scp_status scp_container_get(scp_container **out, scp_plane *plane, const char *id, scp_error *err);

/** Containers, newest first, without usage. @param query NULL: all. REST: GET /api/v1/containers. */
SCP_API scp_status scp_container_list(
    scp_container_page **out, scp_plane *plane, const scp_container_query *query, scp_error *err);

/**
 * What a container said: its executor's own log (source "executor"), and what the executions that it ran wrote
 * (source "EXECUTION_ID stdout" or "… stderr"), an execution's lines at the time of its end, or now while it runs.
 * Control characters are replaced.
 *
 * @param query  NULL: the last 100 lines
 * @return SCP_OK; SCP_EINVAL; SCP_ENOTFOUND; SCP_EUNAVAIL its node is out of reach, or the database
 * Blocks. Any thread. REST: GET /api/v1/containers/{id}/logs.
 */
SCP_API scp_status scp_container_logs(
    scp_container_log **out, scp_plane *plane, const char *id, const scp_log_query *query, scp_error *err);

SCP_API void scp_container_free(scp_container *container);
SCP_API void scp_container_page_free(scp_container_page *page);
SCP_API void scp_container_log_free(scp_container_log *log);

/** What a node has, or what its containers were given of it. */
typedef struct scp_node_share {
	uint64_t cpu_millis;
	uint64_t memory_bytes;
	uint32_t containers;
} scp_node_share;

/** A place where containers run. Freed whole by scp_node_free(). Only ever appended to. */
typedef struct scp_node {
	const char *id;
	const char *runtime_type;
	const char *url;    /* without secrets */
	const char *status; /* "ready", "draining", "lost" */
	const scp_node_share *capacity;
	const scp_node_share *allocated;  /* to containers that haven't ended */
	const char *const *cached_images; /* those of its live containers: ready there at once */
	size_t cached_image_count;
	int64_t heartbeat_us;
	const char *advertise_url; /* under which other processes reach the one that drives it; NULL: none was given */
} scp_node;

typedef struct scp_node_query {
	uint32_t struct_size;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_node_query;
#define SCP_NODE_QUERY_INIT                                                                                            \
	{                                                                                                              \
		sizeof(scp_node_query)                                                                                 \
	}

typedef struct scp_node_page {
	size_t count;
	const scp_node *const *items;
	uint64_t total;
	const char *next;
} scp_node_page;

/** Nodes, by id. @param query NULL: all. REST: GET /api/v1/nodes. */
SCP_API scp_status scp_node_list(scp_node_page **out, scp_plane *plane, const scp_node_query *query, scp_error *err);

/**
 * Keep new sessions off a node, or take them again. Sessions that are there go on, with fresh containers where they
 * need any.
 *
 * @param out    the node as it is now; the caller's, scp_node_free(); may be NULL
 * @param drain  false: undrain
 * @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL
 * Idempotent. REST: POST /api/v1/nodes/{id}/drain and …/undrain.
 */
SCP_API scp_status scp_node_drain(scp_node **out, scp_plane *plane, const char *id, bool drain, scp_error *err);

SCP_API void scp_node_free(scp_node *node);
SCP_API void scp_node_page_free(scp_node_page *page);

/* Asynchronous twins; see session.h. */
SCP_API scp_status scp_container_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_container_list_async(
    scp_request **out, scp_plane *plane, const scp_container_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_container_logs_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_log_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_node_list_async(
    scp_request **out, scp_plane *plane, const scp_node_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_node_drain_async(
    scp_request **out, scp_plane *plane, const char *id, bool drain, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
