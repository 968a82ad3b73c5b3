/* Sessions. */
#include <stdio.h>

#include "handle.h"

static void reply_session(struct reply *r, int status, const scp_session *s)
{
	scp__json_writer w;

	scp__jw_init(&w, &r->body);
	encode_session(&w, NULL, s);
	r->status = status;
	(void)snprintf(r->session_id, sizeof(r->session_id), "%s", s->id);
}

static scp_status finish_created(struct request *q, struct reply *r, const void *snapshot, scp_error *err)
{
	(void)q;
	(void)err;
	reply_session(r, 201, snapshot);
	return SCP_OK;
}

/* Answer the snapshot now, or wait first. */
static void created(struct reply *r, const scp_session *s, uint32_t wait_ms)
{
	if (!wait_ms || s->status != SCP_SESSION_CREATING) {
		reply_session(r, 201, s);
		return;
	}
	r->wait = WAIT_SESSION;
	r->wait_ms = wait_ms;
	r->finish = finish_created;
	(void)snprintf(r->wait_id, sizeof(r->wait_id), "%s", s->id);
	(void)snprintf(r->session_id, sizeof(r->session_id), "%s", s->id);
}

scp_status post_session(struct request *q, struct reply *r, scp_error *err)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	uint32_t wait_ms;
	scp_status rc = query_wait(q, 60, &wait_ms, err);

	if (!rc)
		rc = decode_session(q, &spec, err);
	if (!rc)
		rc = scp_session_create(&s, q->plane, &spec, err);
	if (!rc)
		created(r, s, wait_ms);
	scp_session_free(s);
	return rc;
}

static const char *status_name(int status)
{
	return scp_session_status_name((scp_session_status)status);
}

static scp_status read_query(const struct request *q, scp_session_query *query, scp_error *err)
{
	int status = 0;
	scp_status rc = query_page(q, &query->limit, &query->offset, err);

	if (!rc)
		rc = query_state(q, status_name, SCP_SESSION_TERMINATED, &status, err);
	if (!rc)
		rc = query_text(q, "template_id", &query->template_id, err);
	if (!rc)
		rc = query_text(q, "agent_id", &query->agent_id, err);
	query->status = (scp_session_status)status;
	return rc;
}

scp_status get_sessions(struct request *q, struct reply *r, scp_error *err)
{
	scp_session_query query = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;
	scp__json_writer w;
	scp_status rc = read_query(q, &query, err);

	if (!rc)
		rc = scp_session_list(&page, q->plane, &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "sessions");
	for (size_t i = 0; i < page->count; i++)
		encode_session(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_session_page_free(page);
	return SCP_OK;
}

scp_status get_session(struct request *q, struct reply *r, scp_error *err)
{
	scp_session *s = NULL;
	scp_status rc = scp_session_get(&s, q->plane, q->param[0], err);

	if (!rc)
		reply_session(r, 200, s);
	scp_session_free(s);
	return rc;
}

scp_status delete_session(struct request *q, struct reply *r, scp_error *err)
{
	scp_session *s = NULL;
	scp__json_writer w;
	scp_status rc = scp_session_terminate(&s, q->plane, q->param[0], err);

	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_string(
	    &w, "message", s->status == SCP_SESSION_TERMINATED ? "Session terminated" : "Session had already ended");
	scp__jw_string(&w, "session_id", s->id);
	scp__jw_string(&w, "status", scp_session_status_name(s->status));
	scp__jw_end_object(&w);
	scp_session_free(s);
	return SCP_OK;
}

scp_status post_keepalive(struct request *q, struct reply *r, scp_error *err)
{
	scp_session *s = NULL;
	uint32_t extend_s = 0;
	scp_status rc = decode_keepalive(q, &extend_s, err);

	if (!rc)
		rc = scp_session_keepalive(&s, q->plane, q->param[0], extend_s, err);
	if (!rc)
		reply_session(r, 200, s);
	scp_session_free(s);
	return rc;
}
