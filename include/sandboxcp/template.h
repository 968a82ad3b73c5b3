/* Templates: what a session is made from. REST: /api/v1/templates. */
#ifndef SANDBOXCP_TEMPLATE_H
#define SANDBOXCP_TEMPLATE_H

#include <sandboxcp/execution.h>
#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

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
} scp_template;

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

SCP_API void scp_template_free(scp_template *tmpl);
SCP_API void scp_template_page_free(scp_template_page *page);

/* Asynchronous twins; see session.h. */
SCP_API scp_status scp_template_get_async(
    scp_request **out, scp_plane *plane, const char *id, scp_done_fn *fn, void *user, scp_error *err);
SCP_API scp_status scp_template_list_async(
    scp_request **out, scp_plane *plane, const scp_template_query *query, scp_done_fn *fn, void *user, scp_error *err);

SCP_END_DECLS

#endif
