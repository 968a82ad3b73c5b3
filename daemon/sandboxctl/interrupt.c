#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "pool.h"

#define STOP_SIGNAL SIGUSR2 /* ours, to the thread alone */

struct interrupt {
	pthread_t thread;
	sigset_t before;
	atomic_int signal;
	void (*fn)(void *user);
	void *user;
};

static void fill(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGHUP);
	(void)sigaddset(set, STOP_SIGNAL);
}

static void *wait_for_signals(void *arg)
{
	struct interrupt *i = arg;
	sigset_t set;
	int got;

	fill(&set);
	while (!sigwait(&set, &got) && got != STOP_SIGNAL) {
		if (atomic_exchange(&i->signal, got))
			_exit(128 + got);
		i->fn(i->user);
	}
	return NULL;
}

struct interrupt *interrupt_start(void (*fn)(void *user), void *user)
{
	struct interrupt *i = calloc(1, sizeof(*i));
	sigset_t set;

	if (!i)
		return NULL;
	fill(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, &i->before);
	i->fn = fn;
	i->user = user;
	if (scp__thread_start(&i->thread, "signals", wait_for_signals, i, NULL)) {
		(void)pthread_sigmask(SIG_SETMASK, &i->before, NULL);
		free(i);
		return NULL;
	}
	return i;
}

int interrupt_stop(struct interrupt *i)
{
	int got;

	if (!i)
		return 0;
	(void)pthread_kill(i->thread, STOP_SIGNAL);
	(void)pthread_join(i->thread, NULL);
	got = atomic_load(&i->signal);
	(void)pthread_sigmask(SIG_SETMASK, &i->before, NULL);
	free(i);
	return got;
}
