/* The body of POST /containers/create: whatever the image says of how it wants to be run is laid over. */
#include "docker.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

#define BODY_MAX (512 * 1024)
#define INODE_BYTES 4096
#define VOLUMES_MAX 32
#define NO_FILES 1024
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* To become the code's uid, to give up what is left, and to kill it: nothing else. */
static const char *const capabilities[] = { "SETUID", "SETGID", "SETPCAP", "KILL" };

/* PATH is the image's: it knows where its programs are, and code in a sandbox gets one of its own. */
static const char *const environment[] = { "HOME=/workspace", "LANG=C.UTF-8" };

/* What tells of the host; /sys as a whole. */
static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/kallsyms", "/proc/kmsg",
	"/sys" };

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static void strings(scp__json_writer *w, const char *key, const char *const *items, size_t count)
{
	scp__jw_array(w, key);
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, NULL, items[i]);
	scp__jw_end_array(w);
}

static void write_command(scp__json_writer *w, const char *const *more)
{
	static const char *const entry[] = { "/.sandbox/executor" };
	static const char *const nothing[] = { "NONE" };

	strings(w, "Entrypoint", entry, 1);
	scp__jw_array(w, "Cmd");
	for (; more && *more; more++)
		scp__jw_string(w, NULL, *more);
	scp__jw_string(w, NULL, "--listen-unix=" DOCKER_SOCKET_IN_CONTAINER);
	scp__jw_end_array(w);
	scp__jw_object(w, "Healthcheck");
	strings(w, "Test", nothing, 1);
	scp__jw_end_object(w);
	scp__jw_string(w, "User", "0:0");
	scp__jw_string(w, "WorkingDir", "/");
	/* We say SIGTERM ourselves. From others it would end runs as if somebody had cancelled them: an engine that
	 * comes back stops what ran, and that is to be run again. */
	scp__jw_string(w, "StopSignal", "SIGKILL");
	scp__jw_string(w, "Hostname", "sandbox");
	strings(w, "Env", environment, COUNT(environment));
}

static void write_labels(scp__json_writer *w, const docker *d, const scp_runtime_spec *spec)
{
	scp__jw_object(w, "Labels");
	for (size_t i = 0; i < spec->label_count; i++)
		scp__jw_string(w, spec->labels[i].name, spec->labels[i].value);
	scp__jw_string(w, DOCKER_LABEL, d->node_name);
	scp__jw_end_object(w);
}

/* ---- mounts ---- */

static void bind_row(scp__json_writer *w, const char *source, const char *target, bool writable)
{
	scp__jw_object(w, NULL);
	scp__jw_string(w, "Type", "bind");
	scp__jw_string(w, "Source", source);
	scp__jw_string(w, "Target", target);
	scp__jw_bool(w, "ReadOnly", !writable);
	scp__jw_end_object(w);
}

static void write_binds(scp__json_writer *w, const docker_creation *c)
{
	scp__jw_array(w, "Mounts");
	bind_row(w, c->executor, "/.sandbox/executor", false);
	bind_row(w, c->sock, "/.sandbox/run", true);
	if (c->spec->workspace_path)
		bind_row(w, c->spec->workspace_path, "/workspace", true);
	scp__jw_end_array(w);
}

static void tmpfs_row(scp__json_writer *w, const char *target, const char *options, uint64_t bytes)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "rw,nosuid,nodev,%s,size=%llu,nr_inodes=%llu", options,
	    (unsigned long long)bytes, (unsigned long long)(bytes / INODE_BYTES + 64));
	scp__jw_string(w, target, text);
}

static bool is_plain_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len < 2 || len > 255 || path[len - 1] == '/' || strstr(path, "//") || strchr(path, ':'))
		return false;
	for (const char *p = path; (p = strstr(p, "/.")); p++)
		if (!p[2] || p[2] == '/' || (p[2] == '.' && (!p[3] || p[3] == '/')))
			return false;
	return true;
}

static bool is_ours(const char *path)
{
	return strcmp(path, "/tmp") == 0 || strcmp(path, "/workspace") == 0;
}

/* Code owns it: runc gives a tmpfs the mode that the image has there, whatever is asked for. */
#define SCRATCH "exec,mode=1777,uid=1000,gid=1000"

/* A VOLUME would be a folder of the engine's, writable and without an end: memory with an end lies over it. */
static scp_status write_volumes(scp__json_writer *w, const docker_creation *c, scp_error *err)
{
	const scp__json *volumes = docker_dig(c->image, "Config", "Volumes");
	size_t count = volumes && scp__json_typeof(volumes) == SCP__JSON_OBJECT ? scp__json_size(volumes) : 0;

	for (size_t i = 0; i < count; i++) {
		const char *path = scp__json_key(scp__json_at(volumes, i));

		if (count > VOLUMES_MAX || !is_plain_path(path) || strncmp(path, "/.sandbox", 9) == 0)
			return scp__fail(
			    err, SCP_ENOTSUP, "image %s: its VOLUME %.64s can't be laid over", c->spec->image, path);
		if (!is_ours(path))
			tmpfs_row(w, path, SCRATCH, c->spec->tmp_bytes);
	}
	return SCP_OK;
}

static scp_status write_tmpfs(scp__json_writer *w, const docker_creation *c, scp_error *err)
{
	scp_status rc;

	scp__jw_object(w, "Tmpfs");
	tmpfs_row(w, "/tmp", SCRATCH, c->spec->tmp_bytes);
	if (!c->spec->workspace_path)
		tmpfs_row(w, "/workspace", SCRATCH, c->spec->tmp_bytes);
	rc = write_volumes(w, c, err);
	scp__jw_end_object(w);
	scp__jw_uint(w, "ShmSize", c->spec->tmp_bytes);
	return rc;
}

