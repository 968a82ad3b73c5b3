/* What a spec may hold: every limit of the REST contract, made once here for C, Python and HTTP. */
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "env.h"
#include "err.h"
#include "json.h"
#include "plane.h"
#include "utf8.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

enum {
	KEY_MAX = 255,
	AGENT_ID_MAX = 128,
	TEMPLATE_ID_MAX = 64,
	SESSION_TIMEOUT_MIN = 60,
	TIMEOUT_MAX = 3600,
	RETRIES_MAX = 3,
	PAGE_MAX = 200,
};

static scp_status out_of_range(scp_error *err, const char *field, uint64_t is, uint64_t min, uint64_t max)
{
	return scp__fail(err, SCP_EINVAL, "%s is %llu; allowed is %llu to %llu", field, (unsigned long long)is,
	    (unsigned long long)min, (unsigned long long)max);
}

scp_status scp__check_range(const char *field, uint64_t is, uint64_t min, uint64_t max, scp_error *err)
{
	return !is || (is >= min && is <= max) ? SCP_OK : out_of_range(err, field, is, min, max);
}

scp_status scp__check_resources(const char *field, const scp_resources *r, scp_error *err)
{
	static const struct {
		const char *name;
		uint64_t min, max;
	} rows[] = {
		{ "cpu (thousandths)", 500, 4000 },
		{ "memory (bytes)", 256 * MIB, 8 * GIB },
		{ "disk (bytes)", GIB, 50 * GIB },
		{ "max_processes", 32, 1024 },
	};
	uint64_t is[4];
	char name[64];
	scp_status rc = SCP_OK;

	if (!r)
		return SCP_OK;
	is[0] = r->cpu_millis;
	is[1] = r->memory_bytes;
	is[2] = r->disk_bytes;
	is[3] = r->max_processes;
	for (size_t i = 0; !rc && i < 4; i++) {
		snprintf(name, sizeof(name), "%s.%s", field, rows[i].name);
		rc = scp__check_range(name, is[i], rows[i].min, rows[i].max, err);
	}
	return rc;
}

scp_status scp__check_key(const char *key, scp_error *err)
{
	if (!key)
		return SCP_OK;
	if (!key[0] || strlen(key) > KEY_MAX)
		return scp__fail(err, SCP_EINVAL, "idempotency_key must have 1 to %d characters", KEY_MAX);
	for (const char *p = key; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			return scp__fail(
			    err, SCP_EINVAL, "idempotency_key may hold printable ASCII without spaces only");
	return SCP_OK;
}

static scp_status check_agent_id(const char *id, scp_error *err)
{
	if (!id)
		return SCP_OK;
	if (!id[0] || strlen(id) > AGENT_ID_MAX || !scp__utf8_valid(id, strlen(id)) || !scp__text_printable(id))
		return scp__fail(err, SCP_EINVAL, "agent_id must be 1 to %d bytes of UTF-8 without control characters",
		    AGENT_ID_MAX);
	return SCP_OK;
}

static scp_status check_template_id(const char *id, scp_error *err)
{
	if (!id || !id[0])
		return scp__fail(err, SCP_EINVAL, "template_id is required");
	if (strlen(id) > TEMPLATE_ID_MAX || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(id))
		return scp__fail(err, SCP_EINVAL, "template_id must be 1 to %d of [a-z0-9-]", TEMPLATE_ID_MAX);
	return SCP_OK;
}

scp_status scp__check_session_spec(const scp_session_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!spec || spec->struct_size < sizeof(uint32_t) + sizeof(void *))
		return scp__fail(err, SCP_EINVAL, "spec must be set up with SCP_SESSION_SPEC_INIT");
	rc = check_template_id(spec->template_id, err);
	if (!rc)
		rc = scp__check_range("timeout", spec->timeout_s, SESSION_TIMEOUT_MIN, TIMEOUT_MAX, err);
	if (!rc)
		rc = scp__check_resources("resources", spec->resources, err);
	if (!rc)
		rc = scp__env_check(spec->env, spec->env_count, "env_vars", err);
	if (!rc && (unsigned)spec->mode > SCP_EPHEMERAL)
		rc = scp__fail(err, SCP_EINVAL, "mode must be persistent or ephemeral");
	if (!rc && (unsigned)spec->network > SCP_ON)
		rc = scp__fail(err, SCP_EINVAL, "network_enabled must be true, false or left out");
	if (!rc)
		rc = check_agent_id(spec->agent_id, err);
	if (!rc)
		rc = scp__check_key(spec->idempotency_key, err);
	return rc;
}

static scp_status check_code(const scp_execution_spec *spec, scp_error *err)
{
	size_t len = spec->code ? (spec->code_len ? spec->code_len : strlen(spec->code)) : 0;

	if (!len)
		return scp__fail(err, SCP_EINVAL, "code is required and must not be empty");
	if (len > SCP__CODE_MAX)
		return out_of_range(err, "the length of code", len, 1, SCP__CODE_MAX);
	if (!scp__utf8_valid(spec->code, len) || memchr(spec->code, 0, len))
		return scp__fail(err, SCP_EINVAL, "code must be UTF-8 without NUL");
	return SCP_OK;
}

