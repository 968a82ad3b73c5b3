/* Open and close: the one file that knows every room. Chooses the adapters, starts the threads, and ends both in turn.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sandboxcp/limits.h>

#include "clock.h"
#include "err.h"
#include "fs.h"
#include "house.h"
#include "meter.h"
#include "upkeep.h"

enum { FAST_THREADS = 4, SLOW_THREADS = 8, IO_THREADS = 4, SYNC_THREADS = 4, PATH_SIZE = 512 };
#define STOCK_BYTES (UINT64_C(1) << 30)

/* Everything that a plane owns, in the order in which it comes up. */
struct house {
	scp__core core;
	struct scp__choice choice;
	char executor[PATH_SIZE];
	int lock_fd;
	bool provision_up;
	scp__upkeep *upkeep;
};

const char *scp_version(void)
{
	return SCP_VERSION_STRING;
}

/* ---- the state folder ---- */

scp_status scp__make_state_dir(const char *path, scp_error *err)
{
	if (scp__fs_mkdir_p(path, 0700)) {
		scp__fail(err, SCP_EINVAL, "state_dir %s can't be made: %s", path, strerror(errno));
		scp__hint(err, "Give a folder that this user may write (--state-dir)");
		return SCP_EINVAL;
	}
	return SCP_OK;
}

/* One process at a time drives a state folder's containers: whoever holds the lock knows that the last one is dead. */
static scp_status lock_state_dir(struct house *h, scp_error *err)
{
	char path[PATH_SIZE + 8];

	if (!h->core.upkeep)
		return SCP_OK;
	snprintf(path, sizeof(path), "%s/lock", h->choice.state_dir);
	h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (h->lock_fd < 0)
		return scp__fail_errno(err, errno, "%s", path);
	if (!flock(h->lock_fd, LOCK_EX | LOCK_NB))
		return SCP_OK;
	scp__fail(err, SCP_ESTATE, "state_dir %s is in use by another process", h->choice.state_dir);
	scp__hint(err, "Stop that process, give another state_dir, or open with upkeep off to submit only");
	return SCP_ESTATE;
}

/* ---- the executor ---- */

static bool usable(const char *path)
{
	return path && path[0] && !access(path, X_OK);
}

/* Beside the library: LIB/../daemon in the build tree. */
static bool beside(char out[PATH_SIZE])
{
	Dl_info info;
	const char *slash;

	if (!dladdr((const void *)(uintptr_t)scp_version, &info) || !info.dli_fname)
		return false;
	slash = strrchr(info.dli_fname, '/');
	snprintf(out, PATH_SIZE, "%.*s/../daemon/sandbox-executor", slash ? (int)(slash - info.dli_fname) : 1,
	    slash ? info.dli_fname : ".");
	return usable(out);
}

scp_status scp__find_executor(char *out, size_t size, const scp_plane_options *options, scp_error *err)
{
	const char *chosen = options->executor_path ? options->executor_path : secure_getenv("SANDBOXCP_EXECUTOR");
	char found[PATH_SIZE];
	char *real;

	if (chosen)
		snprintf(found, sizeof(found), "%s", chosen);
	else if (!beside(found))
		snprintf(found, sizeof(found), "%s/sandbox-executor", SCP_LIBEXEC);
	real = usable(found) ? realpath(found, NULL) : NULL;
	if (!real) {
		scp__fail(err, SCP_EINVAL, "executor_path: there is no program %s", found);
		scp__hint(err, "Give the path of sandbox-executor (--executor, SANDBOXCP_EXECUTOR)");
		return SCP_EINVAL;
	}
	snprintf(out, size, "%s", real);
	free(real);
	return SCP_OK;
}

/* ---- bringing it up, step by step ---- */

static scp_status open_database(struct house *h, const scp_plane_options *o, bool create, scp_error *err)
{
	scp__database_access access = { o->database_password, create };
	scp_status rc;

	if (o->database) {
		rc = scp__database_check(o->database, err);
		h->core.db = rc ? NULL : o->database;
	} else {
		rc = scp__database_open_as(&h->core.db, h->choice.database_url, &access, err);
	}
	if (!rc)
		rc = scp__meter_database(&h->core.db, h->core.figures, err);
	if (!rc && o->schema == SCP_SCHEMA_REQUIRE)
		rc = scp__store_require(h->core.db, err);
	else if (!rc)
		rc = scp__store_migrate(h->core.db, err);
	return rc;
}

