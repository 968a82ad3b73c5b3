/* Executions and results on the wire. */
#include "wire.h"

static void write_raw(scp__json_writer *w, const char *key, const char *json)
{
	if (json)
		scp__jw_raw(w, key, json, __builtin_strlen(json));
	else
		scp__jw_null(w, key);
}

static void write_count(scp__json_writer *w, const char *key, int value, int none)
{
	if (value == none)
		scp__jw_null(w, key);
	else
		scp__jw_int(w, key, value);
}

static void write_metrics(scp__json_writer *w, const scp_metrics *m)
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

static void write_artifacts(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_array(w, "artifacts");
	for (size_t i = 0; i < e->artifact_count; i++) {
		const scp_artifact *a = e->artifacts[i];

		scp__jw_object(w, NULL);
		scp__jw_string(w, "path", a->path);
		scp__jw_uint(w, "size", a->size_bytes);
		scp__jw_string(w, "mime_type", a->mime_type);
		scp__jw_string(w, "type", a->type);
		scp__jw_string(w, "sha256", a->sha256 && *a->sha256 ? a->sha256 : NULL);
		scp__jw_time(w, "created_at", a->created_us);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
}

static double run_seconds(const scp_execution *e)
{
	if (e->metrics)
		return e->metrics->duration_ms / 1000.0;
	return e->started_us && e->completed_us > e->started_us ? (double)(e->completed_us - e->started_us) / 1e6 : 0.0;
}

static void write_output(scp__json_writer *w, const scp_execution *e)
{
	bool lossy = false, lossy_err = false;

	scp__jw_bytes(w, "stdout", e->out ? e->out : "", e->out ? e->out_len : 0, &lossy);
	scp__jw_bytes(w, "stderr", e->err ? e->err : "", e->err ? e->err_len : 0, &lossy_err);
	scp__jw_uint(w, "stdout_bytes", e->out_bytes);
	scp__jw_uint(w, "stderr_bytes", e->err_bytes);
	scp__jw_bool(w, "stdout_truncated", e->out_truncated);
	scp__jw_bool(w, "stderr_truncated", e->err_truncated);
	if (lossy || lossy_err)
		scp__jw_string(w, "encoding", "lossy");
}

void encode_result(scp__json_writer *w, const char *key, const scp_execution *e)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "status", e->result);
	write_output(w, e);
	write_count(w, "exit_code", e->exit_code, -1);
	write_count(w, "signal", e->signal, 0);
	scp__jw_real(w, "execution_time", run_seconds(e));
	write_raw(w, "return_value", e->return_json);
	write_metrics(w, e->metrics);
	write_artifacts(w, e);
	scp__jw_string(w, "sync", e->sync_pending ? "pending" : "done");
	scp__jw_string(w, "error", e->error);
	scp__jw_end_object(w);
}

void encode_execution(scp__json_writer *w, const char *key, const scp_execution *e)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "session_id", e->session_id);
	scp__jw_string(w, "status", scp_execution_status_name(e->status));
	if (e->code)
		scp__jw_bytes(w, "code", e->code, e->code_len, NULL);
	else
		scp__jw_null(w, "code");
	scp__jw_string(w, "language", scp_language_name(e->language));
	scp__jw_uint(w, "timeout", e->timeout_s);
	write_raw(w, "event", e->event_json);
	encode_env(w, "env_vars", e->env, e->env_count);
	scp__jw_uint(w, "retry_count", e->retry_count);
	scp__jw_uint(w, "max_retries", e->max_retries);
	scp__jw_time(w, "created_at", e->created_us);
	scp__jw_time(w, "started_at", e->started_us);
	scp__jw_time(w, "completed_at", e->completed_us);
	scp__jw_time(w, "last_heartbeat_at", e->last_heartbeat_us);
	/* lists come without bytes, and half a result is none */
	if (e->result && e->code)
		encode_result(w, "result", e);
	else
		scp__jw_null(w, "result");
	scp__jw_end_object(w);
}

void encode_submitted(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_object(w, NULL);
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "session_id", e->session_id);
	scp__jw_string(w, "status", "submitted");
	scp__jw_time(w, "submitted_at", e->created_us);
	scp__jw_end_object(w);
}

void encode_execution_status(scp__json_writer *w, const scp_execution *e)
{
	scp__jw_object(w, NULL);
	scp__jw_string(w, "execution_id", e->id);
	scp__jw_string(w, "session_id", e->session_id);
	scp__jw_string(w, "status", scp_execution_status_name(e->status));
	scp__jw_uint(w, "retry_count", e->retry_count);
	scp__jw_time(w, "created_at", e->created_us);
	scp__jw_time(w, "started_at", e->started_us);
	scp__jw_time(w, "completed_at", e->completed_us);
	scp__jw_time(w, "last_heartbeat_at", e->last_heartbeat_us);
	scp__jw_end_object(w);
}
