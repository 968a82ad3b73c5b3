/* Templates. */
#include "handle.h"

scp_status get_templates(struct request *q, struct reply *r, scp_error *err)
{
	scp_template_query query = SCP_TEMPLATE_QUERY_INIT;
	scp_template_page *page = NULL;
	scp__json_writer w;
	scp_status rc = query_page(q, &query.limit, &query.offset, err);

	if (!rc)
		rc = scp_template_list(&page, q->plane, &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "templates");
	for (size_t i = 0; i < page->count; i++)
		encode_template(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_template_page_free(page);
	return SCP_OK;
}

static scp_status reply_template(struct reply *r, int status, const scp_template *t)
{
	scp__json_writer w;

	scp__jw_init(&w, &r->body);
	encode_template(&w, NULL, t);
	r->status = status;
	return SCP_OK;
}

scp_status get_template(struct request *q, struct reply *r, scp_error *err)
{
	scp_template *t = NULL;
	scp_status rc = scp_template_get(&t, q->plane, q->param[0], err);

	if (!rc)
		rc = reply_template(r, 200, t);
	scp_template_free(t);
	return rc;
}

scp_status post_template(struct request *q, struct reply *r, scp_error *err)
{
	scp_template_spec spec = SCP_TEMPLATE_SPEC_INIT;
	scp_template *t = NULL;
	scp_status rc = decode_template(q, &spec, err);

	if (!rc)
		rc = scp_template_create(&t, q->plane, &spec, err);
	if (!rc)
		rc = reply_template(r, 201, t);
	scp_template_free(t);
	return rc;
}

scp_status put_template(struct request *q, struct reply *r, scp_error *err)
{
	scp_template_spec spec = SCP_TEMPLATE_SPEC_INIT;
	scp_template *t = NULL;
	scp_status rc = decode_template(q, &spec, err);

	spec.idempotency_key = NULL; /* a PUT may be repeated anyway */
	if (!rc)
		rc = scp_template_update(&t, q->plane, q->param[0], &spec, err);
	if (!rc)
		rc = reply_template(r, 200, t);
	scp_template_free(t);
	return rc;
}

scp_status delete_template(struct request *q, struct reply *r, scp_error *err)
{
	r->status = 204;
	return scp_template_delete(q->plane, q->param[0], err);
}
