/*
 * How a workspace disk is made. An image lies in `dir` as ID.img, or in `dir`/stock under a random name while it is
 * nobody's. Two locks keep it one:
 *  - a byte of the file `dir`/lock, by id, while one process attaches, detaches or removes that disk;
 *  - flock() on the image, by the very descriptor that the loop device keeps: as long as a loop device has the image,
 *    in whatever process or mount namespace, nobody else gets that lock, and the kernel lets go of both together.
 */
#ifndef SCP_PROVISION_VOLUME_INTERNAL_H
#define SCP_PROVISION_VOLUME_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>

#include "volume.h"

#define SCP__VOLUME_ID_MAX 128
#define SCP__VOLUME_TEMPLATES 8
#define SCP__STOCK_NAME_SIZE 32
#define SCP__LOOP_NODE_SIZE 32

/* A formatted file system kept as what isn't zero in it: written out, it is a new disk. */
struct scp__template;

/* A disk of nobody yet: mounted, but nowhere. */
struct scp__disk {
	int mount;			 /* -1: none */
	char name[SCP__STOCK_NAME_SIZE]; /* in stock; "": not there (any more) */
};
#define SCP__DISK_INIT                                                                                                 \
	{                                                                                                              \
		.mount = -1                                                                                            \
	}

struct scp__volumes {
	int dir;
	int stock_dir;
	char *path;
	bool enforce;
	int32_t uid, gid;
	scp__log log;
	char mkfs[256];

	pthread_mutex_t lock; /* the fields below; never held across I/O */
	struct scp__template *templates[SCP__VOLUME_TEMPLATES];
	unsigned next_template;
	pthread_cond_t changed;
	struct scp__disk *stock;
	uint32_t stock_count, stock_max;
	uint64_t stock_bytes;
	bool closing;
	bool started;
	pthread_t thread;
};

/* volume_loop.c: loop devices. */

/** Bind `image` (flocked) to a free loop device that goes with its last user. *loop: close() once mounted. */
scp_status scp__loop_attach(int image, int *loop, char node[SCP__LOOP_NODE_SIZE], scp_error *err);
/** The loop device that has `image`, opened so that it stays; -1: none has. */
int scp__loop_find(const struct stat *image, char node[SCP__LOOP_NODE_SIZE]);
/** Is the block device `dev` a loop device on `image` (NULL: on whatever)? */
bool scp__loop_backs(dev_t dev, const struct stat *image);
/** SCP_ENOTSUP with advice where this process can't have loop devices. */
scp_status scp__loop_check(scp_error *err);

/* volume_mount.c: mounts by descriptor. */

scp_status scp__mount_open(const char *node, int *mount, scp_error *err);
scp_status scp__mount_place(int mount, const char *path, scp_error *err);
/** Is there a mount on `path`, and of what device? SCP_ENOTFOUND: no such folder. */
scp_status scp__mount_look(const char *path, bool *mounted, dev_t *dev, scp_error *err);
/** 0, or -1 with errno. */
int scp__mount_drop(const char *path, bool lazily);

/* volume_format.c: templates. */

/** The template of a size, made if need be; scp__template_free(). */
scp_status scp__template_get(scp__volumes *v, uint64_t bytes, struct scp__template **out, scp_error *err);
void scp__template_free(struct scp__template *t); /* one reference */
/** Make the empty file `fd` a file system with a UUID of its own. */
scp_status scp__template_write(const struct scp__template *t, int fd, scp_error *err);

/* volume_disk.c */

/** A new file in stock, locked. *fd: close(). */
scp_status scp__disk_file(scp__volumes *v, char name[SCP__STOCK_NAME_SIZE], int *fd, scp_error *err);
/** Bind and mount a file whose lock this process has. */
scp_status scp__disk_mount(int image, int *mount, scp_error *err);
/** A new disk, ready to be placed. */
scp_status scp__disk_make(scp__volumes *v, uint64_t bytes, struct scp__disk *out, scp_error *err);
/** The image that has an owner already, on whatever loop device has it, else a new one. */
scp_status scp__disk_open(int image, int *mount, scp_error *err);
/** Give it to `file` in v->dir. */
scp_status scp__disk_name(scp__volumes *v, struct scp__disk *disk, const char *file, scp_error *err);
/** Unmounted, and deleted if it is nobody's. */
void scp__disk_drop(scp__volumes *v, struct scp__disk *disk);
/** Wait until no loop device has the file, for a bounded time. */
void scp__disk_wait_free(scp__volumes *v, const char *name);
/** Delete what dead processes left in stock. */
void scp__disk_sweep(scp__volumes *v);

/* volume_lock.c */

/** The lock of an id: a descriptor to close; -1 with err (SCP_EBUSY: another process has it too long). */
int scp__volume_lock(scp__volumes *v, const char *id, scp_error *err);
void scp__volume_pause(unsigned try); /* between tries: at first 1 ms, then up to 16 */

/* volume_stock.c */

scp_status scp__stock_start(scp__volumes *v, scp_error *err);
void scp__stock_stop(scp__volumes *v);
/** A disk of that size, if one is ready. */
bool scp__stock_take(scp__volumes *v, uint64_t bytes, struct scp__disk *out);

#endif
