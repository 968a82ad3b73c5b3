#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_PLACE 3
#define BACKLOG 128

static int listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t before;
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	(void)unlink(path);
	before = umask(0077);
	rc = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	(void)umask(before);
	if (!rc)
		rc = listen(fd, BACKLOG);
	if (!rc)
		return fd;
	close(fd);
	return -1;
}

static int take_listener(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size))
		return -1;
	if (!listening) {
		errno = EINVAL;
		return -1;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -1;
	return fd;
}

int listen_open(const struct options *options)
{
	int fd = options->listen_unix ? listen_unix(options->listen_unix) : take_listener(options->listen_fd);

	if (fd < 0)
		return -1;
	if (fd != LISTEN_PLACE) {
		int moved = dup3(fd, LISTEN_PLACE, O_CLOEXEC);

		close(fd);
		if (moved < 0)
			return -1;
	}
	/* What a careless runtime left open is nobody's here. */
	if (syscall(SYS_close_range, LISTEN_PLACE + 1, ~0u, 0))
		return -1;
	return LISTEN_PLACE;
}

bool listen_peer_allowed(int fd, bool root_too)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	struct sockaddr_storage address;
	socklen_t address_size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &address_size))
		return false;
	if (address.ss_family != AF_UNIX)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	return peer.pid == 0 || (root_too && peer.uid == 0);
}
