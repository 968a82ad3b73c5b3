/* The fake's part for operators: templates that change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fake.h"

struct fake_operator fake_operator;

static void say(const char *format, const char *a, const char *b)
{
	pthread_mutex_lock(&fake.lock);
	(void)snprintf(fake.last, sizeof(fake.last), "%s %s %s", format, a, b ? b : "-");
	pthread_mutex_unlock(&fake.lock);
}

static void keep_template(const scp_template_spec *s)
{
	struct fake_operator *o = &fake_operator;
	char *at = o->template_text;
	size_t size = sizeof(o->template_text);

	o->spec = *s;
	o->pool = s->warm_pool ? *s->warm_pool : (scp_warm_pool){ 0 };
	o->resources = s->default_resources ? *s->default_resources : (scp_resources){ 0 };
	(void)snprintf(at, size, "%s|%s|%s|%s|%s|%s|%s|", s->id ? s->id : "-", s->name ? s->name : "-",
	    s->description ? s->description : "-", s->image ? s->image : "-", s->base_image ? s->base_image : "-",
	    s->seccomp ? s->seccomp : "-", s->idempotency_key ? s->idempotency_key : "-");
	for (size_t i = 0; i < s->language_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "%d", (int)s->languages[i]);
	for (size_t i = 0; i < s->package_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "|%s", s->packages[i]);
	for (size_t i = 0; i < s->env_count; i++)
		(void)snprintf(at + strlen(at), size - strlen(at), "|%s=%s", s->env[i].name, s->env[i].value);
}

scp_status scp_template_create(scp_template **out, scp_plane *plane, const scp_template_spec *spec, scp_error *err)
{
	say("create", spec->id, NULL);
	keep_template(spec);
	if (fake.error.status) {
		*err = fake.error;
		return err->status;
	}
	return scp_template_get(out, plane, "python-basic", err);
}

scp_status scp_template_update(
    scp_template **out, scp_plane *plane, const char *id, const scp_template_spec *spec, scp_error *err)
{
	say("update", id, spec->id);
	keep_template(spec);
	return scp_template_get(out, plane, id, err);
}

scp_status scp_template_delete(scp_plane *plane, const char *id, scp_error *err)
{
	scp_template *t = NULL;
	scp_status rc = scp_template_get(&t, plane, id, err);

	say("delete", id, NULL);
	scp_template_free(t);
	return rc;
}

/* ---- containers and nodes ---- */

const char *scp_container_status_name(scp_container_status status)
{
	static const char *const names[] = { "?", "warm", "creating", "running", "exited", "removed" };

	return (unsigned)status < 6 ? names[status] : "?";
}

static const scp_resources some = { sizeof(some), 500, 256ull << 20, 1ull << 30, 32 };
static const scp_usage usage = { 12.5, 1000, 3 };

static scp_container running = { .id = "scp-run",
	.runtime_type = "oci",
	.status = SCP_CONTAINER_RUNNING,
	.session_id = "sess_ok",
	.template_id = "t",
	.node = "n1",
	.image = "host:",
	.resources = &some,
	.usage = &usage,
	.created_us = 1767182400000000,
	.uptime_s = 1.5,
	.exit_code = -1 };
static scp_container ended = { .id = "scp-end",
	.runtime_type = "oci",
	.status = SCP_CONTAINER_EXITED,
	.node = "n1",
	.resources = &some,
	.exit_code = 0,
	.exit_reason = "normal" };

scp_status scp_container_get(scp_container **out, scp_plane *plane, const char *id, scp_error *err)
{
	(void)plane;
	*out = !strcmp(id, "scp-run") ? &running : !strcmp(id, "scp-end") ? &ended : NULL;
	if (!*out)
		return scp__fail_as(err, "ContainerNotFound", "container '%s' does not exist", id);
	fake.live++;
	return SCP_OK;
}

scp_status scp_container_list(
    scp_container_page **out, scp_plane *plane, const scp_container_query *query, scp_error *err)
{
	static const scp_container *const items[] = { &running, &ended };
	static scp_container_page page = { 2, items, 9, "2" };

	(void)plane;
	(void)err;
	fake_operator.containers = *query;
	say("containers", query->runtime_type ? query->runtime_type : "-", query->session_id);
	*out = &page;
	fake.live++;
	return SCP_OK;
}

scp_status scp_container_logs(
    scp_container_log **out, scp_plane *plane, const char *id, const scp_log_query *query, scp_error *err)
{
	static scp_container_log log = { "a line\n", 7, 1 };
	scp_container *c;
	scp_status rc = scp_container_get(&c, plane, id, err);

	fake_operator.log = *query;
	*out = &log;
	return rc;
}

void scp_container_free(scp_container *container)
{
	fake.live -= container != NULL;
}

void scp_container_page_free(scp_container_page *page)
{
	fake.live -= page != NULL;
}

void scp_container_log_free(scp_container_log *log)
{
	fake.live -= log != NULL;
}

static const scp_node_share capacity = { 2500, 4ull << 30, 100 }, allocated = { 500, 256ull << 20, 1 };
static const char *const images[] = { "host:" };
static scp_node node = { .id = "n1",
	.runtime_type = "oci",
	.url = "oci:",
	.status = "ready",
	.capacity = &capacity,
	.allocated = &allocated,
	.cached_images = images,
	.cached_image_count = 1,
	.heartbeat_us = 1767182400000000 };

scp_status scp_node_list(scp_node_page **out, scp_plane *plane, const scp_node_query *query, scp_error *err)
{
	static const scp_node *const items[] = { &node };
	static scp_node_page page = { 1, items, 1, NULL };

	(void)plane;
	(void)err;
	fake_operator.nodes = *query;
	*out = &page;
	fake.live++;
	return SCP_OK;
}

scp_status scp_node_drain(scp_node **out, scp_plane *plane, const char *id, bool drain, scp_error *err)
{
	(void)plane;
	say(drain ? "drain" : "undrain", id, NULL);
	if (strcmp(id, "n1") != 0)
		return scp__fail(err, SCP_ENOTFOUND, "node '%s' does not exist", id);
	*out = &node;
	fake.live++;
	return SCP_OK;
}

void scp_node_free(scp_node *n)
{
	fake.live -= n != NULL;
}

void scp_node_page_free(scp_node_page *page)
{
	fake.live -= page != NULL;
}

/* ---- peers: everything is here, but for what lies with "peer" ---- */

scp_status scp_reach_get(scp_reach **out, scp_plane *plane, const char *id, scp_error *err)
{
	static scp_reach here = { .here = true }, there = { .node = "n2", .node_status = "ready" },
			 lost = { .node = "n3", .node_status = "lost" };

	(void)plane;
	(void)err;
	there.url = fake.peer_url;
	*out = strstr(id, "elsewhere") ? &there : strstr(id, "lost") ? &lost : &here;
	return SCP_OK;
}

void scp_reach_free(scp_reach *reach)
{
	(void)reach;
}

scp_status scp_peer_prove(char **proof, scp_plane *plane, const char *subject, scp_error *err)
{
	(void)plane;
	(void)err;
	(void)subject;
	*proof = strdup("proof");
	return SCP_OK;
}

scp_status scp_peer_check(scp_plane *plane, const char *proof, const char *subject, scp_error *err)
{
	(void)plane;
	(void)subject;
	return strcmp(proof, "proof") ? scp__fail(err, SCP_EAUTH, "no proof") : SCP_OK;
}