static scp_status check_event(const char *json, scp_error *err)
{
	if (!json)
		return SCP_OK;
	if (strlen(json) > SCP__EVENT_MAX)
		return out_of_range(err, "the length of event", strlen(json), 1, SCP__EVENT_MAX);
	return scp__json_check(json, strlen(json), "event", err);
}

scp_status scp__check_execution_spec(const scp_execution_spec *spec, scp_error *err)
{
	scp_status rc;

	if (!spec || spec->struct_size < sizeof(uint32_t) + sizeof(void *))
		return scp__fail(err, SCP_EINVAL, "spec must be set up with SCP_EXECUTION_SPEC_INIT");
	rc = check_code(spec, err);
	if (!rc && (spec->language < SCP_PYTHON || spec->language > SCP_SHELL))
		rc = scp__fail(err, SCP_EINVAL, "language is required and must be python, javascript or shell");
	if (!rc)
		rc = scp__check_range("timeout", spec->timeout_s, 1, TIMEOUT_MAX, err);
	if (!rc)
		rc = check_event(spec->event_json, err);
	if (!rc)
		rc = scp__env_check(spec->env, spec->env_count, "env_vars", err);
	if (!rc && spec->stdin_len > SCP__STDIN_MAX)
		rc = out_of_range(err, "the length of stdin", spec->stdin_len, 0, SCP__STDIN_MAX);
	if (!rc && spec->stdin_len && !spec->stdin_data)
		rc = scp__fail(err, SCP_EINVAL, "stdin_data must not be NULL where stdin_len isn't 0");
	if (!rc && (spec->retries < -1 || spec->retries > RETRIES_MAX))
		rc = scp__fail(err, SCP_EINVAL, "max_retries is %d; allowed is 0 to %d", spec->retries, RETRIES_MAX);
	if (!rc)
		rc = scp__check_key(spec->idempotency_key, err);
	return rc;
}

scp_status scp__check_page(uint32_t limit, scp_error *err)
{
	return scp__check_range("limit", limit, 1, PAGE_MAX, err);
}

/* ---- digests: what makes two requests with one idempotency key the same ---- */

static void add(scp__sha256 *s, const void *data, size_t len)
{
	uint64_t n = len;

	scp__sha256_update(s, &n, sizeof(n));
	scp__sha256_update(s, data, len);
}

void scp__digest_text(scp__sha256 *s, const char *text)
{
	add(s, text ? text : "\xff", text ? strlen(text) : 1);
}

void scp__digest_number(scp__sha256 *s, uint64_t n)
{
	scp__sha256_update(s, &n, sizeof(n));
}

void scp__digest_env(scp__sha256 *s, const scp_pair *env, size_t count)
{
	scp__digest_number(s, count);
	for (size_t i = 0; i < count; i++) {
		scp__digest_text(s, env[i].name);
		scp__digest_text(s, env[i].value);
	}
}

void scp__digest_resources(scp__sha256 *s, const scp_resources *r)
{
	static const scp_resources none = SCP_RESOURCES_INIT;

	r = r ? r : &none;
	scp__digest_number(s, r->cpu_millis);
	scp__digest_number(s, r->memory_bytes);
	scp__digest_number(s, r->disk_bytes);
	scp__digest_number(s, r->max_processes);
}

void scp__digest_session_spec(const scp_session_spec *spec, char out[65])
{
	scp__sha256 s;

	scp__sha256_init(&s);
	scp__digest_text(&s, spec->template_id);
	scp__digest_number(&s, spec->timeout_s);
	scp__digest_resources(&s, spec->resources);
	scp__digest_env(&s, spec->env, spec->env_count);
	scp__digest_number(&s, spec->mode);
	scp__digest_number(&s, spec->network);
	scp__digest_text(&s, spec->agent_id);
	scp__sha256_final_hex(&s, out);
}

void scp__digest_execution_spec(const char *session_id, const scp_execution_spec *spec, char out[65])
{
	scp__sha256 s;

	scp__sha256_init(&s);
	scp__digest_text(&s, session_id);
	add(&s, spec->code, spec->code_len ? spec->code_len : strlen(spec->code));
	scp__digest_number(&s, spec->language);
	scp__digest_number(&s, spec->timeout_s);
	scp__digest_text(&s, spec->event_json);
	scp__digest_env(&s, spec->env, spec->env_count);
	add(&s, spec->stdin_data ? spec->stdin_data : "", spec->stdin_len);
	scp__digest_number(&s, (uint64_t)(int64_t)spec->retries);
	scp__sha256_final_hex(&s, out);
}
