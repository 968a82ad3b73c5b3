/* Bodies that the caller pulls: libcurl's multi interface, driven by whoever reads, so that nothing is buffered. */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "err.h"

#define POLL_MS 1000

struct scp__http_stream {
	scp__http *client;
	struct line line;
	struct transfer t;
	bool over; /* nothing comes any more */
	scp_status rc;
};

void line_close(struct line *l)
{
	curl_easy_cleanup(l->easy);
	curl_multi_cleanup(l->multi);
	*l = (struct line){ 0 };
}

static scp_status take_line(scp__http *c, struct line *l, scp_error *err)
{
	pthread_mutex_lock(&c->lock);
	if (c->line_count)
		*l = c->lines[--c->line_count];
	pthread_mutex_unlock(&c->lock);
	if (l->easy)
		return SCP_OK;
	*l = (struct line){ curl_multi_init(), curl_easy_init() };
	if (l->multi && l->easy) {
		curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, 1L);
		return SCP_OK;
	}
	line_close(l);
	return scp__nomem(err);
}

/* Taken away from its multi handle in the middle of an answer, a transfer closes its connection. */
static void give_line_back(scp__http *c, struct line *l)
{
	curl_multi_remove_handle(l->multi, l->easy);
	curl_easy_reset(l->easy);
	pthread_mutex_lock(&c->lock);
	if (c->line_count < c->options.max_connections) {
		c->lines[c->line_count++] = *l;
		*l = (struct line){ 0 };
	}
	pthread_mutex_unlock(&c->lock);
	if (l->easy)
		line_close(l);
}

static void end(scp__http_stream *s, CURLcode code)
{
	s->over = true;
	s->rc = transfer_end(&s->t, code);
	give_line_back(s->client, &s->line);
	s->t.easy = NULL;
}

static void advance(scp__http_stream *s)
{
	int running = 0, left = 0;
	CURLMcode rc = curl_multi_perform(s->line.multi, &running);
	const CURLMsg *message;

	while ((message = curl_multi_info_read(s->line.multi, &left)))
		if (message->msg == CURLMSG_DONE) {
			end(s, message->data.result);
			return;
		}
	if (rc)
		end(s, CURLE_OUT_OF_MEMORY);
}

/* An answer that is to be tried again is read to its end, so that its connection lives. */
static bool has_head(const scp__http_stream *s)
{
	return s->t.head_done && !s->t.again;
}

static bool has_bytes(const scp__http_stream *s)
{
	return s->t.got > 0;
}

static void pump(scp__http_stream *s, bool (*enough)(const scp__http_stream *), int64_t deadline_us)
{
	while (!s->over && !enough(s)) {
		advance(s);
		if (s->over || enough(s))
			return;
		if (deadline_us && scp__mono_us() > deadline_us)
			end(s, CURLE_OPERATION_TIMEDOUT);
		else
			curl_multi_poll(s->line.multi, NULL, 0, POLL_MS, NULL);
	}
}

static scp_status try_stream(scp__http *c, struct transfer *t)
{
	scp__http_stream *s = (scp__http_stream *)(void *)((char *)t - offsetof(scp__http_stream, t));
	scp_status rc = take_line(c, &s->line, &t->err);

	s->over = false;
	if (rc)
		return rc;
	t->easy = s->line.easy;
	client_set_options(c, t->easy);
	rc = transfer_begin(t);
	if (rc) {
		s->over = true;
		give_line_back(c, &s->line);
		return rc;
	}
	if (curl_multi_add_handle(s->line.multi, t->easy))
		end(s, CURLE_OUT_OF_MEMORY);
	pump(s, has_head, t->deadline_us);
	return s->over ? s->rc : SCP_OK;
}

scp_status scp__http_open(scp__http *c, const scp__http_request *q, scp__http_stream **out, int *status, scp_error *err)
{
	scp__http_stream *s = calloc(1, sizeof(*s));
	scp_status rc;

	*out = NULL;
	if (!s)
		return scp__nomem(err);
	s->client = c;
	s->t.request = q;
	s->t.pulled = true;
	rc = client_do(c, &s->t, try_stream);
	/* What the request points to is the caller's, and may be gone when the body is read. */
	if (rc) {
		scp__error_copy(err, &s->t.err);
		scp__http_close(s);
		return rc;
	}
	if (status)
		*status = s->t.status;
	*out = s;
	return SCP_OK;
}

static bool take_spill(struct transfer *t, void *data, size_t capacity, size_t *len)
{
	*len = t->spill.len < capacity ? t->spill.len : capacity;
	if (!*len)
		return false;
	memcpy(data, t->spill.data, *len);
	scp__buf_consume(&t->spill, *len);
	return true;
}

/* true: there was something to give at once */
static bool begin_read(scp__http_stream *s, void *data, size_t capacity, size_t *len)
{
	struct transfer *t = &s->t;

	if (take_spill(t, data, capacity, len) || !capacity)
		return true;
	t->to = data;
	t->room = capacity;
	t->got = 0;
	if (!s->over && t->paused) {
		t->paused = false;
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
	}
	return false;
}

static scp_status end_read(scp__http_stream *s, size_t *len, scp_error *err)
{
	struct transfer *t = &s->t;

	t->to = NULL;
	*len = t->got;
	if (!t->got && s->rc)
		scp__error_copy(err, &t->err);
	return t->got ? SCP_OK : s->rc;
}

scp_status scp__http_read(scp__http_stream *s, void *data, size_t capacity, size_t *len, scp_error *err)
{
	if (begin_read(s, data, capacity, len))
		return SCP_OK;
	pump(s, has_bytes, 0);
	return end_read(s, len, err);
}

scp_status scp__http_read_for(
    scp__http_stream *s, void *data, size_t capacity, size_t *len, uint32_t timeout_ms, int wake_fd, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + (int64_t)timeout_ms * 1000, left_ms = 0;
	struct curl_waitfd wake = { .fd = wake_fd, .events = CURL_WAIT_POLLIN };

	if (begin_read(s, data, capacity, len))
		return SCP_OK;
	for (;;) {
		if (!s->over)
			advance(s);
		if (s->over || has_bytes(s))
			return end_read(s, len, err);
		left_ms = (deadline_us - scp__mono_us() + 999) / 1000;
		if (left_ms <= 0 || wake.revents)
			break;
		curl_multi_poll(s->line.multi, &wake, wake_fd >= 0, (int)(left_ms < POLL_MS ? left_ms : POLL_MS), NULL);
	}
	s->t.to = NULL;
	*len = 0;
	return wake.revents ? SCP_ECANCELED : SCP_EAGAIN;
}

void scp__http_close(scp__http_stream *s)
{
	if (!s)
		return;
	if (!s->over && s->line.easy)
		end(s, CURLE_OK);
	scp__buf_free(&s->t.spill);
	free(s);
}
