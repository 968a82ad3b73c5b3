#include "request.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_ID_MAX 128u
#define ENV_COUNT_MAX (JOB_ENV_COUNT_MAX - 8u) /* the rest is for what every process gets */
#define TIMEOUT_MAX_MS (24u * 3600u * 1000u)

enum {
	SEEN_EXECUTION = 1,
	SEEN_ATTEMPT = 2,
	SEEN_SEQ = 4,
	SEEN_LANGUAGE = 8,
	SEEN_TIMEOUT = 16,
	SEEN_CODE = 32,
	SEEN_EVENT = 64,
	SEEN_STDIN = 128,
	SEEN_ENV = 256,
	SEEN_REQUEST_ID = 512
};
#define REQUIRED (SEEN_EXECUTION | SEEN_ATTEMPT | SEEN_LANGUAGE | SEEN_TIMEOUT | SEEN_CODE)

typedef const char *take_fn(struct run_request *q, const scp__record *r);

bool request_execution_valid(const char *id, size_t len)
{
	if (len < 1 || len >= EXECUTION_SIZE)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = id[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			c == '-'))
			return false;
	}
	return true;
}

static const char *take_execution(struct run_request *q, const scp__record *r)
{
	if (!request_execution_valid(r->data, r->len))
		return "execution must be 1 to 63 of [A-Za-z0-9_-]";
	memcpy(q->execution, r->data, r->len);
	q->execution[r->len] = '\0';
	return NULL;
}

static const char *take_attempt(struct run_request *q, const scp__record *r)
{
	uint64_t value;

	if (!scp__record_uint(r, UINT32_MAX, &value))
		return "attempt must be a decimal number";
	q->attempt = (uint32_t)value;
	return NULL;
}

static const char *take_seq(struct run_request *q, const scp__record *r)
{
	return scp__record_uint(r, UINT64_MAX / 2, &q->seq) ? NULL : "seq must be a decimal number";
}

static const char *take_language(struct run_request *q, const scp__record *r)
{
	return language_from_name(r->data, r->len, &q->language) ? NULL
								 : "language must be python, javascript or shell";
}

static const char *take_timeout(struct run_request *q, const scp__record *r)
{
	uint64_t value;

	if (!scp__record_uint(r, TIMEOUT_MAX_MS, &value) || !value)
		return "timeout_ms must be a decimal number from 1 to 86400000";
	q->timeout_ms = (uint32_t)value;
	return NULL;
}

static bool env_name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static const char *take_env(struct run_request *q, const scp__record *r)
{
	const char *text = r->data;
	const char *equals = memchr(text, '=', r->len);

	if (!equals || equals == text || memchr(text, '\0', r->len))
		return "env must be NAME=value without NUL";
	for (const char *c = text; c < equals; c++)
		if (!env_name_char(*c, c == text))
			return "env must be NAME=value, NAME of [A-Za-z_][A-Za-z0-9_]*";
	q->env_bytes += r->len + 1;
	if (q->env_count == ENV_COUNT_MAX || q->env_bytes > SCP__ENV_MAX)
		return "env is larger than 32 KiB, or holds more than 248 names";
	q->env[q->env_count++] = (struct text){ text, r->len };
	return NULL;
}

static const char *take_code(struct run_request *q, const scp__record *r)
{
	q->code = (struct text){ r->data, r->len };
	return r->len <= SCP__CODE_MAX ? NULL : "code is larger than 102400 bytes";
}

static const char *take_event(struct run_request *q, const scp__record *r)
{
	q->event = (struct text){ r->data, r->len };
	return r->len <= SCP__EVENT_MAX ? NULL : "event is larger than 1 MiB";
}

static const char *take_stdin(struct run_request *q, const scp__record *r)
{
	q->stdin_data = (struct text){ r->data, r->len };
	return r->len <= SCP__STDIN_MAX ? NULL : "stdin is larger than 1 MiB";
}

static const char *take_request_id(struct run_request *q, const scp__record *r)
{
	(void)q;
	return r->len <= REQUEST_ID_MAX ? NULL : "request_id is longer than 128 bytes";
}

static const struct {
	const char *name;
	unsigned seen;
	bool repeated;
	take_fn *take;
} fields[] = {
	{ SCP__RUN_EXECUTION, SEEN_EXECUTION, false, take_execution },
	{ SCP__RUN_ATTEMPT, SEEN_ATTEMPT, false, take_attempt },
	{ SCP__RUN_SEQ, SEEN_SEQ, false, take_seq },
	{ SCP__RUN_LANGUAGE, SEEN_LANGUAGE, false, take_language },
	{ SCP__RUN_TIMEOUT_MS, SEEN_TIMEOUT, false, take_timeout },
	{ SCP__RUN_ENV, SEEN_ENV, true, take_env },
	{ SCP__RUN_CODE, SEEN_CODE, false, take_code },
	{ SCP__RUN_EVENT, SEEN_EVENT, false, take_event },
	{ SCP__RUN_STDIN, SEEN_STDIN, false, take_stdin },
	{ SCP__RUN_REQUEST_ID, SEEN_REQUEST_ID, false, take_request_id },
};

/* A record that isn't known is a newer control plane's: it may be passed over. */
static const char *take(struct run_request *q, const scp__record *r, unsigned *seen)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!scp__record_is(r, fields[i].name))
			continue;
		if ((*seen & fields[i].seen) && !fields[i].repeated)
			return "a record that may come once came twice";
		*seen |= fields[i].seen;
		return fields[i].take(q, r);
	}
	return NULL;
}

static const char *take_all(struct run_request *q)
{
	const char *why = NULL;
	scp__record record;
	unsigned seen = 0;
	size_t used = 0;

	for (size_t at = 0; at < q->body.len && !why; at += used) {
		if (scp__record_next(q->body.data + at, q->body.len - at, &record, &used))
			return "the body is no sequence of records";
		why = take(q, &record, &seen);
	}
	if (why)
		return why;
	if ((seen & REQUIRED) != REQUIRED)
		return "execution, attempt, language, timeout_ms and code are required";
	if (q->language == LANGUAGE_SHELL && memchr(q->code.data, '\0', q->code.len))
		return "shell code must not hold NUL";
	return NULL;
}

struct run_request *request_parse(scp__buf *body, const char **why)
{
	struct run_request *q = calloc(1, sizeof(*q));

	if (!q) {
		*why = "no memory";
		return NULL;
	}
	q->body = *body;
	*why = take_all(q);
	if (*why) {
		free(q);
		return NULL;
	}
	scp__buf_init(body, body->max); /* it is the request's now */
	return q;
}

void request_free(struct run_request *request)
{
	if (!request)
		return;
	scp__buf_free(&request->body);
	free(request);
}
