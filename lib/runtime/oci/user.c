/*
 * What an ordinary user's sandboxes need of the machine: user namespaces, two setuid programs that write their maps,
 * and a folder that ends with the user's login. Each that is missing is one error that says what to install or to set.
 */
#include "user.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "proc.h"

const char *scp__oci_user_name(char out[SCP__OCI_USER_NAME])
{
	struct passwd entry, *found = NULL;
	char text[2048];

	if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &found) || !found)
		(void)snprintf(out, SCP__OCI_USER_NAME, "%u", (unsigned)geteuid());
	else
		(void)snprintf(out, SCP__OCI_USER_NAME, "%.*s", SCP__OCI_USER_NAME - 1, entry.pw_name);
	return out;
}

/* ---- user namespaces ---- */

static long number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

static const char *namespace_cure(void)
{
	if (number_in("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		return "Set it: sysctl -w kernel.unprivileged_userns_clone=1 (and in /etc/sysctl.d, to last)";
	if (number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return "Set it: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (and in /etc/sysctl.d, to "
		       "last)";
	return "Set it: sysctl -w user.max_user_namespaces=10000 (and in /etc/sysctl.d, to last); in a container: give "
	       "it the right to make some";
}

/* The system call alone: in a child that shares nothing with whatever threads its host has. */
static int make_namespace(void *unused)
{
	(void)unused;
	return syscall(SYS_unshare, CLONE_NEWUSER) ? errno : 0;
}

static scp_status check_namespaces(scp_error *err)
{
	const char *argv[] = { "/bin/true", NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	scp_error why = { 0 };
	const char *reason;

	options.argv = argv;
	options.before_exec = make_namespace;
	if (!scp__proc_run(&options, NULL, &why))
		return SCP_OK;
	reason = strrchr(why.message, ':');
	scp__fail(err, SCP_ENOTSUP, "an ordinary user may make no user namespace here%s", reason ? reason : "");
	scp__hint(err, "%s", namespace_cure());
	return SCP_ENOTSUP;
}

static scp_status check_map_programs(scp_error *err)
{
	static const char *const programs[] = { "newuidmap", "newgidmap" };
	char path[256];

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (scp__proc_find(programs[i], path, sizeof(path)))
			continue;
		scp__fail(err, SCP_ENOTSUP, "%s isn't installed: an ordinary user's sandboxes get their uids by it",
		    programs[i]);
		scp__hint(err, "apt-get install uidmap");
		return SCP_ENOTSUP;
	}
	return SCP_OK;
}

/* ---- the folder ---- */

scp_status scp__oci_user_runtime_dir(char out[SCP__OCI_RUNTIME_DIR], scp_error *err)
{
	const char *given = secure_getenv("XDG_RUNTIME_DIR");
	char name[SCP__OCI_USER_NAME];
	struct stat st;
	int n;

	/* Who came by su or a system service's User= has a runtime folder all the same, if the user has logged in. */
	if (given && given[0] == '/')
		n = snprintf(out, SCP__OCI_RUNTIME_DIR, "%s", given);
	else
		n = snprintf(out, SCP__OCI_RUNTIME_DIR, "/run/user/%u", (unsigned)geteuid());
	if (n < SCP__OCI_RUNTIME_DIR && !stat(out, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    !(st.st_mode & 022))
		return SCP_OK;
	scp__fail(err, SCP_ENOTSUP, "there is no runtime folder of this user (XDG_RUNTIME_DIR; %.80s)", out);
	scp__hint(err, "Log in by console, ssh or machinectl shell, not by su or sudo; or: loginctl enable-linger %s",
	    scp__oci_user_name(name));
	return SCP_ENOTSUP;
}

scp_status scp__oci_user_check(char run_root[SCP__OCI_RUN_ROOT_SIZE], scp_error *err)
{
	char dir[SCP__OCI_RUNTIME_DIR];
	scp_status rc = check_namespaces(err);

	if (!rc)
		rc = check_map_programs(err);
	if (!rc)
		rc = scp__oci_user_runtime_dir(dir, err);
	if (!rc)
		(void)snprintf(run_root, SCP__OCI_RUN_ROOT_SIZE, "%s/sandboxcp", dir);
	return rc;
}

/* ---- the environment of programs that talk to the user's systemd ---- */

scp_status scp__oci_user_env(scp__oci_user_env_vars *env, scp_error *err)
{
	const char *bus = secure_getenv("DBUS_SESSION_BUS_ADDRESS");
	char dir[SCP__OCI_RUNTIME_DIR];
	scp_status rc = scp__oci_user_runtime_dir(dir, err);

	if (rc)
		return rc;
	(void)snprintf(env->runtime_dir, sizeof(env->runtime_dir), "XDG_RUNTIME_DIR=%s", dir);
	if (!bus || strlen(bus) >= sizeof(env->bus) - 32)
		(void)snprintf(env->bus, sizeof(env->bus), "DBUS_SESSION_BUS_ADDRESS=unix:path=%s/bus", dir);
	else
		(void)snprintf(env->bus, sizeof(env->bus), "DBUS_SESSION_BUS_ADDRESS=%s", bus);
	env->list[0] = SCP__OCI_PROGRAM_PATH;
	env->list[1] = env->runtime_dir;
	env->list[2] = env->bus;
	env->list[3] = NULL;
	return SCP_OK;
}
