#include "server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define THREADS 8

struct server {
	int listener;
	int stop[2]; /* readable at the end: every wait watches it */
	pthread_t threads[THREADS];
	atomic_int connections;
	atomic_int requests;
	char url[64];
};

struct client {
	struct server *server;
	int fd;
	int served; /* requests on this connection before */
	char head[8192];
	size_t len;
};

static bool wait_for(const struct server *s, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN }, { .fd = s->stop[0], .events = POLLIN } };

	return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

static ssize_t take(struct client *c, void *to, size_t max)
{
	return wait_for(c->server, c->fd) ? recv(c->fd, to, max, 0) : -1;
}

static bool read_head(struct client *c)
{
	char b;

	for (c->len = 0; c->len < sizeof(c->head) - 1;) {
		if (take(c, &b, 1) <= 0)
			return false;
		c->head[c->len++] = b;
		c->head[c->len] = '\0';
		if (c->len >= 4 && !memcmp(c->head + c->len - 4, "\r\n\r\n", 4))
			return true;
	}
	return false;
}

static bool send_all(struct client *c, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = send(c->fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool say(struct client *c, const char *text)
{
	return send_all(c, text, strlen(text));
}

static bool answer(struct client *c, const char *status, const char *body)
{
	char text[1024];

	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Test: yes\r\n\r\n%s", status,
	    strlen(body), body);
	return say(c, text);
}

static size_t skip(struct client *c, size_t len)
{
	char waste[16384];
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = take(c, waste, len - done < sizeof(waste) ? len - done : sizeof(waste));
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

/* Reads the body; how long it was. */
static size_t read_body(struct client *c)
{
	const char *length = strcasestr(c->head, "Content-Length:");
	size_t total = 0, chunk;
	char line[64];
	size_t n;

	if (length)
		return skip(c, strtoul(length + 15, NULL, 10));
	if (!strcasestr(c->head, "chunked"))
		return 0;
	do {
		for (n = 0; n < sizeof(line) - 1 && take(c, &line[n], 1) == 1 && line[n] != '\n'; n++)
			;
		line[n] = '\0';
		chunk = strtoul(line, NULL, 16);
		total += skip(c, chunk);
		skip(c, 2);
	} while (chunk);
	return total;
}

static bool at(const struct client *c, const char *path)
{
	const char *space = strchr(c->head, ' ');

	return space && !strncmp(space + 1, path, strlen(path));
}

static bool send_much(struct client *c)
{
	static const char block[65536] = "much";
	bool fine = say(c, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");

	for (int i = 0; fine && i < 1024; i++)
		fine = send_all(c, block, sizeof(block));
	return fine;
}

static bool send_huge_head(struct client *c)
{
	bool fine = say(c, "HTTP/1.1 200 OK\r\n");

	for (int i = 0; fine && i < 400; i++)
		fine = say(c, "X-Many: 0123456789\r\n");
	return fine && say(c, "\r\n");
}

static void hang(struct client *c)
{
	char b;

	while (take(c, &b, 1) > 0)
		;
}

/* Each behaviour returns false to close the connection. */
static bool early(struct client *c)
{
	answer(c, "413 Too Large", "early");
	shutdown(c->fd, SHUT_WR);
	hang(c);
	return false;
}

/* As a server whose idle limit passes while the second request is on its way. */
static bool drop_second(struct client *c)
{
	return !c->served && answer(c, "200 OK", "first");
}

static bool drop(struct client *c)
{
	(void)c;
	return false;
}

static bool never(struct client *c)
{
	hang(c);
	return false;
}

static bool cut(struct client *c)
{
	say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
	return false;
}

static bool stall(struct client *c)
{
	cut(c);
	return never(c);
}

static bool interim(struct client *c)
{
	return say(c, "HTTP/1.1 103 Early Hints\r\nLink: no\r\n\r\nHTTP/1.1 200 OK\r\nX-Final: yes\r\n"
		      "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Trailer: 1\r\n\r\n");
}

static bool redirect(struct client *c)
{
	return say(c, "HTTP/1.1 302 Found\r\nLocation: /much\r\nContent-Length: 0\r\n\r\n");
}

static bool echo_head(struct client *c)
{
	return answer(c, "200 OK", c->head);
}

static bool busy(struct client *c)
{
	return answer(c, "503 Busy", "busy");
}

static bool wait_long(struct client *c)
{
	return say(c, "HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 4\r\n\r\nbusy");
}

static bool flaky(struct client *c)
{
	return server_requests(c->server) < 3 ? busy(c) : answer(c, "200 OK", "at last");
}

static bool count(struct client *c)
{
	char text[64];

	if (!strncmp(c->head, "HEAD", 4))
		return say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	snprintf(text, sizeof(text), "%zu", read_body(c));
	return answer(c, "200 OK", text);
}

static const struct {
	const char *path;
	bool (*behave)(struct client *c);
} behaviours[] = {
	{ "/early", early },
	{ "/second", drop_second },
	{ "/drop", drop },
	{ "/never", never },
	{ "/cut", cut },
	{ "/stall", stall },
	{ "/much", send_much },
	{ "/huge-head", send_huge_head },
	{ "/interim", interim },
	{ "/redirect", redirect },
	{ "/echo-head", echo_head },
	{ "/busy", busy },
	{ "/wait-long", wait_long },
	{ "/flaky", flaky },
	{ "/", count },
};

static bool serve(struct client *c)
{
	atomic_fetch_add(&c->server->requests, 1);
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
		if (at(c, behaviours[i].path))
			return behaviours[i].behave(c);
	return false;
}

static void *work(void *arg)
{
	struct server *s = arg;
	struct client *c = malloc(sizeof(*c));

	while (wait_for(s, s->listener)) {
		*c = (struct client){ .server = s, .fd = accept(s->listener, NULL, NULL) };
		if (c->fd < 0)
			continue;
		atomic_fetch_add(&s->connections, 1);
		while (read_head(c) && serve(c))
			c->served++;
		close(c->fd);
	}
	free(c);
	return NULL;
}

static void listen_unix(struct server *s, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(s->listener, (struct sockaddr *)&a, sizeof(a)))
		abort();
	snprintf(s->url, sizeof(s->url), "http://localhost");
}

static void listen_loopback(struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(s->listener, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(s->listener, (struct sockaddr *)&a, &len))
		abort();
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", ntohs(a.sin_port));
}

struct server *server_start(const char *unix_path)
{
	struct server *s = calloc(1, sizeof(*s));

	if (unix_path)
		listen_unix(s, unix_path);
	else
		listen_loopback(s);
	if (listen(s->listener, 64) || pipe(s->stop))
		abort();
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&s->threads[i], NULL, work, s))
			abort();
	return s;
}

void server_stop(struct server *s)
{
	close(s->stop[1]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(s->threads[i], NULL);
	close(s->stop[0]);
	close(s->listener);
	free(s);
}

const char *server_url(const struct server *s)
{
	return s->url;
}

int server_connections(const struct server *s)
{
	return atomic_load(&s->connections);
}

int server_requests(const struct server *s)
{
	return atomic_load(&s->requests);
}
