#include "json.h"

#include <math.h>
#include <string.h>

#include "err.h"
#include "value.h"

/* Every integer up to here is a double of its own; the next one isn't. */
#define EXACT_MAX ((double)((1LL << 53) - 1))

static const char *const type_names[] = {
	[SCP__JSON_NULL] = "null",
	[SCP__JSON_BOOL] = "a boolean",
	[SCP__JSON_NUMBER] = "a number",
	[SCP__JSON_STRING] = "a string",
	[SCP__JSON_ARRAY] = "an array",
	[SCP__JSON_OBJECT] = "an object",
};

scp__json_type scp__json_typeof(const scp__json *v)
{
	return v ? v->type : SCP__JSON_NULL;
}

const scp__json *scp__json_get(const scp__json *object, const char *key)
{
	if (!object || object->type != SCP__JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < object->size; i++)
		if (!strcmp(object->members[i].key, key))
			return &object->members[i];
	return NULL;
}

size_t scp__json_size(const scp__json *v)
{
	return v ? v->size : 0;
}

const scp__json *scp__json_at(const scp__json *v, size_t index)
{
	return v && index < v->size ? &v->members[index] : NULL;
}

const char *scp__json_key(const scp__json *member)
{
	return member ? member->key : NULL;
}

const char *scp__json_string(const scp__json *v)
{
	return v && v->type == SCP__JSON_STRING ? v->string : NULL;
}

bool scp__json_bool(const scp__json *v)
{
	return v && v->boolean;
}

double scp__json_number(const scp__json *v)
{
	return v ? v->number : 0;
}

/* The member, or NULL with *rc set: SCP_OK where it is missing or null. */
static const scp__json *member_of(
    const scp__json *object, const char *key, scp__json_type type, const char *allowed, scp_status *rc, scp_error *err)
{
	const scp__json *v = scp__json_get(object, key);

	*rc = SCP_OK;
	if (!v || v->type == SCP__JSON_NULL)
		return NULL;
	if (v->type == type)
		return v;
	*rc = scp__fail(err, SCP_EINVAL, "%s is %s; it must be %s", key, type_names[v->type], allowed);
	return NULL;
}

scp_status scp__json_get_string(const scp__json *object, const char *key, const char **out, scp_error *err)
{
	scp_status rc;
	const scp__json *v = member_of(object, key, SCP__JSON_STRING, "a string", &rc, err);

	if (v)
		*out = v->string;
	return rc;
}

scp_status scp__json_get_int(
    const scp__json *object, const char *key, int64_t min, int64_t max, int64_t *out, scp_error *err)
{
	scp_status rc;
	const scp__json *v = member_of(object, key, SCP__JSON_NUMBER, "an integer", &rc, err);

	if (!v)
		return rc;
	if (v->number != floor(v->number) || fabs(v->number) > EXACT_MAX || (int64_t)v->number < min ||
	    (int64_t)v->number > max)
		return scp__fail(err, SCP_EINVAL, "%s is %.17g; it must be an integer from %lld to %lld", key,
		    v->number, (long long)min, (long long)max);
	*out = (int64_t)v->number;
	return SCP_OK;
}

scp_status scp__json_get_bool(const scp__json *object, const char *key, bool *out, scp_error *err)
{
	scp_status rc;
	const scp__json *v = member_of(object, key, SCP__JSON_BOOL, "true or false", &rc, err);

	if (v)
		*out = v->boolean;
	return rc;
}

static bool listed(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names != NULL;
}

scp_status scp__json_only(const scp__json *object, const char *what, const char *const *names, scp_error *err)
{
	scp__json_type type = scp__json_typeof(object);

	if (type != SCP__JSON_OBJECT)
		return scp__fail(err, SCP_EINVAL, "%s is %s; it must be an object", what, type_names[type]);
	for (size_t i = 0; i < object->size; i++)
		if (!listed(names, object->members[i].key))
			return scp__fail(err, SCP_EINVAL, "%s: unknown field \"%.64s\"", what, object->members[i].key);
	return SCP_OK;
}
