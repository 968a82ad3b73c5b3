/*
 * Cgroups, v1 (also hybrid) and v2: a container's is /sandboxcp-HASH/NAME in every hierarchy, on v2 below our slice; an
 * ordinary user's is a scope of the user's systemd (cgroup_user.c).
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "err.h"
#include "fs.h"
#include "user.h"

#define SLICE "/sandboxcp.slice"
#define REMOVE_LIMIT_US 10000000

static const char *const controller_names[] = {
	[SCP__OCI_MEMORY] = "memory",
	[SCP__OCI_CPU] = "cpu",
	[SCP__OCI_CPUACCT] = "cpuacct",
	[SCP__OCI_PIDS] = "pids",
	[SCP__OCI_FREEZER] = "freezer",
};

static bool in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

/* One line of /proc/self/mountinfo: "id parent dev root point options … - type source super-options". */
static void add_mount(scp__oci_cgroups *c, char *line)
{
	char *tail = strstr(line, " - "), type[32], super[256], root[256], point[96];

	if (!tail || sscanf(tail, " - %31s %*s %255s", type, super) != 2)
		return;
	if (sscanf(line, "%*s %*s %*s %255s %95s", root, point) != 2 || c->mount_count == SCP__OCI_HIERARCHIES)
		return;
	if (strncmp(type, "cgroup", 6) != 0 || strncmp(point, "/sys/fs/cgroup", 14) != 0)
		return;
	memcpy(c->mounts[c->mount_count], point, sizeof(point));
	if (strcmp(type, "cgroup2") == 0)
		memcpy(c->unified, point, sizeof(point));
	for (int i = 0; strcmp(type, "cgroup") == 0 && i < SCP__OCI_CONTROLLERS; i++)
		if (in_list(super, controller_names[i]))
			c->of[i] = (int)c->mount_count;
	c->mount_count++;
}

static scp_status find_mounts(scp__oci_cgroups *c, scp_error *err)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return scp__fail_errno(err, errno, "read /proc/self/mountinfo");
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		add_mount(c, line);
	}
	free(line);
	fclose(f);
	return SCP_OK;
}

ssize_t scp__cgroup_read(const char *dir, const char *file, char *out, size_t size)
{
	char path[SCP__CGROUP_DIR_SIZE + 64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, out, size - 1);
	close(fd);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

int scp__cgroup_write(const char *dir, const char *file, const char *text)
{
	char path[SCP__CGROUP_DIR_SIZE + 64];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return rc;
}

/* On v2 a controller must be handed down level by level, and systemd hands down cpu only where a unit asks for it. */
static scp_status hand_down(scp__oci_cgroups *c, const char *dir, scp_error *err)
{
	static const char *const wanted[] = { "+memory", "+pids", "+cpu" };
	scp_status rc;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (!scp__cgroup_write(dir, "cgroup.subtree_control", wanted[i]))
			continue;
		rc = scp__fail(err, SCP_ENOTSUP, "can't enable the cgroup controller %s in %s: %s", wanted[i] + 1, dir,
		    strerror(errno));
		scp__hint(err,
		    "Give this process the machine's cgroup root: run it outside of a container, or give that "
		    "container the host's cgroup namespace");
		return rc;
	}
	(void)c;
	return SCP_OK;
}

/*
 * systemd has a slice for us where its unit is installed: what the operator allows all sandboxes together stands there.
 * Sandboxes that live outside of it already are not left behind: then it waits for the next boot.
 */
static scp_status choose_parent(scp__oci_cgroups *c, const char *hash, scp_error *err)
{
	char outside[320], slice[192];

	(void)snprintf(outside, sizeof(outside), "%s%s", c->unified, c->parent);
	(void)snprintf(slice, sizeof(slice), "%s" SLICE, c->unified);
	if (access(slice, F_OK) || !access(outside, F_OK))
		return SCP_OK;
	(void)snprintf(c->parent, sizeof(c->parent), SLICE "/sandboxcp-%s", hash);
	return hand_down(c, slice, err);
}

