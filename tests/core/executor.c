#include "executor.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol.h"

/* ---- scripts ---- */

static void say(struct run *r, const char *name, const void *data, size_t len)
{
	ck_assert_int_eq(scp__record_put(&r->events, name, ++r->seq, data, len), SCP_OK);
}

static void say_text(struct run *r, const char *name, const char *text)
{
	say(r, name, text, strlen(text));
}

static void end_with(struct run *r, const char *status, int exit_code, int signal_number, const char *value)
{
	scp__buf b;

	scp__buf_init(&b, 4096);
	(void)scp__record_put_text(&b, SCP__RESULT_STATUS, status);
	if (exit_code >= 0)
		(void)scp__record_put_uint(&b, SCP__RESULT_EXIT_CODE, (uint64_t)exit_code);
	if (signal_number)
		(void)scp__record_put_uint(&b, SCP__RESULT_SIGNAL, (uint64_t)signal_number);
	(void)scp__record_put_uint(&b, SCP__RESULT_DURATION_US, 1500);
	if (value)
		(void)scp__record_put_text(&b, SCP__RESULT_RETURN, value);
	say(r, SCP__EVENT_RESULT, b.data, b.len);
	scp__buf_free(&b);
	r->over = true;
	r->waits = false;
}

void script_finish(struct run *r, const char *status)
{
	if (r->over)
		return;
	if (!strcmp(r->code, "queued"))
		say(r, SCP__EVENT_STARTED, "", 0);
	end_with(r, status, strcmp(status, "completed") ? -1 : 0, 0, NULL);
}

static void fill(struct run *r, const char *name, size_t len)
{
	char *bytes = malloc(len);

	memset(bytes, 'x', len);
	for (size_t at = 0; at < len; at += 65536)
		say(r, name, bytes, len - at < 65536 ? len - at : 65536);
	free(bytes);
}

static void lines(struct run *r)
{
	char line[32];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		say_text(r, i % 2 ? SCP__EVENT_STDERR : SCP__EVENT_STDOUT, line);
	}
}

static void hello(struct run *r)
{
	say_text(r, SCP__EVENT_STDOUT, "hello\n");
	end_with(r, "completed", 0, 0, "6");
}

static bool is(const struct run *r, const char *code)
{
	return !strcmp(r->code, code);
}

/* Those that end by themselves. */
static void script_short(struct container *c, struct run *r)
{
	if (is(r, "killed")) {
		c->oom_kills++;
		end_with(r, "failed", -1, 9, NULL);
	} else if (is(r, "timeout")) {
		end_with(r, "timeout", -1, 15, NULL);
	} else if (is(r, "bad")) {
		say_text(r, SCP__EVENT_RESULT, "nonsense");
		r->over = true;
	} else if (is(r, "flood")) {
		fill(r, SCP__EVENT_STDOUT, (3u << 20) / 2);
		hello(r);
	} else if (is(r, "large")) {
		fill(r, SCP__EVENT_STDOUT, 100000);
		end_with(r, "completed", 0, 0, NULL);
	} else if (is(r, "split")) {
		say_text(r, SCP__EVENT_STDOUT, "a\xc3");
		say_text(r, SCP__EVENT_STDERR, "b\xe2\x82");
		end_with(r, "completed", 0, 0, NULL);
	} else if (is(r, "lines")) {
		lines(r);
		end_with(r, "completed", 0, 0, NULL);
	} else if (is(r, "restarts")) {
		for (int i = 0; i < 1000; i++)
			say(r, SCP__EVENT_STARTED, "", 0);
		hello(r);
	} else {
		hello(r);
	}
}

void script_begin(struct container *c, struct run *r)
{
	r->stubborn = is(r, "stubborn");
	r->waits = is(r, "hang") || r->stubborn || is(r, "queued");
	if (is(r, "queued"))
		return;
	say(r, SCP__EVENT_STARTED, "", 0);
	if (r->waits)
		say_text(r, SCP__EVENT_STDOUT, "waits\n");
	else if (is(r, "die") || is(r, "oom") || (is(r, "die-once") && !r->attempt))
		container_end(c, is(r, "oom"), true);
	else
		script_short(c, r);
}

/* ---- HTTP ---- */

struct request {
	char method[8], target[160];
	const char *body;
	size_t body_len;
	scp__buf raw;
};

/* One whole request; false: the end. */
static bool receive(int fd, struct request *q)
{
	char bytes[65536];
	const char *end;
	size_t length;
	ssize_t n;

	scp__buf_clear(&q->raw);
	for (;;) {
		end = q->raw.len ? strstr(q->raw.data, "\r\n\r\n") : NULL;
		if (end) {
			const char *field = strstr(q->raw.data, "Content-Length: ");

			length = field ? strtoul(field + 16, NULL, 10) : 0;
			q->body = end + 4;
			q->body_len = length;
			if (q->raw.len >= (size_t)(end + 4 - q->raw.data) + length)
				break;
		}
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			return false;
		ck_assert_int_eq(scp__buf_append(&q->raw, bytes, (size_t)n), SCP_OK);
	}
	return sscanf(q->raw.data, "%7s %159s", q->method, q->target) == 2;
}

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	for (ssize_t n; len; at += n, len -= (size_t)n) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static bool answer(int fd, unsigned status, const char *body, size_t len)
{
	char head[128];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n", status, len);

	return send_all(fd, head, (size_t)n) && send_all(fd, body, len);
}

static bool chunk(int fd, const void *data, size_t len)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%zx\r\n", len);

	return send_all(fd, head, (size_t)n) && send_all(fd, data, len) && send_all(fd, "\r\n", 2);
}

