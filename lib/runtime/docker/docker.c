/* The docker adapter: containers by a Docker engine that shares this host's files, over its API. */
#include "docker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "seccomp.h"

#define HASH_LEN 12
#define RUN_ROOT "/run/sandboxcp"
#define CONTAINERS_MAX 1000
#define CONNECTIONS_MAX 32

static docker *of(scp_runtime *rt)
{
	return (docker *)rt;
}

/* ---- opening ---- */

/* Engine and state folder: two planes on one engine are two nodes, which don't see each other's containers. */
scp_status docker_name_node(docker *d, const char *engine_id, const char *state_dir, scp_error *err)
{
	char hex[SCP__SHA256_HEX_SIZE], real[PATH_MAX];
	scp__sha256 sum;

	if (scp__fs_mkdir_p(state_dir, 0700) || !realpath(state_dir, real))
		return scp__fail_errno(err, errno, "state folder %s", state_dir);
	scp__sha256_init(&sum);
	scp__sha256_update(&sum, engine_id, strlen(engine_id));
	scp__sha256_update(&sum, "\n", 1);
	scp__sha256_update(&sum, real, strlen(real));
	scp__sha256_final_hex(&sum, hex);
	(void)snprintf(d->hash, sizeof(d->hash), "%.*s", HASH_LEN, hex);
	(void)snprintf(d->node_name, sizeof(d->node_name), "docker-%s", d->hash);
	(void)snprintf(d->run_dir, sizeof(d->run_dir), RUN_ROOT "/%s", d->node_name);
	return SCP_OK;
}

static const struct {
	const char *name;
	unsigned bit;
} limit_names[] = {
	{ "memory", DOCKER_HAS_MEMORY },
	{ "cpu", DOCKER_HAS_CPU },
	{ "processes", DOCKER_HAS_PROCESSES },
	{ "network", DOCKER_HAS_NETWORK },
	{ "disk", DOCKER_HAS_DISK },
};

/* "disk,memory": names that aren't ours are somebody else's business. */
static unsigned parse_allowed(const char *text)
{
	unsigned allowed = 0;

	while (text && *text) {
		size_t len = strcspn(text, ",");

		for (size_t i = 0; i < sizeof(limit_names) / sizeof(limit_names[0]); i++)
			if (strlen(limit_names[i].name) == len && strncmp(text, limit_names[i].name, len) == 0)
				allowed |= limit_names[i].bit;
		text += len + (text[len] == ',');
	}
	return allowed;
}

static scp_status check_offered(docker *d, scp_error *err)
{
	for (size_t i = 0; i < DOCKER_LIMITS; i++) {
		if ((d->offered | d->allowed) & limit_names[i].bit)
			continue;
		(void)scp__fail(
		    err, SCP_ENOTSUP, "the Docker engine can't keep a limit of %s on its machine", limit_names[i].name);
		scp__hint(err, "Give the engine's kernel that cgroup controller, or allow it by --allow-unenforced %s",
		    limit_names[i].name);
		return SCP_ENOTSUP;
	}
	return SCP_OK;
}

/* Without a wall there is no network, and that promise holds; unless somebody said that it needn't. */
static void describe_network(docker *d)
{
	bool open = d->no_wall[0] && d->allowed & DOCKER_HAS_NETWORK;
	const char *with =
	    "one that asks for it gets a bridge without neighbours and, by nf_tables, no way to this host, private "
	    "or metadata addresses";

	(void)snprintf(d->row_detail[DOCKER_LIMITS], sizeof(d->row_detail[0]),
	    "a network namespace of its own with lo alone; %s%s",
	    !d->no_wall[0] ? with
	    : open	   ? "one that asks for it reaches all that this host reaches, allowed by name: "
			   : "no other network: ",
	    d->no_wall);
	d->rows[DOCKER_LIMITS] =
	    (scp_runtime_limit){ "network", open ? "not enforced" : "enforced", d->row_detail[DOCKER_LIMITS] };
}

static void describe_limits(docker *d)
{
	for (size_t i = 0; i < DOCKER_LIMITS; i++) {
		bool has = d->offered & limit_names[i].bit;

		(void)snprintf(d->row_detail[i], sizeof(d->row_detail[i]),
		    has ? "by the Docker engine, read back from every container's cgroup"
			: "the Docker engine can't set it on its machine; allowed by name");
		d->rows[i] =
		    (scp_runtime_limit){ limit_names[i].name, has ? "enforced" : "not enforced", d->row_detail[i] };
	}
	describe_network(d);
}

static scp_status keep_name(void *user, const char *id, const char *name, const char *state, scp_error *err)
{
	(void)id;
	(void)state;
	return scp__map_put(user, name, user) ? SCP_OK : scp__nomem(err);
}

/* Folders of makers that were killed before the engine knew of a container. */
static scp_status sweep(docker *d, scp_error *err)
{
	scp__map *names = scp__map_new();
	scp_status rc = names ? docker_each(d, false, keep_name, names, err) : scp__nomem(err);

	if (!rc)
		docker_folders_sweep(d, names);
	if (names)
		scp__map_free(names);
	return rc;
}

