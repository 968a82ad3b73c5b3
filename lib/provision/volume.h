/*
 * Workspace disks: a folder with a size limit that a runaway writer hits as ENOSPC, each a file system of its own on a
 * sparse image file, so that neither its blocks, its inodes nor its journal are anybody else's.
 */
#ifndef SCP_PROVISION_VOLUME_H
#define SCP_PROVISION_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include <sandboxcp/error.h>

typedef struct scp__volumes scp__volumes; /* any thread */

typedef struct scp__volumes_options {
	const char *dir;      /* where the images lie; made if need be */
	bool enforce;	      /* false: folders without a limit; nothing is mounted */
	uint32_t stock;	      /* formatted disks kept ready, made in the background; 0: none */
	uint64_t stock_bytes; /* their size */
	int32_t uid, gid;     /* who owns the top folder of each */
	scp__log log;
} scp__volumes_options;

/** @return SCP_OK; SCP_ENOTSUP this process can't limit disks here: message and hint say what is missing (not root,
 *  no loop devices, no mkfs.ext4, …). Tries it with a real one. */
scp_status scp__volumes_open(scp__volumes **out, const scp__volumes_options *options, scp_error *err);

/** Ends the background thread; attached disks stay attached. NULL is accepted. */
void scp__volumes_close(scp__volumes *v);

/**
 * Make the folder `path` the disk `id` (a workspace's id) of `bytes`: from stock, else formatted now, else the image
 * that is there already. Idempotent; a disk that another process left attached there is kept. Exclusive: two of one
 * image never. Metadata come off `bytes` (about 4 %; at least 16 MiB are needed).
 * @return SCP_OK; SCP_ECAPACITY no loop device or no space left; SCP_ESTATE the folder holds files that a disk would
 * hide, or something else is mounted there; SCP_EBUSY another process has had it for 10 s; SCP_EINVAL id or size;
 * SCP_EINTERNAL
 */
scp_status scp__volume_attach(scp__volumes *v, const char *id, uint64_t bytes, const char *path, scp_error *err);

/** Unmount a disk that nobody uses; its image stays and attach brings it back. SCP_EBUSY: it stays attached, and
 * another try is worth it. Idempotent. (Sessions that are over keep their files for a day, but not a mount each.) */
scp_status scp__volume_detach(scp__volumes *v, const char *id, const char *path);

/** Unmount (lazily if in use) and delete image and folder. Idempotent. */
scp_status scp__volume_remove(scp__volumes *v, const char *id, const char *path, scp_error *err);

/** "enforced" or "not enforced", and by what or why not; static or the volumes'. */
void scp__volumes_limit(const scp__volumes *v, const char **state, const char **detail);

#endif