/* Of the events' bytes: where those behind `after` begin. */
static size_t skip(const struct run *r, unsigned long after)
{
	scp__record record;
	size_t at = 0, used;

	while (at < r->events.len && !scp__record_next(r->events.data + at, r->events.len - at, &record, &used) &&
	       record.seq <= after)
		at += used;
	return at;
}

/* Every event of the run, as they come. */
static bool stream(struct connection *k, struct run *r, unsigned long after)
{
	fake *f = k->c->f;
	bool ok = send_all(k->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47), over;
	char *copy;
	size_t at, len;

	(void)pthread_mutex_lock(&f->lock);
	at = skip(r, after);
	do {
		while (ok && k->open && at == r->events.len && !r->over)
			(void)pthread_cond_wait(&f->changed, &f->lock);
		len = r->events.len - at;
		over = r->over;
		copy = len ? malloc(len) : NULL;
		if (copy)
			memcpy(copy, r->events.data + at, len);
		at += len;
		ok = ok && k->open;
		(void)pthread_mutex_unlock(&f->lock);
		if (ok && copy)
			ok = chunk(k->fd, copy, len);
		free(copy);
		(void)pthread_mutex_lock(&f->lock);
	} while (ok && !over);
	(void)pthread_mutex_unlock(&f->lock);
	return ok && send_all(k->fd, "0\r\n\r\n", 5);
}

/* With the lock held. */
static struct run *find(struct container *c, const char *execution, unsigned attempt)
{
	for (unsigned i = 0; i < c->run_count; i++)
		if (!strcmp(c->runs[i].execution, execution) && c->runs[i].attempt == attempt)
			return &c->runs[i];
	return NULL;
}

static void read_run(const struct request *q, struct run *r)
{
	scp__record record;
	size_t at = 0, used;
	uint64_t n = 0;

	for (; at < q->body_len; at += used) {
		ck_assert_int_eq(scp__record_next(q->body + at, q->body_len - at, &record, &used), SCP_OK);
		if (scp__record_is(&record, SCP__RUN_EXECUTION))
			(void)snprintf(r->execution, 64, "%.*s", (int)record.len, (const char *)record.data);
		else if (scp__record_is(&record, SCP__RUN_CODE))
			(void)snprintf(r->code, 64, "%.*s", (int)record.len, (const char *)record.data);
		else if (scp__record_is(&record, SCP__RUN_ATTEMPT) && scp__record_uint(&record, 1000, &n))
			r->attempt = (unsigned)n;
		else if (scp__record_is(&record, SCP__RUN_SEQ) && scp__record_uint(&record, INT64_MAX, &n))
			r->seq = n;
	}
}

static bool post_run(struct connection *k, const struct request *q)
{
	struct container *c = k->c;
	fake *f = c->f;
	struct run wanted = { .seq = 0 }, *r;
	unsigned long from;
	bool refused;

	read_run(q, &wanted);
	(void)pthread_mutex_lock(&f->lock);
	refused = !strcmp(wanted.code, "busy-once") && !f->busy;
	f->busy |= refused;
	r = find(c, wanted.execution, wanted.attempt);
	from = r ? 0 : wanted.seq;
	if (!r && !refused && strcmp(wanted.code, "refuse")) {
		ck_assert_uint_lt(c->run_count, RUNS_MAX);
		r = &c->runs[c->run_count++];
		*r = wanted;
		scp__buf_init(&r->events, 8 << 20);
		script_begin(c, r);
		(void)pthread_cond_broadcast(&f->changed);
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (!r)
		return answer(k->fd, refused ? 429 : 400, "no", 2);
	return stream(k, r, from);
}

static bool verb(struct connection *k, const char *execution, unsigned attempt, const char *what, unsigned long after)
{
	fake *f = k->c->f;
	struct run *r;
	unsigned status = 404;

	(void)pthread_mutex_lock(&f->lock);
	r = find(k->c, execution, attempt);
	if (r && r->acked && !what[0])
		r = NULL;
	if (r && !strcmp(what, "ack")) {
		r->acked = true;
		status = 204;
	} else if (r && !strcmp(what, "cancel")) {
		r->cancelled = true;
		if (r->waits && !r->stubborn)
			script_finish(r, "cancelled");
		status = 202;
	}
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
	if (r && !what[0])
		return stream(k, r, after);
	return answer(k->fd, status, "", 0);
}

static bool info(struct connection *k)
{
	scp__buf b;
	bool ok;

	scp__buf_init(&b, 1024);
	(void)scp__record_put_text(&b, SCP__INFO_PROTOCOL, SCP__PROTOCOL_VERSION);
	(void)scp__record_put_text(&b, SCP__INFO_LANGUAGE, "shell");
	ok = answer(k->fd, 200, b.data, b.len);
	scp__buf_free(&b);
	return ok;
}

static bool serve_one(struct connection *k, const struct request *q)
{
	char execution[64] = "", what[16] = "";
	unsigned attempt = 0;
	unsigned long after = 0;

	if (!strcmp(q->target, "/v1/info"))
		return info(k);
	if (!strcmp(q->target, "/v1/run"))
		return post_run(k, q);
	if (sscanf(q->target, "/v1/runs/%63[^/]/%u?after=%lu", execution, &attempt, &after) == 3)
		return verb(k, execution, attempt, "", after);
	if (sscanf(q->target, "/v1/runs/%63[^/]/%u/%15s", execution, &attempt, what) == 3)
		return verb(k, execution, attempt, what, 0);
	return answer(k->fd, 404, "", 0);
}

void *executor_serve(void *arg)
{
	struct connection *k = arg;
	struct request q = { .method = "" };

	scp__buf_init(&q.raw, 8 << 20);
	while (receive(k->fd, &q) && serve_one(k, &q))
		;
	scp__buf_free(&q.raw);
	(void)shutdown(k->fd, SHUT_RDWR);
	return NULL;
}
