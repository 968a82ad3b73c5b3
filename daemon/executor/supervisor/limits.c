#include "limits.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_FILES 1024u
#define CODE_FILE_BYTES (16ull << 30)
#define FILTER_MAX 512u

static const int kept_caps[] = { CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP };

static uint64_t kept_mask(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof(kept_caps) / sizeof(kept_caps[0]); i++)
		mask |= 1ull << kept_caps[i];
	return mask;
}

static int caps_get(uint64_t *effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return -1;
	*effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	return 0;
}

static int caps_set(uint64_t mask)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	data[0].effective = data[0].permitted = (uint32_t)mask;
	data[1].effective = data[1].permitted = (uint32_t)(mask >> 32);
	return (int)syscall(SYS_capset, &header, data);
}

bool limits_can_separate(void)
{
	uint64_t caps = 0;

	return geteuid() == 0 && !caps_get(&caps) && (caps & kept_mask()) == kept_mask();
}

static int drop_bounding(void)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			return 0; /* behind the last one that this kernel knows */
		if (has && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return -1;
	}
	return 0;
}

static int drop_groups(void)
{
	/* Where a user namespace forbids setgroups() there must be none to begin with. */
	if (!setgroups(0, NULL))
		return 0;
	return getgroups(0, NULL) == 0 ? 0 : -1;
}

int limits_confine(const struct settings *settings, const char **step)
{
	*step = "make it undumpable";
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -1;
	*step = "set no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	*step = "become a subreaper";
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return -1;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (!settings->separate)
		return 0;
	*step = "drop the supplementary groups";
	if (drop_groups())
		return -1;
	*step = "drop the capability bounding set";
	if (drop_bounding())
		return -1;
	*step = "drop capabilities";
	return caps_set(kept_mask());
}

/* The kernel reads 32 bits of these arguments: what a caller puts above them must not hide what is meant. */
static int refuse_equal(scmp_filter_ctx ctx, int syscall, uint32_t value)
{
	const struct scmp_arg_cmp arg = { .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = value };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), syscall, 1, &arg);
}

static int refuse_other_than(scmp_filter_ctx ctx, int syscall, unsigned index, uint32_t value)
{
	const struct scmp_arg_cmp arg = { .arg = index, .op = SCMP_CMP_NE, .datum_a = value };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), syscall, 1, &arg);
}

static int refuse_signals(scmp_filter_ctx ctx)
{
	static const int signals[] = { SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo),
		SCMP_SYS(rt_tgsigqueueinfo) };
	/* ourselves, everybody, our group: the supervisors are in it */
	const uint32_t whom[] = { (uint32_t)getpid(), (uint32_t)-1, (uint32_t)-getpgrp() };
	int rc = 0;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		for (size_t j = 0; j < sizeof(whom) / sizeof(whom[0]); j++)
			if (j == 0 || whom[j] != whom[j - 1])
				rc |= refuse_equal(ctx, signals[i], whom[j]);
	/* A pidfd says nothing of whom it names, and pidfd_getfd needs one as well. */
	rc |= seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(pidfd_send_signal), 0, NULL);
	rc |= seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(pidfd_getfd), 0, NULL);
	return rc;
}

/* Of itself alone, where 0 means that. */
static int refuse_scheduling(scmp_filter_ctx ctx)
{
	static const int others[] = { SCMP_SYS(prlimit64), SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
		SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setattr) };
	int rc = 0;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		rc |= refuse_other_than(ctx, others[i], 0, 0);
	rc |= refuse_other_than(ctx, SCMP_SYS(setpriority), 0, PRIO_PROCESS); /* a group or a user may be ours */
	rc |= refuse_other_than(ctx, SCMP_SYS(setpriority), 1, 0);
	rc |= refuse_other_than(ctx, SCMP_SYS(ioprio_set), 0, IOPRIO_WHO_PROCESS);
	rc |= refuse_other_than(ctx, SCMP_SYS(ioprio_set), 1, 0);
	return rc;
}

/* libseccomp gives the program only through a descriptor. */
static int export_filter(scmp_filter_ctx ctx, struct sock_fprog *out)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter *rows = calloc(FILTER_MAX, sizeof(*rows));
	ssize_t n = -1;

	if (fd >= 0 && rows && !seccomp_export_bpf(ctx, fd))
		n = pread(fd, rows, FILTER_MAX * sizeof(*rows), 0);
	if (fd >= 0)
		close(fd);
	if (n <= 0 || (size_t)n >= FILTER_MAX * sizeof(*rows) || (size_t)n % sizeof(*rows)) {
		free(rows);
		return -1;
	}
	*out = (struct sock_fprog){ .len = (unsigned short)((size_t)n / sizeof(*rows)), .filter = rows };
	return 0;
}

int limits_make_filter(struct settings *settings)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = -1;

	if (!ctx)
		return -1;
	/* Other system-call tables would be a way round. */
	if (!seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) && !refuse_signals(ctx) &&
	    !refuse_scheduling(ctx))
		rc = export_filter(ctx, &settings->filter);
	seccomp_release(ctx);
	return rc;
}

/* Lower a limit; one that is lower already stays. */
static int limit(int resource, rlim_t value)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now))
		return -1;
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value)
		value = now.rlim_max;
	now = (struct rlimit){ .rlim_cur = value, .rlim_max = value };
	return setrlimit((__rlimit_resource_t)resource, &now);
}

int limits_enter_supervisor(const struct settings *settings)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -1;
	if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_NOFILE, CODE_FILES) || limit(RLIMIT_FSIZE, CODE_FILE_BYTES))
		return -1;
	umask(022);
	if (settings->separate) {
		/*
		 * Files as the code's user, everything else as our own: it can't signal or trace us, and we can read
		 * what it may read (its files, its /proc entries) and nothing more.
		 */
		(void)setfsgid(CODE_GID);
		(void)setfsuid(CODE_UID);
		if (setfsuid((uid_t)-1) != (int)CODE_UID)
			return -1;
	}
	if (settings->filter.len && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &settings->filter))
		return -1;
	/* A change of the file-system uid may have reset it. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int limits_become_code(const struct settings *settings)
{
	if (!settings->separate)
		return 0;
	/* Raw: this runs in a child that shares its parent's memory, where libc's wrappers are for threads. */
	if (syscall(SYS_setresgid, CODE_GID, CODE_GID, CODE_GID) ||
	    syscall(SYS_setresuid, CODE_UID, CODE_UID, CODE_UID))
		return -1;
	return 0;
}
