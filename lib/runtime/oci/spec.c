/* config.json: one container as the OCI runtime specification wants it described. */
#include "cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "fs.h"
#include "json.h"

#define CONFIG_MAX (256 * 1024)
#define CPU_PERIOD_US 100000
#define INODE_BYTES 4096
#define EXECUTOR "/.sandbox/executor"

/* To become the code's uid, to give up what is left, and to kill it: nothing else. */
static const char *const capabilities[] = { "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL" };

static const char *const namespaces[] = { "user", "pid", "mount", "network", "ipc", "uts", "cgroup" };

static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/workspace", "LANG=C.UTF-8" };

static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/kallsyms", "/proc/kmsg",
	"/sys/firmware", "/sys/devices/virtual/powercap" };

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void scp__oci_spec_limits(const scp_runtime_spec *spec, scp__oci_limits *out)
{
	out->memory_bytes = spec->resources->memory_bytes + spec->overhead_memory_bytes;
	out->cpu_millis = spec->resources->cpu_millis;
	out->processes = spec->resources->max_processes;
}

static void strings(scp__json_writer *w, const char *key, const char *const *items, size_t count)
{
	scp__jw_array(w, key);
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, NULL, items[i]);
	scp__jw_end_array(w);
}

static void rlimit(scp__json_writer *w, const char *type, uint64_t value)
{
	scp__jw_object(w, NULL);
	scp__jw_string(w, "type", type);
	scp__jw_uint(w, "hard", value);
	scp__jw_uint(w, "soft", value);
	scp__jw_end_object(w);
}

static void write_arguments(scp__json_writer *w, const char *const *more)
{
	scp__jw_array(w, "args");
	scp__jw_string(w, NULL, EXECUTOR);
	for (; more && *more; more++)
		scp__jw_string(w, NULL, *more);
	scp__jw_string(w, NULL, "--listen-fd=3");
	scp__jw_end_array(w);
}

static void write_process(scp__json_writer *w, const scp_runtime_spec *spec)
{
	scp__jw_object(w, "process");
	scp__jw_object(w, "user");
	scp__jw_int(w, "uid", 0);
	scp__jw_int(w, "gid", 0);
	scp__jw_end_object(w);
	write_arguments(w, spec->executor_args);
	strings(w, "env", environment, COUNT(environment));
	scp__jw_string(w, "cwd", "/");
	scp__jw_bool(w, "noNewPrivileges", true);
	scp__jw_object(w, "capabilities");
	strings(w, "bounding", capabilities, COUNT(capabilities));
	strings(w, "effective", capabilities, COUNT(capabilities));
	strings(w, "permitted", capabilities, COUNT(capabilities));
	scp__jw_end_object(w);
	scp__jw_array(w, "rlimits");
	rlimit(w, "RLIMIT_CORE", 0);
	rlimit(w, "RLIMIT_NOFILE", 1024);
	scp__jw_end_array(w);
	scp__jw_end_object(w);
}

/* `bytes` 0: no size. Inodes cost kernel memory, so they are bounded with the size. */
static void mount_row(
    scp__json_writer *w, const char *target, const char *type, const char *const *options, size_t count, uint64_t bytes)
{
	char text[48];

	scp__jw_object(w, NULL);
	scp__jw_string(w, "destination", target);
	scp__jw_string(w, "type", type);
	scp__jw_string(w, "source", type);
	scp__jw_array(w, "options");
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, NULL, options[i]);
	if (bytes) {
		(void)snprintf(text, sizeof(text), "size=%llu", (unsigned long long)bytes);
		scp__jw_string(w, NULL, text);
		(void)snprintf(text, sizeof(text), "nr_inodes=%llu", (unsigned long long)(bytes / INODE_BYTES + 64));
		scp__jw_string(w, NULL, text);
	}
	scp__jw_end_array(w);
	scp__jw_end_object(w);
}

/* A folder with whatever is mounted below it: to leave that out would show what it covers. crun takes what has a
 * recursive option for a folder. */
static void bind_row(scp__json_writer *w, const scp__oci_bind *b)
{
	static const char *const folder[] = { "rbind", "rnosuid", "rnodev", "rro" };
	static const char *const file[] = { "bind", "nosuid", "nodev", "ro" };

	scp__jw_object(w, NULL);
	scp__jw_string(w, "destination", b->target);
	scp__jw_string(w, "type", "bind");
	scp__jw_string(w, "source", b->source);
	strings(w, "options", b->folder ? folder : file, COUNT(folder) - b->writable);
	scp__jw_end_object(w);
}

static void write_mounts(scp__json_writer *w, uint64_t tmp_bytes, const scp__oci_binds *binds)
{
	static const char *const proc[] = { "nosuid", "noexec", "nodev" };
	static const char *const dev[] = { "nosuid", "noexec", "strictatime", "mode=755" };
	static const char *const shm[] = { "nosuid", "noexec", "nodev", "mode=1777" };
	static const char *const tmp[] = { "nosuid", "nodev", "mode=1777" };

	scp__jw_array(w, "mounts");
	mount_row(w, "/proc", "proc", proc, COUNT(proc), 0);
	mount_row(w, "/dev", "tmpfs", dev, COUNT(dev), 65536);
	mount_row(w, "/dev/shm", "tmpfs", shm, COUNT(shm), tmp_bytes);
	mount_row(w, "/tmp", "tmpfs", tmp, COUNT(tmp), tmp_bytes);
	for (size_t i = 0; binds && i < binds->count; i++)
		bind_row(w, &binds->rows[i]);
	scp__jw_end_array(w);
}

