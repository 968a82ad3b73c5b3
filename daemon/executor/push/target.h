/* Where reports go: http://ADDRESS:PORT, http://[IPV6]:PORT or unix:/PATH. */
#ifndef EXECUTOR_TARGET_H
#define EXECUTOR_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct target {
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_storage room;
	} address;
	socklen_t len;
	char host[80]; /* for the Host header */
};

/** Numeric addresses alone: a static program has no resolver. */
bool target_parse(struct target *out, const char *url);

#endif
