/* The daemon's life: sockets, plane and workers come up, the loop runs, signals are obeyed, everything goes down. */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "activation.h"
#include "app.h"
#include "cors.h"
#include "daemon_log.h"
#include "health_cache.h"
#include "http_figures.h"
#include "id.h"
#include "listen.h"
#include "notify.h"
#include "openapi/document.h"
#include "tokens.h"

#define PULSE_S 15

struct daemon {
	struct app app;
	const struct config *config;
	struct daemon_log *log;
	struct listeners listeners;
	struct listeners internal; /* for executors */
	unsigned draining;	   /* servers that have requests still */
	struct event *signals[3];
	struct event *deadline; /* of the drain */
	struct notifier notifier;
	struct event *watchdog; /* NULL: nobody waits for it */
};

static void say(struct daemon *d, scp_log_level level, const char *message, const char *detail)
{
	scp__log_write(
	    &d->app.log, level, "sandboxd", NULL, NULL, "%s%s%s", message, detail ? ": " : "", detail ? detail : "");
}

/* ---- signals ---- */

static void end_loop(struct daemon *d)
{
	(void)event_base_loopbreak(d->app.base);
}

static void on_drained(void *user)
{
	struct daemon *d = user;

	if (!--d->draining)
		end_loop(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	say(arg, SCP_LOG_WARN, "the time of grace is over: what still runs is cut", NULL);
	end_loop(arg);
}

/* First gently; asked a second time, at once. */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct timeval grace = { .tv_sec = (time_t)d->config->grace_s };

	(void)fd;
	(void)what;
	if (atomic_exchange(&d->app.draining, true)) {
		end_loop(d);
		return;
	}
	say(d, SCP_LOG_INFO, "draining", NULL);
	notify_send(&d->notifier, "STOPPING=1");
	(void)event_add(d->deadline, &grace);
	exchange_stop_all(&d->app);
	d->draining = 1 + (d->app.internal_server != NULL);
	http_server_drain(d->app.server, on_drained, d);
	if (d->app.internal_server)
		http_server_drain(d->app.internal_server, on_drained, d);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	scp_error err = { 0 };

	(void)fd;
	(void)what;
	if (daemon_log_reopen(d->log, &err))
		say(d, SCP_LOG_ERROR, "the log stays where it was", err.message);
	if (auth_reload(&d->app.auth, &err))
		say(d, SCP_LOG_ERROR, "the old tokens stay", err.message);
	else
		say(d, SCP_LOG_INFO, "tokens were read and the log was reopened", NULL);
	if (d->app.auth.warning)
		say(d, SCP_LOG_WARN, d->app.auth.warning, NULL);
}

/* It says that this loop turns, and with it every socket. A backend that hangs is no reason to end the daemon. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_send(&((struct daemon *)arg)->notifier, "WATCHDOG=1");
}

static void on_pulse(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;
	struct exchange *x;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(x, &app->open, next)
	if (x->stage == STREAMING && x->stream && x->stream->pulse)
		x->stream->pulse(x);
}

/* ---- up ---- */

static scp_status open_sockets(struct daemon *d, scp_error *err)
{
	const struct strings *s = &d->config->listen;
	scp_status rc = activation_take(&d->listeners, err);
	bool handed = d->listeners.count > 0;

	/* who hands us sockets has said where to listen: the default isn't meant beside them */
	for (size_t i = 0; i < s->count && !rc && !(handed && d->config->listen_is_default); i++)
		rc = listen_open(&d->listeners, s->list[i], err);
	for (size_t i = 0; i < d->listeners.count && !rc; i++) {
		if (d->listeners.list[i].local || !auth_is_open(&d->app.auth))
			continue;
		rc = scp__fail(err, SCP_EINVAL,
		    "--listen: %s is not loopback: without an API token everybody there could run code",
		    d->listeners.list[i].name);
		scp__hint(err,
		    "Give --api-token-file or SANDBOXD_API_TOKEN (or --trust-upstream-auth behind a gateway), "
		    "or listen on 127.0.0.1 or a unix socket");
	}
	return rc;
}