static scp_status open_storage(struct house *h, const scp_plane_options *o, scp_error *err)
{
	scp_status rc;

	if (o->storage) {
		rc = scp__storage_check(o->storage, err);
		h->core.storage = rc ? NULL : o->storage;
	} else {
		rc = scp__storage_open(&h->core.storage, h->choice.storage_url,
		    &(scp__storage_options){ .credentials_file = o->storage_credentials_file }, err);
	}
	return rc ? rc : scp__meter_storage(&h->core.storage, h->core.figures, err);
}

/* A random name that lasts as long as the folder does: whoever makes the folder anew has no disk of before. */
static scp_status open_home(struct house *h, scp_error *err)
{
	char path[PATH_SIZE + 8];
	char *text = NULL;
	size_t len = 0;
	scp_status rc = SCP_OK;

	snprintf(path, sizeof(path), "%s/home", h->choice.state_dir);
	if (scp__fs_read_file(AT_FDCWD, path, SCP__ID_SIZE - 1, &text, &len)) {
		if (errno != ENOENT)
			return scp__fail_errno(err, errno, "%s", path);
		rc = scp__id_make(h->core.home, "home_", 16, err);
		if (!rc && scp__fs_write_file(AT_FDCWD, path, h->core.home, strlen(h->core.home), 0600, true))
			rc = scp__fail_errno(err, errno, "%s", path);
	} else {
		snprintf(h->core.home, sizeof(h->core.home), "%s", text);
	}
	free(text);
	return rc;
}

/* Sandboxes mount folders: where the storage has none, this host's disks have the files while a session lives. */
static scp_status open_local(struct house *h, scp_error *err)
{
	scp__mirror_options o = { h->core.db, h->core.storage, h->core.home, h->core.log };
	char url[PATH_SIZE + 24];
	scp_status rc;

	h->core.provision.local = h->core.storage;
	if (scp__storage_has_folders(h->core.storage))
		return SCP_OK;
	snprintf(url, sizeof(url), "file:%s/workspaces", h->choice.state_dir);
	rc = scp__localfs_open(&h->core.provision.local, url, err);
	if (rc)
		h->core.provision.local = NULL;
	return rc ? rc : scp__mirror_open(&h->core.provision.mirror, &o, err);
}

static scp_status open_runtimes(struct house *h, const scp_plane_options *o, scp_error *err)
{
	static const char *const embedded[] = { "oci:" };
	const char *const *urls = o->runtime_url_count ? o->runtime_urls : embedded;
	size_t count = o->runtime_count ? o->runtime_count : o->runtime_url_count ? o->runtime_url_count : 1;
	scp__runtime_options options = { h->choice.state_dir, o->allow_unenforced, h->core.log };
	scp_status rc = SCP_OK;

	h->core.runtimes = calloc(count, sizeof(*h->core.runtimes));
	if (!h->core.runtimes)
		return scp__nomem(err);
	for (size_t i = 0; !rc && i < count; i++) {
		if (!o->runtime_count)
			rc = scp__runtime_open(&h->core.runtimes[i], urls[i], &options, err);
		else if (!(rc = scp__runtime_check(o->runtimes[i], err)))
			h->core.runtimes[i] = o->runtimes[i];
		h->core.runtime_count += !rc;
		if (!rc)
			rc = scp__meter_runtime(&h->core.runtimes[i], h->core.figures, err);
	}
	return rc;
}

/* A workspace may go from one node to another, and its files have one owner on this host's disks. */
static scp_status check_owners(const scp__core *core, scp_error *err)
{
	int32_t uid = scp__runtime_workspace_uid(core->runtimes[0]);

	for (size_t i = 1; i < core->runtime_count; i++) {
		if (scp__runtime_workspace_uid(core->runtimes[i]) == uid)
			continue;
		scp__fail(err, SCP_ENOTSUP, "runtimes: '%s' and '%s' want workspaces of different owners on this host",
		    scp__runtime_node_name(core->runtimes[0]), scp__runtime_node_name(core->runtimes[i]));
		scp__hint(err, "Give runtimes of one kind, and the others to a process with a state_dir of its own");
		return SCP_ENOTSUP;
	}
	return SCP_OK;
}

static scp_status open_volumes(struct house *h, const scp_plane_options *o, scp_error *err)
{
	int32_t uid = scp__runtime_workspace_uid(h->core.runtimes[0]);
	char dir[PATH_SIZE + 8];
	scp__volumes_options v = {
		.enforce = true, .stock_bytes = STOCK_BYTES, .uid = uid, .gid = uid, .log = h->core.log
	};
	scp_status rc;

	snprintf(dir, sizeof(dir), "%s/disks", h->choice.state_dir);
	v.dir = dir;
	v.stock = !h->core.upkeep || o->disk_stock == UINT32_MAX ? 0
		  : o->disk_stock				 ? o->disk_stock
								 : SCP_DISK_STOCK_DEFAULT;
	rc = scp__volumes_open(&h->core.volumes, &v, err);
	if (rc != SCP_ENOTSUP || !scp__list_has(o->allow_unenforced, "disk"))
		return rc;
	v.enforce = false;
	v.stock = 0;
	return scp__volumes_open(&h->core.volumes, &v, err);
}

