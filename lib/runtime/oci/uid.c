#include "oci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

/* Free on a Debian or systemd machine: below lies what systemd-nspawn takes, above is not a valid uid. */
#define DEFAULT_BASE 1879048192u
#define DEFAULT_COUNT 65536u

/* "root:BASE:COUNT" of /etc/subuid; the first that is large enough to be of use. */
static void read_subuid(uint32_t *base, uint32_t *count)
{
	FILE *f = fopen("/etc/subuid", "re");
	unsigned long b, n;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "root:%lu:%lu", &b, &n) != 2 && sscanf(line, "0:%lu:%lu", &b, &n) != 2)
			continue;
		if (n < 64 || b < 1000 || b + n > INT32_MAX)
			continue;
		*base = (uint32_t)b;
		*count = (uint32_t)n;
		break;
	}
	if (f)
		fclose(f);
}

scp_status scp__oci_uids_open(scp__oci_uids *u, scp_error *err)
{
	uint32_t count = DEFAULT_COUNT;

	u->base = DEFAULT_BASE;
	read_subuid(&u->base, &count);
	u->slots = count / 2 < 32768 ? count / 2 : 32768;
	/* Where the search begins matters for speed alone; another process begins elsewhere. */
	u->next = (uint32_t)getpid() * 7919u;
	if (mkdir(SCP__OCI_RUN_ROOT "/uids", 0700) && errno != EEXIST)
		return scp__fail_errno(err, errno, "make %s/uids", SCP__OCI_RUN_ROOT);
	u->dir = open(SCP__OCI_RUN_ROOT "/uids", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (u->dir < 0)
		return scp__fail_errno(err, errno, "open %s/uids", SCP__OCI_RUN_ROOT);
	return SCP_OK;
}

void scp__oci_uids_close(scp__oci_uids *u)
{
	if (u->dir >= 0)
		close(u->dir);
	u->dir = -1;
}

static bool owned_by(const scp__oci_uids *u, const char *name, const char *owner)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(u->dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, owner) == 0;
}

/* Its owner's folder is made before the slot is taken and removed after it is free: no folder, no owner. */
static bool abandoned(const scp__oci_uids *u, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(u->dir, name, target, sizeof(target) - 1);
	struct stat st;

	if (n < 0)
		return false;
	target[n] = '\0';
	return lstat(target, &st) && errno == ENOENT;
}

static bool take(const scp__oci_uids *u, uint32_t slot, const char *owner, bool reclaim)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", slot);
	if (!symlinkat(owner, u->dir, name))
		return true;
	if (!reclaim || errno != EEXIST || !abandoned(u, name))
		return false;
	(void)unlinkat(u->dir, name, 0);
	return !symlinkat(owner, u->dir, name);
}

scp_status scp__oci_uids_take(scp__oci_uids *u, const char *owner, uint32_t *slot, scp_error *err)
{
	for (int reclaim = 0; reclaim < 2; reclaim++)
		for (uint32_t i = 1; i < u->slots; i++) {
			*slot = 1 + u->next++ % (u->slots - 1);
			if (take(u, *slot, owner, reclaim))
				return SCP_OK;
		}
	*slot = 0;
	return scp__fail(
	    err, SCP_ECAPACITY, "all %u ranges of host uids are taken (%s/uids)", u->slots - 1, SCP__OCI_RUN_ROOT);
}

static void free_named(const scp__oci_uids *u, const char *name, const char *owner)
{
	if (owned_by(u, name, owner))
		(void)unlinkat(u->dir, name, 0);
}

/* For those of whom nothing is known but their folder. */
static void free_all(const scp__oci_uids *u, const char *owner)
{
	DIR *dir = opendir(SCP__OCI_RUN_ROOT "/uids");
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		free_named(u, e->d_name, owner);
	if (dir)
		closedir(dir);
}

void scp__oci_uids_free(scp__oci_uids *u, const char *owner, uint32_t slot)
{
	char name[16];

	if (!slot) {
		free_all(u, owner);
		return;
	}
	(void)snprintf(name, sizeof(name), "%u", slot);
	free_named(u, name, owner);
}

int32_t scp__oci_uids_disk(const scp__oci_uids *u)
{
	return (int32_t)u->base;
}

uint32_t scp__oci_uids_root(const scp__oci_uids *u, uint32_t slot)
{
	return u->base + 2 * slot;
}
