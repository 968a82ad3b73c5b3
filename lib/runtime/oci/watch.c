/*
 * Which containers ended: their pidfds in one epoll. An entry that was given out stays, without its descriptor, until
 * the container is removed, so that each end is given once.
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "map.h"

#define WAKE_ID 0
#define MEMORY_BIT (1ull << 63) /* of an id: the event is memory's */
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct entry {
	struct entry *next; /* in `ended` */
	uint64_t id;
	int pidfd;
	int memory; /* its cgroup's memory.events; -1: can be read later too */
	bool oom_killed;
	char name[SCP__OCI_NAME_MAX + 1];
};

struct scp__oci_watch {
	pthread_mutex_t mutex; /* never held while waiting */
	int epoll;
	int wake;
	uint64_t last_id;
	bool interrupted;
	scp__map *by_name;
	struct entry *ended; /* those that had ended before they were watched */
};

/* What a walk over the map looks for. */
struct search {
	uint64_t id;
	struct entry *found;
};

static void wake(scp__oci_watch *w)
{
	uint64_t one = 1;

	(void)!write(w->wake, &one, sizeof(one));
}

static int add_to_epoll(scp__oci_watch *w, int fd, uint64_t id)
{
	struct epoll_event event = { .events = id & MEMORY_BIT ? EPOLLPRI : EPOLLIN, .data.u64 = id };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event);
}

scp_status scp__oci_watch_new(scp__oci_watch **out, scp_error *err)
{
	scp__oci_watch *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return scp__nomem(err);
	pthread_mutex_init(&w->mutex, NULL);
	w->by_name = scp__map_new();
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!w->by_name || w->epoll < 0 || w->wake < 0 || add_to_epoll(w, w->wake, WAKE_ID)) {
		scp__oci_watch_free(w);
		return scp__fail_errno(err, errno, "watch containers");
	}
	*out = w;
	return SCP_OK;
}

static void entry_free(void *user, const char *name, void *value)
{
	struct entry *e = value;

	(void)user;
	(void)name;
	if (e->pidfd >= 0)
		close(e->pidfd);
	if (e->memory >= 0)
		close(e->memory);
	free(e);
}

void scp__oci_watch_free(scp__oci_watch *w)
{
	if (!w)
		return;
	if (w->by_name)
		scp__map_each(w->by_name, entry_free, NULL);
	scp__map_free(w->by_name);
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->wake >= 0)
		close(w->wake);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

static scp_status add_locked(scp__oci_watch *w, struct entry *e, scp_error *err)
{
	e->id = ++w->last_id;
	if (!scp__map_put(w->by_name, e->name, e))
		return scp__nomem(err);
	if (e->pidfd < 0) {
		e->next = w->ended;
		w->ended = e;
		wake(w);
		return SCP_OK;
	}
	if (!add_to_epoll(w, e->pidfd, e->id))
		return SCP_OK;
	scp__map_remove(w->by_name, e->name);
	return scp__fail_errno(err, errno, "watch container %s", e->name);
}

scp_status scp__oci_watch_add(scp__oci_watch *w, const char *name, int pidfd, scp_error *err)
{
	struct entry *e = calloc(1, sizeof(*e));
	scp_status rc = SCP_OK;

	if (!e) {
		if (pidfd >= 0)
			close(pidfd);
		return scp__nomem(err);
	}
	e->pidfd = pidfd;
	e->memory = -1;
	memcpy(e->name, name, strnlen(name, SCP__OCI_NAME_MAX));
	pthread_mutex_lock(&w->mutex);
	if (!scp__map_get(w->by_name, name)) {
		rc = add_locked(w, e, err);
		if (!rc)
			e = NULL;
	}
	pthread_mutex_unlock(&w->mutex);
	if (e)
		entry_free(NULL, NULL, e);
	return rc;
}

void scp__oci_watch_memory(scp__oci_watch *w, const char *name, int fd)
{
	struct entry *e;

	if (fd < 0)
		return;
	pthread_mutex_lock(&w->mutex);
	e = scp__map_get(w->by_name, name);
	if (e && e->memory < 0 && !add_to_epoll(w, fd, e->id | MEMORY_BIT)) {
		e->memory = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&w->mutex);
	if (fd >= 0)
		close(fd);
}

/* Once it can't be read any more the cgroup is gone. */
static void look_at_memory(scp__oci_watch *w, struct entry *e)
{
	char text[256];
	ssize_t n = e->memory < 0 ? 0 : pread(e->memory, text, sizeof(text) - 1, 0);
	const char *at;

	if (n > 0) {
		text[n] = '\0';
		at = strstr(text, "oom_kill ");
		e->oom_killed |= at && strtoull(at + 9, NULL, 10) > 0;
	} else if (e->memory >= 0) {
		(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, e->memory, NULL);
		close(e->memory);
		e->memory = -1;
	}
}

bool scp__oci_watch_oom_killed(scp__oci_watch *w, const char *name)
{
	struct entry *e;
	bool killed = false;

	pthread_mutex_lock(&w->mutex);
	e = scp__map_get(w->by_name, name);
	if (e) {
		look_at_memory(w, e);
		killed = e->oom_killed;
	}
	pthread_mutex_unlock(&w->mutex);
	return killed;
}

