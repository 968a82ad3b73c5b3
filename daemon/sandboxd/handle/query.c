/* Query parameters: each error names the parameter, what it is and what is allowed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

/* 1: there; 0: not there; the route's check has seen that none is malformed or too long. */
static int get(const struct request *q, const char *name, char *out, size_t size)
{
	return http_query_get(q->query, name, out, size);
}

scp_status query_int(const struct request *q, const char *name, int64_t min, int64_t max, int64_t *out, scp_error *err)
{
	char text[32], *end;
	int got = get(q, name, text, sizeof(text));
	long long value = 0;

	if (!got)
		return SCP_OK;
	errno = 0;
	if (got > 0)
		value = strtoll(text, &end, 10);
	if (got < 0 || errno || !*text || *end || strspn(text, "-0123456789") != strlen(text) || value < min ||
	    value > max)
		return scp__fail(err, SCP_EINVAL, "%s: '%s' is not a whole number from %lld to %lld", name,
		    got < 0 ? "(long)" : text, (long long)min, (long long)max);
	*out = value;
	return SCP_OK;
}

scp_status query_text(const struct request *q, const char *name, const char **out, scp_error *err)
{
	char text[4096];

	if (get(q, name, text, sizeof(text)) != 1)
		return SCP_OK;
	*out = scp__arena_strdup(q->arena, text);
	return *out ? SCP_OK : scp__nomem(err);
}

scp_status query_bool(const struct request *q, const char *name, bool *out, scp_error *err)
{
	char text[16] = "";
	int got = get(q, name, text, sizeof(text));

	if (!got)
		return SCP_OK;
	*out = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
	if (!*out && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return scp__fail(err, SCP_EINVAL, "%s: '%s' is neither true nor false", name, text);
	return SCP_OK;
}

scp_status query_page(const struct request *q, uint32_t *limit, uint64_t *offset, scp_error *err)
{
	int64_t l = 50, o = 0;
	scp_status rc = query_int(q, "limit", 1, 200, &l, err);

	if (!rc)
		rc = query_int(q, "offset", 0, INT32_MAX, &o, err);
	*limit = (uint32_t)l;
	*offset = (uint64_t)o;
	return rc;
}

scp_status query_wait(const struct request *q, uint32_t max_s, uint32_t *out_ms, scp_error *err)
{
	int64_t s = 0;
	scp_status rc = query_int(q, "wait", 0, max_s, &s, err);

	*out_ms = (uint32_t)s * 1000;
	return rc;
}

scp_status query_state(const struct request *q, const char *(*name_of)(int), int last, int *out, scp_error *err)
{
	char text[32] = "", allowed[160] = "";

	if (!get(q, "status", text, sizeof(text)))
		return SCP_OK;
	for (int i = 1; i <= last; i++) {
		if (strcmp(text, name_of(i)) == 0) {
			*out = i;
			return SCP_OK;
		}
		strncat(allowed, i > 1 ? ", " : "", sizeof(allowed) - strlen(allowed) - 1);
		strncat(allowed, name_of(i), sizeof(allowed) - strlen(allowed) - 1);
	}
	return scp__fail(err, SCP_EINVAL, "status: '%s' is not one of %s", text, allowed);
}
