/* A container's cgroup on this host, found by its first process: limits as they really are, and use. */
#include "docker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fs.h"

#define ROOT "/sys/fs/cgroup"
#define NO_VALUE UINT64_MAX

struct cgroups {
	bool v2;
	char text[2048]; /* /proc/PID/cgroup */
};

static bool read_cgroups(struct cgroups *c, int pid)
{
	char path[48], *text = NULL;
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (pid <= 0 || scp__fs_read_file(-1, path, sizeof(c->text) - 1, &text, &len) || !len) {
		free(text);
		return false;
	}
	memcpy(c->text, text, len + 1);
	free(text);
	/* "0::/path" alone; on v1 and hybrid machines there are lines with controllers. */
	c->v2 = strncmp(c->text, "0::", 3) == 0 && !strchr(strchr(c->text, '\n') ? strchr(c->text, '\n') : "", ':');
	return true;
}

static bool names(const char *list, size_t len, const char *controller)
{
	size_t want = strlen(controller);

	for (const char *at = list; at < list + len; at += strcspn(at, ",:") + 1)
		if (strcspn(at, ",:") == want && strncmp(at, controller, want) == 0)
			return true;
	return false;
}

/* Of a line "number:controllers:path"; false: another's. */
static bool path_of(const char *line, const struct cgroups *c, const char *controller, char out[512])
{
	const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
	size_t len = strcspn(line, "\n");

	if (!path || path > line + len || (!c->v2 && !names(list + 1, (size_t)(path - list - 1), controller)))
		return false;
	(void)snprintf(out, 512, ROOT "%s%s%.*s", c->v2 ? "" : "/", c->v2 ? "" : controller,
	    (int)(line + len - path - 1), path + 1);
	return true;
}

static char *read_control(const struct cgroups *c, const char *controller, const char *file)
{
	char dir[512], path[600], *text = NULL;
	size_t len;

	for (const char *line = c->text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (!path_of(line, c, controller, dir))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
		return scp__fs_read_file(-1, path, 4096, &text, &len) ? NULL : text;
	}
	return NULL;
}

/* "max", and whatever else is no number, gives NO_VALUE. */
static uint64_t number(const struct cgroups *c, const char *controller, const char *file)
{
	char *text = read_control(c, controller, file), *end = text;
	unsigned long long value = text ? strtoull(text, &end, 10) : 0;
	bool none = !text || end == text || text[0] == '-';

	free(text);
	return none ? NO_VALUE : value;
}

/* The number behind `key` in "key number" lines; 0: not there. */
static uint64_t keyed(const struct cgroups *c, const char *controller, const char *file, const char *key)
{
	char *text = read_control(c, controller, file);
	const char *at = text;
	size_t len = strlen(key);
	uint64_t value = 0;

	while (at && (strncmp(at, key, len) != 0 || at[len] != ' '))
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
	if (at)
		value = strtoull(at + len, NULL, 10);
	free(text);
	return value;
}

static bool machine_swaps(void)
{
	char *text = NULL, *line;
	size_t len;
	bool swaps;

	if (scp__fs_read_file(-1, "/proc/swaps", 4096, &text, &len))
		return false;
	line = strchr(text, '\n');
	swaps = line && line[1];
	free(text);
	return swaps;
}

static bool memory_bounded(const struct cgroups *c, uint64_t bytes)
{
	uint64_t value = number(c, "memory", c->v2 ? "memory.max" : "memory.limit_in_bytes");
	uint64_t swap = number(c, "memory", c->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");

	/* The kernel rounds to pages. */
	if (!value || value > bytes)
		return false;
	if (swap == NO_VALUE)
		return !machine_swaps();
	return c->v2 ? swap == 0 : swap <= bytes;
}

static bool cpu_bounded(const struct cgroups *c, uint32_t cpu_millis)
{
	uint64_t quota = NO_VALUE, period = 0;
	char *text;

	if (!c->v2) {
		quota = number(c, "cpu", "cpu.cfs_quota_us");
		period = number(c, "cpu", "cpu.cfs_period_us");
	} else if ((text = read_control(c, "cpu", "cpu.max"))) {
		if (sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
			quota = NO_VALUE;
		free(text);
	}
	if (quota == NO_VALUE || !period || period == NO_VALUE)
		return false;
	return quota * 1000 <= (uint64_t)cpu_millis * period;
}

uint64_t docker_memory_bytes(const scp_runtime_spec *spec)
{
	return spec->resources->memory_bytes + spec->overhead_memory_bytes;
}

unsigned docker_cgroup_verify(int pid, const scp_runtime_spec *spec)
{
	struct cgroups c;
	uint64_t processes;
	unsigned has = 0;

	if (!read_cgroups(&c, pid))
		return 0;
	processes = number(&c, "pids", "pids.max");
	if (memory_bounded(&c, docker_memory_bytes(spec)))
		has |= DOCKER_HAS_MEMORY;
	if (cpu_bounded(&c, spec->resources->cpu_millis))
		has |= DOCKER_HAS_CPU;
	if (processes && processes <= spec->resources->max_processes)
		has |= DOCKER_HAS_PROCESSES;
	return has;
}

static uint64_t or_zero(uint64_t value)
{
	return value == NO_VALUE ? 0 : value;
}

scp_status docker_cgroup_stats(int pid, scp_runtime_stats *out)
{
	struct cgroups c;

	if (!read_cgroups(&c, pid))
		return SCP_ENOTFOUND;
	out->memory_bytes = or_zero(number(&c, "memory", c.v2 ? "memory.current" : "memory.usage_in_bytes"));
	out->cpu_time_us =
	    c.v2 ? keyed(&c, "cpu", "cpu.stat", "usage_usec") : or_zero(number(&c, "cpuacct", "cpuacct.usage")) / 1000;
	out->processes = (uint32_t)or_zero(number(&c, "pids", "pids.current"));
	out->oom_kills = keyed(&c, "memory", c.v2 ? "memory.events" : "memory.oom_control", "oom_kill");
	return SCP_OK;
}
