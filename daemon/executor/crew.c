#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/supervisor.h"
#include "supervisor/tree.h"

#define IDLE_KEPT 2u
#define SPARE_AFTER_US 2000
#define SWEEP_EVERY_US 20000
#define SHARE_KEPT_BYTES (64u << 10) /* the pages of a larger job go back at its end */

static void after(struct event *timer, long usec)
{
	struct timeval tv = { .tv_usec = usec };

	(void)event_add(timer, &tv);
}

static void hand_free(struct hand *hand)
{
	struct crew *crew = hand->crew;

	TAILQ_REMOVE(&crew->hands, hand, next);
	crew->count--;
	if (!hand->busy)
		crew->idle_count--;
	if (hand->readable)
		event_free(hand->readable);
	close(hand->channel); /* the supervisor ends, if it hasn't */
	(void)munmap(hand->share, sizeof(*hand->share));
	free(hand);
}

static void lose(struct hand *hand)
{
	struct crew *crew = hand->crew;
	void *job = hand->job;
	bool was_busy = hand->busy;

	crew_kill(hand);
	hand_free(hand);
	if (was_busy && !crew->closing)
		after(crew->sweep, 0);
	if (job)
		crew->calls.lost(job);
	if (!crew->closing)
		crew->calls.idle(crew->user);
}

static void become_idle(struct hand *hand)
{
	struct crew *crew = hand->crew;

	if (crew->idle_count >= IDLE_KEPT) {
		hand_free(hand);
	} else {
		hand->busy = false;
		crew->idle_count++;
		if (hand->heavy)
			(void)madvise(hand->share, sizeof(*hand->share), MADV_REMOVE);
		hand->heavy = false;
	}
	crew->calls.idle(crew->user);
}

static void take_report(struct hand *hand, const struct report *report)
{
	void *job = hand->job;

	if (report->kind == REPORT_IDLE) {
		become_idle(hand);
		return;
	}
	if (report->kind == REPORT_ENDED) {
		hand->job = NULL;
		hand->heavy |= report->artifact_bytes > SHARE_KEPT_BYTES;
	}
	if (job)
		hand->crew->calls.report(job, report);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct hand *hand = arg;
	struct report report;
	ssize_t n;

	(void)what;
	for (;;) {
		n = recv(fd, &report, sizeof(report), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != sizeof(report)) {
			lose(hand);
			return;
		}
		take_report(hand, &report);
		if (report.kind == REPORT_IDLE)
			return; /* the hand may be gone */
	}
}

/*
 * As first process we get everybody's children. That a supervisor is over its channel tells; here only its pid goes,
 * which may be somebody else's from now on.
 */
static void reap(struct crew *crew)
{
	struct hand *hand;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		TAILQ_FOREACH(hand, &crew->hands, next)
		if (hand->pid == pid)
			hand->pid = 0;
	}
}

/* Ours are the supervisors; who else is our child was left to us by one that died. */
static bool is_hand(const struct crew *crew, pid_t pid)
{
	const struct hand *hand;

	TAILQ_FOREACH(hand, &crew->hands, next)
	if (hand->pid == pid)
		return true;
	return false;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	static struct tree_process list[TREE_MAX];
	struct crew *crew = arg;
	size_t count = tree_children(list, TREE_MAX);
	size_t strangers = 0;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < count; i++) {
		if (!is_hand(crew, list[i].pid)) {
			strangers++;
			(void)kill(list[i].pid, SIGKILL);
		}
	}
	reap(crew);
	if (strangers)
		after(crew->sweep, SWEEP_EVERY_US);
}

static void on_child(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	reap(arg);
}

static struct share *share_new(void)
{
	void *share =
	    mmap(NULL, sizeof(struct share), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return share == MAP_FAILED ? NULL : share;
}

/* The child keeps its own channel and share, and nothing else of ours that matters: see supervisor.c. */
static pid_t fork_supervisor(struct crew *crew, struct hand *hand, int theirs)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		supervisor_run(crew->settings, theirs, hand->share);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int hand_connect(struct crew *crew, struct hand *hand)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	hand->channel = pair[0];
	hand->pid = fork_supervisor(crew, hand, pair[1]);
	close(pair[1]);
	if (hand->pid < 0) {
		close(pair[0]);
		return -1;
	}
	return 0;
}

