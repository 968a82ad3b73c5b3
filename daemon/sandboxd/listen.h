/* Listening sockets from what --listen says. */
#ifndef SCP_SANDBOXD_LISTEN_H
#define SCP_SANDBOXD_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include <sandboxcp/error.h>

#define LISTEN_NAME_SIZE 160
#define LISTEN_LABEL_SIZE 64

struct listen_socket {
	int fd;			       /* -1: handed on */
	bool local;		       /* loopback or a unix socket */
	char name[LISTEN_NAME_SIZE];   /* as clients would say it; the port that was taken for 0 */
	char label[LISTEN_LABEL_SIZE]; /* that whoever made it gave it; "": none */
	char path[108];		       /* of a unix socket, removed at the end; else "" */
};

struct listeners {
	struct listen_socket *list;
	size_t count;
};

/** "HOST:PORT", "[IPV6]:PORT" or "unix:/PATH": bound and listening. A name may stand for several addresses. */
scp_status listen_open(struct listeners *l, const char *address, scp_error *err);
/** Take a socket that somebody else has made to listen; on an error it stays the caller's. */
scp_status listen_adopt(struct listeners *l, int fd, const char *label, scp_error *err);
/** Close what wasn't handed on, and remove unix sockets. */
void listen_close(struct listeners *l);

#endif
