#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"

#define FIRST_FD 3
#define FDS_MAX 64

/* What the variables say, before they are unset. */
struct handed {
	unsigned long count;
	char names[LISTEN_LABEL_SIZE * 4]; /* by colon; "" : none were given */
};

static bool read_number(const char *text, unsigned long max, unsigned long *out)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!digits || digits > 9 || text[digits])
		return false;
	*out = strtoul(text, NULL, 10);
	return *out <= max;
}

static scp_status read_environment(struct handed *h, scp_error *err)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	unsigned long number;

	h->count = 0;
	h->names[0] = '\0';
	/* meant for another process, as the protocol has it: a parent's, that passed its environment on */
	if (!fds || !pid || (read_number(pid, 999999999, &number) && number != (unsigned long)getpid()))
		return SCP_OK;
	if (!read_number(pid, 999999999, &number) || !read_number(fds, FDS_MAX, &h->count))
		return scp__fail(err, SCP_EINVAL, "LISTEN_FDS: '%.20s' of LISTEN_PID '%.20s' is not a number up to %d",
		    fds, pid, FDS_MAX);
	if (names && strlen(names) >= sizeof(h->names))
		return scp__fail(err, SCP_EINVAL, "LISTEN_FDNAMES: longer than %zu bytes", sizeof(h->names) - 1);
	if (names)
		(void)snprintf(h->names, sizeof(h->names), "%s", names);
	return SCP_OK;
}

static int option_of(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

static scp_status check(int fd, scp_error *err)
{
	int flags, domain = option_of(fd, SO_DOMAIN);

	if ((domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX) || option_of(fd, SO_TYPE) != SOCK_STREAM ||
	    option_of(fd, SO_ACCEPTCONN) != 1)
		return scp__fail(err, SCP_EINVAL,
		    "LISTEN_FDS: descriptor %d is no listening stream socket; a .socket unit needs ListenStream= and "
		    "Accept=no",
		    fd);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return scp__fail_errno(err, errno, "LISTEN_FDS: descriptor %d", fd);
	return SCP_OK;
}

/* The next of the names; systemd gives one for each descriptor or none at all. */
static scp_status next_name(char **rest, char label[LISTEN_LABEL_SIZE], scp_error *err)
{
	const char *name = strsep(rest, ":");

	if (!name || strlen(name) >= LISTEN_LABEL_SIZE)
		return scp__fail(err, SCP_EINVAL, "LISTEN_FDNAMES: a name is missing, or longer than %d bytes",
		    LISTEN_LABEL_SIZE - 1);
	(void)snprintf(label, LISTEN_LABEL_SIZE, "%s", name);
	return SCP_OK;
}

static scp_status take_all(struct listeners *l, struct handed *h, scp_error *err)
{
	char *rest = h->names[0] ? h->names : NULL;
	bool named = rest != NULL;
	scp_status rc = SCP_OK;

	for (unsigned long i = 0; i < h->count && !rc; i++) {
		char label[LISTEN_LABEL_SIZE] = "";

		rc = check(FIRST_FD + (int)i, err);
		if (!rc && named)
			rc = next_name(&rest, label, err);
		if (!rc)
			rc = listen_adopt(l, FIRST_FD + (int)i, label, err);
	}
	if (!rc && rest)
		rc = scp__fail(err, SCP_EINVAL, "LISTEN_FDNAMES: more names than descriptors");
	return rc;
}

scp_status activation_take(struct listeners *l, scp_error *err)
{
	struct handed h;
	scp_status rc = read_environment(&h, err);

	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return rc ? rc : take_all(l, &h, err);
}
