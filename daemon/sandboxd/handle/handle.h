/* The handlers, one file a noun, and what they share: reading queries and bodies, writing nouns. */
#ifndef SCP_SANDBOXD_HANDLE_H
#define SCP_SANDBOXD_HANDLE_H

#include "../app.h"

handler_fn get_home, get_docs, get_docs_asset, get_openapi, get_favicon;
handler_fn get_live, get_ready, get_health, get_metrics;
handler_fn post_session, get_sessions, get_session, delete_session, post_keepalive;
handler_fn post_execute, get_executions, get_execution, get_execution_status, get_execution_result, post_cancel;
handler_fn get_files, delete_file;
handler_fn post_report_result, post_report_status, post_report_heartbeat, post_report_artifacts;
handler_fn post_report_ready, post_report_exited;
handler_fn get_containers, get_container, get_container_logs, get_nodes, post_drain, post_undrain;
handler_fn post_template, get_templates, get_template, put_template, delete_template;

scp_status start_events(struct exchange *x, scp_error *err);
scp_status start_upload(struct exchange *x, scp_error *err);
scp_status start_download(struct exchange *x, scp_error *err);

/* query.c: a parameter that isn't there leaves *out alone. */
scp_status query_int(const struct request *q, const char *name, int64_t min, int64_t max, int64_t *out, scp_error *err);
scp_status query_text(const struct request *q, const char *name, const char **out, scp_error *err); /* in q's arena */
scp_status query_bool(const struct request *q, const char *name, bool *out, scp_error *err);
scp_status query_page(const struct request *q, uint32_t *limit, uint64_t *offset, scp_error *err);
/** wait=, in seconds; *out in ms. */
scp_status query_wait(const struct request *q, uint32_t max_s, uint32_t *out_ms, scp_error *err);
/** A state's name; `name_of` gives each number its name, from 1 to `last`. */
scp_status query_state(const struct request *q, const char *(*name_of)(int), int last, int *out, scp_error *err);

/* decode.c: everything decoded lives as long as the request. */
scp_status decode_session(const struct request *q, scp_session_spec *spec, scp_error *err);
scp_status decode_execution(const struct request *q, scp_execution_spec *spec, scp_error *err);
scp_status decode_keepalive(const struct request *q, uint32_t *extend_s, scp_error *err);
/** A spec of POST or PUT /templates. */
scp_status decode_template(const struct request *q, scp_template_spec *spec, scp_error *err);
/** Members of `o`, which may be missing; `key` is named in errors. */
scp_status decode_env(const struct request *q, const char *key, const scp_pair **env, size_t *count, scp_error *err);
scp_status decode_resources(const struct request *q, const char *key, const scp_resources **out, scp_error *err);
scp_status decode_switch(const scp__json *o, const char *key, scp_switch *out, scp_error *err);
scp_status decode_u32(const scp__json *o, const char *key, int64_t min, int64_t max, uint32_t *out, scp_error *err);
scp_status decode_object(const struct request *q, const char *const *names, scp_error *err);
scp_status decode_nothing(const struct request *q, scp_error *err);

/* container.c */
/** RFC 3339; false: it is none, or before 1970. */
bool parse_time(const char *text, int64_t *time_us);

#endif
