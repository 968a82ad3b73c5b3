#include "columns.h"
#include "err.h"

/* As in session_list.c: which filters a query has is the statement's number. */
enum { BY_STATUS = 1, BY_RUNTIME = 2, BY_SESSION = 4, FILTERS = 8, ONE = 16 };

#define STATUS "c.status = ?"
#define RUNTIME "c.runtime_type = ?"
#define SESSION "c.session_id = ?"
#define COLUMNS                                                                                                        \
	"SELECT c.id, c.runtime_type, c.status, c.session_id, s.template_id, c.node, c.image, c.cpu_millis, "          \
	"c.memory_bytes, c.disk_bytes, c.max_processes, c.created_us, c.started_us, c.exited_us, c.exit_code, "        \
	"c.exit_reason FROM container c LEFT JOIN session s ON s.id = c.session_id "
#define LIST(where) COLUMNS where " ORDER BY c.created_us DESC, c.id DESC LIMIT ? OFFSET ?"
#define TOTAL(where) "SELECT count(*) FROM container c " where
#define EACH(form)                                                                                                     \
	form(""), form("WHERE " STATUS), form("WHERE " RUNTIME), form("WHERE " STATUS " AND " RUNTIME),                \
	    form("WHERE " SESSION), form("WHERE " STATUS " AND " SESSION), form("WHERE " RUNTIME " AND " SESSION),     \
	    form("WHERE " STATUS " AND " RUNTIME " AND " SESSION)

const char *const scp__store_container_list_sql[] = { EACH(LIST), EACH(TOTAL), COLUMNS "WHERE c.id = ?", NULL };

static scp__container_shown *read_row(scp__rows *rows)
{
	scp__container_shown *shown = scp__arena_alloc(rows->arena, sizeof(*shown));
	scp_container *c = shown ? &shown->pub : NULL;

	if (!c) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	c->id = scp__row_text(rows);
	c->runtime_type = scp__row_text(rows);
	c->status = (scp_container_status)scp__row_int(rows);
	c->session_id = scp__row_text(rows);
	c->template_id = scp__row_text(rows);
	c->node = scp__row_text(rows);
	c->image = scp__row_text(rows);
	c->resources = scp__resources_read(rows);
	c->created_us = scp__row_int(rows);
	c->started_us = scp__row_int(rows);
	c->exited_us = scp__row_int(rows);
	c->exit_code = (int)scp__row_int(rows);
	c->exit_reason = scp__row_text(rows);
	return rows->rc ? NULL : shown;
}

scp_status scp__store_container_show(scp_db_tx *tx, const char *id, scp__container_shown **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__container_shown *c = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, scp__store_container_list_sql[ONE], ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		c = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !c)
		rc = scp__fail_as(err, "ContainerNotFound", "container '%.64s' does not exist", id);
	if (rc) {
		scp__arena_free(arena);
		return rc;
	}
	c->arena = arena;
	*out = c;
	return SCP_OK;
}

void scp_container_free(scp_container *c)
{
	if (c)
		scp__arena_free(((scp__container_shown *)c)->arena);
}

/* ---- list ---- */

typedef struct page {
	scp_container_page pub; /* first */
	scp__arena *arena;
} page;

typedef struct filter {
	unsigned number;
	size_t count;
	scp_db_value values[5]; /* three filters, limit, offset */
} filter;

static void add(filter *f, unsigned bit, scp_db_value value, bool wanted)
{
	if (!wanted)
		return;
	f->number |= bit;
	f->values[f->count++] = value;
}

static filter filter_of(const scp_container_query *q)
{
	filter f = { 0 };

	add(&f, BY_STATUS, I(q->status), q->status != 0);
	add(&f, BY_RUNTIME, T(q->runtime_type), q->runtime_type);
	add(&f, BY_SESSION, T(q->session_id), q->session_id);
	return f;
}

static scp_status read_items(
    scp_db_tx *tx, filter f, uint32_t limit, uint64_t offset, scp__arena *arena, scp_container_page *p, scp_error *err)
{
	const scp_container **items = scp__arena_alloc(arena, limit * sizeof(*items));
	const scp__container_shown *c;
	scp__rows rows;

	if (!items)
		return scp__nomem(err);
	f.values[f.count++] = I(limit);
	f.values[f.count++] = I(offset);
	scp__rows_open(
	    &rows, tx, scp__store_container_list_sql[f.number], (scp__args){ f.values, f.count }, arena, err);
	while (p->count < limit && scp__rows_next(&rows) && (c = read_row(&rows)))
		items[p->count++] = &c->pub;
	p->items = items;
	return scp__rows_close(&rows);
}

static scp_status read_page(scp_db_tx *tx, const scp_container_query *q, scp__arena *arena, page *p, scp_error *err)
{
	filter f = filter_of(q);
	const char *total_sql = scp__store_container_list_sql[FILTERS + f.number];
	scp_status rc = read_items(tx, f, scp__sql_limit(q->limit), q->offset, arena, &p->pub, err);

	if (!rc)
		rc = scp__sql_number(tx, total_sql, (scp__args){ f.values, f.count }, &p->pub.total, err);
	if (!rc)
		rc = scp__sql_next(arena, q->offset, p->pub.count, p->pub.total, &p->pub.next, err);
	return rc;
}

scp_status scp__store_container_list(
    scp_db_tx *tx, const scp_container_query *q, scp_container_page **out, scp_error *err)
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

void scp_container_page_free(scp_container_page *p)
{
	if (p)
		scp__arena_free(((page *)p)->arena);
}
