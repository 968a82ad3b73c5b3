/*
 * Plays the executor: pid 1 of a container, static. Each connection on the descriptor of --listen-fd= (or the socket
 * that it makes at --listen-unix=) sends one line and gets the answer: "r COMMAND" by /bin/sh as uid 0, "u COMMAND" as
 * uid 1000, "c NUMBER ARGUMENT…" the errno of a system call as uid 1000, "x CODE" ends pid 1, "m BYTES" takes that much
 * memory in pid 1 itself, "b ADDRESS PORT" the errno of connecting there as uid 1000 by a socket bound to eth0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void become_user(void)
{
	if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		_exit(99);
}

static void call(const char *text)
{
	long a[7] = { 0 };
	char *end = NULL;
	long rc;

	for (int i = 0; i < 7; i++) {
		a[i] = (long)strtoull(text, &end, 0);
		text = end;
	}
	become_user();
	rc = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	dprintf(1, "%d\n", rc < 0 ? errno : 0);
	_exit(0);
}

/* Past whatever routes there are. */
static void connect_bound(const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 3 };
	char address[64] = "";
	unsigned short port = 0;
	int s;

	(void)sscanf(text, "%63s %hu", address, &port);
	become_user();
	s = socket(AF_INET, SOCK_STREAM, 0);
	to.sin_port = htons(port);
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) ||
	    setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)))
		dprintf(1, "can't try\n");
	else
		dprintf(1, "%d\n", connect(s, (struct sockaddr *)&to, sizeof(to)) ? errno : 0);
	_exit(0);
}

/* getpid() by the 32-bit table. */
static void call_32(void)
{
	long rc = -1;

	become_user();
#if defined(__x86_64__)
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
#endif
	dprintf(1, "%ld\n", rc);
	_exit(0);
}

static void serve(int fd, char *line)
{
	if (fork())
		return;
	signal(SIGCHLD, SIG_DFL);
	dup2(fd, 1);
	dup2(fd, 2);
	for (int i = 3; i < 64; i++)
		close(i);
	if (line[0] == 'c')
		call(line + 2);
	if (line[0] == 'b')
		connect_bound(line + 2);
	if (line[0] == 'i')
		call_32();
	if (line[0] == 'u')
		become_user();
	execl("/bin/sh", "sh", "-c", line + 2, (char *)NULL);
	_exit(98);
}

/* More than the limit: the kernel must choose us, there being nobody else. */
static void take(size_t bytes)
{
	char *data = malloc(bytes);

	for (size_t i = 0; data && i < bytes; i += 4096)
		((volatile char *)data)[i] = 1;
}

static size_t read_line(int fd, char *line, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, line + len, size - 1 - len)) > 0) {
		len += (size_t)n;
		if (line[len - 1] == '\n')
			break;
	}
	line[len ? len - 1 : 0] = '\0';
	return len;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 64) ? -1 : fd;
}

int main(int argc, char **argv)
{
	static const char handed[] = "--listen-fd=", made[] = "--listen-unix=";
	int listener = -1, fd;
	char line[4096];

	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], handed, sizeof(handed) - 1) == 0)
			listener = atoi(argv[i] + sizeof(handed) - 1);
		else if (strncmp(argv[i], made, sizeof(made) - 1) == 0)
			listener = listen_at(argv[i] + sizeof(made) - 1);
	signal(SIGCHLD, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	dprintf(2, "guest listens\n");
	while ((fd = accept(listener, NULL, NULL)) >= 0 || errno == EINTR) {
		if (fd < 0)
			continue;
		if (read_line(fd, line, sizeof(line)) > 1) {
			if (line[0] == 'x')
				_exit(atoi(line + 2));
			if (line[0] == 'm')
				take((size_t)strtoull(line + 2, NULL, 10));
			else
				serve(fd, line);
		}
		close(fd);
	}
	return 97;
}
