/* What executors tell under /internal: authorize, decode, call, encode. */
#include "report.h"

#include <stdio.h>

static scp_status authorize(const struct request *q, scp_error *err)
{
	return scp_report_authorize(q->plane, q->token, q->param[0], err);
}

static void reply_execution(struct reply *r, const scp_execution *e)
{
	scp__json_writer w;

	(void)snprintf(r->session_id, sizeof(r->session_id), "%s", e->session_id);
	scp__jw_init(&w, &r->body);
	encode_execution_status(&w, e);
}

/* No more than the sandbox itself may know. */
static void reply_session(struct reply *r, const scp_session *s)
{
	scp__json_writer w;

	scp__jw_init(&w, &r->body);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "session_id", s->id);
	scp__jw_string(&w, "status", scp_session_status_name(s->status));
	scp__jw_string(&w, "container_id", s->container_id);
	scp__jw_end_object(&w);
}

scp_status post_report_result(struct request *q, struct reply *r, scp_error *err)
{
	scp_report report = SCP_REPORT_INIT;
	scp_execution *e = NULL;
	scp__json_writer w;
	bool first = false;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_result_report(q, &report, err);
	if (!rc)
		rc = scp_report_result(&e, &first, q->plane, q->param[0], &report, err);
	if (rc)
		return rc;
	r->status = first ? 201 : 200;
	(void)snprintf(r->session_id, sizeof(r->session_id), "%s", e->session_id);
	scp__jw_init(&w, &r->body);
	encode_result(&w, NULL, e);
	scp_execution_free(e);
	return SCP_OK;
}

scp_status post_report_status(struct request *q, struct reply *r, scp_error *err)
{
	uint32_t attempt = SCP_PRESENT_ATTEMPT;
	const char *status = NULL;
	int64_t started_us = 0;
	scp_execution *e = NULL;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_status_report(q, &attempt, &status, &started_us, err);
	if (!rc)
		rc = scp_report_status(&e, q->plane, q->param[0], attempt, status, started_us, err);
	if (!rc)
		reply_execution(r, e);
	scp_execution_free(e);
	return rc;
}

scp_status post_report_heartbeat(struct request *q, struct reply *r, scp_error *err)
{
	uint32_t attempt = SCP_PRESENT_ATTEMPT;
	scp_execution *e = NULL;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_heartbeat_report(q, &attempt, err);
	if (!rc)
		rc = scp_report_heartbeat(&e, q->plane, q->param[0], attempt, err);
	if (!rc)
		reply_execution(r, e);
	scp_execution_free(e);
	return rc;
}

scp_status post_report_artifacts(struct request *q, struct reply *r, scp_error *err)
{
	uint32_t attempt = SCP_PRESENT_ATTEMPT;
	const scp_artifact *const *list = NULL;
	size_t count = 0;
	scp_execution *e = NULL;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_artifacts_report(q, &attempt, &list, &count, err);
	if (!rc)
		rc = scp_report_artifacts(&e, q->plane, q->param[0], attempt, list, count, err);
	if (!rc)
		reply_execution(r, e);
	scp_execution_free(e);
	return rc;
}

scp_status post_report_ready(struct request *q, struct reply *r, scp_error *err)
{
	scp_container_report report = SCP_CONTAINER_REPORT_INIT;
	scp_session *s = NULL;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_container_report(q, false, &report, err);
	if (!rc)
		rc = scp_report_container_ready(&s, q->plane, q->param[0], &report, err);
	if (!rc)
		reply_session(r, s);
	scp_session_free(s);
	return rc;
}

scp_status post_report_exited(struct request *q, struct reply *r, scp_error *err)
{
	scp_container_report report = SCP_CONTAINER_REPORT_INIT;
	scp_session *s = NULL;
	scp_status rc = authorize(q, err);

	if (!rc)
		rc = decode_container_report(q, true, &report, err);
	if (!rc)
		rc = scp_report_container_exited(&s, q->plane, q->param[0], &report, err);
	if (!rc)
		reply_session(r, s);
	scp_session_free(s);
	return rc;
}
