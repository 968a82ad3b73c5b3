/* Images: the engine has them, or pulls them. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define LOOK_TIMEOUT_MS 5000
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

static scp_status have(docker *d, const char *image, const docker_telling *telling, docker_answer *out, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc = docker_image_look(d, image, out, &local);

	if (rc == SCP_ENOTFOUND) {
		rc = docker_image_pull(d, image, telling, err);
		if (rc)
			return rc;
		rc = docker_image_look(d, image, out, &local);
	}
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

scp_status docker_image_prepare(scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	docker_answer a;
	scp_status rc = have((docker *)rt, image, NULL, &a, err);

	if (rc)
		return rc;
	copy_digest(a.json, digest, digest_size);
	docker_answer_free(&a);
	return SCP_OK;
}

scp_status docker_image_fetch(
    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err)
{
	const docker_telling telling = { fn, user };
	docker_answer a;
	scp_status rc = have((docker *)rt, image, &telling, &a, err);

	if (!rc)
		docker_answer_free(&a);
	return rc;
}

/* Sessions are placed by this: an engine that hangs mustn't hold up those that another can take. */
scp_status docker_image_here(scp_runtime *rt, const char *image, bool *here, scp_error *err)
{
	char path[REFERENCE_MAX + 32];
	docker_call call = { .method = "GET", .path = path, .timeout_ms = LOOK_TIMEOUT_MS };
	docker_answer a;
	scp_status rc = check_kind(image, err);

	*here = false;
	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "/images/%s/json", image);
	rc = docker_do((docker *)rt, &call, &a, err);
	if (rc)
		return rc;
	*here = a.status < 300;
	if (!*here && a.status != 404)
		rc = docker_refused(&a, err);
	docker_answer_free(&a);
	return rc;
}
