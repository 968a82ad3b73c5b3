/*
 * Getting: one GET whose body is pulled. A connection that breaks is taken up where it ended, if it is the same object
 * still. What was read as a whole is compared with a digest of it, where S3 has one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "md5.h"
#include "s3.h"

#define RESUMES 4
#define PROGRESS (1u << 20) /* so much between two failures, and they are counted anew */

struct scp_object_reader {
	struct s3 *s;
	struct s3_wire *wire;
	struct s3_call call;	      /* what the wire fills */
	struct s3_head head;	      /* of the first answer */
	uint64_t offset, left, since; /* since: read after the last failure */
	unsigned failures;
	bool whole;
	scp__sha256 sha;
	scp__md5 *md5; /* where only the ETag tells */
	char etag[80];
	char range[64];
	char key[];
};

/* ---- opening ---- */

static void set_range(scp_object_reader *r, uint64_t offset, uint64_t length)
{
	uint64_t last = length ? offset + length - 1 : 0;

	if (length)
		snprintf(r->range, sizeof(r->range), "bytes=%llu-%llu", (unsigned long long)offset,
		    (unsigned long long)(last < offset ? UINT64_MAX : last));
	else
		snprintf(r->range, sizeof(r->range), "bytes=%llu-", (unsigned long long)offset);
}

static scp_status ask(scp_object_reader *r, bool ranged, const char *etag, scp_error *err)
{
	r->call = (struct s3_call){ .method = "GET", .key = r->key };
	if (ranged)
		s3_call_header(&r->call, "Range", r->range);
	else
		s3_call_header(&r->call, "x-amz-checksum-mode", "ENABLED");
	if (etag)
		s3_call_header(&r->call, "If-Match", etag);
	return s3_call_open(r->s, &r->call, &r->wire, err);
}

/* S3 has no range of an empty object, and no range that starts past the end: which of the two is it? */
static scp_status look_instead(scp_object_reader *r, uint64_t offset, scp_error *err)
{
	scp_status rc = s3_look(r->s, r->key, &r->head, err);

	if (rc)
		return rc;
	if (offset || r->head.total)
		return scp__fail(err, SCP_EINVAL, "range: %s has %llu bytes; the range starts at %llu", r->key,
		    (unsigned long long)r->head.total, (unsigned long long)offset);
	return SCP_OK;
}

static scp_status what_is_there(scp_object_reader *r, scp_error *err, const scp_error *none)
{
	bool directory = false;
	scp_status rc = s3_is_directory(r->s, r->key, &directory, err);

	if (rc)
		return rc;
	if (directory)
		return scp__fail(err, SCP_ECONFLICT, "%s: a directory", r->key);
	scp__error_copy(err, none);
	return SCP_ENOTFOUND;
}

static void prepare_digest(scp_object_reader *r)
{
	r->whole = r->left == r->head.total;
	scp__sha256_init(&r->sha);
	if (r->whole && !*r->head.sha256 && !*r->head.checksum && !r->head.opaque_etag && s3_etag_is_md5(r->head.etag))
		r->md5 = scp__md5_new();
}

static scp_status start(scp_object_reader *r, uint64_t offset, uint64_t length, scp_error *err)
{
	bool ranged = offset || length;
	scp_error why = { 0 };
	scp_status rc;

	set_range(r, offset, length);
	/* More than servers can count to. */
	rc = offset > INT64_MAX ? SCP_EINVAL : ask(r, ranged, NULL, &why);
	if (rc == SCP_ENOTFOUND)
		return what_is_there(r, err, &why);
	if (rc == SCP_EINVAL && ranged)
		return look_instead(r, offset, err);
	if (rc) {
		scp__error_copy(err, &why);
		return rc;
	}
	r->head = r->call.head;
	if (!r->head.sized)
		return scp__fail(err, SCP_EBACKEND, "%s: S3 doesn't say how long it is", r->key);
	if (offset && r->head.status != 206)
		return scp__fail(err, SCP_EBACKEND, "%s: S3 gave the whole where a range was asked for", r->key);
	r->offset = offset;
	r->left = r->head.total - offset;
	if (length && length < r->left)
		r->left = length;
	snprintf(r->etag, sizeof(r->etag), "\"%s\"", r->head.etag);
	prepare_digest(r);
	return SCP_OK;
}

