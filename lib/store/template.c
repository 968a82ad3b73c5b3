#include "columns.h"
#include "err.h"

#define COLUMNS                                                                                                        \
	"id, name, image, base_image, cpu_millis, memory_bytes, disk_bytes, max_processes, default_timeout_s, "        \
	"network_enabled, read_only_root, run_as_user, deprecated, created_us, updated_us, description, languages, "   \
	"packages, env_vars, seccomp, process_limit, warm_min, warm_max, warm_idle_s"

enum { GET, LIST, TOTAL, USABLE };
const char *const scp__store_template_sql[] = {
	[GET] = "SELECT " COLUMNS " FROM template WHERE id = ? AND deleted_us = 0",
	[LIST] =
	    "SELECT " COLUMNS " FROM template WHERE deleted_us = 0 ORDER BY created_us DESC, id DESC LIMIT ? OFFSET ?",
	[TOTAL] = "SELECT count(*) FROM template WHERE deleted_us = 0",
	[USABLE] = "SELECT deprecated FROM template WHERE id = ? AND deleted_us = 0" HELD_SHARE,
	NULL,
};
#define SQL(name) scp__store_template_sql[name]

/* ---- read ---- */

static const scp_warm_pool *read_warm_pool(scp__rows *rows)
{
	scp_warm_pool *pool = scp__arena_alloc(rows->arena, sizeof(*pool));
	scp_warm_pool read = SCP_WARM_POOL_INIT;

	read.min = scp__row_u32(rows);
	read.max = scp__row_u32(rows);
	read.max_idle_s = scp__row_u32(rows);
	if (pool)
		*pool = read;
	else
		scp__rows_fail(rows, SCP_ENOMEM);
	return pool;
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
	t->languages = scp__languages_read(rows, &t->language_count);
	t->packages = scp__words_read(rows, &t->package_count);
	env = scp__env_read(rows, &t->env_count);
	/* As given: an operator's defaults, which sessions are made from. */
	t->env = scp__env_show(rows, env, t->env_count, false);
	t->seccomp = scp__row_text(rows);
	t->max_processes = scp__row_u32(rows);
	t->warm_pool = read_warm_pool(rows);
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

scp_status scp__store_template_usable(scp_db_tx *tx, const char *id, scp_error *err)
{
	bool there = false, deprecated = false;
	scp__rows rows;
	scp_status rc;

	scp__rows_open(&rows, tx, SQL(USABLE), ARGS(T(id)), NULL, err);
	if (scp__rows_next(&rows)) {
		there = true;
		deprecated = scp__row_bool(&rows);
	}
	rc = scp__rows_close(&rows);
	if (!rc && !there)
		return scp__fail_as(err, "TemplateNotFound", "template '%.64s' does not exist", id);
	if (rc || !deprecated)
		return rc;
	scp__fail(err, SCP_ESTATE, "template_id '%.64s' is deprecated and takes no new session", id);
	scp__hint(err, "Use another template");
	return SCP_ESTATE;
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
