#include "doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs.h"
#include "proc.h"

#define DEFAULT_PORT 8000
#define SPACE_WANTED_MIB 2048u
#define SMALL_FILE 65536

void finding_add(struct findings *f, const char *name, enum verdict verdict, const char *fix, const char *fmt, ...)
{
	struct finding *x = &f->item[f->count];
	va_list args;

	if (f->count == FINDINGS_MAX)
		return;
	f->count++;
	x->verdict = verdict;
	(void)snprintf(x->name, sizeof(x->name), "%s", name);
	(void)snprintf(x->fix, sizeof(x->fix), "%s", fix && verdict != VERDICT_OK ? fix : "");
	va_start(args, fmt);
	(void)vsnprintf(x->detail, sizeof(x->detail), fmt, args);
	va_end(args);
}

static bool file_has(const char *path, const char *word)
{
	char *text = NULL;
	size_t len;
	bool has = !scp__fs_read_file(AT_FDCWD, path, SMALL_FILE, &text, &len) && strstr(text, word);

	free(text);
	return has;
}

static void look_at_kernel(struct findings *f)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		finding_add(f, "kernel", VERDICT_WARN, NULL, "unknown release");
		return;
	}
	if (major < 5 || (major == 5 && minor < 12)) {
		finding_add(f, "kernel", VERDICT_FAIL, "use a kernel of 5.12 or newer (Debian 12 has 6.1)",
		    "%s has no idmapped mounts", u.release);
		return;
	}
	finding_add(f, "kernel", VERDICT_OK, NULL, "%s", u.release);
}

/* Where `host:` sandboxes look: our own PATH may begin with a private build that they will never see. */
#define IN_SANDBOXES "/usr/local/bin:/usr/bin:/bin"

/* clang-format off */
static const struct { const char *name, *program, *other, *folders; enum verdict without; const char *fix; } programs[] = {
	{ "runtime program", "crun", "runc", NULL, VERDICT_FAIL, "apt-get install runc crun" },
	{ "python", "python3", NULL, IN_SANDBOXES, VERDICT_WARN, "apt-get install python3, or templates with an image of their own" },
	{ "javascript", "node", "nodejs", IN_SANDBOXES, VERDICT_WARN, "apt-get install nodejs, or templates with an image of their own" },
	{ "mkfs.ext4", "mkfs.ext4", NULL, NULL, VERDICT_WARN, "apt-get install e2fsprogs; without it workspaces have no size limit" },
};
/* An ordinary user needs these two, whatever else is there. */
static const struct { const char *program, *fix; } of_user[] = {
	{ "crun", "apt-get install crun" },
	{ "newuidmap", "apt-get install uidmap" },
};
/* clang-format on */

static bool find(size_t i, const char *program, char *path, size_t size)
{
	const char *folders = programs[i].folders;

	return folders ? scp__proc_find_in(folders, program, path, size) : scp__proc_find(program, path, size);
}

static void look_at_programs(struct findings *f)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char path[256], second[256];
		bool first = find(i, programs[i].program, path, sizeof(path));
		bool other = programs[i].other && find(i, programs[i].other, second, sizeof(second));

		if (first || other)
			finding_add(f, programs[i].name, VERDICT_OK, NULL, "%s%s%s", first ? path : "",
			    first && other ? ", " : "", other ? second : "");
		else
			finding_add(f, programs[i].name, programs[i].without, programs[i].fix, "%s%s%s isn't installed",
			    programs[i].program, programs[i].other ? " or " : "",
			    programs[i].other ? programs[i].other : "");
	}
}

static void look_at_user_programs(struct findings *f)
{
	char path[256];

	for (size_t i = 0; geteuid() && i < sizeof(of_user) / sizeof(of_user[0]); i++) {
		bool has = scp__proc_find(of_user[i].program, path, sizeof(path));

		finding_add(f, of_user[i].program, has ? VERDICT_OK : VERDICT_FAIL, of_user[i].fix,
		    has ? "%s" : "an ordinary user's sandboxes need it", path);
	}
}

/* The user's own systemd makes an ordinary user's cgroups, and is asked by D-Bus. */
static void look_at_login(struct findings *f)
{
	const char *given = getenv("XDG_RUNTIME_DIR");
	char path[256];

	if (!geteuid())
		return;
	if (given)
		(void)snprintf(path, sizeof(path), "%s/bus", given);
	else
		(void)snprintf(path, sizeof(path), "/run/user/%u/bus", (unsigned)geteuid());
	if (access(path, F_OK))
		finding_add(f, "login", VERDICT_FAIL,
		    "apt-get install dbus-user-session, then log in by console, ssh or machinectl shell; or: loginctl "
		    "enable-linger USER",
		    "%s: %s", path, strerror(errno));
	else
		finding_add(f, "login", VERDICT_OK, NULL, "%s", path);
}

static void look_at_cgroups(struct findings *f)
{
	static const char fix[] =
	    "start sandboxd by its systemd unit (Delegate=yes), or as root on a machine with cgroups";
	struct statfs s;

	if (statfs("/sys/fs/cgroup", &s)) {
		finding_add(f, "cgroups", VERDICT_FAIL, fix, "/sys/fs/cgroup isn't there");
		return;
	}
	if ((unsigned long)s.f_type == CGROUP2_SUPER_MAGIC) {
		bool all = file_has("/sys/fs/cgroup/cgroup.controllers", "memory") &&
			   file_has("/sys/fs/cgroup/cgroup.controllers", "pids");

		finding_add(f, "cgroups", all ? VERDICT_OK : VERDICT_FAIL, "boot with cgroup_enable=memory", "v2%s",
		    all ? "" : ", without the memory or pids controller");
		return;
	}
	if (geteuid()) {
		finding_add(f, "cgroups", VERDICT_FAIL,
		    "boot with systemd.unified_cgroup_hierarchy=1, or allow sandboxes without limits: "
		    "--allow-unenforced memory,cpu,processes",
		    "v1, where an ordinary user can set no limits");
		return;
	}
	if (!access("/sys/fs/cgroup/memory", F_OK) && !access("/sys/fs/cgroup/pids", F_OK)) {
		finding_add(
		    f, "cgroups", VERDICT_OK, NULL, "v1%s", access("/sys/fs/cgroup/unified", F_OK) ? "" : ", hybrid");
		return;
	}
	finding_add(f, "cgroups", VERDICT_FAIL, fix, "neither v2 nor v1's memory and pids controllers are mounted");
}

