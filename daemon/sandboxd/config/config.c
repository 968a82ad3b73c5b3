/* From flags, environment and file to one configuration. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../textfile.h"
#include "err.h"
#include "table.h"

#define DEFAULT_FILE "/etc/sandboxcp/sandboxd.conf"
#define ROWS_MAX 64

/* Later ones win over earlier ones. */
enum source { FROM_NOWHERE, FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

struct loader {
	struct config *c;
	const char *file;
	enum source of[ROWS_MAX];
};

/* A list's values from one source stand together; those of a lesser one go. */
static scp_status set(struct loader *l, const struct option_row *row, enum source source, const char *text,
    const char *from, scp_error *err)
{
	size_t i = (size_t)(row - option_rows);

	if (source > l->of[i])
		option_clear(l->c, row);
	l->of[i] = source;
	return option_set(l->c, row, text, from, err);
}

static scp_status set_defaults(struct loader *l, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; i < option_count && !rc; i++)
		if (option_rows[i].fallback)
			rc = set(l, &option_rows[i], FROM_DEFAULT, option_rows[i].fallback, option_rows[i].name, err);
	return rc;
}

/* ---- the file ---- */

static scp_status file_line(void *user, char *line, unsigned number, scp_error *err)
{
	struct loader *l = user;
	size_t len = strcspn(line, " \t=");
	char *value = line + len + strspn(line + len, " \t");
	const struct option_row *row = option_find(line, len);
	char from[512];

	if (*value != '=')
		return scp__fail(err, SCP_EINVAL, "%s, line %u: '%.60s' is not 'name = value'", l->file, number, line);
	if (!row || row->flag_only)
		return scp__fail(err, SCP_EINVAL,
		    "%s, line %u: there is no option '%.*s' for a file; see --print-config", l->file, number,
		    (int)(len > 60 ? 60 : len), line);
	value += 1 + strspn(value + 1, " \t");
	(void)snprintf(from, sizeof(from), "%s, line %u: %s", l->file, number, row->name);
	return set(l, row, FROM_FILE, value, from, err);
}

static scp_status read_file(struct loader *l, const char *given, scp_error *err)
{
	l->file = given ? given : DEFAULT_FILE;
	if (!given && access(DEFAULT_FILE, R_OK) != 0)
		return SCP_OK;
	if (!given && set(l, &option_rows[0], FROM_DEFAULT, DEFAULT_FILE, "config", err))
		return SCP_ENOMEM;
	return textfile_each(l->file, "--config", file_line, l, err);
}

/* ---- the environment ---- */

static scp_status set_list(struct loader *l, const struct option_row *row, const char *text, scp_error *err)
{
	char *copy = strdup(text), *rest = copy, *one;
	scp_status rc = copy ? SCP_OK : scp__nomem(err);

	while (!rc && (one = strsep(&rest, ",")))
		rc = set(l, row, FROM_ENVIRONMENT, one, row->environment, err);
	free(copy);
	return rc;
}

static scp_status read_environment(struct loader *l, config_getenv_fn *get, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (size_t i = 0; i < option_count && !rc; i++) {
		const struct option_row *row = &option_rows[i];
		const char *text = row->environment ? get(row->environment) : NULL;

		if (!text || !*text)
			continue;
		rc = row->kind == OPTION_LIST ? set_list(l, row, text, err)
					      : set(l, row, FROM_ENVIRONMENT, text, row->environment, err);
	}
	return rc;
}

/* Secrets have no flag: a command line is everybody's to read. */
static scp_status read_secrets(struct config *c, config_getenv_fn *get, scp_error *err)
{
	const struct {
		const char *name;
		char **to;
	} secrets[] = { { "SANDBOXD_API_TOKEN", &c->api_token }, { "INTERNAL_API_TOKEN", &c->internal_token },
		{ "SANDBOXD_DATABASE_PASSWORD", &c->database_password } };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
		const char *text = get(secrets[i].name);

		*secrets[i].to = text && *text ? strdup(text) : NULL;
		if (text && *text && !*secrets[i].to)
			return scp__nomem(err);
	}
	return SCP_OK;
}

static scp_status first_line(void *user, char *line, unsigned number, scp_error *err)
{
	char **secret = user;

	(void)number;
	if (!*secret)
		*secret = strdup(line);
	return *secret ? SCP_OK : scp__nomem(err);
}

/* A file's first line, where the environment didn't say it. */
static scp_status read_secret(char **secret, const char *file, const char *option, const char *what, scp_error *err)
{
	scp_status rc;

	if (*secret || !file)
		return SCP_OK;
	rc = textfile_each(file, option, first_line, secret, err);
	if (!rc && !*secret)
		rc = scp__fail(err, SCP_EINVAL, "%s: %s holds no %s", option, file, what);
	return rc;
}

static scp_status read_secret_files(struct config *c, scp_error *err)
{
	scp_status rc = read_secret(&c->internal_token, c->internal_token_file, "--internal-token-file", "token", err);

	return rc ? rc
		  : read_secret(
			&c->database_password, c->database_password_file, "--database-password-file", "password", err);
}

/* ---- flags ---- */

/* "--name=value" or "--name value"; *i moves over what was used. */
static scp_status read_flag(
    int argc, char *const argv[], int *i, const struct option_row **row, const char **value, scp_error *err)
{
	const char *flag = argv[*i];
	size_t len = strcspn(flag, "=");

	*row = strncmp(flag, "--", 2) == 0 ? option_find(flag + 2, len - 2) : NULL;
	if (strcmp(flag, "-h") == 0)
		*row = option_find("help", 4);
	if (!*row)
		return scp__fail(err, SCP_EINVAL, "'%.100s' is no option; see --help", flag);
	*value = flag[len] ? flag + len + 1 : NULL;
	if (!(*row)->value && *value)
		return scp__fail(err, SCP_EINVAL, "--%s: takes no value", (*row)->name);
	if ((*row)->value && !*value && *i + 1 < argc)
		*value = argv[++*i];
	if ((*row)->value && !*value)
		return scp__fail(err, SCP_EINVAL, "--%s: %s is missing", (*row)->name, (*row)->value);
	return SCP_OK;
}

