/* The executor's listening socket: made here, handed in as a descriptor, without a path in the sandbox. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "err.h"

#define BACKLOG 64
#define CONNECT_LIMIT_S 2

/* By our descriptor of the folder: a user's runtime folder may have any length, and a socket's path has 107 bytes. */
static void address_of(const scp__oci *o, const char *name, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	(void)snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%.63s.sock", o->sockets, name);
}

scp_status scp__oci_listen(struct scp__oci *o, const char *name, int *fd, scp_error *err)
{
	struct sockaddr_un address;

	address_of(o, name, &address);
	(void)unlink(address.sun_path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd >= 0 && !fchmod(*fd, 0600) && !bind(*fd, (struct sockaddr *)&address, sizeof(address)) &&
	    !listen(*fd, BACKLOG))
		return SCP_OK;
	return scp__fail_errno(err, errno, "listen at %s/s/%s.sock", o->run_dir, name);
}

void scp__oci_unlisten(struct scp__oci *o, const char *name)
{
	struct sockaddr_un address;

	address_of(o, name, &address);
	(void)unlink(address.sun_path);
}

static scp_status connect_failed(const char *name, int error_number, scp_error *err)
{
	if (error_number == ENOENT || error_number == ECONNREFUSED)
		return scp__fail_as(err, "ContainerNotFound", "nobody listens in container %.64s", name);
	if (error_number == EAGAIN)
		return scp__fail(err, SCP_EUNAVAIL, "container %.64s accepts no connection", name);
	return scp__fail_errno(err, error_number, "connect to container %.64s", name);
}

scp_status scp__oci_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	struct timeval limit = { .tv_sec = CONNECT_LIMIT_S };
	struct sockaddr_un address;
	int s, error_number = 0;

	*fd = -1;
	if (!scp__oci_name_valid(name))
		return scp__fail_as(err, "ContainerNotFound", "no container %.64s", name);
	address_of((scp__oci *)rt, name, &address);
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return scp__fail_errno(err, errno, "connect to container %s", name);
	/* A full queue of connections is waited for, and not for ever. */
	if (setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(s, (struct sockaddr *)&address, sizeof(address)) || fcntl(s, F_SETFL, O_NONBLOCK))
		error_number = errno;
	if (!error_number) {
		*fd = s;
		return SCP_OK;
	}
	close(s);
	return connect_failed(name, error_number, err);
}