static scp_status start_threads(struct house *h, const scp_plane_options *o, scp_error *err)
{
	scp__core *core = &h->core;
	scp_status rc;

	/* What is queued has a bound of its own: runs, sessions, transfers, requests. A job is never refused. */
	rc = scp__pool_new(&core->fast, "scp-fast", FAST_THREADS, UINT32_MAX, err);
	if (!rc)
		rc = scp__pool_new(&core->slow, "scp-slow", SLOW_THREADS, UINT32_MAX, err);
	if (!rc)
		rc = scp__pool_new(&core->io, "scp-io", IO_THREADS, UINT32_MAX, err);
	if (!rc && core->provision.mirror)
		rc = scp__pool_new(&core->sync, "scp-sync", SYNC_THREADS, UINT32_MAX, err);
	if (!rc)
		rc = scp__callbacks_new(&core->callbacks, o->callbacks, err);
	if (!rc)
		rc = scp__topics_new(&core->topics, core, err);
	if (!rc)
		rc = scp__link_new(&core->link, &core->log, err);
	return rc;
}

static scp_status start_provision(struct house *h, scp_error *err)
{
	scp__provision *p = &h->core.provision;
	scp_status rc;

	p->volumes = h->core.volumes;
	p->link = h->core.link;
	p->executor_path = h->executor;
	p->max_running = h->core.limits.max_running_per_session;
	p->max_queued = h->core.limits.max_pending_per_session;
	p->log = h->core.log;
	rc = scp__workspaces_init(p, err);
	h->provision_up = !rc;
	return rc;
}

static scp_status bring_up(struct house *h, const scp_plane_options *o, scp_error *err)
{
	scp_status rc;

	rc = scp__make_state_dir(h->choice.state_dir, err);
	if (!rc)
		rc = lock_state_dir(h, err);
	if (!rc)
		rc = scp__find_executor(h->executor, sizeof(h->executor), o, err);
	if (!rc)
		rc = open_database(h, o, false, err);
	if (!rc)
		rc = scp__core_clock_open(&h->core, err);
	if (!rc)
		rc = scp__internal_token_open(&h->core, o->internal_token, h->choice.state_dir, err);
	if (!rc)
		rc = open_home(h, err);
	if (!rc)
		rc = open_storage(h, o, err);
	if (!rc)
		rc = open_local(h, err);
	if (!rc)
		rc = open_runtimes(h, o, err);
	if (!rc)
		rc = check_owners(&h->core, err);
	if (!rc)
		rc = open_volumes(h, o, err);
	if (!rc)
		rc = scp__probes_new(&h->core.probes, &h->core, err);
	if (!rc)
		rc = start_threads(h, o, err);
	if (!rc)
		rc = start_provision(h, err);
	if (!rc)
		rc = scp__templates_seed(&h->core, o->seed_images, err);
	if (!rc)
		rc = scp__nodes_register(&h->core, err);
	if (!rc)
		rc = scp__upkeep_start(&h->upkeep, &h->core, err);
	return rc;
}

/* ---- taking it down: the opposite order; each step leaves nobody who uses what the next one takes ---- */

static void take_meters_away(scp__core *core)
{
	core->db = scp__unmeter_database(core->db);
	core->storage = scp__unmeter_storage(core->storage);
	for (size_t i = 0; i < core->runtime_count; i++)
		core->runtimes[i] = scp__unmeter_runtime(core->runtimes[i]);
}

static void close_backends(struct house *h, const scp_plane_options *keep)
{
	scp__core *core = &h->core;

	scp__mirror_close(core->provision.mirror);
	if (core->provision.mirror)
		scp__storage_close(core->provision.local);
	take_meters_away(core);
	scp__volumes_close(core->volumes);
	for (size_t i = 0; i < core->runtime_count; i++)
		if (!keep || !keep->runtime_count)
			scp__runtime_close(core->runtimes[i]);
	free(core->runtimes);
	if (!keep || !keep->storage)
		scp__storage_close(core->storage);
	if (!keep || !keep->database)
		scp__database_close(core->db);
}

