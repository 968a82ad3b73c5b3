/* What engine this is: the API version both know, the uids its containers have here, the limits it can set. */
#include "docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

#define API_MIN 40u /* 1.40: the oldest that is talked to (Docker 19.03) */
#define API_MAX 44u /* 1.44: the newest that was looked at (Docker 25), and the oldest that Docker 29 takes */

/* "1.41" → 41; 0: something else */
static unsigned minor_of(const char *version)
{
	char *end;
	unsigned long minor;

	if (strncmp(version, "1.", 2) != 0)
		return 0;
	minor = strtoul(version + 2, &end, 10);
	return *end || minor > 999 ? 0 : (unsigned)minor;
}

static scp_status no_common(const char *offered, const char *least, scp_error *err)
{
	(void)scp__fail(err, SCP_ENOTSUP,
	    "the Docker engine offers API %.16s (down to %.16s), and this is written for 1.%u to 1.%u", offered, least,
	    API_MIN, API_MAX);
	scp__hint(err, "Use Docker Engine 19.03 or newer");
	return SCP_ENOTSUP;
}

static scp_status choose_version(docker *d, const scp__json *answer, scp_error *err)
{
	const char *offered = docker_text(scp__json_get(answer, "ApiVersion"));
	const char *least = docker_text(scp__json_get(answer, "MinAPIVersion"));
	size_t len = strlen(d->api);

	d->api_minor = minor_of(offered);
	if (d->api_minor < API_MIN || minor_of(least) > API_MAX)
		return no_common(offered, least, err);
	if (d->api_minor > API_MAX)
		d->api_minor = API_MAX;
	(void)snprintf(
	    d->engine_version, sizeof(d->engine_version), "%s", docker_text(scp__json_get(answer, "Version")));
	(void)snprintf(d->api + len, sizeof(d->api) - len, "/v1.%u", d->api_minor);
	return SCP_OK;
}

static scp_status no_engine(const docker *d, scp_error *err)
{
	(void)scp__fail(err, SCP_EBACKEND, "what answers at %s is no Docker engine",
	    d->place.unix_socket ? d->place.unix_socket : d->place.host);
	scp__hint(err, "Name the engine's socket or address in --runtime docker:unix:///var/run/docker.sock");
	return SCP_EBACKEND;
}

static scp_status ask_version(docker *d, scp_error *err)
{
	docker_answer a;
	scp_status rc = docker_ask(d, &a, err, "GET", "/version");

	if (rc)
		return rc;
	rc = a.json ? choose_version(d, a.json, err) : no_engine(d, err);
	docker_answer_free(&a);
	return rc;
}

/* ---- GET /info ---- */

static bool has_option(const scp__json *info, const char *wanted)
{
	const scp__json *options = scp__json_get(info, "SecurityOptions");
	size_t len = strlen(wanted);

	for (size_t i = 0; options && i < scp__json_size(options); i++) {
		const char *text = docker_text(scp__json_at(options, i));

		if (strncmp(text, wanted, len) == 0 && (!text[len] || text[len] == ','))
			return true;
	}
	return false;
}

/* With userns-remap the engine's folder is called by the ids that container uid and gid 0 have: …/100000.100000 */
static scp_status read_uids(docker *d, const scp__json *info, scp_error *err)
{
	const char *root = docker_text(scp__json_get(info, "DockerRootDir")), *last = strrchr(root, '/');
	unsigned uid = 0, gid = 0;

	if (has_option(info, "name=rootless")) {
		(void)scp__fail(err, SCP_ENOTSUP, "the Docker engine is a user's own (rootless)");
		scp__hint(err, "Use an engine that runs as root; without root, use the oci: runtime");
		return SCP_ENOTSUP;
	}
	if (!has_option(info, "name=userns"))
		return SCP_OK;
	if (!last || sscanf(last, "/%u.%u", &uid, &gid) != 2 || uid != gid || uid > INT32_MAX - 65536)
		return scp__fail(err, SCP_ENOTSUP,
		    "the Docker engine remaps users, and its folder %.100s doesn't say to which", root);
	d->uid_base = uid;
	return SCP_OK;
}

