/* Sessions, templates and files on the wire: every field of API.md, null where there is nothing. */
#include <stdio.h>

#include "wire.h"

static void write_cpu(scp__json_writer *w, uint32_t millis)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%u.%03u", millis / 1000, millis % 1000);

	while (text[len - 1] == '0')
		text[--len] = '\0';
	if (text[len - 1] == '.')
		text[--len] = '\0';
	scp__jw_string(w, "cpu", text);
}

static void write_bytes(scp__json_writer *w, const char *key, uint64_t bytes)
{
	char text[32];
	bool whole_gi = bytes % (1ull << 30) == 0;

	(void)snprintf(
	    text, sizeof(text), "%llu%s", (unsigned long long)(bytes >> (whole_gi ? 30 : 20)), whole_gi ? "Gi" : "Mi");
	scp__jw_string(w, key, text);
}

void encode_resources(scp__json_writer *w, const char *key, const scp_resources *res)
{
	if (!res) {
		scp__jw_null(w, key);
		return;
	}
	scp__jw_object(w, key);
	write_cpu(w, res->cpu_millis);
	write_bytes(w, "memory", res->memory_bytes);
	write_bytes(w, "disk", res->disk_bytes);
	scp__jw_uint(w, "max_processes", res->max_processes);
	scp__jw_end_object(w);
}

void encode_env(scp__json_writer *w, const char *key, const scp_pair *const *env, size_t count)
{
	scp__jw_object(w, key);
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, env[i]->name, env[i]->value);
	scp__jw_end_object(w);
}

void encode_page(scp__json_writer *w, uint64_t total, uint32_t limit, uint64_t offset, const char *next)
{
	scp__jw_uint(w, "total", total);
	scp__jw_uint(w, "limit", limit);
	scp__jw_uint(w, "offset", offset);
	scp__jw_string(w, "next", next);
}

static void write_error(scp__json_writer *w, const scp_error *error)
{
	scp__buf text;

	if (!error) {
		scp__jw_null(w, "error");
		return;
	}
	scp__buf_init(&text, 8192);
	error_encode(&text, error, NULL);
	if (text.status)
		scp__jw_null(w, "error");
	else
		scp__jw_raw(w, "error", text.data, text.len);
	scp__buf_free(&text);
}

static void write_timeout(scp__json_writer *w, const char *key, uint32_t seconds)
{
	if (seconds)
		scp__jw_uint(w, key, seconds);
	else
		scp__jw_null(w, key);
}

void encode_session(scp__json_writer *w, const char *key, const scp_session *s)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "session_id", s->id);
	scp__jw_string(w, "template_id", s->template_id);
	scp__jw_string(w, "status", scp_session_status_name(s->status));
	scp__jw_string(w, "mode", s->mode == SCP_EPHEMERAL ? "ephemeral" : "persistent");
	scp__jw_string(w, "runtime_type", s->runtime_type);
	scp__jw_string(w, "runtime_node", s->runtime_node);
	scp__jw_string(w, "container_id", s->container_id);
	scp__jw_string(w, "pod_name", s->pod_name);
	scp__jw_string(w, "workspace_path", s->workspace_path);
	encode_resources(w, "resources", s->resources);
	encode_env(w, "env_vars", s->env, s->env_count);
	write_timeout(w, "timeout", s->timeout_s);
	scp__jw_string(w, "agent_id", s->agent_id);
	scp__jw_bool(w, "network_enabled", s->network_enabled);
	write_error(w, s->error);
	scp__jw_time(w, "created_at", s->created_us);
	scp__jw_time(w, "started_at", s->started_us);
	scp__jw_time(w, "updated_at", s->updated_us);
	scp__jw_time(w, "last_activity_at", s->last_activity_us);
	scp__jw_time(w, "expires_at", s->expires_us);
	scp__jw_time(w, "terminated_at", s->terminated_us);
	scp__jw_end_object(w);
}

static void write_languages(scp__json_writer *w, const scp_template *t)
{
	scp__jw_array(w, "languages");
	for (size_t i = 0; i < t->language_count; i++)
		scp__jw_string(w, NULL, scp_language_name(t->languages[i]));
	scp__jw_end_array(w);
	scp__jw_array(w, "pre_installed_packages");
	for (size_t i = 0; i < t->package_count; i++)
		scp__jw_string(w, NULL, t->packages[i]);
	scp__jw_end_array(w);
}

static void write_security(scp__json_writer *w, const scp_template *t)
{
	scp__jw_object(w, "security_context");
	scp__jw_bool(w, "network_enabled", t->network_enabled);
	scp__jw_bool(w, "read_only_root", t->read_only_root);
	scp__jw_uint(w, "run_as_user", t->run_as_user);
	scp__jw_uint(w, "max_processes", t->max_processes);
	scp__jw_string(w, "seccomp", t->seccomp);
	scp__jw_end_object(w);
}

static void write_warm_pool(scp__json_writer *w, const scp_warm_pool *pool)
{
	scp__jw_object(w, "warm_pool");
	scp__jw_uint(w, "min", pool ? pool->min : 0);
	scp__jw_uint(w, "max", pool ? pool->max : 0);
	scp__jw_uint(w, "max_idle_s", pool ? pool->max_idle_s : 0);
	scp__jw_end_object(w);
}

void encode_template(scp__json_writer *w, const char *key, const scp_template *t)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "id", t->id);
	scp__jw_string(w, "name", t->name);
	scp__jw_string(w, "description", t->description);
	scp__jw_string(w, "image", t->image);
	scp__jw_string(w, "base_image", t->base_image);
	write_languages(w, t);
	encode_resources(w, "default_resources", t->default_resources);
	write_timeout(w, "default_timeout", t->default_timeout_s);
	encode_env(w, "default_env_vars", t->env, t->env_count);
	write_security(w, t);
	write_warm_pool(w, t->warm_pool);
	scp__jw_bool(w, "deprecated", t->deprecated);
	scp__jw_time(w, "created_at", t->created_us);
	scp__jw_time(w, "updated_at", t->updated_us);
	scp__jw_end_object(w);
}

void encode_file(scp__json_writer *w, const char *key, const scp_file *f)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "path", f->path);
	scp__jw_uint(w, "size", f->size_bytes);
	scp__jw_string(w, "mime_type", f->mime_type);
	scp__jw_time(w, "modified_at", f->modified_us);
	scp__jw_string(w, "type", f->type == SCP_DIRECTORY ? "directory" : "file");
	scp__jw_end_object(w);
}

void encode_uploaded(scp__json_writer *w, const char *key, const scp_file *f)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "path", f->path);
	scp__jw_uint(w, "size", f->size_bytes);
	scp__jw_string(w, "sha256", f->sha256);
	scp__jw_end_object(w);
}
