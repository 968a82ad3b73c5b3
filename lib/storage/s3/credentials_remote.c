/* Keys of a role, from the endpoint that a container (ECS, EKS) or an instance (EC2, version 2) has. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "err.h"
#include "fs.h"
#include "http.h"
#include "json.h"
#include "time_text.h"

#define ANSWER_MAX (64 * 1024)
#define TIMEOUT_MS 5000
#define CONNECT_MS 2000
#define TRIES 2
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define ROLES "/latest/meta-data/iam/security-credentials/"

static scp_status take_body(void *user, const void *data, size_t len, scp_error *err)
{
	return scp__buf_append(user, data, len) ? scp__fail(err, SCP_EUNAVAIL, "an answer that is too large") : SCP_OK;
}

/* `header`: one more line, or NULL. */
static scp_status ask(
    scp__http *http, const char *method, const char *url, const char *header, scp__buf *body, scp_error *err)
{
	const char *const headers[] = { header, NULL };
	scp__http_request q = { .method = method, .url = url, .headers = headers, .on_body = take_body, .user = body };
	int status = 0;
	scp_status rc;

	q.timeout_ms = TIMEOUT_MS;
	q.idempotent = true;
	q.retries = TRIES;
	scp__buf_clear(body);
	rc = scp__http_do(http, &q, &status, err);
	if (!rc && status != 200)
		rc = scp__fail(err, SCP_EUNAVAIL, "%s answered %d", url, status);
	return rc;
}

static scp_status take_member(const scp__json *root, const char *name, const char **out, scp_error *err)
{
	scp_status rc = scp__json_get_string(root, name, out, err);

	if (!rc && !*out)
		rc = scp__fail(err, SCP_EUNAVAIL, "%s is missing in the answer", name);
	return rc;
}

static scp_status read_keys(struct s3_keys *out, const scp__buf *body, scp_error *err)
{
	const char *access_key = NULL, *secret_key = NULL, *token = NULL, *until = NULL;
	scp__json *root = NULL;
	scp_status rc = scp__json_parse(&root, body->len ? body->data : "", body->len, "the keys", err);

	if (!rc)
		rc = take_member(root, "AccessKeyId", &access_key, err);
	if (!rc)
		rc = take_member(root, "SecretAccessKey", &secret_key, err);
	if (!rc)
		rc = take_member(root, "Token", &token, err);
	if (!rc)
		rc = take_member(root, "Expiration", &until, err);
	if (!rc)
		rc = s3_keys_set(out, access_key, secret_key, token, err);
	if (!rc) {
		out->expire_us = s3_time_iso(until);
		if (!out->expire_us)
			rc = scp__fail(err, SCP_EUNAVAIL, "Expiration is no time");
	}
	if (rc) {
		s3_keys_free(out);
		rc = scp__fail(err, SCP_EUNAVAIL, "%s", err->message);
	}
	scp__json_free(root);
	return rc;
}

static scp_status open_client(scp__http **http, scp_error *err)
{
	return scp__http_new(http, &(scp__http_options){ .connect_timeout_ms = CONNECT_MS, .max_connections = 1 }, err);
}

/* ---- a container's ---- */

/* What the environment names must be this host or one of the two that AWS has; others only with TLS. */
static bool is_trusted(const char *url)
{
	static const char *const hosts[] = { "https://", "http://127.0.0.1", "http://localhost", "http://[::1]",
		CONTAINER_HOST, "http://169.254.170.23", "http://[fd00:ec2::23]" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t len = strlen(hosts[i]);

		if (!strncmp(url, hosts[i], len) && (!i || strchr(":/", url[len])))
			return true;
	}
	return false;
}

static scp_status container_url(char url[1024], scp_error *err)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	int len = -1;

	if (relative && *relative == '/')
		len = snprintf(url, 1024, CONTAINER_HOST "%s", relative);
	else if (full && is_trusted(full))
		len = snprintf(url, 1024, "%s", full);
	if (len > 0 && len < 1024)
		return SCP_OK;
	scp__fail(err, SCP_EINVAL, "storage: credentials=container, but the environment names no endpoint for them");
	scp__hint(err, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI must be set");
	return SCP_EINVAL;
}

static scp_status container_header(char **out, scp_error *err)
{
	const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *text = NULL;
	size_t len;
	int rc = 0;

	*out = NULL;
	if (file && *file && scp__fs_read_file(AT_FDCWD, file, ANSWER_MAX, &text, &len))
		return scp__fail(err, SCP_EUNAVAIL, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE can't be read");
	if (text)
		text[strcspn(text, "\r\n")] = '\0';
	if (text || (token && *token))
		rc = asprintf(out, "Authorization: %s", text ? text : token);
	free(text);
	return rc < 0 ? scp__nomem(err) : SCP_OK;
}

scp_status s3_keys_from_container(struct s3_keys *out, scp_error *err)
{
	char url[1024], *header = NULL;
	scp__http *http = NULL;
	scp__buf body;
	scp_status rc = container_url(url, err);

	scp__buf_init(&body, ANSWER_MAX);
	if (!rc)
		rc = container_header(&header, err);
	if (!rc)
		rc = open_client(&http, err);
	if (!rc)
		rc = ask(http, "GET", url, header, &body, err);
	if (!rc)
		rc = read_keys(out, &body, err);
	if (rc && rc != SCP_EINVAL)
		scp__prefix(err, "storage: the keys of this container's role");
	free(header);
	scp__http_free(http);
	scp__buf_free(&body);
	return rc;
}

/* ---- an instance's ---- */

static bool one_line(scp__buf *body)
{
	if (body->len)
		body->data[strcspn(body->data, "\r\n")] = '\0';
	return body->len && body->data[0];
}

static scp_status ask_instance(scp__http *http, const char *host, scp__buf *body, scp_error *err)
{
	char url[1024], header[512];
	scp_status rc;

	snprintf(url, sizeof(url), "%.400s/latest/api/token", host);
	rc = ask(http, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 300", body, err);
	if (!rc && !one_line(body))
		rc = scp__fail(err, SCP_EUNAVAIL, "%s answered nothing", url);
	if (rc)
		return rc;
	snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %.400s", body->data);
	snprintf(url, sizeof(url), "%.400s" ROLES, host);
	rc = ask(http, "GET", url, header, body, err);
	if (!rc && !one_line(body))
		rc = scp__fail(err, SCP_EUNAVAIL, "this instance has no role");
	if (rc)
		return rc;
	snprintf(url, sizeof(url), "%.400s" ROLES "%.128s", host, body->data);
	return ask(http, "GET", url, header, body, err);
}

scp_status s3_keys_from_instance(struct s3_keys *out, scp_error *err)
{
	const char *host = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	scp__http *http = NULL;
	scp__buf body;
	scp_status rc = open_client(&http, err);

	scp__buf_init(&body, ANSWER_MAX);
	if (!rc)
		rc = ask_instance(http, host && *host ? host : INSTANCE_HOST, &body, err);
	if (!rc)
		rc = read_keys(out, &body, err);
	if (rc)
		scp__prefix(err, "storage: the keys of this instance's role");
	scp__http_free(http);
	scp__buf_free(&body);
	return rc;
}
