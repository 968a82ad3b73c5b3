/*
 * What the parts of the docker adapter share.
 *
 * The engine holds the containers; on this host there is, below /run/sandboxcp/docker-HASH (HASH: of the engine and the
 * state folder),
 *   lock            a byte a name is locked while that container is made or removed
 *   s/NAME/sock/s   its executor's listening socket; s/NAME/sock is what the container sees
 *   s/NAME/stopping it was asked to end
 *   s/NAME/creating the engine was asked to make it and hasn't answered
 */
#ifndef SCP_RUNTIME_DOCKER_DOCKER_H
#define SCP_RUNTIME_DOCKER_DOCKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "buf.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "map.h"
#include "nft.h"
#include "runtime.h"

#define DOCKER_NAME_MAX 63
#define DOCKER_PATH_SIZE 192
#define DOCKER_LABEL "sandboxcp.node"
#define DOCKER_LIMITS 3
#define DOCKER_RESOLVERS_MAX 8
#define DOCKER_PULLS_MAX 4 /* each takes a thread of its caller's, for minutes */
#define DOCKER_SOCKET_IN_CONTAINER "/.sandbox/run/s"

/* ---- where the engine is ---- */

typedef struct docker_place {
	const char *unix_socket; /* NULL: TCP with TLS */
	const char *host;	 /* "host:2376" */
	const char *ca_file, *cert_file, *key_file;
	const char *config_file; /* registries' credentials; NULL: the usual places */
	const char *dns;	 /* "9.9.9.9,1.1.1.1"; NULL: the engine's */
	bool local;		 /* shares this host's files */
} docker_place;

/** "docker:unix:///path", "docker:tcp://host:port?ca_file=…&cert_file=…&key_file=…"; SCP_EINVAL says what is wrong. */
scp_status docker_place_read(docker_place *out, scp__arena *arena, const char *url, scp_error *err);

/* ---- the adapter ---- */

typedef struct docker_end {
	struct docker_end *next;
	scp_runtime_event event;
} docker_end;

/* Ends of containers. `done`: ids whose end was told, or that are being removed, and so aren't told. */
typedef struct docker_watch {
	pthread_mutex_t lock;
	scp__map *done;
	/* Below: of the one thread that waits. */
	docker_end *first, **last;
	scp__http_stream *stream;
	scp__http_request request; /* lives as long as its stream */
	scp__buf url, line;
	int64_t begin_ns; /* when this was opened */
	int64_t since_ns; /* of the last event that was read */
	int wake;	  /* readable: interrupted */
} docker_watch;

typedef struct docker {
	scp_runtime base;
	scp__log log;
	scp__arena *arena;
	docker_place place;
	scp__http *http;
	char api[400]; /* "http://localhost/v1.41" */
	unsigned api_minor;
	char engine_version[32];
	char engine_runtime[64], engine_storage[32];
	char hash[16];
	char node_name[32];
	char run_dir[64];
	uint32_t uid_base; /* host uid of container uid 0 */
	uint32_t cpus;
	uint64_t memory_bytes;
	char *seccomp;	  /* JSON text */
	unsigned allowed; /* DOCKER_HAS_… that may be missing */
	unsigned offered; /* that the engine says it can */
	char detail[400];
	docker_watch watch;
	pthread_mutex_t pulls_lock;
	const char *pulls[DOCKER_PULLS_MAX]; /* images being pulled; each its caller's */
	/* network.c's and wall.c's */
	char network[40], bridge[16];
	char no_wall[160]; /* why there can be none; "": there can */
	docker_verdict wall_refuses;
	atomic_bool network_used; /* there may be one to take away */
	scp_runtime_limit rows[DOCKER_LIMITS + 1];
	char row_detail[DOCKER_LIMITS + 1][400];
} docker;

/* ---- calls ---- */

typedef struct docker_answer {
	int status;
	scp__buf body;
	scp__json *json; /* NULL: the body isn't JSON, or there was none */
} docker_answer;

typedef struct docker_call {
	const char *method;
	const char *path; /* behind the version: "/containers/json?all=1" */
	const char *body; /* JSON; NULL: none */
	size_t body_len;
	uint32_t timeout_ms; /* 0: 30 s */
} docker_call;

/** Any status is SCP_OK. SCP_EUNAVAIL: the engine doesn't answer; the hint says what to do. docker_answer_free() after
 *  SCP_OK. */
