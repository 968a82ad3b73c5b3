#include "provision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "err.h"
#include "runtime.h"

enum {
	OVERHEAD_BYTES = 64 << 20, /* the executor and its spool, on top of what the user asked for */
	TMP_BYTES = 64 << 20,
	READY_TIMEOUT_MS = 20000,
};

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

static scp_status await_executor(scp__provision *p, scp_runtime *rt, const char *container_id, scp_error *err)
{
	scp__link_info info;
	scp_status rc = scp__link_ping(p->link, rt, container_id, READY_TIMEOUT_MS, &info, err);

	/* Not that something asked for isn't there. */
	return rc == SCP_ENOTFOUND ? scp__fail(err, SCP_EBACKEND, "it ended before its executor answered") : rc;
}

scp_status scp__provision_container(scp__provision *p, scp_runtime *rt, const scp__provision_spec *spec, scp_error *err)
{
	char *workspace = NULL;
	bool made = false;
	scp_status rc;

	rc = scp__runtime_image_prepare(rt, spec->image, NULL, 0, err);
	if (!rc)
		rc = scp__workspace_begin(p, rt, spec->workspace_id, spec->resources->disk_bytes, &workspace, err);
	if (rc)
		goto out;
	made = true;
	rc = run_container(p, rt, spec, workspace, err);
	if (!rc)
		rc = await_executor(p, rt, spec->container_id, err);
	if (rc)
		scp__prefix(err, "container %s", spec->container_id);
out:
	if (rc && made)
		(void)scp__provision_remove(p, rt, spec->container_id, NULL);
	if (made)
		scp__workspace_end(p, spec->workspace_id, false);
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
