#include "clock.h"

#include <stdio.h>

static int64_t read_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t scp__now_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t scp__mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

void scp__mono_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct timespec scp__mono_in(uint32_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += (long)(ms % 1000) * 1000000;
	at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

char *scp__time_format(char out[SCP__TIME_SIZE], int64_t time_us)
{
	int64_t second = time_us / 1000000;
	int64_t rest = time_us % 1000000;
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += 1000000;
		second--;
	}
	t = (time_t)second;
	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
		snprintf(out, SCP__TIME_SIZE, "1970-01-01T00:00:00.000Z");
		return out;
	}
	snprintf(out, SCP__TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)(rest / 1000) % 1000);
	return out;
}
