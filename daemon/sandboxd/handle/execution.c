/* Executions, but for their event streams. */
#include <stdio.h>

#include "handle.h"

static void note_ids(struct reply *r, const scp_execution *e)
{
	(void)snprintf(r->session_id, sizeof(r->session_id), "%s", e->session_id);
	(void)snprintf(r->execution_id, sizeof(r->execution_id), "%s", e->id);
}

static void wait_for(struct reply *r, const scp_execution *e, uint32_t wait_ms, finish_fn *finish)
{
	r->wait = WAIT_EXECUTION;
	r->wait_ms = wait_ms;
	r->finish = finish;
	(void)snprintf(r->wait_id, sizeof(r->wait_id), "%s", e->id);
}

/* The Result where it is over, else what a submission answers. */
static scp_status finish_submitted(struct request *q, struct reply *r, const void *snapshot, scp_error *err)
{
	const scp_execution *e = snapshot;
	scp__json_writer w;

	(void)q;
	(void)err;
	scp__jw_init(&w, &r->body);
	if (e->result)
		encode_result(&w, NULL, e);
	else
		encode_submitted(&w, e);
	return SCP_OK;
}

scp_status post_execute(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	scp__json_writer w;
	uint32_t wait_ms;
	scp_status rc = query_wait(q, 300, &wait_ms, err);

	if (!rc)
		rc = decode_execution(q, &spec, err);
	if (!rc)
		rc = scp_execute(&e, q->plane, q->param[0], &spec, err);
	if (rc)
		return rc;
	note_ids(r, e);
	scp__jw_init(&w, &r->body);
	if (wait_ms)
		wait_for(r, e, wait_ms, finish_submitted);
	else
		encode_submitted(&w, e);
	scp_execution_free(e);
	return SCP_OK;
}

static const char *status_name(int status)
{
	return scp_execution_status_name((scp_execution_status)status);
}

static scp_status read_query(const struct request *q, scp_execution_query *query, scp_error *err)
{
	int status = 0;
	scp_status rc = query_page(q, &query->limit, &query->offset, err);

	if (!rc)
		rc = query_state(q, status_name, SCP_EXECUTION_CANCELLED, &status, err);
	query->status = (scp_execution_status)status;
	query->session_id = q->param[0];
	return rc;
}

/* A list of nothing and no such session are two things. */
static scp_status check_session(const struct request *q, scp_error *err)
{
	scp_session *s = NULL;
	scp_status rc = scp_session_get(&s, q->plane, q->param[0], err);

	scp_session_free(s);
	return rc;
}

scp_status get_executions(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution_query query = SCP_EXECUTION_QUERY_INIT;
	scp_execution_page *page = NULL;
	scp__json_writer w;
	scp_status rc = read_query(q, &query, err);

	if (!rc)
		rc = check_session(q, err);
	if (!rc)
		rc = scp_execution_list(&page, q->plane, &query, err);
	if (rc)
		return rc;
	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_array(&w, "executions");
	for (size_t i = 0; i < page->count; i++)
		encode_execution(&w, NULL, page->items[i]);
	scp__jw_end_array(&w);
	encode_page(&w, page->total, query.limit, query.offset, page->next);
	scp__jw_end_object(&w);
	scp_execution_page_free(page);
	return SCP_OK;
}

scp_status get_execution(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution *e = NULL;
	scp__json_writer w;
	scp_status rc = scp_execution_get(&e, q->plane, q->param[0], err);

	if (rc)
		return rc;
	note_ids(r, e);
	scp__jw_init(&w, &r->body);
	encode_execution(&w, NULL, e);
	scp_execution_free(e);
	return SCP_OK;
}

scp_status get_execution_status(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution *e = NULL;
	scp__json_writer w;
	scp_status rc = scp_execution_get(&e, q->plane, q->param[0], err);

	if (rc)
		return rc;
	note_ids(r, e);
	scp__jw_init(&w, &r->body);
	encode_execution_status(&w, e);
	scp_execution_free(e);
	return SCP_OK;
}

static scp_status finish_result(struct request *q, struct reply *r, const void *snapshot, scp_error *err)
{
	const scp_execution *e = snapshot;
	scp__json_writer w;

	(void)q;
	if (!e->result) {
		scp__fail_as(err, "StateConflict", "Execution '%s' is not over: it is %s", e->id,
		    scp_execution_status_name(e->status));
		scp__hint(err, "Ask again with ?wait=, or watch /api/v1/executions/%s/events", e->id);
		return err->status;
	}
	scp__jw_init(&w, &r->body);
	encode_result(&w, NULL, e);
	return SCP_OK;
}

scp_status get_execution_result(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution *e = NULL;
	uint32_t wait_ms;
	scp_status rc = query_wait(q, 300, &wait_ms, err);

	if (!rc)
		rc = scp_execution_get(&e, q->plane, q->param[0], err);
	if (rc)
		return rc;
	note_ids(r, e);
	if (e->result || !wait_ms)
		rc = finish_result(q, r, e, err);
	else
		wait_for(r, e, wait_ms, finish_result);
	scp_execution_free(e);
	return rc;
}

scp_status post_cancel(struct request *q, struct reply *r, scp_error *err)
{
	scp_execution *e = NULL;
	scp__json_writer w;
	scp_status rc = decode_nothing(q, err);

	if (!rc)
		rc = scp_execution_cancel(&e, q->plane, q->param[0], err);
	if (rc)
		return rc;
	note_ids(r, e);
	scp__jw_init(&w, &r->body);
	encode_execution(&w, NULL, e);
	scp_execution_free(e);
	return SCP_OK;
}
