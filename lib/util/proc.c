#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "proc_child.h"

#define DEFAULT_TIMEOUT_MS 30000
#define KILL_WAIT_MS 5000 /* a process in an uninterruptible call may not hold us for ever */
#define READ_STEP 16384
#define READS_AT_ONCE 64

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* One stream of the child that comes to us. */
struct stream {
	int fd; /* -1: none, or at its end */
	scp__buf *to;
};

struct run {
	const scp__proc_options *options;
	struct stream streams[2];
	int pidfd;
	pid_t pid;
	int64_t deadline_us;
	bool exited;
	int exit_status;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Where a stream of the child goes: a descriptor of the caller's, a new pipe into `to`, or /dev/null. */
static int stream_open(struct stream *s, int given, scp__buf *to, int null_fd, int *child_fd, int *owned)
{
	int ends[2];

	*child_fd = given >= 0 ? given : null_fd;
	if (given >= 0 || !to)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK)) {
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	s->fd = ends[0];
	s->to = to;
	*child_fd = *owned = ends[1];
	return 0;
}

/* What is beyond the buffer's maximum is dropped: a child that writes too much must not block, and must not grow us. */
static void keep(scp__buf *to, const char *data, size_t len)
{
	size_t room = to->max - to->len;

	(void)scp__buf_append(to, data, len < room ? len : room);
}

/* All that is there, but no more at once than a pipe can hold: whoever writes without end must not keep us here. */
static void stream_read(struct stream *s)
{
	char data[READ_STEP];
	ssize_t n = 1;

	for (int i = 0; i < READS_AT_ONCE && n > 0; i++) {
		n = read(s->fd, data, sizeof(data));
		if (n > 0)
			keep(s->to, data, (size_t)n);
	}
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_fd(&s->fd);
}

