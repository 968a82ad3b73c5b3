#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double bench_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

_Noreturn void bench_die(const char *what, const char *why)
{
	fflush(stdout);
	fprintf(stderr, "bench: %s: %s\n", what, why);
	exit(1);
}

void bench_add(struct samples *s, double ms)
{
	if (s->count < sizeof(s->ms) / sizeof(s->ms[0]))
		s->ms[s->count++] = ms;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_quantile(struct samples *s, double q)
{
	size_t at = (size_t)(q * (double)s->count);

	if (!s->count)
		return 0;
	qsort(s->ms, s->count, sizeof(s->ms[0]), compare);
	return s->ms[at < s->count ? at : s->count - 1];
}

void bench_line(const char *name, struct samples *s, const char *bound)
{
	printf("%-58s %9.3f %9.3f ms  %s\n", name, bench_quantile(s, 0.5), bench_quantile(s, 0.99), bound ? bound : "");
	fflush(stdout);
}

void bench_note(const char *name, double value, const char *unit, const char *bound)
{
	printf("%-58s %9.2f %9s %s  %s\n", name, value, "", unit, bound ? bound : "");
	fflush(stdout);
}
