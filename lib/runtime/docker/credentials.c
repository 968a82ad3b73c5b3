/* What docker login wrote down: the credentials of an image's registry. */
#include "docker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fs.h"

#define CONFIG_MAX (256 * 1024)
#define SECRET_MAX 8192
#define HUB "https://index.docker.io/v1/"

static const char url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static scp_status encode(scp__buf *out, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i += 3) {
		unsigned long bits = (unsigned long)(unsigned char)text[i] << 16;
		char four[5] = "====";

		bits |= i + 1 < len ? (unsigned long)(unsigned char)text[i + 1] << 8 : 0;
		bits |= i + 2 < len ? (unsigned long)(unsigned char)text[i + 2] : 0;
		for (size_t j = 0; j < 4 && i + j <= len; j++)
			four[j] = url_digits[bits >> (18 - 6 * j) & 63];
		(void)scp__buf_append(out, four, 4);
	}
	return out->status;
}

static int value_of(char c)
{
	const char *at = c == '+' ? url_digits + 62 : c == '/' ? url_digits + 63 : c ? strchr(url_digits, c) : NULL;

	return at ? (int)(at - url_digits) : -1;
}

/* Stops at '=' and at what isn't base64. */
static void decode(scp__buf *out, const char *text)
{
	unsigned long bits = 0;
	unsigned held = 0;

	for (; value_of(*text) >= 0; text++) {
		bits = bits << 6 | (unsigned long)value_of(*text);
		held += 6;
		if (held >= 8) {
			char byte = (char)(bits >> (held - 8) & 255);

			held -= 8;
			(void)scp__buf_append(out, &byte, 1);
		}
	}
}

/* "registry:5000/name" has one; "name" and "library/name" are Docker Hub's. */
static void registry_of(const char *image, char out[256])
{
	size_t len = strcspn(image, "/");
	bool named = image[len] && (memchr(image, '.', len) || memchr(image, ':', len) ||
				       (len == 9 && strncmp(image, "localhost", 9) == 0));

	if (named && strncmp(image, "docker.io/", 10) != 0)
		(void)snprintf(out, 256, "%.*s", (int)(len < 255 ? len : 255), image);
	else
		(void)snprintf(out, 256, HUB);
}

/* A login may be kept under the registry's address instead of its name. */
static const scp__json *find_login(const scp__json *config, const char *registry)
{
	const scp__json *auths = scp__json_get(config, "auths"), *login;
	char address[300];

	if (!auths || scp__json_typeof(auths) != SCP__JSON_OBJECT)
		return NULL;
	login = scp__json_get(auths, registry);
	(void)snprintf(address, sizeof(address), "https://%s", registry);
	if (!login)
		login = scp__json_get(auths, address);
	return login && scp__json_typeof(login) == SCP__JSON_OBJECT ? login : NULL;
}

static scp_status write_login(const scp__json *login, const char *registry, char **out, scp_error *err)
{
	scp__buf plain, json, header;
	scp__json_writer w;
	char *password;

	scp__buf_init(&plain, SECRET_MAX);
	scp__buf_init(&json, 2 * SECRET_MAX);
	scp__buf_init(&header, 4 * SECRET_MAX);
	decode(&plain, docker_text(scp__json_get(login, "auth")));
	password = plain.len ? strchr(plain.data, ':') : NULL;
	if (password)
		*password++ = '\0';
	scp__jw_init(&w, &json);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "username", password ? plain.data : "");
	scp__jw_string(&w, "password", password ? password : "");
	scp__jw_string(&w, "identitytoken", docker_text(scp__json_get(login, "identitytoken")));
	scp__jw_string(&w, "serveraddress", registry);
	scp__jw_end_object(&w);
	if (!json.status)
		(void)encode(&header, json.data);
	scp__buf_free(&plain);
	scp__buf_free(&json);
	*out = scp__buf_detach(&header);
	return *out ? SCP_OK : scp__nomem(err);
}

static void config_path(const docker *d, char out[PATH_MAX])
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (d->place.config_file)
		(void)snprintf(out, PATH_MAX, "%s", d->place.config_file);
	else if (dir && *dir)
		(void)snprintf(out, PATH_MAX, "%s/config.json", dir);
	else
		(void)snprintf(out, PATH_MAX, "%s/.docker/config.json", home && *home ? home : "/root");
}

static scp_status read_login(const char *path, const char *registry, char **out, scp_error *err)
{
	scp__json *config = NULL;
	const scp__json *login;
	char *text = NULL;
	size_t len = 0;
	scp_status rc;

	if (scp__fs_read_file(AT_FDCWD, path, CONFIG_MAX, &text, &len))
		return scp__fail_errno(err, errno, "read the registries' credentials in %s", path);
	rc = scp__json_parse(&config, text, len, "it", err);
	free(text);
	if (rc)
		return scp__prefix(err, "the registries' credentials in %s", path);
	login = find_login(config, registry);
	if (login)
		rc = write_login(login, registry, out, err);
	scp__json_free(config);
	return rc;
}

scp_status docker_credentials(docker *d, const char *image, char **out, scp_error *err)
{
	char registry[256], path[PATH_MAX];
	scp_error local = { 0 };
	scp_status rc;

	*out = NULL;
	registry_of(image, registry);
	config_path(d, path);
	rc = read_login(path, registry, out, &local);
	/* Where nobody named a file, there needn't be one. */
	if (rc && (rc != SCP_ENOTFOUND || d->place.config_file)) {
		scp__error_copy(err, &local);
		return rc;
	}
	if (!*out)
		*out = strdup("");
	return *out ? SCP_OK : scp__nomem(err);
}

void docker_credentials_of(docker *d, const char *image, char registry[256], char *path)
{
	registry_of(image, registry);
	config_path(d, path);
}
