/* The engine fetches an image from its registry: how it gets on, and what it means when it can't. */
#include "docker.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"

#define STALL_S 120
#define LINE_MAX_BYTES (64 * 1024)
#define BYTES_EVERY_US 1000000 /* how far a layer is */
#define STEPS_EVERY_US 50000   /* that it is at something else now */

struct pull {
	docker *d;
	const char *image;
	const docker_telling *telling;
	int64_t bytes_us, steps_us; /* when that was last told */
	scp__buf line;
	char said[600]; /* the engine's error */
};

/* "name:tag" or "name@sha256:…"; without either, the API would take every tag there is. */
static bool has_tag(const char *image)
{
	const char *slash = strrchr(image, '/');

	return strchr(slash ? slash : image, ':') != NULL;
}

/* ---- how it gets on ---- */

static uint64_t count_of(const scp__json *line, const char *key)
{
	const scp__json *v = docker_dig(line, "progressDetail", key);

	return v ? (uint64_t)scp__json_number(v) : 0;
}

static bool is_due(int64_t *last_us, int64_t every_us)
{
	int64_t now_us = scp__mono_us();

	if (*last_us && now_us - *last_us < every_us)
		return false;
	*last_us = now_us;
	return true;
}

static void tell(struct pull *p, const scp__json *line)
{
	const char *layer = docker_text(scp__json_get(line, "id")), *step = docker_text(scp__json_get(line, "status"));
	uint64_t total = count_of(line, "total");

	/* What is of the image as a whole comes twice or so, and is the outcome. */
	if (!*step || (*layer && !is_due(total ? &p->bytes_us : &p->steps_us, total ? BYTES_EVERY_US : STEPS_EVERY_US)))
		return;
	if (p->telling)
		p->telling->fn(p->telling->user, layer, step, count_of(line, "current"), total);
	else
		scp__log_write(
		    &p->d->log, SCP_LOG_DEBUG, "docker", NULL, NULL, "image %s: %s %s", p->image, layer, step);
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
	else
		tell(p, json);
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

/* ---- why it can't ---- */

typedef enum reason { UNKNOWN, ABSENT, LOGIN, UNREACHABLE, BAD_TLS, LATER } reason;

/* The engine has words alone, its own and the registry's; the first that fits counts. */
static const struct {
	const char *says;
	reason is;
} words[] = {
	{ "toomanyrequests", LATER },
	{ "429 Too Many", LATER },
	{ "HTTP status: 50", LATER },
	{ "no space left", LATER },
	{ "connection reset", LATER },
	{ "pull access denied", LOGIN },
	{ "unauthorized", LOGIN },
	{ "no basic auth credentials", LOGIN },
	{ "authentication required", LOGIN },
	{ "401 Unauthorized", LOGIN },
	{ "403 Forbidden", LOGIN },
	{ "denied", LOGIN },
	{ "manifest unknown", ABSENT },
	{ "not found", ABSENT },
	{ "does not exist", ABSENT },
	{ "no matching manifest", ABSENT },
	{ "x509:", BAD_TLS },
	{ "HTTP response to HTTPS client", BAD_TLS },
	{ "connection refused", UNREACHABLE },
	{ "no such host", UNREACHABLE },
	{ "server misbehaving", UNREACHABLE },
	{ "i/o timeout", UNREACHABLE },
	{ "Client.Timeout", UNREACHABLE },
	{ "is unreachable", UNREACHABLE },
	{ "no route to host", UNREACHABLE },
	{ "TLS handshake timeout", UNREACHABLE },
};

static reason reason_of(const char *said, int status)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(said, words[i].says))
			return words[i].is;
	return status == 404 ? ABSENT : UNKNOWN;
}

static void hint_login(const struct pull *p, bool tried, scp_error *err)
{
	char registry[256], path[PATH_MAX];

	docker_credentials_of(p->d, p->image, registry, path);
	if (tried)
		scp__hint(err,
		    "The login for %.80s in %.80s was refused: log in anew (docker login), or check the image's name",
		    registry, path);
	else
		scp__hint(err,
		    "There is no login for %.60s in %.70s: docker login as this user, or config_file=/FILE in "
		    "--runtime "
		    "docker:…; or check the image's name",
		    registry, path);
}

static scp_status pull_failed(const struct pull *p, int status, bool with_login, scp_error *err)
{
	reason why = reason_of(p->said, status);
	/* Not "unavailable": that is the engine, and would be waited for. */
	scp_status rc = why == UNKNOWN || why == LATER ? SCP_EBACKEND : SCP_ENOTFOUND;

	scp__fail(err, rc, "image %s: the engine hasn't got it and can't pull it: %s", p->image, p->said);
	if (why == LOGIN)
		hint_login(p, with_login, err);
	else if (why == ABSENT)
		scp__hint(
		    err, "Correct the template's image, or load it by hand: docker load, docker import, docker pull");
	else if (why == BAD_TLS)
		scp__hint(err, "Give the engine the registry's certificate (/etc/docker/certs.d) or list it in its "
			       "insecure-registries; or load the image by hand: docker load");
	else if (why == LATER)
		scp__hint(err,
		    "The registry or the engine's disk may be over it later; else load the image by hand: docker load");
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
		.stall_timeout_s = STALL_S };
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
	return status >= 400 || p->said[0] ? pull_failed(p, status, *credentials != '\0', err) : SCP_OK;
}

/* ---- one at a time for each image, and not too many ---- */

static scp_status enter(docker *d, const char *image, const char ***place, scp_error *err)
{
	bool same = false;

	*place = NULL;
	pthread_mutex_lock(&d->pulls_lock);
	for (size_t i = 0; !same && i < DOCKER_PULLS_MAX; i++) {
		if (!d->pulls[i])
			*place = &d->pulls[i];
		else
			same = strcmp(d->pulls[i], image) == 0;
	}
	if (same)
		*place = NULL;
	if (*place)
		**place = image;
	pthread_mutex_unlock(&d->pulls_lock);
	if (*place)
		return SCP_OK;
	return scp__fail(
	    err, SCP_EAGAIN, same ? "image %s is being pulled" : "image %s: others are being pulled", image);
}

static void leave(docker *d, const char **place)
{
	pthread_mutex_lock(&d->pulls_lock);
	*place = NULL;
	pthread_mutex_unlock(&d->pulls_lock);
}

static scp_status pull(docker *d, const char *image, const docker_telling *telling, scp_error *err)
{
	struct pull p = { .d = d, .image = image, .telling = telling };
	char *credentials = NULL;
	scp__buf url;
	scp_status rc = docker_credentials(d, image, &credentials, err);

	scp__buf_init(&url, 4096);
	scp__buf_init(&p.line, LINE_MAX_BYTES);
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

scp_status docker_image_pull(docker *d, const char *image, const docker_telling *telling, scp_error *err)
{
	const char **place;
	scp_status rc = enter(d, image, &place, err);

	if (rc)
		return rc;
	rc = pull(d, image, telling, err);
	leave(d, place);
	return rc;
}