static scp_status open_http(docker *d, scp_error *err)
{
	scp__http_options o = { .unix_socket = d->place.unix_socket,
		.ca_file = d->place.ca_file,
		.client_cert_file = d->place.cert_file,
		.client_key_file = d->place.key_file,
		.max_connections = CONNECTIONS_MAX };

	(void)snprintf(d->api, sizeof(d->api), "%s%s", d->place.unix_socket ? "http://localhost" : "https://",
	    d->place.unix_socket ? "" : d->place.host);
	return scp__http_new(&d->http, &o, err);
}

static scp_status open_parts(docker *d, const char *url, const char *state_dir, scp_error *err)
{
	scp_status rc = docker_place_read(&d->place, d->arena, url, err);
	char id[256] = "";

	if (!rc)
		rc = open_http(d, err);
	if (!rc)
		rc = docker_negotiate(d, id, sizeof(id), err);
	if (!rc)
		rc = check_offered(d, err);
	if (!rc)
		rc = docker_name_node(d, id, state_dir, err);
	if (!rc && !(d->seccomp = scp__docker_seccomp_json()))
		rc = scp__nomem(err);
	if (rc)
		return rc;
	docker_network_open(d);
	return sweep(d, err);
}

/* ---- small operations ---- */

static void docker_close(scp_runtime *rt)
{
	docker *d = of(rt);
	char path[DOCKER_PATH_SIZE];

	docker_watch_fini(d);
	docker_network_leave(d);
	scp__http_free(d->http);
	/* Goes where no container is left; whoever makes the next one makes it anew. */
	(void)snprintf(path, sizeof(path), "%s/s", d->run_dir);
	if (d->run_dir[0] && !rmdir(path)) {
		(void)snprintf(path, sizeof(path), "%s/lock", d->run_dir);
		(void)unlink(path);
		(void)rmdir(d->run_dir);
	}
	pthread_mutex_destroy(&d->pulls_lock);
	free(d->seccomp);
	scp__arena_free(d->arena);
	free(d);
}

static const char *docker_node_name(scp_runtime *rt)
{
	return of(rt)->node_name;
}

static int32_t docker_workspace_uid(scp_runtime *rt)
{
	return (int32_t)(of(rt)->uid_base + 1000);
}

static scp_status docker_capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	(void)err;
	out->cpu_millis = (uint64_t)of(rt)->cpus * 1000;
	out->memory_bytes = of(rt)->memory_bytes;
	out->containers = CONTAINERS_MAX;
	return SCP_OK;
}

static void docker_limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	*rows = of(rt)->rows;
	*count = DOCKER_LIMITS + 1;
}

static scp_status docker_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	docker *d = of(rt);
	docker_call call = { .method = "GET", .path = "/_ping", .timeout_ms = deadline_ms };
	docker_answer a;
	scp_status rc = docker_do(d, &call, &a, err);

	if (detail && detail_size)
		(void)snprintf(detail, detail_size, "%s", d->detail);
	if (rc)
		return rc;
	if (a.status != 200)
		rc = scp__fail(err, SCP_EUNAVAIL, "the Docker engine said %d", a.status);
	docker_answer_free(&a);
	return rc;
}

static const scp_runtime_ops docker_ops = {
	.struct_size = sizeof(docker_ops),
	.type = "docker",
	.node_name = docker_node_name,
	.workspace_uid = docker_workspace_uid,
	.image_prepare = docker_image_prepare,
	.run = docker_run,
	.stop = docker_stop,
	.remove = docker_remove,
	.inspect = docker_inspect,
	.list = docker_list,
	.logs = docker_logs,
	.stats = docker_stats,
	.connect = docker_connect,
	.next_event = docker_next_event,
	.interrupt = docker_interrupt,
	.capacity = docker_capacity,
	.limits = docker_limits,
	.health = docker_health,
	.pause = docker_pause,
	.resume = docker_resume,
	.network = docker_network,
	.image_look = docker_image_here,
	.image_fetch = docker_image_fetch,
	.close = docker_close,
};

scp_status scp__docker_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err)
{
	docker *d = calloc(1, sizeof(*d));
	scp_status rc;

	*out = NULL;
	if (!d)
		return scp__nomem(err);
	d->base.ops = &docker_ops;
	d->log = options->log;
	d->allowed = parse_allowed(options->allow_unenforced);
	d->arena = scp__arena_new();
	pthread_mutex_init(&d->pulls_lock, NULL);
	rc = docker_watch_init(d, err);
	if (!rc && !d->arena)
		rc = scp__nomem(err);
	if (!rc)
		rc = open_parts(d, url, options->state_dir, err);
	if (rc) {
		docker_close(&d->base);
		return rc;
	}
	describe_limits(d);
	*out = &d->base;
	return SCP_OK;
}