/* Where the host's SIGCHLD is ignored or the host reaps everything, the kernel (6.15+) still tells by pidfd. */
static int status_of_reaped(int pidfd)
{
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t exit_code;
	} info = { .mask = 1u << 3 }; /* PIDFD_INFO_EXIT */
	int status;

	if (ioctl(pidfd, _IOWR(0xff, 11, info), &info) || !(info.mask & (1u << 3)))
		return -1;
	status = info.exit_code;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void reap(struct run *r)
{
	siginfo_t info = { 0 };
	int rc;

	do
		rc = waitid((idtype_t)P_PIDFD, (id_t)r->pidfd, &info, WEXITED);
	while (rc && errno == EINTR);
	r->exited = true;
	if (rc)
		r->exit_status = status_of_reaped(r->pidfd);
	else
		r->exit_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int wait_ms(int64_t deadline_us)
{
	int64_t left = (deadline_us - scp__mono_us() + 999) / 1000;

	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

static bool over(const struct run *r)
{
	if (!r->exited)
		return false;
	return r->options->wait_exit_only || (r->streams[0].fd < 0 && r->streams[1].fd < 0);
}

/* Until the child has ended and its output with it, or the deadline has passed. */
static void follow(struct run *r)
{
	struct pollfd fds[3];

	while (!over(r) && scp__mono_us() < r->deadline_us) {
		fds[0] = (struct pollfd){ .fd = r->exited ? -1 : r->pidfd, .events = POLLIN };
		for (int i = 0; i < 2; i++)
			fds[1 + i] = (struct pollfd){ .fd = r->streams[i].fd, .events = POLLIN };
		if (poll(fds, 3, wait_ms(r->deadline_us)) <= 0)
			continue;
		if (fds[0].revents)
			reap(r);
		/* Also after the end: what it wrote last is in the pipe. */
		for (int i = 0; i < 2; i++)
			if (r->streams[i].fd >= 0 && (fds[1 + i].revents || fds[0].revents))
				stream_read(&r->streams[i]);
	}
}

/* It leads a process group of its own. The number of the group is still ours: its leader isn't reaped. */
static void kill_all(struct run *r)
{
	struct pollfd fd = { .fd = r->pidfd, .events = POLLIN };

	if (r->exited || syscall(SYS_pidfd_send_signal, r->pidfd, SIGKILL, NULL, 0))
		return;
	kill(-r->pid, SIGKILL);
	if (poll(&fd, 1, KILL_WAIT_MS) > 0)
		reap(r);
}

static scp_status start_failure(const struct scp__proc_child *child, scp_error *err)
{
	static const char *const deeds[] = {
		[SCP__PROC_CWD] = "enter its folder",
		[SCP__PROC_HOOK] = "prepare the process",
		[SCP__PROC_FDS] = "arrange descriptors",
		[SCP__PROC_EXEC] = "run",
	};
	scp_status status = SCP_EINTERNAL;
	char text[80];

	if (child->stage == SCP__PROC_EXEC && child->error_number == ENOENT)
		status = SCP_ENOTFOUND;
	return scp__fail(err, status, "%s: %s: %s", child->path, deeds[child->stage],
	    strerror_r(child->error_number, text, sizeof(text)));
}

static scp_status finish(struct run *r, int *exit_status, scp_error *err)
{
	const char *program = r->options->argv[0];
	bool ended = r->exited;

	if (over(r)) {
		if (exit_status)
			*exit_status = r->exit_status;
		return SCP_OK;
	}
	kill_all(r);
	return scp__fail(
	    err, SCP_ETIMEDOUT, ended ? "%s ended, but its output is still held open" : "%s took too long", program);
}

static scp_status run(struct run *r, struct scp__proc_child *child, int *exit_status, scp_error *err)
{
	uint32_t timeout_ms = r->options->timeout_ms ? r->options->timeout_ms : DEFAULT_TIMEOUT_MS;

	r->deadline_us = scp__mono_us() + (int64_t)timeout_ms * 1000;
	r->pid = scp__proc_child_start(child, &r->pidfd);
	if (r->pid < 0)
		return scp__fail_errno(err, errno, "start %s", r->options->argv[0]);
	for (int i = 0; i < 2; i++)
		close_fd(&child->owned[i]);
	if (child->stage) {
		reap(r);
		return start_failure(child, err);
	}
	follow(r);
	return finish(r, exit_status, err);
}

static int open_streams(struct run *r, struct scp__proc_child *child)
{
	const scp__proc_options *o = r->options;

	child->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (child->null_fd < 0)
		return -1;
	child->fds[0] = o->stdin_fd >= 0 ? o->stdin_fd : child->null_fd;
	if (stream_open(&r->streams[0], o->stdout_fd, o->out, child->null_fd, &child->fds[1], &child->owned[0]))
		return -1;
	return stream_open(&r->streams[1], o->stderr_fd, o->errors, child->null_fd, &child->fds[2], &child->owned[1]);
}

static scp_status find_program(const char *name, struct scp__proc_child *child, scp_error *err)
{
	if (strchr(name, '/')) {
		if (strlen(name) >= sizeof(child->path))
			return scp__fail(err, SCP_EINVAL, "the path of a program is too long");
		memcpy(child->path, name, strlen(name) + 1);
		return SCP_OK;
	}
	if (!scp__proc_find(name, child->path, sizeof(child->path)))
		return scp__fail(err, SCP_ENOTFOUND, "no program \"%.64s\" in PATH, /usr/sbin or /sbin", name);
	return SCP_OK;
}

scp_status scp__proc_run(const scp__proc_options *options, int *exit_status, scp_error *err)
{
	struct run r = { .options = options, .streams = { { .fd = -1 }, { .fd = -1 } }, .pidfd = -1 };
	struct scp__proc_child *child;
	scp_status rc;

	if (options->keep_fd_count > SCP__PROC_KEEP_MAX)
		return scp__fail(
		    err, SCP_EINVAL, "%zu descriptors to keep; at most %d", options->keep_fd_count, SCP__PROC_KEEP_MAX);
	child = scp__proc_child_new(options);
	if (!child)
		return scp__nomem(err);
	rc = find_program(options->argv[0], child, err);
	if (!rc && open_streams(&r, child))
		rc = scp__fail_errno(err, errno, "%s: open its streams", options->argv[0]);
	if (!rc)
		rc = run(&r, child, exit_status, err);
	close_fd(&r.pidfd);
	close_fd(&r.streams[0].fd);
	close_fd(&r.streams[1].fd);
	scp__proc_child_free(child);
	return rc;
}