/* Whoever reaches such a socket needs a token for whatever it asks: executors of all uids may connect. */
static scp_status open_internal_socket(struct daemon *d, const char *address, scp_error *err)
{
	const struct strings *public = &d->config->listen;
	const struct listen_socket *s;
	scp_status rc;

	for (size_t i = 0; i < public->count; i++)
		if (strcmp(public->list[i], address) == 0) {
			d->app.internal_too = true;
			return SCP_OK;
		}
	rc = listen_open(&d->internal, address, err);
	if (rc)
		return scp__prefix(err, "--internal-listen");
	s = &d->internal.list[d->internal.count - 1];
	if (s->path[0] && chmod(s->path, 0666))
		return scp__fail_errno(err, errno, "--internal-listen: %s", s->path);
	return SCP_OK;
}

static scp_status open_internal_sockets(struct daemon *d, scp_error *err)
{
	const struct strings *s = &d->config->internal_listen;
	scp_status rc = SCP_OK;

	for (size_t i = 0; i < s->count && !rc; i++)
		rc = open_internal_socket(d, s->list[i], err);
	return rc;
}

static scp_status open_plane(struct daemon *d, scp_error *err)
{
	scp_plane_options options;
	char seed_images[2048];

	config_plane_options(d->config, &options, seed_images);
	options.log = daemon_log_write;
	options.log_user = d->log;
	return scp_plane_open(&d->app.plane, &options, err);
}

static bool add_signal(struct daemon *d, int i, int number, event_callback_fn fn)
{
	d->signals[i] = evsignal_new(d->app.base, number, fn, d);
	return d->signals[i] && event_add(d->signals[i], NULL) == 0;
}

static struct event_base *base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	/* One thread has the loop; who else wants something of it writes an eventfd. No list of changes: with one, a
	 * closed descriptor is taken out of the epoll later, when its number may be another thread's already. */
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* Twice within its time: one may be late. */
static bool add_watchdog(struct daemon *d)
{
	uint64_t half = d->notifier.watchdog_us / 2;
	struct timeval every = { .tv_sec = (time_t)(half / 1000000), .tv_usec = (suseconds_t)(half % 1000000) };

	if (!half)
		return true;
	d->watchdog = event_new(d->app.base, -1, EV_PERSIST, on_watchdog, d);
	return d->watchdog && event_add(d->watchdog, &every) == 0;
}

static scp_status open_loop(struct daemon *d, scp_error *err)
{
	http_server_options options = { .max_connections = (unsigned)d->config->max_connections };
	struct timeval pulse = { .tv_sec = PULSE_S };
	struct app *a = &d->app;

	TAILQ_INIT(&a->open);
	a->base = base_new();
	if (!a->base)
		return scp__nomem(err);
	a->box = postbox_new(a->base);
	a->server = http_server_new(a->base, &options, &exchange_handler, a);
	if (d->internal.count)
		a->internal_server = http_server_new(a->base, &options, &exchange_internal_handler, a);
	a->pulse = event_new(a->base, -1, EV_PERSIST, on_pulse, a);
	d->deadline = evtimer_new(a->base, on_deadline, d);
	if (!a->box || !a->server || (d->internal.count && !a->internal_server) || !a->pulse || !d->deadline ||
	    event_add(a->pulse, &pulse) || !add_signal(d, 0, SIGTERM, on_end) || !add_signal(d, 1, SIGINT, on_end) ||
	    !add_signal(d, 2, SIGHUP, on_reload) || !add_watchdog(d))
		return scp__fail(err, SCP_EINTERNAL, "the event loop can't be set up");
	return scp__pool_new(&a->workers, "sandboxd-work", (unsigned)d->config->workers, 4096, err);
}

