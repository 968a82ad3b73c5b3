#include "spinner.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"

#define TICK_NS 100000000L
#define QUIET_TICKS 10 /* after output, so long nothing is drawn */

struct spinner {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, drawn;
	unsigned tick, quiet;
	char what[64];
};

static void draw(struct spinner *s)
{
	static const char *const frames[] = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" };

	if (s->quiet && s->quiet--)
		return;
	fprintf(stderr, "\r\033[K%s %s", frames[s->tick++ % 10], s->what);
	(void)fflush(stderr);
	s->drawn = true;
}

static void erase(struct spinner *s)
{
	if (s->drawn)
		fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	s->drawn = false;
}

static void *spin(void *arg)
{
	struct spinner *s = arg;
	struct timespec until;

	(void)pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		draw(s);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		(void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
	}
	erase(s);
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct spinner *spinner_start(const char *what)
{
	struct spinner *s = isatty(STDERR_FILENO) ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	(void)snprintf(s->what, sizeof(s->what), "%s", what);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->wake, NULL);
	if (scp__thread_start(&s->thread, "spinner", spin, s, NULL)) {
		(void)pthread_cond_destroy(&s->wake);
		(void)pthread_mutex_destroy(&s->lock);
		free(s);
		return NULL;
	}
	return s;
}

void spinner_say(struct spinner *s, const char *what)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(s->what, sizeof(s->what), "%s", what);
	(void)pthread_mutex_unlock(&s->lock);
}

void spinner_hide(struct spinner *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	erase(s);
	s->quiet = QUIET_TICKS;
	(void)pthread_mutex_unlock(&s->lock);
}

void spinner_stop(struct spinner *s)
{
	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->wake);
	(void)pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	(void)pthread_cond_destroy(&s->wake);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}
