/* The plane: one handle for the whole control plane, its options, and what asynchronous hosts need. */
#ifndef SANDBOXCP_PLANE_H
#define SANDBOXCP_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/error.h>

SCP_BEGIN_DECLS

typedef struct scp_plane scp_plane;
typedef struct scp_request scp_request;
typedef struct scp_database scp_database;
typedef struct scp_storage scp_storage;
typedef struct scp_runtime scp_runtime;

/** A name and a value: environment variables, labels, log fields. */
typedef struct scp_pair {
	const char *name;
	const char *value;
} scp_pair;

/** What a sandbox may use. Zero in a spec means the template's default. */
typedef struct scp_resources {
	uint32_t struct_size;
	uint32_t cpu_millis;	/* 500–4,000: thousandths of a core */
	uint64_t memory_bytes;	/* 256 MiB–8 GiB */
	uint64_t disk_bytes;	/* 1–50 GiB, the workspace */
	uint32_t max_processes; /* 32–1,024 */
} scp_resources;
#define SCP_RESOURCES_INIT                                                                                             \
	{                                                                                                              \
		sizeof(scp_resources)                                                                                  \
	}

typedef enum scp_switch { SCP_DEFAULT = 0, SCP_OFF = 1, SCP_ON = 2 } scp_switch;

typedef enum scp_log_level {
	SCP_LOG_DEFAULT = 0, /* info */
	SCP_LOG_DEBUG,
	SCP_LOG_INFO,
	SCP_LOG_WARN,
	SCP_LOG_ERROR,
	SCP_LOG_OFF
} scp_log_level;

/** One log record; everything is borrowed for the call. Absent ids are NULL. Never code, events, env values or tokens.
 */
typedef struct scp_log_record {
	uint32_t struct_size;
	scp_log_level level;
	int64_t time_us;
	const char *component; /* "core", "upkeep", "oci", … */
	const char *message;
	const char *request_id;
	const char *session_id;
	const char *execution_id;
	const char *container_id;
	size_t field_count;
	const scp_pair *fields;
} scp_log_record;

/** Called from any library thread, also several at once. Must not call back into the plane. */
typedef void scp_log_fn(const scp_log_record *record, void *user);

typedef enum scp_callbacks {
	SCP_CALLBACKS_THREADS = 0, /* call-backs run in library threads */
	SCP_CALLBACKS_DISPATCH = 1 /* call-backs run inside scp_plane_dispatch() */
} scp_callbacks;

/** What opening a plane does about a database whose schema is older than this release's. */
typedef enum scp_schema {
	SCP_SCHEMA_MIGRATE = 0, /* bring it up */
	SCP_SCHEMA_REQUIRE = 1	/* refuse: SCP_ESTATE; scp_plane_migrate() is somebody else's to call */
} scp_schema;

/**
 * How to open a plane. Zero or NULL means the default that is named; strings are copied.
 * Set by `scp_plane_options options = SCP_PLANE_OPTIONS_INIT;`. Only ever appended to.
 */
typedef struct scp_plane_options {
	uint32_t struct_size;
	const char *state_dir;		 /* /var/lib/sandboxcp as root, else $XDG_STATE_HOME/sandboxcp */
	const char *database_url;	 /* sqlite:STATE_DIR/state.db; or mariadb://USER@HOST:3306/NAME */
	const char *storage_url;	 /* file:STATE_DIR/storage; s3://BUCKET?endpoint=…: sandboxcp-backends(7) */
	const char *const *runtime_urls; /* one: `oci:` (the runtime that works best here), `oci:runc`, `docker:` … */
	size_t runtime_url_count;
	scp_database *database; /* your own backends instead; ownership moves on success */
	scp_storage *storage;
	scp_runtime *const *runtimes;
	size_t runtime_count;
	const char *executor_path; /* $SANDBOXCP_EXECUTOR, the build tree's, libexec's */
	scp_log_fn *log;
	void *log_user;
	scp_log_level log_level;
	const char *internal_token;
	scp_callbacks callbacks;
	scp_switch upkeep;	      /* default on; off for a process that only submits */
	const char *allow_unenforced; /* names of limits that may go unenforced, by comma: disk, memory, cpu, processes,
					 network */
	uint32_t session_idle_s;      /* 1,800: a persistent session without activity ends */
	uint32_t session_max_age_s;   /* 21,600 */
	uint32_t heartbeat_timeout_s; /* 15: silence that makes a container suspect */
	uint32_t retention_s;	      /* 86,400: how long an ended session's files are kept */
	uint32_t max_sessions;	      /* 1,000 not over at a time */
	uint32_t max_executions;      /* 10,000 pending or running at a time */
	uint32_t max_running_per_session; /* 8 */
	uint32_t max_pending_per_session; /* 64 */
	uint64_t max_upload_bytes;	  /* 100 MiB a file */
	uint32_t retry_base_ms;		  /* 1,000: the first wait before a retry; doubles up to ten times this */
	uint32_t disk_stock;		  /* 4: formatted workspace disks kept ready; UINT32_MAX: none */
	const char *seed_images;	  /* "python-basic=REF,…": other images for seeded templates */
	scp_schema schema;
	uint32_t history_s; /* 2,592,000: how long what is over stays known, a day at least; UINT32_MAX: for ever */
	const char *storage_credentials_file; /* keys of an s3 storage: AWS_ACCESS_KEY_ID=… a line; else the
					       * environment's */
	const char *database_password;	      /* of the user in database_url; never in a URL, a message or a log */
	uint32_t sync_interval_s; /* 60: how often a running execution's files go to a storage that is no folder of this
				   * host; UINT32_MAX: only at its end */
	const char *advertise_url;  /* http://HOST:PORT under which other processes on this database reach this one's
				     * HTTP API; none */
	uint32_t node_lost_after_s; /* 60: silence after which this process's nodes are lost, to the others */
} scp_plane_options;
#define SCP_PLANE_OPTIONS_INIT                                                                                         \
	{                                                                                                              \
		sizeof(scp_plane_options)                                                                              \
	}

