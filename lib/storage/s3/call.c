/* One request to S3: signed, sent, its answer read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "md5.h"
#include "s3.h"
#include "sigv4.h"
#include "time_text.h"

#define ANSWER_MAX (8u << 20) /* a page of a thousand keys, each as long as it may be and percent-encoded */
#define URL_MAX (16 * 1024)
#define LINES_MAX (S3_PAIRS_MAX + 6)
#define TIMEOUT_MS 60000
#define SLOWEST_BYTES_MS 64 /* a body gets a second more for each 64 KB */
#define STALL_S 30
#define TRIES 4
#define BODY_TRIES 3

struct s3_wire {
	scp__buf url, path;
	scp_pair pairs[LINES_MAX];
	size_t pair_count;
	char *lines[LINES_MAX + 1];
	char host[320], time[SIGV4_TIME_SIZE], sha256[SCP__SHA256_HEX_SIZE];
	scp__buf authorization;
	scp__http_request request;
	scp__http_stream *stream;
	struct s3_keys keys;
};

void s3_call_query(struct s3_call *c, const char *name, const char *value)
{
	if (c->query_count < S3_PAIRS_MAX)
		c->query[c->query_count++] = (scp_pair){ name, value };
}

void s3_call_header(struct s3_call *c, const char *name, const char *value)
{
	if (c->header_count < S3_PAIRS_MAX)
		c->headers[c->header_count++] = (scp_pair){ name, value };
}

void s3_call_free(struct s3_call *c)
{
	scp__buf_free(&c->answer);
}

/* ---- addresses ---- */

scp_status s3_full_key(const struct s3 *s, const char *key, char out[S3_KEY_MAX + 1], scp_error *err)
{
	int len = snprintf(out, S3_KEY_MAX + 1, "%s%s", s->config.prefix, key);

	if (len >= 0 && len <= S3_KEY_MAX)
		return SCP_OK;
	return scp__fail(
	    err, SCP_EINVAL, "key: with the storage's prefix it has %d bytes; S3 takes %d", len, S3_KEY_MAX);
}

void s3_address(
    const struct s3 *s, const char *full_key, bool for_others, scp__buf *url, char host[320], scp__buf *path)
{
	const struct s3_config *c = &s->config;
	const struct s3_place *place = for_others ? &c->public_endpoint : &c->endpoint;

	snprintf(host, 320, "%s%s%.240s", c->path_style ? "" : c->bucket, c->path_style ? "" : ".", place->authority);
	scp__buf_printf(path, "/%s%s%s", c->path_style ? c->bucket : "", c->path_style && full_key ? "/" : "",
	    full_key ? full_key : "");
	scp__buf_printf(url, "%s://%s", place->scheme, host);
	sigv4_escape(url, path->data, true);
}

/* ---- making it ---- */

static void add(struct s3_wire *w, const char *name, const char *value)
{
	w->pairs[w->pair_count++] = (scp_pair){ name, value };
}

static scp_status sign(struct s3 *s, struct s3_call *c, struct s3_wire *w, scp_error *err)
{
	struct sigv4_signer signer = { w->keys.access_key, w->keys.secret_key, w->keys.token, s->config.region, "s3",
		scp__now_us() };
	struct sigv4_request q = { .method = c->method,
		.path = w->path.data,
		.query = c->query,
		.query_count = c->query_count,
		.headers = w->pairs,
		.payload_sha256 = c->sha256 ? c->sha256 : w->sha256 };

	if (!c->sha256)
		scp__sha256_hex(c->body ? c->body : "", c->len, w->sha256);
	add(w, "Host", w->host);
	add(w, "x-amz-date", sigv4_time(w->time, signer.time_us));
	add(w, "x-amz-content-sha256", q.payload_sha256);
	if (*w->keys.token)
		add(w, "x-amz-security-token", w->keys.token);
	for (size_t i = 0; i < c->header_count; i++)
		add(w, c->headers[i].name, c->headers[i].value);
	q.header_count = w->pair_count;
	return sigv4_authorize(&w->authorization, &signer, &q, err);
}