static scp_status open_v2(scp__oci_cgroups *c, const char *hash, scp_error *err)
{
	char dir[320];
	scp_status rc = hand_down(c, c->unified, err);

	if (!rc)
		rc = choose_parent(c, hash, err);

	(void)snprintf(dir, sizeof(dir), "%s%s", c->unified, c->parent);
	if (!rc && mkdir(dir, 0755) && errno != EEXIST)
		rc = scp__fail_errno(err, errno, "make the cgroup %s", dir);
	return rc ? rc : hand_down(c, dir, err);
}

static scp_status open_ours(scp__oci_cgroups *c, const char *hash, scp_error *err)
{
	c->offered = SCP__OCI_HAS_ALL;
	(void)snprintf(c->parent, sizeof(c->parent), "/sandboxcp-%s", hash);
	return c->v2 ? open_v2(c, hash, err) : SCP_OK;
}

scp_status scp__oci_cgroups_open(scp__oci_cgroups *c, const char *hash, bool of_user, unsigned allowed, scp_error *err)
{
	scp_status rc;

	memset(c, 0, sizeof(*c));
	for (int i = 0; i < SCP__OCI_CONTROLLERS; i++)
		c->of[i] = -1;
	rc = find_mounts(c, err);
	if (rc)
		return rc;
	c->v2 = strcmp(c->unified, "/sys/fs/cgroup") == 0;
	if (c->mount_count)
		return of_user ? scp__oci_cgroups_open_user(c, hash, allowed, err) : open_ours(c, hash, err);
	rc = scp__fail(err, SCP_ENOTSUP, "no cgroup file system is mounted at /sys/fs/cgroup");
	scp__hint(err, "Mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	return rc;
}

void scp__oci_cgroups_close(scp__oci_cgroups *c)
{
	char dir[320];

	if (c->kind != SCP__OCI_CGROUPS_OURS)
		return;
	for (size_t i = 0; i < c->mount_count; i++) {
		(void)snprintf(dir, sizeof(dir), "%s%s", c->mounts[i], c->parent);
		(void)rmdir(dir);
	}
}

static void dir_of(const scp__oci_cgroups *c, const char *mount, const char *name, char out[SCP__CGROUP_DIR_SIZE])
{
	(void)snprintf(out, SCP__CGROUP_DIR_SIZE, "%s%s/%s%s%s", mount, c->parent, c->prefix, name, c->suffix);
}

static void dir_of_mount(const scp__oci_cgroups *c, size_t mount, const char *name, char out[SCP__CGROUP_DIR_SIZE])
{
	dir_of(c, c->mounts[mount], name, out);
}

void scp__oci_cgroup_name(const scp__oci_cgroups *c, const char *name, char *out, size_t size)
{
	/* A slice, what a scope's name begins with, and how it goes on. */
	if (c->kind == SCP__OCI_CGROUPS_SCOPES)
		(void)snprintf(
		    out, size, SCP__CGROUP_USER_SLICE ":%.*s:%s", (int)strlen(c->prefix) - 1, c->prefix, name);
	else
		(void)snprintf(out, size, "%s%s%s", c->parent, c->parent[0] ? "/" : "", c->parent[0] ? name : "");
}

bool scp__cgroup_dir(
    const scp__oci_cgroups *c, enum scp__oci_controller controller, const char *name, char out[SCP__CGROUP_DIR_SIZE])
{
	out[0] = '\0';
	if (c->v2)
		dir_of(c, c->unified, name, out);
	else if (c->of[controller] >= 0)
		dir_of_mount(c, (size_t)c->of[controller], name, out);
	return out[0] != '\0';
}

/* One signal to each; whoever was born meanwhile gets it in the next round. @return how many there were */
static unsigned kill_each(const char *dir)
{
	char path[SCP__CGROUP_DIR_SIZE + 64];
	unsigned count = 0;
	FILE *f;
	int pid;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		if (pid > 0)
			kill(pid, SIGKILL);
		count++;
	}
	if (f)
		fclose(f);
	return count;
}

