/*
 * The yardsticks. A helper process, started before there are threads, has a mount namespace of its own in which a root
 * like the sandbox's is mounted once; there the runtime program alone starts the sandbox's own config.json.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 10, LISTEN_FD = 3 };

struct bare {
	pid_t pid;
	int channel;
};

struct order {
	char container[64], program[16]; /* "": run it once more */
};

/* The helper's own. */
struct yard {
	char dir[64], program[16], name[64];
};

static int wait_for(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

double bench_bare_program(const char *const argv[])
{
	double from = bench_now_ms();
	pid_t pid = vfork();

	if (!pid) {
		execv(argv[0], (char *const *)(unsigned long)argv);
		_exit(127);
	}
	if (pid < 0 || wait_for(pid))
		bench_die(argv[0], "failed");
	return bench_now_ms() - from;
}

/* ---- the helper: a bundle ---- */

static int run(const char *const argv[])
{
	pid_t pid = vfork();

	if (!pid) {
		execvp(argv[0], (char *const *)(unsigned long)argv);
		_exit(127);
	}
	return pid < 0 ? -1 : wait_for(pid);
}

static int shell(const char *format, const char *a, const char *b)
{
	char text[1024];

	(void)snprintf(text, sizeof(text), format, a, b);
	return run((const char *const[]){ "sh", "-c", text, NULL });
}

static int read_text(const char *path, char text[TEXT_MAX])
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -1;
	n = fread(text, 1, TEXT_MAX - 1, f);
	fclose(f);
	text[n] = '\0';
	return n && n < TEXT_MAX - 1 ? 0 : -1;
}

static void write_replaced(FILE *f, const char *text, const char *what, const char *by)
{
	const char *at;

	for (; (at = strstr(text, what)); text = at + strlen(what))
		fprintf(f, "%.*s%s", (int)(at - text), text, by);
	fputs(text, f);
}

static int find_folder(const char *container, char folder[160])
{
	char pattern[160];
	glob_t found;
	int rc;

	(void)snprintf(pattern, sizeof(pattern), "/run/sandboxcp/*/c/%s", container);
	rc = glob(pattern, 0, NULL, &found);
	if (!rc)
		(void)snprintf(folder, 160, "%s", found.gl_pathv[0]);
	globfree(&found);
	return rc;
}

/* The sandbox's file with the name changed; the root keeps its path, as in this namespace ours is mounted there. */
static int write_config(const struct yard *y, const char *folder, const char *container)
{
	static char text[TEXT_MAX];
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/config.json", folder);
	if (read_text(path, text))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/config.json", y->dir);
	f = fopen(path, "we");
	if (!f)
		return -1;
	write_replaced(f, text, container, y->name);
	return fclose(f);
}

/* What the adapter mounts for each container, once: the host's /usr, the executor, a workspace. */
static int mount_root(const struct yard *y, const char *folder)
{
	static const char script[] =
	    "root=%s/../../root && set -e; empty=$root/.sandbox/executor\n"
	    "for part in /usr /bin /sbin /lib /lib32 /lib64 /libx32 /etc/ld.so.cache /etc/ld.so.conf /etc/alternatives "
	    "/etc/ld.so.conf.d; do [ ! -e $part ] || [ -L $part ] || mount -o bind,ro,nosuid,nodev $part $root$part; "
	    "done\n"
	    "[ ! -e /sys/fs/cgroup/unified/cgroup.controllers ] || "
	    "mount --bind $empty /sys/fs/cgroup/unified/cgroup.controllers\n"
	    "mkdir -p %s/workspace && mount --bind %s/workspace $root/workspace\n";
	char text[2048];
	const char *executor = getenv("SANDBOXCP_EXECUTOR");

	(void)snprintf(text, sizeof(text), script, folder, y->dir, y->dir);
	if (run((const char *const[]){ "sh", "-c", text, NULL }) || !executor)
		return -1;
	return shell("mount --bind %s %s/../../root/.sandbox/executor", executor, folder);
}