static scp_status listen_with(
    struct daemon *d, http_server *server, struct listeners *l, const char *what, scp_error *err)
{
	for (size_t i = 0; i < l->count; i++) {
		if (http_server_listen(server, l->list[i].fd))
			return scp__nomem(err);
		l->list[i].fd = -1;
		say(d, SCP_LOG_INFO, what, l->list[i].name);
	}
	return SCP_OK;
}

static scp_status start_listening(struct daemon *d, scp_error *err)
{
	scp_status rc = listen_with(d, d->app.server, &d->listeners, "listening", err);

	if (!rc)
		rc = listen_with(d, d->app.internal_server, &d->internal, "listening for executors", err);
	if (rc)
		return rc;
	if (d->config->ready_fd_plus_1)
		notify_ready_fd((int)d->config->ready_fd_plus_1 - 1, &d->listeners);
	notify_send(&d->notifier, "READY=1");
	return SCP_OK;
}

static void raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static scp_status start(struct daemon *d, scp_error *err)
{
	const struct config *c = d->config;
	scp_status rc = daemon_log_open(&d->log, c->log_file, c->log_format, err);

	if (rc)
		return rc;
	d->app.log = (scp__log){ daemon_log_write, d->log, config_log_level(c) };
	d->app.max_upload_bytes = c->max_upload_bytes;
	d->app.max_requests = c->max_requests;
	d->app.max_body_memory = c->max_body_memory;
	d->app.cors_origins = (const char *const *)c->cors_origin.list;
	rc = cors_check_origins(d->app.cors_origins, err);
	if (!rc)
		rc = scp__id_random(d->app.instance, sizeof(d->app.instance) - 1, err);
	if (!rc)
		rc = auth_open(&d->app.auth, c, err);
	if (!rc)
		rc = document_new(&d->app.document, tokens_count(d->app.auth.tokens) > 0, err);
	if (!rc)
		rc = open_sockets(d, err);
	if (!rc)
		rc = open_internal_sockets(d, err);
	if (!rc)
		rc = http_figures_new(&d->app.figures, err);
	if (!rc)
		rc = health_cache_new(&d->app.health, d->app.auth.mode, err);
	if (!rc)
		rc = open_plane(d, err);
	if (!rc)
		rc = open_loop(d, err);
	if (!rc && d->app.auth.warning)
		say(d, SCP_LOG_WARN, d->app.auth.warning, NULL);
	return rc ? rc : start_listening(d, err);
}

/* ---- down ---- */

static void stop(struct daemon *d)
{
	struct app *a = &d->app;

	/* clients first: each gives back what it waits for; then the workers, whose results find nobody */
	http_server_free(a->server);
	http_server_free(a->internal_server);
	scp__pool_free(a->workers);
	if (a->box)
		postbox_run_all(a->box);
	for (int i = 0; i < 3; i++)
		if (d->signals[i])
			event_free(d->signals[i]);
	if (d->deadline)
		event_free(d->deadline);
	if (d->watchdog)
		event_free(d->watchdog);
	if (a->pulse)
		event_free(a->pulse);
	postbox_free(a->box);
	if (a->base) {
		/* libevent frees a bufferevent in the loop, and not always in event_base_free() */
		(void)event_base_loop(a->base, EVLOOP_NONBLOCK);
		event_base_free(a->base);
	}
	scp_plane_close(a->plane);
	health_cache_free(a->health);
	http_figures_free(a->figures);
	listen_close(&d->listeners);
	listen_close(&d->internal);
	auth_close(&a->auth);
	document_free(a->document);
	daemon_log_free(d->log);
}

scp_status serve(const struct config *c, scp_error *err)
{
	struct daemon d = { .config = c };
	scp_status rc;

	(void)signal(SIGPIPE, SIG_IGN);
	raise_limits();
	notify_open(&d.notifier);
	rc = start(&d, err);
	if (!rc)
		(void)event_base_dispatch(d.app.base);
	if (!rc)
		say(&d, SCP_LOG_INFO, "ended", NULL);
	stop(&d);
	return rc;
}
