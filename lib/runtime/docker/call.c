/* One request to the engine, and what it answered. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"

#define ANSWER_MAX (32u << 20)
#define TIMEOUT_MS 30000
#define PATH_MAX_BYTES 2048

static scp_status take_body(void *user, const void *data, size_t len, scp_error *err)
{
	scp_status rc = scp__buf_append(user, data, len);

	return rc ? scp__fail(err, rc, "the engine's answer is too long") : SCP_OK;
}

scp_status docker_unavailable(const docker *d, scp_status rc, scp_error *err)
{
	if (rc == SCP_EINVAL)
		scp__hint(err, "Correct the address or the TLS files in --runtime docker:…");
	if (rc != SCP_EUNAVAIL && rc != SCP_ETIMEDOUT)
		return rc;
	scp__prefix(err, "the Docker engine at %s", d->place.unix_socket ? d->place.unix_socket : d->place.host);
	scp__hint(err, "Start the engine, let this process reach it, or correct --runtime");
	return rc;
}

scp_status docker_do(docker *d, const docker_call *call, docker_answer *out, scp_error *err)
{
	static const char *const json[] = { "Content-Type: application/json", NULL };
	char url[PATH_MAX_BYTES + 400];
	scp__http_request q = { .method = call->method,
		.url = url,
		.body = call->body,
		.body_len = call->body_len,
		.headers = call->body ? json : NULL,
		.on_body = take_body,
		.user = &out->body,
		.timeout_ms = call->timeout_ms ? call->timeout_ms : TIMEOUT_MS,
		/* Also what creates: it is by name, and a name that is taken is looked at. */
		.idempotent = true };
	scp_status rc;

	memset(out, 0, sizeof(*out));
	scp__buf_init(&out->body, ANSWER_MAX);
	if (snprintf(url, sizeof(url), "%s%s", d->api, call->path) >= (int)sizeof(url))
		return scp__fail(err, SCP_EINTERNAL, "an address for the engine is too long");
	rc = scp__http_do(d->http, &q, &out->status, err);
	if (rc) {
		docker_answer_free(out);
		return docker_unavailable(d, rc, err);
	}
	if (out->body.len)
		(void)scp__json_parse(&out->json, out->body.data, out->body.len, "answer", NULL);
	return SCP_OK;
}

scp_status docker_ask(docker *d, docker_answer *out, scp_error *err, const char *method, const char *fmt, ...)
{
	char path[PATH_MAX_BYTES];
	docker_call call = { .method = method, .path = path };
	docker_answer a;
	va_list args;
	scp_status rc;

	va_start(args, fmt);
	(void)vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	rc = docker_do(d, &call, &a, err);
	if (rc)
		return rc;
	if (a.status >= 400)
		rc = docker_refused(&a, err);
	if (!rc && out)
		*out = a;
	else
		docker_answer_free(&a);
	return rc;
}

void docker_answer_free(docker_answer *a)
{
	scp__json_free(a->json);
	scp__buf_free(&a->body);
	a->json = NULL;
}

scp_status docker_refused(const docker_answer *a, scp_error *err)
{
	const char *message = docker_text(a->json ? scp__json_get(a->json, "message") : NULL);
	scp_status rc = a->status == 404   ? SCP_ENOTFOUND
			: a->status == 409 ? SCP_ECONFLICT
			: a->status == 503 ? SCP_EUNAVAIL
					   : SCP_EBACKEND;

	return scp__fail(err, rc, "the Docker engine said %d: %.600s", a->status, message);
}

void docker_escape(scp__buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++)
		if (strchr(plain, *text))
			(void)scp__buf_append(out, text, 1);
		else
			(void)scp__buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
}

const scp__json *docker_dig(const scp__json *v, const char *outer, const char *inner)
{
	const scp__json *o = v ? scp__json_get(v, outer) : NULL;

	return o && scp__json_typeof(o) == SCP__JSON_OBJECT ? scp__json_get(o, inner) : NULL;
}

const char *docker_text(const scp__json *v)
{
	const char *s = v ? scp__json_string(v) : NULL;

	return s ? s : "";
}

int64_t docker_time_us(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t second = end ? timegm(&tm) : 0;
	int64_t fraction = 0, step = 100000;

	if (second <= 0)
		return 0;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, step /= 10)
			fraction += (*end - '0') * step;
	return (int64_t)second * 1000000 + fraction;
}
