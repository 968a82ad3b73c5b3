/*
 * Putting: what fits into one part goes as a whole, with its digests; more goes in parts. Either way the bytes are in
 * memory when they are sent, so that they can be signed, and sent again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "md5.h"
#include "s3.h"

#define FIRST_CAPACITY (64 * 1024)

struct scp_object_writer {
	struct s3 *s;
	char *buffer;
	size_t len, capacity, part;
	uint64_t size, max;
	struct s3_multipart *parts; /* NULL: none yet */
	scp__sha256 sha;
	bool broken; /* nothing can be committed (any more) */
	char key[];
};

/* ---- is something in the way? ---- */

static scp_status in_the_way(const char *key, const char *what, scp_error *err)
{
	return scp__fail(err, SCP_ECONFLICT, "%s: %s", key, what);
}

/* Its directories from the innermost: one that has entries was one before. */
static scp_status check_parents(struct s3 *s, const char *key, scp_error *err)
{
	char parent[S3_KEY_MAX + 1];
	struct s3_head head;
	bool yes = false;
	scp_status rc = SCP_OK;
	scp_error none;
	char *slash;

	snprintf(parent, sizeof(parent), "%s", key);
	while (!rc && !yes && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		rc = s3_is_directory(s, parent, &yes, err);
		if (rc || yes)
			break;
		rc = s3_look(s, parent, &head, &none);
		if (!rc)
			return in_the_way(key, "a file stands where a directory must be", err);
		if (rc != SCP_ENOTFOUND)
			scp__error_copy(err, &none);
		rc = rc == SCP_ENOTFOUND ? SCP_OK : rc;
	}
	return rc;
}

static scp_status check_target(struct s3 *s, const char *key, scp_error *err)
{
	bool directory = false;
	scp_status rc = s3_is_directory(s, key, &directory, err);

	if (rc)
		return rc;
	return directory ? in_the_way(key, "a directory", err) : check_parents(s, key, err);
}

/* ---- the port's ---- */

scp_status s3_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	struct s3 *s = (struct s3 *)st;
	char full[S3_KEY_MAX + 1];
	scp_object_writer *w;
	scp_status rc = s3_full_key(s, key, full, err);

	if (!rc && !options->unchecked)
		rc = check_target(s, key, err);
	if (rc)
		return rc;
	w = calloc(1, sizeof(*w) + strlen(key) + 1);
	if (!w)
		return scp__nomem(err);
	w->s = s;
	w->part = (size_t)s->config.part_mib << 20;
	w->max = options->max_bytes;
	strcpy(w->key, key);
	scp__sha256_init(&w->sha);
	*out = w;
	return SCP_OK;
}

static scp_status flush_part(scp_object_writer *w, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (!w->parts)
		rc = s3_multipart_new(w->s, w->key, &w->parts, err);
	if (!rc)
		rc = s3_multipart_add(w->parts, w->buffer, w->len, err);
	w->len = 0;
	return rc;
}

/* Grows as it is needed: most files are small. */
static scp_status make_room(scp_object_writer *w, size_t more, scp_error *err)
{
	size_t need = w->len + more, capacity = w->capacity ? w->capacity : FIRST_CAPACITY;
	char *longer;

	if (need <= w->capacity)
		return SCP_OK;
	while (capacity < need)
		capacity *= 2;
	if (capacity > w->part)
		capacity = w->part;
	longer = realloc(w->buffer, capacity);
	if (!longer)
		return scp__nomem(err);
	w->buffer = longer;
	w->capacity = capacity;
	return SCP_OK;
}

static scp_status take(scp_object_writer *w, const char *data, size_t len, scp_error *err)
{
	scp_status rc = SCP_OK;

	while (!rc && len) {
		size_t n = len < w->part - w->len ? len : w->part - w->len;

		if (!n) {
			rc = flush_part(w, err);
			continue;
		}
		rc = make_room(w, n, err);
		if (rc)
			break;
		memcpy(w->buffer + w->len, data, n);
		w->len += n;
		data += n;
		len -= n;
	}
	return rc;
}

