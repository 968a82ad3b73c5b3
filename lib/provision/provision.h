/*
 * One container made ready, and taken down again: its workspace, image, sandbox and the executor's answer. Knows
 * runtimes, storage, disks and the link; knows no session and writes no rows.
 */
#ifndef SCP_PROVISION_PROVISION_H
#define SCP_PROVISION_PROVISION_H

#include <pthread.h>

#include "link.h"
#include "log.h"
#include "map.h"
#include "mirror.h"
#include "volume.h"
#include <sandboxcp/sys/runtime.h>
#include <sandboxcp/sys/storage.h>

typedef struct scp__provision {
	scp_storage *local;  /* folders of this host */
	scp__mirror *mirror; /* brings them to the storage; NULL: they are it */
	scp__volumes *volumes;
	scp__link *link;
	const char *executor_path;
	uint32_t max_running; /* executions at once in a sandbox */
	uint32_t max_queued;
	scp__log log;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	scp__map *places; /* workspace.c's: what is in place, and who uses it */
} scp__provision;

/* ---- workspace.c ---- */

/** The fields above `lock` are the caller's, set before and outlive it. */
scp_status scp__workspaces_init(scp__provision *p, scp_error *err);
void scp__workspaces_fini(scp__provision *p);

/** Put a workspace's folder (with its size limit, and its files) in place and use it: *path (may be NULL) is the
 * caller's, free(). Cheap where it is in place already. Blocks. Any thread. On
 * success scp__workspace_end() must follow. */
scp_status scp__workspace_begin(
    scp__provision *p, scp_runtime *rt, const char *workspace_id, uint64_t disk_bytes, char **path, scp_error *err);

/** Done with it. `over`: its session has ended; the last user's end unmounts it, and begin brings it back. */
void scp__workspace_end(scp__provision *p, const char *workspace_id, bool over);

/** Its session has ended: unmount it as soon as nobody uses it; its files stay. */
void scp__workspace_rest(scp__provision *p, const char *workspace_id);

/** Once more for those that were in use by something else than us when they were to go. To be called now and then. */
void scp__workspaces_tidy(scp__provision *p);

/** Everything of it is in the storage, and its session is over: give the disk here back. SCP_EBUSY: somebody reads it.
 */
scp_status scp__workspace_drop(scp__provision *p, const char *workspace_id, scp_error *err);

/** The disk here is of an older time, and another home's or nobody's is what counts: away with it. */
scp_status scp__workspace_scrap(scp__provision *p, const char *workspace_id, scp_error *err);

/** Delete a workspace and its files. Idempotent. SCP_EBUSY: somebody reads it right now. */
scp_status scp__workspace_remove(scp__provision *p, const char *workspace_id, scp_error *err);

/* ---- provision.c ---- */

typedef struct scp__provision_spec {
	const char *container_id;
	const char *session_id;
	const char *workspace_id;
	const char *image;
	const scp_resources *resources;
	bool network;
	bool read_only_root;
} scp__provision_spec;

/** Make the container and wait until its executor answers. On failure nothing of the container is left. Blocks. */
scp_status scp__provision_container(
    scp__provision *p, scp_runtime *rt, const scp__provision_spec *spec, scp_error *err);

/** Take the container down: nothing of it is left. Idempotent. Blocks. */
scp_status scp__provision_remove(scp__provision *p, scp_runtime *rt, const char *container_id, scp_error *err);

/** SCP_ENOTSUP naming the packages that `image` lacks, where that can be told (the host's own packages). */
scp_status scp__provision_packages(const char *image, const char *const *packages, size_t count, scp_error *err);

#endif
