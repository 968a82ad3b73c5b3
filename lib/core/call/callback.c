/* Call-backs to the host: by threads of their own, so that a host that blocks in one stops no record and no other
 * session; or queued until the host dispatches. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "err.h"
#include "plane.h"

enum { CALLBACK_THREADS = 2 };

struct waiting {
	struct waiting *next;
	scp__job_fn *fn;
	void *arg;
};

struct scp__callbacks {
	scp__pool *pool; /* NULL: by dispatch */
	int event_fd;
	pthread_mutex_t lock;
	struct waiting *first, **last;
};

scp_status scp__callbacks_new(scp__callbacks **out, scp_callbacks mode, scp_error *err)
{
	scp__callbacks *c = calloc(1, sizeof(*c));
	scp_status rc = SCP_OK;

	*out = NULL;
	if (!c)
		return scp__nomem(err);
	c->event_fd = -1;
	c->last = &c->first;
	pthread_mutex_init(&c->lock, NULL);
	if (mode == SCP_CALLBACKS_DISPATCH) {
		c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (c->event_fd < 0)
			rc = scp__fail_errno(err, errno, "eventfd");
	} else {
		rc = scp__pool_new(&c->pool, "scp-call", CALLBACK_THREADS, UINT32_MAX, err);
	}
	if (rc) {
		pthread_mutex_destroy(&c->lock);
		free(c);
		return rc;
	}
	*out = c;
	return SCP_OK;
}

static void ring(scp__callbacks *c)
{
	uint64_t one = 1;

	if (write(c->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

void scp__callbacks_post(scp__callbacks *c, scp__job_fn *fn, void *arg)
{
	struct waiting *w;

	/* Out of memory or closing: late is wrong, never is worse; the call-back runs here. */
	if (c->pool) {
		if (scp__pool_submit(c->pool, fn, arg))
			fn(arg);
		return;
	}
	w = malloc(sizeof(*w));
	if (!w) {
		fn(arg);
		return;
	}
	*w = (struct waiting){ NULL, fn, arg };
	pthread_mutex_lock(&c->lock);
	*c->last = w;
	c->last = &w->next;
	pthread_mutex_unlock(&c->lock);
	ring(c);
}

int scp__callbacks_fd(const scp__callbacks *c)
{
	return c->event_fd;
}

size_t scp__callbacks_dispatch(scp__callbacks *c)
{
	struct waiting *w, *next;
	uint64_t count;
	size_t ran = 0;

	if (c->pool)
		return 0;
	if (read(c->event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return 0;
	pthread_mutex_lock(&c->lock);
	w = c->first;
	c->first = NULL;
	c->last = &c->first;
	pthread_mutex_unlock(&c->lock);
	for (; w; w = next, ran++) {
		next = w->next;
		w->fn(w->arg);
		free(w);
	}
	return ran;
}

void scp__callbacks_free(scp__callbacks *c)
{
	if (!c)
		return;
	scp__pool_free(c->pool);
	c->pool = NULL;
	if (c->event_fd >= 0) {
		while (scp__callbacks_dispatch(c))
			;
		close(c->event_fd);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}
