/* The mount API by descriptors (Linux 5.2): a disk is mounted before it has a place, and put there in one step. */
#include "volume_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "err.h"

static scp_status open_fail(scp_error *err, int error_number)
{
	scp_status rc = scp__fail(err, SCP_ENOTSUP, "mount ext4: %s", strerrordesc_np(error_number));

	switch (error_number) {
	case EPERM:
		scp__hint(err, "Run as root (CAP_SYS_ADMIN), or allow folders without a limit: allow_unenforced disk");
		break;
	case ENODEV:
		scp__hint(err, "modprobe ext4");
		break;
	default:
		scp__hint(err, "Linux 5.8 or newer");
	}
	return rc;
}

/* The kernel's own words, if it has any: "e ext4: …". */
static scp_status create_fail(int fs, int error_number, const char *node, scp_error *err)
{
	char text[256];
	ssize_t n = read(fs, text, sizeof(text) - 1);

	if (n > 2) {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		return scp__fail_errno(err, error_number, "mount %s: %s", node, text + 2);
	}
	return scp__fail_errno(err, error_number, "mount %s", node);
}

static int set_options(int fs, const char *node)
{
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", node, 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "errors", "remount-ro", 0))
		return -1;
	/* The image is sparse: its inode tables are zero as they are. */
	return fsconfig(fs, FSCONFIG_SET_FLAG, "noinit_itable", NULL, 0);
}

scp_status scp__mount_open(const char *node, int *mount, scp_error *err)
{
	int fs = fsopen("ext4", FSOPEN_CLOEXEC);
	scp_status rc = SCP_OK;

	*mount = -1;
	if (fs < 0)
		return open_fail(err, errno);
	if (set_options(fs, node) || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		rc = create_fail(fs, errno, node, err);
	if (!rc) {
		*mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
		if (*mount < 0)
			rc = scp__fail_errno(err, errno, "mount %s", node);
	}
	close(fs);
	return rc;
}

scp_status scp__mount_place(int mount, const char *path, scp_error *err)
{
	int to = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	scp_status rc = SCP_OK;

	if (to < 0)
		return scp__fail_errno(err, errno, "open %s", path);
	if (move_mount(mount, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
		rc = scp__fail_errno(err, errno, "mount on %s", path);
	close(to);
	return rc;
}

scp_status scp__mount_look(const char *path, bool *mounted, dev_t *dev, scp_error *err)
{
	struct statx at;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &at))
		return scp__fail_errno(err, errno, "%s", path);
	if (!S_ISDIR(at.stx_mode))
		return scp__fail(err, SCP_ECONFLICT, "%s: not a directory", path);
	if (!(at.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)) {
		scp__fail(err, SCP_ENOTSUP, "%s: this kernel doesn't say what is a mount", path);
		scp__hint(err, "Linux 5.8 or newer");
		return SCP_ENOTSUP;
	}
	*mounted = at.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	*dev = makedev(at.stx_dev_major, at.stx_dev_minor);
	return SCP_OK;
}

int scp__mount_drop(const char *path, bool lazily)
{
	if (!umount2(path, UMOUNT_NOFOLLOW))
		return 0;
	return errno == EBUSY && lazily ? umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) : -1;
}
