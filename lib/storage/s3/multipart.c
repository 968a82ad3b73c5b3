/* Uploads in parts: begun, added to, completed or aborted. A part is in memory while it is sent, so its digest is
 * known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"
#include "md5.h"
#include "s3.h"
#include "xml.h"

#define PARTS_MAX 10000
#define BODY_MAX (4u << 20)
#define ABORT_MS 10000
#define COMPLETE_MS 300000 /* S3 puts the parts together first */
#define COMPLETE_TRIES 4
#define SWEEPS_MAX 10

struct part {
	char etag[72];
};

struct s3_multipart {
	struct s3 *s;
	char *key;
	char *id;
	struct part *parts;
	unsigned count;
	scp__md5 *digests; /* of the parts' MD5s: its own is the whole's ETag; NULL: not known */
	char expected[72]; /* that ETag; "": not known */
	bool complete;
};

struct text_reading {
	const char *parent, *name;
	char **out;
};

static scp_status take_text(void *user, const char *parent, const char *name, const char *text, scp_error *err)
{
	struct text_reading *r = user;

	if (strcmp(parent, r->parent) || strcmp(name, r->name))
		return SCP_OK;
	free(*r->out);
	*r->out = strdup(text);
	return *r->out ? SCP_OK : scp__nomem(err);
}

/* *out NULL: there is no such text. */
static scp_status find_text(struct s3_call *c, const char *parent, const char *name, char **out, scp_error *err)
{
	struct text_reading r = { parent, name, out };

	return s3_xml_read(c->answer.len ? c->answer.data : "", c->answer.len, take_text, &r, err);
}

static scp_status begin(struct s3_multipart *m, scp_error *err)
{
	struct s3_call c = { .method = "POST", .key = m->key };
	scp_status rc;

	s3_call_query(&c, "uploads", "");
	rc = s3_call_run(m->s, &c, err);
	if (!rc)
		rc = find_text(&c, "InitiateMultipartUploadResult", "UploadId", &m->id, err);
	if (!rc && !m->id)
		rc = scp__fail(err, SCP_EBACKEND, "storage s3://%s: an upload without an id", m->s->config.bucket);
	s3_call_free(&c);
	return rc;
}

scp_status s3_multipart_new(struct s3 *s, const char *key, struct s3_multipart **out, scp_error *err)
{
	struct s3_multipart *m = calloc(1, sizeof(*m));
	scp_status rc;

	*out = NULL;
	if (!m || !(m->key = strdup(key)) || !(m->parts = calloc(PARTS_MAX, sizeof(*m->parts)))) {
		if (m)
			free(m->key);
		free(m);
		return scp__nomem(err);
	}
	m->s = s;
	m->digests = scp__md5_new();
	rc = begin(m, err);
	if (rc)
		s3_multipart_free(m);
	else
		*out = m;
	return rc;
}

/* ---- a part ---- */

/* An ETag that is an MD5, but not ours, is one of other bytes. */
static scp_status check_etag(
    struct s3_multipart *m, const struct s3_head *h, const void *data, size_t len, scp_error *err)
{
	unsigned char md5[SCP__MD5_SIZE];
	char hex[SCP__MD5_HEX_SIZE];

	if (!*h->etag)
		return scp__fail(err, SCP_EBACKEND, "%s: S3 gave a part no ETag", m->key);
	if (m->digests && scp__md5_of(data, len, md5)) {
		scp__hex(md5, sizeof(md5), hex);
		if (!strcmp(hex, h->etag)) {
			scp__md5_update(m->digests, md5, sizeof(md5));
			return SCP_OK;
		}
		if (!h->opaque_etag && s3_etag_is_md5(h->etag))
			return scp__fail(err, SCP_EBACKEND, "%s: S3 has other bytes than were sent (ETag)", m->key);
	}
	scp__md5_free(m->digests);
	m->digests = NULL;
	return SCP_OK;
}

