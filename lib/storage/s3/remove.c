/* Taking objects away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "md5.h"
#include "s3.h"
#include "xml.h"

#define BODY_MAX (8u << 20)
#define BATCH_MS 300000 /* some servers remove one after the other */

static scp_status delete_one(struct s3 *s, const char *key, scp_error *err)
{
	struct s3_call c = { .method = "DELETE", .key = key };
	scp_status rc = s3_call_run(s, &c, err);

	if (rc && c.head.status == 404 && !strcmp(c.code, "NoSuchKey"))
		rc = SCP_OK;
	s3_call_free(&c);
	return rc;
}

/* S3 says the same whether there was something or not, so it is looked for first. */
scp_status s3_remove(scp_storage *st, const char *key, scp_error *err)
{
	struct s3 *s = (struct s3 *)st;
	struct s3_head head;
	bool directory = false;
	scp_error none;
	scp_status rc = s3_look(s, key, &head, &none);

	if (!rc)
		return delete_one(s, key, err);
	if (rc != SCP_ENOTFOUND) {
		scp__error_copy(err, &none);
		return rc;
	}
	rc = s3_is_directory(s, key, &directory, err);
	if (rc)
		return rc;
	if (directory)
		return scp__fail(err, SCP_ECONFLICT, "%s: a directory that isn't empty", key);
	scp__error_copy(err, &none);
	return SCP_ENOTFOUND;
}

/* ---- many at once ---- */

struct batch {
	struct s3 *s;
	scp__buf body;
	unsigned count;
	bool refused; /* the server doesn't do batches */
	char code[64], key[200];
};

static scp_status add(struct batch *b, const char *key, scp_error *err)
{
	size_t before = b->body.len;

	scp__buf_puts(&b->body, "<Object><Key>");
	if (s3_xml_escape(&b->body, b->s->config.prefix) || s3_xml_escape(&b->body, key)) {
		/* A name that XML can't say: alone. */
		b->body.len = before;
		return b->body.status ? scp__nomem(err) : delete_one(b->s, key, err);
	}
	b->count++;
	return scp__buf_puts(&b->body, "</Key></Object>") ? scp__nomem(err) : SCP_OK;
}

static scp_status take_error(void *user, const char *parent, const char *name, const char *text, scp_error *err)
{
	struct batch *b = user;

	(void)err;
	if (strcmp(parent, "Error") || (*b->code && strcmp(b->code, "NoSuchKey")))
		return SCP_OK;
	if (!strcmp(name, "Key"))
		snprintf(b->key, sizeof(b->key), "%.199s", text);
	else if (!strcmp(name, "Code"))
		snprintf(b->code, sizeof(b->code), "%.63s", text);
	return SCP_OK;
}

static scp_status read_answer(struct batch *b, struct s3_call *c, scp_error *err)
{
	scp_status rc = s3_xml_read(c->answer.len ? c->answer.data : "", c->answer.len, take_error, b, err);

	if (!rc && *b->code && strcmp(b->code, "NoSuchKey")) {
		rc = scp__fail(
		    err, SCP_EUNAVAIL, "storage s3://%s: deleting %s: %s", b->s->config.bucket, b->key, b->code);
		scp__hint(err, "Let this key delete objects in bucket %s: %s", b->s->config.bucket,
		    s3_credentials_source(b->s->credentials));
	}
	return rc;
}

static scp_status send_batch(struct batch *b, scp_error *err)
{
	char digest[SCP__BASE64_SIZE(SCP__MD5_SIZE)], checksum[SCP__BASE64_SIZE(SCP__SHA256_SIZE)];
	unsigned char md5[SCP__MD5_SIZE], sha256[SCP__SHA256_SIZE];
	struct s3_call c = {
		.method = "POST", .body = b->body.data, .len = b->body.len, .timeout_ms = BATCH_MS, .slow = true
	};
	scp__sha256 sha;
	scp_status rc;

	/* Which of the two it is that a server insists on depends on its age. */
	scp__sha256_init(&sha);
	scp__sha256_update(&sha, c.body, c.len);
	scp__sha256_final(&sha, sha256);
	scp__base64(sha256, sizeof(sha256), checksum);
	s3_call_header(&c, "x-amz-checksum-sha256", checksum);
	if (scp__md5_of(c.body, c.len, md5)) {
		scp__base64(md5, sizeof(md5), digest);
		s3_call_header(&c, "Content-MD5", digest);
	}
	s3_call_header(&c, "Content-Type", "application/xml");
	s3_call_query(&c, "delete", "");
	rc = s3_call_run(b->s, &c, err);
	b->refused = rc && (c.head.status == 405 || c.head.status == 501);
	if (!rc)
		rc = read_answer(b, &c, err);
	s3_call_free(&c);
	return rc;
}

static scp_status delete_singly(struct s3 *s, const struct s3_page *p, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < p->count; i++)
		rc = delete_one(s, p->entries[i].key, err);
	return rc;
}

static scp_status delete_page(struct s3 *s, const struct s3_page *p, bool *singly, scp_error *err)
{
	struct batch b = { .s = s };
	scp_status rc = SCP_OK;

	if (*singly)
		return delete_singly(s, p, err);
	scp__buf_init(&b.body, BODY_MAX);
	scp__buf_puts(&b.body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
	for (size_t i = 0; !rc && i < p->count; i++)
		rc = add(&b, p->entries[i].key, err);
	scp__buf_puts(&b.body, "</Delete>");
	if (!rc && b.count)
		rc = send_batch(&b, err);
	scp__buf_free(&b.body);
	if (!b.refused)
		return rc;
	*singly = true;
	return delete_singly(s, p, err);
}

static scp_status remove_below(struct s3 *s, const char *prefix, scp_error *err)
{
	struct s3_page_query q = { .prefix = prefix };
	bool singly = false, more;
	struct s3_page page;
	char *token = NULL;
	scp_status rc;

	do {
		q.token = token;
		rc = s3_page_get(s, &q, &page, err);
		if (!rc && page.count)
			rc = delete_page(s, &page, &singly, err);
		more = page.more;
		free(token);
		token = page.token;
		page.token = NULL;
		s3_page_free(&page);
	} while (!rc && more);
	free(token);
	return rc;
}

scp_status s3_remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	struct s3 *s = (struct s3 *)st;
	char below[S3_KEY_MAX + 2];
	scp_status rc;

	if (snprintf(below, sizeof(below), "%s/", prefix) > S3_KEY_MAX)
		return SCP_OK; /* S3 has no key of that length */
	rc = delete_one(s, prefix, err);
	if (!rc)
		rc = s3_multipart_sweep(s, below, err);
	return rc ? rc : remove_below(s, below, err);
}
