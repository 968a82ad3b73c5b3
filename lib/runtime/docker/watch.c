/*
 * Ends of containers, from the engine's stream of events. An engine forgets its events when it restarts, so each time
 * the stream is opened, those that have ended are looked up too; who was told once isn't told again. The engine says an
 * end before its list shows it: hence the stream begins a little before the look.
 */
#include "docker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

#define LINE_MAX_BYTES (256 * 1024)
#define URL_MAX_BYTES 2048
#define READ_BYTES 4096
#define OPEN_TIMEOUT_MS 10000
#define BEFORE_NS INT64_C(10000000000)
#define STALL_S 600 /* then the stream is opened anew: a peer that vanished says nothing either */

/* ---- who needn't be told of ---- */

static bool is_done(docker_watch *w, const char *id)
{
	bool done;

	pthread_mutex_lock(&w->lock);
	done = scp__map_get(w->done, id) != NULL;
	pthread_mutex_unlock(&w->lock);
	return done;
}

void docker_watch_forget(docker *d, const char *id)
{
	pthread_mutex_lock(&d->watch.lock);
	(void)scp__map_put(d->watch.done, id, d);
	pthread_mutex_unlock(&d->watch.lock);
}

static void undo(docker_watch *w, const char *id)
{
	pthread_mutex_lock(&w->lock);
	(void)scp__map_remove(w->done, id);
	pthread_mutex_unlock(&w->lock);
}

/* ---- ends that are known ---- */

static scp_status queue_end(docker_watch *w, const scp_runtime_event *event, scp_error *err)
{
	docker_end *end = calloc(1, sizeof(*end));

	if (!end)
		return scp__nomem(err);
	end->event = *event;
	*w->last = end;
	w->last = &end->next;
	return SCP_OK;
}

/* `old`: one that is gone already went before anybody asked. */
static scp_status add_end(docker *d, const char *id, const char *name, int code, bool old, scp_error *err)
{
	scp_runtime_event event = { .exit_code = code };
	docker_answer a;
	scp_status rc;

	if (is_done(&d->watch, id) || !docker_name_valid(name))
		return SCP_OK;
	(void)snprintf(event.name, sizeof(event.name), "%s", name);
	rc = docker_ask(d, &a, NULL, "GET", "/containers/%s/json", id);
	if (rc == SCP_ENOTFOUND && old)
		return SCP_OK;
	if (!rc) {
		const scp__json *exit_code = docker_dig(a.json, "State", "ExitCode");

		event.oom_killed = docker_oom_killed(d, name, a.json);
		if (exit_code)
			event.exit_code = (int)scp__json_number(exit_code);
		docker_answer_free(&a);
	}
	docker_watch_forget(d, id);
	return queue_end(&d->watch, &event, err);
}

static bool take_end(docker_watch *w, scp_runtime_event *out)
{
	docker_end *end = w->first;

	if (!end)
		return false;
	*out = end->event;
	w->first = end->next;
	if (!w->first)
		w->last = &w->first;
	free(end);
	return true;
}

/* ---- after the stream was away ---- */

struct resync {
	docker *d;
	scp__map *there;
};

static scp_status resync_one(void *user, const char *id, const char *name, const char *state, scp_error *err)
{
	struct resync *r = user;

	if (!scp__map_put(r->there, id, r->d))
		return scp__nomem(err);
	if (strcmp(state, "exited") != 0 && strcmp(state, "dead") != 0)
		return SCP_OK;
	return add_end(r->d, id, name, -1, true, err);
}

struct keeping {
	docker_watch *w;
	scp__map *kept;
};

static void keep_done(void *user, const char *id, void *value)
{
	struct keeping *k = user;

	if (scp__map_get(k->w->done, id))
		(void)scp__map_put(k->kept, id, value);
}

/* Of those that the engine has no more, nothing needs to be remembered. */
static void forget_gone(docker_watch *w, const scp__map *there)
{
	struct keeping k = { w, scp__map_new() };

	if (!k.kept)
		return;
	pthread_mutex_lock(&w->lock);
	scp__map_each(there, keep_done, &k);
	scp__map_free(w->done);
	w->done = k.kept;
	pthread_mutex_unlock(&w->lock);
}

static scp_status resync(docker *d, scp_error *err)
{
	struct resync r = { d, scp__map_new() };
	scp_status rc = r.there ? docker_each(d, false, resync_one, &r, err) : scp__nomem(err);

	if (!rc)
		forget_gone(&d->watch, r.there);
	if (r.there)
		scp__map_free(r.there);
	return rc;
}

/* ---- the stream ---- */

static void close_stream(docker_watch *w)
{
	scp__http_close(w->stream);
	w->stream = NULL;
	scp__buf_clear(&w->line);
}

static scp_status make_url(docker *d, scp_error *err)
{
	docker_watch *w = &d->watch;
	char filters[200];

	scp__buf_clear(&w->url);
	(void)snprintf(filters, sizeof(filters),
	    "{\"type\":[\"container\"],\"event\":[\"die\",\"destroy\"],\"label\":[\"" DOCKER_LABEL "=%s\"]}",
	    d->node_name);
	(void)scp__buf_printf(&w->url, "%s/events?filters=", d->api);
	docker_escape(&w->url, filters);
	(void)scp__buf_printf(&w->url, "&since=%lld.%09lld", (long long)((w->since_ns + 1) / 1000000000),
	    (long long)((w->since_ns + 1) % 1000000000));
	return w->url.status ? scp__nomem(err) : SCP_OK;
}

