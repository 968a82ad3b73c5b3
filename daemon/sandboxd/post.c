#include "post.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#define ROUND 256

TAILQ_HEAD(post_list, post);

struct postbox {
	pthread_mutex_t lock;
	struct post_list list;
	struct event *event;
	int fd;
};

static post *take(postbox *box)
{
	post *p;

	pthread_mutex_lock(&box->lock);
	p = TAILQ_FIRST(&box->list);
	if (p) {
		TAILQ_REMOVE(&box->list, p, next);
		p->queued = false;
	}
	pthread_mutex_unlock(&box->lock);
	return p;
}

void postbox_run_all(postbox *box)
{
	for (post *p; (p = take(box));)
		p->fn(p);
}

static bool is_empty(postbox *box)
{
	bool empty;

	pthread_mutex_lock(&box->lock);
	empty = TAILQ_EMPTY(&box->list);
	pthread_mutex_unlock(&box->lock);
	return empty;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	postbox *box = arg;
	uint64_t n;
	post *p;

	(void)what;
	/* first the counter: whoever finds the queue empty from here on writes it again. Nothing in it is fine too. */
	while (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		;
	/* bounded: sockets have their turn between two rounds */
	for (int i = 0; i < ROUND && (p = take(box)); i++)
		p->fn(p);
	if (!is_empty(box))
		event_active(box->event, EV_READ, 0);
}

postbox *postbox_new(struct event_base *base)
{
	postbox *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	pthread_mutex_init(&box->lock, NULL);
	TAILQ_INIT(&box->list);
	box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->fd >= 0)
		box->event = event_new(base, box->fd, EV_READ | EV_PERSIST, on_readable, box);
	if (!box->event || event_add(box->event, NULL)) {
		postbox_free(box);
		return NULL;
	}
	return box;
}

void postbox_put(postbox *box, post *p)
{
	uint64_t one = 1;
	bool first = false;

	pthread_mutex_lock(&box->lock);
	if (!p->queued) {
		first = TAILQ_EMPTY(&box->list);
		p->queued = true;
		TAILQ_INSERT_TAIL(&box->list, p, next);
	}
	pthread_mutex_unlock(&box->lock);
	/* can't fail: the counter is far from its end */
	if (first && write(box->fd, &one, sizeof(one)) < 0)
		return;
}

void postbox_remove(postbox *box, post *p)
{
	pthread_mutex_lock(&box->lock);
	if (p->queued)
		TAILQ_REMOVE(&box->list, p, next);
	p->queued = false;
	pthread_mutex_unlock(&box->lock);
}

void postbox_free(postbox *box)
{
	if (!box)
		return;
	if (box->event)
		event_free(box->event);
	if (box->fd >= 0)
		(void)close(box->fd);
	pthread_mutex_destroy(&box->lock);
	free(box);
}
