#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "utf8.h"

#define API "/api/v1/"

static struct remote *remote_of(struct target *t)
{
	return (struct remote *)t;
}

/* One that changes nothing and answers JSON, or a POST or DELETE without a body. */
static scp_status simple(struct target *t, const char *method, scp__buf *path, struct answer *a, scp_error *err)
{
	struct call c = { .method = method, .path = path->data, .idempotent = strcmp(method, "POST") != 0 };
	scp_status rc = path->status;

	if (!rc)
		rc = remote_call(remote_of(t), &c, a, err);
	scp__buf_free(path);
	return rc;
}

static void path_of(scp__buf *path, const char *noun, const char *id, const char *rest)
{
	scp__buf_init(path, 8192);
	(void)scp__buf_printf(path, API "%s/", noun);
	remote_escape(path, id, false);
	(void)scp__buf_puts(path, rest);
}

static scp_status post(struct target *t, struct call *c, const char *key, struct answer *a, scp_error *err)
{
	char header[300];

	c->method = "POST";
	if (key) {
		(void)snprintf(header, sizeof(header), "Idempotency-Key: %s", key);
		c->header = header;
		c->idempotent = true;
	}
	if (c->body && c->body->status)
		return scp__fail(err, c->body->status, "the request is too long");
	return remote_call(remote_of(t), c, a, err);
}

static scp_status session_create(
    struct target *t, const scp_session_spec *spec, uint32_t wait_ms, struct answer *a, scp_error *err)
{
	char path[64];
	scp__buf body;
	struct call c = { .path = path, .body = &body, .wait_ms = wait_ms };
	scp_status rc;

	(void)snprintf(path, sizeof(path), API "sessions?wait=%u", wait_ms / 1000);
	scp__buf_init(&body, 1u << 20);
	remote_session_body(&body, spec);
	rc = post(t, &c, spec->idempotency_key, a, err);
	scp__buf_free(&body);
	return rc;
}

static scp_status session_get(struct target *t, const char *id, struct answer *a, scp_error *err)
{
	scp__buf path;

	path_of(&path, "sessions", id, "");
	return simple(t, "GET", &path, a, err);
}

static void add_listing(scp__buf *path, const struct listing *l)
{
	(void)scp__buf_printf(path, "?limit=%u&offset=%u", l->limit ? l->limit : 50, l->offset);
	if (l->status) {
		(void)scp__buf_puts(path, "&status=");
		remote_escape(path, l->status, false);
	}
	if (l->template_id) {
		(void)scp__buf_puts(path, "&template_id=");
		remote_escape(path, l->template_id, false);
	}
}

static scp_status session_list(struct target *t, const struct listing *l, struct answer *a, scp_error *err)
{
	scp__buf path;

	scp__buf_init(&path, 8192);
	(void)scp__buf_puts(&path, API "sessions");
	add_listing(&path, l);
	return simple(t, "GET", &path, a, err);
}

static scp_status session_keepalive(
    struct target *t, const char *id, uint32_t extend_s, struct answer *a, scp_error *err)
{
	scp__buf path, body;
	struct call c = { .body = &body };
	scp_status rc;

	path_of(&path, "sessions", id, "/keepalive");
	c.path = path.data;
	scp__buf_init(&body, 256);
	if (extend_s)
		(void)scp__buf_printf(&body, "{\"extend_s\":%u}", extend_s);
	else
		(void)scp__buf_puts(&body, "{}");
	rc = path.status ? path.status : post(t, &c, NULL, a, err);
	scp__buf_free(&body);
	scp__buf_free(&path);
	return rc;
}

static scp_status session_delete(struct target *t, const char *id, struct answer *a, scp_error *err)
{
	scp__buf path;

	path_of(&path, "sessions", id, "");
	return simple(t, "DELETE", &path, a, err);
}

/* JSON carries text alone; the writer would repair other bytes without a word. */
static scp_status check_text(const scp_execution_spec *spec, scp_error *err)
{
	if (!scp__utf8_valid(spec->code, spec->code_len))
		return scp__fail(err, SCP_EINVAL, "the code isn't UTF-8");
	if (scp__utf8_valid(spec->stdin_data, spec->stdin_len))
		return SCP_OK;
	scp__fail(err, SCP_EINVAL, "what --stdin names isn't UTF-8");
	scp__hint(err, "copy it into the workspace by sandboxctl cp, and let the code read it there");
	return SCP_EINVAL;
}