scp_status docker_do(docker *d, const docker_call *call, docker_answer *out, scp_error *err);
/** The same, for a path by format and without a body; what isn't 2xx or 304 is an error (docker_refused()). `out` may
 * be NULL. */
scp_status docker_ask(docker *d, docker_answer *out, scp_error *err, const char *method, const char *fmt, ...)
    SCP_PRINTF(5, 6);
void docker_answer_free(docker_answer *a);
/** The engine's own message as an error: 404 SCP_ENOTFOUND, 409 SCP_ECONFLICT, 503 SCP_EUNAVAIL, else SCP_EBACKEND. */
scp_status docker_refused(const docker_answer *a, scp_error *err);
/** Why the engine didn't answer, with what to do. */
scp_status docker_unavailable(const docker *d, scp_status rc, scp_error *err);
/** Percent-encode what isn't a letter, digit or one of "-._~". */
void docker_escape(scp__buf *out, const char *text);
/** Member of a member; NULL where one is missing. */
const scp__json *docker_dig(const scp__json *v, const char *outer, const char *inner);
const char *docker_text(const scp__json *v); /* "" for NULL or no string */
/** RFC 3339 with nanoseconds; 0: none, or year 1. */
int64_t docker_time_us(const char *text);

/* ---- parts of opening ---- */

/** Version, engine, uids, and what it can do; `id` tells the engine from others. */
scp_status docker_negotiate(docker *d, char *id, size_t id_size, scp_error *err);
scp_status docker_name_node(docker *d, const char *engine_id, const char *state_dir, scp_error *err);

/* ---- folders ---- */

bool docker_name_valid(const char *name);
/** Returns a descriptor that holds the lock until it is closed, or -1 with `err` filled. */
int docker_lock(docker *d, const char *name, scp_error *err);
/** Nobody makes or removes it at this moment. */
bool docker_lock_idle(docker *d, const char *name);
scp_status docker_folder_make(docker *d, const char *name, char sock[DOCKER_PATH_SIZE], scp_error *err);
scp_status docker_folder_remove(docker *d, const char *name, scp_error *err);
/** From before a container is started until it is up: a file with its id. */
#define DOCKER_STARTING "starting"
/** End what is left of such a one that the engine doesn't know (orphan.c). */
void docker_orphans_end(docker *d, const char *name);
/** Marks: "stopping", "creating". */
void docker_folder_mark(docker *d, const char *name, const char *mark);
/** A mark with a text. */
void docker_folder_note(docker *d, const char *name, const char *mark, const char *text);
void docker_folder_unmark(docker *d, const char *name, const char *mark);
/** Seconds since it was made; -1: it isn't there. */
int64_t docker_folder_marked_s(docker *d, const char *name, const char *mark);
/** Folders of containers that aren't `keep`'s keys and that nobody is making. */
void docker_folders_sweep(docker *d, const scp__map *keep);
scp_status docker_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err);

/* ---- limits ---- */

#define DOCKER_HAS_MEMORY 1u
#define DOCKER_HAS_CPU 2u
#define DOCKER_HAS_PROCESSES 4u
#define DOCKER_HAS_ALL 7u
#define DOCKER_HAS_DISK 16u   /* what is written to a writable root: neither */
#define DOCKER_HAS_NETWORK 8u /* the wall around a network: not a limit of a cgroup's */

/** Which limits the cgroup of process `pid` really has. */
unsigned docker_cgroup_verify(int pid, const scp_runtime_spec *spec);
scp_status docker_cgroup_stats(int pid, scp_runtime_stats *out);
uint64_t docker_memory_bytes(const scp_runtime_spec *spec);

/* ---- the network of those that have one ---- */

/** Whom its containers' names are asked of, as it is now: hosts move from one network to another. */
typedef struct docker_resolvers {
	uint32_t address[DOCKER_RESOLVERS_MAX]; /* as on the wire */
	size_t count;
} docker_resolvers;

void docker_resolvers_read(const docker *d, docker_resolvers *out);
/** Tries whether a wall can be had, takes a left network away. */
void docker_network_open(docker *d);
/** Gone, if nobody uses it and this process ever did. */
void docker_network_leave(docker *d);
/** Made if need be, and the host shut off from it. */
scp_status docker_network_need(docker *d, scp_error *err);
/** Around a container that runs, before anything of its user's runs there. Idempotent. */
scp_status docker_network_wall(docker *d, const char *name, scp_error *err);
scp_status docker_network(scp_runtime *rt, scp_error *err);

