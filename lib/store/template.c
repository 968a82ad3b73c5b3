#include <stdio.h>

#include "columns.h"
#include "digest.h"
#include "err.h"

#define COLUMNS                                                                                                        \
	"id, name, image, base_image, cpu_millis, memory_bytes, disk_bytes, max_processes, default_timeout_s, "        \
	"network_enabled, read_only_root, run_as_user, deprecated, created_us, updated_us, description, languages, "   \
	"packages, env_vars"

enum { INSERT, RESEED, SEEDED, GET, LIST, TOTAL };
const char *const scp__store_template_sql[] = {
	[INSERT] =
	    "INSERT INTO template (name, image, base_image, cpu_millis, memory_bytes, disk_bytes, max_processes, "
	    "default_timeout_s, network_enabled, read_only_root, run_as_user, deprecated, description, languages, "
	    "packages, env_vars, updated_us, seed_digest, id, created_us, deleted_us) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
	[RESEED] =
	    "UPDATE template SET name = ?, image = ?, base_image = ?, cpu_millis = ?, memory_bytes = ?, disk_bytes = "
	    "?, "
	    "max_processes = ?, default_timeout_s = ?, network_enabled = ?, read_only_root = ?, run_as_user = ?, "
	    "deprecated = ?, description = ?, languages = ?, packages = ?, env_vars = ?, updated_us = ?, "
	    "seed_digest = ? WHERE id = ?",
	[SEEDED] = "SELECT seed_digest FROM template WHERE id = ?",
	[GET] = "SELECT " COLUMNS " FROM template WHERE id = ? AND deleted_us = 0",
	[LIST] =
	    "SELECT " COLUMNS " FROM template WHERE deleted_us = 0 ORDER BY created_us DESC, id DESC LIMIT ? OFFSET ?",
	[TOTAL] = "SELECT count(*) FROM template WHERE deleted_us = 0",
	NULL,
};
#define SQL(name) scp__store_template_sql[name]

/* ---- seed ---- */

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