static scp_status open_stream(docker *d, scp_error *err)
{
	docker_watch *w = &d->watch;
	int status = 0;
	scp_status rc = make_url(d, err);

	w->request = (scp__http_request){ .method = "GET",
		.url = w->url.data,
		.timeout_ms = OPEN_TIMEOUT_MS,
		.stall_timeout_s = STALL_S,
		.idempotent = true };
	if (!rc)
		rc = docker_unavailable(d, scp__http_open(d->http, &w->request, &w->stream, &status, err), err);
	if (!rc && status != 200)
		rc = scp__fail(err, SCP_EBACKEND, "the engine said %d instead of its events", status);
	/* First the stream, then the look: nothing falls in between. */
	if (!rc)
		rc = resync(d, err);
	if (rc)
		close_stream(w);
	return rc;
}

static scp_status take_event(docker *d, const scp__json *event, scp_error *err)
{
	const scp__json *attributes = docker_dig(event, "Actor", "Attributes"),
			*nano = scp__json_get(event, "timeNano");
	const char *id = docker_text(docker_dig(event, "Actor", "ID"));
	const char *action = docker_text(scp__json_get(event, "Action"));
	const char *code = docker_text(attributes ? scp__json_get(attributes, "exitCode") : NULL);
	int64_t ns = 0;

	if (nano)
		ns = (int64_t)scp__json_number(nano);
	if (ns > d->watch.since_ns)
		d->watch.since_ns = ns;
	if (strcmp(action, "destroy") == 0)
		undo(&d->watch, id);
	if (strcmp(action, "die") != 0 || !attributes)
		return SCP_OK;
	return add_end(d, id, docker_text(scp__json_get(attributes, "name")), *code ? atoi(code) : -1,
	    ns < d->watch.begin_ns, err);
}

static scp_status take_line(docker *d, scp_error *err)
{
	docker_watch *w = &d->watch;
	scp__json *event = NULL;
	scp_status rc = SCP_OK;

	if (w->line.len && !scp__json_parse(&event, w->line.data, w->line.len, "event", NULL))
		rc = take_event(d, event, err);
	scp__json_free(event);
	scp__buf_clear(&w->line);
	return rc;
}

static scp_status take_bytes(docker *d, const char *data, size_t len, scp_error *err)
{
	const char *end = data + len, *newline;
	scp_status rc = SCP_OK;

	for (; !rc && data < end; data = newline + 1) {
		newline = memchr(data, '\n', (size_t)(end - data));
		rc = scp__buf_append(&d->watch.line, data, (size_t)((newline ? newline : end) - data));
		if (rc)
			return scp__fail(err, rc, "an event of the engine is too long");
		if (!newline)
			break;
		rc = take_line(d, err);
	}
	return rc;
}

/* SCP_EAGAIN, SCP_ECANCELED as scp__http_read_for(); any other failure: the stream is over. */
static scp_status read_stream(docker *d, uint32_t timeout_ms, scp_error *err)
{
	docker_watch *w = &d->watch;
	char data[READ_BYTES];
	size_t len = 0;
	scp_status rc = scp__http_read_for(w->stream, data, sizeof(data), &len, timeout_ms, w->wake, err);

	if (rc == SCP_EAGAIN || rc == SCP_ECANCELED)
		return rc;
	if (!rc && len)
		rc = take_bytes(d, data, len, err);
	else if (!rc)
		rc = docker_unavailable(d, scp__fail(err, SCP_EUNAVAIL, "it ended its stream of events"), err);
	else
		rc = rc == SCP_ETIMEDOUT ? SCP_OK : docker_unavailable(d, rc, err);
	if (rc || !len)
		close_stream(w);
	return rc;
}

static bool interrupted(const docker_watch *w)
{
	struct pollfd p = { .fd = w->wake, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

scp_status docker_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	docker *d = (docker *)rt;
	docker_watch *w = &d->watch;
	int64_t deadline_us = scp__mono_us() + (int64_t)timeout_ms * 1000, left_ms;
	scp_status rc = SCP_OK;

	memset(out, 0, sizeof(*out));
	while (!rc) {
		if (interrupted(w))
			return scp__fail(err, SCP_ECLOSED, "the runtime is closing");
		if (take_end(w, out))
			return SCP_OK;
		left_ms = (deadline_us - scp__mono_us()) / 1000;
		if (!w->stream)
			rc = open_stream(d, err);
		else
			rc = read_stream(d, left_ms > 0 ? (uint32_t)left_ms : 0, err);
		if (rc == SCP_ECANCELED)
			rc = SCP_OK;
	}
	return rc == SCP_EAGAIN ? scp__fail(err, SCP_ETIMEDOUT, "no container ended") : rc;
}

void docker_interrupt(scp_runtime *rt)
{
	const uint64_t one = 1;

	(void)!write(((docker *)rt)->watch.wake, &one, sizeof(one));
}

scp_status docker_watch_init(docker *d, scp_error *err)
{
	docker_watch *w = &d->watch;

	pthread_mutex_init(&w->lock, NULL);
	scp__buf_init(&w->line, LINE_MAX_BYTES);
	scp__buf_init(&w->url, URL_MAX_BYTES);
	w->last = &w->first;
	w->begin_ns = scp__now_us() * 1000;
	w->since_ns = w->begin_ns - BEFORE_NS;
	w->done = scp__map_new();
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w->done && w->wake >= 0 ? SCP_OK : scp__nomem(err);
}

void docker_watch_fini(docker *d)
{
	docker_watch *w = &d->watch;
	scp_runtime_event event;

	scp__http_close(w->stream);
	while (take_end(w, &event))
		;
	scp__buf_free(&w->line);
	scp__buf_free(&w->url);
	if (w->done)
		scp__map_free(w->done);
	if (w->wake >= 0)
		close(w->wake);
	pthread_mutex_destroy(&w->lock);
}
