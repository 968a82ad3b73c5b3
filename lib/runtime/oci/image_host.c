/* The root that `host:` is, and the mount points that every image needs. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "fs.h"

/* On a merged-/usr host these are links, which are made alike; elsewhere folders, which are shown read-only. */
static const char *const usr_parts[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32" };

/* What the dynamic linker and /usr's own links lead to; nothing that says anything of this host's users or services. */
static const char *const etc_files[] = { "ld.so.cache", "ld.so.conf" };
static const char *const etc_folders[] = { "alternatives", "ld.so.conf.d" };

static const struct {
	const char *name;
	const char *text;
} made_up[] = {
	{ "passwd", "root:x:0:0:root:/:/usr/sbin/nologin\n"
		    "sandbox:x:1000:1000:sandbox:/workspace:/bin/sh\n"
		    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" },
	{ "group", "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n" },
	{ "hosts", "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n" },
	{ "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n" },
	{ "hostname", "sandbox\n" },
	{ "resolv.conf", "" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The modes count: the sandbox's uids are nobody's here and enter as "others", whatever our umask is. */
int scp__oci_make_dir(int at, const char *name, mode_t mode)
{
	int fd, rc;

	if (mkdirat(at, name, mode) && errno != EEXIST)
		return -1;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fchmod(fd, mode);
	close(fd);
	return rc;
}

int scp__oci_make_file(int at, const char *name, mode_t mode, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode), rc;
	struct stat st;

	if (fd < 0)
		return -1;
	rc = fchmod(fd, mode);
	/* Written once: a running sandbox may be looking at it. */
	if (!rc && !fstat(fd, &st) && !st.st_size)
		rc = scp__fs_write_all(fd, text, strlen(text));
	close(fd);
	return rc;
}

int scp__oci_make_points(int root)
{
	/* Nothing is mounted at /sys: it is there, as in other engines' containers, and empty. */
	static const char *const folders[] = { "proc", "dev", "sys", "workspace", ".sandbox" };
	int at, rc = 0;

	for (size_t i = 0; i < COUNT(folders) && !rc; i++)
		rc = scp__oci_make_dir(root, folders[i], 0755);
	if (!rc)
		rc = scp__oci_make_dir(root, "tmp", 01777);
	if (rc)
		return rc;
	at = openat(root, ".sandbox", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = at < 0 ? -1 : scp__oci_make_file(at, "executor", 0755, "");
	if (at >= 0)
		close(at);
	return rc;
}

static int copy_link(int at, const char *name, const char *source)
{
	char target[PATH_MAX];
	ssize_t n = readlink(source, target, sizeof(target) - 1);

	if (n < 0)
		return 1; /* not a link */
	target[n] = '\0';
	return symlinkat(target, at, name) && errno != EEXIST ? -1 : 0;
}

static int make_usr_parts(int root)
{
	char source[32];
	struct stat st;
	int rc;

	for (size_t i = 0; i < COUNT(usr_parts); i++) {
		(void)snprintf(source, sizeof(source), "/%s", usr_parts[i]);
		if (lstat(source, &st))
			continue;
		rc = copy_link(root, usr_parts[i], source);
		if (rc > 0)
			rc = scp__oci_make_dir(root, usr_parts[i], 0755);
		if (rc)
			return rc;
	}
	return scp__oci_make_dir(root, "usr", 0755);
}

static int make_etc(int root)
{
	int at, rc = scp__oci_make_dir(root, "etc", 0755);

	if (rc)
		return rc;
	at = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return -1;
	for (size_t i = 0; i < COUNT(made_up) && !rc; i++)
		rc = scp__oci_make_file(at, made_up[i].name, 0644, made_up[i].text);
	for (size_t i = 0; i < COUNT(etc_files) && !rc; i++)
		rc = scp__oci_make_file(at, etc_files[i], 0644, "");
	for (size_t i = 0; i < COUNT(etc_folders) && !rc; i++)
		rc = scp__oci_make_dir(at, etc_folders[i], 0755);
	if (!rc && copy_link(at, "localtime", "/etc/localtime") < 0)
		rc = -1;
	close(at);
	return rc;
}

static scp_status make_below(const scp__oci *o, const char *name, int (*const make[])(int), scp_error *err)
{
	char path[SCP__OCI_PATH_SIZE];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/%s", o->run_dir, name);
	rc = scp__oci_make_dir(AT_FDCWD, path, 0755);
	fd = rc ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = fd < 0 ? -1 : 0;
	for (size_t i = 0; make[i] && !rc; i++)
		rc = make[i](fd);
	if (rc)
		rc = (int)scp__fail_errno(err, errno, "make %s", path);
	if (fd >= 0)
		close(fd);
	return (scp_status)rc;
}

scp_status scp__oci_images_open(scp__oci *o, scp_error *err)
{
	static int (*const host[])(int) = { scp__oci_make_points, make_usr_parts, make_etc, NULL };
	static int (*const points[])(int) = { scp__oci_make_points, NULL };
	static int (*const nothing[])(int) = { NULL };
	scp_status rc = make_below(o, "root", host, err);

	if (!rc)
		rc = make_below(o, "points", points, err);
	if (!rc)
		rc = make_below(o, "merged", nothing, err);
	if (!rc)
		rc = make_below(o, "image", nothing, err);
	return rc ? rc : make_below(o, "upper", nothing, err);
}

/* What is shown of this host; what isn't there is left out. */
static scp_status show(const char *folder, const char *name, scp_status (*fn)(void *, const char *, scp_error *),
    void *arg, scp_error *err)
{
	char source[64];
	struct stat st;

	(void)snprintf(source, sizeof(source), "%s/%s", folder, name);
	if (lstat(source, &st) || S_ISLNK(st.st_mode))
		return SCP_OK;
	return fn(arg, source, err);
}

static scp_status each_shown(scp_status (*fn)(void *, const char *, scp_error *), void *arg, scp_error *err)
{
	scp_status rc = show("", "usr", fn, arg, err);

	for (size_t i = 0; i < COUNT(usr_parts) && !rc; i++)
		rc = show("", usr_parts[i], fn, arg, err);
	for (size_t i = 0; i < COUNT(etc_files) && !rc; i++)
		rc = show("/etc", etc_files[i], fn, arg, err);
	for (size_t i = 0; i < COUNT(etc_folders) && !rc; i++)
		rc = show("/etc", etc_folders[i], fn, arg, err);
	return rc;
}

static scp_status mount_one(void *arg, const char *source, scp_error *err)
{
	char target[SCP__OCI_PATH_SIZE + 64];

	(void)snprintf(target, sizeof(target), "%s%s", (const char *)arg, source);
	return scp__oci_mount_bind(source, target, false, err);
}

scp_status scp__oci_host_mount(const char *root, scp_error *err)
{
	return each_shown(mount_one, (void *)(uintptr_t)root, err);
}

static scp_status bind_one(void *arg, const char *source, scp_error *err)
{
	return scp__oci_binds_add(arg, source, source, false, err);
}

scp_status scp__oci_host_show(scp__oci_binds *binds, scp_error *err)
{
	return each_shown(bind_one, binds, err);
}