static struct hand *hand_new(struct crew *crew)
{
	struct hand *hand = calloc(1, sizeof(*hand));

	if (!hand)
		return NULL;
	hand->crew = crew;
	hand->share = share_new();
	if (!hand->share || hand_connect(crew, hand)) {
		if (hand->share)
			(void)munmap(hand->share, sizeof(*hand->share));
		free(hand);
		return NULL;
	}
	(void)madvise(hand->share, sizeof(*hand->share), MADV_DONTFORK);
	TAILQ_INSERT_HEAD(&crew->hands, hand, next);
	crew->count++;
	crew->idle_count++;
	hand->readable = event_new(crew->base, hand->channel, EV_READ | EV_PERSIST, on_readable, hand);
	if (!hand->readable || event_add(hand->readable, NULL)) {
		hand_free(hand);
		return NULL;
	}
	return hand;
}

static void on_spare(evutil_socket_t fd, short what, void *arg)
{
	struct crew *crew = arg;

	(void)fd;
	(void)what;
	if (!crew->idle_count && crew->count < crew->max)
		(void)hand_new(crew);
}

int crew_init(struct crew *crew, struct event_base *base, const struct settings *settings, unsigned max,
    const struct crew_calls *calls, void *user)
{
	*crew = (struct crew){ .base = base, .settings = settings, .calls = *calls, .user = user, .max = max };
	TAILQ_INIT(&crew->hands);
	crew->spare = evtimer_new(base, on_spare, crew);
	crew->sweep = evtimer_new(base, on_sweep, crew);
	crew->child = evsignal_new(base, SIGCHLD, on_child, crew);
	if (!crew->spare || !crew->sweep || !crew->child || event_add(crew->child, NULL) || !hand_new(crew)) {
		crew_fini(crew);
		return -1;
	}
	return 0;
}

void crew_fini(struct crew *crew)
{
	struct hand *hand;

	crew->closing = true;
	while ((hand = TAILQ_FIRST(&crew->hands))) {
		pid_t pid = hand->pid;

		hand_free(hand);
		/* It ends its job first, then itself. */
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (crew->spare)
		event_free(crew->spare);
	if (crew->sweep)
		event_free(crew->sweep);
	if (crew->child)
		event_free(crew->child);
}

struct hand *crew_take(struct crew *crew)
{
	struct hand *hand;

	TAILQ_FOREACH(hand, &crew->hands, next)
	if (!hand->busy)
		break;
	if (!hand && crew->count < crew->max)
		hand = hand_new(crew);
	if (!hand)
		return NULL;
	hand->busy = true;
	crew->idle_count--;
	if (!crew->idle_count && crew->count < crew->max)
		after(crew->spare, SPARE_AFTER_US);
	return hand;
}

void crew_give_back(struct hand *hand)
{
	hand->busy = false;
	hand->job = NULL;
	hand->crew->idle_count++;
}

static ssize_t send_job(struct hand *hand, const int fds[JOB_FD_COUNT])
{
	enum command command = COMMAND_JOB;
	union {
		char bytes[CMSG_SPACE(sizeof(int) * JOB_FD_COUNT)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = &command, .iov_len = sizeof(command) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * JOB_FD_COUNT);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * JOB_FD_COUNT);
	return sendmsg(hand->channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int crew_start(struct hand *hand, void *job, bool large, const int fds[JOB_FD_COUNT])
{
	if (send_job(hand, fds) < 0) {
		lose(hand);
		return -1;
	}
	hand->job = job;
	hand->heavy = large;
	return 0;
}

void crew_command(struct hand *hand, enum command command)
{
	/* A supervisor that doesn't hear is one whose end is about to be noticed. */
	(void)send(hand->channel, &command, sizeof(command), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void crew_kill(struct hand *hand)
{
	if (hand->pid > 0)
		(void)kill(hand->pid, SIGKILL);
}
