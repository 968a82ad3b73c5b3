/*
 * An execution's events as text/event-stream. The library calls in its own threads; what it says is encoded there into
 * a buffer, which the loop sends. Where the client is slow the subscription is paused: nothing is lost, little is held.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define HELD_MAX (256u * 1024)
#define TEXT_MAX (32u * MIB) /* one event alone may be a Result with all of its output */

struct events {
	struct exchange *x;
	scp_subscription *subscription;
	uint64_t after;
	post wake;
	bool started;	      /* the answer is under way */
	bool blocked;	      /* the client must take some first */
	pthread_mutex_t lock; /* for what follows */
	scp__buf text;
	bool paused;
	bool last; /* the result is in the text */
};

static const char *kind_name(scp_event_kind kind)
{
	switch (kind) {
	case SCP_EVENT_STDOUT:
		return "stdout";
	case SCP_EVENT_STDERR:
		return "stderr";
	case SCP_EVENT_STATUS:
		return "status";
	default:
		return "result";
	}
}

static void encode_event(scp__buf *out, const scp_execution_event *event)
{
	scp__json_writer w;

	(void)scp__buf_printf(
	    out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)event->seq, kind_name(event->kind));
	scp__jw_init(&w, out);
	if (event->kind == SCP_EVENT_RESULT) {
		encode_result(&w, NULL, event->execution);
	} else {
		scp__jw_object(&w, NULL);
		scp__jw_bytes(&w, event->kind == SCP_EVENT_STATUS ? "status" : "text", event->data, event->len, NULL);
		scp__jw_end_object(&w);
	}
	(void)scp__buf_puts(out, "\n\n");
}

/* In a library's thread, one call at a time. */
static void on_event(void *user, const scp_execution_event *event)
{
	struct events *e = user;

	pthread_mutex_lock(&e->lock);
	encode_event(&e->text, event);
	e->last |= event->kind == SCP_EVENT_RESULT;
	if (e->text.len > HELD_MAX && !e->paused) {
		/* first the pause: whoever sees the flag may resume at once */
		scp_subscription_pause(e->subscription);
		e->paused = true;
	}
	pthread_mutex_unlock(&e->lock);
	postbox_put(e->x->app->box, &e->wake);
}

static scp__buf take_text(struct events *e, bool *last, bool *resume)
{
	scp__buf text;

	pthread_mutex_lock(&e->lock);
	text = e->text;
	scp__buf_init(&e->text, TEXT_MAX);
	*last = e->last;
	*resume = e->paused;
	e->paused = false;
	pthread_mutex_unlock(&e->lock);
	return text;
}

static void pump(struct events *e)
{
	http_request *http = e->x->http;
	bool last, resume;
	scp__buf text;

	if (!e->started || e->blocked || e->x->stage != STREAMING)
		return;
	text = take_text(e, &last, &resume);
	if (text.status) {
		http_reply_abort(http); /* no memory: the client comes back where it was */
		e->x->stage = OVER;
	} else if (text.len) {
		e->blocked = http_reply_write(http, text.data, text.len) > HELD_MAX;
	}
	scp__buf_free(&text);
	if (last && e->x->stage == STREAMING) {
		e->x->stage = OVER;
		http_reply_end(http);
	}
	if (resume)
		scp_subscription_resume(e->subscription);
}

static void on_wake(post *p)
{
	pump((struct events *)(void *)((char *)p - offsetof(struct events, wake)));
}

static void on_drain(struct exchange *x)
{
	struct events *e = x->stream_data;

	e->blocked = false;
	pump(e);
}

static void on_pulse(struct exchange *x)
{
	struct events *e = x->stream_data;

	if (e->started && !e->blocked)
		(void)http_reply_write(x->http, ": keep-alive\n\n", 14);
}

/* The client comes back with its Last-Event-ID, to whoever serves then. */
static void on_stop(struct exchange *x)
{
	x->stage = OVER;
	http_reply_end(x->http);
}

static void events_free(struct exchange *x)
{
	struct events *e = x->stream_data;

	scp_subscription_close(e->subscription);
	postbox_remove(x->app->box, &e->wake);
	scp__buf_free(&e->text);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static const struct stream_ops ops = { .drain = on_drain, .pulse = on_pulse, .stop = on_stop, .free = events_free };

static void drained(http_request *http, void *user)
{
	(void)http;
	if (((struct exchange *)user)->stage == STREAMING)
		on_drain(user);
}

static void start_answer(struct exchange *x)
{
	struct events *e = x->stream_data;
	char id[96];
	const char *headers[] = { "Content-Type: text/event-stream; charset=utf-8", "Cache-Control: no-store",
		"X-Accel-Buffering: no", exchange_header(x, id, sizeof(id)), NULL };

	x->stage = STREAMING;
	e->started = true;
	http_on_drain(x->http, drained, x);
	http_reply_start(x->http, 200, headers, -1);
	if (atomic_load(&x->app->draining))
		on_stop(x);
	else
		pump(e);
}

/* Looking the execution up may block: a worker does it. */
static void subscribe(void *arg)
{
	struct exchange *x = arg;
	struct events *e = x->stream_data;

	x->rc = scp_execution_subscribe(
	    &e->subscription, x->app->plane, x->request.param[0], e->after, on_event, e, &x->error);
	postbox_put(x->app->box, &x->done);
}

static void subscribed(post *p)
{
	struct exchange *x = (struct exchange *)(void *)((char *)p - offsetof(struct exchange, done));

	if (!x->http)
		exchange_free(x);
	else if (x->rc)
		exchange_fail(x, x->rc);
	else
		start_answer(x);
}

static scp_status read_last_id(const struct exchange *x, uint64_t *after, scp_error *err)
{
	const char *text = http_header(x->http, "Last-Event-ID");
	char *end;

	if (!text || !*text)
		return SCP_OK;
	errno = 0;
	*after = strtoull(text, &end, 10);
	if (errno || *end || strspn(text, "0123456789") != strlen(text))
		return scp__fail(err, SCP_EINVAL, "Last-Event-ID: '%.60s' is not the id of an event", text);
	return SCP_OK;
}

scp_status start_events(struct exchange *x, scp_error *err)
{
	uint64_t after = 0;
	scp_status rc = read_last_id(x, &after, err);
	struct events *e = rc ? NULL : calloc(1, sizeof(*e));

	if (!e)
		return rc ? rc : scp__nomem(err);
	e->x = x;
	e->after = after;
	e->wake.fn = on_wake;
	pthread_mutex_init(&e->lock, NULL);
	scp__buf_init(&e->text, TEXT_MAX);
	x->stream = &ops;
	x->stream_data = e;
	x->done.fn = subscribed;
	exchange_work(x, subscribe);
	return SCP_OK;
}
