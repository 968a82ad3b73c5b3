#include "s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "sigv4.h"

#define CONNECTIONS 32 /* idle ones kept */
#define URL_MAX (16 * 1024)
#define PRESIGN_MAX_S 604800 /* S3's */
#define PROBE ".scp-health"

bool s3_etag_is_md5(const char *etag)
{
	return strlen(etag) == 32 && strspn(etag, "0123456789abcdef") == 32;
}

scp_status s3_look(struct s3 *s, const char *key, struct s3_head *out, scp_error *err)
{
	struct s3_call c = { .method = "HEAD", .key = key };
	scp_error why = { 0 };
	bool directory;
	scp_status rc;

	s3_call_header(&c, "x-amz-checksum-mode", "ENABLED");
	rc = s3_call_run(s, &c, &why);
	*out = c.head;
	s3_call_free(&c);
	/* An answer to HEAD has no room for a reason; one to a listing has, and it will be the same. */
	if (rc && rc != SCP_ENOTFOUND && out->status >= 300 && out->status < 500) {
		scp_status other = s3_is_directory(s, key, &directory, err);

		if (other)
			return other;
	}
	if (rc)
		scp__error_copy(err, &why);
	return rc;
}

scp_status s3_is_directory(struct s3 *s, const char *key, bool *yes, scp_error *err)
{
	char below[S3_KEY_MAX + 2];
	struct s3_page_query q = { .prefix = below, .limit = 1 };
	struct s3_page page;
	scp_status rc;

	*yes = false;
	if (snprintf(below, sizeof(below), "%s/", key) > S3_KEY_MAX)
		return SCP_OK;
	rc = s3_page_get(s, &q, &page, err);
	if (rc)
		return rc;
	*yes = page.count > 0;
	s3_page_free(&page);
	return SCP_OK;
}

void s3_describe(const struct s3_head *head, const char *key, scp_object *out)
{
	memset(out, 0, sizeof(*out));
	out->key = key;
	out->size_bytes = head->total;
	out->modified_us = head->modified_us;
	memcpy(out->etag, head->etag, sizeof(out->etag));
	memcpy(out->sha256, head->sha256, sizeof(head->sha256));
}

/* An answer to HEAD can't say that it is the bucket that isn't there; the listing after it can. */
static scp_status s3_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	struct s3 *s = (struct s3 *)st;
	struct s3_head head;
	bool directory;
	scp_error none = { 0 };
	scp_status rc = s3_look(s, key, &head, &none);

	if (!rc) {
		s3_describe(&head, key, out);
		return SCP_OK;
	}
	if (rc == SCP_ENOTFOUND && (rc = s3_is_directory(s, key, &directory, &none)) == SCP_OK) {
		if (directory) {
			*out = (scp_object){ .key = key, .directory = true };
			return SCP_OK;
		}
		rc = SCP_ENOTFOUND;
	}
	scp__error_copy(err, &none);
	return rc;
}

/* ---- URLs for others ---- */

static scp_status make_url(
    struct s3 *s, const char *full_key, const char *method, uint32_t seconds, scp__buf *url, scp_error *err)
{
	struct s3_keys keys;
	scp_pair host_header = { "host", NULL };
	char host[320];
	scp__buf path;
	scp_status rc = s3_credentials_get(s->credentials, &keys, err);

	scp__buf_init(&path, URL_MAX);
	s3_address(s, full_key, true, url, host, &path);
	host_header.value = host;
	scp__buf_puts(url, "?");
	if (!rc) {
		struct sigv4_signer signer = { keys.access_key, keys.secret_key, keys.token, s->config.region, "s3",
			scp__now_us() };
		struct sigv4_request q = { .method = method,
			.path = path.data,
			.headers = &host_header,
			.header_count = 1,
			.payload_sha256 = SIGV4_UNSIGNED };

		rc = sigv4_presign(url, &signer, &q, seconds, err);
	}
	s3_keys_free(&keys);
	scp__buf_free(&path);
	return rc;
}

static scp_status s3_presign(
    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err)
{
	struct s3 *s = (struct s3 *)st;
	char full[S3_KEY_MAX + 1];
	scp__buf text;
	scp_status rc = s3_full_key(s, key, full, err);

	if (!rc && strcmp(method, "GET") && strcmp(method, "PUT"))
		rc = scp__fail(err, SCP_EINVAL, "method: only GET and PUT can be presigned");
	if (!rc && (!seconds || seconds > PRESIGN_MAX_S))
		rc = scp__fail(err, SCP_EINVAL, "seconds: 1 to %d are allowed", PRESIGN_MAX_S);
	if (rc)
		return rc;
	scp__buf_init(&text, URL_MAX);
	rc = make_url(s, full, method, seconds, &text, err);
	if (!rc && !(*url = scp__buf_detach(&text)))
		rc = scp__nomem(err);
	scp__buf_free(&text);
	return rc;
}

