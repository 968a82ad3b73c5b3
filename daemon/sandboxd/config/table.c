#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sandboxcp/limits.h>

#include "err.h"

#define AT(field) offsetof(struct config, field)
#define RANGE(name) SCP_##name##_MIN, SCP_##name##_MAX
#define ENV(name) "SANDBOXD_" name

/* clang-format off */
const struct option_row option_rows[] = {
	{ "config", ENV("CONFIG"), OPTION_TEXT, AT(file), NULL, .value = "FILE", .flag_only = true,
	  .help = "read options from FILE, `name = value` a line; default /etc/sandboxcp/sandboxd.conf if there" },
	{ "listen", ENV("LISTEN"), OPTION_LIST, AT(listen), "127.0.0.1:8000", .value = "ADDRESS",
	  .help = "HOST:PORT, [IPV6]:PORT or unix:/PATH; port 0 takes a free one; may be repeated" },
	{ "state-dir", ENV("STATE_DIR"), OPTION_TEXT, AT(state_dir), NULL, .value = "DIR",
	  .help = "where everything is kept; default /var/lib/sandboxcp, or $XDG_STATE_HOME/sandboxcp if not root" },
	{ "database", ENV("DATABASE"), OPTION_TEXT, AT(database), NULL, .value = "URL",
	  .help = "default sqlite:STATE_DIR/state.db; `?sync=full` survives power cuts too. Or mariadb://USER@HOST:3306/NAME" },
	{ "database-password-file", ENV("DATABASE_PASSWORD_FILE"), OPTION_TEXT, AT(database_password_file), NULL, .value = "FILE",
	  .help = "the password of the database's user; SANDBOXD_DATABASE_PASSWORD holds it itself" },
	{ "schema", ENV("SCHEMA"), OPTION_CHOICE, AT(schema), "migrate", .choices = "migrate require", .value = "WHAT",
	  .help = "what to do about a database of an older release: bring its schema up, or refuse to start; see --migrate" },
	{ "storage", ENV("STORAGE"), OPTION_TEXT, AT(storage), NULL, .value = "URL",
	  .help = "default file:STATE_DIR/storage; or s3://BUCKET?endpoint=URL&region=NAME&..., see sandboxcp-backends(7)" },
	{ "storage-credentials-file", ENV("STORAGE_CREDENTIALS_FILE"), OPTION_TEXT, AT(storage_credentials_file), NULL, .value = "FILE",
	  .help = "keys of an s3 storage: AWS_ACCESS_KEY_ID=..., AWS_SECRET_ACCESS_KEY=..., AWS_SESSION_TOKEN=..., a line "
		  "each; read again when it changes. Without it the environment's" },
	{ "runtime", ENV("RUNTIME"), OPTION_LIST, AT(runtime), NULL, .value = "URL",
	  .help = "default oci: (the runtime that works best here); oci:runc, oci:crun, docker:unix:///var/run/docker.sock, ...; may be "
		  "repeated" },
	{ "executor", ENV("EXECUTOR"), OPTION_TEXT, AT(executor), NULL, .value = "FILE",
	  .help = "the sandbox-executor to put into sandboxes; default the one installed or built with this daemon" },
	{ "seed-image", ENV("SEED_IMAGE"), OPTION_LIST, AT(seed_image), NULL, .value = "NAME=REF",
	  .help = "another image for a seeded template; may be repeated" },
	{ "allow-unenforced", ENV("ALLOW_UNENFORCED"), OPTION_TEXT, AT(allow_unenforced), NULL, .value = "LIST",
	  .help = "limits that may go unenforced where this machine can't: disk, memory, cpu, processes, network; by comma" },

	{ "api-token-file", ENV("API_TOKEN_FILE"), OPTION_TEXT, AT(api_token_file), NULL, .value = "FILE",
	  .help = "bearer tokens, `name:token` a line; read again on SIGHUP. The environment's SANDBOXD_API_TOKEN holds a "
		  "token itself. Without either and without --trust-upstream-auth only loopback and unix sockets may listen" },
	{ "trust-upstream-auth", ENV("TRUST_UPSTREAM_AUTH"), OPTION_YES, AT(trust_upstream_auth), NULL,
	  .help = "believe the gateway before us who its caller is: a request without that header is refused. Only where "
		  "nobody but the gateway reaches us; with tokens too, the gateway must also send one" },
	{ "upstream-auth-header", ENV("UPSTREAM_AUTH_HEADER"), OPTION_TEXT, AT(upstream_auth_header), "X-Forwarded-User", .value = "NAME",
	  .help = "the header in which it names the caller" },
	{ "internal-token-file", ENV("INTERNAL_TOKEN_FILE"), OPTION_TEXT, AT(internal_token_file), NULL, .value = "FILE",
	  .help = "the secret that the internal tokens of sandboxes derive from; INTERNAL_API_TOKEN holds it itself" },
	{ "internal-listen", ENV("INTERNAL_LISTEN"), OPTION_LIST, AT(internal_listen), NULL, .value = "ADDRESS",
	  .help = "serve the routes under /internal, on which executors in push mode report, there and nowhere else; as "
		  "--listen, and one that --listen has too serves both; may be repeated; off without it" },
	{ "advertise", ENV("ADVERTISE"), OPTION_TEXT, AT(advertise), NULL, .value = "URL",
	  .help = "http://HOST:PORT at which other sandboxds on this database reach this one: they pass on to it what is for "
		  "its nodes, files, streams and logs; without it they answer 503" },
	{ "cors-origin", ENV("CORS_ORIGIN"), OPTION_LIST, AT(cors_origin), NULL, .value = "ORIGIN",
	  .help = "let web pages of this origin, like https://app.example.org, use the API; * lets all; may be repeated; "
		  "none without it" },

	{ "session-idle", ENV("SESSION_IDLE"), OPTION_SECONDS, AT(session_idle_s), "30m", RANGE(SESSION_IDLE_S), .value = "TIME",
	  .help = "a persistent session without activity ends" },
	{ "session-max-age", ENV("SESSION_MAX_AGE"), OPTION_SECONDS, AT(session_max_age_s), "6h", RANGE(SESSION_MAX_AGE_S), .value = "TIME",
	  .help = "a session ends however active it is" },
	{ "heartbeat-timeout", ENV("HEARTBEAT_TIMEOUT"), OPTION_SECONDS, AT(heartbeat_timeout_s), "15s", RANGE(HEARTBEAT_TIMEOUT_S), .value = "TIME",
	  .help = "silence of a sandbox after which its runtime is asked" },
	{ "node-lost-after", ENV("NODE_LOST_AFTER"), OPTION_SECONDS, AT(node_lost_after_s), "60s", RANGE(NODE_LOST_AFTER_S), .value = "TIME",
	  .help = "silence of this process after which others take its nodes for lost: sessions there fail, or go on elsewhere" },
	{ "retention", ENV("RETENTION"), OPTION_SECONDS, AT(retention_s), "24h", RANGE(RETENTION_S), .value = "TIME",
	  .help = "how long an ended session's files are kept" },
	{ "history", ENV("HISTORY"), OPTION_SECONDS, AT(history_s), "30d", 0, SCP_HISTORY_S_MAX, .value = "TIME",
	  .help = "how long sessions and executions that are over stay known, with their output, 1d or more; never shorter "
		  "than a session's files are kept; 0: for ever" },
	{ "max-sessions", ENV("MAX_SESSIONS"), OPTION_NUMBER, AT(max_sessions), "1000", RANGE(MAX_SESSIONS), .value = "N",
	  .help = "sessions that aren't over, at a time" },
	{ "max-executions", ENV("MAX_EXECUTIONS"), OPTION_NUMBER, AT(max_executions), "10000", RANGE(MAX_EXECUTIONS), .value = "N",
	  .help = "executions pending or running, at a time" },
	{ "max-running-per-session", ENV("MAX_RUNNING_PER_SESSION"), OPTION_NUMBER, AT(max_running), "8", RANGE(MAX_RUNNING_PER_SESSION), .value = "N",
	  .help = "executions of one session that run at a time" },
	{ "max-pending-per-session", ENV("MAX_PENDING_PER_SESSION"), OPTION_NUMBER, AT(max_pending), "64", RANGE(MAX_PENDING_PER_SESSION), .value = "N",
	  .help = "executions of one session that wait" },
	{ "max-upload", ENV("MAX_UPLOAD"), OPTION_BYTES, AT(max_upload_bytes), "100Mi", RANGE(MAX_UPLOAD_BYTES), .value = "SIZE",
	  .help = "the largest file that may be uploaded" },
	{ "retry-base", ENV("RETRY_BASE_MS"), OPTION_NUMBER, AT(retry_base_ms), "1000", RANGE(RETRY_BASE_MS), .value = "MS",
	  .help = "the first wait before a crashed execution is tried again; it doubles up to ten times this" },
	{ "disk-stock", ENV("DISK_STOCK"), OPTION_NUMBER, AT(disk_stock), "4", 0, SCP_DISK_STOCK_MAX, .value = "N",
	  .help = "formatted workspace disks kept ready; 0: none" },
	{ "sync-interval", ENV("SYNC_INTERVAL"), OPTION_SECONDS, AT(sync_interval_s), "60s", 0, SCP_SYNC_INTERVAL_S_MAX, .value = "TIME",
	  .help = "how often a running execution's files go to a storage that is no folder of this host; 0: only at its end" },
	{ "max-connections", ENV("MAX_CONNECTIONS"), OPTION_NUMBER, AT(max_connections), "16384", 1, 1000000, .value = "N",
	  .help = "clients at a time; further ones wait in the backlog" },
	{ "max-requests", ENV("MAX_REQUESTS"), OPTION_NUMBER, AT(max_requests), "12000", 1, 1000000, .value = "N",
	  .help = "requests under way at a time, those that wait for a result among them; further ones get 429" },
	{ "max-body-memory", ENV("MAX_BODY_MEMORY"), OPTION_BYTES, AT(max_body_memory), "256Mi", 32u << 20, 1ull << 40, .value = "SIZE",
	  .help = "what the bodies of all requests under way may take of memory, uploads apart, which pass through; "
		  "further ones get 429" },
	{ "workers", ENV("WORKERS"), OPTION_NUMBER, AT(workers), "4", 1, 64, .value = "N",
	  .help = "threads for requests that wait for the database; waiting for results takes none" },
	{ "grace", ENV("GRACE"), OPTION_SECONDS, AT(grace_s), "30s", 1, 3600, .value = "TIME",
	  .help = "how long requests that run may take to end after SIGTERM" },

	{ "log-level", ENV("LOG_LEVEL"), OPTION_CHOICE, AT(log_level), "info", .choices = "debug info warn error off", .value = "LEVEL",
	  .help = "the least of what is logged" },
	{ "log-format", ENV("LOG_FORMAT"), OPTION_CHOICE, AT(log_format), "auto", .choices = "auto json text", .value = "FORMAT",
	  .help = "auto is text on a terminal, else json" },
	{ "log-file", ENV("LOG_FILE"), OPTION_TEXT, AT(log_file), NULL, .value = "FILE",
	  .help = "default standard error; opened again on SIGHUP" },

	{ "ready-fd", NULL, OPTION_NUMBER, AT(ready_fd_plus_1), NULL, 0, 1048576, .value = "N", .flag_only = true,
	  .help = "write the addresses that are served to this descriptor, one a line, and close it" },
	{ "check", NULL, OPTION_SWITCH, AT(check), NULL, .flag_only = true,
	  .help = "try everything on this machine, print what would be used, exit: 0 if it would work" },
	{ "migrate", NULL, OPTION_SWITCH, AT(migrate), NULL, .flag_only = true,
	  .help = "make the database or bring its schema up to this release's, make an s3 storage's bucket, exit" },
	{ "print-config", NULL, OPTION_SWITCH, AT(print_config), NULL, .flag_only = true,
	  .help = "print the commented configuration file with the present values, exit" },
	{ "print-openapi", NULL, OPTION_SWITCH, AT(print_openapi), NULL, .flag_only = true,
	  .help = "print the API's OpenAPI 3.1 document, as /openapi.json serves it, exit" },
	{ "version", NULL, OPTION_SWITCH, AT(version), NULL, .flag_only = true, .help = "print the version, exit" },
	{ "help", NULL, OPTION_SWITCH, AT(help), NULL, .flag_only = true, .help = "print this, exit" },
};
/* clang-format on */

