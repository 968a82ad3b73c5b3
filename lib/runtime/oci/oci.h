/*
 * What the parts of the oci adapter share.
 *
 * Everything of a node lies below /run/sandboxcp/HASH (HASH: of machine and state folder), so that a reboot forgets it
 * together with the containers; an ordinary user's below $XDG_RUNTIME_DIR/sandboxcp/HASH, which the last logout takes:
 *   root/     the mount points of `host:`, with the made-up /etc      points/  those laid over other images
 *   merged/   where such an overlay is mounted, image/ its lower part, upper/ the tmpfs of a writable one
 *   c/NAME/   one container: lock, record.json, config.json, pid, log, exit, stopping; a user's image: root/
 *   gone/     those folders while they are removed
 *   s/NAME.sock  its executor's listening socket        state/  the runtime program's own
 * Mounts are made only in a private mount namespace that the runtime program starts in: whoever is killed, none is
 * left. An ordinary user can't have one without leaving the own uid behind: there config.json carries the mounts, and
 * the runtime program makes them in the container's own namespaces.
 */
#ifndef SCP_RUNTIME_OCI_OCI_H
#define SCP_RUNTIME_OCI_OCI_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "log.h"
#include "seccomp.h"
#include <sandboxcp/sys/runtime.h>

#define SCP__OCI_NAME_MAX 63
#define SCP__OCI_RUN_ROOT_SIZE 96 /* "/run/sandboxcp" */
#define SCP__OCI_RUN_DIR_SIZE 112 /* with "/HASH" */
#define SCP__OCI_PATH_SIZE 256	  /* of whatever lies below it */
#define SCP__OCI_BOOT_ID_SIZE 40

/* ---- uids ---- */

/* Host uids for the whole host: slot n is base + 2n (container 0) and base + 2n + 1 (container 1000). An ordinary
 * user's slot n is base + n of its own range for container 0; container 1000 is the user, whose files workspaces are. A
 * slot is taken by a symbolic link uids/n whose target is the container's folder: made at once or not at all, and it
 * names its owner.
 */
typedef struct scp__oci_uids {
	int dir;
	char path[SCP__OCI_RUN_DIR_SIZE];
	bool of_user;
	uint32_t base;
	uint32_t gid_base;
	uint32_t slots;
	_Atomic uint32_t next; /* where the next search begins */
} scp__oci_uids;

/* What container uid and gid 0 and 1000 are on the host. */
typedef struct scp__oci_ids {
	uint32_t uid[2];
	uint32_t gid[2];
} scp__oci_ids;

scp_status scp__oci_uids_open(scp__oci_uids *u, const char *run_root, bool of_user, scp_error *err);
void scp__oci_uids_close(scp__oci_uids *u);
/** @param owner  absolute path of the container's folder, which exists. SCP_ECAPACITY: all are taken. */
scp_status scp__oci_uids_take(scp__oci_uids *u, const char *owner, uint32_t *slot, scp_error *err);
/** Frees `slot` if it is owner's; 0: whatever is owner's. */
void scp__oci_uids_free(scp__oci_uids *u, const char *owner, uint32_t slot);
/** The uid that workspaces have on disk: slot 0, never a container's. -1: whatever this process makes is right. */
int32_t scp__oci_uids_disk(const scp__oci_uids *u);
void scp__oci_uids_of(const scp__oci_uids *u, uint32_t slot, scp__oci_ids *out);
/** The range of `user` (by name or number) in a file like /etc/subuid, at least `least` long. Leaves them alone where
 *  there is none. */
bool scp__oci_subids(const char *file, const char *user, uint32_t least, uint32_t *base, uint32_t *count);

/* ---- cgroups ---- */

#define SCP__OCI_HIERARCHIES 16

enum scp__oci_controller {
	SCP__OCI_MEMORY,
	SCP__OCI_CPU,
	SCP__OCI_CPUACCT,
	SCP__OCI_PIDS,
	SCP__OCI_FREEZER,
	SCP__OCI_CONTROLLERS
};

typedef enum scp__oci_cgroup_kind {
	SCP__OCI_CGROUPS_OURS,	 /* root: folders that we make and remove */
	SCP__OCI_CGROUPS_SCOPES, /* an ordinary user: scopes that the user's systemd makes and removes */
	SCP__OCI_CGROUPS_NONE	 /* an ordinary user without that, and without limits */
} scp__oci_cgroup_kind;

