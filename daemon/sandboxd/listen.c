#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "err.h"

#define BACKLOG 4096

static struct listen_socket *grow(struct listeners *l, scp_error *err)
{
	struct listen_socket *list = realloc(l->list, (l->count + 1) * sizeof(*list));

	if (!list) {
		(void)scp__nomem(err);
		return NULL;
	}
	l->list = list;
	list += l->count++;
	*list = (struct listen_socket){ .fd = -1 };
	return list;
}

static bool is_loopback(const struct sockaddr *a)
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;

	if (a->sa_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void write_unix_name(struct listen_socket *s, const struct sockaddr_un *a, socklen_t len)
{
	size_t size = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
	bool abstract = size && !a->sun_path[0];

	(void)snprintf(s->name, sizeof(s->name), "unix:%s%.*s", abstract ? "@" : "", (int)(size - abstract),
	    a->sun_path + abstract);
}

static void write_name(struct listen_socket *s)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";

	if (getsockname(s->fd, (struct sockaddr *)&a, &len) == 0 && a.ss_family == AF_UNIX) {
		write_unix_name(s, (const struct sockaddr_un *)(const void *)&a, len);
		return;
	}
	if (a.ss_family)
		(void)getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(s->name, sizeof(s->name), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static scp_status open_one(struct listeners *l, const struct addrinfo *a, const char *address, scp_error *err)
{
	struct listen_socket *s = grow(l, err);
	int on = 1;

	if (!s)
		return SCP_ENOMEM;
	s->local = is_loopback(a->ai_addr);
	s->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return scp__fail_errno(err, errno, "--listen: %s", address);
	(void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ai_family == AF_INET6)
		(void)setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(s->fd, a->ai_addr, a->ai_addrlen) || listen(s->fd, BACKLOG))
		return scp__fail(err, SCP_EINVAL, "--listen: %s: %s", address, strerror(errno));
	write_name(s);
	return SCP_OK;
}

static scp_status bad(const char *address, scp_error *err)
{
	return scp__fail(err, SCP_EINVAL, "--listen: '%.200s' is not HOST:PORT, [IPV6]:PORT or unix:/PATH", address);
}

/* Apart at the last colon; a host with colons of its own stands in brackets. */
static bool split(const char *address, char host[256], const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : 0;
	bool bracketed = len > 2 && address[0] == '[' && address[len - 1] == ']';

	if (!len || len > 255 || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5)
		return false;
	address += bracketed;
	len -= bracketed ? 2 : 0;
	memcpy(host, address, len);
	host[len] = '\0';
	*port = colon + 1;
	return atoi(*port) <= 65535 && (bracketed || !strchr(host, ':'));
}

static scp_status open_inet(struct listeners *l, const char *address, scp_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	char host[256];
	const char *port;
	scp_status rc = SCP_OK;
	int code;

	if (!split(address, host, &port))
		return bad(address, err);
	code = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found);
	if (code)
		return scp__fail(err, SCP_EINVAL, "--listen: %s: %s", address, gai_strerror(code));
	for (const struct addrinfo *a = found; a && !rc; a = a->ai_next)
		rc = open_one(l, a, address, err);
	freeaddrinfo(found);
	return rc;
}

/* A socket that nobody listens on any more is in the way; one that is served is not ours. */
static scp_status clear_stale(const struct sockaddr_un *a, scp_error *err)
{
	struct stat st;
	int fd, error_number;

	if (lstat(a->sun_path, &st))
		return SCP_OK;
	if (!S_ISSOCK(st.st_mode))
		return scp__fail(err, SCP_EINVAL, "--listen: %s is there and is no socket", a->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error_number = fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? errno : 0;
	if (fd >= 0)
		(void)close(fd);
	if (error_number != ECONNREFUSED)
		return scp__fail(err, SCP_EINVAL, "--listen: %s is served by another process", a->sun_path);
	(void)unlink(a->sun_path);
	return SCP_OK;
}

static int bind_private(int fd, const struct sockaddr_un *a)
{
	/* before any thread of ours: the mask is the whole process's */
	mode_t old = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)a, sizeof(*a));

	(void)umask(old);
	return rc;
}

static scp_status open_unix(struct listeners *l, const char *path, scp_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct listen_socket *s;
	scp_status rc;

	if (path[0] != '/' || strlen(path) >= sizeof(a.sun_path))
		return scp__fail(err, SCP_EINVAL, "--listen: 'unix:%.200s' needs an absolute path of at most %zu bytes",
		    path, sizeof(a.sun_path) - 1);
	strcpy(a.sun_path, path);
	rc = clear_stale(&a, err);
	s = rc ? NULL : grow(l, err);
	if (!s)
		return rc ? rc : SCP_ENOMEM;
	s->local = true;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || bind_private(s->fd, &a))
		return scp__fail(err, SCP_EINVAL, "--listen: unix:%s: %s", path, strerror(errno));
	strcpy(s->path, path);
	(void)snprintf(s->name, sizeof(s->name), "unix:%s", path);
	return listen(s->fd, BACKLOG) ? scp__fail_errno(err, errno, "--listen: unix:%s", path) : SCP_OK;
}

scp_status listen_open(struct listeners *l, const char *address, scp_error *err)
{
	if (strncmp(address, "unix:", 5) == 0)
		return open_unix(l, address + 5, err);
	return open_inet(l, address, err);
}

scp_status listen_adopt(struct listeners *l, int fd, const char *label, scp_error *err)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	struct listen_socket *s;

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return scp__fail_errno(err, errno, "descriptor %d", fd);
	s = grow(l, err);
	if (!s)
		return SCP_ENOMEM;
	s->fd = fd;
	s->local = a.ss_family == AF_UNIX || is_loopback((const struct sockaddr *)&a);
	(void)snprintf(s->label, sizeof(s->label), "%s", label);
	write_name(s);
	return SCP_OK;
}

void listen_close(struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++) {
		if (l->list[i].fd >= 0)
			(void)close(l->list[i].fd);
		if (l->list[i].path[0])
			(void)unlink(l->list[i].path);
	}
	free(l->list);
	*l = (struct listeners){ 0 };
}
