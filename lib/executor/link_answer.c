/* Reading an answer. Everything in it is hostile: what breaks the protocol ends the stream. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "link_internal.h"

static int on_headers(http_parser *p)
{
	scp__link_stream *s = p->data;

	s->headers = true;
	s->spoilt |= p->status_code < 200 || p->upgrade || p->http_major != 1 || p->http_minor != 1;
	return s->spoilt ? -1 : 0;
}

/* A refusal's text goes into an error message: printable, short. */
static void take_text(scp__link_stream *s, const char *data, size_t len)
{
	for (size_t i = 0; i < len && s->text_len < LINK_TEXT_MAX; i++)
		s->text[s->text_len++] = data[i] >= ' ' && data[i] < 0x7f ? data[i] : ' ';
}

static int on_body(http_parser *p, const char *data, size_t len)
{
	scp__link_stream *s = p->data;

	if (p->status_code != 200)
		take_text(s, data, len);
	else if (scp__buf_append(&s->records, data, len))
		return -1;
	return 0;
}

/* Stops the parser: another answer behind this one was not asked for. */
static int on_complete(http_parser *p)
{
	scp__link_stream *s = p->data;

	s->complete = true;
	s->keep_alive = http_should_keep_alive(p) != 0;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings callbacks = {
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

void link_answer_reset(scp__link_stream *s)
{
	http_parser_init(&s->parser, HTTP_RESPONSE);
	s->parser.data = s;
	s->answered = s->headers = s->complete = s->keep_alive = s->spoilt = false;
	s->text_len = 0;
}

static scp_status broken(scp__link_stream *s, const char *how, scp_error *err)
{
	s->spoilt = true;
	return scp__fail(err, SCP_EUNAVAIL, "the executor in %s broke the protocol: %s", s->container, how);
}

static scp_status ended_early(scp__link_stream *s, scp_error *err)
{
	return scp__fail(err, SCP_EUNAVAIL, "the executor in %s closed the connection %s", s->container,
	    !s->answered  ? "without an answer"
	    : !s->headers ? "within its answer's headers"
			  : "before its answer's end");
}

scp_status link_answer_feed(scp__link_stream *s, const char *data, size_t len, scp_error *err)
{
	size_t used;
	enum http_errno e;

	if (s->complete) {
		s->spoilt = true; /* not an error of this answer's, but nothing to keep */
		return SCP_OK;
	}
	s->answered |= len > 0;
	used = http_parser_execute(&s->parser, &callbacks, data, len);
	e = HTTP_PARSER_ERRNO(&s->parser);
	if (s->complete) {
		s->spoilt |= used < len || !len;
		return SCP_OK;
	}
	if (!len)
		return ended_early(s, err);
	if (s->records.status)
		return s->records.status == SCP_ENOMEM ? scp__nomem(err) : broken(s, "a record without end", err);
	if (s->spoilt)
		return broken(s, "neither HTTP/1.1 nor a final status", err);
	if (e != HPE_OK || used != len)
		return broken(s, http_errno_description(e), err);
	return SCP_OK;
}

/* What an event must be before it is worth delivering. */
static scp_status check_event(scp__link_stream *s, const scp__record *r, bool *skip, scp_error *err)
{
	int64_t now;

	*skip = false;
	if (scp__record_is(r, SCP__EVENT_HEARTBEAT)) {
		if (r->seq || r->len)
			return broken(s, "a heartbeat with a seq or bytes", err);
		now = scp__mono_us();
		*skip = s->heartbeat_us && now - s->heartbeat_us < LINK_HEARTBEAT_US;
		if (!*skip)
			s->heartbeat_us = now;
		return SCP_OK;
	}
	if (r->seq <= s->seq)
		return broken(s, "an event's seq doesn't go up", err);
	s->seq = r->seq;
	s->event_bytes += r->len;
	if (s->event_bytes > LINK_EVENTS_MAX)
		return broken(s, "more output than a run may have", err);
	return SCP_OK;
}

static scp_status deliver_one(scp__link_stream *s, const scp__record *r, scp_error *err)
{
	bool skip = false;
	scp_status rc = s->kind == LINK_EVENTS ? check_event(s, r, &skip, err) : SCP_OK;

	if (rc)
		return rc;
	if (skip)
		return SCP_OK;
	s->result = s->kind == LINK_EVENTS && scp__record_is(r, SCP__EVENT_RESULT);
	/* Closed at its result is closed in time: the connection is fit for another request. */
	return link_stream_deliver(s, r) || s->result ? SCP_OK : SCP_ECANCELED;
}

/* The record behind *done. SCP_EAGAIN: it isn't all there. */
static scp_status take_one(scp__link_stream *s, size_t *done, scp_error *err)
{
	size_t used = 0;
	scp__record r;
	scp_status rc = scp__record_next(s->records.data + *done, s->records.len - *done, &r, &used);

	if (rc == SCP_EAGAIN)
		return rc;
	if (rc)
		return broken(s, "a malformed record", err);
	*done += used;
	return deliver_one(s, &r, err);
}

scp_status link_answer_deliver(scp__link_stream *s, scp_error *err)
{
	scp_status rc = SCP_OK;
	bool paused = false;
	size_t done = 0;

	while (!rc && !s->result && s->records.len > done) {
		paused = atomic_load(&s->paused);
		if (paused)
			break;
		rc = take_one(s, &done, err);
	}
	scp__buf_consume(&s->records, done);
	if (s->result)
		s->spoilt |= s->records.len > 0;
	if (rc == SCP_EAGAIN)
		return SCP_OK;
	return rc ? rc : paused ? SCP_EAGAIN : SCP_OK;
}

static scp_status refusal(scp__link_stream *s, scp_error *err)
{
	unsigned code = s->parser.status_code;
	scp_status status = SCP_EUNAVAIL;

	s->text[s->text_len] = '\0';
	if (code == 404 && s->by_id)
		status = SCP_ENOTFOUND;
	else if (code == 429 || code == 503)
		status = SCP_EBUSY;
	else if (code == 400 || code == 413)
		status = SCP_EINVAL;
	return scp__fail(
	    err, status, "the executor in %s answered %u%s%s", s->container, code, s->text_len ? ": " : "", s->text);
}

scp_status link_answer_verdict(scp__link_stream *s, scp_error *err)
{
	unsigned code = s->parser.status_code;

	if (s->result)
		return SCP_OK;
	if (s->kind == LINK_EVENTS && code == 200)
		return broken(s, "events that end without a result", err);
	if (s->kind == LINK_RECORDS && code / 100 == 2)
		return s->records.len ? broken(s, "records that end within one", err) : SCP_OK;
	return refusal(s, err);
}
