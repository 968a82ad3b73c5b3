/*
 * Making a container. Its folder and record come first, then uids, socket and the one call of the runtime program;
 * whoever dies in between leaves what list() finds and remove() can take away.
 */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "fs.h"
#include "pool.h"
#include "runtime.h"

struct making {
	scp__oci *o;
	const scp_runtime_spec *spec;
	scp__oci_folder folder;
	scp__oci_record record;
	scp__oci_image image;
	char executor[PATH_MAX];
	char bundle[SCP__OCI_PATH_SIZE];
	int socket;
	scp_error *err;
	scp_status rc;
};

static scp_status user_root(scp_error *err)
{
	scp__fail(err, SCP_ENOTSUP, "the oci runtime can't bound what is written to an ordinary user's writable root");
	scp__hint(err, "Use a template with a read-only root (/tmp and /workspace are writable); or run as root");
	return SCP_ENOTSUP;
}

static scp_status check(scp__oci *o, const scp_runtime_spec *spec, scp_error *err)
{
	if (!spec->name || !scp__oci_name_valid(spec->name))
		return scp__fail(err, SCP_EINVAL, "container name: at most %d of [a-z0-9-]", SCP__OCI_NAME_MAX);
	if (!spec->image || !spec->executor_path || !spec->resources)
		return scp__fail(
		    err, SCP_EINVAL, "container %s: image, executor and resources must be given", spec->name);
	if (o->of_user && !spec->read_only_root)
		return user_root(err);
	return spec->network ? scp__runtime_network(&o->base, err) : SCP_OK;
}

/* ---- in the thread with the private mount namespace ---- */

/* crun 1.8 takes a hybrid machine's v2 tree for one that has taken controllers over, and refuses. */
static scp_status hide_controllers(const scp__oci *o, scp_error *err)
{
	char empty[SCP__OCI_PATH_SIZE], target[128];

	if (!o->program.hide_controllers)
		return SCP_OK;
	(void)snprintf(empty, sizeof(empty), "%s/points/.sandbox/executor", o->run_dir);
	(void)snprintf(target, sizeof(target), "%s/cgroup.controllers", o->cgroups.unified);
	return scp__oci_mount_bind(empty, target, false, err);
}

static scp_status mount_all(struct making *m, char root[SCP__OCI_PATH_SIZE], const scp__oci_ids *ids)
{
	char target[SCP__OCI_PATH_SIZE + 32];
	scp_status rc = scp__oci_mounts_private(m->err);

	if (!rc)
		rc = hide_controllers(m->o, m->err);
	if (!rc)
		rc = scp__oci_image_mount(m->o, &m->image, m->spec, root, m->err);
	(void)snprintf(target, sizeof(target), "%s/.sandbox/executor", root);
	if (!rc)
		rc = scp__oci_mount_bind(m->executor, target, false, m->err);
	(void)snprintf(target, sizeof(target), "%s/workspace", root);
	if (!rc && m->spec->workspace_path)
		rc = scp__oci_mount_idmapped(
		    m->spec->workspace_path, target, (uint32_t)scp__oci_uids_disk(&m->o->uids), ids->uid[1], m->err);
	return rc;
}

static scp_status make_in(struct making *m, const char *root, const scp__oci_ids *ids, const scp__oci_binds *binds)
{
	scp__oci_config config = { .spec = m->spec,
		.root = root,
		.ids = *ids,
		.binds = binds,
		.cgroups = &m->o->cgroups,
		.seccomp = m->o->seccomp };
	scp_status rc = scp__oci_config_write(m->folder.dir, &config, m->err);

	return rc ? rc : scp__oci_call_create(m->o, m->spec->name, m->bundle, &m->folder, m->socket, m->err);
}

static void *make_mounted(void *arg)
{
	char root[SCP__OCI_PATH_SIZE] = "";
	struct making *m = arg;
	scp__oci_ids ids;

	scp__oci_uids_of(&m->o->uids, m->record.slot, &ids);
	m->rc = mount_all(m, root, &ids);
	if (!m->rc)
		m->rc = make_in(m, root, &ids, NULL);
	return NULL;
}

/* A thread can have a mount namespace of its own, and takes it along when it ends: nothing to undo. */
static scp_status in_private_mounts(struct making *m)
{
	pthread_t thread;
	scp_status rc = scp__thread_start(&thread, "scp-mounts", make_mounted, m, m->err);

	if (rc)
		return rc;
	pthread_join(thread, NULL);
	return m->rc;
}

/* ---- an ordinary user: config.json says what the runtime program shall mount ---- */

static scp_status make_bound(struct making *m)
{
	char root[SCP__OCI_PATH_SIZE] = "";
	scp__arena *arena = scp__arena_new();
	scp__oci_binds *binds = arena ? scp__arena_alloc(arena, sizeof(*binds)) : NULL;
	scp__oci_ids ids;
	scp_status rc;

	if (!binds) {
		scp__arena_free(arena);
		return scp__nomem(m->err);
	}
	binds->arena = arena;
	scp__oci_uids_of(&m->o->uids, m->record.slot, &ids);
	rc = scp__oci_image_show(m->o, &m->image, m->spec->name, m->folder.dir, binds, root, m->err);
	if (!rc)
		rc = scp__oci_binds_add(binds, m->executor, "/.sandbox/executor", false, m->err);
	if (!rc && m->spec->workspace_path)
		rc = scp__oci_binds_add(binds, m->spec->workspace_path, "/workspace", true, m->err);
	if (!rc)
		rc = make_in(m, root, &ids, binds);
	scp__arena_free(arena);
	return rc;
}

/* ---- before and after ---- */

