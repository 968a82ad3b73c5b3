/*
 * Images where we may not mount: mount points in a folder that the runtime program takes for the root, and rows of
 * config.json that say what to bind to them. The points are ours: no link of an image leads a bind elsewhere.
 */
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

scp_status scp__oci_binds_add(scp__oci_binds *b, const char *source, const char *target, bool writable, scp_error *err)
{
	scp__oci_bind *row = &b->rows[b->count];
	struct stat st;

	if (b->count == SCP__OCI_BINDS_MAX)
		return scp__fail(err, SCP_ENOTSUP, "an image may have %d entries at its top", SCP__OCI_BINDS_MAX - 2);
	row->source = scp__arena_strdup(b->arena, source);
	row->target = scp__arena_strdup(b->arena, target);
	row->writable = writable;
	row->folder = !stat(source, &st) && S_ISDIR(st.st_mode);
	if (!row->source || !row->target)
		return scp__nomem(err);
	b->count++;
	return SCP_OK;
}

/* What we put there ourselves, and what the runtime program mounts. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = { ".", "..", "proc", "dev", "tmp", "workspace", ".sandbox" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return false;
}

/* A link is made alike: inside it leads to wherever it leads inside. */
static int make_link(int image, const char *name, int root)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(image, name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	return symlinkat(target, root, name);
}

static scp_status show_entry(
    const scp__oci_image *image, int from, const char *name, int root, scp__oci_binds *binds, scp_error *err)
{
	char source[PATH_MAX + NAME_MAX + 2], target[NAME_MAX + 2];
	struct stat st;
	int rc;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
		return scp__fail_errno(err, errno, "look at %s of the image", name);
	if (S_ISLNK(st.st_mode))
		rc = make_link(from, name, root);
	else if (S_ISDIR(st.st_mode))
		rc = scp__oci_make_dir(root, name, 0755);
	else
		rc = S_ISREG(st.st_mode) ? scp__oci_make_file(root, name, 0644, "") : 0;
	if (rc)
		return scp__fail_errno(err, errno, "make a mount point for %s", name);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return SCP_OK;
	(void)snprintf(source, sizeof(source), "%s/%s", image->path, name);
	(void)snprintf(target, sizeof(target), "/%s", name);
	return scp__oci_binds_add(binds, source, target, false, err);
}

static scp_status show_entries(const scp__oci_image *image, int root, scp__oci_binds *binds, scp_error *err)
{
	DIR *dir = opendir(image->path);
	const struct dirent *e;
	scp_status rc = SCP_OK;

	if (!dir)
		return scp__fail_errno(err, errno, "read the image %s", image->path);
	while (!rc && (e = readdir(dir)))
		if (!is_ours(e->d_name))
			rc = show_entry(image, dirfd(dir), e->d_name, root, binds, err);
	closedir(dir);
	return rc;
}

/* The folder is new: what an earlier attempt made has gone with the container's. */
static scp_status show_image(const scp__oci_image *image, int dir, scp__oci_binds *binds, scp_error *err)
{
	scp_status rc = SCP_OK;
	int root = -1;

	if (!scp__oci_make_dir(dir, "root", 0755))
		root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0 || scp__oci_make_points(root))
		rc = scp__fail_errno(err, errno, "make the container's root");
	if (!rc)
		rc = show_entries(image, root, binds, err);
	if (root >= 0)
		close(root);
	return rc;
}

scp_status scp__oci_image_show(struct scp__oci *o, const scp__oci_image *image, const char *name, int dir,
    scp__oci_binds *binds, char root[SCP__OCI_PATH_SIZE], scp_error *err)
{
	if (image->kind == SCP__OCI_IMAGE_HOST) {
		(void)snprintf(root, SCP__OCI_PATH_SIZE, "%s/root", o->run_dir);
		return scp__oci_host_show(binds, err);
	}
	(void)snprintf(root, SCP__OCI_PATH_SIZE, "%s/c/%s/root", o->run_dir, name);
	return show_image(image, dir, binds, err);
}
