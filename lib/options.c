/* A plane's options: read from whatever release's struct, checked, completed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sandboxcp/limits.h>

#include "err.h"
#include "house.h"

enum { PATH_SIZE = 512, LONGEST_STATE_DIR = 400 };

scp_status scp__options_read(scp_plane_options *out, const scp_plane_options *options, scp_error *err)
{
	size_t size;

	memset(out, 0, sizeof(*out));
	out->struct_size = sizeof(*out);
	if (!options)
		return SCP_OK;
	size = options->struct_size;
	if (size < 2 * sizeof(void *))
		return scp__fail(err, SCP_EINVAL, "options must be set up with SCP_PLANE_OPTIONS_INIT");
	memcpy(out, options, size < sizeof(*out) ? size : sizeof(*out));
	out->struct_size = sizeof(*out);
	if (out->runtime_count && !out->runtimes)
		return scp__fail(err, SCP_EINVAL, "runtimes must not be NULL where runtime_count isn't 0");
	if (out->runtime_url_count && !out->runtime_urls)
		return scp__fail(err, SCP_EINVAL, "runtime_urls must not be NULL where runtime_url_count isn't 0");
	return SCP_OK;
}

/* ---- limits ---- */

static scp_status take(
    uint32_t *to, const char *name, uint32_t value, uint32_t fallback, uint32_t min, uint32_t max, scp_error *err)
{
	*to = value ? value : fallback;
	if (*to >= min && *to <= max)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "%s is %u; allowed is %u to %u", name, *to, min, max);
}

static scp_status choose_upload(scp__limits *l, uint64_t value, scp_error *err)
{
	l->max_upload_bytes = value ? value : SCP_MAX_UPLOAD_BYTES_DEFAULT;
	if (l->max_upload_bytes <= SCP_MAX_UPLOAD_BYTES_MAX)
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "max_upload_bytes is %llu; allowed is %d to %llu", (unsigned long long)value,
	    SCP_MAX_UPLOAD_BYTES_MIN, (unsigned long long)SCP_MAX_UPLOAD_BYTES_MAX);
}

#define ROW(to, name, RANGE)                                                                                           \
	{                                                                                                              \
		to, #name, o->name, SCP_##RANGE##_DEFAULT, SCP_##RANGE##_MIN, SCP_##RANGE##_MAX                        \
	}

static scp_status choose_limits(scp__limits *l, const scp_plane_options *o, scp_error *err)
{
	uint32_t stock; /* only checked here */
	const struct {
		uint32_t *to;
		const char *name;
		uint32_t value, fallback, min, max;
	} rows[] = {
		ROW(&l->session_idle_s, session_idle_s, SESSION_IDLE_S),
		ROW(&l->session_max_age_s, session_max_age_s, SESSION_MAX_AGE_S),
		ROW(&l->heartbeat_timeout_s, heartbeat_timeout_s, HEARTBEAT_TIMEOUT_S),
		ROW(&l->retention_s, retention_s, RETENTION_S),
		ROW(&l->max_sessions, max_sessions, MAX_SESSIONS),
		ROW(&l->max_executions, max_executions, MAX_EXECUTIONS),
		ROW(&l->max_running_per_session, max_running_per_session, MAX_RUNNING_PER_SESSION),
		ROW(&l->max_pending_per_session, max_pending_per_session, MAX_PENDING_PER_SESSION),
		ROW(&l->retry_base_ms, retry_base_ms, RETRY_BASE_MS),
		ROW(&stock, disk_stock, DISK_STOCK),
		ROW(&l->history_s, history_s, HISTORY_S),
		ROW(&l->sync_interval_s, sync_interval_s, SYNC_INTERVAL_S),
		ROW(&l->node_lost_after_s, node_lost_after_s, NODE_LOST_AFTER_S),
	};
	scp_status rc = SCP_OK;

	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value != UINT32_MAX ||
		    (rows[i].to != &stock && rows[i].to != &l->history_s && rows[i].to != &l->sync_interval_s))
			rc = take(
			    rows[i].to, rows[i].name, rows[i].value, rows[i].fallback, rows[i].min, rows[i].max, err);
		else
			*rows[i].to = 0; /* no stock; no end; never */
	return rc ? rc : choose_upload(l, o->max_upload_bytes, err);
}

