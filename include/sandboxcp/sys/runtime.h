/*
 * The runtime port: containers. For people who write a backend.
 *
 * A container is named by us before it is made (`scp-` + 20 of [a-z0-9]), carries our labels, and runs the executor
 * as its first process. Nothing here knows of sessions or executions.
 */
#ifndef SANDBOXCP_SYS_RUNTIME_H
#define SANDBOXCP_SYS_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sandboxcp/container.h>
#include <sandboxcp/error.h>
#include <sandboxcp/plane.h>

SCP_BEGIN_DECLS

/** What to make. Everything is borrowed for the call. */
typedef struct scp_runtime_spec {
	uint32_t struct_size;
	const char *name; /* the container's; unique, ours */
	const char *image;
	const char *executor_path;	  /* the static sandbox-executor on this host */
	const char *const *executor_args; /* after argv[0]; NULL-terminated; the adapter adds how to listen */
	const char *workspace_path; /* a folder on this host to mount at /workspace, shown there as uid and gid 1000's;
				     * its files belong to workspace_uid() on disk. NULL: the container's own */
	const scp_resources *resources; /* all set */
	uint32_t overhead_memory_bytes; /* the executor's share, on top of the user's memory */
	bool network;
	bool read_only_root;
	uint64_t tmp_bytes; /* size of /tmp; /dev/shm gets the same */
	const scp_pair *labels;
	size_t label_count;
} scp_runtime_spec;

/** What a runtime says of one container. Borrowed for the call that gives it. */
typedef struct scp_runtime_info {
	const char *name;
	scp_container_status status; /* creating, running or exited */
	int64_t created_us;
	int64_t started_us; /* 0: unknown, or not yet */
	int exit_code;	    /* -1: unknown, or still running */
	bool oom_killed;    /* the container itself ended by its memory limit */
	int host_pid;	    /* 0: not on this host */
	const scp_pair *labels;
	size_t label_count;
} scp_runtime_info;

typedef scp_status scp_runtime_info_fn(void *user, const scp_runtime_info *info, scp_error *err);

typedef struct scp_runtime_stats {
	uint64_t memory_bytes;
	uint64_t cpu_time_us;
	uint32_t processes;
	uint64_t oom_kills; /* processes killed by the memory limit since the container's start */
} scp_runtime_stats;

typedef struct scp_runtime_capacity {
	uint64_t cpu_millis;
	uint64_t memory_bytes;
	uint32_t containers;
} scp_runtime_capacity;

/** One limit as this runtime keeps it; strings are the runtime's, or static. */
typedef struct scp_runtime_limit {
	const char *name;   /* "memory", "cpu", "processes", "network" */
	const char *state;  /* "enforced", "delayed", "not enforced" */
	const char *detail; /* by what, or why not and what to do */
} scp_runtime_limit;

/** A container that ended. `name` is copied into the caller's buffer. */
typedef struct scp_runtime_event {
	char name[64];
	int exit_code; /* -1: unknown */
	bool oom_killed;
} scp_runtime_event;

/** How the fetching of an image gets on; a few times a second at most. All texts are borrowed for the call.
 *  @param layer  what is fetched; "" for the image as a whole.  @param step  "Downloading", "Pull complete" and the
 * like.
 *  @param done, total  bytes of that step; total 0: unknown */
typedef void scp_runtime_progress_fn(void *user, const char *layer, const char *step, uint64_t done, uint64_t total);

/**
 * The vtable. Every operation may be called from any thread, several at once, and answers within its own bound
 * (30 s where none is said). Errors that any may return: SCP_EUNAVAIL the runtime doesn't answer (nothing is known of
 * the container), SCP_EBACKEND it said something unexpected, SCP_ENOMEM. A missing optional operation is NULL.
 */
