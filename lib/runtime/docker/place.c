/* The runtime's URL: where the engine is, and how to talk to it. */
#include "docker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "utf8.h"

#define SOCKET_DEFAULT "/var/run/docker.sock"
#define SOCKET_MAX 107

static scp_status refuse(scp_error *err, const char *what)
{
	scp__fail(err, SCP_EINVAL, "runtime: the docker URL: %s", what);
	scp__hint(err, "Write docker:unix:///var/run/docker.sock, or "
		       "docker:tcp://HOST:2376?ca_file=/…&cert_file=/…&key_file=/…");
	return SCP_EINVAL;
}

/* Code's own loopback has none. */
static bool are_addresses(const char *list)
{
	char one[INET_ADDRSTRLEN];
	struct in_addr a;
	unsigned count = 0;

	for (; *list; count++) {
		size_t len = strcspn(list, ",");

		if (len >= sizeof(one) || count >= DOCKER_RESOLVERS_MAX)
			return false;
		memcpy(one, list, len);
		one[len] = '\0';
		if (inet_pton(AF_INET, one, &a) != 1 || ntohl(a.s_addr) >> 24 == 127)
			return false;
		list += len + (list[len] == ',');
	}
	return count > 0;
}

static scp_status take_parameter(docker_place *p, char *text, scp_error *err)
{
	const struct {
		const char *name;
		const char **to;
	} files[] = { { "ca_file", &p->ca_file }, { "cert_file", &p->cert_file }, { "key_file", &p->key_file },
		{ "config_file", &p->config_file } };
	char *value = strchr(text, '=');

	if (!value)
		return refuse(err, "a parameter must be NAME=VALUE");
	*value++ = '\0';
	if (strcmp(text, "local") == 0) {
		p->local = strcmp(value, "yes") == 0;
		return p->local ? SCP_OK : refuse(err, "local= must be yes, or be left out");
	}
	if (strcmp(text, "dns") == 0) {
		p->dns = value;
		return are_addresses(value) ? SCP_OK
					    : refuse(err, "dns= must be IPv4 addresses by comma, eight at most");
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(text, files[i].name) != 0)
			continue;
		if (value[0] != '/' || strchr(value, '%') || !scp__text_printable(value))
			return refuse(err, "ca_file, cert_file, key_file and config_file must be absolute paths");
		*files[i].to = value;
		return SCP_OK;
	}
	return refuse(err, "its parameters are ca_file, cert_file, key_file, config_file, dns and local");
}

static scp_status take_query(docker_place *p, char *query, scp_error *err)
{
	char *rest = NULL;
	scp_status rc = SCP_OK;

	for (char *one = strtok_r(query, "&", &rest); one && !rc; one = strtok_r(NULL, "&", &rest))
		rc = take_parameter(p, one, err);
	return rc;
}

static scp_status take_unix(docker_place *p, const char *path, scp_error *err)
{
	p->unix_socket = *path ? path : SOCKET_DEFAULT;
	p->local = true;
	if (p->unix_socket[0] != '/' || strlen(p->unix_socket) > SOCKET_MAX)
		return refuse(err, "the socket must be an absolute path of 107 bytes at most");
	if (p->ca_file || p->cert_file || p->key_file)
		return refuse(err, "TLS is for tcp:// alone");
	return SCP_OK;
}

static scp_status check_files(const docker_place *p, scp_error *err)
{
	const char *const files[] = { p->ca_file, p->cert_file, p->key_file };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!access(files[i], R_OK))
			continue;
		scp__fail(
		    err, SCP_EINVAL, "runtime: the docker URL: %.300s can't be read: %s", files[i], strerror(errno));
		scp__hint(err, "Correct ca_file, cert_file or key_file in --runtime docker:…");
		return SCP_EINVAL;
	}
	return SCP_OK;
}

/* Whoever can talk to an engine is root on its host: without keys on both sides that is everybody on the way. */
static scp_status take_tcp(docker_place *p, const char *host, scp_error *err)
{
	size_t len = strlen(host);

	p->host = host;
	if (!len || len > 255 ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") != len)
		return refuse(err, "tcp:// wants HOST:PORT");
	if (!p->ca_file || !p->cert_file || !p->key_file)
		return refuse(
		    err, "tcp:// wants ca_file, cert_file and key_file: an engine without TLS isn't talked to");
	return check_files(p, err);
}

scp_status docker_place_read(docker_place *out, scp__arena *arena, const char *url, scp_error *err)
{
	char *text = scp__arena_strdup(arena, url + strlen("docker:")), *query;
	scp_status rc = SCP_OK;

	*out = (docker_place){ 0 };
	if (!text)
		return scp__nomem(err);
	query = strchr(text, '?');
	if (query) {
		*query++ = '\0';
		rc = take_query(out, query, err);
	}
	if (rc)
		return rc;
	if (!*text || strncmp(text, "unix://", 7) == 0)
		return take_unix(out, *text ? text + 7 : text, err);
	if (strncmp(text, "tcp://", 6) == 0)
		return take_tcp(out, text + 6, err);
	return refuse(err, "it must begin with docker:unix:// or docker:tcp://");
}