static int copy(struct yard *y, const struct order *o)
{
	char folder[160];

	(void)snprintf(y->dir, sizeof(y->dir), "/tmp/scp-bench-bundle-%d", (int)getpid());
	(void)snprintf(y->name, sizeof(y->name), "scp-bench-%d", (int)getpid());
	(void)snprintf(y->program, sizeof(y->program), "%s", o->program);
	if (mkdir(y->dir, 0755) && errno != EEXIST)
		return -1;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	return find_folder(o->container, folder) || write_config(y, folder, o->container) || mount_root(y, folder);
}

/* ---- the helper: a run ---- */

static int listen_somewhere(const struct yard *y)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", y->dir);
	(void)unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		return -1;
	return fd;
}

static _Noreturn void become_runtime(const char *const argv[], int socket_fd, int null)
{
	(void)dup2(null, 1);
	(void)dup2(null, 2);
	if (dup2(socket_fd, LISTEN_FD) < 0 || fcntl(LISTEN_FD, F_SETFD, 0))
		_exit(126);
	execvp(argv[0], (char *const *)(unsigned long)argv);
	_exit(127);
}

static double time_start(const char *const argv[], int socket_fd, int null)
{
	double from = bench_now_ms();
	pid_t pid = vfork();

	if (!pid)
		become_runtime(argv, socket_fd, null);
	if (pid < 0 || wait_for(pid))
		return -1.0;
	return bench_now_ms() - from;
}

static double run_once(struct yard *y)
{
	char state[128];
	const char *const start[] = { y->program, "--root", state, "run", "-d", "--preserve-fds", "1", "--bundle",
		y->dir, y->name, NULL };
	const char *const end[] = { y->program, "--root", state, "delete", "-f", y->name, NULL };
	int socket_fd = listen_somewhere(y), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	double took;

	(void)snprintf(state, sizeof(state), "%s/state", y->dir);
	took = time_start(start, socket_fd, null);
	(void)run(end);
	close(socket_fd);
	close(null);
	return took;
}

static _Noreturn void serve(int channel)
{
	struct yard y = { .dir = "" };
	struct order o;
	double answer;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (recv(channel, &o, sizeof(o), 0) == (ssize_t)sizeof(o)) {
		answer = o.container[0] ? (copy(&y, &o) ? -1.0 : 0.0) : run_once(&y);
		(void)send(channel, &answer, sizeof(answer), MSG_NOSIGNAL);
	}
	if (y.dir[0])
		(void)shell("umount -l %s/workspace 2>/dev/null; rm -rf --one-file-system %s", y.dir, y.dir);
	_exit(0);
}

/* ---- this side ---- */

struct bare *bench_bare_start(void)
{
	struct bare *b = calloc(1, sizeof(*b));
	int pair[2];

	if (!b || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		bench_die("start the helper", strerror(errno));
	b->pid = fork();
	if (!b->pid) {
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	b->channel = pair[0];
	return b;
}

static double ask(struct bare *b, const struct order *o)
{
	double answer = -1.0;

	if (send(b->channel, o, sizeof(*o), MSG_NOSIGNAL) < 0 || recv(b->channel, &answer, sizeof(answer), 0) < 0)
		return -1.0;
	return answer;
}

int bench_bare_copy(struct bare *b, const char *container, const char *program)
{
	struct order o = { .container = "" };

	(void)snprintf(o.container, sizeof(o.container), "%s", container);
	(void)snprintf(o.program, sizeof(o.program), "%s", program);
	return ask(b, &o) >= 0;
}

double bench_bare_run(struct bare *b)
{
	return ask(b, &(struct order){ .container = "" });
}

void bench_bare_end(struct bare *b)
{
	close(b->channel);
	(void)wait_for(b->pid);
	free(b);
}
