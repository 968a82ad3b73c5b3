#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "storage.h"
#include "utf8.h"

#define PART_MIB 6     /* in memory while it is sent; 10,000 of them hold the largest disk of a workspace, 50 GiB */
#define PART_MIB_MIN 5 /* what S3 takes for any part but the last */
#define PART_MIB_MAX 512
#define BUCKET_MAX 63
#define NAMES "endpoint, region, style, public_endpoint, prefix, credentials, ca_file, part_mib"

struct reading {
	struct s3_config *to;
	scp__arena *arena;
	bool styled;
};

typedef scp_status take_fn(struct reading *r, const char *value, scp_error *err);

static scp_status refuse(scp_error *err, const char *name, const char *wanted)
{
	scp__fail(err, SCP_EINVAL, "storage: %s= of the s3 URL must be %s", name, wanted);
	scp__hint(err, "Correct %s= in --storage", name);
	return SCP_EINVAL;
}

/* ---- places ---- */

static bool is_default_port(const char *scheme, const char *port)
{
	return !strcmp(port, strcmp(scheme, "https") ? ":80" : ":443");
}

static scp_status read_place(
    struct reading *r, struct s3_place *out, const char *name, const char *text, scp_error *err)
{
	const char *scheme = !strncmp(text, "https://", 8) ? "https" : !strncmp(text, "http://", 7) ? "http" : NULL;
	char *host, *port;
	size_t len;

	if (!scheme)
		return refuse(err, name, "http://HOST[:PORT] or https://HOST[:PORT]");
	text += strlen(scheme) + strlen("://");
	len = strcspn(text, "/");
	if (!len || strspn(text + len, "/") != strlen(text + len) || strcspn(text, "?#@\\ ") < len)
		return refuse(err, name, "a scheme, a host and a port, without user, path or query");
	host = scp__arena_memdup(r->arena, text, len);
	if (!host)
		return scp__nomem(err);
	port = strrchr(host, ':');
	if (port && !strchr(port, ']') && is_default_port(scheme, port))
		*port = '\0';
	*out = (struct s3_place){ scheme, host };
	return SCP_OK;
}

static scp_status take_endpoint(struct reading *r, const char *value, scp_error *err)
{
	return read_place(r, &r->to->endpoint, "endpoint", value, err);
}

static scp_status take_public(struct reading *r, const char *value, scp_error *err)
{
	return read_place(r, &r->to->public_endpoint, "public_endpoint", value, err);
}

/* ---- the other parameters ---- */

static bool is_word(const char *value, const char *also)
{
	for (const char *p = value; *p; p++)
		if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9') && !strchr(also, *p))
			return false;
	return *value != '\0';
}

static scp_status take_region(struct reading *r, const char *value, scp_error *err)
{
	if (!is_word(value, "-ABCDEFGHIJKLMNOPQRSTUVWXYZ_") || strlen(value) > 63)
		return refuse(err, "region", "a name like eu-central-1");
	r->to->region = scp__arena_strdup(r->arena, value);
	return r->to->region ? SCP_OK : scp__nomem(err);
}

static scp_status take_style(struct reading *r, const char *value, scp_error *err)
{
	r->styled = true;
	r->to->path_style = !strcmp(value, "path");
	return r->to->path_style || !strcmp(value, "virtual") ? SCP_OK : refuse(err, "style", "path or virtual");
}

static scp_status take_prefix(struct reading *r, const char *value, scp_error *err)
{
	size_t len = strlen(value);
	char *prefix = scp__arena_alloc(r->arena, len + 2);

	if (!prefix)
		return scp__nomem(err);
	while (len && value[len - 1] == '/')
		len--;
	memcpy(prefix, value, len);
	if (len && (len > 512 || scp__storage_check_key(prefix, "prefix", err)))
		return refuse(err, "prefix", "parts by '/', none of them empty, \".\" or \"..\", 512 bytes at most");
	if (len)
		prefix[len] = '/';
	r->to->prefix = prefix;
	return SCP_OK;
}

static scp_status take_credentials(struct reading *r, const char *value, scp_error *err)
{
	static const char *const names[] = { [S3_KEYS_ENVIRONMENT] = "environment",
		[S3_KEYS_FILE] = "file",
		[S3_KEYS_CONTAINER] = "container",
		[S3_KEYS_INSTANCE] = "instance" };

	for (unsigned i = S3_KEYS_ENVIRONMENT; i <= S3_KEYS_INSTANCE; i++)
		if (!strcmp(value, names[i])) {
			r->to->source = (enum s3_source)i;
			return SCP_OK;
		}
	return refuse(err, "credentials", "environment, file, container or instance");
}

static scp_status take_ca_file(struct reading *r, const char *value, scp_error *err)
{
	if (*value != '/')
		return refuse(err, "ca_file", "an absolute path");
	r->to->ca_file = scp__arena_strdup(r->arena, value);
	return r->to->ca_file ? SCP_OK : scp__nomem(err);
}

