/* The oci adapter: containers by an OCI runtime program (crun, runc or another) on this host. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "runtime.h"
#include "user.h"

#define HASH_LEN 12
#define RUN_ROOT "/run/sandboxcp"

static scp__oci *of(scp_runtime *rt)
{
	return (scp__oci *)rt;
}

/* ---- the node's name and folders ---- */

/* Machine and state folder: two planes on one host have two nodes, and a state folder that moves is another node. */
static scp_status name_node(scp__oci *o, const char *state_dir, scp_error *err)
{
	char *machine = NULL, hex[SCP__SHA256_HEX_SIZE];
	int etc = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scp__sha256 sum;
	size_t len = 0;

	if (etc >= 0) {
		(void)scp__fs_read_file(etc, "machine-id", 256, &machine, &len);
		close(etc);
	}
	if (!realpath(state_dir, o->state_dir)) {
		free(machine);
		return scp__fail_errno(err, errno, "state folder %s", state_dir);
	}
	scp__sha256_init(&sum);
	scp__sha256_update(&sum, machine ? machine : "", len);
	scp__sha256_update(&sum, "\n", 1);
	scp__sha256_update(&sum, o->state_dir, strlen(o->state_dir));
	scp__sha256_final_hex(&sum, hex);
	free(machine);
	(void)snprintf(o->hash, sizeof(o->hash), "%.*s", HASH_LEN, hex);
	(void)snprintf(o->node_name, sizeof(o->node_name), "oci-%s", o->hash);
	(void)snprintf(o->run_dir, sizeof(o->run_dir), "%s/%.*s", o->run_root, HASH_LEN, o->hash);
	return SCP_OK;
}

/* Sandboxes' uids must be able to walk to their roots, but see nothing on the way: hence 0711. */
static int make_walkable(const char *path)
{
	struct stat st;

	if (mkdir(path, 0711) && errno != EEXIST)
		return -1;
	if (lstat(path, &st))
		return -1;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		errno = ENOTDIR;
		return -1;
	}
	return chmod(path, 0711);
}

