#include "target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_unix(struct target *out, const char *path)
{
	if (path[0] != '/' || strlen(path) >= sizeof(out->address.local.sun_path))
		return false;
	out->address.local.sun_family = AF_UNIX;
	strcpy(out->address.local.sun_path, path);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	(void)snprintf(out->host, sizeof(out->host), "localhost");
	return true;
}

static bool parse_port(const char *text, in_port_t *port)
{
	size_t len = strspn(text, "0123456789");
	long n = len && len < 6 ? strtol(text, NULL, 10) : 0;

	*port = htons((uint16_t)n);
	return n > 0 && n < 65536 && (!text[len] || !strcmp(text + len, "/"));
}

static bool parse_inet(struct target *out, const char *authority)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&out->address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&out->address;
	const char *colon = strrchr(authority, ':');
	char host[64] = "";
	in_port_t port;

	if (!colon || (size_t)(colon - authority) >= sizeof(host) || !parse_port(colon + 1, &port))
		return false;
	memcpy(host, authority, (size_t)(colon - authority));
	(void)snprintf(out->host, sizeof(out->host), "%s:%u", host, ntohs(port));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port;
		out->len = sizeof(*v4);
		return true;
	}
	if (host[0] != '[' || host[strlen(host) - 1] != ']')
		return false;
	host[strlen(host) - 1] = '\0';
	v6->sin6_family = AF_INET6;
	v6->sin6_port = port;
	out->len = sizeof(*v6);
	return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
}

bool target_parse(struct target *out, const char *url)
{
	memset(out, 0, sizeof(*out));
	if (!strncmp(url, "unix:", 5))
		return parse_unix(out, url + 5);
	return !strncmp(url, "http://", 7) && parse_inet(out, url + 7);
}
