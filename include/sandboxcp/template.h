/* Templates: what a session is made from. REST: /api/v1/templates. */
#ifndef SANDBOXCP_TEMPLATE_H
#define SANDBOXCP_TEMPLATE_H

#include <sandboxcp/execution.h>
#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

/** Containers kept ready for a template. Zero in a spec means none. */
typedef struct scp_warm_pool {
	uint32_t struct_size;
	uint32_t min;	     /* 0–1,000 that are always ready */
	uint32_t max;	     /* min–1,000 that are ready at most; 0: min */
	uint32_t max_idle_s; /* 0–86,400: one beyond `min` goes after that long; 0: it stays */
} scp_warm_pool;
#define SCP_WARM_POOL_INIT                                                                                             \
	{                                                                                                              \
		sizeof(scp_warm_pool)                                                                                  \
	}

/** One template. Freed whole by scp_template_free(). Only ever appended to. */
typedef struct scp_template {
	const char *id;
	const char *name;
	const char *description;
	const char *image; /* `host:`, `dir:/path`, `tar:/file`, or a registry's reference */
	const char *base_image;
	const scp_language *languages;
	size_t language_count;
	const char *const *packages; /* what the image must hold: "python3-pandas" */
	size_t package_count;
	const scp_resources *default_resources;
	uint32_t default_timeout_s;
	const scp_pair *const *env;
	size_t env_count;
	bool network_enabled;
	bool read_only_root;
	uint32_t run_as_user;
	bool deprecated;
	int64_t created_us;
	int64_t updated_us;
	const char *seccomp;	/* "default": the built-in list of allowed system calls */
	uint32_t max_processes; /* no session of it may ask for more */
	const scp_warm_pool *warm_pool;
} scp_template;

/**
 * What a template is to be. Zero means the default that is named; everything is copied. Each error names its field as
 * the REST body has it. REST: the body of POST and PUT.
 */
typedef struct scp_template_spec {
	uint32_t struct_size;
	const char *id;		       /* required: [a-z0-9][a-z0-9-]{0,63}; for an update NULL or the same */
	const char *name;	       /* required, unique: 1–128 characters */
	const char *description;       /* ≤ 1,024 characters */
	const char *image;	       /* required: `host:`, `dir:/path`, `tar:/file`, `registry/name:tag@sha256:…` */
	const char *base_image;	       /* what the image was made from; a reference too */
	const scp_language *languages; /* all three */
	size_t language_count;
	const char *const *packages; /* ≤ 200 of ≤ 128 characters each */
	size_t package_count;
	const scp_resources *default_resources; /* in a session's ranges; 1 core, 512 MiB, 1 GiB, 128 processes */
	uint32_t default_timeout_s;		/* 60–3,600: of its ephemeral sessions; 300 */
	const scp_pair *env;			/* as a session's; a session's own stand above them */
	size_t env_count;
	scp_switch network;	   /* off */
	scp_switch read_only_root; /* on */
	uint32_t run_as_user;	   /* 1–65,534, never root; 1,000 */
	uint32_t max_processes;	   /* 32–1,024: no session of it may ask for more; 1,024 */
	const char *seccomp;	   /* "default" */
	const scp_warm_pool *warm_pool;
	bool deprecated;	     /* takes no new session */
	const char *idempotency_key; /* of a create: ≤ 255 printable ASCII characters; kept 24 h */
} scp_template_spec;
#define SCP_TEMPLATE_SPEC_INIT                                                                                         \
	{                                                                                                              \
		sizeof(scp_template_spec)                                                                              \
	}

typedef struct scp_template_query {
	uint32_t struct_size;
	uint32_t limit; /* 1–200, default 50 */
	uint64_t offset;
} scp_template_query;
#define SCP_TEMPLATE_QUERY_INIT                                                                                        \
	{                                                                                                              \
		sizeof(scp_template_query)                                                                             \
	}

typedef struct scp_template_page {
	size_t count;
	const scp_template *const *items;
	uint64_t total;
	const char *next;
} scp_template_page;

/** One template. @return SCP_OK; SCP_ENOTFOUND; SCP_EUNAVAIL. REST: GET /api/v1/templates/{id}. */
SCP_API scp_status scp_template_get(scp_template **out, scp_plane *plane, const char *id, scp_error *err);
/** Templates, newest first. REST: GET /api/v1/templates. */
SCP_API scp_status scp_template_list(
    scp_template_page **out, scp_plane *plane, const scp_template_query *query, scp_error *err);

/**
 * Create a template.
 *
 * @param out  the new one; the caller's, scp_template_free(); may be NULL
 * @return SCP_OK; SCP_EINVAL (names the field); SCP_ECONFLICT another one has the id or the name (the message says
 *         which), or the idempotency key was used with another spec; SCP_EUNAVAIL database lost; SCP_ECLOSED draining
 * Blocks for the database only. Any thread. REST: POST /api/v1/templates.
 */
SCP_API scp_status scp_template_create(
    scp_template **out, scp_plane *plane, const scp_template_spec *spec, scp_error *err);

/**
 * Replace a template: what the spec leaves out goes back to its default. Sessions that there are keep what they were
 * made with. A seeded template that was changed is never seeded again.
 *
 * @param out  as it is now; may be NULL
 * @return SCP_OK; SCP_EINVAL (names the field); SCP_ENOTFOUND; SCP_ECONFLICT another one has the name; SCP_EUNAVAIL
 * Blocks for the database only. Any thread. REST: PUT /api/v1/templates/{id}.
 */
SCP_API scp_status scp_template_update(
    scp_template **out, scp_plane *plane, const char *id, const scp_template_spec *spec, scp_error *err);

/**
 * Delete a template. Its ended sessions stay; its id and name are free again.
 * @return SCP_OK; SCP_ENOTFOUND; SCP_ECONFLICT (code TemplateInUse) sessions that aren't over use it: deprecate it
 *         instead; SCP_EUNAVAIL
 * Blocks for the database only. Any thread. REST: DELETE /api/v1/templates/{id}.
 */
SCP_API scp_status scp_template_delete(scp_plane *plane, const char *id, scp_error *err);

SCP_API void scp_template_free(scp_template *tmpl);
SCP_API void scp_template_page_free(scp_template_page *page);

/* Asynchronous twins; see session.h. */
SCP_API scp_status scp_template_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_template_list_async(
    scp_request **out, scp_plane *plane, const scp_template_query *query, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_template_create_async(
    scp_request **out, scp_plane *plane, const scp_template_spec *spec, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_template_update_async(scp_request **out, scp_plane *plane, const char *id,
    const scp_template_spec *spec, scp_done_fn *fn, void *user, scp_error *err);
/** Its call-back gets no result. */
SCP_API scp_status scp_template_delete_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
