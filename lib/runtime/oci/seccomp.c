/*
 * The seccomp allow-list of a sandbox. Three answers: allowed; EPERM for what is known and refused; ENOSYS for all
 * else, calls of newer kernels too, so that libc falls back on what it used before. Only the machine's own system-call
 * table: 32-bit and x32 calls kill.
 */
#include "oci.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "buf.h"
#include "json.h"

#define JSON_MAX (64 * 1024)
#define NEW_NAMESPACES                                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static const char *const allowed[] = {
	/* files */
	"access",
	"chdir",
	"chmod",
	"chown",
	"chown32",
	"close",
	"close_range",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fadvise64_64",
	"fallocate",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"fchown",
	"fchown32",
	"fchownat",
	"fcntl",
	"fcntl64",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstat64",
	"fstatat64",
	"fstatfs",
	"fstatfs64",
	"fsync",
	"ftruncate",
	"ftruncate64",
	"futimesat",
	"getcwd",
	"getdents",
	"getdents64",
	"getxattr",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"ioctl",
	"lchown",
	"lchown32",
	"lgetxattr",
	"link",
	"linkat",
	"listxattr",
	"llistxattr",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"lstat64",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"newfstatat",
	"open",
	"openat",
	"openat2",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"removexattr",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"sendfile",
	"sendfile64",
	"setxattr",
	"splice",
	"stat",
	"stat64",
	"statfs",
	"statfs64",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"sync_file_range2",
	"syncfs",
	"tee",
	"truncate",
	"truncate64",
	"umask",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimensat_time64",
	"utimes",
	"vmsplice",
	"write",
	"writev",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"name_to_handle_at",
	/* memory */
	"brk",
	"get_mempolicy",
	"madvise",
	"membarrier",
	"memfd_create",
	"mincore",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mmap2",
	"mprotect",
	"mremap",
	"mseal",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"remap_file_pages",
	"process_mrelease",
	/* processes and identity; capabilities decide what they may do */
	"arch_prctl",
	"capget",
	"capset",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"getegid",
	"getegid32",
	"geteuid",
	"geteuid32",
	"getgid",
	"getgid32",
	"getgroups",
	"getgroups32",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getresgid",
	"getresgid32",
	"getresuid",
	"getresuid32",
	"getrlimit",
	"getrusage",
	"getsid",
	"gettid",
	"getuid",
	"getuid32",
	"ioprio_get",
	"ioprio_set",
	"kill",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"prlimit64",
	"rseq",
	"seccomp",
	"set_robust_list",
	"get_robust_list",
	"set_thread_area",
	"get_thread_area",
	"set_tid_address",
	"set_tls",
	"setfsgid",
	"setfsgid32",
	"setfsuid",
	"setfsuid32",
	"setgid",
	"setgid32",
	"setgroups",
	"setgroups32",
	"setpgid",
	"setpriority",
	"setregid",
	"setregid32",
	"setresgid",
	"setresgid32",
	"setresuid",
	"setresuid32",
	"setreuid",
	"setreuid32",
	"setrlimit",
	"setsid",
	"setuid",
	"setuid32",
	"tgkill",
	"times",
	"tkill",
	"ugetrlimit",
	"vfork",
	"wait4",
	"waitid",
	"waitpid",
	/* scheduling and time */
	"alarm",
	"clock_getres",
	"clock_getres_time64",
	"clock_gettime",
	"clock_gettime64",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	"getcpu",
	"getitimer",
	"gettimeofday",
	"nanosleep",
	"pause",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_rr_get_interval_time64",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"setitimer",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_gettime64",
	"timer_settime",
	"timer_settime64",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_gettime64",
	"timerfd_settime",
	"timerfd_settime64",
	/* signals, waiting, exchange */
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_ctl_old",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"epoll_wait_old",
	"eventfd",
	"eventfd2",
	"futex",
	"futex_requeue",
	"futex_time64",
	"futex_wait",
	"futex_waitv",
	"futex_wake",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_pgetevents_time64",
	"io_setup",
	"io_submit",
	"ipc",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedreceive_time64",
	"mq_timedsend",
	"mq_timedsend_time64",
	"mq_unlink",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"ppoll_time64",
	"pselect6",
	"pselect6_time64",
	"restart_syscall",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo",
	"select",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"semtimedop_time64",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	"sigaltstack",
	"signalfd",
	"signalfd4",
	"sigreturn",
	/* sockets that exist already; which may be made is below */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"recv",
	"recvfrom",
	"recvmmsg",
	"recvmmsg_time64",
	"recvmsg",
	"send",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shutdown",
	/* the machine */
	"getrandom",
	"sysinfo",
	"uname",
	"riscv_flush_icache",
	"riscv_hwprobe",
	"cachestat",
};

