#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "files.h"
#include "sample.h"
#include "spawn.h"
#include "tree.h"

/* Where the channel and what else a supervisor holds have their places, so that a job's descriptors lie above. */
enum { FD_CHANNEL = 3, FD_SIGNAL, FD_IO, FD_FIRST_FREE };

#define SAMPLE_FIRST_MS 20
#define SAMPLE_LAST_MS 1000
#define KILL_FIRST_MS 1
#define KILL_LAST_MS 50
#define GIVE_UP_US 5000000 /* then the result goes out although something still dies */

struct supervisor {
	const struct settings *settings;
	struct share *share;
	struct sample_io io_before;
	pid_t main; /* 0: over */
	bool killing;
	bool any_left;		 /* children of ours */
	bool reported;		 /* the job's end has been told */
	int wait_ms;		 /* until the next sample, or the next attempt to kill */
	struct timespec started; /* by the clock of ctimes */
	struct report report;
};

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &standard, NULL);
}

/* Place `fd` at `place`, closed on exec. */
static void place(int fd, int at)
{
	if (fd == at)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	else if (dup3(fd, at, O_CLOEXEC) < 0)
		_exit(1);
}

static void set_up(const struct settings *settings, int channel)
{
	sigset_t all, child;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	reset_signals();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	place(channel, FD_CHANNEL);
	(void)syscall(SYS_close_range, FD_CHANNEL + 1, ~0u, 0);
	if (signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK) != FD_SIGNAL)
		_exit(1);
	if (open("/proc/self/io", O_RDONLY | O_CLOEXEC) != FD_IO)
		place(FD_SIGNAL, FD_IO); /* not to be had: only its place is taken, and reads of it fail */
	if (limits_enter_supervisor(settings))
		_exit(1);
}

