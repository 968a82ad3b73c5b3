/* Files, but for their bytes: list and delete. */
#include "handle.h"

static scp_status read_query(const struct request *q, scp_file_query *query, scp_error *err)
{
	scp_status rc = query_page(q, &query->limit, &query->offset, err);

	if (!rc)
		rc = query_text(q, "path", &query->path, err);
	if (!rc)
		rc = query_bool(q, "recursive", &query->recursive, err);
	return rc;
}

scp_status get_files(struct request *q, struct reply *r, scp_error *err)
{
	scp_file_query query = SCP_FILE_QUERY_INIT;
	scp_file_page *page = NULL;
	scp__json_writer w;
	scp_status rc = read_query(q, &query, err);

	if (!rc)
		rc = scp_file_list(&page, q->plane, q->param[0], &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "files");
	for (size_t i = 0; i < page->count; i++)
		encode_file(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_file_page_free(page);
	return SCP_OK;
}

scp_status delete_file(struct request *q, struct reply *r, scp_error *err)
{
	scp_status rc = scp_file_delete(q->plane, q->param[0], q->param[1], err);

	r->status = 204;
	return rc;
}
