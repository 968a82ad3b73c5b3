#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "launch.h"

#define CANCEL_GRACE_MS 2000u
#define START_LIMIT_MS 10000u /* a supervisor that hasn't started its job by then never will */
#define RETRY_MS 20u
#define LARGE_TEXT (64u << 10)

/* FNV-1a: ids come from the control plane, never from the code. */
static uint64_t key_of(const char *execution, uint32_t attempt)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (const char *c = execution; *c; c++)
		h = (h ^ (unsigned char)*c) * 0x100000001b3u;
	return (h ^ (attempt + 1u)) * 0x100000001b3u;
}

bool run_was_acked(const struct executor *x, const char *execution, uint32_t attempt)
{
	uint64_t key = key_of(execution, attempt);

	for (unsigned i = 0; i < ACKED_REMEMBERED; i++)
		if (x->acked[i] == key)
			return true;
	return false;
}

struct run *run_find(struct executor *x, const char *execution, uint32_t attempt)
{
	struct run *run;

	TAILQ_FOREACH(run, &x->runs, next)
	if (run->attempt == attempt && !strcmp(run->execution, execution))
		return run;
	return NULL;
}

const char *run_state_name(const struct run *run)
{
	static const char *const names[] = { [RUN_QUEUED] = "queued", [RUN_RUNNING] = "running", [RUN_OVER] = "over" };

	return names[run->state];
}

void run_wake(struct run *run)
{
	client_wake_all(run);
}

static void set_timer(struct run *run, uint32_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000 };

	(void)event_add(run->timer, &tv);
}

static void drop_request(struct run *run)
{
	if (!run->request)
		return;
	run->executor->budget.used -= run->request->body.capacity;
	request_free(run->request);
	run->request = NULL;
}

static void run_free(struct run *run)
{
	struct executor *x = run->executor;

	client_drop_all(run);
	push_forget(x->push, run);
	TAILQ_REMOVE(&x->runs, run, next);
	x->run_count--;
	drop_request(run);
	output_close(&run->out);
	output_close(&run->errors);
	output_close(&run->back);
	spool_free(&x->budget, &run->spool);
	if (run->timer)
		event_free(run->timer);
	free(run);
}

static void check_stopped(struct executor *x)
{
	struct run *run;

	if (!x->stopping || !x->stopped)
		return;
	TAILQ_FOREACH(run, &x->runs, next)
	if (run->state != RUN_OVER)
		return;
	x->stopped(x->stopped_user);
	x->stopped = NULL;
}

/* Its result has been appended. */
static void finish(struct run *run)
{
	(void)event_del(run->timer);
	output_close(&run->out);
	output_close(&run->errors);
	output_close(&run->back);
	drop_request(run);
	run->hand = NULL;
	run->state = RUN_OVER;
	spool_shrink(&run->executor->budget, &run->spool);
	run_wake(run);
	push_over(run->executor->push, run);
	check_stopped(run->executor);
}

static void leave_queue(struct run *run)
{
	TAILQ_REMOVE(&run->executor->queue, run, queued);
	run->executor->queued--;
}

static void fail_start(struct run *run, const char *what)
{
	char error[160];

	(void)snprintf(error, sizeof(error), "cannot %s: %s", what, strerror(errno));
	result_make(run, NULL, "failed", error);
	finish(run);
}

/* A place and memory for all that it may make: only then does it leave the queue. NULL: not now. */
static struct hand *take_place(struct run *run)
{
	struct executor *x = run->executor;
	struct spool spool = { .seq = run->spool.seq };
	struct hand *hand;

	if (!spool_fits(&x->budget, SPOOL_RUN))
		return NULL;
	hand = crew_take(&x->crew);
	if (!hand)
		return NULL;
	if (spool_reserve(&x->budget, &spool, SPOOL_RUN)) {
		crew_give_back(hand);
		return NULL;
	}
	spool_free(&x->budget, &run->spool);
	run->spool = spool;
	leave_queue(run);
	run->state = RUN_RUNNING;
	return hand;
}

static void launch(struct run *run, struct hand *hand, const int fds[JOB_FD_COUNT])
{
	bool large = launch_write_job(run, &hand->share->job) > LARGE_TEXT;

	run->hand = hand;
	if (!crew_start(hand, run, large, fds)) {
		set_timer(run, START_LIMIT_MS);
		drop_request(run);
		return;
	}
	run->hand = NULL;
	fail_start(run, "start its supervisor");
}

/* False: there is no place yet, and nothing happened. */
static bool start(struct run *run)
{
	struct hand *hand = take_place(run);
	int fds[JOB_FD_COUNT];

	if (!hand)
		return false;
	if (launch_open(run, fds)) {
		crew_give_back(hand);
		fail_start(run, "make its descriptors");
	} else {
		launch(run, hand, fds);
	}
	launch_close(fds);
	return true;
}

static void start_waiting(struct executor *x)
{
	struct timeval soon = { .tv_usec = RETRY_MS * 1000 };
	struct run *run;

	while ((run = TAILQ_FIRST(&x->queue)))
		if (!start(run))
			break;
	/* All places taken ends with a call; want of processes or memory outside of us doesn't. */
	if (run && x->crew.count < x->crew.max && spool_fits(&x->budget, SPOOL_RUN))
		(void)event_add(x->retry, &soon);
}

