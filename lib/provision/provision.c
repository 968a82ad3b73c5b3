#include "provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"
#include "runtime.h"
#include "storage.h"

enum {
	OVERHEAD_BYTES = 64 << 20, /* the executor and its spool, on top of what the user asked for */
	TMP_BYTES = 64 << 20,
	READY_TIMEOUT_MS = 20000,
};

scp_status scp__provision_init(scp__provision *p, scp_error *err)
{
	p->ready = scp__map_new();
	if (!p->ready)
		return scp__nomem(err);
	pthread_mutex_init(&p->lock, NULL);
	return SCP_OK;
}

static void free_value(void *user, const char *key, void *value)
{
	(void)user;
	(void)key;
	free(value);
}

void scp__provision_fini(scp__provision *p)
{
	if (!p->ready)
		return;
	scp__map_each(p->ready, free_value, NULL);
	scp__map_free(p->ready);
	pthread_mutex_destroy(&p->lock);
	p->ready = NULL;
}

static char *known_path(scp__provision *p, const char *workspace_id)
{
	char *path;

	pthread_mutex_lock(&p->lock);
	path = scp__map_get(p->ready, workspace_id);
	path = path ? strdup(path) : NULL;
	pthread_mutex_unlock(&p->lock);
	return path;
}

static void remember_path(scp__provision *p, const char *workspace_id, const char *path)
{
	char *copy = strdup(path);

	pthread_mutex_lock(&p->lock);
	free(scp__map_remove(p->ready, workspace_id));
	if (copy && scp__map_put(p->ready, workspace_id, copy))
		copy = NULL;
	pthread_mutex_unlock(&p->lock);
	free(copy);
}

static void forget_path(scp__provision *p, const char *workspace_id)
{
	pthread_mutex_lock(&p->lock);
	free(scp__map_remove(p->ready, workspace_id));
	pthread_mutex_unlock(&p->lock);
}

static void workspace_prefix(char out[96], const char *workspace_id)
{
	snprintf(out, 96, "sessions/%s", workspace_id);
}

scp_status scp__provision_workspace(
    scp__provision *p, scp_runtime *rt, const char *workspace_id, uint64_t disk_bytes, char **path, scp_error *err)
{
	int32_t uid = scp__runtime_workspace_uid(rt);
	char prefix[96];
	char *folder = known_path(p, workspace_id);
	scp_status rc = SCP_OK;

	if (!folder) {
		workspace_prefix(prefix, workspace_id);
		rc = scp__storage_local_folder(p->storage, prefix, uid, uid, &folder, err);
		if (!rc)
			rc = scp__volume_attach(p->volumes, workspace_id, disk_bytes, folder, err);
		if (!rc)
			remember_path(p, workspace_id, folder);
	}
	if (rc || !path)
		free(folder);
	else
		*path = folder;
	return rc ? scp__prefix(err, "workspace %s", workspace_id) : SCP_OK;
}

void scp__provision_workspace_rest(scp__provision *p, const char *workspace_id)
{
	char *folder = known_path(p, workspace_id);
	char prefix[96];

	forget_path(p, workspace_id);
	/* Another process may have made it ready. */
	workspace_prefix(prefix, workspace_id);
	if (!folder && scp__storage_local_folder(p->storage, prefix, -1, -1, &folder, NULL))
		folder = NULL;
	if (folder)
		scp__volume_detach(p->volumes, workspace_id, folder);
	free(folder);
}

scp_status scp__provision_workspace_remove(scp__provision *p, const char *workspace_id, scp_error *err)
{
	char prefix[96];
	char *folder = NULL;
	scp_status rc;

	forget_path(p, workspace_id);
	workspace_prefix(prefix, workspace_id);
	rc = scp__storage_local_folder(p->storage, prefix, -1, -1, &folder, err);
	if (!rc)
		rc = scp__volume_remove(p->volumes, workspace_id, folder, err);
	if (!rc)
		rc = scp__storage_remove_prefix(p->storage, prefix, err);
	free(folder);
	return rc;
}

static scp_status run_container(
    scp__provision *p, scp_runtime *rt, const scp__provision_spec *spec, const char *workspace_path, scp_error *err)
{
	char running[32], queued[32];
	const char *args[] = { running, queued, NULL };
	const scp_pair labels[] = { { "sandboxcp.session", spec->session_id },
		{ "sandboxcp.workspace", spec->workspace_id } };
	scp_runtime_spec run = { sizeof(run) };

	snprintf(running, sizeof(running), "--max-running=%u", p->max_running);
	snprintf(queued, sizeof(queued), "--max-queued=%u", p->max_queued);
	run.name = spec->container_id;
	run.image = spec->image;
	run.executor_path = p->executor_path;
	run.executor_args = args;
	run.workspace_path = workspace_path;
	run.resources = spec->resources;
	run.overhead_memory_bytes = OVERHEAD_BYTES;
	run.network = spec->network;
	run.read_only_root = spec->read_only_root;
	run.tmp_bytes = TMP_BYTES;
	run.labels = labels;
	run.label_count = sizeof(labels) / sizeof(labels[0]);
	return scp__runtime_run(rt, &run, err);
}

scp_status scp__provision_container(scp__provision *p, scp_runtime *rt, const scp__provision_spec *spec, scp_error *err)
{
	char *workspace = NULL;
	bool made = false;
	scp__link_info info;
	scp_status rc;

	rc = scp__runtime_image_prepare(rt, spec->image, NULL, 0, err);
	if (!rc)
		rc = scp__provision_workspace(p, rt, spec->workspace_id, spec->resources->disk_bytes, &workspace, err);
	if (rc)
		goto out;
	made = true;
	rc = run_container(p, rt, spec, workspace, err);
	if (!rc)
		rc = scp__link_ping(p->link, rt, spec->container_id, READY_TIMEOUT_MS, &info, err);
	if (rc)
		scp__prefix(err, "container %s", spec->container_id);
out:
	if (rc && made)
		(void)scp__provision_remove(p, rt, spec->container_id, NULL);
	free(workspace);
	return rc;
}

scp_status scp__provision_remove(scp__provision *p, scp_runtime *rt, const char *container_id, scp_error *err)
{
	scp__link_forget(p->link, container_id);
	return scp__runtime_remove(rt, container_id, err);
}

static bool host_has(const char *package)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "/var/lib/dpkg/info/%s.list", package);
	if (!stat(path, &st))
		return true;
	snprintf(path, sizeof(path), "/var/lib/dpkg/info/%s:amd64.list", package);
	if (!stat(path, &st))
		return true;
	snprintf(path, sizeof(path), "/var/lib/dpkg/info/%s:arm64.list", package);
	return !stat(path, &st);
}

scp_status scp__provision_packages(const char *image, const char *const *packages, size_t count, scp_error *err)
{
	scp__buf missing;
	struct stat st;
	scp_status rc = SCP_OK;

	/* Told where it can be: this host's own /usr, kept by dpkg. */
	if (strcmp(image, "host:") || stat("/var/lib/dpkg/info", &st))
		return SCP_OK;
	scp__buf_init(&missing, 4096);
	for (size_t i = 0; i < count; i++)
		if (!host_has(packages[i]))
			scp__buf_printf(&missing, " %s", packages[i]);
	if (missing.len) {
		rc = scp__fail(
		    err, SCP_ENOTSUP, "this host lacks the packages that the template needs:%s", missing.data);
		scp__hint(err, "Run apt-get install%s", missing.data);
	}
	scp__buf_free(&missing);
	return rc;
}
