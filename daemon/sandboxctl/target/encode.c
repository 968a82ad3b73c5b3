#include "encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024u * 1024u)

static void encode_env(scp__json_writer *w, const scp_pair *const *env, size_t count)
{
	scp__jw_object(w, "env_vars");
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, env[i]->name, env[i]->value);
	scp__jw_end_object(w);
}

static void encode_size(scp__json_writer *w, const char *key, uint64_t bytes)
{
	char text[32];
	uint64_t mib = bytes / MIB;

	if (mib && mib % 1024 == 0)
		(void)snprintf(text, sizeof(text), "%" PRIu64 "Gi", mib / 1024);
	else
		(void)snprintf(text, sizeof(text), "%" PRIu64 "Mi", mib);
	scp__jw_string(w, key, text);
}

static void encode_resources(scp__json_writer *w, const scp_resources *r)
{
	char cpu[32];

	if (!r) {
		scp__jw_null(w, "resources");
		return;
	}
	(void)snprintf(cpu, sizeof(cpu), "%g", r->cpu_millis / 1000.0);
	scp__jw_object(w, "resources");
	scp__jw_string(w, "cpu", cpu);
	encode_size(w, "memory", r->memory_bytes);
	encode_size(w, "disk", r->disk_bytes);
	scp__jw_uint(w, "max_processes", r->max_processes);
	scp__jw_end_object(w);
}

static void encode_error(scp__json_writer *w, const scp_error *e)
{
	char code[64];

	if (!e) {
		scp__jw_null(w, "error");
		return;
	}
	(void)snprintf(code, sizeof(code), "Sandbox.%s", e->code);
	scp__jw_object(w, "error");
	scp__jw_string(w, "error_code", code);
	scp__jw_string(w, "description", scp_error_kind_get(e->code)->description);
	scp__jw_string(w, "error_detail", e->message);
	scp__jw_string(w, "solution", e->hint);
	scp__jw_end_object(w);
}

static void number_or_null(scp__json_writer *w, const char *key, int64_t value, bool there)
{
	if (there)
		scp__jw_int(w, key, value);
	else
		scp__jw_null(w, key);
}

void encode_session(scp__json_writer *w, const scp_session *s)
{
	scp__jw_string(w, "session_id", s->id);
	scp__jw_string(w, "template_id", s->template_id);
	scp__jw_string(w, "status", scp_session_status_name(s->status));
	scp__jw_string(w, "mode", s->mode == SCP_EPHEMERAL ? "ephemeral" : "persistent");
	scp__jw_string(w, "runtime_type", s->runtime_type);
	scp__jw_string(w, "runtime_node", s->runtime_node);
	scp__jw_string(w, "container_id", s->container_id);
	scp__jw_string(w, "pod_name", s->pod_name);
	scp__jw_string(w, "workspace_path", s->workspace_path);
	encode_resources(w, s->resources);
	encode_env(w, s->env, s->env_count);
	number_or_null(w, "timeout", s->timeout_s, s->timeout_s);
	scp__jw_string(w, "agent_id", s->agent_id);
	scp__jw_bool(w, "network_enabled", s->network_enabled);
	encode_error(w, s->error);
	scp__jw_time(w, "created_at", s->created_us);
	scp__jw_time(w, "started_at", s->started_us);
	scp__jw_time(w, "updated_at", s->updated_us);
	scp__jw_time(w, "last_activity_at", s->last_activity_us);
	scp__jw_time(w, "expires_at", s->expires_us);
	scp__jw_time(w, "terminated_at", s->terminated_us);
}

void encode_execution(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "session_id", e->session_id);
	scp__jw_string(w, "status", scp_execution_status_name(e->status));
	scp__jw_string(w, "language", scp_language_name(e->language));
	scp__jw_uint(w, "timeout", e->timeout_s);
	scp__jw_uint(w, "retry_count", e->retry_count);
	scp__jw_uint(w, "max_retries", e->max_retries);
	scp__jw_time(w, "created_at", e->created_us);
	scp__jw_time(w, "started_at", e->started_us);
	scp__jw_time(w, "completed_at", e->completed_us);
	scp__jw_time(w, "last_heartbeat_at", e->last_heartbeat_us);
}

static void encode_output(scp__json_writer *w, const scp_execution *e)
{
	bool lossy = false, lossy_err = false;

	scp__jw_bytes(w, "stdout", e->out, e->out_len, &lossy);
	scp__jw_bytes(w, "stderr", e->err, e->err_len, &lossy_err);
	scp__jw_uint(w, "stdout_bytes", e->out_bytes);
	scp__jw_uint(w, "stderr_bytes", e->err_bytes);
	scp__jw_bool(w, "stdout_truncated", e->out_truncated);
	scp__jw_bool(w, "stderr_truncated", e->err_truncated);
	if (lossy || lossy_err)
		scp__jw_string(w, "encoding", "lossy");
}

static void encode_metrics(scp__json_writer *w, const scp_metrics *m)
{
	if (!m) {
		scp__jw_null(w, "metrics");
		return;
	}
	scp__jw_object(w, "metrics");
	scp__jw_real(w, "duration_ms", m->duration_ms);
	scp__jw_real(w, "cpu_time_ms", m->cpu_time_ms);
	scp__jw_real(w, "peak_memory_mb", m->peak_memory_mb);
	scp__jw_uint(w, "io_read_bytes", m->io_read_bytes);
	scp__jw_uint(w, "io_write_bytes", m->io_write_bytes);
	scp__jw_string(w, "source", m->source);
	scp__jw_end_object(w);
}

static void encode_artifacts(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_array(w, "artifacts");
	for (size_t i = 0; i < e->artifact_count; i++) {
		const scp_artifact *a = e->artifacts[i];

		scp__jw_object(w, NULL);
		scp__jw_string(w, "path", a->path);
		scp__jw_uint(w, "size", a->size_bytes);
		scp__jw_string(w, "mime_type", a->mime_type);
		scp__jw_string(w, "type", a->type);
		scp__jw_string(w, "sha256", a->sha256);
		scp__jw_time(w, "created_at", a->created_us);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
}

void encode_result(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "status", e->result);
	encode_output(w, e);
	number_or_null(w, "exit_code", e->exit_code, e->exit_code >= 0);
	number_or_null(w, "signal", e->signal, e->signal > 0);
	scp__jw_real(w, "execution_time", e->metrics ? e->metrics->duration_ms / 1000.0 : 0.0);
	if (e->return_json)
		scp__jw_raw(w, "return_value", e->return_json, strlen(e->return_json));
	else
		scp__jw_null(w, "return_value");
	encode_metrics(w, e->metrics);
	encode_artifacts(w, e);
	scp__jw_string(w, "sync", e->sync_pending ? "pending" : "done");
	scp__jw_string(w, "error", e->error);
}

void encode_file(scp__json_writer *w, const scp_file *f)
{
	scp__jw_string(w, "path", f->path);
	scp__jw_uint(w, "size", f->size_bytes);
	scp__jw_string(w, "sha256", f->sha256);
}