bool scp__list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (!strncmp(p, name, len) && (!p[len] || p[len] == ','))
			return true;
	return false;
}

static scp_status check_unenforced(const char *list, scp_error *err)
{
	static const char *const names[] = { "disk", "memory", "cpu", "processes", "network" };

	for (const char *p = list; p && *p; p = strchr(p, ','), p = p ? p + 1 : NULL) {
		bool known = false;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			known |= strlen(names[i]) == strcspn(p, ",") && !strncmp(p, names[i], strlen(names[i]));
		if (!known)
			return scp__fail(err, SCP_EINVAL,
			    "allow_unenforced: '%.*s' is none of disk, memory, cpu, processes, network",
			    (int)strcspn(p, ","), p);
	}
	return SCP_OK;
}

/* ---- places ---- */

static char *default_state_dir(void)
{
	const char *base = secure_getenv("XDG_STATE_HOME"), *home = secure_getenv("HOME");
	char *out = NULL;
	int n;

	if (!geteuid())
		return strdup("/var/lib/sandboxcp");
	if (base && base[0] == '/')
		n = asprintf(&out, "%s/sandboxcp", base);
	else
		n = asprintf(&out, "%s/.local/state/sandboxcp", home && home[0] == '/' ? home : "/tmp");
	return n < 0 ? NULL : out;
}

static char *absolute(const char *path)
{
	char cwd[PATH_SIZE];
	char *out = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (!getcwd(cwd, sizeof(cwd)) || asprintf(&out, "%s/%s", cwd, path) < 0)
		return NULL;
	return out;
}

static char *under(const char *scheme, const char *dir, const char *name)
{
	char *out = NULL;

	return asprintf(&out, "%s:%s/%s", scheme, dir, name) < 0 ? NULL : out;
}

static scp_status choose_places(struct scp__choice *c, const scp_plane_options *o, scp_error *err)
{
	c->state_dir = o->state_dir && o->state_dir[0] ? absolute(o->state_dir) : default_state_dir();
	if (!c->state_dir)
		return scp__nomem(err);
	if (strlen(c->state_dir) > LONGEST_STATE_DIR)
		return scp__fail(err, SCP_EINVAL, "state_dir must be at most %d bytes", LONGEST_STATE_DIR);
	c->database_url = o->database_url ? strdup(o->database_url) : under("sqlite", c->state_dir, "state.db");
	c->storage_url = o->storage_url ? strdup(o->storage_url) : under("file", c->state_dir, "storage");
	return c->database_url && c->storage_url ? SCP_OK : scp__nomem(err);
}

/* "http://HOST:PORT", as others write it into their requests: no path, no user, nothing that a line could end with. */
static scp_status check_advertise(const char *url, scp_error *err)
{
	static const char scheme[] = "http://";
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
	const char *host = url ? url + strlen(scheme) : NULL, *port;

	if (!url)
		return SCP_OK;
	port = strncmp(url, scheme, strlen(scheme)) ? NULL : strrchr(host, ':');
	if (port && port > host && port[1] && strlen(host) <= 255 && strspn(host, allowed) == strlen(host) &&
	    strspn(port + 1, "0123456789") == strlen(port + 1))
		return SCP_OK;
	scp__fail(err, SCP_EINVAL, "advertise_url: '%.100s' is not http://HOST:PORT", url);
	scp__hint(err, "Give the address at which the other processes reach this one's API (--advertise)");
	return SCP_EINVAL;
}

scp_status scp__choose(struct scp__choice *out, scp__limits *limits, const scp_plane_options *options, scp_error *err)
{
	scp_status rc = choose_limits(limits, options, err);

	if (!rc)
		rc = check_unenforced(options->allow_unenforced, err);
	if (!rc)
		rc = check_advertise(options->advertise_url, err);
	if (!rc)
		rc = choose_places(out, options, err);
	return rc;
}

void scp__choice_free(struct scp__choice *c)
{
	free(c->state_dir);
	free(c->database_url);
	free(c->storage_url);
	memset(c, 0, sizeof(*c));
}