scp_status s3_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err)
{
	scp_object_reader *r = calloc(1, sizeof(*r) + strlen(key) + 1);
	scp_status rc;

	if (!r)
		return scp__nomem(err);
	r->s = (struct s3 *)st;
	strcpy(r->key, key);
	rc = start(r, offset, length, err);
	if (rc) {
		s3_get_close(r);
		return rc;
	}
	s3_describe(&r->head, key, object);
	*out = r;
	return SCP_OK;
}

/* ---- reading ---- */

static void hang_up(scp_object_reader *r)
{
	s3_wire_close(r->wire);
	r->wire = NULL;
	s3_call_free(&r->call);
}

static scp_status resume(scp_object_reader *r, scp_error *err)
{
	uint32_t wait_ms = scp__http_backoff_ms(r->failures - 1);
	struct timespec wait = { wait_ms / 1000, (long)(wait_ms % 1000) * 1000000 };

	hang_up(r);
	nanosleep(&wait, NULL);
	set_range(r, r->offset, r->left);
	if (ask(r, true, *r->head.etag ? r->etag : NULL, err))
		return r->call.head.status == 412
			   ? scp__fail(err, SCP_EBACKEND, "%s: it was replaced while it was read", r->key)
			   : err->status;
	if (r->call.head.status == 206)
		return SCP_OK;
	return scp__fail(err, SCP_EBACKEND, "%s: S3 gave the whole where a range was asked for", r->key);
}

static void add_up(scp_object_reader *r, const void *data, size_t len)
{
	if (r->md5)
		scp__md5_update(r->md5, data, len);
	else if (r->whole)
		scp__sha256_update(&r->sha, data, len);
	r->offset += len;
	r->left -= len;
	r->since += len;
}

static scp_status check_digest(scp_object_reader *r, scp_error *err)
{
	unsigned char raw[SCP__SHA256_SIZE], md5[SCP__MD5_SIZE];
	char hex[SCP__SHA256_HEX_SIZE], base64[SCP__BASE64_SIZE(SCP__SHA256_SIZE)];
	bool same = true;

	if (r->md5) {
		scp__md5_final(r->md5, md5);
		r->md5 = NULL;
		scp__hex(md5, sizeof(md5), hex);
		same = !strcmp(hex, r->head.etag);
	} else if (r->whole) {
		scp__sha256_final(&r->sha, raw);
		scp__hex(raw, sizeof(raw), hex);
		scp__base64(raw, sizeof(raw), base64);
		same = (!*r->head.sha256 || !strcmp(hex, r->head.sha256)) &&
		       (!*r->head.checksum || !strcmp(base64, r->head.checksum));
	}
	r->whole = false;
	return same ? SCP_OK : scp__fail(err, SCP_EBACKEND, "%s: S3 gave other bytes than were put", r->key);
}

/* One piece, over broken connections. */
static scp_status pull(scp_object_reader *r, void *data, size_t want, size_t *len, scp_error *err)
{
	scp_error own = { 0 };
	scp_status rc;

	for (;;) {
		rc = r->wire ? s3_wire_read(r->wire, data, want, len, &own) : SCP_EUNAVAIL;
		if (!rc && !*len)
			rc = scp__fail(&own, SCP_EUNAVAIL, "%s: S3 ended it too early", r->key);
		if (rc != SCP_EUNAVAIL && rc != SCP_ETIMEDOUT)
			break;
		r->failures = r->since >= PROGRESS ? 1 : r->failures + 1;
		r->since = 0;
		if (r->failures > RESUMES)
			break;
		rc = resume(r, &own);
		if (rc && rc != SCP_EUNAVAIL && rc != SCP_ETIMEDOUT)
			break;
	}
	if (rc)
		scp__error_copy(err, &own);
	return rc;
}

scp_status s3_get_read(scp_object_reader *r, void *data, size_t capacity, size_t *len, scp_error *err)
{
	size_t want = capacity < r->left ? capacity : (size_t)r->left;
	scp_status rc;

	*len = 0;
	if (!want)
		return SCP_OK;
	rc = pull(r, data, want, len, err);
	if (rc)
		return rc == SCP_ENOTFOUND
			   ? scp__fail(err, SCP_EBACKEND, "%s: it was removed while it was read", r->key)
			   : rc;
	add_up(r, data, *len);
	if (r->left)
		return SCP_OK;
	/* The connection is good for the next one only if its end was seen. */
	(void)s3_wire_read(r->wire, &(char){ 0 }, 1, &(size_t){ 0 }, NULL);
	hang_up(r);
	return check_digest(r, err);
}

void s3_get_close(scp_object_reader *r)
{
	hang_up(r);
	scp__md5_free(r->md5);
	free(r);
}
