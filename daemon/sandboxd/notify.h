/*
 * Telling whoever started us: systemd (or whoever speaks sd_notify's protocol) by NOTIFY_SOCKET, a test by a
 * descriptor. What concerns us alone is taken out of the environment: no program that we start shall speak in our name.
 */
#ifndef SCP_SANDBOXD_NOTIFY_H
#define SCP_SANDBOXD_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "listen.h"

struct notifier {
	struct sockaddr_un address;
	socklen_t address_len; /* 0: nobody wants to hear */
	uint64_t watchdog_us;  /* within which WATCHDOG=1 is expected; 0: nobody waits for it */
};

/** Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and unset them. What makes no sense counts as not there. */
void notify_open(struct notifier *n);
void notify_send(const struct notifier *n, const char *state); /* "READY=1" */
void notify_ready_fd(int fd, const struct listeners *l);

#endif
