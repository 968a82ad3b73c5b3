/* The short requests: acknowledge, cancel, and the question whether the executor answers. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "link_internal.h"

#define PING_BACKOFF_US 1000 /* doubles */
#define PING_BACKOFF_MAX_US 50000

static void ignore_record(void *user, const scp__record *record)
{
	(void)user;
	(void)record;
}

/* Who doesn't know the run has nothing to forget or to end. */
static void told(void *user, scp_status status, const scp_error *err)
{
	scp__link_stream *s = user;
	const scp__log_ids ids = { .container_id = s->container };

	if (status && status != SCP_ENOTFOUND && status != SCP_ECLOSED)
		scp__log_write(&s->link->log, SCP_LOG_WARN, "link", &ids, NULL, "%.*s: %s", (int)strcspn(s->head, "\r"),
		    s->head, err->message);
	scp__link_stream_close(s);
}

static const scp__link_handler tell_handler = { .record = ignore_record, .end = told };

/* In the background: never connects in the caller's thread. */
static void tell(scp__link *link, scp_runtime *rt, const char *container, const char *execution_id, uint32_t attempt,
    const char *verb)
{
	const scp__log_ids ids = { .execution_id = execution_id, .container_id = container };
	scp_error err = { .status = SCP_OK };
	scp__link_stream *s;
	scp_status rc = link_stream_new(&s, link, rt, container, &tell_handler, NULL, &err);

	if (!rc) {
		s->user = s;
		rc = link_request_verb(s, execution_id, attempt, verb, &err);
		if (!rc && link_connect_kept(s))
			link_loop_queue(s, LINK_START);
		else if (!rc)
			rc = link_connect_later(s, &err);
		if (rc)
			link_stream_unref(s);
	}
	if (rc && rc != SCP_ECLOSED)
		scp__log_write(&link->log, SCP_LOG_WARN, "link", &ids, NULL, "%s: %s", verb, err.message);
}

void scp__link_ack(scp__link *link, scp_runtime *rt, const char *container, const char *execution_id, uint32_t attempt)
{
	tell(link, rt, container, execution_id, attempt, "ack");
}

void scp__link_cancel(
    scp__link *link, scp_runtime *rt, const char *container, const char *execution_id, uint32_t attempt)
{
	tell(link, rt, container, execution_id, attempt, "cancel");
}

struct ping {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	scp__link_info info;
	char protocol[16];
	bool over;
	scp_status status;
	scp_error err;
};

static bool is_text(const scp__record *r, const char *text)
{
	return r->len == strlen(text) && !memcmp(r->data, text, r->len);
}

/* The waiter looks at nothing of this before `over`. */
static void ping_record(void *user, const scp__record *r)
{
	struct ping *p = user;

	if (scp__record_is(r, SCP__INFO_PROTOCOL) && r->len < sizeof(p->protocol))
		memcpy(p->protocol, r->data, r->len);
	if (scp__record_is(r, SCP__INFO_UID_MODE))
		p->info.same_uid = is_text(r, "same-uid");
	if (!scp__record_is(r, SCP__INFO_LANGUAGE))
		return;
	p->info.python |= is_text(r, "python");
	p->info.javascript |= is_text(r, "javascript");
	p->info.shell |= is_text(r, "shell");
}

static void ping_end(void *user, scp_status status, const scp_error *err)
{
	struct ping *p = user;

	pthread_mutex_lock(&p->lock);
	p->status = status;
	scp__error_copy(&p->err, err);
	p->over = true;
	pthread_cond_signal(&p->answered);
	pthread_mutex_unlock(&p->lock);
}

static const scp__link_handler ping_handler = { .record = ping_record, .end = ping_end };

static struct timespec at_us(int64_t mono_us)
{
	return (struct timespec){ .tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000 };
}

/* False: the time is up. */
static bool wait_over(struct ping *p, int64_t until_us)
{
	struct timespec until = at_us(until_us);
	int e = 0;
	bool over;

	pthread_mutex_lock(&p->lock);
	while (!p->over && !e)
		e = pthread_cond_clockwait(&p->answered, &p->lock, CLOCK_MONOTONIC, &until);
	over = p->over;
	pthread_mutex_unlock(&p->lock);
	return over;
}

static scp_status ask(
    scp__link *link, scp_runtime *rt, const char *container, int64_t until_us, struct ping *p, scp_error *err)
{
	scp__link_stream *s;
	scp_status rc = link_stream_new(&s, link, rt, container, &ping_handler, p, err);
	bool over;

	if (rc)
		return rc;
	rc = link_request_info(s, err);
	if (!rc)
		rc = link_connect(s, err);
	if (rc) {
		link_stream_unref(s);
		return rc;
	}
	link_loop_queue(s, LINK_START);
	over = wait_over(p, until_us);
	scp__link_stream_close(s);
	if (!over)
		return scp__fail(err, SCP_ETIMEDOUT, "the executor in %s didn't answer in time", container);
	if (p->status)
		scp__error_copy(err, &p->err);
	return p->status;
}

static scp_status ask_once(
    scp__link *link, scp_runtime *rt, const char *container, int64_t until_us, struct ping *p, scp_error *err)
{
	scp_status rc;

	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->answered, NULL);
	rc = ask(link, rt, container, until_us, p, err);
	pthread_cond_destroy(&p->answered);
	pthread_mutex_destroy(&p->lock);
	return rc;
}

/* Until something answers, one reason to fail is as good as another: it may not have begun to listen. */
static bool may_change(scp_status rc)
{
	return rc == SCP_EUNAVAIL || rc == SCP_EBUSY;
}

scp_status scp__link_ping(
    scp__link *link, scp_runtime *rt, const char *container, uint32_t timeout_ms, scp__link_info *info, scp_error *err)
{
	int64_t until = scp__mono_us() + (int64_t)timeout_ms * 1000;
	int64_t wait = PING_BACKOFF_US;
	struct ping p;
	scp_status rc;

	while (may_change(rc = ask_once(link, rt, container, until, &p, err)) && scp__mono_us() + wait < until) {
		struct timespec t = at_us(wait);

		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
		wait = wait * 2 < PING_BACKOFF_MAX_US ? wait * 2 : PING_BACKOFF_MAX_US;
	}
	if (may_change(rc)) {
		(void)scp__prefix(err, "no answer within %u ms", timeout_ms);
		if (err)
			err->status = SCP_ETIMEDOUT;
		return SCP_ETIMEDOUT;
	}
	if (rc)
		return rc;
	if (strcmp(p.protocol, SCP__PROTOCOL_VERSION))
		return scp__fail(err, SCP_EUNAVAIL,
		    "the executor in %s speaks protocol '%s', not " SCP__PROTOCOL_VERSION, container, p.protocol);
	if (info)
		*info = p.info;
	return SCP_OK;
}
