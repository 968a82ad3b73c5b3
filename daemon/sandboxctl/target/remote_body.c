#include "remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024u * 1024u)

void remote_escape(scp__buf *out, const char *text, bool path)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

		if (plain || strchr("-._~", *p) || (path && *p == '/'))
			(void)scp__buf_append(out, p, 1);
		else
			(void)scp__buf_printf(out, "%%%02X", *p);
	}
}

static void write_env(scp__json_writer *w, const scp_pair *env, size_t count)
{
	if (!count)
		return;
	scp__jw_object(w, "env_vars");
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, env[i].name, env[i].value);
	scp__jw_end_object(w);
}

static void write_size(scp__json_writer *w, const char *key, uint64_t bytes)
{
	char text[32];

	if (!bytes)
		return;
	(void)snprintf(text, sizeof(text), "%" PRIu64 "Mi", bytes / MIB);
	scp__jw_string(w, key, text);
}

static void write_resources(scp__json_writer *w, const scp_resources *r)
{
	char cpu[32];

	if (!r)
		return;
	scp__jw_object(w, "resources");
	if (r->cpu_millis) {
		(void)snprintf(cpu, sizeof(cpu), "%u.%03u", r->cpu_millis / 1000, r->cpu_millis % 1000);
		scp__jw_string(w, "cpu", cpu);
	}
	write_size(w, "memory", r->memory_bytes);
	write_size(w, "disk", r->disk_bytes);
	if (r->max_processes)
		scp__jw_uint(w, "max_processes", r->max_processes);
	scp__jw_end_object(w);
}

void remote_session_body(scp__buf *out, const scp_session_spec *spec)
{
	scp__json_writer w;

	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "template_id", spec->template_id);
	if (spec->timeout_s)
		scp__jw_uint(&w, "timeout", spec->timeout_s);
	write_resources(&w, spec->resources);
	write_env(&w, spec->env, spec->env_count);
	if (spec->mode)
		scp__jw_string(&w, "mode", spec->mode == SCP_EPHEMERAL ? "ephemeral" : "persistent");
	if (spec->network)
		scp__jw_bool(&w, "network_enabled", spec->network == SCP_ON);
	if (spec->agent_id)
		scp__jw_string(&w, "agent_id", spec->agent_id);
	scp__jw_end_object(&w);
}

void remote_execution_body(scp__buf *out, const scp_execution_spec *spec)
{
	scp__json_writer w;

	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_bytes(&w, "code", spec->code, spec->code_len, NULL);
	scp__jw_string(&w, "language", scp_language_name(spec->language));
	if (spec->timeout_s)
		scp__jw_uint(&w, "timeout", spec->timeout_s);
	if (spec->event_json)
		scp__jw_raw(&w, "event", spec->event_json, strlen(spec->event_json));
	write_env(&w, spec->env, spec->env_count);
	if (spec->stdin_data)
		scp__jw_bytes(&w, "stdin", spec->stdin_data, spec->stdin_len, NULL);
	if (spec->retries)
		scp__jw_uint(&w, "max_retries", spec->retries < 0 ? 0 : (uint64_t)spec->retries);
	scp__jw_end_object(&w);
}
