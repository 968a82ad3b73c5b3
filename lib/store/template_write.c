#include <stdio.h>

#include "columns.h"
#include "digest.h"
#include "err.h"

enum { INSERT, UPDATE, LOOK_UP, NAMED, LIVE_SESSIONS, ANY_SESSION, HIDE, DELETE };
const char *const scp__store_template_write_sql[] = {
	/* The same values in the same order: put() makes one list for both. */
	[INSERT] =
	    "INSERT INTO template (name, image, base_image, cpu_millis, memory_bytes, disk_bytes, max_processes, "
	    "default_timeout_s, network_enabled, read_only_root, run_as_user, deprecated, description, languages, "
	    "packages, env_vars, seccomp, process_limit, warm_min, warm_max, warm_idle_s, updated_us, seed_digest, "
	    "created_us, id, deleted_us) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
	[UPDATE] = "UPDATE template SET name = ?, image = ?, base_image = ?, cpu_millis = ?, memory_bytes = ?, "
		   "disk_bytes = ?, max_processes = ?, default_timeout_s = ?, network_enabled = ?, read_only_root = ?, "
		   "run_as_user = ?, deprecated = ?, description = ?, languages = ?, packages = ?, env_vars = ?, "
		   "seccomp = ?, process_limit = ?, warm_min = ?, warm_max = ?, warm_idle_s = ?, updated_us = ?, "
		   "seed_digest = ?, created_us = ?, deleted_us = 0 WHERE id = ?",
	[LOOK_UP] = "SELECT seed_digest, created_us, deleted_us FROM template WHERE id = ?" HELD,
	[NAMED] = "SELECT id FROM template WHERE name = ?",
	/* The COALESCE keeps it to the index of states: what lives is few, what one template ever had may be many. */
	[LIVE_SESSIONS] = "SELECT count(*) FROM session WHERE status IN (1, 2) AND COALESCE(template_id, '') = ?",
	[ANY_SESSION] = "SELECT 1 FROM session WHERE template_id = ? LIMIT 1",
	[HIDE] = "UPDATE template SET deleted_us = ?, updated_us = ?, seed_digest = '', name = ? WHERE id = ?",
	[DELETE] = "DELETE FROM template WHERE id = ?",
	NULL,
};
#define SQL(name) scp__store_template_write_sql[name]

/* A template's lists as they stand in columns. */
typedef struct text_columns {
	scp__buf languages, packages, env;
} text_columns;

static void free_text(text_columns *c)
{
	scp__buf_free(&c->languages);
	scp__buf_free(&c->packages);
	scp__buf_free(&c->env);
}

static scp_status write_env(text_columns *c, const scp_template *t, scp_error *err)
{
	scp__arena *arena = t->env_count ? scp__arena_new() : NULL;
	scp_pair *env = arena ? scp__arena_alloc(arena, t->env_count * sizeof(*env)) : NULL;
	scp_status rc = SCP_OK;

	if (t->env_count && !env)
		rc = scp__nomem(err);
	for (size_t i = 0; !rc && i < t->env_count; i++)
		env[i] = *t->env[i];
	if (!rc)
		rc = scp__env_write(&c->env, env, t->env_count, err);
	scp__arena_free(arena);
	return rc;
}

static scp_status write_text(text_columns *c, const scp_template *t, scp_error *err)
{
	scp_status rc;

	scp__column_init(&c->languages);
	scp__column_init(&c->packages);
	scp__column_init(&c->env);
	rc = scp__languages_write(&c->languages, t->languages, t->language_count, err);
	if (!rc)
		rc = scp__words_write(&c->packages, t->packages, t->package_count, err);
	return rc ? rc : write_env(c, t, err);
}

static void digest_text(scp__sha256 *sha, const char *text)
{
	scp__sha256_update(sha, text ? text : "", (text ? strlen(text) : 0) + 1);
}

static void digest_of(const scp_template *t, const text_columns *c, char out[SCP__SHA256_HEX_SIZE])
{
	const scp_resources *r = t->default_resources;
	char numbers[200];
	scp__sha256 sha;

	snprintf(numbers, sizeof(numbers), "%u %llu %llu %u %u %d %d %u %d", r->cpu_millis,
	    (unsigned long long)r->memory_bytes, (unsigned long long)r->disk_bytes, r->max_processes,
	    t->default_timeout_s, t->network_enabled, t->read_only_root, t->run_as_user, t->deprecated);
	scp__sha256_init(&sha);
	digest_text(&sha, t->name);
	digest_text(&sha, t->description);
	digest_text(&sha, t->image);
	digest_text(&sha, t->base_image);
	digest_text(&sha, numbers);
	digest_text(&sha, c->languages.data);
	digest_text(&sha, c->packages.data);
	digest_text(&sha, c->env.data);
	scp__sha256_final_hex(&sha, out);
}

/* ---- what is there ---- */

typedef struct old_row {
	bool there, hidden;
	bool seeded; /* and nobody changed it since */
	char digest[SCP__SHA256_HEX_SIZE];
	int64_t created_us;
} old_row;

static scp_status look_up(scp_db_tx *tx, const char *id, old_row *out, scp_error *err)
{
	scp__rows rows;

	*out = (old_row){ 0 };
	scp__rows_open(&rows, tx, SQL(LOOK_UP), ARGS(T(id)), NULL, err);
	if (scp__rows_next(&rows)) {
		out->there = true;
		snprintf(out->digest, sizeof(out->digest), "%s", (const char *)scp__row_value(&rows).data);
		out->seeded = out->digest[0];
		out->created_us = scp__row_int(&rows);
		out->hidden = scp__row_int(&rows) != 0;
	}
	return scp__rows_close(&rows);
}

