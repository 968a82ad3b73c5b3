#include "notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

/* A path, or with '@' first a name in the abstract namespace. */
static void read_address(struct notifier *n, const char *path)
{
	size_t len = path ? strlen(path) : 0;

	if (len < 2 || len >= sizeof(n->address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, path, len);
	if (path[0] == '@')
		n->address.sun_path[0] = '\0';
	n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static bool read_number(const char *text, uint64_t *out)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;

	if (!digits || digits > 18 || text[digits])
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

void notify_open(struct notifier *n)
{
	uint64_t pid;
	const char *whose = getenv("WATCHDOG_PID");

	memset(n, 0, sizeof(*n));
	read_address(n, getenv("NOTIFY_SOCKET"));
	if (n->address_len && (!whose || (read_number(whose, &pid) && pid == (uint64_t)getpid())))
		(void)read_number(getenv("WATCHDOG_USEC"), &n->watchdog_us);
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void notify_send(const struct notifier *n, const char *state)
{
	int fd = n->address_len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return;
	/* a manager that doesn't read must not hold the loop */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&n->address,
	    n->address_len);
	(void)close(fd);
}

void notify_ready_fd(int fd, const struct listeners *l)
{
	for (size_t i = 0; i < l->count; i++)
		(void)dprintf(fd, "%s\n", l->list[i].name);
	(void)close(fd);
}