scp_status s3_multipart_add(struct s3_multipart *m, const void *data, size_t len, scp_error *err)
{
	struct s3_call c = { .method = "PUT", .key = m->key, .body = data, .len = len };
	char number[16];
	scp_status rc;

	if (m->count == PARTS_MAX) {
		scp__fail(
		    err, SCP_ETOOBIG, "%s: more than %d parts of %u MiB", m->key, PARTS_MAX, m->s->config.part_mib);
		scp__hint(err, "Set a larger part_mib= in --storage");
		return SCP_ETOOBIG;
	}
	snprintf(number, sizeof(number), "%u", m->count + 1);
	s3_call_query(&c, "partNumber", number);
	s3_call_query(&c, "uploadId", m->id);
	rc = s3_call_run(m->s, &c, err);
	if (!rc)
		rc = check_etag(m, &c.head, data, len, err);
	if (!rc)
		memcpy(m->parts[m->count++].etag, c.head.etag, sizeof(c.head.etag));
	s3_call_free(&c);
	return rc;
}

/* ---- the end ---- */

static scp_status make_body(struct s3_multipart *m, scp__buf *body, scp_error *err)
{
	scp__buf_puts(body, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (unsigned i = 0; i < m->count; i++) {
		scp__buf_printf(body, "<Part><PartNumber>%u</PartNumber><ETag>\"", i + 1);
		(void)s3_xml_escape(body, m->parts[i].etag);
		scp__buf_puts(body, "\"</ETag></Part>");
	}
	return scp__buf_puts(body, "</CompleteMultipartUpload>") ? scp__nomem(err) : SCP_OK;
}

static void expect_etag(struct s3_multipart *m)
{
	unsigned char md5[SCP__MD5_SIZE];

	if (!m->digests)
		return;
	scp__md5_final(m->digests, md5);
	m->digests = NULL;
	scp__hex(md5, sizeof(md5), m->expected);
	snprintf(m->expected + 2 * SCP__MD5_SIZE, sizeof(m->expected) - 2 * SCP__MD5_SIZE, "-%u", m->count);
}

/* One try. *again: S3 says that another may do. */
static scp_status complete_once(
    struct s3_multipart *m, const scp__buf *body, char **etag, bool *again, bool *gone, scp_error *err)
{
	struct s3_call c = { .method = "POST", .key = m->key, .body = body->data, .len = body->len };
	char region[64] = "";
	scp_status rc;

	*again = *gone = false;
	c.timeout_ms = COMPLETE_MS;
	c.slow = true;
	s3_call_header(&c, "Content-Type", "application/xml");
	s3_call_query(&c, "uploadId", m->id);
	rc = s3_call_run(m->s, &c, err);
	if (!rc)
		rc = find_text(&c, "CompleteMultipartUploadResult", "ETag", etag, err);
	/* S3 answers 200 before it is done, and then may say that it failed. */
	if (!rc && !*etag) {
		s3_read_error(&c, region);
		c.head.status = 500;
		rc = s3_fail(m->s, &c, err);
		*again = true;
	}
	*gone = rc && !strcmp(c.code, "NoSuchUpload");
	s3_call_free(&c);
	return rc;
}

static void wait_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* An upload that isn't there any more may have been completed by a try whose answer was lost. */
static scp_status find_done(struct s3_multipart *m, char **etag, scp_status rc)
{
	struct s3_head head;

	if (!*m->expected || s3_look(m->s, m->key, &head, NULL) || strcmp(head.etag, m->expected))
		return rc;
	*etag = strdup(head.etag);
	return *etag ? SCP_OK : rc;
}

static scp_status complete_tries(struct s3_multipart *m, const scp__buf *body, char **etag, scp_error *err)
{
	bool again = true, gone = false;
	scp_status rc = SCP_EBACKEND;

	for (unsigned i = 0; again && i < COMPLETE_TRIES; i++) {
		if (i)
			wait_ms(scp__http_backoff_ms(i));
		rc = complete_once(m, body, etag, &again, &gone, err);
	}
	return gone ? find_done(m, etag, rc) : rc;
}

static scp_status check_whole(struct s3_multipart *m, const char *etag, scp_error *err)
{
	size_t quote = *etag == '"';
	size_t len = strcspn(etag + quote, "\"");

	/* Only where it has the form of such an ETag. */
	if (!*m->expected || len != strlen(m->expected) || etag[quote + 32] != '-' ||
	    !strncmp(etag + quote, m->expected, len))
		return SCP_OK;
	return scp__fail(err, SCP_EBACKEND, "%s: S3 has other bytes than were sent (ETag)", m->key);
}

scp_status s3_multipart_complete(struct s3_multipart *m, struct s3_head *out, scp_error *err)
{
	char *etag = NULL;
	scp__buf body;
	scp_status rc;

	scp__buf_init(&body, BODY_MAX);
	*out = (struct s3_head){ 0 };
	expect_etag(m);
	rc = make_body(m, &body, err);
	if (!rc)
		rc = complete_tries(m, &body, &etag, err);
	if (!rc) {
		m->complete = true;
		rc = check_whole(m, etag, err);
		snprintf(out->etag, sizeof(out->etag), "%.*s", (int)strcspn(etag + (*etag == '"'), "\""),
		    etag + (*etag == '"'));
	}
	free(etag);
	scp__buf_free(&body);
	return rc;
}

static void abort_upload(struct s3 *s, const char *key, bool whole_key, const char *id)
{
	struct s3_call c = { .method = "DELETE", .key = key, .whole_key = whole_key };

	c.timeout_ms = ABORT_MS;
	s3_call_query(&c, "uploadId", id);
	(void)s3_call_run(s, &c, NULL);
	s3_call_free(&c);
}

void s3_multipart_free(struct s3_multipart *m)
{
	if (!m)
		return;
	if (m->id && !m->complete)
		abort_upload(m->s, m->key, false, m->id);
	scp__md5_free(m->digests);
	free(m->parts);
	free(m->id);
	free(m->key);
	free(m);
}

/* ---- what dead processes left ---- */

struct sweeping {
	struct s3 *s;
	char *key, *id;
	unsigned count;
};

static scp_status sweep_one(void *user, const char *parent, const char *name, const char *text, scp_error *err)
{
	struct sweeping *w = user;
	char **to = !strcmp(name, "Key") ? &w->key : !strcmp(name, "UploadId") ? &w->id : NULL;

	if (!strcmp(parent, "Upload") && to) {
		free(*to);
		*to = strdup(text);
		return *to ? SCP_OK : scp__nomem(err);
	}
	if (strcmp(name, "Upload") || !w->key || !w->id)
		return SCP_OK;
	abort_upload(w->s, w->key, true, w->id);
	w->count++;
	return SCP_OK;
}

static scp_status sweep_page(struct s3 *s, const char *prefix, unsigned *count, scp_error *err)
{
	struct s3_call c = { .method = "GET" };
	struct sweeping w = { .s = s };
	scp_status rc;

	s3_call_query(&c, "uploads", "");
	s3_call_query(&c, "prefix", prefix);
	rc = s3_call_run(s, &c, err);
	/* Not every server has this list, nor every key the right to it; a lifecycle rule does it too. */
	if (rc && (c.head.status == 403 || c.head.status == 405 || c.head.status == 501))
		rc = SCP_OK;
	else if (!rc)
		rc = s3_xml_read(c.answer.len ? c.answer.data : "", c.answer.len, sweep_one, &w, err);
	*count = w.count;
	free(w.key);
	free(w.id);
	s3_call_free(&c);
	return rc;
}

scp_status s3_multipart_sweep(struct s3 *s, const char *prefix, scp_error *err)
{
	char whole[2 * S3_KEY_MAX];
	unsigned count = S3_PAGE;
	scp_status rc = SCP_OK;

	snprintf(whole, sizeof(whole), "%s%s", s->config.prefix, prefix);
	for (unsigned i = 0; !rc && count >= S3_PAGE && i < SWEEPS_MAX; i++)
		rc = sweep_page(s, whole, &count, err);
	return rc;
}