static scp_status look_up_shown(scp_db_tx *tx, const char *id, old_row *out, scp_error *err)
{
	scp_status rc = look_up(tx, id, out, err);

	if (!rc && (!out->there || out->hidden))
		rc = scp__fail_as(err, "TemplateNotFound", "template '%.64s' does not exist", id);
	return rc;
}

static scp_status check_name(scp_db_tx *tx, const scp_template *t, scp_error *err)
{
	scp__ids owner = { 0 };
	scp_status rc = scp__sql_ids(tx, SQL(NAMED), ARGS(T(t->name)), &owner, err);

	if (!rc && owner.count && strcmp(owner.ids[0], t->id) != 0)
		rc = scp__fail(
		    err, SCP_ECONFLICT, "name: template '%s' is called '%.128s' already", owner.ids[0], t->name);
	scp__ids_free(&owner);
	return rc;
}

/* ---- insert and update ---- */

static scp_status put(scp_db_tx *tx, const char *sql, const scp_template *t, const text_columns *c,
    const char *seed_digest, int64_t created_us, scp_error *err)
{
	static const scp_warm_pool none = SCP_WARM_POOL_INIT;
	const scp_warm_pool *warm = t->warm_pool ? t->warm_pool : &none;

	return scp__sql_twin(
	    scp__sql_run(tx, sql,
		ARGS(T(t->name), T(t->image), T(t->base_image), RESOURCES(t->default_resources),
		    I(t->default_timeout_s), I(t->network_enabled), I(t->read_only_root), I(t->run_as_user),
		    I(t->deprecated), T(t->description), scp__column_value(&c->languages),
		    scp__column_value(&c->packages), scp__column_value(&c->env), T(t->seccomp ? t->seccomp : "default"),
		    I(t->max_processes), I(warm->min), I(warm->max), I(warm->max_idle_s), I(t->updated_us),
		    T(seed_digest), I(created_us), T(t->id)),
		NULL, err),
	    err);
}

static scp_status write_row(scp_db_tx *tx, const char *sql, const scp_template *t, int64_t created_us, scp_error *err)
{
	text_columns columns;
	scp_status rc = write_text(&columns, t, err);

	if (!rc)
		rc = put(tx, sql, t, &columns, "", created_us, err);
	free_text(&columns);
	return rc;
}

scp_status scp__store_template_insert(scp_db_tx *tx, const scp_template *t, scp_error *err)
{
	old_row old;
	scp_status rc = look_up(tx, t->id, &old, err);

	if (!rc && old.there && !old.hidden)
		rc = scp__fail(err, SCP_ECONFLICT, "id: template '%s' exists already", t->id);
	if (!rc)
		rc = check_name(tx, t, err);
	return rc ? rc : write_row(tx, old.there ? SQL(UPDATE) : SQL(INSERT), t, t->created_us, err);
}

scp_status scp__store_template_update(scp_db_tx *tx, const scp_template *t, scp_error *err)
{
	old_row old;
	scp_status rc = look_up_shown(tx, t->id, &old, err);

	if (!rc)
		rc = check_name(tx, t, err);
	return rc ? rc : write_row(tx, SQL(UPDATE), t, old.created_us, err);
}

static scp_status seed(scp_db_tx *tx, const scp_template *t, const text_columns *c, scp_error *err)
{
	char digest[SCP__SHA256_HEX_SIZE];
	old_row old;
	scp_status rc = look_up(tx, t->id, &old, err);

	digest_of(t, c, digest);
	/* There already: a seed that somebody changed or deleted stays so, and this very one needs nothing. */
	if (rc || (old.there && (!old.seeded || !strcmp(old.digest, digest))))
		return rc;
	rc = check_name(tx, t, err);
	if (rc)
		return rc;
	return put(
	    tx, old.there ? SQL(UPDATE) : SQL(INSERT), t, c, digest, old.there ? old.created_us : t->created_us, err);
}

scp_status scp__store_template_seed(scp_db_tx *tx, const scp_template *t, scp_error *err)
{
	text_columns columns;
	scp_status rc = write_text(&columns, t, err);

	if (!rc)
		rc = seed(tx, t, &columns, err);
	free_text(&columns);
	return rc;
}

/* ---- delete ---- */

/* Its place stays for those who name it; its name, which no template can have, is free. */
static scp_status hide(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err)
{
	char name[SCP__ID_SIZE + 2];

	snprintf(name, sizeof(name), "\x01%s", id);
	return scp__sql_run(tx, SQL(HIDE), ARGS(I(now_us), I(now_us), T(name), T(id)), NULL, err);
}

static scp_status check_unused(scp_db_tx *tx, const char *id, scp_error *err)
{
	uint64_t live = 0;
	scp_status rc = scp__sql_number(tx, SQL(LIVE_SESSIONS), ARGS(T(id)), &live, err);

	if (rc || !live)
		return rc;
	return scp__fail_as(err, "TemplateInUse", "template '%s' is in use by %llu session%s", id,
	    (unsigned long long)live, live > 1 ? "s" : "");
}

scp_status scp__store_template_delete(scp_db_tx *tx, const char *id, bool keep, int64_t now_us, scp_error *err)
{
	uint64_t any = 0;
	old_row old;
	scp_status rc = look_up_shown(tx, id, &old, err);

	if (!rc)
		rc = check_unused(tx, id, err);
	if (!rc)
		rc = scp__sql_number(tx, SQL(ANY_SESSION), ARGS(T(id)), &any, err);
	if (rc)
		return rc;
	if (keep || any)
		return hide(tx, id, now_us, err);
	return scp__sql_run(tx, SQL(DELETE), ARGS(T(id)), NULL, err);
}
