#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "err.h"

#define DEFAULT_QUEUE_MAX 65536
#define MAX_THREADS 256

struct job {
	struct job *next; /* in the queue */
	scp__job_fn *fn;
	scp__job_fn *drop;
	void *arg;
	int64_t due_us;	   /* delayed ones only */
	uint64_t sequence; /* of two that are due at once the earlier submitted goes first */
};

struct scp__pool {
	pthread_mutex_t lock;
	pthread_cond_t wake; /* for whoever waits for work */
	pthread_cond_t tick; /* for the one who waits for the time of a delayed job; on the monotonic clock */
	unsigned idle;	     /* wait at `wake` */
	bool timed;	     /* somebody waits at `tick` */
	struct job *head, **tail;
	struct job **heap; /* delayed jobs, the one that is due first at 0 */
	size_t heap_len, heap_capacity;
	unsigned waiting; /* in the queue and in the heap */
	unsigned queue_max;
	uint64_t sequence;
	bool closing;
	unsigned thread_count;
	pthread_t threads[];
};

static bool before(const struct job *a, const struct job *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->sequence < b->sequence;
}

static void heap_up(struct job **heap, size_t i)
{
	struct job *job = heap[i];

	for (; i && before(job, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = job;
}

static void heap_down(struct job **heap, size_t len, size_t i)
{
	struct job *job = heap[i];
	size_t child;

	while ((child = 2 * i + 1) < len) {
		if (child + 1 < len && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], job))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = job;
}

static bool heap_push(scp__pool *pool, struct job *job)
{
	size_t capacity = pool->heap_capacity ? pool->heap_capacity * 2 : 16;
	struct job **heap;

	if (pool->heap_len == pool->heap_capacity) {
		heap = realloc(pool->heap, capacity * sizeof(*heap));
		if (!heap)
			return false;
		pool->heap = heap;
		pool->heap_capacity = capacity;
	}
	pool->heap[pool->heap_len] = job;
	heap_up(pool->heap, pool->heap_len++);
	return true;
}

static struct job *heap_pop(scp__pool *pool)
{
	struct job *job = pool->heap[0];

	pool->heap[0] = pool->heap[--pool->heap_len];
	if (pool->heap_len)
		heap_down(pool->heap, pool->heap_len, 0);
	return job;
}

static void queue_push(scp__pool *pool, struct job *job)
{
	job->next = NULL;
	*pool->tail = job;
	pool->tail = &job->next;
}

static struct job *queue_pop(scp__pool *pool)
{
	struct job *job = pool->head;

	pool->head = job->next;
	if (!pool->head)
		pool->tail = &pool->head;
	return job;
}

static void queue_what_is_due(scp__pool *pool)
{
	int64_t now = pool->heap_len ? scp__mono_us() : 0;

	while (pool->heap_len && pool->heap[0]->due_us <= now)
		queue_push(pool, heap_pop(pool));
}

static void wait_until(scp__pool *pool, int64_t due_us)
{
	struct timespec until = { .tv_sec = (time_t)(due_us / 1000000), .tv_nsec = (long)(due_us % 1000000) * 1000 };

	pool->timed = true;
	pthread_cond_timedwait(&pool->tick, &pool->lock, &until);
	pool->timed = false;
}

/* One looks after the time, so that the others needn't wake up for it. */
static void wait_for_work(scp__pool *pool)
{
	if (pool->heap_len && !pool->timed) {
		wait_until(pool, pool->heap[0]->due_us);
		return;
	}
	pool->idle++;
	pthread_cond_wait(&pool->wake, &pool->lock);
	pool->idle--;
}

/* One more is needed: rather not the one who looks after the time. */
static void call_one(scp__pool *pool)
{
	if (pool->idle)
		pthread_cond_signal(&pool->wake);
	else if (pool->timed)
		pthread_cond_signal(&pool->tick);
}

static void call_for_time(scp__pool *pool)
{
	if (pool->timed)
		pthread_cond_signal(&pool->tick);
	else
		call_one(pool);
}

/* The next job, or NULL once the pool closes and the queue is empty. */
static struct job *next_job(scp__pool *pool)
{
	struct job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		if (!pool->closing)
			queue_what_is_due(pool);
		if (pool->head || pool->closing)
			break;
		wait_for_work(pool);
	}
	if (pool->head) {
		job = queue_pop(pool);
		pool->waiting--;
		/* Several may have become due at once, and whoever waits for the next time must be another. */
		if (pool->head || (pool->heap_len && !pool->timed))
			call_one(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *worker(void *arg)
{
	scp__pool *pool = arg;
	struct job *job;

	while ((job = next_job(pool))) {
		job->fn(job->arg);
		free(job);
	}
	return NULL;
}

static scp_status enqueue(scp__pool *pool, struct job *job, bool delayed)
{
	if (pool->closing)
		return SCP_ECLOSED;
	if (pool->waiting >= pool->queue_max)
		return SCP_EBUSY;
	job->sequence = pool->sequence++;
	if (!delayed)
		queue_push(pool, job);
	else if (!heap_push(pool, job))
		return SCP_ENOMEM;
	pool->waiting++;
	if (!delayed)
		call_one(pool);
	else if (pool->heap[0] == job) /* due before what somebody may wait for */
		call_for_time(pool);
	return SCP_OK;
}

static scp_status submit(scp__pool *pool, const struct job *template, bool delayed)
{
	struct job *job = malloc(sizeof(*job));
	scp_status rc;

	if (!job)
		return SCP_ENOMEM;
	*job = *template;
	pthread_mutex_lock(&pool->lock);
	rc = enqueue(pool, job, delayed);
	pthread_mutex_unlock(&pool->lock);
	if (rc)
		free(job);
	return rc;
}

scp_status scp__pool_submit(scp__pool *pool, scp__job_fn *fn, void *arg)
{
	return submit(pool, &(struct job){ .fn = fn, .arg = arg }, false);
}

scp_status scp__pool_submit_after(scp__pool *pool, uint32_t delay_ms, scp__job_fn *fn, void *arg, scp__job_fn *drop)
{
	struct job job = { .fn = fn, .arg = arg, .drop = drop, .due_us = scp__mono_us() + (int64_t)delay_ms * 1000 };

	return submit(pool, &job, true);
}

/* Ends and joins the threads; what was queued has run, what was delayed is still in the heap. */
static void stop(scp__pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_cond_broadcast(&pool->tick);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
}

void scp__pool_free(scp__pool *pool)
{
	struct job *job;

	if (!pool)
		return;
	stop(pool);
	while (pool->heap_len) {
		job = heap_pop(pool);
		if (job->drop)
			job->drop(job->arg);
		free(job);
	}
	pthread_cond_destroy(&pool->wake);
	pthread_cond_destroy(&pool->tick);
	pthread_mutex_destroy(&pool->lock);
	free(pool->heap);
	free(pool);
}

static scp__pool *alloc_pool(unsigned threads)
{
	scp__pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));

	if (!pool)
		return NULL;
	pool->tail = &pool->head;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	scp__mono_cond_init(&pool->tick);
	return pool;
}

scp_status scp__pool_new(scp__pool **out, const char *name, unsigned threads, unsigned queue_max, scp_error *err)
{
	scp__pool *pool;
	char label[16];
	scp_status rc;

	*out = NULL;
	if (!threads || threads > MAX_THREADS)
		return scp__fail(err, SCP_EINVAL, "a pool of %u threads; 1 to %d are allowed", threads, MAX_THREADS);
	pool = alloc_pool(threads);
	if (!pool)
		return scp__nomem(err);
	pool->queue_max = queue_max ? queue_max : DEFAULT_QUEUE_MAX;
	for (unsigned i = 0; i < threads; i++) {
		snprintf(label, sizeof(label), "%.12s%u", name, i);
		rc = scp__thread_start(&pool->threads[i], label, worker, pool, err);
		if (rc) {
			scp__pool_free(pool);
			return rc;
		}
		pool->thread_count++;
	}
	*out = pool;
	return SCP_OK;
}

scp_status scp__thread_start(void *pthread_t_out, const char *name, void *(*fn)(void *), void *arg, scp_error *err)
{
	pthread_t *thread = pthread_t_out;
	sigset_t all, old;
	char label[16];
	int rc;

	/* The new thread inherits the mask; blocking afterwards would leave a moment in which it takes a signal. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return scp__fail_errno(err, rc, "start thread %s", name);
	snprintf(label, sizeof(label), "%s", name);
	pthread_setname_np(*thread, label);
	return SCP_OK;
}
