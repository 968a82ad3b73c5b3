/* Containers and nodes on the wire. */
#include <stdio.h>

#include "wire.h"

static void write_usage(scp__json_writer *w, const scp_usage *usage)
{
	if (!usage) {
		scp__jw_null(w, "usage");
		return;
	}
	scp__jw_object(w, "usage");
	scp__jw_real(w, "cpu_percent", usage->cpu_percent);
	scp__jw_uint(w, "memory_bytes", usage->memory_bytes);
	scp__jw_uint(w, "processes", usage->processes);
	scp__jw_end_object(w);
}

void encode_container(scp__json_writer *w, const char *key, const scp_container *c)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "container_id", c->id);
	scp__jw_string(w, "pod_name", c->pod_name);
	scp__jw_string(w, "runtime_type", c->runtime_type);
	scp__jw_string(w, "status", scp_container_status_name(c->status));
	scp__jw_string(w, "session_id", c->session_id);
	scp__jw_string(w, "template_id", c->template_id);
	scp__jw_string(w, "node_name", c->node);
	scp__jw_string(w, "image", c->image);
	encode_resources(w, "resources", c->resources);
	write_usage(w, c->usage);
	scp__jw_time(w, "created_at", c->created_us);
	scp__jw_real(w, "uptime_seconds", c->uptime_s);
	if (c->exit_code >= 0)
		scp__jw_int(w, "exit_code", c->exit_code);
	else
		scp__jw_null(w, "exit_code");
	scp__jw_string(w, "exit_reason", c->exit_reason);
	scp__jw_end_object(w);
}

static void write_share(scp__json_writer *w, const char *key, const scp_node_share *share)
{
	char cpu[32], memory[32];

	(void)snprintf(cpu, sizeof(cpu), "%.10g", (double)share->cpu_millis / 1000);
	(void)snprintf(memory, sizeof(memory), "%lluMi", (unsigned long long)(share->memory_bytes >> 20));
	scp__jw_object(w, key);
	scp__jw_string(w, "cpu", cpu);
	scp__jw_string(w, "memory", memory);
	scp__jw_uint(w, "containers", share->containers);
	scp__jw_end_object(w);
}

void encode_node(scp__json_writer *w, const char *key, const scp_node *n)
{
	scp__jw_object(w, key);
	scp__jw_string(w, "node_id", n->id);
	scp__jw_string(w, "runtime_type", n->runtime_type);
	scp__jw_string(w, "url", n->url);
	scp__jw_string(w, "advertise_url", n->advertise_url);
	scp__jw_string(w, "status", n->status);
	write_share(w, "capacity", n->capacity);
	write_share(w, "allocated", n->allocated);
	scp__jw_array(w, "cached_images");
	for (size_t i = 0; i < n->cached_image_count; i++)
		scp__jw_string(w, NULL, n->cached_images[i]);
	scp__jw_end_array(w);
	scp__jw_time(w, "last_heartbeat_at", n->heartbeat_us);
	scp__jw_end_object(w);
}
