#include "remote.h"
#include "sse.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "err.h"

#define RECONNECTS 5 /* in a row without a new event */

struct watch {
	const struct watcher *watcher;
	struct sse sse;
	struct answer *result;
	bool over, moved;
};

static scp_status on_output(struct watch *w, const struct sse_event *event, scp_error *err)
{
	struct answer a = { 0 };
	const char *text;
	scp_status rc;

	scp__buf_init(&a.text, SSE_LINE_MAX);
	(void)scp__buf_append(&a.text, event->data, event->len);
	rc = answer_parse(&a, "event", err);
	if (!rc) {
		text = answer_text(a.json, "text");
		rc = w->watcher->output(w->watcher->user, event->name[3] == 'e', text, strlen(text), err);
	}
	answer_free(&a);
	return rc;
}

/* data: {"status": "running"} */
static scp_status on_status(struct watch *w, const struct sse_event *event, scp_error *err)
{
	scp__json *json = NULL;
	scp_status rc = scp__json_parse(&json, event->data, event->len, "event", err);

	if (!rc && w->watcher->status)
		w->watcher->status(w->watcher->user, answer_text(json, "status"));
	scp__json_free(json);
	return rc;
}

static scp_status on_result(struct watch *w, const struct sse_event *event, scp_error *err)
{
	answer_free(w->result);
	scp__buf_init(&w->result->text, REMOTE_ANSWER_MAX);
	(void)scp__buf_append(&w->result->text, event->data, event->len);
	w->over = true;
	return answer_parse(w->result, "result", err);
}

static scp_status on_event(void *user, const struct sse_event *event, scp_error *err)
{
	struct watch *w = user;

	w->moved = true;
	if (!strcmp(event->name, "stdout") || !strcmp(event->name, "stderr"))
		return on_output(w, event, err);
	if (!strcmp(event->name, "status"))
		return on_status(w, event, err);
	return strcmp(event->name, "result") ? SCP_OK : on_result(w, event, err);
}

static scp_status on_bytes(void *user, const void *data, size_t len, scp_error *err)
{
	return sse_feed(&((struct watch *)user)->sse, data, len, err);
}

static scp_status connect_once(struct remote *r, const char *id, struct watch *w, scp_error *err)
{
	scp_sink sink = { .fn = on_bytes, .user = w };
	char path[160], last[96];
	struct call c = { .method = "GET", .path = path, .sink = &sink, .endless = true };

	(void)snprintf(path, sizeof(path), "/api/v1/executions/%.64s/events", id);
	if (w->sse.id[0]) {
		(void)snprintf(last, sizeof(last), "Last-Event-ID: %s", w->sse.id);
		c.header = last;
	}
	sse_restart(&w->sse);
	return remote_call(r, &c, NULL, err);
}

static void pause_before(unsigned attempt)
{
	struct timespec t = { .tv_nsec = 100000000L * (attempt < 9 ? (long)attempt + 1 : 9L) };

	(void)nanosleep(&t, NULL);
}

static bool may_reconnect(scp_status rc)
{
	return !rc || rc == SCP_EUNAVAIL || rc == SCP_ETIMEDOUT;
}

/* A stream that breaks, or ends without a result because the server restarts, goes on where it stopped. */
scp_status remote_watch(
    struct target *t, const char *id, const struct watcher *watcher, struct answer *result, scp_error *err)
{
	struct watch w = { .watcher = watcher, .result = result };
	scp_error last = { 0 };
	scp_status rc = SCP_OK;

	sse_init(&w.sse, on_event, &w);
	for (unsigned attempt = 0; !w.over && attempt < RECONNECTS && may_reconnect(rc); attempt++) {
		if (attempt)
			pause_before(attempt);
		w.moved = false;
		last = (scp_error){ 0 };
		rc = connect_once((struct remote *)t, id, &w, &last);
		if (w.moved)
			attempt = 0;
	}
	if (w.over && result->json)
		rc = SCP_OK;
	else if (!rc)
		rc = scp__fail(&last, SCP_EUNAVAIL, "the event stream of %s ended without a result", id);
	if (rc)
		scp__error_copy(err, &last);
	sse_free(&w.sse);
	return rc;
}