static bool is_set(const scp__json *info, const char *key)
{
	const scp__json *v = scp__json_get(info, key);

	return v && scp__json_bool(v);
}

static void read_offer(docker *d, const scp__json *info)
{
	d->offered = (is_set(info, "MemoryLimit") ? DOCKER_HAS_MEMORY : 0) |
		     (is_set(info, "CpuCfsQuota") ? DOCKER_HAS_CPU : 0) |
		     (is_set(info, "PidsLimit") ? DOCKER_HAS_PROCESSES : 0);
	if (scp__json_get(info, "NCPU"))
		d->cpus = (uint32_t)scp__json_number(scp__json_get(info, "NCPU"));
	if (scp__json_get(info, "MemTotal"))
		d->memory_bytes = (uint64_t)scp__json_number(scp__json_get(info, "MemTotal"));
}

static scp_status check_engine(docker *d, const scp__json *info, scp_error *err)
{
	if (strcmp(docker_text(scp__json_get(info, "OSType")), "linux") != 0)
		return scp__fail(err, SCP_ENOTSUP, "the Docker engine runs no Linux containers");
	if (!has_option(info, "name=seccomp")) {
		(void)scp__fail(err, SCP_ENOTSUP, "the Docker engine knows no seccomp on its machine");
		scp__hint(err, "Use a kernel and an engine with seccomp: sandboxes aren't run without it");
		return SCP_ENOTSUP;
	}
	if (!d->place.local) {
		(void)scp__fail(err, SCP_ENOTSUP,
		    "the Docker engine at %s is taken for another machine's, and sandboxes there aren't supported yet",
		    d->place.host);
		scp__hint(err, "Use the engine of this machine; if that is this one, add local=yes to its URL");
		return SCP_ENOTSUP;
	}
	if (geteuid() == 0)
		return SCP_OK;
	(void)scp__fail(err, SCP_ENOTSUP,
	    "with a Docker engine this process must be root: workspaces and sockets "
	    "have uids of containers");
	scp__hint(err, "Run it as root, for example by sudo (the sandboxes' code is never root)");
	return SCP_ENOTSUP;
}

/* The engine's id may be its host's: the folder tells two engines on one apart. */
static scp_status take_info(docker *d, const scp__json *info, char *id, size_t size, scp_error *err)
{
	scp_status rc = check_engine(d, info, err);

	if (!rc)
		rc = read_uids(d, info, err);
	if (rc)
		return rc;
	read_offer(d, info);
	(void)snprintf(d->engine_storage, sizeof(d->engine_storage), "%s", docker_text(scp__json_get(info, "Driver")));
	(void)snprintf(
	    d->engine_runtime, sizeof(d->engine_runtime), "%s", docker_text(scp__json_get(info, "DefaultRuntime")));
	(void)snprintf(id, size, "%s %s", docker_text(scp__json_get(info, "ID")),
	    docker_text(scp__json_get(info, "DockerRootDir")));
	(void)snprintf(d->detail, sizeof(d->detail), "Docker Engine %s by API 1.%u, %s, cgroup v%s, %s",
	    d->engine_version, d->api_minor, docker_text(scp__json_get(info, "DefaultRuntime")),
	    docker_text(scp__json_get(info, "CgroupVersion")),
	    d->uid_base ? "users remapped" : "users not remapped (userns-remap would)");
	return SCP_OK;
}

scp_status docker_negotiate(docker *d, char *id, size_t id_size, scp_error *err)
{
	docker_answer a;
	scp_status rc = ask_version(d, err);

	if (!rc)
		rc = docker_ask(d, &a, err, "GET", "/info");
	if (rc)
		return rc;
	rc = a.json ? take_info(d, a.json, id, id_size, err)
		    : scp__fail(err, SCP_EBACKEND, "the Docker engine doesn't describe itself");
	docker_answer_free(&a);
	return rc;
}
