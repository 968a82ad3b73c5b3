#include "volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "fs.h"
#include "proc.h"
#include "volume_internal.h"

#define BYTES_MIN (16u << 20)
#define BLOCK 4096
#define STOCK_MAX 256
#define STACKED_MAX 8
#define PROBE "probe"
#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static scp_status check_id(const char *id, scp_error *err)
{
	size_t len = strlen(id);

	if (len && len <= SCP__VOLUME_ID_MAX && strspn(id, ID_CHARACTERS) == len)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "disk: an id is 1 to %d of [A-Za-z0-9_-]", SCP__VOLUME_ID_MAX);
}

static void image_name(char out[SCP__VOLUME_ID_MAX + 8], const char *id)
{
	snprintf(out, SCP__VOLUME_ID_MAX + 8, "%s.img", id);
}

static int open_image(scp__volumes *v, const char *file)
{
	if (v->dir < 0) {
		errno = ENOENT;
		return -1;
	}
	return openat(v->dir, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* A mount over files would hide them. */
static scp_status check_empty(const char *path, scp_error *err)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned count = 0;

	if (!d)
		return scp__fail_errno(err, errno, "open %s", path);
	while (count < 3 && (e = readdir(d)))
		count++;
	closedir(d);
	if (count < 3) /* "." and ".." */
		return SCP_OK;
	return scp__fail(err, SCP_ESTATE, "%s holds files that were written without a disk", path);
}

static scp_status attach_new(scp__volumes *v, const char *file, uint64_t bytes, const char *path, scp_error *err)
{
	struct scp__disk disk = SCP__DISK_INIT;
	scp_status rc = SCP_OK;

	bytes -= bytes % BLOCK;
	if (bytes < BYTES_MIN)
		return scp__fail(
		    err, SCP_EINVAL, "disk: %llu bytes; at least %u", (unsigned long long)bytes, BYTES_MIN);
	if (!scp__stock_take(v, bytes, &disk))
		rc = scp__disk_make(v, bytes, &disk, err);
	if (!rc)
		rc = scp__disk_name(v, &disk, file, err);
	if (!rc)
		rc = scp__mount_place(disk.mount, path, err);
	scp__disk_drop(v, &disk); /* the descriptor; the mount stays where it was put */
	return rc;
}

static scp_status attach_old(int image, const char *path, scp_error *err)
{
	int mount;
	scp_status rc = scp__disk_open(image, &mount, err);

	if (!rc)
		rc = scp__mount_place(mount, path, err);
	if (mount >= 0)
		close(mount);
	return rc;
}

/* SCP_OK and *done: the image is mounted there. */
static scp_status look_at_folder(int image, const char *path, bool *done, scp_error *err)
{
	struct stat at;
	bool mounted;
	dev_t dev;
	scp_status rc = scp__mount_look(path, &mounted, &dev, err);

	*done = false;
	if (rc)
		return rc;
	if (!mounted)
		return check_empty(path, err);
	if (image < 0 || fstat(image, &at) || !scp__loop_backs(dev, &at))
		return scp__fail(err, SCP_ESTATE, "%s: something else is mounted there", path);
	*done = true;
	return SCP_OK;
}

static scp_status attach_locked(scp__volumes *v, const char *id, uint64_t bytes, const char *path, scp_error *err)
{
	char file[SCP__VOLUME_ID_MAX + 8];
	bool done;
	int image;
	scp_status rc;

	if (scp__fs_mkdir_p(path, 0755))
		return scp__fail_errno(err, errno, "make %s", path);
	image_name(file, id);
	image = open_image(v, file);
	if (image < 0 && errno != ENOENT)
		return scp__fail_errno(err, errno, "open %s/%s", v->path, file);
	rc = look_at_folder(image, path, &done, err);
	if (!rc && !done)
		rc = image < 0 ? attach_new(v, file, bytes, path, err) : attach_old(image, path, err);
	if (image >= 0)
		close(image);
	return rc;
}

static scp_status plain_folder(scp__volumes *v, const char *path, scp_error *err)
{
	bool owned = v->uid >= 0 || v->gid >= 0;
	scp_status rc = SCP_OK;
	int fd;

	if (scp__fs_mkdir_p(path, 0755))
		return scp__fail_errno(err, errno, "make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return scp__fail_errno(err, errno, "open %s", path);
	if (owned && fchown(fd, v->uid < 0 ? (uid_t)-1 : (uid_t)v->uid, v->gid < 0 ? (gid_t)-1 : (gid_t)v->gid))
		rc = scp__fail_errno(err, errno, "give %s to %d:%d", path, v->uid, v->gid);
	close(fd);
	return rc;
}

/* A disk that was made when limits were on is never hidden by a folder. */
static bool wants_disk(scp__volumes *v, const char *id)
{
	char file[SCP__VOLUME_ID_MAX + 8];

	image_name(file, id);
	return v->enforce || (v->dir >= 0 && !faccessat(v->dir, file, F_OK, AT_SYMLINK_NOFOLLOW));
}

scp_status scp__volume_attach(scp__volumes *v, const char *id, uint64_t bytes, const char *path, scp_error *err)
{
	scp_status rc = check_id(id, err);
	int lock;

	if (rc)
		return rc;
	if (!wants_disk(v, id))
		return plain_folder(v, path, err);
	lock = scp__volume_lock(v, id, err);
	if (lock < 0)
		return err ? err->status : SCP_EINTERNAL;
	rc = attach_locked(v, id, bytes, path, err);
	close(lock);
	return rc;
}

/* Only what is ours: a loop device's mount. */
static scp_status unmount(const char *path, bool lazily, scp_error *err)
{
	for (int i = 0; i < STACKED_MAX; i++) {
		bool mounted;
		dev_t dev;
		scp_status rc = scp__mount_look(path, &mounted, &dev, NULL);

		if (rc || !mounted)
			return SCP_OK;
		if (!scp__loop_backs(dev, NULL))
			return scp__fail(err, SCP_ESTATE, "%s: something else is mounted there", path);
		if (scp__mount_drop(path, lazily))
			return errno == EBUSY ? scp__fail(err, SCP_EBUSY, "%s is in use", path)
					      : scp__fail_errno(err, errno, "unmount %s", path);
	}
	return scp__fail(err, SCP_EINTERNAL, "%s: mounts without end", path);
}

scp_status scp__volume_detach(scp__volumes *v, const char *id, const char *path)
{
	scp_error err;
	scp_status rc;
	int lock;

	if (check_id(id, NULL) || !wants_disk(v, id))
		return SCP_OK;
	lock = scp__volume_lock(v, id, &err);
	rc = lock < 0 ? err.status : unmount(path, false, &err);
	if (rc)
		scp__log_write(&v->log, rc == SCP_EBUSY ? SCP_LOG_DEBUG : SCP_LOG_WARN, "disk", NULL, NULL,
		    "%s stays attached: %s", id, err.message);
	if (lock >= 0)
		close(lock);
	return rc;
}

static scp_status remove_folder(const char *path, scp_error *err)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	scp_status rc = SCP_OK;
	int fd;

	if (!parent)
		return scp__nomem(err);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		rc = scp__fail_errno(err, errno, "open %s", parent);
	else if (fd >= 0 && scp__fs_remove_tree(fd, slash ? slash + 1 : path))
		rc = scp__fail_errno(err, errno, "remove %s", path);
	if (fd >= 0)
		close(fd);
	free(parent);
	return rc;
}

static scp_status remove_disk(scp__volumes *v, const char *id, const char *path, scp_error *err)
{
	char file[SCP__VOLUME_ID_MAX + 8];
	scp_status rc = unmount(path, true, err);

	if (rc)
		return rc;
	image_name(file, id);
	if (unlinkat(v->dir, file, 0) && errno != ENOENT)
		return scp__fail_errno(err, errno, "remove %s/%s", v->path, file);
	return SCP_OK;
}

scp_status scp__volume_remove(scp__volumes *v, const char *id, const char *path, scp_error *err)
{
	scp_status rc = check_id(id, err);
	int lock = -1;

	if (rc)
		return rc;
	if (wants_disk(v, id)) {
		lock = scp__volume_lock(v, id, err);
		if (lock < 0)
			return err ? err->status : SCP_EINTERNAL;
		rc = remove_disk(v, id, path, err);
	}
	if (!rc)
		rc = remove_folder(path, err);
	if (lock >= 0)
		close(lock);
	return rc;
}

void scp__volumes_limit(const scp__volumes *v, const char **state, const char **detail)
{
	*state = v->enforce ? "enforced" : "not enforced";
	*detail = v->enforce ? "each workspace is an ext4 image on a loop device"
			     : "workspaces are plain folders; allowed by name";
}

static scp_status open_folders(scp__volumes *v, scp_error *err)
{
	if (v->enforce && scp__fs_mkdir_p(v->path, 0700))
		return scp__fail_errno(err, errno, "make %s", v->path);
	v->dir = open(v->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (v->dir < 0)
		return v->enforce ? scp__fail_errno(err, errno, "open %s", v->path) : SCP_OK;
	if (!v->enforce)
		return SCP_OK;
	if (mkdirat(v->dir, "stock", 0700) && errno != EEXIST)
		return scp__fail_errno(err, errno, "make %s/stock", v->path);
	v->stock_dir = openat(v->dir, "stock", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return v->stock_dir < 0 ? scp__fail_errno(err, errno, "open %s/stock", v->path) : SCP_OK;
}

static scp_status check_host(scp__volumes *v, scp_error *err)
{
	if (geteuid()) {
		scp__fail(err, SCP_ENOTSUP, "workspace disks need root (CAP_SYS_ADMIN)");
		scp__hint(err, "Allow workspaces without a size limit: --allow-unenforced disk; or run as root");
		return SCP_ENOTSUP;
	}
	if (!scp__proc_find("mkfs.ext4", v->mkfs, sizeof(v->mkfs))) {
		scp__fail(err, SCP_ENOTSUP, "workspace disks need mkfs.ext4");
		scp__hint(err, "apt-get install e2fsprogs");
		return SCP_ENOTSUP;
	}
	return scp__loop_check(err);
}

/* One real disk, from format to removal: what no check foresees shows here and not at the first session. */
static scp_status try_one(scp__volumes *v, uint64_t bytes, scp_error *err)
{
	char *path = NULL;
	int lock;
	scp_status rc;

	if (asprintf(&path, "%s/" PROBE, v->path) < 0)
		return scp__nomem(err);
	lock = scp__volume_lock(v, "*" PROBE, err); /* no id: two processes that start don't meet */
	if (lock < 0) {
		free(path);
		return err ? err->status : SCP_EINTERNAL;
	}
	(void)scp__volume_remove(v, PROBE, path, NULL); /* of one that died right here */
	rc = scp__volume_attach(v, PROBE, bytes, path, err);
	if (!rc)
		rc = scp__volume_remove(v, PROBE, path, err);
	else
		(void)scp__volume_remove(v, PROBE, path, NULL);
	close(lock);
	free(path);
	return rc;
}

/* Whatever it was, it means that this process can't. */
static scp_status not_supported(scp_status rc, scp_error *err)
{
	scp_error first = { 0 };

	if (rc == SCP_ENOTSUP || rc == SCP_ECAPACITY || rc == SCP_ENOMEM)
		return rc;
	scp__error_copy(&first, err);
	scp__fail(err, SCP_ENOTSUP, "a first workspace disk: %s", first.message);
	scp__hint(err,
	    "ext4 and loop devices must work here; or allow workspaces without a size limit: allow_unenforced disk");
	return SCP_ENOTSUP;
}

static scp_status prepare(scp__volumes *v, scp_error *err)
{
	scp_status rc = v->enforce ? check_host(v, err) : SCP_OK;

	if (!rc)
		rc = open_folders(v, err);
	if (rc || !v->enforce)
		return rc;
	scp__disk_sweep(v);
	rc = try_one(v, v->stock_bytes ? v->stock_bytes : BYTES_MIN, err);
	return rc ? not_supported(rc, err) : scp__stock_start(v, err);
}

static scp_status init(scp__volumes *v, const scp__volumes_options *options, scp_error *err)
{
	pthread_mutex_init(&v->lock, NULL);
	scp__mono_cond_init(&v->changed);
	v->dir = v->stock_dir = -1;
	v->enforce = options->enforce;
	v->uid = options->uid;
	v->gid = options->gid;
	v->log = options->log;
	v->stock_max = options->stock < STOCK_MAX ? options->stock : STOCK_MAX;
	v->stock_bytes = options->stock_bytes - options->stock_bytes % BLOCK;
	v->path = strdup(options->dir);
	return v->path ? SCP_OK : scp__nomem(err);
}

scp_status scp__volumes_open(scp__volumes **out, const scp__volumes_options *options, scp_error *err)
{
	scp__volumes *v = calloc(1, sizeof(*v));
	scp_status rc;

	*out = NULL;
	if (!v)
		return scp__nomem(err);
	rc = init(v, options, err);
	if (!rc)
		rc = prepare(v, err);
	if (rc) {
		scp__volumes_close(v);
		return rc;
	}
	*out = v;
	return SCP_OK;
}

void scp__volumes_close(scp__volumes *v)
{
	if (!v)
		return;
	scp__stock_stop(v);
	for (unsigned i = 0; i < SCP__VOLUME_TEMPLATES; i++)
		scp__template_free(v->templates[i]);
	if (v->stock_dir >= 0)
		close(v->stock_dir);
	if (v->dir >= 0)
		close(v->dir);
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
	free(v->path);
	free(v);
}