/* ---- the wall ---- */

static void ulimit(scp__json_writer *w, const char *name, uint64_t value)
{
	scp__jw_object(w, NULL);
	scp__jw_string(w, "Name", name);
	scp__jw_uint(w, "Soft", value);
	scp__jw_uint(w, "Hard", value);
	scp__jw_end_object(w);
}

static void write_limits(scp__json_writer *w, const scp_runtime_spec *spec)
{
	scp__jw_uint(w, "Memory", docker_memory_bytes(spec));
	scp__jw_uint(w, "MemorySwap", docker_memory_bytes(spec)); /* both together: no swap */
	scp__jw_uint(w, "NanoCpus", (uint64_t)spec->resources->cpu_millis * 1000000);
	scp__jw_uint(w, "PidsLimit", spec->resources->max_processes);
	scp__jw_array(w, "Ulimits");
	ulimit(w, "core", 0);
	ulimit(w, "nofile", NO_FILES);
	scp__jw_end_array(w);
}

static scp_status write_security(scp__json_writer *w, const docker *d, scp_error *err)
{
	static const char *const all[] = { "ALL" };
	scp__buf option;
	scp_status rc;

	scp__buf_init(&option, BODY_MAX);
	(void)scp__buf_puts(&option, "seccomp=");
	rc = scp__buf_puts(&option, d->seccomp);
	strings(w, "CapDrop", all, 1);
	strings(w, "CapAdd", capabilities, COUNT(capabilities));
	scp__jw_array(w, "SecurityOpt");
	scp__jw_string(w, NULL, "no-new-privileges");
	if (!rc)
		scp__jw_string(w, NULL, option.data);
	scp__jw_end_array(w);
	scp__buf_free(&option);
	strings(w, "MaskedPaths", masked, COUNT(masked));
	strings(w, "ReadonlyPaths", read_only, COUNT(read_only));
	return rc ? scp__nomem(err) : SCP_OK;
}

/* It is our own executor's log, and small; the engine keeps it so. */
static void write_log(scp__json_writer *w)
{
	scp__jw_object(w, "LogConfig");
	scp__jw_string(w, "Type", "json-file");
	scp__jw_object(w, "Config");
	scp__jw_string(w, "max-size", "1m");
	scp__jw_string(w, "max-file", "1");
	scp__jw_end_object(w);
	scp__jw_end_object(w);
}

/* Only those that were named to us; else the engine's own choice. */
static void write_resolvers(scp__json_writer *w, const docker *d)
{
	char text[INET_ADDRSTRLEN];
	docker_resolvers r;

	scp__jw_array(w, "Dns");
	docker_resolvers_read(d, &r);
	for (size_t i = 0; d->place.dns && i < r.count; i++)
		scp__jw_string(w, NULL, inet_ntop(AF_INET, &r.address[i], text, sizeof(text)));
	scp__jw_end_array(w);
}

bool docker_creation_wants_no_size(const docker_answer *a)
{
	const char *message = docker_text(a->json ? scp__json_get(a->json, "message") : NULL);

	return a->status >= 400 &&
	       (strstr(message, "storage-opt") || strstr(message, "torage option") || strstr(message, "uota"));
}

/* These count what the image itself takes, the others what is written alone. */
static bool counts_image(const char *storage)
{
	return strcmp(storage, "btrfs") == 0 || strcmp(storage, "vfs") == 0 || strcmp(storage, "devicemapper") == 0;
}

static void write_root_size(scp__json_writer *w, const docker *d, const docker_creation *c)
{
	const scp__json *image = scp__json_get(c->image, "Size");
	uint64_t bytes = c->spec->tmp_bytes;
	char text[24];

	if (counts_image(d->engine_storage) && image)
		bytes += (uint64_t)scp__json_number(image);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	scp__jw_object(w, "StorageOpt");
	scp__jw_string(w, "size", text);
	scp__jw_end_object(w);
}

static scp_status write_host(scp__json_writer *w, const docker *d, const docker_creation *c, scp_error *err)
{
	scp_status rc;

	scp__jw_object(w, "HostConfig");
	scp__jw_string(w, "NetworkMode", c->spec->network ? d->network : "none");
	if (c->spec->network)
		write_resolvers(w, d);
	scp__jw_string(w, "IpcMode", "private");
	scp__jw_string(w, "CgroupnsMode", "private");
	scp__jw_bool(w, "ReadonlyRootfs", c->spec->read_only_root);
	if (!c->spec->read_only_root && !c->unbounded)
		write_root_size(w, d, c);
	scp__jw_bool(w, "Init", false);
	scp__jw_bool(w, "Privileged", false);
	scp__jw_bool(w, "PublishAllPorts", false);
	scp__jw_object(w, "RestartPolicy");
	scp__jw_string(w, "Name", "no");
	scp__jw_end_object(w);
	write_log(w);
	write_limits(w, c->spec);
	write_binds(w, c);
	rc = write_security(w, d, err);
	if (!rc)
		rc = write_tmpfs(w, c, err);
	scp__jw_end_object(w);
	return rc;
}

scp_status docker_creation_write(docker *d, const docker_creation *c, scp__buf *out, scp_error *err)
{
	scp__json_writer w;
	scp_status rc;

	scp__buf_init(out, BODY_MAX);
	scp__jw_init(&w, out);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "Image", c->spec->image);
	write_command(&w, c->spec->executor_args);
	write_labels(&w, d, c->spec);
	rc = write_host(&w, d, c, err);
	scp__jw_end_object(&w);
	if (!rc && out->status)
		rc = scp__fail(err, out->status, "container %s: its description is too long", c->spec->name);
	if (rc)
		scp__buf_free(out);
	return rc;
}
