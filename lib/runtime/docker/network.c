/* The network of sandboxes that have one: a bridge of this node's own, made when it is first wanted, gone with its last
 * user. */
#include "docker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

#define LOCK "network"
#define RESOLV_CONF_MAX (64 * 1024)
#define BODY_MAX 4096
#define CLOSE_TIMEOUT_MS 3000

/* ---- resolvers ---- */

static void add_resolver(docker_resolvers *r, const char *text)
{
	struct in_addr a;

	if (r->count < DOCKER_RESOLVERS_MAX && inet_pton(AF_INET, text, &a) == 1 && ntohl(a.s_addr) >> 24 != 127)
		r->address[r->count++] = a.s_addr;
}

static void read_file(docker_resolvers *r, const char *path)
{
	char *text = NULL, *rest = NULL, name[64];
	size_t len;

	if (scp__fs_read_file(AT_FDCWD, path, RESOLV_CONF_MAX, &text, &len))
		return;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, " nameserver %63s", name) == 1)
			add_resolver(r, name);
	free(text);
}

/* The engine asks those of its host for its containers, and behind systemd's own those that that one asks. */
void docker_resolvers_read(const docker *d, docker_resolvers *out)
{
	char *list = d->place.dns ? strdup(d->place.dns) : NULL, *rest = NULL;

	out->count = 0;
	for (char *one = list ? strtok_r(list, ",", &rest) : NULL; one; one = strtok_r(NULL, ",", &rest))
		add_resolver(out, one);
	free(list);
	if (d->place.dns)
		return;
	read_file(out, "/etc/resolv.conf");
	if (!out->count)
		read_file(out, "/run/systemd/resolve/resolv.conf");
}

/* ---- the engine's network ---- */

static void write_network(const docker *d, scp__buf *out)
{
	scp__json_writer w;

	scp__buf_init(out, BODY_MAX);
	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "Name", d->network);
	scp__jw_string(&w, "Driver", "bridge");
	scp__jw_bool(&w, "CheckDuplicate", true);
	scp__jw_bool(&w, "EnableIPv6", false);
	scp__jw_object(&w, "Options");
	scp__jw_string(&w, "com.docker.network.bridge.enable_icc", "false");
	scp__jw_string(&w, "com.docker.network.bridge.name", d->bridge);
	scp__jw_end_object(&w);
	scp__jw_object(&w, "Labels");
	scp__jw_string(&w, DOCKER_LABEL, d->node_name);
	scp__jw_end_object(&w);
	scp__jw_end_object(&w);
}

static scp_status create(docker *d, scp_error *err)
{
	docker_call call = { .method = "POST", .path = "/networks/create" };
	docker_answer a;
	scp__buf body;
	scp_status rc;

	write_network(d, &body);
	call.body = body.data;
	call.body_len = body.len;
	rc = body.status ? scp__nomem(err) : docker_do(d, &call, &a, err);
	scp__buf_free(&body);
	if (rc)
		return rc;
	if (a.status >= 400)
		rc = docker_refused(&a, err);
	docker_answer_free(&a);
	return rc;
}

static bool is_off(const scp__json *network, const char *option)
{
	return strcmp(docker_text(docker_dig(network, "Options", option)), "false") == 0;
}

static scp_status check_ours(docker *d, const scp__json *network, scp_error *err)
{
	if (strcmp(docker_text(docker_dig(network, "Labels", DOCKER_LABEL)), d->node_name) == 0 &&
	    is_off(network, "com.docker.network.bridge.enable_icc"))
		return SCP_OK;
	scp__fail(err, SCP_ECONFLICT, "the engine has a network %s that isn't this control plane's", d->network);
	scp__hint(err, "Remove it: docker network rm %s", d->network);
	return SCP_ECONFLICT;
}

/* SCP_ENOTFOUND: there is none */
static scp_status look(docker *d, scp_error *err)
{
	docker_answer a;
	scp_status rc = docker_ask(d, &a, err, "GET", "/networks/%s", d->network);

	if (rc)
		return rc;
	rc = check_ours(d, a.json, err);
	docker_answer_free(&a);
	return rc;
}

static scp_status look_or_create(docker *d, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc = look(d, &local);

	if (rc == SCP_ENOTFOUND)
		return create(d, err);
	if (rc)
		scp__error_copy(err, &local);
	return rc;
}

/* Seen from here it is the engine's own host, whose addresses are to be shut. */
static scp_status check_bridge(docker *d, scp_error *err)
{
	if (if_nametoindex(d->bridge))
		return SCP_OK;
	scp__fail(err, SCP_ENOTSUP,
	    "the Docker engine's bridge %s isn't in this process's network namespace, so that the host can't be shut "
	    "off "
	    "from sandboxes",
	    d->bridge);
	scp__hint(err, "Run this process in the engine's network namespace (docker run --network host), or allow it by "
		       "--allow-unenforced network");
	return SCP_ENOTSUP;
}

scp_status docker_network_need(docker *d, scp_error *err)
{
	scp_status rc;
	int lock = docker_lock(d, LOCK, err);

	if (lock < 0)
		return SCP_EUNAVAIL;
	rc = look_or_create(d, err);
	if (!rc && !(d->allowed & DOCKER_HAS_NETWORK))
		rc = check_bridge(d, err);
	if (!rc && !d->no_wall[0])
		rc = docker_wall_host(d, err);
	atomic_store(&d->network_used, true);
	close(lock);
	if (rc)
		(void)scp__prefix(err, "network");
	return rc;
}

