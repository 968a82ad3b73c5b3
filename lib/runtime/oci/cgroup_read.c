/* What cgroups say: limits as they really are, and use. */
#include "cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_VALUE UINT64_MAX

/* A control file with one number; "max" and whatever else is none gives NO_VALUE. */
static uint64_t number(
    const scp__oci_cgroups *c, enum scp__oci_controller controller, const char *name, const char *file)
{
	char dir[SCP__CGROUP_DIR_SIZE], text[64], *end;
	unsigned long long value;

	if (!scp__cgroup_dir(c, controller, name, dir) || scp__cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return NO_VALUE;
	value = strtoull(text, &end, 10);
	return end == text || text[0] == '-' ? NO_VALUE : value;
}

/* The number behind `key` in a file of "key number" lines; 0: not there. */
static uint64_t keyed(
    const scp__oci_cgroups *c, enum scp__oci_controller controller, const char *name, const char *file, const char *key)
{
	char dir[SCP__CGROUP_DIR_SIZE], text[4096], want[48], *at;

	if (!scp__cgroup_dir(c, controller, name, dir) || scp__cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return 0;
	(void)snprintf(want, sizeof(want), "%s ", key);
	for (at = text; at && strncmp(at, want, strlen(want)) != 0; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		;
	return at ? strtoull(at + strlen(want), NULL, 10) : 0;
}

static bool machine_swaps(void)
{
	char text[512], *line;

	/* One line is the heading. */
	if (scp__cgroup_read("/proc", "swaps", text, sizeof(text)) <= 0)
		return false;
	line = strchr(text, '\n');
	return line && line[1] != '\0';
}

static bool swap_bounded(const scp__oci_cgroups *c, const char *name, uint64_t memory_bytes)
{
	uint64_t value;

	if (c->v2)
		value = number(c, SCP__OCI_MEMORY, name, "memory.swap.max");
	else
		value = number(c, SCP__OCI_MEMORY, name, "memory.memsw.limit_in_bytes");
	if (value == NO_VALUE)
		return !machine_swaps();
	return c->v2 ? value == 0 : value <= memory_bytes;
}

static bool memory_bounded(const scp__oci_cgroups *c, const char *name, uint64_t memory_bytes)
{
	uint64_t value = number(c, SCP__OCI_MEMORY, name, c->v2 ? "memory.max" : "memory.limit_in_bytes");

	/* The kernel rounds to pages. */
	return value && value <= memory_bytes && swap_bounded(c, name, memory_bytes);
}

static bool cpu_bounded(const scp__oci_cgroups *c, const char *name, uint32_t cpu_millis)
{
	uint64_t quota = NO_VALUE, period = 0;
	char dir[SCP__CGROUP_DIR_SIZE], text[64];

	if (!c->v2) {
		quota = number(c, SCP__OCI_CPU, name, "cpu.cfs_quota_us");
		period = number(c, SCP__OCI_CPU, name, "cpu.cfs_period_us");
	} else if (scp__cgroup_dir(c, SCP__OCI_CPU, name, dir) &&
		   scp__cgroup_read(dir, "cpu.max", text, sizeof(text)) > 0) {
		if (sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
			return false;
	}
	if (quota == NO_VALUE || !period || period == NO_VALUE)
		return false;
	return quota * 1000 <= (uint64_t)cpu_millis * period;
}

unsigned scp__oci_cgroup_verify(const scp__oci_cgroups *c, const char *name, const scp__oci_limits *want)
{
	uint64_t pids = number(c, SCP__OCI_PIDS, name, "pids.max");
	unsigned has = 0;

	if (memory_bounded(c, name, want->memory_bytes))
		has |= SCP__OCI_HAS_MEMORY;
	if (cpu_bounded(c, name, want->cpu_millis))
		has |= SCP__OCI_HAS_CPU;
	if (pids && pids <= want->processes)
		has |= SCP__OCI_HAS_PROCESSES;
	return has;
}

uint64_t scp__oci_cgroup_oom_kills(const scp__oci_cgroups *c, const char *name)
{
	return keyed(c, SCP__OCI_MEMORY, name, c->v2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

static uint64_t or_zero(uint64_t value)
{
	return value == NO_VALUE ? 0 : value;
}

void scp__oci_cgroup_stats(const scp__oci_cgroups *c, const char *name, scp_runtime_stats *out)
{
	out->memory_bytes =
	    or_zero(number(c, SCP__OCI_MEMORY, name, c->v2 ? "memory.current" : "memory.usage_in_bytes"));
	if (c->v2)
		out->cpu_time_us = keyed(c, SCP__OCI_CPU, name, "cpu.stat", "usage_usec");
	else
		out->cpu_time_us = or_zero(number(c, SCP__OCI_CPUACCT, name, "cpuacct.usage")) / 1000;
	out->processes = (uint32_t)or_zero(number(c, SCP__OCI_PIDS, name, "pids.current"));
	out->oom_kills = scp__oci_cgroup_oom_kills(c, name);
}