/* Known, and refused with EPERM; each is a way to more of the kernel than code in a sandbox needs. */
static const char *const refused[] = {
	"acct",
	"add_key",
	"adjtimex",
	"bpf",
	"chroot",
	"clock_adjtime",
	"clock_settime",
	"create_module",
	"delete_module",
	"fanotify_init",
	"fanotify_mark",
	"finit_module",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"init_module",
	"ioperm",
	"iopl",
	"kcmp",
	"kexec_file_load",
	"kexec_load",
	"keyctl",
	"listmount",
	"lookup_dcookie",
	"lsm_set_self_attr",
	"mbind",
	"memfd_secret",
	"migrate_pages",
	"modify_ldt",
	"mount",
	"mount_setattr",
	"move_mount",
	"move_pages",
	"nfsservctl",
	"open_by_handle_at",
	"open_tree",
	"open_tree_attr",
	"perf_event_open",
	"pidfd_getfd",
	"pivot_root",
	"process_madvise",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"quotactl",
	"quotactl_fd",
	"reboot",
	"request_key",
	"set_mempolicy",
	"set_mempolicy_home_node",
	"setdomainname",
	"sethostname",
	"setns",
	"settimeofday",
	"stime",
	"statmount",
	"swapoff",
	"swapon",
	"sysfs",
	"syslog",
	"_sysctl",
	"umount",
	"umount2",
	"unshare",
	"uselib",
	"userfaultfd",
	"ustat",
	"vhangup",
	"vm86",
	"vm86old",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct argument {
	unsigned index;
	uint64_t value;
	uint64_t mask; /* for masked_equal */
	const char *op;
};

#define IS(i, v)                                                                                                       \
	{                                                                                                              \
		.index = (i), .value = (v), .op = "SCMP_CMP_EQ"                                                        \
	}
#define ABOVE(i, v)                                                                                                    \
	{                                                                                                              \
		.index = (i), .value = (v), .op = "SCMP_CMP_GT"                                                        \
	}
#define NOT(i, v)                                                                                                      \
	{                                                                                                              \
		.index = (i), .value = (v), .op = "SCMP_CMP_NE"                                                        \
	}
#define BITS(i, m, v)                                                                                                  \
	{                                                                                                              \
		.index = (i), .value = (m), .mask = (v), .op = "SCMP_CMP_MASKED_EQ"                                    \
	}

/* Calls whose arguments decide. errno 0: allowed. */
static const struct {
	const char *name;
	int error_number;
	struct argument arguments[2];
} conditional[] = {
	{ "clone", 0, { BITS(0, NEW_NAMESPACES, 0) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWNS, CLONE_NEWNS) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWCGROUP, CLONE_NEWCGROUP) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWUTS, CLONE_NEWUTS) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWIPC, CLONE_NEWIPC) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWUSER, CLONE_NEWUSER) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWPID, CLONE_NEWPID) } },
	{ "clone", EPERM, { BITS(0, CLONE_NEWNET, CLONE_NEWNET) } },
	{ "socket", 0, { IS(0, AF_UNIX) } },
	{ "socket", 0, { IS(0, AF_INET) } },
	{ "socket", 0, { IS(0, AF_INET6) } },
	/* NETLINK_ROUTE: getifaddrs(), os.networkInterfaces() */
	{ "socket", 0, { IS(0, AF_NETLINK), IS(2, 0) } },
	{ "socket", EAFNOSUPPORT, { IS(0, AF_NETLINK), NOT(2, 0) } },
	{ "socket", EAFNOSUPPORT, { ABOVE(0, AF_NETLINK) } },
	{ "socketpair", 0, { IS(0, AF_UNIX) } },
	{ "personality", 0, { IS(0, 0) } },
	{ "personality", 0, { IS(0, 0xffffffff) } },
	{ "personality", EPERM, { ABOVE(0, 0xffffffff) } },
};

