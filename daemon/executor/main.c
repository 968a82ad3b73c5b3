/*
 * sandbox-executor: the first process of a sandbox. It runs code for the control plane, which connects to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "client.h"
#include "listen.h"
#include "options.h"
#include "routes.h"
#include "run.h"

#define MAX_CONNECTIONS 256u
#define IDLE_TIMEOUT_S 3600u /* the control plane keeps connections; nobody else has any */
#define STALL_TIMEOUT_S 120u
#define LARGE_BYTES (64 << 10)
#define RESULTS_OUT_USEC 200000 /* for the last results to be read, at a stop */

struct process {
	struct executor executor;
	struct http_server *server;
	struct event *term;
	struct event *interrupt;
	bool nothing_ran; /* when the stop came */
};

static int complain(const char *what)
{
	(void)fprintf(stderr, "sandbox-executor: %s: %s\n", what, strerror(errno));
	return 1;
}

/* 0, 1 and 2 are always somebody: a job's descriptors are laid over them. */
static int hold_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd < 0 && fcntl(STDERR_FILENO, F_GETFD) < 0 ? -1 : 0;
}

/* An image may have anything there. */
static int open_null(void)
{
	struct stat st;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);

	if (fd >= 0 && !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_heartbeats(arg);
}

static void on_stopped(void *user)
{
	struct process *p = user;
	struct timeval soon = { .tv_usec = p->nothing_ran ? 0 : RESULTS_OUT_USEC };

	(void)event_base_loopexit(p->executor.base, &soon);
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;

	(void)fd;
	(void)what;
	p->executor.stopped = on_stopped;
	p->executor.stopped_user = p;
	p->nothing_ran = true; /* unless it takes until later */
	runs_stop(&p->executor);
	p->nothing_ran = false;
}

static int init_settings(struct settings *settings, const struct options *options)
{
	const char *step = "";

	settings->workspace = options->workspace;
	settings->separate = limits_can_separate();
	if (geteuid() == 0 && !settings->separate) {
		(void)fprintf(
		    stderr, "sandbox-executor: as uid 0 it needs CAP_SETUID, CAP_SETGID, CAP_SETPCAP and CAP_KILL\n");
		return -1;
	}
	if (limits_confine(settings, &step)) {
		(void)complain(step);
		return -1;
	}
	if (!settings->separate && limits_make_filter(settings)) {
		(void)fprintf(stderr, "sandbox-executor: the seccomp filter can't be made\n");
		return -1;
	}
	return 0;
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int init_executor(struct process *p, const struct options *options)
{
	struct executor *x = &p->executor;

	x->base = make_base();
	if (!x->base || runs_init(x))
		return -1;
	x->budget.total = options->spool_bytes;
	x->max_queued = options->max_queued;
	x->first_process = getpid() == 1;
	x->null_fd = open_null();
	x->heartbeat = evtimer_new(x->base, on_heartbeat, x);
	p->term = evsignal_new(x->base, SIGTERM, on_term, p);
	p->interrupt = evsignal_new(x->base, SIGINT, on_term, p);
	if (!x->heartbeat || !p->term || !p->interrupt || event_add(p->term, NULL) || event_add(p->interrupt, NULL))
		return -1;
	return crew_init(&x->crew, x->base, &x->settings, options->max_running, &runs_crew_calls, x);
}

static int init_server(struct process *p, int listener)
{
	http_server_options options = {
		.max_connections = MAX_CONNECTIONS, .idle_timeout_s = IDLE_TIMEOUT_S, .stall_timeout_s = STALL_TIMEOUT_S
	};

	p->server = http_server_new(p->executor.base, &options, &executor_routes, &p->executor);
	return p->server && !http_server_listen(p->server, listener) ? 0 : -1;
}

/* One more stop, while the first is followed, must not meet the signal's default. */
static void ignore_stops(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void fini(struct process *p)
{
	struct executor *x = &p->executor;

	ignore_stops();
	http_server_free(p->server);
	push_close(x->push);
	x->push = NULL;
	crew_fini(&x->crew);
	runs_fini(x);
	event_free(p->term);
	event_free(p->interrupt);
	event_free(x->heartbeat);
	event_base_free(x->base);
	free(x->settings.filter.filter);
}

static int serve(struct process *p, const struct options *options, int listener)
{
	if (init_executor(p, options))
		return complain("start");
	if (init_server(p, listener))
		return complain("listen");
	if (push_open(&p->executor.push, &p->executor, options))
		return 1;
	(void)fprintf(stderr, "sandbox-executor " EXECUTOR_VERSION ": ready, %s\n",
	    p->executor.settings.separate ? "the code has a uid of its own" : "the code has the executor's uid");
	(void)event_base_dispatch(p->executor.base);
	fini(p);
	return 0;
}

int main(int argc, char **argv)
{
	static struct process process;
	struct options options;
	int listener;

	if (options_parse(&options, argc, argv))
		return 2;
	/* Fixed, so that what a large request took goes back to the kernel, however often there was one. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
	if (hold_standard_fds())
		return complain("/dev/null");
	listener = listen_open(&options);
	if (listener < 0)
		return complain("listen");
	(void)signal(SIGPIPE, SIG_IGN);
	if (init_settings(&process.executor.settings, &options))
		return 1;
	return serve(&process, &options, listener);
}
