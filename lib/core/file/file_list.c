/* Listing a workspace's files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fs.h"
#include "workspace.h"

enum { LIMIT_DEFAULT = 50, OFFSET_TEXT = 24, LIST_BATCH = 1000 };

struct page {
	scp_file_page pub;
	char next[OFFSET_TEXT];
};

struct listing {
	size_t prefix_len;
	uint64_t offset, limit, seen;
	scp_file **files;
	size_t count;
};

static scp_status take(void *user, const scp_object *object, scp_error *err)
{
	struct listing *l = user;
	uint64_t at = l->seen++;

	if (at < l->offset || l->count >= l->limit)
		return SCP_OK; /* counted for the total */
	l->files[l->count] = scp__file_new(object, object->key + l->prefix_len);
	if (!l->files[l->count])
		return scp__nomem(err);
	l->count++;
	return SCP_OK;
}

static scp_status walk(scp_storage *storage, const char *prefix, bool recursive, struct listing *l, scp_error *err)
{
	scp_list_options options = { sizeof(options), recursive, LIST_BATCH, 0 };
	char after[SCP__KEY_SIZE + 256] = "", next[SCP__KEY_SIZE + 256];
	scp_status rc;

	do {
		next[0] = 0;
		rc = scp__storage_list(storage, prefix, after, &options, take, l, next, sizeof(next), err);
		memcpy(after, next, sizeof(after));
	} while (!rc && next[0]);
	return rc;
}

static scp_status finish(scp_file_page **out, struct listing *l, scp_error *err)
{
	struct page *p = calloc(1, sizeof(*p));

	if (!p)
		return scp__nomem(err);
	p->pub.count = l->count;
	p->pub.items = (const scp_file *const *)l->files;
	p->pub.total = l->seen;
	if (l->offset + l->count < l->seen) {
		snprintf(p->next, sizeof(p->next), "%llu", (unsigned long long)(l->offset + l->count));
		p->pub.next = p->next;
	}
	*out = &p->pub;
	return SCP_OK;
}

static void free_files(scp_file **files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		scp_file_free(files[i]);
	free(files);
}

static scp_status list(
    scp_file_page **out, scp__core *core, const char *session_id, const scp_file_query *q, scp_error *err)
{
	scp__files use;
	char prefix[SCP__KEY_SIZE];
	struct listing l = { .offset = q->offset, .limit = q->limit ? q->limit : LIMIT_DEFAULT };
	scp_status rc = scp__workspace_use(core, session_id, false, &use, err);

	l.prefix_len = strlen(use.prefix) + 1;
	if (!rc && q->path && q->path[0])
		rc = scp__workspace_key(&use, q->path, prefix, err);
	else
		snprintf(prefix, sizeof(prefix), "%s", use.prefix);
	l.files = calloc(l.limit, sizeof(*l.files));
	if (!rc && !l.files)
		rc = scp__nomem(err);
	if (!rc)
		rc = scp__file_error(walk(use.storage, prefix, q->recursive, &l, err), q->path ? q->path : "", err);
	if (!rc)
		rc = finish(out, &l, err);
	scp__workspace_done(core, &use);
	if (rc)
		free_files(l.files, l.count);
	return rc;
}

scp_status scp_file_list(
    scp_file_page **out, scp_plane *plane, const char *session_id, const scp_file_query *query, scp_error *err)
{
	static const scp_file_query all = SCP_FILE_QUERY_INIT;
	scp_status rc;

	if (!out || !session_id)
		return scp__fail(err, SCP_EINVAL, "out and session_id must not be NULL");
	*out = NULL;
	query = query ? query : &all;
	rc = scp__check_page(query->limit, err);
	if (!rc && query->path && query->path[0])
		rc = scp__path_check(query->path, "path", err);
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = list(out, plane->core, session_id, query, err);
	scp__leave(plane);
	return rc;
}

void scp_file_page_free(scp_file_page *page)
{
	if (!page)
		return;
	free_files((scp_file **)(uintptr_t)page->items, page->count);
	free(page);
}
