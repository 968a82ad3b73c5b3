/* One page of a listing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "s3.h"
#include "time_text.h"
#include "xml.h"

struct page_reading {
	struct s3_page *page;
	size_t prefix_len; /* of the storage's prefix */
	struct s3_entry entry;
	bool encoded; /* keys are percent-encoded, as was asked for */
};

void s3_page_free(struct s3_page *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->entries[i].key);
	free(p->entries);
	free(p->token);
	*p = (struct s3_page){ 0 };
}

static scp_status keep(struct page_reading *r, bool directory, scp_error *err)
{
	struct s3_page *p = r->page;

	if (!r->entry.key || p->count == S3_PAGE)
		return scp__fail(err, SCP_EBACKEND, "a listing without a key, or longer than was asked for");
	r->entry.directory = directory;
	p->entries[p->count++] = r->entry;
	r->entry = (struct s3_entry){ 0 };
	return SCP_OK;
}

static scp_status set_text(char **to, const char *text, scp_error *err)
{
	free(*to);
	*to = strdup(text);
	return *to ? SCP_OK : scp__nomem(err);
}

static scp_status take_content(struct page_reading *r, const char *name, const char *text, scp_error *err)
{
	struct s3_entry *e = &r->entry;

	if (!strcmp(name, "Key"))
		return set_text(&e->key, text, err);
	if (!strcmp(name, "Size"))
		e->size = strtoull(text, NULL, 10);
	else if (!strcmp(name, "LastModified"))
		e->modified_us = s3_time_iso(text);
	else if (!strcmp(name, "ETag"))
		snprintf(
		    e->etag, sizeof(e->etag), "%.*s", (int)strcspn(text + (*text == '"'), "\""), text + (*text == '"'));
	return SCP_OK;
}

static scp_status take(void *user, const char *parent, const char *name, const char *text, scp_error *err)
{
	struct page_reading *r = user;

	if (!strcmp(parent, "Contents"))
		return take_content(r, name, text, err);
	if (!strcmp(parent, "CommonPrefixes"))
		return strcmp(name, "Prefix") ? SCP_OK : set_text(&r->entry.key, text, err);
	if (strcmp(parent, "ListBucketResult"))
		return SCP_OK;
	if (!strcmp(name, "Contents"))
		return keep(r, false, err);
	if (!strcmp(name, "CommonPrefixes"))
		return keep(r, true, err);
	if (!strcmp(name, "IsTruncated"))
		r->page->more = !strcmp(text, "true");
	else if (!strcmp(name, "EncodingType"))
		r->encoded = !strcmp(text, "url");
	else if (!strcmp(name, "NextContinuationToken"))
		return set_text(&r->page->token, text, err);
	return SCP_OK;
}

/* "a%20b+c" in place; what isn't encoded properly stays. */
static void decode(char *text)
{
	char *to = text, *end, digits[3] = "";

	for (; *text; text++) {
		char byte = *text == '+' ? ' ' : *text;

		if (*text == '%' && text[1] && text[2]) {
			memcpy(digits, text + 1, 2);
			byte = (char)strtoul(digits, &end, 16);
			if (*end || !byte)
				byte = '%';
			else
				text += 2;
		}
		*to++ = byte;
	}
	*to = '\0';
}

/* Keys as the storage's users know them; those that aren't below its prefix were not asked for. */
static void finish(struct page_reading *r, const char *prefix)
{
	struct s3_page *p = r->page;
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++) {
		char *key = p->entries[i].key;

		if (r->encoded)
			decode(key);
		if (strncmp(key, prefix, r->prefix_len)) {
			free(key);
			continue;
		}
		memmove(key, key + r->prefix_len, strlen(key + r->prefix_len) + 1);
		p->entries[kept++] = p->entries[i];
	}
	p->count = kept;
}

static scp_status read_page(struct s3 *s, struct s3_call *c, struct s3_page *out, scp_error *err)
{
	struct page_reading r = { .page = out, .prefix_len = strlen(s->config.prefix) };
	scp_status rc;

	out->entries = calloc(S3_PAGE, sizeof(*out->entries));
	if (!out->entries)
		return scp__nomem(err);
	rc = s3_xml_read(c->answer.len ? c->answer.data : "", c->answer.len, take, &r, err);
	if (!rc && out->more && !out->token)
		rc = scp__fail(err, SCP_EBACKEND, "a listing that goes on, but not how");
	free(r.entry.key);
	if (!rc)
		finish(&r, s->config.prefix);
	return rc ? scp__prefix(err, "storage s3://%s: listing", s->config.bucket) : SCP_OK;
}

scp_status s3_page_get(struct s3 *s, const struct s3_page_query *q, struct s3_page *out, scp_error *err)
{
	struct s3_call c = { .method = "GET" };
	char limit[16], prefix[2 * S3_KEY_MAX], after[2 * S3_KEY_MAX];
	scp_status rc;

	*out = (struct s3_page){ 0 };
	snprintf(limit, sizeof(limit), "%u", q->limit && q->limit < S3_PAGE ? q->limit : S3_PAGE);
	snprintf(prefix, sizeof(prefix), "%s%s", s->config.prefix, q->prefix);
	snprintf(after, sizeof(after), "%s%s", s->config.prefix, q->after ? q->after : "");
	s3_call_query(&c, "list-type", "2");
	s3_call_query(&c, "encoding-type", "url");
	s3_call_query(&c, "max-keys", limit);
	s3_call_query(&c, "prefix", prefix);
	if (q->flat)
		s3_call_query(&c, "delimiter", "/");
	if (q->token)
		s3_call_query(&c, "continuation-token", q->token);
	else if (q->after && *q->after)
		s3_call_query(&c, "start-after", after);
	rc = s3_call_run(s, &c, err);
	if (!rc)
		rc = read_page(s, &c, out, err);
	if (rc)
		s3_page_free(out);
	s3_call_free(&c);
	return rc;
}
