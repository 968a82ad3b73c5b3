/*
 * Listings in the order of keys. S3 sorts a directory as "b/", so behind "b-c" and "b.d"; here, as everywhere else, it
 * is "b" and comes before them. A directory that S3 still has to name and that comes before what it has named already
 * is a beginning of the page's last name, up to a byte below '/': those few are asked for one by one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "s3.h"

#define LIMIT_DEFAULT 1000
#define DEPTH_DEFAULT 64
#define SMALL_PAGE 16 /* a listing that wants little doesn't ask for a thousand */

struct walk {
	struct s3 *s;
	scp_object_fn *fn;
	void *user;
	const scp_list_options *options;
	uint32_t limit, depth, given;
	bool over; /* one more than the limit was found */
	char *next;
	size_t next_size;
	size_t prefix_len;
	char prefix[S3_KEY_MAX + 2]; /* "" or "w/" */
	char cursor[S3_KEY_MAX + 1]; /* the last key given, or where to begin */
};

/* Names that the API can't have are somebody else's: not shown. */
static bool is_ours(const struct walk *w, const char *key, uint32_t max_depth)
{
	uint32_t depth = 1;

	if (strlen(key) <= w->prefix_len || strlen(key) > S3_KEY_MAX || scp__storage_check_key(key, "key", NULL))
		return false;
	for (const char *p = key + w->prefix_len; (p = strchr(p, '/')); p++)
		depth++;
	return depth <= max_depth;
}

static scp_status give(struct walk *w, const struct s3_entry *e, scp_error *err)
{
	scp_object object = { .key = e->key, .size_bytes = e->size, .modified_us = e->modified_us };

	if (strcmp(e->key, w->cursor) <= 0)
		return SCP_OK;
	if (w->given == w->limit) {
		w->over = true;
		return SCP_OK;
	}
	object.directory = e->directory;
	memcpy(object.etag, e->etag, sizeof(object.etag));
	snprintf(w->cursor, sizeof(w->cursor), "%s", e->key);
	w->given++;
	if (w->next_size)
		snprintf(w->next, w->next_size, "%s", e->key);
	return w->fn(w->user, &object, err);
}

/* ---- everything below: S3's order is ours ---- */

static scp_status give_all(struct walk *w, const struct s3_page *p, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && !w->over && i < p->count; i++)
		if (is_ours(w, p->entries[i].key, w->depth))
			rc = give(w, &p->entries[i], err);
	return rc;
}

/* ---- one level ---- */

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct s3_entry *)a)->key, ((const struct s3_entry *)b)->key);
}

static scp_status add_directory(struct walk *w, struct s3_page *p, const char *key, size_t len, scp_error *err)
{
	char name[S3_KEY_MAX + 1];
	bool yes = false;
	scp_status rc;

	snprintf(name, sizeof(name), "%.*s", (int)len, key);
	if (strcmp(name, w->cursor) <= 0 || !is_ours(w, name, 1))
		return SCP_OK;
	rc = s3_is_directory(w->s, name, &yes, err);
	if (rc || !yes)
		return rc;
	p->entries[p->count] = (struct s3_entry){ .key = strdup(name), .directory = true };
	return p->entries[p->count++].key ? SCP_OK : scp__nomem(err);
}

static scp_status add_early_directories(struct walk *w, struct s3_page *p, const char *last, scp_error *err)
{
	size_t room = p->count + strlen(last);
	struct s3_entry *more = reallocarray(p->entries, room, sizeof(*more));
	scp_status rc = SCP_OK;

	if (!more)
		return scp__nomem(err);
	p->entries = more;
	for (size_t i = w->prefix_len + 1; !rc && i < strlen(last) && p->count < room; i++)
		if ((unsigned char)last[i] < '/')
			rc = add_directory(w, p, last, i, err);
	return rc;
}

static scp_status give_level(struct walk *w, struct s3_page *p, scp_error *err)
{
	char *last = p->more && p->count ? strdup(p->entries[p->count - 1].key) : NULL;
	scp_status rc = SCP_OK;

	if (last)
		rc = add_early_directories(w, p, last, err);
	free(last);
	for (size_t i = 0; i < p->count; i++)
		if (p->entries[i].directory)
			p->entries[i].key[strcspn(p->entries[i].key + w->prefix_len, "/") + w->prefix_len] = '\0';
	qsort(p->entries, p->count, sizeof(*p->entries), by_key);
	for (size_t i = 0; !rc && !w->over && i < p->count; i++)
		if (is_ours(w, p->entries[i].key, 1))
			rc = give(w, &p->entries[i], err);
	return rc;
}

/* ---- page by page ---- */

static scp_status walk_pages(struct walk *w, scp_error *err)
{
	char *token = NULL, after[S3_KEY_MAX + 1];
	struct s3_page_query q = {
		.prefix = w->prefix, .after = after, .flat = !w->options->recursive, .limit = w->limit + 1
	};
	struct s3_page page;
	scp_status rc;
	bool more;

	memcpy(after, w->cursor, sizeof(after));
	if (q.limit < SMALL_PAGE)
		q.limit = SMALL_PAGE;
	do {
		q.token = token;
		rc = s3_page_get(w->s, &q, &page, err);
		if (!rc)
			rc = q.flat ? give_level(w, &page, err) : give_all(w, &page, err);
		more = page.more;
		free(token);
		token = page.token;
		page.token = NULL;
		s3_page_free(&page);
	} while (!rc && more && !w->over);
	free(token);
	return rc;
}

/* S3's listings don't know what isn't below the prefix. */
static bool begin(struct walk *w, const char *prefix, const char *after)
{
	w->prefix_len = (size_t)snprintf(w->prefix, sizeof(w->prefix), "%s%s", prefix, *prefix ? "/" : "");
	if (w->prefix_len > S3_KEY_MAX)
		return false;
	snprintf(w->cursor, sizeof(w->cursor), "%s", after);
	/* A place before all that is below: S3 needs none then. */
	if (strncmp(after, w->prefix, w->prefix_len) < 0)
		w->cursor[0] = '\0';
	return strncmp(w->cursor, w->prefix, w->prefix_len) <= 0;
}

scp_status s3_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	scp_status rc = SCP_OK;

	if (!w)
		return scp__nomem(err);
	w->s = (struct s3 *)st;
	w->fn = fn;
	w->user = user;
	w->options = options;
	w->limit = options->limit ? options->limit : LIMIT_DEFAULT;
	w->depth = options->max_depth ? options->max_depth : DEPTH_DEFAULT;
	w->next = next;
	w->next_size = next_size;
	if (begin(w, prefix, after))
		rc = walk_pages(w, err);
	if (next_size && (rc || !w->over))
		next[0] = '\0';
	free(w);
	return rc;
}