typedef struct scp__oci_cgroups {
	scp__oci_cgroup_kind kind;
	bool v2;			       /* pure v2 */
	char mounts[SCP__OCI_HIERARCHIES][96]; /* every hierarchy's mount point */
	size_t mount_count;
	int of[SCP__OCI_CONTROLLERS]; /* index of the controller's hierarchy; -1: none */
	char unified[96];	      /* hybrid: where the v2 tree is; "" */
	char parent[224];	      /* "/sandboxcp-HASH" */
	char prefix[32], suffix[24];  /* of a container's name there; "" and "" */
	unsigned offered;	      /* SCP__OCI_HAS_… that can be asked for */
	bool outside;		      /* of what the user's systemd has: a runtime program must be taken there first */
} scp__oci_cgroups;

/** `of_user`: for an ordinary one. `allowed`: SCP__OCI_HAS_… that may be missing. */
scp_status scp__oci_cgroups_open(scp__oci_cgroups *c, const char *hash, bool of_user, unsigned allowed, scp_error *err);
/** Removes the parent where nothing is in it. */
void scp__oci_cgroups_close(scp__oci_cgroups *c);
/** As config.json names a container's; "": it has none. */
void scp__oci_cgroup_name(const scp__oci_cgroups *c, const char *name, char *out, size_t size);
/** What was asked for, of a container. */
typedef struct scp__oci_limits {
	uint64_t memory_bytes;
	uint32_t cpu_millis;
	uint32_t processes;
} scp__oci_limits;

/* Bits of which limits are really there. */
#define SCP__OCI_HAS_MEMORY 1u
#define SCP__OCI_HAS_CPU 2u
#define SCP__OCI_HAS_PROCESSES 4u
#define SCP__OCI_HAS_ALL 7u
/** Reads the limits back from the container's cgroup. */
unsigned scp__oci_cgroup_verify(const scp__oci_cgroups *c, const char *name, const scp__oci_limits *want);
void scp__oci_cgroup_stats(const scp__oci_cgroups *c, const char *name, scp_runtime_stats *out);
uint64_t scp__oci_cgroup_oom_kills(const scp__oci_cgroups *c, const char *name);
/** memory.events of a cgroup that won't outlive its processes; -1: it will, or there is none. */
int scp__oci_cgroup_memory_events(const scp__oci_cgroups *c, const char *name);
/** Kills whatever is in it and removes it from every hierarchy; bounded in time. Idempotent. */
scp_status scp__oci_cgroup_remove(const scp__oci_cgroups *c, const char *name, scp_error *err);
/** Freeze or thaw. */
scp_status scp__oci_cgroup_freeze(const scp__oci_cgroups *c, const char *name, bool freeze, scp_error *err);

/* ---- the record of a container ---- */

typedef struct scp__oci_record {
	scp__arena *arena; /* holds labels */
	char name[SCP__OCI_NAME_MAX + 1];
	char boot_id[SCP__OCI_BOOT_ID_SIZE];
	uint32_t slot;
	int64_t created_us;
	int64_t started_us; /* 0: the runtime program has not said yet that it runs */
	int pid;
	uint64_t start_ticks; /* tells the process from a later one with the same number */
	const scp_pair *labels;
	size_t label_count;
} scp__oci_record;

/** How a container ended, as written once that was noticed. */
typedef struct scp__oci_exit {
	bool known;
	int code; /* -1: unknown */
	bool oom_killed;
} scp__oci_exit;

/** What is locked while a container is made or removed; the runtime program inherits it, so that the lock outlives us.
 */
typedef struct scp__oci_folder {
	int dir;
	int lock;
} scp__oci_folder;
#define SCP__OCI_FOLDER_NONE                                                                                           \
	{                                                                                                              \
		-1, -1                                                                                                 \
	}

struct scp__oci;

bool scp__oci_name_valid(const char *name);
/** Open and lock. `make`: make it if need be. SCP_ENOTFOUND; SCP_EUNAVAIL: locked for longer than 30 s. */
scp_status scp__oci_folder_lock(struct scp__oci *o, const char *name, bool make, scp__oci_folder *out, scp_error *err);
/** Open alone. -1 with errno. */
int scp__oci_folder_open(struct scp__oci *o, const char *name);
void scp__oci_folder_close(scp__oci_folder *f);
/** Nobody makes or removes it at this moment. */
bool scp__oci_folder_idle(int dir);
/** Take a folder that the caller has locked out of sight, then away: nobody can lock what is half removed. */
scp_status scp__oci_folder_remove(struct scp__oci *o, const char *name, scp_error *err);
scp_status scp__oci_record_write(int dir, const scp__oci_record *r, scp_error *err);
/** SCP_ENOTFOUND: there is none (yet). Frees nothing that `out` held. */
scp_status scp__oci_record_read(int dir, scp__oci_record *out, scp_error *err);
void scp__oci_record_fini(scp__oci_record *r);
void scp__oci_exit_write(int dir, const scp__oci_exit *e);
void scp__oci_exit_read(int dir, scp__oci_exit *out);
void scp__oci_boot_id(char out[SCP__OCI_BOOT_ID_SIZE]);
/** Field 22 of /proc/PID/stat; 0: no such process, or it is a zombie. */
uint64_t scp__oci_start_ticks(int pid);
/** A descriptor of the record's first process, if that still runs; -1. */
int scp__oci_record_pidfd(const scp__oci_record *r);