static void unlink_ended(scp__oci_watch *w, const struct entry *e)
{
	for (struct entry **at = &w->ended; *at; at = &(*at)->next)
		if (*at == e) {
			*at = e->next;
			return;
		}
}

void scp__oci_watch_remove(scp__oci_watch *w, const char *name)
{
	struct entry *e;

	pthread_mutex_lock(&w->mutex);
	e = scp__map_remove(w->by_name, name);
	if (e)
		unlink_ended(w, e);
	pthread_mutex_unlock(&w->mutex);
	if (e)
		entry_free(NULL, NULL, e);
}

static void match(void *user, const char *name, void *value)
{
	struct search *s = user;
	struct entry *e = value;

	(void)name;
	if (e->id == (s->id & ~MEMORY_BIT))
		s->found = e;
}

/* Its descriptor leaves the epoll and becomes the caller's. */
static bool take_by_id(scp__oci_watch *w, uint64_t id, char *name, int *pidfd)
{
	struct search s = { .id = id };

	scp__map_each(w->by_name, match, &s);
	if (s.found && id & MEMORY_BIT)
		look_at_memory(w, s.found);
	if (!s.found || id & MEMORY_BIT || s.found->pidfd < 0)
		return false;
	(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, s.found->pidfd, NULL);
	*pidfd = s.found->pidfd;
	s.found->pidfd = -1;
	memcpy(name, s.found->name, sizeof(s.found->name));
	return true;
}

static bool take_ended(scp__oci_watch *w, char *name, int *pidfd)
{
	struct entry *e = w->ended;

	if (!e)
		return false;
	w->ended = e->next;
	e->next = NULL;
	*pidfd = -1;
	memcpy(name, e->name, sizeof(e->name));
	return true;
}

/* One look without waiting. SCP_EAGAIN: nothing yet. */
static scp_status take(scp__oci_watch *w, uint64_t id, char *name, int *pidfd, scp_error *err)
{
	scp_status rc = SCP_EAGAIN;
	uint64_t count;

	pthread_mutex_lock(&w->mutex);
	if (w->interrupted)
		rc = scp__fail(err, SCP_ECLOSED, "the runtime is closing");
	else if (take_ended(w, name, pidfd) || (id != WAKE_ID && take_by_id(w, id, name, pidfd)))
		rc = SCP_OK;
	else if (id == WAKE_ID)
		(void)!read(w->wake, &count, sizeof(count));
	pthread_mutex_unlock(&w->mutex);
	return rc;
}

static int left_ms(int64_t deadline_us)
{
	int64_t left = (deadline_us - scp__mono_us() + 999) / 1000;

	return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
}

scp_status scp__oci_watch_next(
    scp__oci_watch *w, char name[SCP__OCI_NAME_MAX + 1], int *pidfd, uint32_t timeout_ms, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + (int64_t)timeout_ms * 1000;
	struct epoll_event event;
	scp_status rc;
	int n;

	do {
		n = epoll_wait(w->epoll, &event, 1, left_ms(deadline_us));
		if (n < 0 && errno != EINTR)
			return scp__fail_errno(err, errno, "wait for containers");
		rc = take(w, n > 0 ? event.data.u64 : WAKE_ID, name, pidfd, err);
	} while (rc == SCP_EAGAIN && (n > 0 || left_ms(deadline_us)));
	if (rc == SCP_EAGAIN)
		return scp__fail(err, SCP_ETIMEDOUT, "no container ended");
	return rc;
}

int scp__oci_watch_pidfd(scp__oci_watch *w, const char *name)
{
	const struct entry *e;
	int fd = -1;

	pthread_mutex_lock(&w->mutex);
	e = scp__map_get(w->by_name, name);
	if (e && e->pidfd >= 0)
		fd = fcntl(e->pidfd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&w->mutex);
	return fd;
}

void scp__oci_watch_interrupt(scp__oci_watch *w)
{
	pthread_mutex_lock(&w->mutex);
	w->interrupted = true;
	pthread_mutex_unlock(&w->mutex);
	wake(w);
}

/* PIDFD_GET_INFO; this machine's headers may be older than its kernel. */
struct exit_info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define EXIT_INFO (1u << 3)

#define REAP_LIMIT_MS 200

int scp__oci_pidfd_reap(int pidfd)
{
	siginfo_t info = { 0 };

	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) || !info.si_pid)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int scp__oci_pidfd_exit_code(int pidfd)
{
	struct exit_info info = { .mask = EXIT_INFO };
	struct pollfd reaped = { .fd = pidfd }; /* POLLHUP: the kernel tells once it was reaped */
	int code = pidfd < 0 ? -1 : scp__oci_pidfd_reap(pidfd);

	if (pidfd < 0 || code >= 0)
		return code;
	(void)poll(&reaped, 1, REAP_LIMIT_MS);
	if (ioctl(pidfd, _IOWR(0xff, 11, struct exit_info), &info) || !(info.mask & EXIT_INFO))
		return -1;
	return WIFSIGNALED(info.exit_code) ? 128 + WTERMSIG(info.exit_code) : WEXITSTATUS(info.exit_code);
}

bool scp__oci_pidfd_wait(int pidfd, uint32_t timeout_ms)
{
	int64_t deadline_us = scp__mono_us() + (int64_t)timeout_ms * 1000;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, left_ms(deadline_us));
	while (n < 0 && errno == EINTR);
	return n > 0;
}
