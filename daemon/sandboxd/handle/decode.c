/* Bodies into specs. What is wrong is named by its field; the ranges are the library's to check, but for what can't be
 * said in its types. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define EVENT_TEXT_MAX (1024u * 1024) /* as the library counts it */

scp_status decode_object(const struct request *q, const char *const *names, scp_error *err)
{
	if (!q->json)
		return scp__fail(err, SCP_EINVAL, "body: a JSON object is wanted; none was sent");
	return scp__json_only(q->json, "body", names, err);
}

scp_status decode_u32(const scp__json *o, const char *key, int64_t min, int64_t max, uint32_t *out, scp_error *err)
{
	int64_t value = *out;
	scp_status rc = scp__json_get_int(o, key, min, max, &value, err);

	*out = (uint32_t)value;
	return rc;
}

/* {"NAME": "value"} into pairs. */
scp_status decode_env(const struct request *q, const char *key, const scp_pair **env, size_t *count, scp_error *err)
{
	const scp__json *o = scp__json_get(q->json, key);
	scp_pair *pairs;
	size_t n;

	if (!o || scp__json_typeof(o) == SCP__JSON_NULL)
		return SCP_OK;
	if (scp__json_typeof(o) != SCP__JSON_OBJECT)
		return scp__fail(err, SCP_EINVAL, "%s: an object of strings is wanted", key);
	n = scp__json_size(o);
	pairs = scp__arena_alloc(q->arena, (n + 1) * sizeof(*pairs));
	if (!pairs)
		return scp__nomem(err);
	for (size_t i = 0; i < n; i++) {
		const scp__json *member = scp__json_at(o, i);

		pairs[i] = (scp_pair){ scp__json_key(member), scp__json_string(member) };
		if (!pairs[i].value)
			return scp__fail(
			    err, SCP_EINVAL, "%s: the value of '%.100s' is not a string", key, pairs[i].name);
	}
	*env = pairs;
	*count = n;
	return SCP_OK;
}

/* "0.5", "2", "1.25": thousandths at most. */
static bool parse_cpu(const char *text, uint32_t *millis)
{
	size_t whole = strspn(text, "0123456789"), part = 0;
	const char *at = text + whole;
	uint32_t value;

	if (!whole || whole > 3)
		return false;
	value = (uint32_t)strtoul(text, NULL, 10) * 1000;
	if (*at == '.') {
		uint32_t unit = 100;

		part = strspn(++at, "0123456789");
		if (!part || part > 3)
			return false;
		for (size_t i = 0; i < part; i++, unit /= 10)
			value += (uint32_t)(at[i] - '0') * unit;
	}
	*millis = value;
	return !at[part];
}

static bool parse_bytes(const char *text, uint64_t *bytes)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;

	if (!digits || digits > 6)
		return false;
	*bytes = strtoull(text, NULL, 10) << (strcmp(unit, "Gi") == 0 ? 30 : 20);
	return strcmp(unit, "Gi") == 0 || strcmp(unit, "Mi") == 0;
}

/* In the ranges of API.md: zero would mean "default" to the library, and must not be sayable. */
static scp_status get_cpu(const scp__json *o, uint32_t *millis, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, "cpu", &text, err);

	if (rc || !text)
		return rc;
	if (!parse_cpu(text, millis) || *millis < 500 || *millis > 4000)
		return scp__fail(err, SCP_EINVAL, "cpu: '%.40s' is not from \"0.5\" to \"4\"", text);
	return SCP_OK;
}

static scp_status get_bytes(
    const scp__json *o, const char *key, const char *low, const char *high, uint64_t *bytes, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, key, &text, err);
	uint64_t min, max;

	if (rc || !text)
		return rc;
	(void)parse_bytes(low, &min);
	(void)parse_bytes(high, &max);
	if (!parse_bytes(text, bytes) || *bytes < min || *bytes > max)
		return scp__fail(err, SCP_EINVAL, "%s: '%.40s' is not from \"%s\" to \"%s\"", key, text, low, high);
	return SCP_OK;
}

scp_status decode_resources(const struct request *q, const char *key, const scp_resources **out, scp_error *err)
{
	static const char *const names[] = { "cpu", "memory", "disk", "max_processes", NULL };
	const scp__json *o = scp__json_get(q->json, key);
	scp_resources *r;
	scp_status rc;

	if (!o || scp__json_typeof(o) == SCP__JSON_NULL)
		return SCP_OK;
	r = scp__arena_alloc(q->arena, sizeof(*r));
	if (!r)
		return scp__nomem(err);
	*r = (scp_resources)SCP_RESOURCES_INIT;
	*out = r;
	rc = scp__json_only(o, key, names, err);
	if (!rc)
		rc = get_cpu(o, &r->cpu_millis, err);
	if (!rc)
		rc = get_bytes(o, "memory", "256Mi", "8Gi", &r->memory_bytes, err);
	if (!rc)
		rc = get_bytes(o, "disk", "1Gi", "50Gi", &r->disk_bytes, err);
	if (!rc)
		rc = decode_u32(o, "max_processes", 32, 1024, &r->max_processes, err);
	return rc ? scp__prefix(err, "%s", key) : SCP_OK;
}

