#include "remote.h"

#include <stdio.h>
#include <string.h>

#include "err.h"

#define CALL_TIMEOUT_MS 30000u
#define STREAM_STALL_S 90u /* the server sends comments more often than that */

struct reception {
	const struct call *call;
	scp__buf *text;
	int status;
	bool answered; /* 2xx: what a sink may have */
};

static scp_status on_head(void *user, int status, const char *const *headers, scp_error *err)
{
	struct reception *rx = user;

	(void)headers;
	(void)err;
	rx->status = status;
	rx->answered = status >= 200 && status < 300;
	return SCP_OK;
}

static scp_status on_body(void *user, const void *data, size_t len, scp_error *err)
{
	struct reception *rx = user;

	if (rx->call->sink && rx->answered)
		return rx->call->sink->fn(rx->call->sink->user, data, len, err);
	if (scp__buf_append(rx->text, data, len))
		return scp__fail(err, rx->text->status, "the answer is longer than %u bytes", REMOTE_ANSWER_MAX);
	return SCP_OK;
}

/* "Sandbox.SessionNotFound" → "SessionNotFound" */
static const char *bare_code(const char *code)
{
	const char *dot = strchr(code, '.');

	return dot ? dot + 1 : code;
}

static scp_status fail_answer(struct answer *a, int status, scp_error *err)
{
	scp_status rc;

	if (answer_parse(a, "answer", NULL) || !*answer_text(a->json, "error_code"))
		return scp__fail(
		    err, status == 401 ? SCP_EAUTH : SCP_EBACKEND, "the server answered with status %d", status);
	rc = scp__fail_as(
	    err, bare_code(answer_text(a->json, "error_code")), "%s", answer_text(a->json, "error_detail"));
	if (*answer_text(a->json, "solution"))
		scp__hint(err, "%s", answer_text(a->json, "solution"));
	return rc ? rc : SCP_EBACKEND;
}

static void explain_unreachable(struct remote *r, scp_error *err)
{
	scp__prefix(err, "%s", r->base);
	scp__hint(err, "is sandboxd running? Start it, name it by --server or $SANDBOXCTL_SERVER, or use --embedded");
}

static void describe(scp__http_request *q, const struct call *c, const char *url, const char *const *headers)
{
	*q = (scp__http_request){ .method = c->method, .url = url, .headers = headers, .idempotent = c->idempotent };
	if (c->body) {
		q->body = c->body->data;
		q->body_len = c->body->len;
	}
	if (c->source) {
		q->source = c->source->fn;
		q->source_user = c->source->user;
		q->source_len = c->source_len;
	}
	q->on_head = on_head;
	q->on_body = on_body;
	q->timeout_ms = c->endless || c->source || c->sink ? 0 : CALL_TIMEOUT_MS + c->wait_ms;
	q->stall_timeout_s = c->endless ? STREAM_STALL_S : 0;
}

static scp_status make_url(scp__buf *url, const struct remote *r, const struct call *c, scp_error *err)
{
	scp__buf_init(url, 16384);
	(void)scp__buf_puts(url, r->base);
	(void)scp__buf_puts(url, c->path);
	return url->status ? scp__fail(err, SCP_EINVAL, "the request's path is too long") : SCP_OK;
}

scp_status remote_call(struct remote *r, const struct call *c, struct answer *answer, scp_error *err)
{
	const char *headers[4] = { 0 };
	struct answer local = { 0 }, *a = answer ? answer : &local;
	struct reception rx = { .call = c, .text = &a->text };
	scp__http_request q;
	scp__buf url;
	size_t n = 0;
	int status = 0;
	scp_status rc;

	answer_free(a);
	scp__buf_init(&a->text, REMOTE_ANSWER_MAX);
	if (*r->authorization)
		headers[n++] = r->authorization;
	if (c->body)
		headers[n++] = "Content-Type: application/json";
	if (c->header)
		headers[n++] = c->header;
	rc = make_url(&url, r, c, err);
	if (!rc) {
		describe(&q, c, url.data, headers);
		q.user = &rx;
		rc = scp__http_do(r->http, &q, &status, err);
		if (rc == SCP_EUNAVAIL && !rx.status)
			explain_unreachable(r, err);
	}
	if (!rc && status >= 300)
		rc = fail_answer(a, status, err);
	else if (!rc && answer && !c->sink)
		rc = answer_parse(a, "answer", err);
	scp__buf_free(&url);
	answer_free(&local);
	return rc;
}