scp_status s3_put_write(scp_object_writer *w, const void *data, size_t len, scp_error *err)
{
	scp_status rc;

	if (w->broken)
		return scp__fail(err, SCP_EINTERNAL, "%s: written to after a write failed", w->key);
	if (w->max && len > w->max - w->size) {
		w->broken = true;
		return scp__fail(err, SCP_ETOOBIG, "%s: more than %llu bytes", w->key, (unsigned long long)w->max);
	}
	rc = take(w, data, len, err);
	w->broken = rc != SCP_OK;
	scp__sha256_update(&w->sha, data, len);
	w->size += len;
	return rc;
}

/* ---- in one piece ---- */

static scp_status check_answer(scp_object_writer *w, const struct s3_head *h, const char *checksum, scp_error *err)
{
	unsigned char md5[SCP__MD5_SIZE];
	char hex[SCP__MD5_HEX_SIZE];

	if (*h->checksum && strcmp(h->checksum, checksum))
		return scp__fail(err, SCP_EBACKEND, "%s: S3 has other bytes than were sent (checksum)", w->key);
	if (h->opaque_etag || !s3_etag_is_md5(h->etag) || !scp__md5_of(w->buffer ? w->buffer : "", w->len, md5))
		return SCP_OK;
	scp__hex(md5, sizeof(md5), hex);
	if (!strcmp(hex, h->etag))
		return SCP_OK;
	return scp__fail(err, SCP_EBACKEND, "%s: S3 has other bytes than were sent (ETag)", w->key);
}

static scp_status put_whole(scp_object_writer *w, const unsigned char digest[SCP__SHA256_SIZE], const char *sha256,
    struct s3_head *head, scp_error *err)
{
	struct s3_call c = { .method = "PUT", .key = w->key, .body = w->buffer, .len = w->len, .sha256 = sha256 };
	char checksum[SCP__BASE64_SIZE(SCP__SHA256_SIZE)];
	scp_status rc;

	scp__base64(digest, SCP__SHA256_SIZE, checksum);
	s3_call_header(&c, "x-amz-checksum-sha256", checksum);
	s3_call_header(&c, "x-amz-meta-sha256", sha256); /* every S3 gives this back */
	rc = s3_call_run(w->s, &c, err);
	if (!rc)
		rc = check_answer(w, &c.head, checksum, err);
	*head = c.head;
	s3_call_free(&c);
	return rc;
}

static scp_status put_parts(scp_object_writer *w, struct s3_head *head, scp_error *err)
{
	scp_status rc = w->len ? flush_part(w, err) : SCP_OK;

	return rc ? rc : s3_multipart_complete(w->parts, head, err);
}

scp_status s3_put_commit(scp_object_writer *w, scp_object *out, scp_error *err)
{
	unsigned char digest[SCP__SHA256_SIZE];
	char sha256[SCP__SHA256_HEX_SIZE];
	struct s3_head head;
	scp_status rc;

	if (w->broken)
		return scp__fail(err, SCP_EINTERNAL, "%s: committed after a write failed", w->key);
	w->broken = true; /* commits once */
	scp__sha256_final(&w->sha, digest);
	scp__hex(digest, sizeof(digest), sha256);
	rc = w->parts ? put_parts(w, &head, err) : put_whole(w, digest, sha256, &head, err);
	if (rc)
		return rc;
	head.total = w->size;
	/* S3 doesn't say when: by its clock it was just now. */
	head.modified_us = head.date_us ? head.date_us : scp__now_us() / 1000000 * 1000000;
	memcpy(head.sha256, sha256, sizeof(sha256));
	s3_describe(&head, w->key, out);
	return SCP_OK;
}

void s3_put_close(scp_object_writer *w)
{
	s3_multipart_free(w->parts);
	free(w->buffer);
	free(w);
}
