#include "sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "hmac.h"
#include "md5.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define DATE_SIZE 9
#define SCOPE_SIZE 160
#define PAIRS_MAX 24
#define TEXT_MAX (64 * 1024)

char *sigv4_time(char out[SIGV4_TIME_SIZE], int64_t time_us)
{
	time_t second = (time_t)(time_us / 1000000);
	struct tm tm;

	if (!gmtime_r(&second, &tm) || !strftime(out, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm))
		snprintf(out, SIGV4_TIME_SIZE, "19700101T000000Z");
	return out;
}

void sigv4_escape(scp__buf *out, const char *text, bool path)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };
		bool plain = (c < 128 && isalnum(c)) || strchr("-_.~", c) || (path && c == '/');

		scp__buf_append(out, plain ? text : escaped, plain ? 1 : 3);
	}
}

static scp_status status_of(const scp__buf *b, scp_error *err)
{
	return b->status ? scp__fail(err, b->status, "a request that is too large to be signed") : SCP_OK;
}

/* ---- parameters: sorted by their encoded names, then values ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* '=' sorts behind what may be in a name, so for sorting a byte stands there that nothing has. */
#define MARK '\001'

static char *encode_pair(const scp_pair *p)
{
	scp__buf b;

	scp__buf_init(&b, TEXT_MAX);
	sigv4_escape(&b, p->name, false);
	scp__buf_append(&b, (const char[]){ MARK }, 1);
	sigv4_escape(&b, p->value ? p->value : "", false);
	return scp__buf_detach(&b);
}

scp_status sigv4_query(scp__buf *out, const scp_pair *query, size_t count, scp_error *err)
{
	char *texts[PAIRS_MAX] = { 0 };
	bool fine = count <= PAIRS_MAX;

	for (size_t i = 0; fine && i < count; i++)
		fine = (texts[i] = encode_pair(&query[i])) != NULL;
	if (fine) {
		qsort(texts, count, sizeof(texts[0]), by_text);
		for (size_t i = 0; i < count; i++) {
			*strchr(texts[i], MARK) = '=';
			scp__buf_printf(out, "%s%s", i ? "&" : "", texts[i]);
		}
	}
	for (size_t i = 0; i < PAIRS_MAX; i++)
		free(texts[i]);
	return fine ? status_of(out, err) : scp__nomem(err);
}

/* ---- headers: names in lower case, sorted; values trimmed, runs of blanks as one; twins joined by a comma ---- */

static int by_name(const void *a, const void *b)
{
	const scp_pair *const *x = a, *const *y = b;
	int order = strcasecmp((*x)->name, (*y)->name);

	/* They lie in one array: equal names stay in its order. */
	return order ? order : (*x > *y) - (*x < *y);
}

static scp_status sort_headers(const scp_pair **sorted, const struct sigv4_request *q, scp_error *err)
{
	if (q->header_count > PAIRS_MAX)
		return scp__fail(err, SCP_EINTERNAL, "too many headers to be signed");
	for (size_t i = 0; i < q->header_count; i++)
		sorted[i] = &q->headers[i];
	qsort(sorted, q->header_count, sizeof(sorted[0]), by_name);
	return SCP_OK;
}

static bool is_twin(const scp_pair *const *sorted, size_t i)
{
	return i && !strcasecmp(sorted[i]->name, sorted[i - 1]->name);
}

static void add_lower(scp__buf *out, const char *name)
{
	for (; *name; name++)
		scp__buf_append(out, (const char[]){ (char)tolower((unsigned char)*name) }, 1);
}

static void add_value(scp__buf *out, const char *value)
{
	bool gap = false, first = true;

	for (; *value; value++) {
		if (*value == ' ' || *value == '\t') {
			gap = true;
			continue;
		}
		if (gap && !first)
			scp__buf_puts(out, " ");
		gap = first = false;
		scp__buf_append(out, value, 1);
	}
}

static void add_headers(scp__buf *out, const scp_pair *const *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_twin(sorted, i)) {
			scp__buf_puts(out, i ? "\n" : "");
			add_lower(out, sorted[i]->name);
		}
		scp__buf_puts(out, is_twin(sorted, i) ? "," : ":");
		add_value(out, sorted[i]->value);
	}
	scp__buf_puts(out, count ? "\n" : "");
}

static void add_names(scp__buf *out, const scp_pair *const *sorted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_twin(sorted, i))
			continue;
		scp__buf_puts(out, i ? ";" : "");
		add_lower(out, sorted[i]->name);
	}
}

/* ---- the steps of the signature ---- */

scp_status sigv4_canonical(scp__buf *out, const struct sigv4_request *q, scp_error *err)
{
	const scp_pair *sorted[PAIRS_MAX];
	scp_status rc = sort_headers(sorted, q, err);

	if (rc)
		return rc;
	scp__buf_printf(out, "%s\n", q->method);
	sigv4_escape(out, q->path, true);
	scp__buf_puts(out, "\n");
	rc = sigv4_query(out, q->query, q->query_count, err);
	if (rc)
		return rc;
	scp__buf_puts(out, "\n");
	add_headers(out, sorted, q->header_count);
	scp__buf_puts(out, "\n");
	add_names(out, sorted, q->header_count);
	scp__buf_printf(out, "\n%s", q->payload_sha256);
	return status_of(out, err);
}