const size_t option_count = sizeof(option_rows) / sizeof(*option_rows);

const struct option_row *option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < option_count; i++)
		if (strlen(option_rows[i].name) == len && memcmp(option_rows[i].name, name, len) == 0)
			return &option_rows[i];
	return NULL;
}

static void *place(struct config *c, const struct option_row *row)
{
	return (char *)c + row->offset;
}

static scp_status set_text(struct config *c, const struct option_row *row, const char *text, scp_error *err)
{
	char **at = place(c, row), *copy = strdup(text);

	if (!copy)
		return scp__nomem(err);
	free(*at);
	*at = copy;
	return SCP_OK;
}

static scp_status add_text(struct config *c, const struct option_row *row, const char *text, scp_error *err)
{
	struct strings *s = place(c, row);
	char **list = realloc(s->list, (s->count + 2) * sizeof(*list));

	if (!list)
		return scp__nomem(err);
	s->list = list;
	list[s->count] = strdup(text);
	if (!list[s->count])
		return scp__nomem(err);
	list[++s->count] = NULL;
	return SCP_OK;
}

static bool is_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);

	for (const char *at = choices; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == len && memcmp(at, text, n) == 0)
			return true;
		at += n;
	}
	return false;
}

/* What a unit multiplies by; 0: there is no such unit. */
static uint64_t unit_of(enum option_kind kind, const char *unit)
{
	static const struct {
		enum option_kind kind;
		const char *name;
		uint64_t factor;
	} units[] = { { OPTION_SECONDS, "s", 1 }, { OPTION_SECONDS, "m", 60 }, { OPTION_SECONDS, "h", 3600 },
		{ OPTION_SECONDS, "d", 86400 }, { OPTION_BYTES, "Ki", 1 << 10 }, { OPTION_BYTES, "Mi", 1 << 20 },
		{ OPTION_BYTES, "Gi", 1 << 30 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (units[i].kind == kind && strcmp(units[i].name, unit) == 0)
			return units[i].factor;
	return !*unit;
}

static const char *allowed_units(enum option_kind kind)
{
	if (kind == OPTION_SECONDS)
		return " seconds; units s, m, h, d";
	return kind == OPTION_BYTES ? " bytes; units Ki, Mi, Gi" : "";
}

static scp_status set_number(
    struct config *c, const struct option_row *row, const char *text, const char *from, scp_error *err)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t factor = digits && digits < 16 ? unit_of(row->kind, text + digits) : 0;
	uint64_t value = factor ? strtoull(text, NULL, 10) : 0;

	if (!factor || value > row->max / factor || value * factor < row->min)
		return scp__fail(err, SCP_EINVAL, "%s: '%s' is not a whole number from %llu to %llu%s", from, text,
		    (unsigned long long)row->min, (unsigned long long)row->max, allowed_units(row->kind));
	*(uint64_t *)place(c, row) = value * factor;
	return SCP_OK;
}

static scp_status set_yes(
    struct config *c, const struct option_row *row, const char *text, const char *from, scp_error *err)
{
	bool yes = !text || is_choice("yes true on 1", text);

	if (!yes && !is_choice("no false off 0", text))
		return scp__fail(err, SCP_EINVAL, "%s: '%s' is not yes or no", from, text);
	*(bool *)place(c, row) = yes;
	return SCP_OK;
}

scp_status option_set(
    struct config *c, const struct option_row *row, const char *text, const char *from, scp_error *err)
{
	switch (row->kind) {
	case OPTION_SWITCH:
		*(bool *)place(c, row) = true;
		return SCP_OK;
	case OPTION_YES:
		return set_yes(c, row, text, from, err);
	case OPTION_TEXT:
		if (!*text)
			return scp__fail(err, SCP_EINVAL, "%s: is empty; %s is wanted", from, row->value);
		return set_text(c, row, text, err);
	case OPTION_LIST:
		if (!*text)
			return scp__fail(err, SCP_EINVAL, "%s: is empty; %s is wanted", from, row->value);
		return add_text(c, row, text, err);
	case OPTION_CHOICE:
		if (!is_choice(row->choices, text))
			return scp__fail(err, SCP_EINVAL, "%s: '%s' is not one of: %s", from, text, row->choices);
		return set_text(c, row, text, err);
	default:
		return set_number(c, row, text, from, err);
	}
}

static void clear_list(struct strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->list[i]);
	free(s->list);
	*s = (struct strings){ 0 };
}

void option_clear(struct config *c, const struct option_row *row)
{
	char **text = place(c, row);

	if (row->kind == OPTION_LIST) {
		clear_list(place(c, row));
	} else if (row->kind == OPTION_TEXT || row->kind == OPTION_CHOICE) {
		free(*text);
		*text = NULL;
	}
}