static scp_status make_lines(struct s3_wire *w, scp_error *err)
{
	size_t i;

	add(w, "Authorization", w->authorization.data);
	for (i = 0; i < w->pair_count; i++)
		if (asprintf(&w->lines[i], "%s: %s", w->pairs[i].name, w->pairs[i].value) < 0) {
			w->lines[i] = NULL;
			return scp__nomem(err);
		}
	return SCP_OK;
}

static scp_status take_body(void *user, const void *data, size_t len, scp_error *err)
{
	struct s3_call *c = user;

	if (scp__buf_append(&c->answer, data, len))
		return scp__fail(err, SCP_EBACKEND, "an answer that is larger than any of S3's");
	return SCP_OK;
}

static void copy_etag(char out[72], const char *value)
{
	size_t len;

	if (*value == '"')
		value++;
	len = strcspn(value, "\"");
	/* Longer than any that we know: its digest changes when it does. */
	if (len > 71)
		scp__sha256_hex(value, len, out);
	else
		snprintf(out, 72, "%.*s", (int)len, value);
}

static void take_range(struct s3_head *h, const char *value)
{
	const char *slash = value ? strchr(value, '/') : NULL;

	h->total = slash && slash[1] != '*' ? strtoull(slash + 1, NULL, 10) : h->length;
}

static void take_digests(struct s3_head *h, const char *const *headers)
{
	const char *sha256 = scp__http_header(headers, "x-amz-meta-sha256");
	const char *checksum = scp__http_header(headers, "x-amz-checksum-sha256");
	const char *encryption = scp__http_header(headers, "x-amz-server-side-encryption");

	if (sha256 && strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64)
		memcpy(h->sha256, sha256, 65);
	/* One of parts' checksums ends with their number. */
	if (checksum && !strchr(checksum, '-'))
		snprintf(h->checksum, sizeof(h->checksum), "%s", checksum);
	h->opaque_etag = (encryption && strcmp(encryption, "AES256")) ||
			 scp__http_header(headers, "x-amz-server-side-encryption-customer-algorithm");
}

static scp_status take_head(void *user, int status, const char *const *headers, scp_error *err)
{
	struct s3_head *h = &((struct s3_call *)user)->head;
	const char *etag = scp__http_header(headers, "ETag"), *length = scp__http_header(headers, "Content-Length");
	const char *modified = scp__http_header(headers, "Last-Modified"), *date = scp__http_header(headers, "Date");
	const char *region = scp__http_header(headers, "x-amz-bucket-region");

	(void)err;
	*h = (struct s3_head){ .status = status };
	if (etag)
		copy_etag(h->etag, etag);
	h->sized = length != NULL;
	h->length = length ? strtoull(length, NULL, 10) : 0;
	take_range(h, scp__http_header(headers, "Content-Range"));
	h->modified_us = modified ? s3_time_http(modified) : 0;
	h->date_us = date ? s3_time_http(date) : 0;
	snprintf(h->region, sizeof(h->region), "%.63s", region ? region : "");
	take_digests(h, headers);
	return SCP_OK;
}

static void fill_request(struct s3_call *c, struct s3_wire *w)
{
	scp__http_request *q = &w->request;

	q->method = c->method;
	q->url = w->url.data;
	q->headers = (const char *const *)w->lines;
	q->body = c->body;
	q->body_len = c->len;
	q->on_head = take_head;
	q->on_body = take_body;
	q->user = c;
	q->timeout_ms = (c->timeout_ms ? c->timeout_ms : TIMEOUT_MS) + (uint32_t)(c->len / SLOWEST_BYTES_MS);
	q->stall_timeout_s = c->slow ? q->timeout_ms / 1000 : STALL_S;
	/* All that is asked of S3 here may be asked twice; a second upload that was begun is never seen, and swept. */
	q->idempotent = true;
	q->retries = c->once ? 0 : TRIES;
}