static scp_status take_part(struct reading *r, const char *value, scp_error *err)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < PART_MIB_MIN || n > PART_MIB_MAX)
		return refuse(err, "part_mib", "5 to 512");
	r->to->part_mib = (uint32_t)n;
	return SCP_OK;
}

static const struct {
	const char *name;
	take_fn *take;
} parameters[] = {
	{ "endpoint", take_endpoint },
	{ "region", take_region },
	{ "style", take_style },
	{ "public_endpoint", take_public },
	{ "prefix", take_prefix },
	{ "credentials", take_credentials },
	{ "ca_file", take_ca_file },
	{ "part_mib", take_part },
};

/* ---- the URL ---- */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return c >= '0' && c <= '9' ? c - '0' : at ? (int)(at - digits) : -1;
}

/* %41 becomes A, in place; false: a '%' without two digits behind it, or a NUL. */
static bool unescape(char *text)
{
	char *to = text;

	while (*text) {
		bool escaped = *text == '%';
		int high = escaped ? hex(text[1]) : -1, low = high >= 0 ? hex(text[2]) : -1;

		if (escaped && (low < 0 || (!high && !low)))
			return false;
		*to++ = escaped ? (char)(high * 16 + low) : *text;
		text += escaped ? 3 : 1;
	}
	*to = '\0';
	return true;
}

static scp_status take_parameter(struct reading *r, char *text, scp_error *err)
{
	char *equals = strchr(text, '=');

	if (equals)
		*equals = '\0';
	for (size_t i = 0; equals && i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (strcmp(text, parameters[i].name))
			continue;
		if (!unescape(equals + 1) || !scp__text_printable(equals + 1))
			return refuse(err, parameters[i].name, "printable, and percent-encoded properly");
		return parameters[i].take(r, equals + 1, err);
	}
	/* A value may be a secret that somebody put there. */
	scp__fail(err, SCP_EINVAL, "storage: the s3 URL has an unknown parameter '%.32s'", text);
	scp__hint(err, "Allowed are " NAMES "; keys come from the environment or --storage-credentials-file");
	return SCP_EINVAL;
}

static scp_status take_query(struct reading *r, char *query, scp_error *err)
{
	char *rest = NULL;
	scp_status rc = SCP_OK;

	for (char *p = strtok_r(query, "&", &rest); p && !rc; p = strtok_r(NULL, "&", &rest))
		rc = take_parameter(r, p, err);
	return rc;
}

static scp_status take_bucket(struct reading *r, const char *text, scp_error *err)
{
	size_t len = strlen(text);

	if (len < 3 || len > BUCKET_MAX || !is_word(text, "-._") || text[0] == '.' || text[0] == '-') {
		scp__fail(err, SCP_EINVAL, "storage: the s3 URL must name a bucket: s3://BUCKET?…");
		scp__hint(err, "A bucket has 3 to 63 characters of a-z, 0-9, '-', '.' in --storage s3://BUCKET?…");
		return SCP_EINVAL;
	}
	r->to->bucket = text;
	return SCP_OK;
}

static scp_status complete(struct reading *r, scp_error *err)
{
	struct s3_config *c = r->to;
	const char *region = getenv("AWS_REGION");
	char host[160];

	if (!region || !*region)
		region = getenv("AWS_DEFAULT_REGION");
	if (!c->region && take_region(r, region && *region ? region : "us-east-1", err))
		return scp__fail(err, SCP_EINVAL, "storage: AWS_REGION isn't a region's name");
	/* One's own server is rarely known under a name a bucket; AWS wants just that. */
	if (!r->styled)
		c->path_style = c->endpoint.authority || strchr(c->bucket, '.');
	if (!c->endpoint.authority) {
		snprintf(host, sizeof(host), "s3.%s.amazonaws.com", c->region);
		c->endpoint = (struct s3_place){ "https", scp__arena_strdup(r->arena, host) };
	}
	if (!c->public_endpoint.authority)
		c->public_endpoint = c->endpoint;
	if (!c->part_mib)
		c->part_mib = PART_MIB;
	return c->endpoint.authority ? SCP_OK : scp__nomem(err);
}

scp_status s3_config_read(struct s3_config *out, scp__arena *arena, const char *url, scp_error *err)
{
	struct reading r = { .to = out, .arena = arena };
	char *text = scp__arena_strdup(arena, url + strlen("s3://"));
	char *query;
	scp_status rc;

	*out = (struct s3_config){ .prefix = "" };
	if (!text)
		return scp__nomem(err);
	query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	rc = take_bucket(&r, text, err);
	if (!rc && query)
		rc = take_query(&r, query, err);
	return rc ? rc : complete(&r, err);
}