static scp_status get_mode(const scp__json *o, scp_session_mode *mode, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, "mode", &text, err);

	if (rc || !text)
		return rc;
	*mode = strcmp(text, "ephemeral") == 0 ? SCP_EPHEMERAL : SCP_PERSISTENT;
	if (*mode == SCP_PERSISTENT && strcmp(text, "persistent") != 0)
		return scp__fail(err, SCP_EINVAL, "mode: '%.40s' is not one of persistent, ephemeral", text);
	return SCP_OK;
}

scp_status decode_switch(const scp__json *o, const char *key, scp_switch *out, scp_error *err)
{
	const scp__json *v = scp__json_get(o, key);
	bool on = false;
	scp_status rc = scp__json_get_bool(o, key, &on, err);

	if (!rc && v && scp__json_typeof(v) == SCP__JSON_BOOL)
		*out = on ? SCP_ON : SCP_OFF;
	return rc;
}

scp_status decode_session(const struct request *q, scp_session_spec *spec, scp_error *err)
{
	static const char *const names[] = { "template_id", "timeout", "resources", "env_vars", "mode",
		"network_enabled", "agent_id", NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = scp__json_get_string(q->json, "template_id", &spec->template_id, err);
	if (!rc && !spec->template_id)
		rc = scp__fail(err, SCP_EINVAL, "template_id: is required");
	if (!rc)
		rc = decode_u32(q->json, "timeout", 60, 3600, &spec->timeout_s, err);
	if (!rc)
		rc = decode_resources(q, "resources", &spec->resources, err);
	if (!rc)
		rc = decode_env(q, "env_vars", &spec->env, &spec->env_count, err);
	if (!rc)
		rc = get_mode(q->json, &spec->mode, err);
	if (!rc)
		rc = decode_switch(q->json, "network_enabled", &spec->network, err);
	if (!rc)
		rc = scp__json_get_string(q->json, "agent_id", &spec->agent_id, err);
	spec->idempotency_key = q->idempotency_key;
	return rc;
}

static scp_status get_language(const scp__json *o, scp_language *language, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, "language", &text, err);

	if (rc)
		return rc;
	for (int i = SCP_PYTHON; text && i <= SCP_SHELL; i++)
		if (strcmp(text, scp_language_name((scp_language)i)) == 0)
			*language = (scp_language)i;
	if (!*language)
		return scp__fail(err, SCP_EINVAL, "language: %s%.40s%s is not one of python, javascript, shell",
		    text ? "'" : "", text ? text : "nothing", text ? "'" : "");
	return SCP_OK;
}

static scp_status get_event(const struct request *q, const char **json, scp_error *err)
{
	const scp__json *v = scp__json_get(q->json, "event");
	scp__buf text;
	scp_status rc;

	if (!v)
		return SCP_OK;
	scp__buf_init(&text, EVENT_TEXT_MAX);
	rc = scp__json_print(&text, v);
	if (rc == SCP_ETOOBIG)
		rc = scp__fail(err, SCP_EINVAL, "event: longer than 1 MiB");
	if (!rc) {
		*json = scp__arena_memdup(q->scratch, text.data, text.len);
		rc = *json ? SCP_OK : scp__nomem(err);
	}
	scp__buf_free(&text);
	return rc;
}

static scp_status get_retries(const scp__json *o, int32_t *retries, scp_error *err)
{
	int64_t n = -1;
	scp_status rc = scp__json_get_int(o, "max_retries", 0, 3, &n, err);

	/* to the library 0 is the default, and none is -1 */
	if (!rc && n >= 0)
		*retries = n ? (int32_t)n : -1;
	return rc;
}

static scp_status get_stdin(const scp__json *o, scp_execution_spec *spec, scp_error *err)
{
	const char *text = NULL;
	scp_status rc = scp__json_get_string(o, "stdin", &text, err);

	spec->stdin_data = text;
	spec->stdin_len = text ? strlen(text) : 0;
	return rc;
}

scp_status decode_execution(const struct request *q, scp_execution_spec *spec, scp_error *err)
{
	static const char *const names[] = { "code", "language", "timeout", "event", "env_vars", "stdin", "max_retries",
		NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = scp__json_get_string(q->json, "code", &spec->code, err);
	if (!rc && !spec->code)
		rc = scp__fail(err, SCP_EINVAL, "code: is required");
	if (!rc)
		rc = get_language(q->json, &spec->language, err);
	if (!rc)
		rc = decode_u32(q->json, "timeout", 1, 3600, &spec->timeout_s, err);
	if (!rc)
		rc = get_event(q, &spec->event_json, err);
	if (!rc)
		rc = decode_env(q, "env_vars", &spec->env, &spec->env_count, err);
	if (!rc)
		rc = get_stdin(q->json, spec, err);
	if (!rc)
		rc = get_retries(q->json, &spec->retries, err);
	spec->idempotency_key = q->idempotency_key;
	return rc;
}

scp_status decode_keepalive(const struct request *q, uint32_t *extend_s, scp_error *err)
{
	static const char *const names[] = { "extend_s", NULL };
	scp_status rc = q->json ? scp__json_only(q->json, "body", names, err) : SCP_OK;

	return rc || !q->json ? rc : decode_u32(q->json, "extend_s", 60, 3600, extend_s, err);
}

scp_status decode_nothing(const struct request *q, scp_error *err)
{
	static const char *const names[] = { NULL };

	return q->json ? scp__json_only(q->json, "body", names, err) : SCP_OK;
}
