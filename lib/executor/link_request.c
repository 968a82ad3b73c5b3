/* Requests to the executor as bytes: a head, and a body of records. */
#include <stdio.h>
#include <string.h>

#include "link_internal.h"

/* Names are put into a request line: nothing else may get in. */
static scp_status check_execution(const char *id, scp_error *err)
{
	size_t len = id ? strlen(id) : 0;

	if (len && len < 64 && strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "an execution id has 1 to 63 of [A-Za-z0-9_-]");
}

static scp_status head(scp__link_stream *s, const char *method, const char *target, scp_error *err)
{
	int n = snprintf(s->head, sizeof(s->head), "%s %s HTTP/1.1\r\nHost: sandbox\r\nContent-Length: %zu\r\n\r\n",
	    method, target, s->body.len);

	if (n < 0 || (size_t)n >= sizeof(s->head))
		return scp__fail(err, SCP_EINTERNAL, "a request to the executor is too long");
	s->head_len = (size_t)n;
	return SCP_OK;
}

static void put(scp__buf *b, const char *name, const void *data, size_t len)
{
	(void)scp__record_put(b, name, 0, len ? data : "", len);
}

static void put_env(scp__buf *b, const scp_pair *env, size_t count)
{
	char header[SCP__RECORD_HEADER_MAX];

	for (size_t i = 0; i < count; i++) {
		size_t name = strlen(env[i].name);
		size_t value = strlen(env[i].value);
		size_t n = scp__record_header(header, SCP__RUN_ENV, 0, name + 1 + value);

		(void)scp__buf_append(b, header, n);
		(void)scp__buf_append(b, env[i].name, name);
		(void)scp__buf_append(b, "=", 1);
		(void)scp__buf_append(b, env[i].value, value);
	}
}

/* The buffer's status is sticky: looked at once, behind the last. */
static void put_run(scp__buf *b, const scp__link_run_request *r)
{
	(void)scp__record_put_text(b, SCP__RUN_EXECUTION, r->execution_id);
	(void)scp__record_put_uint(b, SCP__RUN_ATTEMPT, r->attempt);
	(void)scp__record_put_uint(b, SCP__RUN_SEQ, r->seq);
	(void)scp__record_put_text(b, SCP__RUN_LANGUAGE, r->language);
	(void)scp__record_put_uint(b, SCP__RUN_TIMEOUT_MS, r->timeout_ms);
	if (r->request_id)
		(void)scp__record_put_text(b, SCP__RUN_REQUEST_ID, r->request_id);
	put_env(b, r->env, r->env_count);
	if (r->event_json)
		(void)scp__record_put_text(b, SCP__RUN_EVENT, r->event_json);
	if (r->stdin_len)
		put(b, SCP__RUN_STDIN, r->stdin_data, r->stdin_len);
	put(b, SCP__RUN_CODE, r->code, r->code_len);
}

scp_status link_request_run(scp__link_stream *s, const scp__link_run_request *request, scp_error *err)
{
	scp_status rc = check_execution(request->execution_id, err);

	if (rc)
		return rc;
	put_run(&s->body, request);
	if (s->body.status == SCP_ETOOBIG)
		return scp__fail(
		    err, SCP_ETOOBIG, "code, event, stdin and environment are %u bytes at most", SCP__RECORD_MAX);
	if (s->body.status)
		return scp__nomem(err);
	s->seq = request->seq;
	return head(s, "POST", "/v1/run", err);
}

scp_status link_request_attach(
    scp__link_stream *s, const char *execution_id, uint32_t attempt, uint64_t after, scp_error *err)
{
	char target[160];
	scp_status rc = check_execution(execution_id, err);

	if (rc)
		return rc;
	(void)snprintf(
	    target, sizeof(target), "/v1/runs/%s/%u?after=%llu", execution_id, attempt, (unsigned long long)after);
	s->seq = after;
	s->by_id = true;
	return head(s, "GET", target, err);
}

scp_status link_request_verb(
    scp__link_stream *s, const char *execution_id, uint32_t attempt, const char *verb, scp_error *err)
{
	char target[160];
	scp_status rc = check_execution(execution_id, err);

	if (rc)
		return rc;
	(void)snprintf(target, sizeof(target), "/v1/runs/%s/%u/%s", execution_id, attempt, verb);
	s->kind = LINK_RECORDS;
	s->by_id = true;
	return head(s, "POST", target, err);
}

scp_status link_request_info(scp__link_stream *s, scp_error *err)
{
	s->kind = LINK_RECORDS;
	return head(s, "GET", "/v1/info", err);
}
