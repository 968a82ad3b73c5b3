/* The daemon's options: one table is the source of flags, environment, file keys, defaults and help. */
#ifndef SCP_SANDBOXD_CONFIG_H
#define SCP_SANDBOXD_CONFIG_H

#include <stdio.h>

#include <sandboxcp/plane.h>

#include "buf.h"

/** Several values of one option, NULL-terminated. */
struct strings {
	char **list;
	size_t count;
};

/** All of it after flag > environment > file > default. NULL text: not given; the library's default then. */
struct config {
	char *file; /* that was read; NULL: none */
	struct strings listen;
	struct strings internal_listen;
	bool listen_is_default; /* nobody asked for it */
	char *state_dir;
	char *database;
	char *database_password_file;
	char *database_password; /* from the environment, or that file's first line */
	char *storage;
	char *storage_credentials_file;
	struct strings runtime;
	char *executor;
	struct strings seed_image;
	char *api_token_file;
	bool trust_upstream_auth;
	char *upstream_auth_header;
	char *api_token; /* from the environment alone */
	char *internal_token_file;
	char *advertise;
	char *internal_token; /* from the environment, or that file's first line */
	char *allow_unenforced;
	struct strings cors_origin;
	char *schema;
	char *log_level;
	char *log_format;
	char *log_file;
	uint64_t session_idle_s, session_max_age_s, heartbeat_timeout_s, retention_s, history_s, node_lost_after_s;
	uint64_t max_sessions, max_executions, max_running, max_pending, max_upload_bytes;
	uint64_t retry_base_ms, disk_stock, sync_interval_s;
	uint64_t max_connections, max_requests, max_body_memory, workers, grace_s;
	uint64_t ready_fd_plus_1; /* 0: none */
	bool check, migrate, print_config, print_openapi, help, version;
};

typedef const char *config_getenv_fn(const char *name);

/** Read everything. SCP_EINVAL names the option, its value, where it was given and what is allowed. */
scp_status config_load(struct config *c, int argc, char *const argv[], config_getenv_fn *get, scp_error *err);
void config_free(struct config *c);

/** What the library is told; borrows from `c` and `seed_images`. */
void config_plane_options(const struct config *c, scp_plane_options *options, char seed_images[2048]);
scp_log_level config_log_level(const struct config *c);

void config_help(FILE *out);
/** The commented configuration file, with the present values. */
void config_print(const struct config *c, FILE *out);

#endif
