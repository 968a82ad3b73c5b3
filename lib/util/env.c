#include "env.h"

#include <string.h>

#include "err.h"

#define MAX_NAMES 64
#define MAX_BYTES (10 * 1024)

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool scp__env_name_valid(const char *name)
{
	if (!name || !letter(*name))
		return false;
	while (letter(*name) || (*name >= '0' && *name <= '9'))
		name++;
	return !*name;
}

bool scp__env_name_secret(const char *name)
{
	return name && (strcasestr(name, "key") || strcasestr(name, "token") || strcasestr(name, "secret") ||
			   strcasestr(name, "password"));
}

static scp_status check_pair(const scp_pair *p, const char *field, scp_error *err)
{
	if (!scp__env_name_valid(p->name))
		return scp__fail(err, SCP_EINVAL,
		    "%s: \"%.64s\" is no name of an environment variable ([A-Za-z_][A-Za-z0-9_]*)", field,
		    p->name ? p->name : "");
	if (!p->value)
		return scp__fail(err, SCP_EINVAL, "%s: %.64s has no value", field, p->name);
	return SCP_OK;
}

static bool has_twin(const scp_pair *env, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(env[i].name, env[index].name))
			return true;
	return false;
}

scp_status scp__env_check(const scp_pair *env, size_t count, const char *field, scp_error *err)
{
	size_t bytes = 0;
	scp_status rc;

	if (count > MAX_NAMES)
		return scp__fail(err, SCP_EINVAL, "%s: %zu variables; at most %d are allowed", field, count, MAX_NAMES);
	for (size_t i = 0; i < count; i++) {
		rc = check_pair(&env[i], field, err);
		if (rc)
			return rc;
		if (has_twin(env, i))
			return scp__fail(err, SCP_EINVAL, "%s: %.64s is there twice", field, env[i].name);
		bytes += strlen(env[i].name) + strlen(env[i].value);
	}
	if (bytes > MAX_BYTES)
		return scp__fail(err, SCP_EINVAL, "%s: %zu bytes of names and values; at most %d are allowed", field,
		    bytes, MAX_BYTES);
	return SCP_OK;
}
