/* `tar:` images: unpacked once, named by what is in them. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "err.h"
#include "fs.h"
#include "id.h"
#include "proc.h"

#define UNPACK_LIMIT_MS 600000
#define READ_STEP (256 * 1024)
#define DIGEST_LEN (SCP__SHA256_HEX_SIZE - 1)

static scp_status digest_file(const char *path, char hex[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	unsigned char *data = malloc(READ_STEP);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	scp_status rc = SCP_OK;
	scp__sha256 sum;
	ssize_t n = 0;

	scp__sha256_init(&sum);
	while (data && fd >= 0 && (n = read(fd, data, READ_STEP)) > 0)
		scp__sha256_update(&sum, data, (size_t)n);
	if (!data)
		rc = scp__nomem(err);
	else if (fd < 0 || n < 0)
		rc = scp__fail_errno(err, errno, "read the image %s", path);
	if (fd >= 0)
		close(fd);
	free(data);
	scp__sha256_final_hex(&sum, hex);
	return rc;
}

/* A large file is read once: its digest is kept under a name that changes when the file does. */
static void key_of(const char *path, const struct stat *st, char key[DIGEST_LEN + 8])
{
	char text[PATH_MAX + 160], hex[SCP__SHA256_HEX_SIZE];
	int n = snprintf(text, sizeof(text), "%s\n%ju %ju %jd %jd.%09ld %jd.%09ld", path, (uintmax_t)st->st_dev,
	    (uintmax_t)st->st_ino, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
	    (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);

	scp__sha256_hex(text, (size_t)n, hex);
	(void)snprintf(key, DIGEST_LEN + 8, "%s.sum", hex);
}

static scp_status digest_of(int images, const char *path, char hex[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	char key[DIGEST_LEN + 8], *text = NULL;
	struct stat st;
	scp_status rc;
	size_t len;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return scp__fail(err, SCP_ENOTFOUND, "image tar:%.128s: there is no such file", path);
	key_of(path, &st, key);
	if (!scp__fs_read_file(images, key, SCP__SHA256_HEX_SIZE, &text, &len) && len == DIGEST_LEN) {
		memcpy(hex, text, SCP__SHA256_HEX_SIZE);
		free(text);
		return SCP_OK;
	}
	free(text);
	rc = digest_file(path, hex, err);
	if (!rc && scp__fs_write_file(images, key, hex, DIGEST_LEN, 0600, false))
		rc = scp__fail_errno(err, errno, "keep the digest of %s", path);
	return rc;
}

/*
 * GNU tar by itself strips leading slashes, refuses "..", and makes links that lead outside only after everything else,
 * so that no member is written through one.
 */
static scp_status unpack(const char *path, const char *to, scp_error *err)
{
	const char *argv[] = { "tar", "--extract", "--file", path, "--directory", to, "--numeric-owner",
		"--same-permissions", "--delay-directory-restore", "--exclude=./dev/*", "--exclude=dev/*",
		"--force-local", NULL };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	scp_status rc;
	int status = 0;
	scp__buf errors;

	scp__buf_init(&errors, 300);
	options.argv = argv;
	options.errors = &errors;
	options.timeout_ms = UNPACK_LIMIT_MS;
	rc = scp__proc_run(&options, &status, err);
	if (!rc && status)
		rc = scp__fail(err, SCP_EBACKEND, "unpack the image %s: tar ended with %d: %s", path, status,
		    errors.data ? errors.data : "");
	scp__buf_free(&errors);
	return rc;
}

/* Unpacked aside and then renamed: what has the digest's name is whole. */
static scp_status unpack_as(scp__oci *o, int images, const char *path, const char *hex, scp_error *err)
{
	char name[16] = ".", to[PATH_MAX + 64];
	scp_status rc = scp__id_random(name + 1, 12, err);

	if (rc)
		return rc;
	if (mkdirat(images, name, 0700))
		return scp__fail_errno(err, errno, "make a folder for the image %s", path);
	(void)snprintf(to, sizeof(to), "%s/images/%s", o->state_dir, name);
	rc = unpack(path, to, err);
	if (!rc && fchmodat(images, name, 0755, 0))
		rc = scp__fail_errno(err, errno, "open up the image %s", path);
	if (!rc && renameat(images, name, images, hex) && errno != EEXIST && errno != ENOTEMPTY)
		rc = scp__fail_errno(err, errno, "keep the image %s", path);
	(void)scp__fs_remove_tree(images, name);
	return rc;
}

static scp_status resolve_in(scp__oci *o, int images, const char *path, scp__oci_image *out, scp_error *err)
{
	char hex[SCP__SHA256_HEX_SIZE];
	scp_status rc = digest_of(images, path, hex, err);

	if (!rc && faccessat(images, hex, F_OK, AT_SYMLINK_NOFOLLOW))
		rc = unpack_as(o, images, path, hex, err);
	if (rc)
		return rc;
	if (snprintf(out->path, sizeof(out->path), "%s/images/%s", o->state_dir, hex) >= (int)sizeof(out->path))
		return scp__fail(err, SCP_EINVAL, "the state folder's path is too long");
	(void)snprintf(out->digest, sizeof(out->digest), "sha256:%s", hex);
	return SCP_OK;
}

scp_status scp__oci_tar_resolve(scp__oci *o, const char *path, scp__oci_image *out, scp_error *err)
{
	char dir[PATH_MAX + 16], real[PATH_MAX];
	scp_status rc;
	int images;

	if (path[0] != '/')
		return scp__fail(err, SCP_EINVAL, "image tar:%.128s: the path must be absolute", path);
	if (!realpath(path, real))
		return scp__fail(err, SCP_ENOTFOUND, "image tar:%.128s: there is no such file", path);
	(void)snprintf(dir, sizeof(dir), "%s/images", o->state_dir);
	if (scp__fs_mkdir_p(dir, 0700))
		return scp__fail_errno(err, errno, "make %s", dir);
	images = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (images < 0)
		return scp__fail_errno(err, errno, "open %s", dir);
	rc = resolve_in(o, images, real, out, err);
	close(images);
	return rc;
}
