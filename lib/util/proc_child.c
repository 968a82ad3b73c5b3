/*
 * Without a hook the child borrows our memory until its exec (CLONE_VM, as posix_spawn does it), so that the size of
 * the host costs nothing. With one it gets a copy. In both cases CLONE_VFORK holds the caller until the exec, which
 * makes the shared mapping a way to report a failure without a pipe. Raw system calls in the child: libc's wrappers may
 * touch state that the host's other threads are using.
 */
#include "proc_child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPPING_SIZE (256 * 1024)
#define SIGNAL_SET_SIZE 8
#define LAST_SIGNAL 64

struct scp__proc_child *scp__proc_child_new(const scp__proc_options *options)
{
	struct scp__proc_child *child;

	child = mmap(NULL, MAPPING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (child == MAP_FAILED)
		return NULL;
	child->options = options;
	child->null_fd = child->owned[0] = child->owned[1] = -1;
	child->env = options->env ? (char *const *)(uintptr_t)options->env : environ;
	for (size_t i = 0; i < options->keep_fd_count; i++)
		child->fds[3 + i] = options->keep_fds[i];
	return child;
}

void scp__proc_child_free(struct scp__proc_child *child)
{
	if (child->null_fd >= 0)
		close(child->null_fd);
	for (int i = 0; i < 2; i++)
		if (child->owned[i] >= 0)
			close(child->owned[i]);
	munmap(child, MAPPING_SIZE);
}

/* exec resets handlers but not what is ignored; and no handler of the host may run here once the mask is lifted. */
static void default_signals(void)
{
	static const uint64_t action[8]; /* the kernel's struct sigaction: SIG_DFL, no flags */

	for (int s = 1; s <= LAST_SIGNAL; s++)
		syscall(SYS_rt_sigaction, s, action, NULL, SIGNAL_SET_SIZE);
}

/* First out of the way of every target, then into place: sources and targets may overlap in any manner. */
static int arrange_fds(struct scp__proc_child *child)
{
	int count = 3 + (int)child->options->keep_fd_count;

	for (int i = 0; i < count; i++) {
		child->fds[i] = (int)syscall(SYS_fcntl, child->fds[i], F_DUPFD, count);
		if (child->fds[i] < 0)
			return -1;
	}
	for (int i = 0; i < count; i++)
		if (syscall(SYS_dup3, child->fds[i], i, 0) < 0)
			return -1;
	return (int)syscall(SYS_close_range, count, ~0u, 0);
}

static int fail(struct scp__proc_child *child, int stage, int error_number)
{
	child->error_number = error_number;
	child->stage = (__typeof__(child->stage))stage;
	syscall(SYS_exit_group, 127);
	return 127;
}

static int child_main(void *arg)
{
	struct scp__proc_child *child = arg;
	const scp__proc_options *o = child->options;
	static const uint64_t no_signals;
	int rc;

	default_signals();
	/* No terminal that could ask for something, and no Ctrl-C of the host's halfway through a mkfs. */
	syscall(SYS_setsid);
	if (o->cwd && syscall(SYS_chdir, o->cwd))
		return fail(child, SCP__PROC_CWD, errno);
	rc = o->before_exec ? o->before_exec(o->before_exec_arg) : 0;
	if (rc)
		return fail(child, SCP__PROC_HOOK, rc);
	if (arrange_fds(child))
		return fail(child, SCP__PROC_FDS, errno);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, SIGNAL_SET_SIZE);
	syscall(SYS_execve, child->path, o->argv, child->env);
	return fail(child, SCP__PROC_EXEC, errno);
}

#ifdef __SANITIZE_THREAD__
/* It takes a child that borrows our memory for a fork, and forgets our other threads. */
#define BORROW 0
#else
#define BORROW CLONE_VM
#endif

pid_t scp__proc_child_start(struct scp__proc_child *child, int *pidfd)
{
	int flags = CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (child->options->before_exec ? 0 : BORROW);
	int cancel_state, error_number;
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = clone(child_main, (char *)child + MAPPING_SIZE, flags, child, pidfd);
	error_number = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setcancelstate(cancel_state, NULL);
	errno = error_number;
	return pid;
}