typedef struct scp_runtime_ops {
	uint32_t struct_size;
	const char *type; /* "oci", "docker", "kubernetes" */

	/* Required. The stable name of the node that this runtime is. Borrowed. */
	const char *(*node_name)(scp_runtime *rt);
	/* Required. The uid and gid that a workspace's files must have on this host's disk, so that code in a container
	 * owns them; -1: whatever the control plane's own process makes is theirs already. */
	int32_t (*workspace_uid)(scp_runtime *rt);
	/* Required. Blocks (minutes for a pull). Idempotent. Makes an image usable. `digest` (may be NULL) names its
	 * content. What trying again won't mend is SCP_ENOTFOUND: there is none such, it can't be reached, or only with
	 * a login (message and hint say which, and name the image); SCP_ENOTSUP: this runtime can't run that kind of
	 * reference. What may be over soon is SCP_EBACKEND; SCP_EAGAIN: another call fetches it, or as many as may at
	 * a time do: ask again, so that no thread waits. */
	scp_status (*image_prepare)(
	    scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err);
	/* Required. Blocks. Makes and starts the container; when it returns SCP_OK the executor is listening or about
	 * to. Idempotent on spec->name: one that runs already is SCP_OK. On failure nothing is left. SCP_ENOTFOUND
	 * image; SCP_ECAPACITY full; SCP_ENOTSUP a limit can't be enforced (the hint says what to do). */
	scp_status (*run)(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err);
	/* Required. Blocks. Ends the container: SIGTERM to pid 1, grace_ms, SIGKILL. Idempotent: SCP_OK if it isn't
	 * there. */
	scp_status (*stop)(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err);
	/* Required. Blocks. Kills it if need be and leaves nothing: processes, mounts, cgroups, folders. Idempotent. */
	scp_status (*remove)(scp_runtime *rt, const char *name, scp_error *err);
	/* Required. Blocks. Calls `fn` once. SCP_ENOTFOUND: confirmed that there is none. */
	scp_status (*inspect)(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err);
	/* Required. Blocks. All containers that this node's control plane made, whatever their state. */
	scp_status (*list)(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err);
	/* Optional. Blocks. The executor's own log: the last `tail` lines, written to `out` (NUL-terminated, bounded).
	 */
	scp_status (*logs)(
	    scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err);
	/* Optional. Blocks shortly. SCP_ENOTFOUND: gone. */
	scp_status (*stats)(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err);
	/* Required. Blocks shortly (2 s at most). A new stream to the container's executor: *fd is a connected
	 * non-blocking close-on-exec socket, the caller's. SCP_ENOTFOUND: no such container, or nobody listens any
	 * more. */
	scp_status (*connect)(scp_runtime *rt, const char *name, int *fd, scp_error *err);
	/* Required. Blocks until a container ends or timeout_ms is over (SCP_ETIMEDOUT). One thread at a time. Ends
	 * that happened while nobody waited are given later; each once. */
	scp_status (*next_event)(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err);
	/* Required. Makes a next_event() that waits, and all later ones, return SCP_ECLOSED. */
	void (*interrupt)(scp_runtime *rt);
	/* Required. */
	scp_status (*capacity)(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err);
	/* Required. The limits and how they are kept on this machine; *count rows at *rows, the runtime's. */
	void (*limits)(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count);
	/* Required. Blocks for deadline_ms at most. `detail`: which program is used, and why. */
	scp_status (*health)(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err);
	/* Optional. */
	scp_status (*pause)(scp_runtime *rt, const char *name, scp_error *err);
	scp_status (*resume)(scp_runtime *rt, const char *name, scp_error *err);
	/* Required. Frees rt. Containers go on. */
	void (*close)(scp_runtime *rt);
	/* Optional: NULL says that no sandbox here has a network. Doesn't block. SCP_OK: a spec may ask for one, and
	 * gets it behind a wall: no neighbours, no service of the host's, no private, link-local or metadata address.
	 * SCP_ENOTSUP: there can't be such a wall here; the hint says what is missing. */
	scp_status (*network)(scp_runtime *rt, scp_error *err);
	/* Optional: NULL, and image_prepare() is asked. Blocks shortly. Whether the image is here, fetching nothing:
	 * SCP_OK and *here. SCP_ENOTSUP as image_prepare(). */
	scp_status (*image_look)(scp_runtime *rt, const char *image, bool *here, scp_error *err);
	/* Optional. As image_prepare(), and tells how it gets on; `fn` is called from this thread. */
	scp_status (*image_fetch)(
	    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err);
} scp_runtime_ops;

/** A backend is a struct of its own whose first member is this. */
struct scp_runtime {
	const scp_runtime_ops *ops;
};

SCP_END_DECLS

#endif