/**
 * Open the control plane: connects the backends, migrates the schema, starts the library's threads and takes up
 * whatever an earlier process on the same state left behind.
 *
 * @param out      the plane; the caller's, scp_plane_close(); NULL on error
 * @param options  NULL: all defaults; only read
 * @return SCP_OK; SCP_EINVAL an option is wrong; SCP_EUNAVAIL a backend is out of reach; SCP_ESTATE the state folder
 *         is in use by another process, or the schema is newer, or older and `schema` says that it mustn't be;
 * SCP_ENOTSUP a limit can't be enforced on this machine
 *
 * Blocks for the backends. Any thread. No signal handlers, no global state; two planes in one process are fine.
 */
SCP_API scp_status scp_plane_open(scp_plane **out, const scp_plane_options *options, scp_error *err);

/**
 * Make the database where there is none, bring its schema up to this release's, make the bucket of an s3 storage where
 * there is none, and do nothing else. Other processes may serve it meanwhile: a step only adds.
 *
 * @param options  only what says where database and storage are counts: state_dir, database_url, database (which stays
 *                 the caller's), storage_url, storage, storage_credentials_file; NULL: all defaults
 * @return SCP_OK, also where nothing was to do; SCP_EINVAL; SCP_EUNAVAIL the database or the bucket's server is out of
 *         reach, or refuses; SCP_ESTATE the schema is newer
 *
 * Blocks for both. Any thread. Idempotent.
 */
SCP_API scp_status scp_plane_migrate(const scp_plane_options *options, scp_error *err);

/**
 * Close the plane, or end a view. Sandboxes live on; another process may take over. Waiters and asynchronous requests
 * end with SCP_ECLOSED. Blocks until the library's threads have ended. NULL is accepted. Not from a call-back.
 */
SCP_API void scp_plane_close(scp_plane *plane);

/** What a view adds to each call that is made through it. Strings are copied. */
typedef struct scp_call {
	uint32_t struct_size;
	const char *request_id; /* ≤ 64 characters of [A-Za-z0-9._-]; kept in rows, named in logs */
	const char *actor;	/* who asks; ≤ 128 characters */
	uint32_t deadline_ms;	/* 0: none; an upper bound for waits made through the view */
} scp_call;
#define SCP_CALL_INIT                                                                                                  \
	{                                                                                                              \
		sizeof(scp_call)                                                                                       \
	}

/**
 * A light handle on the same plane that carries `call`; accepted by every function in place of the plane.
 * The caller's, scp_plane_close() (which ends the view alone), before the plane's own.
 * @return SCP_OK; SCP_EINVAL; SCP_ENOMEM. Any thread.
 */
SCP_API scp_status scp_plane_with(scp_plane **view, scp_plane *plane, const scp_call *call, scp_error *err);

/**
 * Stop accepting sessions and executions (SCP_ECLOSED) and wait until the calls under way have ended.
 * Sandboxes and executions go on. @return SCP_OK; SCP_ETIMEDOUT some call still runs after grace_ms.
 */
SCP_API scp_status scp_plane_drain(scp_plane *plane, uint32_t grace_ms, scp_error *err);

/** Dispatch mode: a descriptor that is readable while call-backs wait; -1 in the other mode. The plane's. */
SCP_API int scp_plane_event_fd(scp_plane *plane);

/** Dispatch mode: run the call-backs that wait; @return how many ran. One thread at a time. */
SCP_API size_t scp_plane_dispatch(scp_plane *plane);

/**
 * Stop caring about an asynchronous request, and free it. After it returns its call-back will not start (one that
 * runs in another thread right now is waited for; from inside the call-back itself it returns at once).
 * Must be called once for each request. NULL is accepted.
 */
SCP_API void scp_request_cancel(scp_request *request);

/**
 * How an asynchronous call ended. `result` is the snapshot that the blocking twin would have given, the receiver's to
 * free by its noun's function (NULL on error, and for calls that have none). `err` is borrowed for the call.
 */
typedef void scp_done_fn(void *user, scp_status status, void *result, const scp_error *err);

SCP_END_DECLS

#endif
