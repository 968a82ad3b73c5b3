#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "language.h"

#define CHILD_STACK (64u << 10)

/* A child leaves its stack by exec: what AddressSanitizer marked there would be in the next one's way. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define FRESH_STACK(stack) __asan_unpoison_memory_region(stack, sizeof(stack))
#else
#define FRESH_STACK(stack) (void)(stack)
#endif

struct child {
	const struct settings *settings;
	const int *fds;
	unsigned fd_count;
	const struct command_line *line;
	char *const *env;
	struct spawn_failure failure; /* written by the child: it shares our memory until exec */
};

static int set_oom_score(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, "1000", 4);
	close(fd);
	return n == 4 ? 0 : -1;
}

/* The job's descriptors, from 0 on, and no other. They lie above their places, as ours take those. */
static int place_fds(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (dup3(fds[i], (int)i, 0) < 0)
			return -1;
	return (int)syscall(SYS_close_range, count, ~0u, 0);
}

static int prepare(const struct child *c)
{
	sigset_t none;

	sigemptyset(&none);
	if (setsid() < 0)
		return -1;
	if (c->settings->separate) {
		(void)syscall(SYS_setfsuid, 0); /* /proc/self belongs to root as long as we can't be traced */
		if (set_oom_score("/proc/self/oom_score_adj"))
			return -1;
	}
	if (place_fds(c->fds, c->fd_count))
		return -1;
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By the name that is really there: a busybox that is called bash looks for its own bash. */
static void exec_at(const struct child *c, char *path)
{
	char *argv[sizeof(c->line->argv) / sizeof(c->line->argv[0])];

	memcpy(argv, c->line->argv, sizeof(argv));
	argv[0] = strrchr(path, '/') + 1;
	(void)execve(path, argv, c->env);
}

static void try_exec(struct child *c)
{
	char path[sizeof(c->line->paths[0])];
	int error = ENOENT;

	if (c->line->direct[0])
		(void)execve(c->line->direct[0], c->line->direct, c->env);
	for (unsigned i = 0; i < c->line->path_count; i++) {
		memcpy(path, c->line->paths[i], sizeof(path));
		exec_at(c, path);
		if (errno == EACCES)
			error = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR) {
			error = errno;
			break;
		}
	}
	c->failure = (struct spawn_failure){ START_EXEC, error };
}

static int run_child(void *arg)
{
	struct child *c = arg;

	if (prepare(c))
		c->failure = (struct spawn_failure){ START_PREPARE, errno };
	else if (limits_become_code(c->settings))
		c->failure = (struct spawn_failure){ START_USER, errno };
	else if (chdir(c->settings->workspace))
		c->failure = (struct spawn_failure){ START_WORKSPACE, errno };
	else
		try_exec(c);
	_exit(127);
}

static void split_env(const struct job *job, char *env[JOB_ENV_COUNT_MAX + 1], const char **code)
{
	const char *at = job->text;

	for (uint32_t i = 0; i < job->env_count; i++) {
		env[i] = (char *)(uintptr_t)at;
		at += strlen(at) + 1;
	}
	env[job->env_count] = NULL;
	*code = at;
}

/* Same uid: what belongs to root before exec belongs to us behind it. */
static void set_oom_score_of(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	(void)set_oom_score(path);
}

pid_t spawn_job(
    const struct settings *settings, const struct job *job, const int fds[JOB_FD_COUNT], struct spawn_failure *failure)
{
	static char stack[CHILD_STACK] __attribute__((aligned(16)));
	static char *env[JOB_ENV_COUNT_MAX + 1];
	static struct command_line line;
	struct child child = { .settings = settings, .fds = fds, .line = &line, .env = env };
	const char *code;
	pid_t pid;

	split_env(job, env, &code);
	language_command_line(job->language, code, &line);
	child.fd_count = language_takes_input(job->language) ? JOB_FD_COUNT : JOB_INPUT;
	FRESH_STACK(stack);
	pid = clone(run_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
	*failure = pid < 0 ? (struct spawn_failure){ START_CLONE, errno } : child.failure;
	/* The child's change of user has touched it: the memory was ours. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (pid > 0 && failure->step != START_OK) {
		(void)waitpid(pid, NULL, 0);
		pid = -1;
	}
	if (pid > 0 && !settings->separate)
		set_oom_score_of(pid);
	return pid;
}
