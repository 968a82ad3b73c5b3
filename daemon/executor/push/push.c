#include "push.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "clock.h"
#include "target.h"

#define TOKEN_VARIABLE "SANDBOX_REPORT_TOKEN"
#define TOKEN_SIZE 257u
#define HEAD_MAX 8192u
#define ANSWER_TIMEOUT_S 30
#define WAIT_FIRST_MS 100u
#define WAIT_MOST_MS 30000u

enum kind { READY, STATUS, HEARTBEAT, RESULT };

struct push {
	struct executor *x;
	struct target target;
	char session[EXECUTION_SIZE];
	char token[TOKEN_SIZE + 1]; /* with room for a file's that is too long, to be seen as such */
	struct event *again;	    /* the wait behind a failure is over */
	struct event *beat;
	struct bufferevent *connection; /* one at a time; NULL: none */
	struct run *run;		/* that it is about; NULL: the session, or the run went */
	enum kind kind;
	unsigned wait_ms; /* 0: the last one was answered */
	bool ready_due;
};

static void next(struct push *p);

/* ---- what is due ---- */

static bool is_due(const struct push_due *due, enum kind kind)
{
	return kind == RESULT ? due->result : kind == STATUS ? due->status && !due->result : due->heartbeat;
}

static struct run *find_due(struct push *p, enum kind kind)
{
	struct run *run;

	TAILQ_FOREACH(run, &p->x->runs, next)
	if (is_due(&run->due, kind))
		return run;
	return NULL;
}

static bool choose(struct push *p)
{
	static const enum kind order[] = { RESULT, STATUS, HEARTBEAT };

	p->run = NULL;
	p->kind = READY;
	if (p->ready_due)
		return true;
	for (size_t i = 0; !p->run && i < sizeof(order) / sizeof(order[0]); i++) {
		p->kind = order[i];
		p->run = find_due(p, p->kind);
	}
	return p->run != NULL;
}

/* Whoever reads it still gets it all, and acknowledges it. */
static void release(struct run *run)
{
	if (run->due.told && run->state == RUN_OVER && LIST_EMPTY(&run->clients))
		(void)run_ack(run);
}

/* It was answered for good: there is no more to tell of this. */
static void settle(struct push *p)
{
	struct run *run = p->run;

	if (p->kind == READY)
		p->ready_due = false;
	if (!run)
		return;
	if (p->kind == STATUS)
		run->due.status = false;
	else if (p->kind == HEARTBEAT)
		run->due.heartbeat = false;
	if (p->kind != RESULT)
		return;
	run->due.result = false;
	run->due.told = true;
	release(run);
}

/* ---- one report ---- */

static void hang_up(struct push *p)
{
	if (p->connection)
		bufferevent_free(p->connection);
	p->connection = NULL;
	p->run = NULL;
}

static void wait_again(struct push *p)
{
	struct timeval tv;

	p->wait_ms = !p->wait_ms ? WAIT_FIRST_MS : p->wait_ms * 2 > WAIT_MOST_MS ? WAIT_MOST_MS : p->wait_ms * 2;
	tv = (struct timeval){ .tv_sec = p->wait_ms / 1000, .tv_usec = (long)(p->wait_ms % 1000) * 1000 };
	(void)event_add(p->again, &tv);
}

/* A heartbeat that is late is none. */
static void failed(struct push *p)
{
	if (p->run && p->kind == HEARTBEAT)
		p->run->due.heartbeat = false;
	hang_up(p);
	wait_again(p);
}

static void answered(struct push *p, int status)
{
	bool refused = status == 400 || status == 413;

	if (p->run && p->kind == RESULT && refused && !p->run->due.plain) {
		p->run->due.plain = true;
	} else if (status / 100 == 2 || status == 404 || status == 409 || refused) {
		settle(p);
	} else {
		(void)fprintf(stderr, "sandbox-executor: a report was answered with %d\n", status);
		failed(p);
		return;
	}
	p->wait_ms = 0;
	hang_up(p);
	next(p);
}

static void on_read(struct bufferevent *bev, void *user)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	char line[16] = "";
	int status = 0;

	if (evbuffer_get_length(in) < 12)
		return;
	(void)evbuffer_copyout(in, line, 12);
	if (sscanf(line, "HTTP/1.%*1[01] %3d", &status) == 1 && status >= 200)
		answered(user, status);
	else
		failed(user);
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
	(void)bev;
	if (!(what & BEV_EVENT_CONNECTED))
		failed(user);
}

static void write_path(const struct push *p, char *out, size_t size)
{
	static const char *const names[] = { [STATUS] = "status", [HEARTBEAT] = "heartbeat", [RESULT] = "result" };

	if (p->kind == READY)
		(void)snprintf(out, size, "/internal/sessions/%s/container_ready", p->session);
	else
		(void)snprintf(out, size, "/internal/executions/%s/%s", p->run->execution, names[p->kind]);
}

static void write_body(const struct push *p, scp__buf *out)
{
	if (p->kind == READY)
		(void)scp__buf_puts(out, "{}");
	else if (p->kind == STATUS)
		body_status(out, p->run);
	else if (p->kind == HEARTBEAT)
		body_heartbeat(out, p->run);
	else
		body_result(out, p->run, p->run->due.plain);
}

