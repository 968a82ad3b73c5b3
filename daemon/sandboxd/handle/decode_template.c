/* A template's body into its spec. */
#include <string.h>

#include "handle.h"

/* An array's strings; NULL where it is missing. */
static scp_status get_words(
    const struct request *q, const char *key, const char *const **out, size_t *count, scp_error *err)
{
	const scp__json *array = scp__json_get(q->json, key);
	const char **words;
	size_t n;

	if (!array || scp__json_typeof(array) == SCP__JSON_NULL)
		return SCP_OK;
	if (scp__json_typeof(array) != SCP__JSON_ARRAY)
		return scp__fail(err, SCP_EINVAL, "%s: an array of strings is wanted", key);
	n = scp__json_size(array);
	words = scp__arena_alloc(q->arena, (n + 1) * sizeof(*words));
	if (!words)
		return scp__nomem(err);
	for (size_t i = 0; i < n; i++) {
		words[i] = scp__json_string(scp__json_at(array, i));
		if (!words[i])
			return scp__fail(err, SCP_EINVAL, "%s: number %zu is not a string", key, i + 1);
	}
	*out = words;
	*count = n;
	return SCP_OK;
}

static scp_language language_of(const char *name)
{
	for (int i = SCP_PYTHON; i <= SCP_SHELL; i++)
		if (!strcmp(name, scp_language_name((scp_language)i)))
			return (scp_language)i;
	return 0;
}

static scp_status get_languages(const struct request *q, scp_template_spec *spec, scp_error *err)
{
	const char *const *words = NULL;
	scp_language *languages;
	size_t count = 0;
	scp_status rc = get_words(q, "languages", &words, &count, err);

	if (rc || !words)
		return rc;
	if (!count)
		return scp__fail(err, SCP_EINVAL, "languages: at least one of python, javascript, shell is wanted");
	languages = scp__arena_alloc(q->arena, count * sizeof(*languages));
	if (!languages)
		return scp__nomem(err);
	for (size_t i = 0; i < count; i++) {
		languages[i] = language_of(words[i]);
		if (!languages[i])
			return scp__fail(
			    err, SCP_EINVAL, "languages: '%.40s' is not one of python, javascript, shell", words[i]);
	}
	spec->languages = languages;
	spec->language_count = count;
	return SCP_OK;
}

/* A member that is an object with these names only; *out stays NULL where it is missing. */
static scp_status get_object(
    const struct request *q, const char *key, const char *const *names, const scp__json **out, scp_error *err)
{
	const scp__json *o = scp__json_get(q->json, key);

	if (!o || scp__json_typeof(o) == SCP__JSON_NULL)
		return SCP_OK;
	*out = o;
	return scp__json_only(o, key, names, err);
}

static scp_status get_security(const struct request *q, scp_template_spec *spec, scp_error *err)
{
	static const char *const names[] = { "network_enabled", "read_only_root", "run_as_user", "max_processes",
		"seccomp", NULL };
	const scp__json *o = NULL;
	scp_status rc = get_object(q, "security_context", names, &o, err);

	if (rc || !o)
		return rc;
	rc = decode_switch(o, "network_enabled", &spec->network, err);
	if (!rc)
		rc = decode_switch(o, "read_only_root", &spec->read_only_root, err);
	if (!rc)
		rc = decode_u32(o, "run_as_user", 1, 65534, &spec->run_as_user, err);
	if (!rc)
		rc = decode_u32(o, "max_processes", 32, 1024, &spec->max_processes, err);
	if (!rc)
		rc = scp__json_get_string(o, "seccomp", &spec->seccomp, err);
	return rc ? scp__prefix(err, "security_context") : SCP_OK;
}

static scp_status get_pool(const struct request *q, scp_template_spec *spec, scp_error *err)
{
	static const char *const names[] = { "min", "max", "max_idle_s", NULL };
	const scp__json *o = NULL;
	scp_warm_pool *pool;
	scp_status rc = get_object(q, "warm_pool", names, &o, err);

	if (rc || !o)
		return rc;
	pool = scp__arena_alloc(q->arena, sizeof(*pool));
	if (!pool)
		return scp__nomem(err);
	*pool = (scp_warm_pool)SCP_WARM_POOL_INIT;
	spec->warm_pool = pool;
	rc = decode_u32(o, "min", 0, 1000, &pool->min, err);
	if (!rc)
		rc = decode_u32(o, "max", 0, 1000, &pool->max, err);
	if (!rc && pool->max < pool->min && scp__json_get(o, "max"))
		rc = scp__fail(err, SCP_EINVAL, "max: %u is less than min, %u", pool->max, pool->min);
	if (!rc)
		rc = decode_u32(o, "max_idle_s", 0, 86400, &pool->max_idle_s, err);
	return rc ? scp__prefix(err, "warm_pool") : SCP_OK;
}

static scp_status get_texts(const struct request *q, scp_template_spec *spec, scp_error *err)
{
	const struct {
		const char *key;
		const char **out;
	} rows[] = {
		{ "id", &spec->id },
		{ "name", &spec->name },
		{ "description", &spec->description },
		{ "image", &spec->image },
		{ "base_image", &spec->base_image },
	};
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = scp__json_get_string(q->json, rows[i].key, rows[i].out, err);
	return rc;
}

scp_status decode_template(const struct request *q, scp_template_spec *spec, scp_error *err)
{
	static const char *const names[] = { "id", "name", "description", "image", "base_image", "languages",
		"pre_installed_packages", "default_resources", "default_timeout", "default_env_vars",
		"security_context", "warm_pool", "deprecated", NULL };
	scp_status rc = decode_object(q, names, err);

	if (!rc)
		rc = get_texts(q, spec, err);
	if (!rc)
		rc = get_languages(q, spec, err);
	if (!rc)
		rc = get_words(q, "pre_installed_packages", &spec->packages, &spec->package_count, err);
	if (!rc)
		rc = decode_resources(q, "default_resources", &spec->default_resources, err);
	if (!rc)
		rc = decode_u32(q->json, "default_timeout", 60, 3600, &spec->default_timeout_s, err);
	if (!rc)
		rc = decode_env(q, "default_env_vars", &spec->env, &spec->env_count, err);
	if (!rc)
		rc = get_security(q, spec, err);
	if (!rc)
		rc = get_pool(q, spec, err);
	if (!rc)
		rc = scp__json_get_bool(q->json, "deprecated", &spec->deprecated, err);
	spec->idempotency_key = q->idempotency_key;
	return rc;
}