typedef struct docker_subnet {
	uint32_t address; /* as on the wire */
	unsigned prefix;
} docker_subnet;

/** Sets no_wall and wall_refuses. */
void docker_wall_try(docker *d);
/** @param namespace  a network namespace; @param subnet  of the sandbox: neighbours, and the host's address there */
scp_status docker_wall_raise(docker *d, int namespace, const docker_subnet *subnet, scp_error *err);
scp_status docker_wall_host(docker *d, scp_error *err);
void docker_wall_host_remove(docker *d);

/* ---- images ---- */

/** The image's inspection; docker_answer_free(). SCP_ENOTFOUND: the engine hasn't got it. SCP_ENOTSUP: not its kind. */
scp_status docker_image_look(docker *d, const char *image, docker_answer *out, scp_error *err);
typedef struct docker_telling {
	scp_runtime_progress_fn *fn;
	void *user;
} docker_telling;

/** `telling` NULL: to the log. SCP_ENOTFOUND: nor will it be had by trying again. SCP_EAGAIN: others are at it. */
scp_status docker_image_pull(docker *d, const char *image, const docker_telling *telling, scp_error *err);
scp_status docker_image_prepare(scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err);
scp_status docker_image_fetch(
    scp_runtime *rt, const char *image, scp_runtime_progress_fn *fn, void *user, scp_error *err);
scp_status docker_image_here(scp_runtime *rt, const char *image, bool *here, scp_error *err);
/** X-Registry-Auth for the image's registry, base64url; *out "" where nothing is known of it. free(). */
scp_status docker_credentials(docker *d, const char *image, char **out, scp_error *err);
/** Which registry that is, and in which file its login is looked for. `path`: PATH_MAX bytes. */
void docker_credentials_of(docker *d, const char *image, char registry[256], char *path);

/* ---- containers ---- */

typedef struct docker_creation {
	const scp_runtime_spec *spec;
	const scp__json *image; /* as inspected */
	const char *executor;	/* resolved */
	const char *sock;	/* folder for its socket */
	bool unbounded;		/* the writable root has no size: the engine can't, and that is allowed */
} docker_creation;

/** The engine refused a writable root with a size, because its storage has none. */
bool docker_creation_wants_no_size(const docker_answer *a);
/** The body of POST /containers/create. */
scp_status docker_creation_write(docker *d, const docker_creation *c, scp__buf *out, scp_error *err);

/** Inspection by name or id, if it is ours. SCP_ENOTFOUND; SCP_ECONFLICT: somebody else's. docker_answer_free(). */
scp_status docker_look(docker *d, const char *name, docker_answer *out, scp_error *err);
/** The same by whoever has the lock: one that a killed maker's request is still making is waited for. */
scp_status docker_look_settled(docker *d, const char *name, docker_answer *out, scp_error *err);
bool docker_runs(const scp__json *container);
int docker_pid(const scp__json *container);
bool docker_oom_killed(docker *d, const char *name, const scp__json *container);
/** By name, with its folder; the caller holds the lock. */
scp_status docker_remove_locked(docker *d, const char *name, scp_error *err);
/** Calls fn for each container of this node: its id, name and state as in the engine's list. */
typedef scp_status docker_each_fn(void *user, const char *id, const char *name, const char *state, scp_error *err);
scp_status docker_each(docker *d, bool exited_only, docker_each_fn *fn, void *user, scp_error *err);

scp_status docker_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err);
scp_status docker_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err);
scp_status docker_remove(scp_runtime *rt, const char *name, scp_error *err);
scp_status docker_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status docker_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err);
scp_status docker_logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t out_size, scp_error *err);
scp_status docker_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err);
scp_status docker_pause(scp_runtime *rt, const char *name, scp_error *err);
scp_status docker_resume(scp_runtime *rt, const char *name, scp_error *err);

/* ---- events ---- */

scp_status docker_watch_init(docker *d, scp_error *err);
void docker_watch_fini(docker *d);
/** Its end is no news: it is being removed. */
void docker_watch_forget(docker *d, const char *id);
scp_status docker_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err);
void docker_interrupt(scp_runtime *rt);

#endif