static void action(scp__json_writer *w, int error_number)
{
	scp__jw_string(w, "action", error_number ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW");
	if (error_number)
		scp__jw_int(w, "errnoRet", error_number);
}

static void list(scp__json_writer *w, const char *const *names, size_t count, int error_number)
{
	scp__jw_object(w, NULL);
	scp__jw_array(w, "names");
	for (size_t i = 0; i < count; i++)
		scp__jw_string(w, NULL, names[i]);
	scp__jw_end_array(w);
	action(w, error_number);
	scp__jw_end_object(w);
}

static void arguments(scp__json_writer *w, const struct argument *a, size_t count)
{
	scp__jw_array(w, "args");
	for (size_t i = 0; i < count && a[i].op; i++) {
		scp__jw_object(w, NULL);
		scp__jw_uint(w, "index", a[i].index);
		scp__jw_uint(w, "value", a[i].value);
		scp__jw_uint(w, "valueTwo", a[i].mask);
		scp__jw_string(w, "op", a[i].op);
		scp__jw_end_object(w);
	}
	scp__jw_end_array(w);
}

static void write_conditional(scp__json_writer *w)
{
	for (size_t i = 0; i < COUNT(conditional); i++) {
		scp__jw_object(w, NULL);
		scp__jw_array(w, "names");
		scp__jw_string(w, NULL, conditional[i].name);
		scp__jw_end_array(w);
		action(w, conditional[i].error_number);
		arguments(w, conditional[i].arguments, COUNT(conditional[i].arguments));
		scp__jw_end_object(w);
	}
}

/* Families between those allowed: an own row each, as a call may have one condition an argument. */
static void write_families(scp__json_writer *w)
{
	for (unsigned family = 0; family < AF_NETLINK; family++) {
		struct argument a = IS(0, family);

		if (family == AF_UNIX || family == AF_INET || family == AF_INET6)
			continue;
		scp__jw_object(w, NULL);
		scp__jw_array(w, "names");
		scp__jw_string(w, NULL, "socket");
		scp__jw_end_array(w);
		action(w, EAFNOSUPPORT);
		arguments(w, &a, 1);
		scp__jw_end_object(w);
	}
}

/* What must look as if the kernel had none of it, for those who would answer EPERM to whatever isn't named. */
static const char *const absent[] = { "clone3", "io_uring_enter", "io_uring_register", "io_uring_setup" };

static char *make_json(bool name_absent)
{
	scp__json_writer w;
	scp__buf buf;

	scp__buf_init(&buf, JSON_MAX);
	scp__jw_init(&w, &buf);
	scp__jw_object(&w, NULL);
	scp__jw_string(&w, "defaultAction", "SCMP_ACT_ERRNO");
	scp__jw_int(&w, "defaultErrnoRet", ENOSYS);
	scp__jw_array(&w, "architectures");
#if defined(__x86_64__)
	scp__jw_string(&w, NULL, "SCMP_ARCH_X86_64");
#elif defined(__aarch64__)
	scp__jw_string(&w, NULL, "SCMP_ARCH_AARCH64");
#elif defined(__riscv) && __riscv_xlen == 64
	scp__jw_string(&w, NULL, "SCMP_ARCH_RISCV64");
#else
#error "name this architecture for libseccomp"
#endif
	scp__jw_end_array(&w);
	scp__jw_array(&w, "syscalls");
	list(&w, allowed, COUNT(allowed), 0);
	list(&w, refused, COUNT(refused), EPERM);
	if (name_absent)
		list(&w, absent, COUNT(absent), ENOSYS);
	write_conditional(&w);
	write_families(&w);
	scp__jw_end_array(&w);
	scp__jw_end_object(&w);
	return scp__buf_detach(&buf);
}

char *scp__oci_seccomp_json(void)
{
	return make_json(false);
}

char *scp__docker_seccomp_json(void)
{
	return make_json(true);
}