typedef scp_status flag_fn(struct loader *l, const struct option_row *row, const char *value, scp_error *err);

static scp_status each_flag(struct loader *l, int argc, char *const argv[], flag_fn *fn, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (int i = 1; i < argc && !rc; i++) {
		const struct option_row *row;
		const char *value = NULL;

		rc = read_flag(argc, argv, &i, &row, &value, err);
		if (!rc)
			rc = fn(l, row, value, err);
	}
	return rc;
}

/* First of all: where is the file? And what makes the file not matter? */
static scp_status look_ahead(struct loader *l, const struct option_row *row, const char *value, scp_error *err)
{
	if (row->kind == OPTION_SWITCH || row->offset == offsetof(struct config, file))
		return set(l, row, FROM_FLAG, value, "--config", err);
	return SCP_OK;
}

static scp_status take_flag(struct loader *l, const struct option_row *row, const char *value, scp_error *err)
{
	char from[64];

	(void)snprintf(from, sizeof(from), "--%s", row->name);
	return set(l, row, FROM_FLAG, value, from, err);
}

scp_status config_load(struct config *c, int argc, char *const argv[], config_getenv_fn *get, scp_error *err)
{
	struct loader l = { .c = c };
	const char *file;
	scp_status rc;

	memset(c, 0, sizeof(*c));
	c->ready_fd_plus_1 = UINT64_MAX;
	rc = each_flag(&l, argc, argv, look_ahead, err);
	file = c->file ? c->file : get("SANDBOXD_CONFIG");
	if (!rc)
		rc = set_defaults(&l, err);
	if (!rc && !c->help && !c->version)
		rc = read_file(&l, file && *file ? file : NULL, err);
	if (!rc)
		rc = read_environment(&l, get, err);
	if (!rc)
		rc = each_flag(&l, argc, argv, take_flag, err);
	c->listen_is_default = l.of[option_find("listen", 6) - option_rows] == FROM_DEFAULT;
	if (!rc)
		rc = read_secrets(c, get, err);
	if (!rc)
		rc = read_secret_files(c, err);
	c->ready_fd_plus_1++;
	if (rc)
		config_free(c);
	return rc;
}

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < option_count; i++)
		option_clear(c, &option_rows[i]);
	wipe(c->api_token);
	wipe(c->internal_token);
	wipe(c->database_password);
	memset(c, 0, sizeof(*c));
}

scp_log_level config_log_level(const struct config *c)
{
	static const char *const names[] = { [SCP_LOG_DEBUG] = "debug",
		[SCP_LOG_INFO] = "info",
		[SCP_LOG_WARN] = "warn",
		[SCP_LOG_ERROR] = "error",
		[SCP_LOG_OFF] = "off" };

	for (int i = SCP_LOG_DEBUG; i <= SCP_LOG_OFF; i++)
		if (strcmp(c->log_level, names[i]) == 0)
			return (scp_log_level)i;
	return SCP_LOG_INFO;
}

static void join(const struct strings *s, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < s->count; i++)
		(void)snprintf(out + strlen(out), size - strlen(out), "%s%s", i ? "," : "", s->list[i]);
}

void config_plane_options(const struct config *c, scp_plane_options *o, char seed_images[2048])
{
	*o = (scp_plane_options)SCP_PLANE_OPTIONS_INIT;
	join(&c->seed_image, seed_images, 2048);
	o->state_dir = c->state_dir;
	o->database_url = c->database;
	o->database_password = c->database_password;
	o->storage_url = c->storage;
	o->storage_credentials_file = c->storage_credentials_file;
	o->runtime_urls = (const char *const *)c->runtime.list;
	o->runtime_url_count = c->runtime.count;
	o->executor_path = c->executor;
	o->log_level = config_log_level(c);
	o->internal_token = c->internal_token;
	o->advertise_url = c->advertise;
	o->node_lost_after_s = (uint32_t)c->node_lost_after_s;
	o->allow_unenforced = c->allow_unenforced;
	o->session_idle_s = (uint32_t)c->session_idle_s;
	o->session_max_age_s = (uint32_t)c->session_max_age_s;
	o->heartbeat_timeout_s = (uint32_t)c->heartbeat_timeout_s;
	o->retention_s = (uint32_t)c->retention_s;
	o->history_s = c->history_s ? (uint32_t)c->history_s : UINT32_MAX;
	o->max_sessions = (uint32_t)c->max_sessions;
	o->max_executions = (uint32_t)c->max_executions;
	o->max_running_per_session = (uint32_t)c->max_running;
	o->max_pending_per_session = (uint32_t)c->max_pending;
	o->max_upload_bytes = c->max_upload_bytes;
	o->retry_base_ms = (uint32_t)c->retry_base_ms;
	o->disk_stock = c->disk_stock ? (uint32_t)c->disk_stock : UINT32_MAX;
	o->sync_interval_s = c->sync_interval_s ? (uint32_t)c->sync_interval_s : UINT32_MAX;
	o->seed_images = c->seed_image.count ? seed_images : NULL;
	o->schema = strcmp(c->schema, "require") == 0 ? SCP_SCHEMA_REQUIRE : SCP_SCHEMA_MIGRATE;
}