/* The engine keeps one that somebody uses. */
static void leave(docker *d)
{
	char path[64];
	docker_call call = { .method = "DELETE", .path = path, .timeout_ms = CLOSE_TIMEOUT_MS };
	int lock = docker_lock(d, LOCK, NULL);
	docker_answer a;

	if (lock < 0)
		return;
	(void)snprintf(path, sizeof(path), "/networks/%s", d->network);
	if (!docker_do(d, &call, &a, NULL)) {
		if (a.status < 300 || a.status == 404)
			docker_wall_host_remove(d);
		docker_answer_free(&a);
	}
	close(lock);
}

void docker_network_leave(docker *d)
{
	if (atomic_load(&d->network_used))
		leave(d);
}

/* ---- opening ---- */

/* Others put packets on the wire past the namespace's rules, as gVisor's own network does. */
static bool kernel_sees_packets(const char *runtime)
{
	static const char *const known[] = { "runc", "crun", "youki", "nvidia", "io.containerd.runc.v2" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(runtime, known[i]) == 0)
			return true;
	return false;
}

/* What an earlier process left goes, if nothing uses it. */
void docker_network_open(docker *d)
{
	(void)snprintf(d->network, sizeof(d->network), "sandboxcp-%s", d->hash);
	(void)snprintf(d->bridge, sizeof(d->bridge), "scp%.12s", d->hash);
	if (kernel_sees_packets(d->engine_runtime))
		docker_wall_try(d);
	else
		(void)snprintf(d->no_wall, sizeof(d->no_wall),
		    "the engine's runtime is %.32s, whose packets may pass by the kernel's rules", d->engine_runtime);
	if (!look(d, NULL))
		atomic_store(&d->network_used, true);
}

scp_status docker_network(scp_runtime *rt, scp_error *err)
{
	const docker *d = (const docker *)rt;

	if (!d->no_wall[0] || d->allowed & DOCKER_HAS_NETWORK)
		return SCP_OK;
	scp__fail(err, SCP_ENOTSUP,
	    "the docker runtime gives no network to a sandbox, for it couldn't keep it from this host and private "
	    "addresses: %s",
	    d->no_wall);
	scp__hint(err, "Give this process what is missing, or do without that wall: --allow-unenforced network");
	return SCP_ENOTSUP;
}

/* ---- one container ---- */

static scp_status read_subnet(const docker *d, const scp__json *container, docker_subnet *out, scp_error *err)
{
	const scp__json *networks = docker_dig(container, "NetworkSettings", "Networks");
	const scp__json *ours = networks ? scp__json_get(networks, d->network) : NULL;
	const scp__json *prefix = ours ? scp__json_get(ours, "IPPrefixLen") : NULL;

	out->prefix = prefix ? (unsigned)scp__json_number(prefix) : 0;
	if (out->prefix && out->prefix <= 32 &&
	    inet_pton(AF_INET, docker_text(scp__json_get(ours, "IPAddress")), &out->address) == 1)
		return SCP_OK;
	return scp__fail(err, SCP_EBACKEND, "the engine doesn't say which address the container has in %s", d->network);
}

static scp_status open_namespace(docker *d, const char *name, int *fd, docker_subnet *subnet, scp_error *err)
{
	char path[48];
	docker_answer a;
	scp_status rc = docker_look(d, name, &a, err);

	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", docker_pid(a.json));
	rc = read_subnet(d, a.json, subnet, err);
	*fd = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	docker_answer_free(&a);
	return rc ? rc : *fd < 0 ? scp__fail(err, SCP_EBACKEND, "the container ended at once") : SCP_OK;
}

/* A number that the engine said before it was opened may have become another's; one that it still says has not. */
static scp_status check_same(docker *d, const char *name, int fd, scp_error *err)
{
	docker_subnet ignored;
	struct stat first, second;
	int again = -1;
	scp_status rc = open_namespace(d, name, &again, &ignored, err);

	if (!rc && (fstat(fd, &first) || fstat(again, &second) || first.st_ino != second.st_ino))
		rc = scp__fail(err, SCP_EBACKEND, "the container ended at once");
	if (again >= 0)
		close(again);
	return rc;
}

static scp_status wall_up(docker *d, const char *name, scp_error *err)
{
	docker_subnet subnet;
	int fd = -1;
	scp_status rc = open_namespace(d, name, &fd, &subnet, err);

	if (!rc)
		rc = check_same(d, name, fd, err);
	if (!rc)
		rc = docker_wall_raise(d, fd, &subnet, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

scp_status docker_network_wall(docker *d, const char *name, scp_error *err)
{
	scp_error local = { 0 };
	scp_status rc = d->no_wall[0] ? scp__fail(&local, SCP_ENOTSUP, "%s", d->no_wall) : wall_up(d, name, &local);

	if (!rc)
		return SCP_OK;
	if (!(d->allowed & DOCKER_HAS_NETWORK)) {
		scp__error_copy(err, &local);
		return rc;
	}
	scp__log_write(&d->log, SCP_LOG_WARN, "docker", NULL, NULL,
	    "%s has a network without a wall (allowed by name): %s", name, local.message);
	return SCP_OK;
}
