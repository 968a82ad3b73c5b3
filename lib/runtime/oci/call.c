/* The one call of the runtime program that makes a container. */
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "proc.h"
#include "user.h"

#define RUN_LIMIT_MS 30000
#define USER_RUN_LIMIT_MS 120000 /* three programs and a bus take part */
#define LOG_TAIL 4
#define ARGS_MAX 24

/* What the program, or the executor, said last, on one line. */
scp_status scp__oci_call_failed(int dir, const char *what, scp_error *err)
{
	char text[400];

	scp__oci_log_tail(dir, LOG_TAIL, text, sizeof(text));
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
	return scp__fail(err, SCP_EBACKEND, "%s: %s", what, text[0] ? text : "(it said nothing)");
}

static void add(const char **argv, const char *const *more)
{
	while (*argv)
		argv++;
	while ((*argv = *more++))
		argv++;
}

/*
 * systemd moves a process that isn't the user's own (container uid 0 isn't) only within what the user's systemd has
 * already. So the program is taken there first, in a scope of its own, and what it makes begins there.
 */
static void begin_args(const scp__oci *o, const char **argv)
{
	static const char *const scope[] = { "systemd-run", "--user", "--scope", "--quiet", "--collect", "--", NULL };
	static const char *const systemd[] = { "--systemd-cgroup", NULL };
	static const char *const none[] = { "--cgroup-manager=disabled", NULL };
	const char *const program[] = { o->program.path, NULL };

	argv[0] = NULL;
	if (o->cgroups.outside)
		add(argv, scope);
	add(argv, program);
	if (o->cgroups.kind == SCP__OCI_CGROUPS_SCOPES)
		add(argv, systemd);
	else if (o->cgroups.kind == SCP__OCI_CGROUPS_NONE)
		add(argv, none);
}

static scp_status run(const scp__oci *o, scp__proc_options *options, int *status, scp_error *err)
{
	/* Nothing of the host's environment is the sandbox's business, or the runtime program's. */
	static const char *const env[] = { SCP__OCI_PROGRAM_PATH, NULL };
	scp__oci_user_env_vars of_user;
	scp_status rc;

	options->env = env;
	options->timeout_ms = o->of_user ? USER_RUN_LIMIT_MS : RUN_LIMIT_MS;
	if (o->cgroups.kind == SCP__OCI_CGROUPS_SCOPES) {
		rc = scp__oci_user_env(&of_user, err);
		if (rc)
			return rc;
		options->env = of_user.list;
	}
	return scp__proc_run(options, status, err);
}

/* crun gives it to container uid 0, which isn't an ordinary user's own; nobody else can come to the folder. */
static int open_log(const scp__oci *o, int dir)
{
	int log = openat(dir, "log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (log >= 0 && o->of_user && fchmod(log, 0666)) {
		close(log);
		return -1;
	}
	return log;
}

scp_status scp__oci_call_create(
    const scp__oci *o, const char *name, const char *bundle, const scp__oci_folder *folder, int socket, scp_error *err)
{
	char state[SCP__OCI_PATH_SIZE], pid_file[SCP__OCI_PATH_SIZE + 8];
	const char *const create[] = { "--root", state, "run", "-d", "--preserve-fds", "1", "--pid-file", pid_file,
		"--bundle", bundle, name, NULL };
	/* The lock goes along, so that it is held for as long as somebody still makes this container. */
	const int keep[] = { socket, folder->lock };
	scp__proc_options options = SCP__PROC_OPTIONS_INIT;
	const char *argv[ARGS_MAX];
	int log, status = 0;
	scp_status rc;

	(void)snprintf(state, sizeof(state), "%s/state", o->run_dir);
	(void)snprintf(pid_file, sizeof(pid_file), "%s/pid", bundle);
	begin_args(o, argv);
	add(argv, create);
	log = open_log(o, folder->dir);
	if (log < 0)
		return scp__fail_errno(err, errno, "make the log of %s", name);
	options.argv = argv;
	options.cwd = "/";
	options.keep_fds = keep;
	options.keep_fd_count = 2;
	options.stdout_fd = options.stderr_fd = log;
	rc = run(o, &options, &status, err);
	close(log);
	/* -1: the host reaped it; whether it worked is seen by what it made. */
	return rc || status <= 0
		   ? rc
		   : scp__oci_call_failed(folder->dir, "the runtime program couldn't make the container", err);
}
