#include "tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "digest.h"
#include "err.h"
#include "textfile.h"

#define TOKEN_MIN 8u
#define COUNT_MAX 1000u

struct token {
	char name[64];
	char digest[SCP__SHA256_HEX_SIZE]; /* of the token: compared in the same time whatever was sent */
};

struct tokens {
	char *file;
	struct token *list;
	size_t count;
	bool exposed;
};

/* One secret with two names would be a caller whom the log names wrongly. */
static bool is_known(const struct tokens *t, const char *secret)
{
	char digest[SCP__SHA256_HEX_SIZE];

	scp__sha256_hex(secret, strlen(secret), digest);
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->list[i].digest, digest) == 0)
			return true;
	return false;
}

static scp_status add(struct tokens *t, const char *name, const char *secret, scp_error *err)
{
	struct token *list = realloc(t->list, (t->count + 1) * sizeof(*list));

	if (!list)
		return scp__nomem(err);
	t->list = list;
	list += t->count;
	(void)snprintf(list->name, sizeof(list->name), "%s", name);
	scp__sha256_hex(secret, strlen(secret), list->digest);
	t->count++;
	return SCP_OK;
}

/* A line's token. Its name is what stands before the first colon, or its number: it is named in logs. */
static scp_status add_line(void *user, char *line, unsigned number, scp_error *err)
{
	struct tokens *t = user;
	char *colon = strchr(line, ':');
	const char *secret = colon ? colon + 1 : line;
	char name[sizeof(t->list->name)];

	if (colon)
		*colon = '\0';
	if (strlen(secret) < TOKEN_MIN || strpbrk(secret, " \t") || (colon && strlen(line) >= sizeof(name)) ||
	    t->count == COUNT_MAX)
		return scp__fail(err, SCP_EINVAL,
		    "--api-token-file: %s, line %u: a token is 8 or more characters without blanks, 'name:' before it "
		    "up to 63; at most %u tokens",
		    t->file, number, COUNT_MAX);
	if (is_known(t, secret))
		return scp__fail(
		    err, SCP_EINVAL, "--api-token-file: %s, line %u: this token stands there twice", t->file, number);
	(void)snprintf(name, sizeof(name), "token-%u", number);
	return add(t, colon ? line : name, secret, err);
}

static bool is_exposed(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 && st.st_mode & (S_IWGRP | S_IRWXO);
}

scp_status tokens_reload(struct tokens *t, scp_error *err)
{
	struct tokens fresh = { .file = t->file };
	scp_status rc = t->file ? textfile_each(t->file, "--api-token-file", add_line, &fresh, err) : SCP_OK;

	if (!t->file)
		return SCP_OK;
	if (!rc && !fresh.count)
		rc = scp__fail(err, SCP_EINVAL, "--api-token-file: %s holds no token", t->file);
	if (rc) {
		free(fresh.list);
		return rc;
	}
	free(t->list);
	t->list = fresh.list;
	t->count = fresh.count;
	t->exposed = is_exposed(t->file);
	return SCP_OK;
}

static scp_status add_value(struct tokens *t, const char *value, scp_error *err)
{
	if (strlen(value) < TOKEN_MIN || strpbrk(value, " \t\r\n"))
		return scp__fail(err, SCP_EINVAL, "SANDBOXD_API_TOKEN: a token is 8 or more characters without blanks");
	return add(t, "token", value, err);
}

scp_status tokens_open(struct tokens **out, const char *file, const char *value, scp_error *err)
{
	struct tokens *t = calloc(1, sizeof(*t));
	scp_status rc = SCP_OK;

	*out = NULL;
	if (!t)
		return scp__nomem(err);
	if (file) {
		t->file = strdup(file);
		rc = t->file ? tokens_reload(t, err) : scp__nomem(err);
	} else if (value) {
		rc = add_value(t, value, err);
	}
	if (rc)
		tokens_free(t);
	else
		*out = t;
	return rc;
}

size_t tokens_count(const struct tokens *t)
{
	return t->count;
}

bool tokens_exposed(const struct tokens *t)
{
	return t->exposed;
}

const char *tokens_check(const struct tokens *t, const char *authorization)
{
	char digest[SCP__SHA256_HEX_SIZE];
	const char *name = NULL;

	if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7 + strspn(authorization + 7, " ");
	scp__sha256_hex(authorization, strlen(authorization), digest);
	/* all of them, always: the time tells nothing about which one it was */
	for (size_t i = 0; i < t->count; i++)
		if (scp__same_secret(digest, t->list[i].digest))
			name = t->list[i].name;
	return name;
}

void tokens_free(struct tokens *t)
{
	if (!t)
		return;
	free(t->list);
	free(t->file);
	free(t);
}
