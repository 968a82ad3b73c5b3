/* Telling whoever started us: systemd by NOTIFY_SOCKET, a test by a descriptor. */
#ifndef SCP_SANDBOXD_NOTIFY_H
#define SCP_SANDBOXD_NOTIFY_H

#include "listen.h"

void notify_systemd(const char *state); /* "READY=1"; nothing without NOTIFY_SOCKET */
void notify_ready_fd(int fd, const struct listeners *l);

#endif