static void make_scope(char out[SCOPE_SIZE], const struct sigv4_signer *s)
{
	char time[SIGV4_TIME_SIZE];

	snprintf(out, SCOPE_SIZE, "%.8s/%.64s/%.32s/aws4_request", sigv4_time(time, s->time_us), s->region, s->service);
}

static scp_status derive_key(const struct sigv4_signer *s, unsigned char key[SCP__SHA256_SIZE], scp_error *err)
{
	char first[512], date[SIGV4_TIME_SIZE];
	int len = snprintf(first, sizeof(first), "AWS4%s", s->secret_key);
	const char *const steps[] = { s->region, s->service, "aws4_request" };
	scp_status rc;

	if (len < 0 || (size_t)len >= sizeof(first))
		return scp__fail(err, SCP_EINVAL, "a secret access key of more than 500 bytes");
	sigv4_time(date, s->time_us);
	rc = scp__hmac_sha256(first, (size_t)len, date, DATE_SIZE - 1, key, err);
	explicit_bzero(first, sizeof(first));
	for (size_t i = 0; !rc && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = scp__hmac_sha256(key, SCP__SHA256_SIZE, steps[i], strlen(steps[i]), key, err);
	return rc;
}

static scp_status sign(
    const struct sigv4_signer *s, const scp__buf *canonical, char signature[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	unsigned char key[SCP__SHA256_SIZE], raw[SCP__SHA256_SIZE];
	char digest[SCP__SHA256_HEX_SIZE], scope[SCOPE_SIZE], time[SIGV4_TIME_SIZE], text[512];
	scp_status rc = derive_key(s, key, err);
	int len;

	scp__sha256_hex(canonical->data, canonical->len, digest);
	make_scope(scope, s);
	len = snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", sigv4_time(time, s->time_us), scope, digest);
	if (!rc)
		rc = scp__hmac_sha256(key, sizeof(key), text, (size_t)len, raw, err);
	if (!rc)
		scp__hex(raw, sizeof(raw), signature);
	explicit_bzero(key, sizeof(key));
	return rc;
}

static scp_status sign_request(
    const struct sigv4_signer *s, const struct sigv4_request *q, char signature[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	scp__buf canonical;
	scp_status rc;

	scp__buf_init(&canonical, TEXT_MAX);
	rc = sigv4_canonical(&canonical, q, err);
	if (!rc)
		rc = sign(s, &canonical, signature, err);
	scp__buf_free(&canonical);
	return rc;
}

scp_status sigv4_authorize(scp__buf *out, const struct sigv4_signer *s, const struct sigv4_request *q, scp_error *err)
{
	char signature[SCP__SHA256_HEX_SIZE], scope[SCOPE_SIZE];
	const scp_pair *sorted[PAIRS_MAX];
	scp_status rc = sign_request(s, q, signature, err);

	if (!rc)
		rc = sort_headers(sorted, q, err);
	if (rc)
		return rc;
	make_scope(scope, s);
	scp__buf_printf(out, ALGORITHM " Credential=%s/%s, SignedHeaders=", s->access_key, scope);
	add_names(out, sorted, q->header_count);
	scp__buf_printf(out, ", Signature=%s", signature);
	return status_of(out, err);
}

/* ---- URLs that carry their signature ---- */

/* What is added to the request's own parameters, and the texts that it points to. */
struct signed_query {
	char scope[SCOPE_SIZE], credential[SCOPE_SIZE + 160], time[SIGV4_TIME_SIZE], lasts[16];
	scp_pair pairs[PAIRS_MAX];
	size_t count;
};

static void add_parameter(struct signed_query *s, const char *name, const char *value)
{
	s->pairs[s->count++] = (scp_pair){ name, value };
}

static void make_query(
    struct signed_query *out, const struct sigv4_signer *s, const struct sigv4_request *q, uint32_t seconds)
{
	make_scope(out->scope, s);
	snprintf(out->credential, sizeof(out->credential), "%.150s/%s", s->access_key, out->scope);
	snprintf(out->lasts, sizeof(out->lasts), "%u", seconds);
	add_parameter(out, "X-Amz-Algorithm", ALGORITHM);
	add_parameter(out, "X-Amz-Credential", out->credential);
	add_parameter(out, "X-Amz-Date", sigv4_time(out->time, s->time_us));
	add_parameter(out, "X-Amz-Expires", out->lasts);
	add_parameter(out, "X-Amz-SignedHeaders", "host");
	if (s->token && *s->token)
		add_parameter(out, "X-Amz-Security-Token", s->token);
	for (size_t i = 0; i < q->query_count; i++)
		out->pairs[out->count++] = q->query[i];
}

scp_status sigv4_presign(
    scp__buf *out, const struct sigv4_signer *s, const struct sigv4_request *q, uint32_t seconds, scp_error *err)
{
	char signature[SCP__SHA256_HEX_SIZE];
	struct sigv4_request whole = *q;
	struct signed_query query = { .count = 0 };
	scp_status rc;

	if (q->query_count > PAIRS_MAX - 6)
		return scp__fail(err, SCP_EINTERNAL, "too many parameters to be signed");
	make_query(&query, s, q, seconds);
	whole.query = query.pairs;
	whole.query_count = query.count;
	rc = sign_request(s, &whole, signature, err);
	if (!rc)
		rc = sigv4_query(out, query.pairs, query.count, err);
	if (!rc)
		scp__buf_printf(out, "&X-Amz-Signature=%s", signature);
	return rc ? rc : status_of(out, err);
}
