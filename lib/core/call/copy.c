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

static bool copy_words(scp__arena *a, const char *const **words, size_t count)
{
	const char **to;
	bool ok = true;

	if (!*words || !count)
		return true;
	to = scp__arena_alloc(a, count * sizeof(*to));
	if (!to)
		return false;
	memcpy(to, *words, count * sizeof(*to));
	for (size_t i = 0; i < count; i++)
		ok = ok && scp__copy_text(a, &to[i]);
	*words = to;
	return ok;
}

static bool copy_texts(scp__arena *a, scp_template_spec *to)
{
	return scp__copy_text(a, &to->id) && scp__copy_text(a, &to->name) && scp__copy_text(a, &to->description) &&
	       scp__copy_text(a, &to->image) && scp__copy_text(a, &to->base_image) && scp__copy_text(a, &to->seccomp) &&
	       scp__copy_text(a, &to->idempotency_key);
}

bool scp__copy_template_spec(scp__arena *a, scp_template_spec *to, const scp_template_spec *from)
{
	const void *languages = from->languages, *resources = from->default_resources, *pool = from->warm_pool;

	*to = *from;
	if (!copy_bytes(a, &languages, to->language_count * sizeof(scp_language)) ||
	    !copy_bytes(a, &resources, sizeof(scp_resources)) || !copy_bytes(a, &pool, sizeof(scp_warm_pool)))
		return false;
	to->languages = languages;
	to->default_resources = resources;
	to->warm_pool = pool;
	return copy_texts(a, to) && copy_words(a, &to->packages, to->package_count) &&
	       copy_env(a, &to->env, to->env_count);
}