static void on_report(void *job, const struct report *report)
{
	struct run *run = job;

	if (report->kind == REPORT_STARTED) {
		run->started = true;
		(void)spool_event(&run->spool, SCP__EVENT_STARTED, NULL, 0);
		if (run->stop == STOP_NONE)
			set_timer(run, run->timeout_ms);
		push_started(run->executor->push, run);
		run_wake(run);
		return;
	}
	output_finish(&run->out);
	output_finish(&run->errors);
	output_finish(&run->back);
	result_from_report(run, report);
	finish(run);
}

static void on_lost(void *job)
{
	struct run *run = job;

	run->hand = NULL;
	output_finish(&run->out);
	output_finish(&run->errors);
	output_close(&run->back);
	run->back.kept = 0;
	result_make(run, NULL, "failed", "its supervisor was ended");
	finish(run);
}

static void on_idle(void *user)
{
	start_waiting(user);
}

/* The start took too long, the deadline is over, or the grace behind TERM is. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;

	(void)fd;
	(void)what;
	if (!run->hand)
		return;
	if (!run->started) {
		crew_kill(run->hand);
		return;
	}
	if (run->stop == STOP_NONE)
		run->stop = STOP_TIMEOUT;
	crew_command(run->hand, COMMAND_KILL);
}

static struct run *run_new(struct executor *x, struct run_request *q)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->executor = x;
	run->out.fd = run->errors.fd = run->back.fd = -1;
	run->timer = evtimer_new(x->base, on_timer, run);
	run->spool.seq = q->seq;
	if (!run->timer || spool_reserve(&x->budget, &run->spool, SPOOL_SMALL)) {
		if (run->timer)
			event_free(run->timer);
		free(run);
		return NULL;
	}
	memcpy(run->execution, q->execution, sizeof(run->execution));
	run->attempt = q->attempt;
	run->timeout_ms = q->timeout_ms;
	run->language = q->language;
	run->request = q;
	x->budget.used += q->body.capacity;
	LIST_INIT(&run->clients);
	TAILQ_INSERT_TAIL(&x->runs, run, next);
	TAILQ_INSERT_TAIL(&x->queue, run, queued);
	x->run_count++;
	x->queued++;
	return run;
}

/* Bytes that only acknowledgements bring back */
static size_t kept_bytes(const struct executor *x)
{
	const struct run *run;
	size_t sum = 0;

	TAILQ_FOREACH(run, &x->runs, next)
	if (run->state == RUN_OVER)
		sum += run->spool.size;
	return sum;
}

/* 0: it may be taken. */
static int refuse(const struct executor *x, const struct run_request *q, const char **why)
{
	size_t needed = q->body.capacity + SPOOL_SMALL;

	if (x->stopping) {
		*why = "the executor is stopping";
		return 503;
	}
	if (kept_bytes(x) + SPOOL_RUN + needed > x->budget.total || !spool_fits(&x->budget, needed)) {
		*why = "the spool is full: results wait to be acknowledged";
		return 503;
	}
	/* Those that a free place is about to take aren't in anybody's way. */
	if (x->queued >= x->max_queued + (x->crew.count - x->crew.idle_count < x->crew.max ? 1u : 0u)) {
		*why = "the queue is full";
		return 429;
	}
	return 0;
}

struct run *run_submit(struct executor *x, struct run_request *request, int *status, const char **why)
{
	struct run *run = NULL;

	*status = refuse(x, request, why);
	if (!*status) {
		run = run_new(x, request);
		if (!run) {
			*status = 503;
			*why = "no memory";
		}
	}
	if (!run) {
		request_free(request);
		return NULL;
	}
	start_waiting(x);
	return run;
}

bool run_ack(struct run *run)
{
	struct executor *x = run->executor;

	if (run->state != RUN_OVER)
		return false;
	x->acked[x->acked_next++ % ACKED_REMEMBERED] = key_of(run->execution, run->attempt);
	run_free(run);
	start_waiting(x); /* its memory may be what the next one waits for */
	return true;
}

void run_cancel(struct run *run)
{
	if (run->state == RUN_OVER || run->stop != STOP_NONE)
		return;
	run->stop = STOP_CANCEL;
	if (run->state == RUN_QUEUED) {
		leave_queue(run);
		result_make(run, NULL, "cancelled", "cancelled before it started");
		finish(run);
		return;
	}
	crew_command(run->hand, COMMAND_TERM);
	set_timer(run, CANCEL_GRACE_MS);
}

void runs_stop(struct executor *x)
{
	struct run *run;

	x->stopping = true;
	TAILQ_FOREACH(run, &x->runs, next)
	run_cancel(run);
	check_stopped(x);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_waiting(arg);
}

int runs_init(struct executor *x)
{
	TAILQ_INIT(&x->runs);
	TAILQ_INIT(&x->queue);
	x->retry = evtimer_new(x->base, on_retry, x);
	return x->retry ? 0 : -1;
}

const struct crew_calls runs_crew_calls = { .report = on_report, .lost = on_lost, .idle = on_idle };

void runs_fini(struct executor *x)
{
	struct run *run;

	while ((run = TAILQ_FIRST(&x->runs))) {
		if (run->state == RUN_QUEUED)
			leave_queue(run);
		run_free(run);
	}
	if (x->retry)
		event_free(x->retry);
}