/* Container ids 0 and 1000, and nobody else: whatever belongs to others shows as nobody's. */
static void write_map(scp__json_writer *w, const char *key, const uint32_t host[2])
{
	static const uint32_t inside[] = { 0, 1000 };

	scp__jw_array(w, key);
	for (uint32_t i = 0; i < COUNT(inside); i++) {
		scp__jw_object(w, NULL);
		scp__jw_uint(w, "containerID", inside[i]);
		scp__jw_uint(w, "hostID", host[i]);
		scp__jw_uint(w, "size", 1);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
}

/* What can't be asked for isn't: programs differ in whether they then refuse or keep silent. */
static void write_limits(scp__json_writer *w, const scp__oci_limits *limits, unsigned offered)
{
	if (offered & SCP__OCI_HAS_MEMORY) {
		scp__jw_object(w, "memory");
		scp__jw_uint(w, "limit", limits->memory_bytes);
		scp__jw_uint(w, "swap", limits->memory_bytes); /* memory and swap together: no swap */
		scp__jw_end_object(w);
	}
	if (offered & SCP__OCI_HAS_CPU) {
		scp__jw_object(w, "cpu");
		scp__jw_uint(w, "period", CPU_PERIOD_US);
		scp__jw_uint(w, "quota", (uint64_t)limits->cpu_millis * CPU_PERIOD_US / 1000);
		scp__jw_end_object(w);
	}
	if (offered & SCP__OCI_HAS_PROCESSES) {
		scp__jw_object(w, "pids");
		scp__jw_uint(w, "limit", limits->processes);
		scp__jw_end_object(w);
	}
}

static void write_resources(scp__json_writer *w, const scp__oci_limits *limits, unsigned offered)
{
	scp__jw_object(w, "resources");
	scp__jw_array(w, "devices");
	scp__jw_object(w, NULL);
	scp__jw_bool(w, "allow", false);
	scp__jw_string(w, "access", "rwm");
	scp__jw_end_object(w);
	scp__jw_end_array(w);
	write_limits(w, limits, offered);
	scp__jw_end_object(w);
}

static void write_linux(scp__json_writer *w, const scp__oci_config *c)
{
	char cgroup[320];
	scp__oci_limits limits;

	scp__oci_spec_limits(c->spec, &limits);
	scp__oci_cgroup_name(c->cgroups, c->spec->name, cgroup, sizeof(cgroup));
	scp__jw_object(w, "linux");
	scp__jw_array(w, "namespaces");
	for (size_t i = 0; i < COUNT(namespaces); i++) {
		scp__jw_object(w, NULL);
		scp__jw_string(w, "type", namespaces[i]);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
	write_map(w, "uidMappings", c->ids.uid);
	write_map(w, "gidMappings", c->ids.gid);
	if (cgroup[0]) {
		scp__jw_string(w, "cgroupsPath", cgroup);
		write_resources(w, &limits, c->cgroups->offered);
	}
	scp__jw_raw(w, "seccomp", c->seccomp, strlen(c->seccomp));
	strings(w, "maskedPaths", masked, COUNT(masked));
	strings(w, "readonlyPaths", read_only, COUNT(read_only));
	scp__jw_end_object(w);
}

/* So that we know where the limits are; what isn't said is crun's own choice. */
static void write_annotations(scp__json_writer *w, const scp__oci_cgroups *c)
{
	if (c->kind != SCP__OCI_CGROUPS_SCOPES)
		return;
	scp__jw_object(w, "annotations");
	scp__jw_string(w, "run.oci.systemd.subgroup", SCP__CGROUP_USER_INNER);
	scp__jw_end_object(w);
}

scp_status scp__oci_config_write(int dir, const scp__oci_config *c, scp_error *err)
{
	scp__json_writer w;
	scp_status rc = SCP_OK;
	scp__buf buf;

	scp__buf_init(&buf, CONFIG_MAX);
	scp__jw_init(&w, &buf);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "ociVersion", "1.0.2");
	write_process(&w, c->spec);
	scp__jw_object(&w, "root");
	scp__jw_string(&w, "path", c->root);
	scp__jw_bool(&w, "readonly", c->spec->read_only_root);
	scp__jw_end_object(&w);
	scp__jw_string(&w, "hostname", "sandbox");
	write_mounts(&w, c->spec->tmp_bytes, c->binds);
	write_linux(&w, c);
	write_annotations(&w, c->cgroups);
	scp__jw_end_object(&w);
	if (buf.status)
		rc = scp__fail(err, buf.status, "config.json of %s is too long", c->spec->name);
	else if (scp__fs_write_file(dir, "config.json", buf.data, buf.len, 0600, false))
		rc = scp__fail_errno(err, errno, "write config.json of %s", c->spec->name);
	scp__buf_free(&buf);
	return rc;
}
