/* Images: what `host:`, `dir:` and `tar:` mean, and how each becomes a root. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "image.h"

static scp_status unsupported(const char *image, scp_error *err)
{
	scp_status rc = scp__fail(err, SCP_ENOTSUP, "image \"%.128s\": the oci runtime can't fetch images", image);

	scp__hint(err, "Use host: (this machine's /usr), dir:/path (an unpacked root) or tar:/file");
	return rc;
}

/* Which release, and when something was last put into /usr: enough to tell two states of a host apart. */
static void host_digest(char digest[80])
{
	static const char *const folders[] = { "/usr/bin", "/usr/lib", "/usr/local/bin", "/usr/local/lib",
		"/etc/os-release" };
	char hex[SCP__SHA256_HEX_SIZE];
	scp__sha256 sum;
	struct stat st;

	scp__sha256_init(&sum);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (stat(folders[i], &st))
			continue;
		scp__sha256_update(&sum, &st.st_mtim, sizeof(st.st_mtim));
		scp__sha256_update(&sum, &st.st_ino, sizeof(st.st_ino));
	}
	scp__sha256_final_hex(&sum, hex);
	(void)snprintf(digest, 80, "host:%s", hex);
}

static scp_status resolve_dir(const char *path, scp__oci_image *out, scp_error *err)
{
	char real[PATH_MAX], hex[SCP__SHA256_HEX_SIZE];
	struct stat st;

	if (path[0] != '/')
		return scp__fail(err, SCP_EINVAL, "image dir:%.128s: the path must be absolute", path);
	if (!realpath(path, real) || stat(real, &st) || !S_ISDIR(st.st_mode))
		return scp__fail(err, SCP_ENOTFOUND, "image dir:%.128s: there is no such folder", path);
	(void)snprintf(out->path, sizeof(out->path), "%s", real);
	/* The folder is whoever's it is and may change at any time: the digest says which folder, no more. */
	scp__sha256_hex(real, strlen(real), hex);
	(void)snprintf(out->digest, sizeof(out->digest), "dir:%s", hex);
	return SCP_OK;
}

scp_status scp__oci_image_resolve(struct scp__oci *o, const char *image, scp__oci_image *out, scp_error *err)
{
	memset(out, 0, sizeof(*out));
	if (strcmp(image, "host:") == 0) {
		out->kind = SCP__OCI_IMAGE_HOST;
		host_digest(out->digest);
		return SCP_OK;
	}
	if (strncmp(image, "dir:", 4) == 0) {
		out->kind = SCP__OCI_IMAGE_DIR;
		return resolve_dir(image + 4, out, err);
	}
	if (strncmp(image, "tar:", 4) == 0) {
		out->kind = SCP__OCI_IMAGE_TAR;
		return scp__oci_tar_resolve(o, image + 4, out, err);
	}
	return unsupported(image, err);
}

static scp_status overlay_failed(scp_error *err)
{
	scp_status rc = scp__prefix(err, "lay the mount points over the image");

	scp__hint(err, "The oci runtime needs overlayfs for this: modprobe overlay");
	return rc;
}

/* Upper and work folder lie in memory that counts as the sandbox's own, and end with it. */
static scp_status make_upper(const char *run_dir, uint64_t bytes, char *options, size_t size, scp_error *err)
{
	char upper[SCP__OCI_PATH_SIZE], path[SCP__OCI_PATH_SIZE + 8], data[96];
	size_t len = strlen(options);
	scp_status rc;

	(void)snprintf(upper, sizeof(upper), "%s/upper", run_dir);
	(void)snprintf(data, sizeof(data), "mode=755,size=%llu,nr_inodes=65536", (unsigned long long)bytes);
	rc = scp__oci_mount_fs("tmpfs", upper, MS_NOSUID | MS_NODEV, data, err);
	if (rc)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/u", upper);
	if (mkdir(path, 0755))
		return scp__fail_errno(err, errno, "make %s", path);
	(void)snprintf(path, sizeof(path), "%s/w", upper);
	if (mkdir(path, 0755))
		return scp__fail_errno(err, errno, "make %s", path);
	(void)snprintf(options + len, size - len, ",upperdir=%s/u,workdir=%s/w", upper, upper);
	return SCP_OK;
}

/*
 * Our mount points lie above what the image has there: where it holds a symbolic link /proc, /dev or /workspace, the
 * overlay shows our folder, so that the runtime program is never led outside.
 */
static scp_status mount_overlay(
    const char *run_dir, const char *over, bool image, const scp_runtime_spec *spec, const char *root, scp_error *err)
{
	char options[4 * SCP__OCI_PATH_SIZE];
	scp_status rc = SCP_OK;

	if (image)
		(void)snprintf(options, sizeof(options), "lowerdir=%s/%s:%s/image", run_dir, over, run_dir);
	else
		(void)snprintf(options, sizeof(options), "lowerdir=%s/%s", run_dir, over);
	if (!spec->read_only_root)
		rc = make_upper(run_dir, spec->tmp_bytes, options, sizeof(options), err);
	if (!rc)
		rc = scp__oci_mount_fs("overlay", root, MS_NOSUID | MS_NODEV, options, err);
	return rc ? overlay_failed(err) : SCP_OK;
}

static scp_status mount_image(
    struct scp__oci *o, const scp__oci_image *image, const scp_runtime_spec *spec, const char *root, scp_error *err)
{
	char lower[SCP__OCI_PATH_SIZE];
	scp_status rc;

	(void)snprintf(lower, sizeof(lower), "%s/image", o->run_dir);
	rc = scp__oci_mount_bind(image->path, lower, false, err);
	return rc ? rc : mount_overlay(o->run_dir, "points", true, spec, root, err);
}

scp_status scp__oci_image_mount(struct scp__oci *o, const scp__oci_image *image, const scp_runtime_spec *spec,
    char root[SCP__OCI_PATH_SIZE], scp_error *err)
{
	bool host = image->kind == SCP__OCI_IMAGE_HOST;
	scp_status rc = SCP_OK;

	(void)snprintf(root, SCP__OCI_PATH_SIZE, "%s/%s", o->run_dir, host && spec->read_only_root ? "root" : "merged");
	if (!host)
		rc = mount_image(o, image, spec, root, err);
	else if (!spec->read_only_root)
		rc = mount_overlay(o->run_dir, "root", false, spec, root, err);
	if (!rc && host)
		rc = scp__oci_host_mount(root, err);
	return rc;
}
