#include "columns.h"

#include "env.h"
#include "err.h"
#include "json.h"
#include "utf8.h"

#define COLUMN_MAX (256u * 1024) /* 10 KiB of environment is at most six times that as JSON */

void scp__column_init(scp__buf *b)
{
	scp__buf_init(b, COLUMN_MAX);
}

scp_db_value scp__column_value(const scp__buf *b)
{
	return scp__sql_text_len(b->len ? b->data : NULL, b->len);
}

static scp_status written(const scp__buf *b, const char *what, scp_error *err)
{
	if (b->status == SCP_ENOMEM)
		return scp__nomem(err);
	return b->status ? scp__fail(err, b->status, "%s: more than %u bytes", what, COLUMN_MAX) : SCP_OK;
}

/* A row that can't be read back must not be written. */
static scp_status check_text(const scp_pair *pair, scp_error *err)
{
	if (scp__utf8_valid(pair->name, strlen(pair->name)) && scp__utf8_valid(pair->value, strlen(pair->value)))
		return SCP_OK;
	return scp__fail(err, SCP_EINVAL, "env_vars: '%.64s' isn't UTF-8", pair->name);
}

scp_status scp__env_write(scp__buf *b, const scp_pair *env, size_t count, scp_error *err)
{
	scp__json_writer w;
	scp_status rc = SCP_OK;

	if (!count)
		return SCP_OK;
	scp__jw_init(&w, b);
	scp__jw_object(&w, NULL);
	for (size_t i = 0; !rc && i < count; i++) {
		rc = check_text(&env[i], err);
		if (!rc)
			scp__jw_string(&w, env[i].name, env[i].value);
	}
	scp__jw_end_object(&w);
	return rc ? rc : written(b, "env_vars", err);
}

scp_status scp__error_write(scp__buf *b, const scp_error *error, scp_error *err)
{
	scp__json_writer w;
	bool lossy;

	if (!error)
		return SCP_OK;
	scp__jw_init(&w, b);
	scp__jw_object(&w, NULL);
	scp__jw_int(&w, "status", error->status);
	scp__jw_string(&w, "code", error->code);
	/* A message of fixed size may end in half a character. */
	scp__jw_bytes(&w, "message", error->message, strlen(error->message), &lossy);
	scp__jw_bytes(&w, "hint", error->hint, strlen(error->hint), &lossy);
	scp__jw_end_object(&w);
	return written(b, "error", err);
}

scp_status scp__metrics_write(scp__buf *b, const scp_metrics *m, scp_error *err)
{
	scp__json_writer w;

	if (!m)
		return SCP_OK;
	scp__jw_init(&w, b);
	scp__jw_object(&w, NULL);
	scp__jw_real(&w, "duration_ms", m->duration_ms);
	scp__jw_real(&w, "cpu_time_ms", m->cpu_time_ms);
	scp__jw_real(&w, "peak_memory_mb", m->peak_memory_mb);
	scp__jw_uint(&w, "io_read_bytes", m->io_read_bytes);
	scp__jw_uint(&w, "io_write_bytes", m->io_write_bytes);
	scp__jw_string(&w, "source", m->source);
	scp__jw_end_object(&w);
	return written(b, "metrics", err);
}

scp_status scp__words_write(scp__buf *b, const char *const *words, size_t count, scp_error *err)
{
	scp__json_writer w;

	if (!count)
		return SCP_OK;
	scp__jw_init(&w, b);
	scp__jw_array(&w, NULL);
	for (size_t i = 0; i < count; i++)
		scp__jw_string(&w, NULL, words[i]);
	scp__jw_end_array(&w);
	return written(b, "list", err);
}

/* ---- reading ---- */

/* The column's value, or NULL: for NULL, and for what can't be read (the rows then have the error). */
static scp__json *parse(scp__rows *rows, const char *what)
{
	scp_db_value text = scp__row_value(rows);
	scp__json *root = NULL;
	scp_status rc;

	if (text.type != SCP_DB_TEXT || !text.len || rows->rc)
		return NULL;
	rc = scp__json_parse(&root, text.data, text.len, what, rows->err);
	if (rc && rc != SCP_ENOMEM)
		rc = scp__fail(rows->err, SCP_EBACKEND, "database: a row's %s isn't JSON", what);
	scp__rows_fail(rows, rc);
	return rc ? NULL : root;
}

static void *alloc(scp__rows *rows, size_t size)
{
	void *p = scp__arena_alloc(rows->arena, size ? size : 1);

	if (!p)
		scp__rows_fail(rows, SCP_ENOMEM);
	return p;
}