static void nap(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* Without cgroup.kill (v1, and v2 before 5.14): frozen processes can't fork away from the signal. */
static unsigned kill_frozen(const scp__oci_cgroups *c, const char *name, const char *dir)
{
	char freezer[SCP__CGROUP_DIR_SIZE];
	bool frozen = !c->v2 && scp__cgroup_dir(c, SCP__OCI_FREEZER, name, freezer);
	unsigned count;

	if (frozen)
		(void)scp__cgroup_write(freezer, "freezer.state", "FROZEN");
	count = kill_each(dir);
	if (frozen)
		(void)scp__cgroup_write(freezer, "freezer.state", "THAWED");
	return count;
}

/*
 * The user's systemd takes an empty scope away: who took it from under it would leave the scope's unit behind. Only
 * where that doesn't come is it removed, with what the runtime program made in it.
 */
static int await_scope(const scp__oci_cgroups *c, const char *name, int64_t deadline_us)
{
	char inner[SCP__CGROUP_DIR_SIZE], scope[SCP__CGROUP_DIR_SIZE];

	dir_of_mount(c, 0, name, inner);
	memcpy(scope, inner, sizeof(scope));
	*strrchr(scope, '/') = '\0';
	while (!access(scope, F_OK)) {
		if (scp__mono_us() > deadline_us) {
			(void)rmdir(inner);
			return rmdir(scope) && errno != ENOENT ? -1 : 0;
		}
		(void)scp__cgroup_write(scope, "cgroup.kill", "1");
		nap(1);
	}
	return 0;
}

/* rmdir says EBUSY while a process is left, also one that is dying. */
static int remove_dir(const scp__oci_cgroups *c, size_t mount, const char *name, int64_t deadline_us)
{
	char dir[SCP__CGROUP_DIR_SIZE];

	dir_of_mount(c, mount, name, dir);
	while (rmdir(dir)) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || scp__mono_us() > deadline_us)
			return -1;
		if (!c->v2 || scp__cgroup_write(dir, "cgroup.kill", "1"))
			(void)kill_frozen(c, name, dir);
		nap(1);
	}
	return 0;
}

scp_status scp__oci_cgroup_remove(const scp__oci_cgroups *c, const char *name, scp_error *err)
{
	int64_t deadline_us = scp__mono_us() + REMOVE_LIMIT_US;
	scp_status rc = SCP_OK;

	if (c->kind == SCP__OCI_CGROUPS_SCOPES && await_scope(c, name, deadline_us))
		rc = scp__fail_errno(err, errno, "remove the cgroup of %s", name);
	for (size_t i = 0; c->kind == SCP__OCI_CGROUPS_OURS && i < c->mount_count; i++)
		if (remove_dir(c, i, name, deadline_us) && !rc)
			rc = scp__fail_errno(err, errno, "remove the cgroup %s%s/%s", c->mounts[i], c->parent, name);
	return rc;
}

scp_status scp__oci_cgroup_freeze(const scp__oci_cgroups *c, const char *name, bool freeze, scp_error *err)
{
	char dir[SCP__CGROUP_DIR_SIZE];

	if (!scp__cgroup_dir(c, SCP__OCI_FREEZER, name, dir))
		return scp__fail(err, SCP_ENOTSUP, "this machine has no freezer cgroup");
	if (c->v2 ? scp__cgroup_write(dir, "cgroup.freeze", freeze ? "1" : "0")
		  : scp__cgroup_write(dir, "freezer.state", freeze ? "FROZEN" : "THAWED"))
		return scp__fail_errno(err, errno, "%s %s", freeze ? "pause" : "resume", name);
	return SCP_OK;
}
