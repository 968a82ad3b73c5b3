#include "volume_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "pool.h"

#define NICE 10
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_BEST_EFFORT_LAST ((2 << 13) | 7)
#define BACKOFF_FIRST_S 1
#define BACKOFF_MAX_S 60

bool scp__stock_take(scp__volumes *v, uint64_t bytes, struct scp__disk *out)
{
	bool taken = false;

	pthread_mutex_lock(&v->lock);
	if (v->stock_count && bytes == v->stock_bytes) {
		*out = v->stock[--v->stock_count];
		taken = true;
		pthread_cond_signal(&v->changed);
	}
	pthread_mutex_unlock(&v->lock);
	return taken;
}

/* false: closing. */
static bool wait_for_room(scp__volumes *v)
{
	bool go_on;

	pthread_mutex_lock(&v->lock);
	while (!v->closing && v->stock_count >= v->stock_max)
		pthread_cond_wait(&v->changed, &v->lock);
	go_on = !v->closing;
	pthread_mutex_unlock(&v->lock);
	return go_on;
}

static void wait_after_failure(scp__volumes *v, unsigned seconds)
{
	struct timespec until = scp__mono_in(seconds * 1000);

	pthread_mutex_lock(&v->lock);
	while (!v->closing && pthread_cond_timedwait(&v->changed, &v->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&v->lock);
}

static void put(scp__volumes *v, struct scp__disk *disk)
{
	pthread_mutex_lock(&v->lock);
	if (!v->closing && v->stock_count < v->stock_max) {
		v->stock[v->stock_count++] = *disk;
		*disk = (struct scp__disk)SCP__DISK_INIT;
	}
	pthread_mutex_unlock(&v->lock);
	scp__disk_drop(v, disk);
}

static void *fill(void *arg)
{
	scp__volumes *v = arg;
	unsigned backoff = BACKOFF_FIRST_S;

	/* Whoever waits for an answer goes first. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, gettid(), IOPRIO_BEST_EFFORT_LAST);
	while (wait_for_room(v)) {
		struct scp__disk disk;
		scp_error err;

		if (!scp__disk_make(v, v->stock_bytes, &disk, &err)) {
			put(v, &disk);
			backoff = BACKOFF_FIRST_S;
			continue;
		}
		scp__log_write(&v->log, SCP_LOG_WARN, "disk", NULL, NULL, "no disk for the stock: %s", err.message);
		wait_after_failure(v, backoff);
		backoff = backoff * 2 < BACKOFF_MAX_S ? backoff * 2 : BACKOFF_MAX_S;
	}
	return NULL;
}

scp_status scp__stock_start(scp__volumes *v, scp_error *err)
{
	scp_status rc;

	if (!v->stock_max || !v->stock_bytes)
		return SCP_OK;
	v->stock = calloc(v->stock_max, sizeof(*v->stock));
	if (!v->stock)
		return scp__nomem(err);
	rc = scp__thread_start(&v->thread, "scp-disks", fill, v, err);
	v->started = !rc;
	return rc;
}

void scp__stock_stop(scp__volumes *v)
{
	pthread_mutex_lock(&v->lock);
	v->closing = true;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
	if (v->started)
		pthread_join(v->thread, NULL);
	while (v->stock_count)
		scp__disk_drop(v, &v->stock[--v->stock_count]);
	free(v->stock);
}
