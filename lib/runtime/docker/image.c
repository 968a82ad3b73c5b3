/* Images: the engine has them, or pulls them. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define PULL_STALL_S 120
#define PULL_LINE_MAX (64 * 1024)
#define REFERENCE_MAX 512

static scp_status check_kind(const char *image, scp_error *err)
{
	static const char *const others[] = { "host:", "dir:", "tar:" };
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:/@";
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(image, others[i], strlen(others[i])) == 0)
			rc = scp__fail(err, SCP_ENOTSUP,
			    "image %.200s: the docker runtime runs images of its engine (registry/name:tag), not "
			    "host:, "
			    "dir: or tar:",
			    image);
	if (!rc && (!*image || strlen(image) > REFERENCE_MAX || strspn(image, plain) != strlen(image) ||
		       *image == '/' || strstr(image, "..") || strstr(image, "//")))
		rc = scp__fail(err, SCP_ENOTSUP, "image %.200s: that is no reference to an image of a registry", image);
	scp__hint(rc ? err : NULL,
	    "Give the template an image that the engine has or can pull (docker images), or use the oci: runtime");
	return rc;
}

scp_status docker_image_look(docker *d, const char *image, docker_answer *out, scp_error *err)
{
	scp_status rc = check_kind(image, err);

	if (!rc)
		rc = docker_ask(d, out, err, "GET", "/images/%s/json", image);
	if (rc == SCP_ENOTFOUND)
		scp__prefix(err, "image %s", image);
	return rc;
}

/* ---- pulling ---- */

struct pull {
	docker *d;
	const char *image;
	scp__buf line;
	char said[600]; /* the engine's error */
};

/* "name:tag" or "name@sha256:…"; without either, the API would take every tag there is. */
static bool has_tag(const char *image)
{
	const char *slash = strrchr(image, '/');

	return strchr(slash ? slash : image, ':') != NULL;
}

static void take_line(struct pull *p)
{
	scp__json *json = NULL;
	const char *error;

	if (!p->line.len || scp__json_parse(&json, p->line.data, p->line.len, "progress", NULL))
		return;
	error = docker_text(scp__json_get(json, "error"));
	if (!*error)
		error = docker_text(scp__json_get(json, "message")); /* of an answer that isn't 200 */
	if (*error)
		(void)snprintf(p->said, sizeof(p->said), "%s", error);
	else if (*docker_text(scp__json_get(json, "id")) && !docker_dig(json, "progressDetail", "total"))
		scp__log_write(&p->d->log, SCP_LOG_DEBUG, "docker", NULL, NULL, "image %s: %s %s", p->image,
		    docker_text(scp__json_get(json, "id")), docker_text(scp__json_get(json, "status")));
	scp__json_free(json);
}

static scp_status take_progress(void *user, const void *data, size_t len, scp_error *err)
{
	struct pull *p = user;
	const char *at = data, *end = at + len, *newline;

	for (; at < end; at = newline + 1) {
		newline = memchr(at, '\n', (size_t)(end - at));
		if (scp__buf_append(&p->line, at, (size_t)((newline ? newline : end) - at)))
			return scp__fail(err, SCP_EBACKEND, "a line of the engine's progress is too long");
		if (!newline)
			break;
		take_line(p);
		scp__buf_clear(&p->line);
	}
	return SCP_OK;
}

static bool says_absent(const char *text)
{
	return strstr(text, "not found") || strstr(text, "manifest unknown") || strstr(text, "does not exist");
}

static scp_status pull_failed(const struct pull *p, int status, scp_error *err)
{
	bool login = strstr(p->said, "denied") || strstr(p->said, "unauthorized") || strstr(p->said, "authentication");
	/* Not "unavailable": that is the engine, and would be waited for. */
	scp_status rc = status == 404 || says_absent(p->said) ? SCP_ENOTFOUND : SCP_EBACKEND;

	scp__fail(err, rc, "image %s: the engine hasn't got it and can't pull it: %s", p->image, p->said);
	if (login)
		scp__hint(err,
		    "Check the image's name; if its registry wants a login, run docker login as this user, or name the "
		    "file with the credentials by config_file= in --runtime docker:…");
	else
		scp__hint(err, "Check the image's name, let the engine reach its registry, or load the image by hand: "
			       "docker load, docker import, docker pull");
	return rc;
}

static scp_status send_pull(struct pull *p, const char *url, const char *credentials, scp_error *err)
{
	char *line = NULL;
	const char *headers[] = { NULL, NULL };
	scp__http_request q = { .method = "POST",
		.url = url,
		.headers = headers,
		.on_body = take_progress,
		.user = p,
		.stall_timeout_s = PULL_STALL_S };
	scp_status rc;
	int status = 0;

	if (*credentials && asprintf(&line, "X-Registry-Auth: %s", credentials) < 0)
		return scp__nomem(err);
	headers[0] = line;
	rc = scp__http_do(p->d->http, &q, &status, err);
	free(line);
	if (rc)
		return docker_unavailable(p->d, rc, err);
	take_line(p);
	return status >= 400 || p->said[0] ? pull_failed(p, status, err) : SCP_OK;
}

scp_status docker_image_pull(docker *d, const char *image, scp_error *err)
{
	struct pull p = { .d = d, .image = image };
	char *credentials = NULL;
	scp__buf url;
	scp_status rc = docker_credentials(d, image, &credentials, err);

	scp__buf_init(&url, 4096);
	scp__buf_init(&p.line, PULL_LINE_MAX);
	(void)scp__buf_printf(&url, "%s/images/create?fromImage=", d->api);
	docker_escape(&url, image);
	(void)scp__buf_puts(&url, has_tag(image) ? "" : "&tag=latest");
	if (!rc && url.status)
		rc = scp__nomem(err);
	if (!rc)
		rc = send_pull(&p, url.data, credentials, err);
	scp__buf_free(&url);
	scp__buf_free(&p.line);
	free(credentials);
	return rc;
}

/* ---- prepare ---- */

/* "sha256:…" of the registry, or the image's own id where it never was in one. */
static void copy_digest(const scp__json *image, char *digest, size_t size)
{
	const scp__json *all = scp__json_get(image, "RepoDigests");
	const char *first = all && scp__json_size(all) ? docker_text(scp__json_at(all, 0)) : "";
	const char *at = strchr(first, '@');

	if (digest && size)
		(void)snprintf(digest, size, "%s", at ? at + 1 : docker_text(scp__json_get(image, "Id")));
}

scp_status docker_image_prepare(scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	docker *d = (docker *)rt;
	scp_error local = { 0 };
	docker_answer a;
	scp_status rc = docker_image_look(d, image, &a, &local);

	if (rc == SCP_ENOTFOUND) {
		rc = docker_image_pull(d, image, err);
		if (rc)
			return rc;
		rc = docker_image_look(d, image, &a, &local);
	}
	if (rc) {
		scp__error_copy(err, &local);
		return rc;
	}
	copy_digest(a.json, digest, digest_size);
	docker_answer_free(&a);
	return SCP_OK;
}