/* Languages are kept as a text of digits: "13" is python and shell. */
static scp_status write_text(text_columns *c, const scp_template *t, scp_error *err)
{
	scp_status rc;

	scp__column_init(&c->languages);
	scp__column_init(&c->packages);
	scp__column_init(&c->env);
	for (size_t i = 0; i < t->language_count; i++)
		scp__buf_printf(&c->languages, "%d", (int)t->languages[i]);
	if (c->languages.status)
		return scp__nomem(err);
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

/* *there: some row has the id. *untouched: it is a seed that nobody changed, and not this very one. */
static scp_status look_up(
    scp_db_tx *tx, const char *id, const char *digest, bool *there, bool *untouched, scp_error *err)
{
	const char *seeded;
	scp__rows rows;

	*there = *untouched = false;
	scp__rows_open(&rows, tx, SQL(SEEDED), ARGS(T(id)), NULL, err);
	if (scp__rows_next(&rows)) {
		seeded = scp__row_value(&rows).data;
		*there = true;
		*untouched = *seeded && strcmp(seeded, digest) != 0;
	}
	return scp__rows_close(&rows);
}

static scp_status put(
    scp_db_tx *tx, const scp_template *t, const text_columns *c, bool there, const char *digest, scp_error *err)
{
	scp__args args = ARGS(T(t->name), T(t->image), T(t->base_image), RESOURCES(t->default_resources),
	    I(t->default_timeout_s), I(t->network_enabled), I(t->read_only_root), I(t->run_as_user), I(t->deprecated),
	    T(t->description), scp__column_value(&c->languages), scp__column_value(&c->packages),
	    scp__column_value(&c->env), I(t->updated_us), T(digest), T(t->id), I(t->created_us));

	/* The last value, created_us, is for the insert alone. */
	args.count -= there;
	return scp__sql_run(tx, there ? SQL(RESEED) : SQL(INSERT), args, NULL, err);
}

scp_status scp__store_template_seed(scp_db_tx *tx, const scp_template *t, scp_error *err)
{
	char digest[SCP__SHA256_HEX_SIZE];
	bool there, untouched;
	text_columns columns;
	scp_status rc = write_text(&columns, t, err);

	if (!rc) {
		digest_of(t, &columns, digest);
		rc = look_up(tx, t->id, digest, &there, &untouched, err);
	}
	if (!rc && (!there || untouched))
		rc = put(tx, t, &columns, there, digest, err);
	free_text(&columns);
	return rc;
}

/* ---- read ---- */

static void read_languages(scp_template *t, scp__rows *rows)
{
	const char *digits = scp__row_text(rows);
	size_t count = digits ? strlen(digits) : 0;
	scp_language *languages = count ? scp__arena_alloc(rows->arena, count * sizeof(*languages)) : NULL;

	if (count && !languages)
		scp__rows_fail(rows, SCP_ENOMEM);
	t->language_count = languages ? count : 0;
	for (size_t i = 0; i < t->language_count; i++)
		languages[i] = (scp_language)(digits[i] - '0');
	t->languages = languages;
}

static void read_columns(scp_template *t, scp__rows *rows)
{
	const scp_pair *env;

	t->id = scp__row_text(rows);
	t->name = scp__row_text(rows);
	t->image = scp__row_text(rows);
	t->base_image = scp__row_text(rows);
	t->default_resources = scp__resources_read(rows);
	t->default_timeout_s = scp__row_u32(rows);
	t->network_enabled = scp__row_bool(rows);
	t->read_only_root = scp__row_bool(rows);
	t->run_as_user = scp__row_u32(rows);
	t->deprecated = scp__row_bool(rows);
	t->created_us = scp__row_int(rows);
	t->updated_us = scp__row_int(rows);
	t->description = scp__row_text(rows);
	read_languages(t, rows);
	t->packages = scp__words_read(rows, &t->package_count);
	env = scp__env_read(rows, &t->env_count);
	/* As given: an operator's defaults, which sessions are made from. */
	t->env = scp__env_show(rows, env, t->env_count, false);
}

static scp__template *read_row(scp__rows *rows)
{
	scp__template *t = scp__arena_alloc(rows->arena, sizeof(*t));

	if (!t) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	read_columns(&t->pub, rows);
	return rows->rc ? NULL : t;
}

scp_status scp__store_template_get(scp_db_tx *tx, const char *id, scp__template **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__template *t = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		t = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !t)
		rc = scp__fail_as(err, "TemplateNotFound", "template '%.64s' does not exist", id);
	if (rc) {
		scp__arena_free(arena);
		return rc;
	}
	t->arena = arena;
	*out = t;
	return SCP_OK;
}

void scp_template_free(scp_template *tmpl)
{
	if (tmpl)
		scp__arena_free(((scp__template *)tmpl)->arena);
}

/* ---- list ---- */

typedef struct page {
	scp_template_page pub; /* first */
	scp__arena *arena;
} page;

static scp_status read_items(
    scp_db_tx *tx, uint32_t limit, uint64_t offset, scp__arena *arena, scp_template_page *p, scp_error *err)
{
	const scp_template **items = scp__arena_alloc(arena, limit * sizeof(*items));
	const scp__template *t;
	scp__rows rows;

	if (!items)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(LIST), ARGS(I(limit), I(offset)), arena, err);
	while (p->count < limit && scp__rows_next(&rows) && (t = read_row(&rows)))
		items[p->count++] = &t->pub;
	p->items = items;
	return scp__rows_close(&rows);
}

static scp_status read_page(scp_db_tx *tx, const scp_template_query *q, scp__arena *arena, page *p, scp_error *err)
{
	scp_status rc = read_items(tx, scp__sql_limit(q->limit), q->offset, arena, &p->pub, err);

	if (!rc)
		rc = scp__sql_number(tx, SQL(TOTAL), NO_ARGS, &p->pub.total, err);
	if (!rc)
		rc = scp__sql_next(arena, q->offset, p->pub.count, p->pub.total, &p->pub.next, err);
	return rc;
}

scp_status scp__store_template_list(scp_db_tx *tx, const scp_template_query *q, scp_template_page **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	page *p = arena ? scp__arena_alloc(arena, sizeof(*p)) : NULL;
	scp_status rc = p ? read_page(tx, q, arena, p, err) : scp__nomem(err);

	*out = NULL;
	if (rc) {
		scp__arena_free(arena);
		return rc;
	}
	p->arena = arena;
	*out = &p->pub;
	return SCP_OK;
}

void scp_template_page_free(scp_template_page *p)
{
	if (p)
		scp__arena_free(((page *)p)->arena);
}
