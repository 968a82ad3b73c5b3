#include "copy.h"

#include <string.h>

bool scp__copy_text(scp__arena *a, const char **text)
{
	const char *from = *text;

	*text = scp__arena_strdup(a, from);
	return !from || *text;
}

static bool copy_env(scp__arena *a, const scp_pair **env, size_t count)
{
	scp_pair *to;
	bool ok = true;

	if (!*env || !count)
		return true;
	to = scp__arena_alloc(a, count * sizeof(*to));
	if (!to)
		return false;
	memcpy(to, *env, count * sizeof(*to));
	for (size_t i = 0; i < count; i++)
		ok = ok && scp__copy_text(a, &to[i].name) && scp__copy_text(a, &to[i].value);
	*env = to;
	return ok;
}

static bool copy_bytes(scp__arena *a, const void **data, size_t len)
{
	if (!*data)
		return true;
	*data = scp__arena_memdup(a, *data, len);
	return *data != NULL;
}

bool scp__copy_session_spec(scp__arena *a, scp_session_spec *to, const scp_session_spec *from)
{
	const void *resources = from->resources;

	*to = *from;
	if (!copy_bytes(a, &resources, sizeof(scp_resources)))
		return false;
	to->resources = resources;
	return scp__copy_text(a, &to->template_id) && scp__copy_text(a, &to->agent_id) &&
	       scp__copy_text(a, &to->idempotency_key) && copy_env(a, &to->env, to->env_count);
}

bool scp__copy_execution_spec(scp__arena *a, scp_execution_spec *to, const scp_execution_spec *from)
{
	const void *code = from->code, *input = from->stdin_data;

	*to = *from;
	if (code && !to->code_len)
		to->code_len = strlen(from->code);
	if (!copy_bytes(a, &code, to->code_len) || !copy_bytes(a, &input, to->stdin_len))
		return false;
	to->code = code;
	to->stdin_data = input;
	return scp__copy_text(a, &to->event_json) && scp__copy_text(a, &to->idempotency_key) &&
	       copy_env(a, &to->env, to->env_count);
}