/* ---- health: lists, puts and deletes, for each is a right of its own ---- */

static scp_status probe(struct s3 *s, const char *method, uint32_t deadline_ms, scp_error *err)
{
	bool listing = !strcmp(method, "GET");
	struct s3_call c = { .method = method, .key = listing ? NULL : PROBE, .once = true };
	scp_status rc;

	c.timeout_ms = deadline_ms;
	if (listing) {
		s3_call_query(&c, "list-type", "2");
		s3_call_query(&c, "max-keys", "1");
		s3_call_query(&c, "prefix", s->config.prefix);
	}
	rc = s3_call_run(s, &c, err);
	s3_call_free(&c);
	return rc;
}

static scp_status s3_health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	static const char *const methods[] = { "GET", "PUT", "DELETE" };
	struct s3 *s = (struct s3 *)st;
	int64_t begin_us = scp__mono_us(), spent_ms = 0;
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < sizeof(methods) / sizeof(methods[0]); i++) {
		rc = spent_ms < deadline_ms ? probe(s, methods[i], deadline_ms - (uint32_t)spent_ms, err)
					    : scp__fail(err, SCP_ETIMEDOUT, "storage s3://%s: no answer in %u ms",
						  s->config.bucket, deadline_ms);
		spent_ms = (scp__mono_us() - begin_us) / 1000;
	}
	if (!rc && detail_size)
		snprintf(detail, detail_size, "s3://%s at %s (%s), keys from %s", s->config.bucket,
		    s->config.endpoint.authority, s->config.region, s3_credentials_source(s->credentials));
	return rc;
}

/* ---- opening and closing ---- */

static void s3_close(scp_storage *st)
{
	struct s3 *s = (struct s3 *)st;

	scp__http_free(s->http);
	s3_credentials_free(s->credentials);
	scp__arena_free(s->arena);
	free(s);
}

static const scp_storage_ops ops = {
	.struct_size = sizeof(scp_storage_ops),
	.name = "s3",
	.put_open = s3_put_open,
	.put_write = s3_put_write,
	.put_commit = s3_put_commit,
	.put_close = s3_put_close,
	.get_open = s3_get_open,
	.get_read = s3_get_read,
	.get_close = s3_get_close,
	.stat = s3_stat,
	.list = s3_list,
	.remove = s3_remove,
	.remove_prefix = s3_remove_prefix,
	.presign = s3_presign,
	.health = s3_health,
	.close = s3_close,
};

static scp_status set_up(struct s3 *s, const char *url, const scp__storage_options *o, scp_error *err)
{
	scp_status rc = s3_config_read(&s->config, s->arena, url, err);
	scp__http_options http = { .max_connections = CONNECTIONS, .ca_file = s->config.ca_file };

	if (!rc && s->config.source == S3_KEYS_FILE && !(o && o->credentials_file)) {
		rc = scp__fail(err, SCP_EINVAL, "storage: credentials=file, but no file is given");
		scp__hint(err, "Give --storage-credentials-file");
	}
	if (!rc)
		rc = s3_credentials_new(&s->credentials, s->config.source, o ? o->credentials_file : NULL, err);
	return rc ? rc : scp__http_new(&s->http, &http, err);
}

scp_status scp__s3_open(scp_storage **out, const char *url, const scp__storage_options *options, scp_error *err)
{
	struct s3 *s = calloc(1, sizeof(*s));
	scp_status rc;

	*out = NULL;
	if (!s)
		return scp__nomem(err);
	s->base.ops = &ops;
	s->arena = scp__arena_new();
	rc = s->arena ? set_up(s, url, options, err) : scp__nomem(err);
	if (rc) {
		s3_close(&s->base);
		return rc;
	}
	*out = &s->base;
	return SCP_OK;
}

/* ---- the bucket itself ---- */

static scp_status make_bucket(struct s3 *s, scp_error *err)
{
	struct s3_call c = { .method = "PUT" };
	char body[256];
	scp_status rc;

	/* The oldest region must not be named. */
	if (strcmp(s->config.region, "us-east-1")) {
		snprintf(body, sizeof(body),
		    "<CreateBucketConfiguration "
		    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>%s"
		    "</LocationConstraint></CreateBucketConfiguration>",
		    s->config.region);
		c.body = body;
		c.len = strlen(body);
		s3_call_header(&c, "Content-Type", "application/xml");
	}
	rc = s3_call_run(s, &c, err);
	if (rc && !strcmp(c.code, "BucketAlreadyOwnedByYou"))
		rc = SCP_OK;
	s3_call_free(&c);
	return rc;
}

scp_status scp__s3_make_bucket(const char *url, const scp__storage_options *options, scp_error *err)
{
	scp_storage *st;
	scp_status rc = scp__s3_open(&st, url, options, err);

	if (!rc)
		rc = make_bucket((struct s3 *)st, err);
	if (st)
		s3_close(st);
	return rc;
}