static scp_status write_intent(struct making *m)
{
	scp_status rc = scp__oci_uids_take(&m->o->uids, m->bundle, &m->record.slot, m->err);

	if (rc)
		return rc;
	memcpy(m->record.name, m->spec->name, strlen(m->spec->name) + 1);
	memcpy(m->record.boot_id, m->o->boot_id, sizeof(m->record.boot_id));
	m->record.created_us = scp__now_us();
	m->record.labels = m->spec->labels;
	m->record.label_count = m->spec->label_count;
	return scp__oci_record_write(m->folder.dir, &m->record, m->err);
}

static int read_pid(int dir)
{
	char *text = NULL;
	size_t len;
	int pid = 0;

	if (!scp__fs_read_file(dir, "pid", 32, &text, &len))
		pid = (int)strtol(text, NULL, 10);
	free(text);
	return pid;
}

static scp_status check_limits(struct making *m)
{
	unsigned has, lacking;
	scp__oci_limits want;

	scp__oci_spec_limits(m->spec, &want);
	has = scp__oci_cgroup_verify(&m->o->cgroups, m->spec->name, &want);
	lacking = SCP__OCI_HAS_ALL & ~has & ~m->o->allowed;
	if (!lacking)
		return SCP_OK;
	return scp__fail(m->err, SCP_ENOTSUP, "%s started %s without its limit of%s%s%s", m->o->program.name,
	    m->spec->name, lacking & SCP__OCI_HAS_MEMORY ? " memory" : "", lacking & SCP__OCI_HAS_CPU ? " cpu" : "",
	    lacking & SCP__OCI_HAS_PROCESSES ? " processes" : "");
}

static scp_status started(struct making *m)
{
	scp_status rc;
	int pidfd;

	m->record.pid = read_pid(m->folder.dir);
	m->record.start_ticks = m->record.pid > 0 ? scp__oci_start_ticks(m->record.pid) : 0;
	m->record.started_us = scp__now_us();
	rc = check_limits(m);
	pidfd = scp__oci_record_pidfd(&m->record);
	if (!rc && pidfd < 0)
		rc = scp__oci_call_failed(m->folder.dir, "the container ended at once", m->err);
	if (!rc)
		rc = scp__oci_record_write(m->folder.dir, &m->record, m->err);
	if (!rc)
		return scp__oci_watch_container(m->o, m->spec->name, pidfd, m->err);
	if (pidfd >= 0)
		close(pidfd);
	return rc;
}

/* In a sandbox even uid 0 is one of "the others" of this file. */
static scp_status find_executor(struct making *m)
{
	struct stat st;

	if (!realpath(m->spec->executor_path, m->executor) || stat(m->executor, &st))
		return scp__fail(m->err, SCP_EINVAL, "there is no executor at %s", m->spec->executor_path);
	if (S_ISREG(st.st_mode) && (st.st_mode & 05) == 05)
		return SCP_OK;
	return scp__fail(
	    m->err, SCP_EINVAL, "the executor %s must be a program that everybody may run (chmod 755)", m->executor);
}

static scp_status make(struct making *m)
{
	scp_status rc = scp__oci_image_resolve(m->o, m->spec->image, &m->image, m->err);

	if (!rc)
		rc = find_executor(m);
	if (!rc)
		rc = write_intent(m);
	if (!rc)
		rc = scp__oci_listen(m->o, m->spec->name, &m->socket, m->err);
	if (!rc)
		rc = m->o->of_user ? make_bound(m) : in_private_mounts(m);
	if (m->socket >= 0)
		close(m->socket);
	return rc ? rc : started(m);
}

static bool runs_already(struct making *m)
{
	scp__oci_record record;
	int pidfd = -1;

	if (scp__oci_record_read(m->folder.dir, &record, NULL))
		return false;
	if (record.started_us)
		pidfd = scp__oci_record_pidfd(&record);
	scp__oci_record_fini(&record);
	if (pidfd >= 0)
		(void)scp__oci_watch_container(m->o, m->spec->name, pidfd, NULL);
	return pidfd >= 0;
}

/* What an earlier attempt left goes first: the folder is made anew and locked again. */
static scp_status begin(struct making *m, bool *running)
{
	scp_status rc = scp__oci_folder_lock(m->o, m->spec->name, true, &m->folder, m->err);

	while (!rc && !(*running = runs_already(m)) && !faccessat(m->folder.dir, "record.json", F_OK, 0)) {
		rc = scp__oci_remove_locked(m->o, m->spec->name, &m->folder, m->err);
		scp__oci_folder_close(&m->folder);
		if (!rc)
			rc = scp__oci_folder_lock(m->o, m->spec->name, true, &m->folder, m->err);
	}
	return rc;
}

/* Who wasn't waited for any longer may have a child that goes on, and holds the lock until it is done: crun's does. */
static void undo(struct making *m)
{
	if (m->rc == SCP_ETIMEDOUT) {
		scp__oci_folder_close(&m->folder);
		if (scp__oci_folder_lock(m->o, m->spec->name, false, &m->folder, NULL) || runs_already(m))
			return;
	}
	(void)scp__oci_remove_locked(m->o, m->spec->name, &m->folder, NULL);
}

scp_status scp__oci_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	struct making m = {
		.o = (scp__oci *)rt, .spec = spec, .folder = SCP__OCI_FOLDER_NONE, .socket = -1, .err = err
	};
	scp_status rc = check(m.o, spec, err);
	bool running = false;

	if (!rc)
		rc = begin(&m, &running);
	if (!rc && !running) {
		(void)snprintf(m.bundle, sizeof(m.bundle), "%s/c/%s", m.o->run_dir, spec->name);
		rc = m.rc = make(&m);
		if (rc)
			undo(&m);
	}
	scp__oci_folder_close(&m.folder);
	return rc;
}
