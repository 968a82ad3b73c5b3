/* Idle connections, a few a container: a run then costs no connect and no accept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "link_internal.h"

struct kept {
	struct kept *next; /* of those that a sweep found empty */
	size_t count;
	struct {
		int fd;
		int64_t since_us;
	} at[LINK_KEEP];
	char container[LINK_CONTAINER_SIZE];
};

/* The executor says nothing unasked: anything to read is its end, or an error. */
static bool alive(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static int pop(scp__link *link, const char *container)
{
	struct kept *k;
	int fd = -1;

	pthread_mutex_lock(&link->lock);
	k = scp__map_get(link->kept, container);
	if (k && k->count)
		fd = k->at[--k->count].fd;
	pthread_mutex_unlock(&link->lock);
	return fd;
}

int link_keep_take(scp__link *link, const char *container)
{
	int fd;

	while ((fd = pop(link, container)) >= 0) {
		if (alive(fd))
			return fd;
		close(fd);
	}
	return -1;
}

/* The container's place; made if need be. NULL: no memory. With the lock held. */
static struct kept *place(scp__link *link, const char *container)
{
	struct kept *k = scp__map_get(link->kept, container);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	strncpy(k->container, container, sizeof(k->container) - 1);
	if (scp__map_put(link->kept, container, k))
		return k;
	free(k);
	return NULL;
}

void link_keep_put(scp__link *link, const char *container, int fd)
{
	struct kept *k = NULL;
	bool kept = false;

	pthread_mutex_lock(&link->lock);
	if (!link->closing)
		k = place(link, container);
	if (k && k->count < LINK_KEEP) {
		k->at[k->count].fd = fd;
		k->at[k->count].since_us = scp__mono_us();
		k->count++;
		kept = true;
	}
	pthread_mutex_unlock(&link->lock);
	if (!kept)
		close(fd);
}

struct sweep {
	int64_t older_than_us;
	struct kept *empty;
	size_t count;
	int fds[256];
};

/* The oldest stand in front: the last one put is the first one taken. */
static void sweep_one(void *user, const char *container, void *value)
{
	struct sweep *w = user;
	struct kept *k = value;
	size_t old = 0;

	(void)container;
	while (
	    old < k->count && k->at[old].since_us <= w->older_than_us && w->count < sizeof(w->fds) / sizeof(w->fds[0]))
		w->fds[w->count++] = k->at[old++].fd;
	memmove(k->at, k->at + old, (k->count - old) * sizeof(k->at[0]));
	k->count -= old;
	if (!k->count) {
		k->next = w->empty;
		w->empty = k;
	}
}

static size_t sweep_some(scp__link *link, int64_t older_than_us)
{
	struct sweep w = { .older_than_us = older_than_us };

	pthread_mutex_lock(&link->lock);
	scp__map_each(link->kept, sweep_one, &w);
	for (struct kept *k = w.empty, *next; k; k = next) {
		next = k->next;
		(void)scp__map_remove(link->kept, k->container);
		free(k);
	}
	pthread_mutex_unlock(&link->lock);
	for (size_t i = 0; i < w.count; i++)
		close(w.fds[i]);
	return w.count;
}

void link_keep_sweep(scp__link *link, int64_t older_than_us)
{
	while (sweep_some(link, older_than_us))
		;
}

void scp__link_forget(scp__link *link, const char *container)
{
	struct kept *k;

	pthread_mutex_lock(&link->lock);
	k = scp__map_remove(link->kept, container);
	pthread_mutex_unlock(&link->lock);
	for (size_t i = 0; k && i < k->count; i++)
		close(k->at[i].fd);
	free(k);
}