static scp_status execute(
    struct target *t, const char *session, const scp_execution_spec *spec, struct answer *a, scp_error *err)
{
	scp__buf path, body;
	struct call c = { .body = &body };
	scp_status rc = check_text(spec, err);

	if (rc)
		return rc;
	path_of(&path, "sessions", session, "/execute");
	c.path = path.data;
	scp__buf_init(&body, 16u << 20);
	remote_execution_body(&body, spec);
	rc = path.status ? path.status : post(t, &c, spec->idempotency_key, a, err);
	scp__buf_free(&body);
	scp__buf_free(&path);
	return rc;
}

static scp_status execution_list(
    struct target *t, const char *session, const struct listing *l, struct answer *a, scp_error *err)
{
	scp__buf path;

	path_of(&path, "sessions", session, "/executions");
	add_listing(&path, l);
	return simple(t, "GET", &path, a, err);
}

static scp_status execution_cancel(struct target *t, const char *id, scp_error *err)
{
	scp__buf path;

	path_of(&path, "executions", id, "/cancel");
	return simple(t, "POST", &path, NULL, err);
}

static scp_status file_put(struct target *t, const char *session, const char *path, scp_source *source, int64_t len,
    struct answer *a, scp_error *err)
{
	scp__buf url;
	struct call c = { .source = source, .source_len = len, .header = "Content-Type: application/octet-stream" };
	scp_status rc;

	path_of(&url, "sessions", session, "/files/upload?path=");
	remote_escape(&url, path, false);
	c.path = url.data;
	rc = url.status ? url.status : post(t, &c, NULL, a, err);
	scp__buf_free(&url);
	return rc;
}

static scp_status file_get(struct target *t, const char *session, const char *path, scp_sink *sink, scp_error *err)
{
	scp__buf url;
	struct call c = { .method = "GET", .sink = sink };
	scp_status rc;

	path_of(&url, "sessions", session, "/files/");
	remote_escape(&url, path, true);
	(void)scp__buf_puts(&url, "?redirect=false");
	c.path = url.data;
	rc = url.status ? url.status : remote_call(remote_of(t), &c, NULL, err);
	scp__buf_free(&url);
	return rc;
}

static void remote_close(struct target *t)
{
	scp__http_free(remote_of(t)->http);
	free(t);
}

static const struct target_ops remote_ops = {
	.session_create = session_create,
	.session_get = session_get,
	.session_list = session_list,
	.session_keepalive = session_keepalive,
	.session_delete = session_delete,
	.execute = execute,
	.execution_list = execution_list,
	.execution_cancel = execution_cancel,
	.watch = remote_watch,
	.file_put = file_put,
	.file_get = file_get,
	.close = remote_close,
};

/* Where to connect: fills base and the unix socket's path. */
static scp_status set_server(struct remote *r, const char *server, scp__http_options *options, scp_error *err)
{
	size_t len = strlen(server);

	while (len && server[len - 1] == '/')
		len--;
	if (!strncmp(server, "unix:/", 6)) {
		options->unix_socket = server + 5;
		(void)snprintf(r->base, sizeof(r->base), "http://localhost");
		return SCP_OK;
	}
	if ((strncmp(server, "http://", 7) && strncmp(server, "https://", 8)) || len >= sizeof(r->base)) {
		scp__fail(err, SCP_EINVAL, "--server: '%.100s' is no address of a sandboxd", server);
		scp__hint(err, "write http://HOST:PORT, https://HOST:PORT or unix:/PATH");
		return SCP_EINVAL;
	}
	(void)snprintf(r->base, sizeof(r->base), "%.*s", (int)len, server);
	return SCP_OK;
}

static scp_status set_token(struct remote *r, const char *token, scp_error *err)
{
	int n = token ? snprintf(r->authorization, sizeof(r->authorization), "Authorization: Bearer %s", token) : 0;

	return n < (int)sizeof(r->authorization) ? SCP_OK : scp__fail(err, SCP_EINVAL, "the API token is too long");
}

scp_status remote_open(struct target **out, const char *server, const char *token, scp_error *err)
{
	struct remote *r = calloc(1, sizeof(*r));
	scp__http_options options = { 0 };
	scp_status rc = r ? SCP_OK : scp__nomem(err);

	*out = NULL;
	if (!rc)
		rc = set_server(r, server, &options, err);
	if (!rc)
		rc = set_token(r, token, err);
	if (!rc)
		rc = scp__http_new(&r->http, &options, err);
	if (rc) {
		free(r);
		return rc;
	}
	r->target.ops = &remote_ops;
	*out = &r->target;
	return SCP_OK;
}
