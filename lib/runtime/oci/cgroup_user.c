/*
 * An ordinary user's cgroups: the user's own systemd makes a scope for each container, with its limits, below
 * user@UID.service, where controllers are handed down. What it makes, it also takes away, as soon as it is empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "err.h"
#include "fs.h"
#include "proc.h"
#include "user.h"

#define ASK_LIMIT_MS 30000

static const struct {
	const char *controller;
	const char *limit;
	unsigned bit;
} wanted[] = {
	{ "memory", "memory", SCP__OCI_HAS_MEMORY },
	{ "cpu", "cpu", SCP__OCI_HAS_CPU },
	{ "pids", "processes", SCP__OCI_HAS_PROCESSES },
};

#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

static scp_status no_v2(scp_error *err)
{
	scp__fail(err, SCP_ENOTSUP, "this machine has cgroup v1, where an ordinary user can set no limits");
	scp__hint(err, "Boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line; or allow sandboxes "
		       "without limits: --allow-unenforced memory,cpu,processes");
	return SCP_ENOTSUP;
}

static scp_status no_manager(const char *why, scp_error *err)
{
	char name[SCP__OCI_USER_NAME];

	scp__fail(
	    err, SCP_ENOTSUP, "no systemd of this user answers, and it alone can give sandboxes limits: %.200s", why);
	scp__hint(err,
	    "apt-get install dbus-user-session, then log in by console, ssh or machinectl shell, not by su or "
	    "sudo; or: loginctl enable-linger %s",
	    scp__oci_user_name(name));
	return SCP_ENOTSUP;
}

/* The bus is what the runtime program talks to; systemctl itself has another way. */
static scp_status check_bus(const scp__oci_user_env_vars *env, scp_error *err)
{
	const char *path = strstr(env->bus, "=unix:path=");
	char file[256], why[300];

	if (!path)
		return SCP_OK; /* of another kind: the probe tries it */
	(void)snprintf(file, sizeof(file), "%s", path + 11);
	file[strcspn(file, ",;")] = '\0';
	if (!access(file, F_OK))
		return SCP_OK;
	(void)snprintf(why, sizeof(why), "there is no D-Bus at %s", file);
	return no_manager(why, err);
}

/* "/user.slice/user-1000.slice/user@1000.service" */
static scp_status ask_manager(const scp__oci_user_env_vars *env, char *group, size_t size, scp_error *err)
{
	const char *argv[] = { "systemctl", "--user", "show", "--property=ControlGroup", "--value", NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	scp__buf out, errors;
	scp_error why = { 0 };
	int status = 0;
	scp_status rc;

	scp__buf_init(&out, 1024);
	scp__buf_init(&errors, 300);
	options.argv = argv;
	options.env = env->list;
	options.out = &out;
	options.errors = &errors;
	options.timeout_ms = ASK_LIMIT_MS;
	rc = scp__proc_run(&options, &status, &why);
	group[0] = '\0';
	if (!rc && !status && out.data)
		(void)snprintf(group, size, "%.*s", (int)strcspn(out.data, "\n"), out.data);
	if (group[0] != '/')
		rc = no_manager(rc ? why.message : errors.data ? errors.data : "it names no cgroup", err);
	scp__buf_free(&out);
	scp__buf_free(&errors);
	return rc;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += len)
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[len]))
			return true;
	return false;
}

static scp_status not_handed_down(const char *controller, const char *limit, scp_error *err)
{
	scp__fail(err, SCP_ENOTSUP, "the cgroup controller %s isn't handed down to this user's systemd", controller);
	scp__hint(err,
	    "mkdir -p /etc/systemd/system/user@.service.d; printf '[Service]\\nDelegate=cpu memory pids\\n' "
	    ">/etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload; log in anew; or: "
	    "--allow-unenforced %s",
	    limit);
	return SCP_ENOTSUP;
}

static scp_status find_controllers(scp__oci_cgroups *c, const char *group, unsigned allowed, scp_error *err)
{
	char dir[320], text[512];

	(void)snprintf(dir, sizeof(dir), "%s%.200s", c->unified, group);
	if (scp__cgroup_read(dir, "cgroup.controllers", text, sizeof(text)) < 0)
		return scp__fail_errno(err, errno, "read the controllers of %s", dir);
	c->offered = 0;
	for (size_t i = 0; i < WANTED; i++) {
		if (has_word(text, wanted[i].controller))
			c->offered |= wanted[i].bit;
		else if (!(allowed & wanted[i].bit))
			return not_handed_down(wanted[i].controller, wanted[i].limit, err);
	}
	return SCP_OK;
}

/* Are we outside of what the user's systemd has: in a login's scope, or a system service? */
static bool is_outside(const char *group)
{
	char text[512], want[300];

	(void)snprintf(want, sizeof(want), "0::%s/", group);
	return scp__cgroup_read("/proc/self", "cgroup", text, sizeof(text)) <= 0 ||
	       strncmp(text, want, strlen(want)) != 0;
}

static scp_status open_scopes(scp__oci_cgroups *c, const char *hash, unsigned allowed, scp_error *err)
{
	scp__oci_user_env_vars env;
	char group[200];
	scp_status rc = scp__oci_user_env(&env, err);

	if (!rc)
		rc = check_bus(&env, err);
	if (!rc)
		rc = ask_manager(&env, group, sizeof(group), err);
	if (!rc)
		rc = find_controllers(c, group, allowed, err);
	if (rc)
		return rc;
	if (snprintf(c->parent, sizeof(c->parent), "%s/" SCP__CGROUP_USER_SLICE, group) >= (int)sizeof(c->parent))
		return scp__fail(err, SCP_ENOTSUP, "the cgroup %s has too long a name", group);
	(void)snprintf(c->prefix, sizeof(c->prefix), "sandboxcp-%s-", hash);
	(void)snprintf(c->suffix, sizeof(c->suffix), ".scope/" SCP__CGROUP_USER_INNER);
	c->kind = SCP__OCI_CGROUPS_SCOPES;
	c->outside = is_outside(group);
	return SCP_OK;
}

int scp__oci_cgroup_memory_events(const scp__oci_cgroups *c, const char *name)
{
	char dir[SCP__CGROUP_DIR_SIZE], path[SCP__CGROUP_DIR_SIZE + 16];

	if (c->kind != SCP__OCI_CGROUPS_SCOPES || !scp__cgroup_dir(c, SCP__OCI_MEMORY, name, dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/memory.events", dir);
	return open(path, O_RDONLY | O_CLOEXEC);
}

scp_status scp__oci_cgroups_open_user(scp__oci_cgroups *c, const char *hash, unsigned allowed, scp_error *err)
{
	scp_error why = { 0 };
	scp_status rc = c->v2 ? open_scopes(c, hash, allowed, &why) : no_v2(&why);

	if (!rc)
		return SCP_OK;
	if (rc != SCP_ENOTSUP || (allowed & SCP__OCI_HAS_ALL) != SCP__OCI_HAS_ALL) {
		scp__error_copy(err, &why);
		return rc;
	}
	c->kind = SCP__OCI_CGROUPS_NONE;
	c->offered = 0;
	c->mount_count = 0;
	c->v2 = false;
	for (int i = 0; i < SCP__OCI_CONTROLLERS; i++)
		c->of[i] = -1;
	return SCP_OK;
}