static int write_request(struct push *p, struct evbuffer *out, const scp__buf *body)
{
	char path[160], key[96] = "";

	write_path(p, path, sizeof(path));
	if (p->kind == RESULT)
		(void)snprintf(key, sizeof(key), "Idempotency-Key: %s_result\r\n", p->run->execution);
	if (evbuffer_add_printf(out,
		"POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
		"Content-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
		path, p->target.host, p->token, key, body->len) < 0)
		return -1;
	return evbuffer_add(out, body->data, body->len);
}

static int send_report(struct push *p)
{
	struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
	struct sockaddr *address = &p->target.address.any;
	scp__buf body;
	int rc = -1;

	scp__buf_init(&body, BODY_MAX);
	write_body(p, &body);
	p->connection = bufferevent_socket_new(p->x->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (p->connection && !body.status) {
		bufferevent_setcb(p->connection, on_read, NULL, on_event, p);
		bufferevent_setwatermark(p->connection, EV_READ, 12, HEAD_MAX);
		(void)bufferevent_set_timeouts(p->connection, &limit, &limit);
		rc = write_request(p, bufferevent_get_output(p->connection), &body);
	}
	scp__buf_free(&body);
	if (rc || bufferevent_enable(p->connection, EV_READ | EV_WRITE))
		return -1;
	return bufferevent_socket_connect(p->connection, address, (int)p->target.len);
}

static void next(struct push *p)
{
	if (p->connection || evtimer_pending(p->again, NULL) || !choose(p))
		return;
	/* A connection that is refused at once may have told on_event() already. */
	if (send_report(p) && p->connection)
		failed(p);
}

static void on_again(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	next(user);
}

static void on_beat(evutil_socket_t fd, short what, void *user)
{
	struct push *p = user;
	struct run *run, *following;

	(void)fd;
	(void)what;
	for (run = TAILQ_FIRST(&p->x->runs); run; run = following) {
		following = TAILQ_NEXT(run, next);
		run->due.heartbeat = run->state == RUN_RUNNING && run->started && !run->due.status;
		release(run); /* its last reader may have gone */
	}
	next(p);
}

/* ---- what runs tell ---- */

void push_started(struct push *push, struct run *run)
{
	if (!push)
		return;
	run->due.started_us = scp__now_us();
	run->due.status = true;
	next(push);
}

void push_over(struct push *push, struct run *run)
{
	if (!push)
		return;
	run->due.heartbeat = false;
	run->due.result = true;
	next(push);
}

void push_forget(struct push *push, struct run *run)
{
	if (!push || push->run != run)
		return;
	hang_up(push); /* somebody else has its result */
	if (!evtimer_pending(push->again, NULL)) {
		struct timeval now = { 0 };

		(void)event_add(push->again, &now);
	}
}

/* ---- life ---- */

static bool is_token(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len >= 8 && len < TOKEN_SIZE;
}

static bool read_token_file(struct push *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, p->token, sizeof(p->token) - 1);

	if (fd >= 0)
		close(fd);
	p->token[n > 0 ? n : 0] = '\0';
	p->token[strcspn(p->token, "\r\n")] = '\0';
	return is_token(p->token);
}

/* Taken out of the environment: no process of ours needs it there. */
static bool read_token(struct push *p, const struct options *o)
{
	const char *value = getenv(TOKEN_VARIABLE);

	if (o->report_token_file)
		return read_token_file(p, o->report_token_file);
	if (!value || !is_token(value))
		return false;
	(void)snprintf(p->token, sizeof(p->token), "%s", value);
	(void)unsetenv(TOKEN_VARIABLE);
	return true;
}

static const char *configure(struct push *p, const struct options *o)
{
	if (!target_parse(&p->target, o->report_url))
		return "--report-url: http://ADDRESS:PORT or unix:/PATH is wanted";
	if (!o->report_session || !request_execution_valid(o->report_session, strlen(o->report_session)))
		return "--report-session: the session's id is wanted";
	(void)snprintf(p->session, sizeof(p->session), "%s", o->report_session);
	if (!read_token(p, o))
		return "--report-token-file or " TOKEN_VARIABLE ": a token of 8 to 256 characters is wanted";
	return NULL;
}

static int start(struct push *p)
{
	struct timeval beat = { .tv_sec = HEARTBEAT_S };

	p->again = evtimer_new(p->x->base, on_again, p);
	p->beat = event_new(p->x->base, -1, EV_PERSIST, on_beat, p);
	if (!p->again || !p->beat || event_add(p->beat, &beat))
		return -1;
	p->ready_due = true;
	next(p);
	return 0;
}

int push_open(struct push **out, struct executor *x, const struct options *options)
{
	struct push *p;
	const char *wrong;

	*out = NULL;
	if (!options->report_url)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	p->x = x;
	wrong = configure(p, options);
	if (wrong)
		(void)fprintf(stderr, "sandbox-executor: %s\n", wrong);
	if (wrong || start(p)) {
		push_close(p);
		return -1;
	}
	*out = p;
	return 0;
}

void push_close(struct push *p)
{
	if (!p)
		return;
	hang_up(p);
	if (p->again)
		event_free(p->again);
	if (p->beat)
		event_free(p->beat);
	explicit_bzero(p->token, sizeof(p->token));
	free(p);
}