/* `keep`: the caller's own backends stay the caller's, since the plane didn't open. */
static void take_down(struct house *h, const scp_plane_options *keep)
{
	scp__core *core = &h->core;

	pthread_mutex_lock(&core->lock);
	core->closing = true;
	pthread_mutex_unlock(&core->lock);
	scp__upkeep_stop(h->upkeep);
	if (core->topics)
		scp__topics_close(core->topics);
	scp__probes_free(core->probes);
	scp__mirror_stop(core->provision.mirror);
	scp__pool_free(core->slow);
	scp__pool_free(core->sync);
	scp__runs_close(core);
	scp__pool_free(core->io);
	scp__pool_free(core->fast);
	scp__link_free(core->link);
	scp__callbacks_free(core->callbacks);
	scp__transfers_free(core);
	scp__topics_free(core->topics);
	if (h->provision_up)
		scp__workspaces_fini(&core->provision);
	close_backends(h, keep);
	scp__figures_free(core->figures);
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	if (core->runs)
		scp__map_free(core->runs);
	if (core->settling)
		scp__map_free(core->settling);
	if (core->syncing)
		scp__map_free(core->syncing);
	pthread_mutex_destroy(&core->lock);
	pthread_cond_destroy(&core->idle);
	scp__internal_token_close(core);
	free(core->advertise_url);
	scp__choice_free(&h->choice);
	free(h);
}

static scp_status house_new(struct house **out, const scp_plane_options *o, scp_error *err)
{
	struct house *h = calloc(1, sizeof(*h));
	scp_status rc;

	if (!h)
		return scp__nomem(err);
	h->lock_fd = -1;
	pthread_mutex_init(&h->core.lock, NULL);
	pthread_cond_init(&h->core.idle, NULL);
	h->core.upkeep = o->upkeep != SCP_OFF;
	h->core.opened_mono_us = scp__mono_us();
	h->core.log = (scp__log){ o->log, o->log_user, o->log_level };
	h->core.runs = scp__map_new();
	h->core.settling = scp__map_new();
	h->core.syncing = scp__map_new();
	rc = h->core.runs && h->core.settling && h->core.syncing ? scp__figures_new(&h->core.figures, err)
								 : scp__nomem(err);
	if (!rc)
		rc = scp__id_make(h->core.instance, "proc_", 16, err);
	if (!rc)
		rc = scp__choose(&h->choice, &h->core.limits, o, err);
	if (!rc && o->advertise_url && !(h->core.advertise_url = strdup(o->advertise_url)))
		rc = scp__nomem(err);
	if (rc)
		take_down(h, o);
	else
		*out = h;
	return rc;
}

scp_status scp_plane_open(scp_plane **out, const scp_plane_options *options, scp_error *err)
{
	scp_plane_options o;
	struct house *h = NULL;
	scp_plane *plane;
	scp_status rc;

	if (!out)
		return scp__fail(err, SCP_EINVAL, "out must not be NULL");
	*out = NULL;
	rc = scp__options_read(&o, options, err);
	if (rc)
		return rc;
	plane = calloc(1, sizeof(*plane));
	if (!plane)
		return scp__nomem(err);
	rc = house_new(&h, &o, err);
	if (!rc) {
		rc = bring_up(h, &o, err);
		if (rc)
			take_down(h, &o);
	}
	if (rc) {
		free(plane);
		return rc;
	}
	plane->core = &h->core;
	plane->house = h;
	*out = plane;
	return SCP_OK;
}

/* No lock on the state folder: a plane that serves it is no hindrance, and needn't be interrupted. */
scp_status scp_plane_migrate(const scp_plane_options *options, scp_error *err)
{
	scp_plane_options o;
	struct house *h = NULL;
	scp_status rc = scp__options_read(&o, options, err);

	o.schema = SCP_SCHEMA_MIGRATE;
	if (!rc)
		rc = house_new(&h, &o, err);
	if (rc)
		return rc;
	rc = scp__make_state_dir(h->choice.state_dir, err);
	if (!rc)
		rc = open_database(h, &o, true, err);
	if (!rc && !o.storage)
		rc = scp__storage_make(h->choice.storage_url,
		    &(scp__storage_options){ .credentials_file = o.storage_credentials_file }, err);
	take_down(h, &o);
	return rc;
}

/* Calls under way end first: waits by SCP_ECLOSED, the rest by themselves. */
static void wait_idle(scp__core *core)
{
	pthread_mutex_lock(&core->lock);
	core->closing = true;
	pthread_mutex_unlock(&core->lock);
	scp__topics_close(core->topics);
	scp__transfers_stop(core);
	pthread_mutex_lock(&core->lock);
	while (core->in_flight)
		pthread_cond_wait(&core->idle, &core->lock);
	pthread_mutex_unlock(&core->lock);
}

void scp_plane_close(scp_plane *plane)
{
	if (!plane)
		return;
	if (!plane->view) {
		wait_idle(plane->core);
		take_down(plane->house, NULL);
	}
	free(plane);
}
