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
#include "user.h"

/* Free on a Debian or systemd machine: below lies what systemd-nspawn takes, above is not a valid uid. */
#define DEFAULT_BASE 1879048192u
#define DEFAULT_COUNT 65536u

#define RANGE_LEAST 64u
#define USER_LEAST 2u /* the first is nobody's */
#define SLOTS_MAX 32768u

/* "USER:BASE:COUNT" */
static bool is_range(const char *line, const char *user, unsigned long *base, unsigned long *count)
{
	char number[16];
	size_t len = strcspn(line, ":");

	(void)snprintf(number, sizeof(number), "%u", (unsigned)geteuid());
	if ((strlen(user) != len || strncmp(line, user, len) != 0) &&
	    (strlen(number) != len || strncmp(line, number, len) != 0))
		return false;
	return sscanf(line + len, ":%lu:%lu", base, count) == 2;
}

/* The first that is large enough to be of use. */
bool scp__oci_subids(const char *file, const char *user, uint32_t least, uint32_t *base, uint32_t *count)
{
	FILE *f = fopen(file, "re");
	unsigned long b, n;
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f)) {
		found = is_range(line, user, &b, &n) && n >= least && b >= 1000 && n <= INT32_MAX && b <= INT32_MAX - n;
		if (!found)
			continue;
		*base = (uint32_t)b;
		*count = (uint32_t)n;
	}
	if (f)
		fclose(f);
	return found;
}

static scp_status no_range(const char *file, const char *user, scp_error *err)
{
	scp__fail(err, SCP_ENOTSUP, "%s has no range of ids for %s: an ordinary user's sandboxes need one", file, user);
	scp__hint(err, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s (ids that are nobody's yet)",
	    user);
	return SCP_ENOTSUP;
}

static scp_status find_user_ranges(scp__oci_uids *u, scp_error *err)
{
	char user[SCP__OCI_USER_NAME];
	uint32_t uids = 0, gids = 0;

	(void)scp__oci_user_name(user);
	if (!scp__oci_subids("/etc/subuid", user, USER_LEAST, &u->base, &uids))
		return no_range("/etc/subuid", user, err);
	if (!scp__oci_subids("/etc/subgid", user, USER_LEAST, &u->gid_base, &gids))
		return no_range("/etc/subgid", user, err);
	u->slots = uids < gids ? uids : gids;
	return SCP_OK;
}

static void find_root_range(scp__oci_uids *u)
{
	uint32_t count = DEFAULT_COUNT;

	u->base = DEFAULT_BASE;
	(void)scp__oci_subids("/etc/subuid", "root", RANGE_LEAST, &u->base, &count);
	u->slots = count / 2;
}

scp_status scp__oci_uids_open(scp__oci_uids *u, const char *run_root, bool of_user, scp_error *err)
{
	scp_status rc = SCP_OK;

	u->of_user = of_user;
	if (of_user)
		rc = find_user_ranges(u, err);
	else
		find_root_range(u);
	if (rc)
		return rc;
	u->slots = u->slots < SLOTS_MAX ? u->slots : SLOTS_MAX;
	/* Where the search begins matters for speed alone; another process begins elsewhere. */
	u->next = (uint32_t)getpid() * 7919u;
	(void)snprintf(u->path, sizeof(u->path), "%s/uids", run_root);
	if (mkdir(u->path, 0700) && errno != EEXIST)
		return scp__fail_errno(err, errno, "make %s", u->path);
	u->dir = open(u->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (u->dir < 0)
		return scp__fail_errno(err, errno, "open %s", u->path);
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
	return scp__fail(err, SCP_ECAPACITY, "all %u ranges of host uids are taken (%s)", u->slots - 1, u->path);
}

static void free_named(const scp__oci_uids *u, const char *name, const char *owner)
{
	if (owned_by(u, name, owner))
		(void)unlinkat(u->dir, name, 0);
}

/* For those of whom nothing is known but their folder. */
static void free_all(const scp__oci_uids *u, const char *owner)
{
	DIR *dir = opendir(u->path);
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
	return u->of_user ? -1 : (int32_t)u->base;
}

void scp__oci_uids_of(const scp__oci_uids *u, uint32_t slot, scp__oci_ids *out)
{
	if (u->of_user) {
		*out = (scp__oci_ids){ { u->base + slot, geteuid() }, { u->gid_base + slot, getegid() } };
		return;
	}
	out->uid[0] = out->gid[0] = u->base + 2 * slot;
	out->uid[1] = out->gid[1] = u->base + 2 * slot + 1;
}
