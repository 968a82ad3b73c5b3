/* Ending a container and taking it away. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"
#include "proc.h"

#define KILL_LIMIT_MS 10000

static int send_signal(int pidfd, int signal_number)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

/* SIGKILL to pid 1 takes the whole pid namespace along. */
static scp_status kill_process(const char *name, int pidfd, scp_error *err)
{
	if (send_signal(pidfd, SIGKILL) && errno != ESRCH)
		return scp__fail_errno(err, errno, "kill container %s", name);
	if (!scp__oci_pidfd_wait(pidfd, KILL_LIMIT_MS))
		return scp__fail(err, SCP_EUNAVAIL, "container %s doesn't end though it was killed", name);
	(void)scp__oci_pidfd_reap(pidfd);
	return SCP_OK;
}

/* -1: it doesn't run */
static int running_pidfd(int dir)
{
	scp__oci_record record;
	int pidfd;

	if (scp__oci_record_read(dir, &record, NULL))
		return -1;
	pidfd = scp__oci_record_pidfd(&record);
	scp__oci_record_fini(&record);
	return pidfd;
}

/* That it was asked to end must be known to whoever sees it end: then it wasn't the memory limit. */
static void mark_stopping(int dir)
{
	int fd = openat(dir, "stopping", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
}

scp_status scp__oci_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	int dir = scp__oci_name_valid(name) ? scp__oci_folder_open(o, name) : -1;
	int pidfd = dir < 0 ? -1 : running_pidfd(dir);
	scp_status rc = SCP_OK;

	if (pidfd >= 0) {
		mark_stopping(dir);
		(void)scp__oci_cgroup_freeze(&o->cgroups, name, false, NULL);
		if (!grace_ms || send_signal(pidfd, SIGTERM) || !scp__oci_pidfd_wait(pidfd, grace_ms))
			rc = kill_process(name, pidfd, err);
		close(pidfd);
	}
	if (dir >= 0)
		close(dir);
	return rc;
}

/* runc and crun keep a container's state in a folder of its name; what others keep, they alone know. */
static void forget(scp__oci *o, const char *name)
{
	char state[SCP__OCI_PATH_SIZE];
	const char *argv[] = { o->program.path, "--root", state, "delete", "--force", name, NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;

	(void)snprintf(state, sizeof(state), "%s/state", o->run_dir);
	options.argv = argv;
	if (strcmp(o->program.name, "runc") != 0 && strcmp(o->program.name, "crun") != 0)
		(void)scp__proc_run(&options, NULL, NULL);
	(void)scp__fs_remove_tree(o->state, name);
}

static scp_status end_process(scp__oci *o, const char *name, int dir, uint32_t *slot, scp_error *err)
{
	scp__oci_record record;
	scp_status rc = SCP_OK;
	int pidfd;

	*slot = 0;
	if (scp__oci_record_read(dir, &record, NULL))
		return SCP_OK;
	*slot = record.slot;
	pidfd = scp__oci_record_pidfd(&record);
	scp__oci_record_fini(&record);
	if (pidfd < 0)
		return SCP_OK;
	mark_stopping(dir);
	(void)scp__oci_cgroup_freeze(&o->cgroups, name, false, NULL);
	rc = kill_process(name, pidfd, err);
	close(pidfd);
	return rc;
}

scp_status scp__oci_remove_locked(scp__oci *o, const char *name, scp__oci_folder *folder, scp_error *err)
{
	char owner[SCP__OCI_PATH_SIZE];
	uint32_t slot;
	scp_status rc;

	scp__oci_watch_remove(o->watch, name);
	rc = end_process(o, name, folder->dir, &slot, err);
	if (!rc)
		rc = scp__oci_cgroup_remove(&o->cgroups, name, err);
	if (rc)
		return rc;
	forget(o, name);
	scp__oci_unlisten(o, name);
	(void)snprintf(owner, sizeof(owner), "%s/c/%s", o->run_dir, name);
	scp__oci_uids_free(&o->uids, owner, slot);
	return scp__oci_folder_remove(o, name, err);
}

scp_status scp__oci_remove(scp_runtime *rt, const char *name, scp_error *err)
{
	scp__oci *o = (scp__oci *)rt;
	scp__oci_folder folder;
	scp_error local = { 0 };
	scp_status rc;

	rc = scp__oci_folder_lock(o, name, false, &folder, &local);
	if (rc == SCP_ENOTFOUND)
		return SCP_OK;
	if (rc) {
		scp__error_copy(err, &local);
		return rc;
	}
	rc = scp__oci_remove_locked(o, name, &folder, err);
	scp__oci_folder_close(&folder);
	return rc;
}

scp_status scp__oci_pause(scp_runtime *rt, const char *name, scp_error *err)
{
	return scp__oci_cgroup_freeze(&((scp__oci *)rt)->cgroups, name, true, err);
}

scp_status scp__oci_resume(scp_runtime *rt, const char *name, scp_error *err)
{
	return scp__oci_cgroup_freeze(&((scp__oci *)rt)->cgroups, name, false, err);
}