/* In a chroot nobody may make one. Root gets out as the runtime does: entering the mount namespace that we are in leads
 * to its root. */
static int try_user_namespace(void)
{
	int own = geteuid() ? -1 : open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (own >= 0)
		(void)setns(own, CLONE_NEWNS);
	return unshare(CLONE_NEWUSER) ? errno : 0;
}

static void look_at_user_namespaces(struct findings *f)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(try_user_namespace() & 0x7f);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		finding_add(f, "user namespaces", VERDICT_FAIL,
		    "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000", "can't make one: %s",
		    child > 0 && WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "the probe failed");
	else
		finding_add(f, "user namespaces", VERDICT_OK, NULL, "can be made");
}

static void look_at_seccomp(struct findings *f)
{
	bool has = file_has("/proc/sys/kernel/seccomp/actions_avail", "kill_process");

	finding_add(f, "seccomp", has ? VERDICT_OK : VERDICT_FAIL, "use a kernel with CONFIG_SECCOMP_FILTER",
	    has ? "filters work" : "this kernel has no filters");
}

static void look_at_loop_devices(struct findings *f)
{
	int fd;

	if (geteuid()) {
		finding_add(f, "loop devices", VERDICT_WARN,
		    "allow workspaces without a size limit: --allow-unenforced disk; or run as root",
		    "an ordinary user can't mount workspace disks");
		return;
	}
	fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	finding_add(f, "loop devices", fd < 0 ? VERDICT_WARN : VERDICT_OK,
	    "modprobe loop; without them workspaces have no size limit",
	    fd < 0 ? "/dev/loop-control: %s" : "can be had", strerror(errno));
	if (fd >= 0)
		(void)close(fd);
}

static void look_at_ids(struct findings *f)
{
	const struct passwd *user = getpwuid(geteuid());
	char entry[64];

	if (!geteuid()) {
		finding_add(f, "host ids", VERDICT_OK, NULL, "root: a range of its own for each sandbox");
		return;
	}
	(void)snprintf(entry, sizeof(entry), "%.60s:", user ? user->pw_name : "?");
	if (file_has("/etc/subuid", entry) && file_has("/etc/subgid", entry)) {
		finding_add(f, "host ids", VERDICT_OK, NULL, "/etc/subuid and /etc/subgid have a range for %s",
		    user ? user->pw_name : "?");
		return;
	}
	finding_add(f, "host ids", VERDICT_FAIL, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
	    "/etc/subuid or /etc/subgid has no range for this user");
}

/* The folder itself, or the nearest of its parents that is there. */
static void nearest(char path[4096])
{
	char *slash;

	while (access(path, F_OK) && (slash = strrchr(path, '/')) && slash != path)
		*slash = '\0';
}

static void look_at_space(struct findings *f, const char *state_dir)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_STATE_HOME");
	char path[4096];
	struct statvfs s;
	unsigned long long mib;

	if (state_dir)
		(void)snprintf(path, sizeof(path), "%s", state_dir);
	else if (!geteuid())
		(void)snprintf(path, sizeof(path), "/var/lib/sandboxcp");
	else
		(void)snprintf(path, sizeof(path), "%s%s/sandboxcp",
		    xdg	   ? xdg
		    : home ? home
			   : "",
		    xdg ? "" : "/.local/state");
	nearest(path);
	if (statvfs(path, &s)) {
		finding_add(
		    f, "state folder", VERDICT_FAIL, "name another by --state-dir", "%s: %s", path, strerror(errno));
		return;
	}
	mib = (unsigned long long)s.f_bavail * s.f_frsize >> 20;
	if (access(path, W_OK)) {
		finding_add(f, "state folder", VERDICT_FAIL, "name one that you may write by --state-dir", "%s: %s",
		    path, strerror(errno));
		return;
	}
	finding_add(f, "state folder", mib < SPACE_WANTED_MIB ? VERDICT_WARN : VERDICT_OK,
	    "free some space, or name another by --state-dir", "%s: %llu MiB free", path, mib);
}

static void look_at_port(struct findings *f)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(DEFAULT_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, (const struct sockaddr *)&a, sizeof(a)) && !listen(fd, 1))
		finding_add(f, "port", VERDICT_OK, NULL, "127.0.0.1:%d is free", DEFAULT_PORT);
	else
		finding_add(f, "port", VERDICT_WARN, "fine if that is sandboxd; else start it with another --listen",
		    "127.0.0.1:%d: %s", DEFAULT_PORT, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
}

void doctor_look(struct findings *f, const char *state_dir)
{
	look_at_kernel(f);
	look_at_programs(f);
	look_at_user_programs(f);
	look_at_login(f);
	look_at_cgroups(f);
	look_at_user_namespaces(f);
	look_at_seccomp(f);
	look_at_loop_devices(f);
	look_at_ids(f);
	look_at_space(f, state_dir);
	look_at_port(f);
}
