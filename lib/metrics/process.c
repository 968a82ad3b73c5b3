/* Figures of this process, by the names that Prometheus' own clients use. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "metrics.h"

static void gauge(scp__buf *out, const char *name, const char *help, uint64_t value)
{
	scp__metric_head(out, name, SCP__GAUGE, help);
	scp__metric_line(out, name, NULL, value);
}

static void cpu(scp__buf *out)
{
	static const char name[] = "process_cpu_seconds_total";
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
		return;
	scp__metric_head(out, name, SCP__COUNTER, "CPU time that this process has used.");
	scp__metric_line_us(out, name, NULL, (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

static void memory(scp__buf *out)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages, resident;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!f)
		return;
	if (fscanf(f, "%llu %llu", &pages, &resident) == 2) {
		gauge(out, "process_resident_memory_bytes", "Memory that is in RAM.", resident * page);
		gauge(out, "process_virtual_memory_bytes", "Memory that is mapped.", pages * page);
	}
	(void)fclose(f);
}

static void descriptors(scp__buf *out)
{
	DIR *dir = opendir("/proc/self/fd");
	struct rlimit most;
	uint64_t n = 0;

	if (dir) {
		while (readdir(dir))
			n++;
		(void)closedir(dir);
		gauge(
		    out, "process_open_fds", "Descriptors that are open.", n > 3 ? n - 3 : 0); /* ".", "..", its own */
	}
	if (!getrlimit(RLIMIT_NOFILE, &most))
		gauge(out, "process_max_fds", "Descriptors that may be open.", most.rlim_cur);
}

static unsigned long long boot_time(void)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long seconds = 0;
	char line[4096];

	while (f && !seconds && fgets(line, sizeof(line), f))
		(void)sscanf(line, "btime %llu", &seconds);
	if (f)
		(void)fclose(f);
	return seconds;
}

/* The program's name is in parentheses and may hold some itself: what is read stands behind the last one. */
static void life(scp__buf *out)
{
	static const char start[] = "process_start_time_seconds";
	FILE *f = fopen("/proc/self/stat", "re");
	unsigned long long threads, ticks, boot = boot_time(), hertz = (unsigned long long)sysconf(_SC_CLK_TCK);
	char line[1024] = "", *at;

	if (!f)
		return;
	at = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	(void)fclose(f);
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %llu %*d %llu",
		       &threads, &ticks) != 2)
		return;
	gauge(out, "process_threads", "Threads of this process.", threads);
	if (!boot || !hertz)
		return;
	scp__metric_head(out, start, SCP__GAUGE, "When this process started, as seconds since 1970.");
	scp__metric_line_us(out, start, NULL, (int64_t)(boot * 1000000 + ticks * 1000000 / hertz));
}

void scp__metrics_process(scp__buf *out)
{
	cpu(out);
	memory(out);
	descriptors(out);
	life(out);
}