static void tell(struct supervisor *s, enum report_kind kind)
{
	s->report.kind = kind;
	while (send(FD_CHANNEL, &s->report, sizeof(s->report), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* Nothing of an execution outlives its executor. */
static _Noreturn void end_with_executor(void)
{
	while (waitpid(-1, NULL, WNOHANG) >= 0 || errno == EINTR) {
		tree_kill();
		(void)poll(NULL, 0, KILL_FIRST_MS);
	}
	_exit(0);
}

/* The next command; with a job come its descriptors. 0: none (only if not asked to wait). */
static enum command hear(int fds[JOB_FD_COUNT], int flags)
{
	enum command command = (enum command)0;
	union {
		char bytes[CMSG_SPACE(sizeof(int) * JOB_FD_COUNT)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = &command, .iov_len = sizeof(command) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *cmsg;
	ssize_t n;

	do
		n = recvmsg(FD_CHANNEL, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return (enum command)0;
	if (n != sizeof(command))
		end_with_executor();
	cmsg = CMSG_FIRSTHDR(&msg);
	if (fds && cmsg && cmsg->cmsg_len == CMSG_LEN(sizeof(int) * JOB_FD_COUNT))
		memcpy(fds, CMSG_DATA(cmsg), sizeof(int) * JOB_FD_COUNT);
	return command;
}

static int64_t coarse_ns(struct timespec *now)
{
	(void)clock_gettime(CLOCK_REALTIME_COARSE, now);
	return (int64_t)now->tv_sec * 1000000000 + now->tv_nsec;
}

/*
 * File times move in ticks of some milliseconds: where one is of the present tick, start in the next, or it would look
 * as if this job had changed it. A large workspace isn't looked through: one tick is less than that takes.
 */
static void await_tick(struct supervisor *s)
{
	int64_t before = coarse_ns(&s->started);
	int64_t newest;

	if (!files_newest(s->settings->workspace, &newest))
		newest = before;
	for (unsigned i = 0; i < 20 && newest >= before && coarse_ns(&s->started) <= newest; i++)
		(void)poll(NULL, 0, 1);
}

static void account(struct supervisor *s, const struct rusage *u)
{
	uint64_t peak = (uint64_t)u->ru_maxrss * 1024;

	s->report.cpu_us += (uint64_t)u->ru_utime.tv_sec * 1000000 + (uint64_t)u->ru_utime.tv_usec;
	s->report.cpu_us += (uint64_t)u->ru_stime.tv_sec * 1000000 + (uint64_t)u->ru_stime.tv_usec;
	if (peak > s->report.peak_bytes)
		s->report.peak_bytes = peak;
}

static void main_ended(struct supervisor *s, int status)
{
	s->main = 0;
	s->report.wait_status = status;
	s->report.ended_us = scp__mono_us();
	s->killing = true;
	s->wait_ms = KILL_FIRST_MS;
}

/* Before its pid, which is its group's, is free for others: end the whole group at once. */
static void kill_group_of_the_dead(const struct supervisor *s)
{
	siginfo_t info = { 0 };

	if (s->main && !waitid(P_PID, (id_t)s->main, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == s->main)
		(void)kill(-s->main, SIGKILL);
}

static void reap(struct supervisor *s)
{
	struct rusage usage;
	int status = 0;
	pid_t pid;

	kill_group_of_the_dead(s);
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0 || (pid < 0 && errno == EINTR)) {
		if (pid < 0)
			continue;
		account(s, &usage);
		if (pid == s->main)
			main_ended(s, status);
	}
	s->any_left = pid == 0;
}

static void kill_all(struct supervisor *s)
{
	if (s->main)
		(void)kill(-s->main, SIGKILL);
	tree_kill();
}

static void obey(struct supervisor *s)
{
	enum command command = hear(NULL, MSG_DONTWAIT);

	if (!command || !s->main)
		return;
	s->report.cause = command;
	if (command == COMMAND_TERM) {
		(void)kill(-s->main, SIGTERM);
		(void)tree_signal(SIGTERM);
		return;
	}
	s->killing = true;
	s->wait_ms = KILL_FIRST_MS;
	kill_all(s);
}

static void sample(struct supervisor *s)
{
	int64_t before = scp__mono_us();
	uint64_t bytes = sample_tree_bytes();
	int64_t cost_ms = (scp__mono_us() - before) / 1000;

	if (bytes > s->report.peak_bytes)
		s->report.peak_bytes = bytes;
	s->wait_ms += s->wait_ms / 2;
	if (s->wait_ms > SAMPLE_LAST_MS)
		s->wait_ms = SAMPLE_LAST_MS;
	if (s->wait_ms < 20 * cost_ms)
		s->wait_ms = (int)(20 * cost_ms);
}

static void on_time(struct supervisor *s)
{
	if (!s->killing) {
		sample(s);
		return;
	}
	kill_all(s);
	s->wait_ms = s->wait_ms * 2 > KILL_LAST_MS ? KILL_LAST_MS : s->wait_ms * 2;
}

static void list_artifacts(struct supervisor *s)
{
	struct files_found found = { .out = s->share->artifacts, .out_size = sizeof(s->share->artifacts) };

	files_list_changed(s->settings->workspace, s->started, &found);
	s->report.artifact_bytes = found.len;
}

static void tell_end(struct supervisor *s)
{
	struct sample_io io = sample_io_read(FD_IO);

	s->report.io_read_bytes = io.read_bytes - s->io_before.read_bytes;
	s->report.io_write_bytes = io.write_bytes - s->io_before.write_bytes;
	s->report.survivors = s->any_left;
	list_artifacts(s);
	tell(s, REPORT_ENDED);
	s->reported = true;
}

static void drain_signals(void)
{
	struct signalfd_siginfo info;

	while (read(FD_SIGNAL, &info, sizeof(info)) > 0)
		;
}

/* Until nothing is left of the job: its result goes out once it is over, or once ending the rest takes too long. */
static void watch(struct supervisor *s)
{
	struct pollfd polled[] = { { .fd = FD_SIGNAL, .events = POLLIN }, { .fd = FD_CHANNEL, .events = POLLIN } };

	while (s->main || s->any_left) {
		int n = poll(polled, 2, s->wait_ms);

		if (n > 0 && polled[0].revents)
			drain_signals();
		if (n > 0 && polled[1].revents)
			obey(s);
		reap(s);
		if (s->any_left && (n == 0 || (s->killing && !s->main)))
			on_time(s);
		if (!s->main && s->any_left && !s->reported && scp__mono_us() - s->report.ended_us > GIVE_UP_US)
			tell_end(s);
	}
}

static void start(struct supervisor *s, const int fds[JOB_FD_COUNT])
{
	struct spawn_failure failure;

	await_tick(s);
	s->report.started_us = scp__mono_us();
	s->main = spawn_job(s->settings, &s->share->job, fds, &failure);
	for (unsigned i = 0; i < JOB_FD_COUNT; i++)
		close(fds[i]);
	if (s->main > 0) {
		s->any_left = true;
		tell(s, REPORT_STARTED);
		return;
	}
	s->main = 0;
	s->report.failed_step = failure.step;
	s->report.failed_errno = failure.error;
	s->report.ended_us = scp__mono_us();
}

static void serve(struct supervisor *s, const int fds[JOB_FD_COUNT])
{
	s->report = (struct report){ 0 };
	s->reported = s->killing = s->any_left = false;
	s->wait_ms = SAMPLE_FIRST_MS;
	start(s, fds);
	watch(s);
	if (!s->reported)
		tell_end(s);
	tell(s, REPORT_IDLE);
	s->io_before = sample_io_read(FD_IO);
}

_Noreturn void supervisor_run(const struct settings *settings, int channel, struct share *share)
{
	struct supervisor s = { .settings = settings, .share = share };
	int fds[JOB_FD_COUNT];

	set_up(settings, channel);
	s.io_before = sample_io_read(FD_IO);
	for (;;) {
		for (unsigned i = 0; i < JOB_FD_COUNT; i++)
			fds[i] = -1;
		if (hear(fds, 0) == COMMAND_JOB)
			serve(&s, fds);
	}
}