/* ---- mounts: in the calling thread's own mount namespace ---- */

/** Give this thread a mount namespace of its own, from which nothing gets out. */
scp_status scp__oci_mounts_private(scp_error *err);

/** nosuid and nodev at once, read-only unless `writable`, everything below taken along. SCP_ENOTFOUND: no source. */
scp_status scp__oci_mount_bind(const char *source, const char *target, bool writable, scp_error *err);
/** A writable clone on which the disk's `disk_uid` looks like `host_uid`, uid and gid alike, and nobody else is anyone.
 */
scp_status scp__oci_mount_idmapped(
    const char *source, const char *target, uint32_t disk_uid, uint32_t host_uid, scp_error *err);
scp_status scp__oci_mount_fs(
    const char *type, const char *target, unsigned long flags, const char *data, scp_error *err);

/* ---- images ---- */

typedef enum scp__oci_image_kind { SCP__OCI_IMAGE_HOST, SCP__OCI_IMAGE_DIR, SCP__OCI_IMAGE_TAR } scp__oci_image_kind;

typedef struct scp__oci_image {
	scp__oci_image_kind kind;
	char path[PATH_MAX]; /* the unpacked root; "" for host: */
	char digest[80];
} scp__oci_image;

/** Make the mount points and the made-up /etc below run_dir. Idempotent. */
scp_status scp__oci_images_open(struct scp__oci *o, scp_error *err);
/** Resolve, and unpack where need be. SCP_ENOTFOUND; SCP_ENOTSUP names the kinds there are. */
scp_status scp__oci_image_resolve(struct scp__oci *o, const char *image, scp__oci_image *out, scp_error *err);
/** Mount it in this thread's namespace; *root: where it is then, below run_dir. */
scp_status scp__oci_image_mount(struct scp__oci *o, const scp__oci_image *image, const scp_runtime_spec *spec,
    char root[SCP__OCI_PATH_SIZE], scp_error *err);

/* What a runtime program shall show of the host, where we mount nothing ourselves. Strings live in the arena. */
#define SCP__OCI_BINDS_MAX 80
typedef struct scp__oci_bind {
	const char *source;
	const char *target;
	bool writable;
	bool folder; /* else a file */
} scp__oci_bind;
typedef struct scp__oci_binds {
	scp__arena *arena;
	scp__oci_bind rows[SCP__OCI_BINDS_MAX];
	size_t count;
} scp__oci_binds;
/** SCP_ENOTSUP: too many. */
scp_status scp__oci_binds_add(scp__oci_binds *b, const char *source, const char *target, bool writable, scp_error *err);
/** The same image without a mount: its mount points (below the container's folder `dir`, or in common), and what to
 * show at them. */
scp_status scp__oci_image_show(struct scp__oci *o, const scp__oci_image *image, const char *name, int dir,
    scp__oci_binds *binds, char root[SCP__OCI_PATH_SIZE], scp_error *err);

/* ---- watching ---- */

typedef struct scp__oci_watch scp__oci_watch;

scp_status scp__oci_watch_new(scp__oci_watch **out, scp_error *err);
void scp__oci_watch_free(scp__oci_watch *w);
/** Takes pidfd over (-1: it has ended already). A name that is watched already stays as it is. */
scp_status scp__oci_watch_add(scp__oci_watch *w, const char *name, int pidfd, scp_error *err);
/** Whether the memory limit killed in it, where its cgroup goes with its last process: told while it lives, and so
 * known to whoever waits for events meanwhile. Takes over fd, its memory.events (-1: nothing to do). */
void scp__oci_watch_memory(scp__oci_watch *w, const char *name, int fd);
bool scp__oci_watch_oom_killed(scp__oci_watch *w, const char *name);
void scp__oci_watch_remove(scp__oci_watch *w, const char *name);
/** The next that ended; its pidfd (or -1) becomes the caller's. As scp_runtime_ops.next_event says. */
scp_status scp__oci_watch_next(
    scp__oci_watch *w, char name[SCP__OCI_NAME_MAX + 1], int *pidfd, uint32_t timeout_ms, scp_error *err);