static scp_status make(struct s3 *s, struct s3_call *c, struct s3_wire *w, scp_error *err)
{
	char full[S3_KEY_MAX + 1] = "";
	scp_status rc = SCP_OK;

	scp__buf_init(&c->answer, ANSWER_MAX);
	scp__buf_init(&w->url, URL_MAX);
	scp__buf_init(&w->path, URL_MAX);
	scp__buf_init(&w->authorization, URL_MAX);
	if (c->key && !c->whole_key)
		rc = s3_full_key(s, c->key, full, err);
	if (!rc)
		rc = s3_credentials_get(s->credentials, &w->keys, err);
	if (rc)
		return rc;
	s3_address(s, c->key ? c->whole_key ? c->key : full : NULL, false, &w->url, w->host, &w->path);
	if (c->query_count)
		scp__buf_puts(&w->url, "?");
	rc = sigv4_query(&w->url, c->query, c->query_count, err);
	if (!rc)
		rc = sign(s, c, w, err);
	if (!rc)
		rc = make_lines(w, err);
	if (!rc)
		fill_request(c, w);
	return rc;
}

void s3_wire_close(struct s3_wire *w)
{
	if (!w)
		return;
	scp__http_close(w->stream);
	for (size_t i = 0; i < LINES_MAX; i++)
		free(w->lines[i]);
	s3_keys_free(&w->keys);
	scp__buf_free(&w->url);
	scp__buf_free(&w->path);
	scp__buf_free(&w->authorization);
	free(w);
}

/* ---- doing it ---- */

static scp_status out_of_reach(struct s3 *s, scp_status rc, scp_error *err)
{
	if (rc != SCP_EUNAVAIL && rc != SCP_ETIMEDOUT)
		return rc;
	scp__prefix(err, "storage s3://%s", s->config.bucket);
	scp__hint(err, "Check that %s can be reached from here: endpoint= (and ca_file=) in --storage",
	    s->config.endpoint.authority);
	scp__retry_after(err, S3_RETRY_AFTER_MS);
	return rc;
}

/* What broke off in the middle of its body is asked for again too. */
static scp_status send_it(struct s3 *s, struct s3_call *c, struct s3_wire *w, scp_error *err)
{
	scp_status rc = SCP_EUNAVAIL;

	for (unsigned i = 0; i < BODY_TRIES; i++) {
		scp__buf_clear(&c->answer);
		c->head.status = 0;
		rc = scp__http_do(s->http, &w->request, NULL, err);
		if (rc != SCP_EUNAVAIL || !c->head.status || c->once)
			break;
	}
	return rc;
}

scp_status s3_call_run(struct s3 *s, struct s3_call *c, scp_error *err)
{
	struct s3_wire *w = calloc(1, sizeof(*w));
	scp_status rc = w ? make(s, c, w, err) : scp__nomem(err);
	bool sent = !rc;

	if (!rc)
		rc = send_it(s, c, w, err);
	if (rc && sent)
		rc = out_of_reach(s, rc, err);
	else if (!rc && c->head.status >= 300)
		rc = s3_fail(s, c, err);
	s3_wire_close(w);
	return rc;
}

/* A failure's text is short; what is longer isn't S3's. */
static void read_failure(struct s3_call *c, scp__http_stream *stream)
{
	char step[4096];
	size_t len = 1;

	while (len && c->answer.len < 64 * 1024 && !scp__http_read(stream, step, sizeof(step), &len, NULL))
		scp__buf_append(&c->answer, step, len);
}

scp_status s3_call_open(struct s3 *s, struct s3_call *c, struct s3_wire **out, scp_error *err)
{
	struct s3_wire *w = calloc(1, sizeof(*w));
	scp_status rc = w ? make(s, c, w, err) : scp__nomem(err);
	bool sent = !rc;

	*out = NULL;
	if (!rc)
		rc = scp__http_open(s->http, &w->request, &w->stream, NULL, err);
	if (rc && sent) {
		rc = out_of_reach(s, rc, err);
	} else if (!rc && c->head.status >= 300) {
		read_failure(c, w->stream);
		rc = s3_fail(s, c, err);
	}
	if (rc)
		s3_wire_close(w);
	else
		*out = w;
	return rc;
}

scp_status s3_wire_read(struct s3_wire *w, void *data, size_t capacity, size_t *len, scp_error *err)
{
	return scp__http_read(w->stream, data, capacity, len, err);
}
