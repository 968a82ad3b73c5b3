#include "auth.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "err.h"
#include "tokens.h"

static bool by_nobody(void *user, const http_request *q, char who[IDENTITY_SIZE])
{
	(void)user;
	(void)q;
	who[0] = '\0';
	return true;
}

static bool by_token(void *user, const http_request *q, char who[IDENTITY_SIZE])
{
	const struct auth *a = user;
	const char *name = tokens_check(a->tokens, http_header(q, "Authorization"));

	if (name)
		(void)snprintf(who, IDENTITY_SIZE, "%s", name);
	return name != NULL;
}

/*
 * A gateway that adds its line instead of replacing the client's would let clients name themselves: two lines reach us
 * joined by a comma, so that neither a comma nor a blank may stand in a name.
 */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= IDENTITY_SIZE)
		return false;
	for (; *name; name++)
		if (!isgraph((unsigned char)*name) || *name == ',')
			return false;
	return true;
}

static bool by_upstream(void *user, const http_request *q, char who[IDENTITY_SIZE])
{
	const struct auth *a = user;
	const char *name = http_header(q, a->header);

	if (!name || !is_name(name))
		return false;
	(void)snprintf(who, IDENTITY_SIZE, "%s", name);
	return true;
}

/* The gateway proves itself by a token, and says on whose behalf it asks; without that it asks for itself. */
static bool by_both(void *user, const http_request *q, char who[IDENTITY_SIZE])
{
	const struct auth *a = user;

	return by_token(user, q, who) && (!http_header(q, a->header) || by_upstream(user, q, who));
}

static void choose(struct auth *a)
{
	static const struct {
		identify_fn *identify;
		const char *mode;
	} ways[2][2] = { { { by_nobody, "none" }, { by_upstream, "upstream" } },
		{ { by_token, "tokens" }, { by_both, "tokens+upstream" } } };
	bool tokens = tokens_count(a->tokens) > 0, upstream = a->header != NULL;

	a->identify = ways[tokens][upstream].identify;
	a->mode = ways[tokens][upstream].mode;
	a->user = a;
	a->warning = tokens_exposed(a->tokens) ? "--api-token-file: others than its owner can read or change it" : NULL;
}

static bool is_header_name(const char *name)
{
	return *name && strlen(name) <= 64 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == strlen(name);
}

scp_status auth_open(struct auth *a, const struct config *c, scp_error *err)
{
	scp_status rc;

	*a = (struct auth){ .header = c->trust_upstream_auth ? c->upstream_auth_header : NULL };
	if (!is_header_name(c->upstream_auth_header))
		return scp__fail(
		    err, SCP_EINVAL, "--upstream-auth-header: '%.80s' is no header's name", c->upstream_auth_header);
	rc = tokens_open(&a->tokens, c->api_token_file, c->api_token, err);
	if (!rc)
		choose(a);
	return rc;
}

scp_status auth_reload(struct auth *a, scp_error *err)
{
	scp_status rc = tokens_reload(a->tokens, err);

	if (!rc)
		choose(a);
	return rc;
}

bool auth_is_open(const struct auth *a)
{
	return a->identify == by_nobody;
}

void auth_close(struct auth *a)
{
	tokens_free(a->tokens);
	*a = (struct auth){ 0 };
}