/** A copy of its descriptor, while it has one; -1. */
int scp__oci_watch_pidfd(scp__oci_watch *w, const char *name);
void scp__oci_watch_interrupt(scp__oci_watch *w);
/** Exit code of an ended process from its pidfd (Linux 6.15), as a shell says it: 128 + signal. -1: unknown. */
int scp__oci_pidfd_exit_code(int pidfd);
/** Where this process is the one who must reap orphans, nobody else can: its exit code then, else -1. */
int scp__oci_pidfd_reap(int pidfd);
/** Wait for the end of a process. true: it has ended. */
bool scp__oci_pidfd_wait(int pidfd, uint32_t timeout_ms);

/* ---- the adapter ---- */

typedef struct scp__oci_program {
	char path[PATH_MAX];
	char name[32];	       /* last part of the path */
	char version[64];      /* "1.1.5" */
	bool hide_controllers; /* crun on a hybrid machine: see probe.c */
	unsigned limits;       /* SCP__OCI_HAS_… that were read back */
} scp__oci_program;

typedef struct scp__oci {
	scp_runtime base;
	scp__log log;
	char node_name[32];
	char hash[16];
	bool of_user; /* of an ordinary user: no mounts of ours, cgroups by the user's systemd */
	char state_dir[PATH_MAX];
	char run_root[SCP__OCI_RUN_ROOT_SIZE];
	char run_dir[SCP__OCI_RUN_DIR_SIZE];
	char boot_id[SCP__OCI_BOOT_ID_SIZE];
	int open_lock;	/* held shared while open: who gets it alone may tidy up */
	int run;	/* run_dir */
	int containers; /* run_dir/c, gone, state */
	int gone;
	int state;
	int sockets;	  /* run_dir/s */
	char *seccomp;	  /* JSON text */
	unsigned allowed; /* SCP__OCI_HAS_… that may be missing */
	scp__oci_program program;
	char detail[400]; /* which program, and why */
	scp__oci_cgroups cgroups;
	scp__oci_uids uids;
	scp__oci_watch *watch;
	scp_runtime_limit rows[4];
	char row_detail[4][192];
} scp__oci;

/** Have the program make container `name` from `bundle`, which holds config.json: it gets `socket` as descriptor 3. */
scp_status scp__oci_call_create(
    const scp__oci *o, const char *name, const char *bundle, const scp__oci_folder *folder, int socket, scp_error *err);
/** SCP_EBACKEND: what, and what the container's log says. */
scp_status scp__oci_call_failed(int dir, const char *what, scp_error *err);

/** Choose the program and fill program, detail. */
scp_status scp__oci_probe(scp__oci *o, const char *wanted, scp_error *err);

/** config.json of one container. */
typedef struct scp__oci_config {
	const scp_runtime_spec *spec;
	const char *root;
	scp__oci_ids ids;
	const scp__oci_binds *binds; /* NULL: all is mounted below root already */
	const scp__oci_cgroups *cgroups;
	const char *seccomp;
} scp__oci_config;
scp_status scp__oci_config_write(int dir, const scp__oci_config *c, scp_error *err);

void scp__oci_spec_limits(const scp_runtime_spec *spec, scp__oci_limits *out);

/* The vtable's operations, by file. */
scp_status scp__oci_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err);
scp_status scp__oci_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err);
scp_status scp__oci_remove(scp_runtime *rt, const char *name, scp_error *err);
/** What of `name` is left, its folder being locked by the caller; the folder itself goes too. */
scp_status scp__oci_remove_locked(scp__oci *o, const char *name, scp__oci_folder *folder, scp_error *err);
scp_status scp__oci_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status scp__oci_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status scp__oci_logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err);
scp_status scp__oci_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err);
scp_status scp__oci_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err);
scp_status scp__oci_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err);
scp_status scp__oci_pause(scp_runtime *rt, const char *name, scp_error *err);
scp_status scp__oci_resume(scp_runtime *rt, const char *name, scp_error *err);
/** How it ended: what was written down, else what its descriptor (or -1) and cgroup tell, which `keep` writes down. */
void scp__oci_settle(scp__oci *o, const char *name, int dir, int pidfd, bool keep, scp__oci_exit *out);
/** Notice its end, and what its memory limit does before. Takes pidfd over, as scp__oci_watch_add(). */
scp_status scp__oci_watch_container(scp__oci *o, const char *name, int pidfd, scp_error *err);
/** What a container is, from its folder; strings live as long as `record`. */
void scp__oci_describe(scp__oci *o, const char *name, int dir, scp__oci_record *record, scp_runtime_info *out);
/** The last lines of its log. "" where there is none. */
void scp__oci_log_tail(int dir, uint32_t lines, char *out, size_t out_size);
/** Listening socket of `name`; *fd the caller's. */
scp_status scp__oci_listen(scp__oci *o, const char *name, int *fd, scp_error *err);
void scp__oci_unlisten(scp__oci *o, const char *name);

#endif