static const char *copy(scp__rows *rows, const char *s)
{
	const char *p = s ? scp__arena_strdup(rows->arena, s) : "";

	if (!p)
		scp__rows_fail(rows, SCP_ENOMEM);
	return p;
}

const scp_pair *scp__env_read(scp__rows *rows, size_t *count)
{
	scp__json *root = parse(rows, "env_vars");
	size_t n = root ? scp__json_size(root) : 0;
	scp_pair *env = n ? alloc(rows, n * sizeof(*env)) : NULL;

	*count = env ? n : 0;
	for (size_t i = 0; i < *count; i++) {
		const scp__json *member = scp__json_at(root, i);

		env[i].name = copy(rows, scp__json_key(member));
		env[i].value = copy(rows, scp__json_string(member));
	}
	scp__json_free(root);
	return env;
}

const scp_pair *const *scp__env_show(scp__rows *rows, const scp_pair *env, size_t count, bool masked)
{
	const scp_pair **list = count ? alloc(rows, count * sizeof(*list)) : NULL;
	scp_pair *shown = count ? alloc(rows, count * sizeof(*shown)) : NULL;

	if (!list || !shown)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		shown[i] = env[i];
		if (masked && shown[i].name && scp__env_name_secret(shown[i].name))
			shown[i].value = "***";
		list[i] = &shown[i];
	}
	return list;
}

static void copy_member(const scp__json *root, const char *key, char *out, size_t out_size)
{
	const char *text = scp__json_string(scp__json_get(root, key));
	size_t len = text ? strnlen(text, out_size - 1) : 0;

	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
}

const scp_error *scp__error_read(scp__rows *rows)
{
	scp__json *root = parse(rows, "error");
	scp_error *error = root ? alloc(rows, sizeof(*error)) : NULL;

	if (error) {
		error->status = (scp_status)scp__json_number(scp__json_get(root, "status"));
		copy_member(root, "code", error->code, sizeof(error->code));
		copy_member(root, "message", error->message, sizeof(error->message));
		copy_member(root, "hint", error->hint, sizeof(error->hint));
	}
	scp__json_free(root);
	return error;
}

static double number(const scp__json *root, const char *key)
{
	const scp__json *member = scp__json_get(root, key);

	return member && scp__json_typeof(member) == SCP__JSON_NUMBER ? scp__json_number(member) : 0;
}

const scp_metrics *scp__metrics_read(scp__rows *rows)
{
	scp__json *root = parse(rows, "metrics");
	scp_metrics *m = root ? alloc(rows, sizeof(*m)) : NULL;

	if (m) {
		m->duration_ms = number(root, "duration_ms");
		m->cpu_time_ms = number(root, "cpu_time_ms");
		m->peak_memory_mb = number(root, "peak_memory_mb");
		m->io_read_bytes = (uint64_t)number(root, "io_read_bytes");
		m->io_write_bytes = (uint64_t)number(root, "io_write_bytes");
		m->source = copy(rows, scp__json_string(scp__json_get(root, "source")));
	}
	scp__json_free(root);
	return m;
}

const char *const *scp__words_read(scp__rows *rows, size_t *count)
{
	scp__json *root = parse(rows, "list");
	size_t n = root ? scp__json_size(root) : 0;
	const char **words = n ? alloc(rows, n * sizeof(*words)) : NULL;

	*count = words ? n : 0;
	for (size_t i = 0; i < *count; i++)
		words[i] = copy(rows, scp__json_string(scp__json_at(root, i)));
	scp__json_free(root);
	return words;
}

const scp_resources *scp__resources_read(scp__rows *rows)
{
	scp_resources *r = alloc(rows, sizeof(*r));
	scp_resources read = SCP_RESOURCES_INIT;

	read.cpu_millis = scp__row_u32(rows);
	read.memory_bytes = scp__row_uint(rows);
	read.disk_bytes = scp__row_uint(rows);
	read.max_processes = scp__row_u32(rows);
	if (r)
		*r = read;
	return r;
}

scp_status scp__languages_write(scp__buf *b, const scp_language *languages, size_t count, scp_error *err)
{
	for (size_t i = 0; i < count; i++)
		scp__buf_printf(b, "%d", (int)languages[i]);
	return written(b, "languages", err);
}

const scp_language *scp__languages_read(scp__rows *rows, size_t *count)
{
	const char *digits = scp__row_text(rows);
	size_t n = digits ? strlen(digits) : 0;
	scp_language *languages = n ? alloc(rows, n * sizeof(*languages)) : NULL;

	*count = languages ? n : 0;
	for (size_t i = 0; i < *count; i++)
		languages[i] = (scp_language)(digits[i] - '0');
	return languages;
}