static int open_below(int run, const char *name)
{
	if (mkdirat(run, name, 0700) && errno != EEXIST)
		return -1;
	return openat(run, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* 0; 1 it was removed meanwhile by one that closed; -1 errno */
static int open_run_dir(scp__oci *o)
{
	struct stat ours, now;

	if (make_walkable(o->run_dir))
		return -1;
	o->run = open(o->run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	o->open_lock = o->run < 0 ? -1 : openat(o->run, "open", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (o->open_lock < 0)
		return errno == ENOENT ? 1 : -1;
	if (flock(o->open_lock, LOCK_SH))
		return -1;
	if (fstat(o->run, &ours) || stat(o->run_dir, &now) || ours.st_ino != now.st_ino || !now.st_nlink)
		return 1;
	if (fstatat(o->run, "open", &now, AT_SYMLINK_NOFOLLOW) || fstat(o->open_lock, &ours) ||
	    ours.st_ino != now.st_ino)
		return 1;
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static scp_status open_folders(scp__oci *o, scp_error *err)
{
	int rc;

	if (make_walkable(o->run_root))
		return scp__fail_errno(err, errno, "make %s", o->run_root);
	while ((rc = open_run_dir(o)) > 0) {
		close_fd(&o->open_lock);
		close_fd(&o->run);
	}
	if (rc)
		return scp__fail_errno(err, errno, "make %s", o->run_dir);
	o->containers = open_below(o->run, "c");
	o->gone = open_below(o->run, "gone");
	o->state = open_below(o->run, "state");
	o->sockets = open_below(o->run, "s");
	if (o->containers < 0 || o->gone < 0 || o->state < 0 || o->sockets < 0)
		return scp__fail_errno(err, errno, "make the folders below %s", o->run_dir);
	return SCP_OK;
}

/* ---- open and close ---- */

static const struct {
	const char *name;
	unsigned bit;
} limit_names[] = {
	{ "memory", SCP__OCI_HAS_MEMORY },
	{ "cpu", SCP__OCI_HAS_CPU },
	{ "processes", SCP__OCI_HAS_PROCESSES },
};

#define LIMITS (sizeof(limit_names) / sizeof(limit_names[0]))

/* "disk,memory": names that aren't ours are somebody else's business. */
static unsigned parse_allowed(const char *text)
{
	unsigned allowed = 0;

	while (text && *text) {
		size_t len = strcspn(text, ",");

		for (size_t i = 0; i < LIMITS; i++)
			if (strlen(limit_names[i].name) == len && strncmp(text, limit_names[i].name, len) == 0)
				allowed |= limit_names[i].bit;
		text += len + (text[len] == ',');
	}
	return allowed;
}

static void describe_limits(scp__oci *o)
{
	const char *version = o->cgroups.kind == SCP__OCI_CGROUPS_NONE ? "none" : o->cgroups.v2 ? "v2" : "v1";

	for (size_t i = 0; i < LIMITS; i++) {
		bool has = o->program.limits & limit_names[i].bit;

		(void)snprintf(o->row_detail[i], sizeof(o->row_detail[i]),
		    has ? "cgroup %s, read back from every container"
			: "not set by %s on this machine (cgroup %s); allowed by name",
		    has ? version : o->program.name, version);
		o->rows[i] =
		    (scp_runtime_limit){ limit_names[i].name, has ? "enforced" : "not enforced", o->row_detail[i] };
	}
	o->rows[LIMITS] = (scp_runtime_limit){ "network", "enforced",
		"a network namespace of its own with lo alone; no other network" };
}

static scp_status open_parts(scp__oci *o, const char *wanted, scp_error *err)
{
	scp_status rc = open_folders(o, err);

	if (!rc)
		rc = scp__oci_uids_open(&o->uids, o->run_root, o->of_user, err);
	if (!rc)
		rc = scp__oci_cgroups_open(&o->cgroups, o->hash, o->of_user, o->allowed, err);
	if (!rc)
		rc = scp__oci_images_open(o, err);
	if (!rc)
		rc = scp__oci_watch_new(&o->watch, err);
	if (!rc && !(o->seccomp = scp__oci_seccomp_json()))
		rc = scp__nomem(err);
	if (!rc)
		rc = scp__oci_probe(o, wanted, err);
	if (!rc)
		rc = scp__oci_list(&o->base, NULL, NULL, err);
	return rc;
}

/* The last one out takes the folder along; whoever has it open too holds the lock shared. */
static void tidy(scp__oci *o)
{
	int root;

	if (o->open_lock < 0 || flock(o->open_lock, LOCK_EX | LOCK_NB))
		return;
	if (unlinkat(o->run, "c", AT_REMOVEDIR))
		return; /* containers live on */
	root = open(o->run_root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return;
	(void)scp__fs_remove_tree(root, o->hash);
	close(root);
	scp__oci_cgroups_close(&o->cgroups);
}

static void oci_close(scp_runtime *rt)
{
	scp__oci *o = of(rt);

	tidy(o);
	scp__oci_watch_free(o->watch);
	scp__oci_uids_close(&o->uids);
	close_fd(&o->containers);
	close_fd(&o->gone);
	close_fd(&o->state);
	close_fd(&o->sockets);
	close_fd(&o->open_lock);
	close_fd(&o->run);
	free(o->seccomp);
	free(o);
}

/* ---- small operations ---- */

static const char *oci_node_name(scp_runtime *rt)
{
	return of(rt)->node_name;
}

static int32_t oci_workspace_uid(scp_runtime *rt)
{
	return scp__oci_uids_disk(&of(rt)->uids);
}

static scp_status oci_image_prepare(
    scp_runtime *rt, const char *image, char *digest, size_t digest_size, scp_error *err)
{
	scp__oci_image resolved;
	scp_status rc = scp__oci_image_resolve(of(rt), image, &resolved, err);

	if (!rc && digest)
		(void)snprintf(digest, digest_size, "%s", resolved.digest);
	return rc;
}

static void oci_interrupt(scp_runtime *rt)
{
	scp__oci_watch_interrupt(of(rt)->watch);
}

static scp_status oci_capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	struct sysinfo info;
	cpu_set_t cpus;

	if (sysinfo(&info) || sched_getaffinity(0, sizeof(cpus), &cpus))
		return scp__fail_errno(err, errno, "measure this machine");
	out->cpu_millis = (uint64_t)CPU_COUNT(&cpus) * 1000;
	out->memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	out->containers = of(rt)->uids.slots - 1;
	return SCP_OK;
}

static void oci_limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	*rows = of(rt)->rows;
	*count = LIMITS + 1;
}

static scp_status oci_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	scp__oci *o = of(rt);

	(void)deadline_ms;
	if (detail && detail_size)
		(void)snprintf(detail, detail_size, "%s", o->detail);
	if (access(o->program.path, X_OK))
		return scp__fail(
		    err, SCP_EUNAVAIL, "the runtime program %s is gone: %s", o->program.path, strerror(errno));
	if (access(o->run_dir, W_OK))
		return scp__fail(err, SCP_EUNAVAIL, "%s is gone: %s", o->run_dir, strerror(errno));
	return SCP_OK;
}

static const scp_runtime_ops oci_ops = {
	.struct_size = sizeof(oci_ops),
	.type = "oci",
	.node_name = oci_node_name,
	.workspace_uid = oci_workspace_uid,
	.image_prepare = oci_image_prepare,
	.run = scp__oci_run,
	.stop = scp__oci_stop,
	.remove = scp__oci_remove,
	.inspect = scp__oci_inspect,
	.list = scp__oci_list,
	.logs = scp__oci_logs,
	.stats = scp__oci_stats,
	.connect = scp__oci_connect,
	.next_event = scp__oci_next_event,
	.interrupt = oci_interrupt,
	.capacity = oci_capacity,
	.limits = oci_limits,
	.health = oci_health,
	.pause = scp__oci_pause,
	.resume = scp__oci_resume,
	.close = oci_close,
};

scp_status scp__oci_open(scp_runtime **out, const char *url, const scp__runtime_options *options, scp_error *err)
{
	scp_status rc = SCP_OK;
	scp__oci *o;

	*out = NULL;
	if (strncmp(url, "oci:", 4) != 0)
		return scp__fail(err, SCP_EINVAL, "\"%.64s\" is no URL of the oci runtime", url);
	o = calloc(1, sizeof(*o));
	if (!o)
		return scp__nomem(err);
	o->base.ops = &oci_ops;
	o->log = options->log;
	o->allowed = parse_allowed(options->allow_unenforced);
	o->run = o->containers = o->gone = o->state = o->sockets = o->open_lock = o->uids.dir = -1;
	scp__oci_boot_id(o->boot_id);
	o->of_user = geteuid() != 0;
	if (o->of_user)
		rc = scp__oci_user_check(o->run_root, err);
	else
		(void)snprintf(o->run_root, sizeof(o->run_root), RUN_ROOT);
	if (!rc && scp__fs_mkdir_p(options->state_dir, 0700))
		rc = scp__fail_errno(err, errno, "make the state folder %s", options->state_dir);
	if (!rc)
		rc = name_node(o, options->state_dir, err);
	if (!rc)
		rc = open_parts(o, url + 4, err);
	if (rc) {
		oci_close(&o->base);
		return rc;
	}
	describe_limits(o);
	*out = &o->base;
	return SCP_OK;
}
