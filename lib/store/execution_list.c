#include "err.h"
#include "rows.h"

/* As in session_list.c: which filters a query has is the statement's number. */
enum { BY_SESSION = 1, BY_STATUS = 2, FILTERS = 4 };

#define SESSION "session_id = ?"
#define STATUS "status = ?"
#define LIST(where)                                                                                                    \
	"SELECT " EXECUTION_COLUMNS " FROM execution " where " ORDER BY created_us DESC, id DESC LIMIT ? OFFSET ?"
#define TOTAL(where) "SELECT count(*) FROM execution " where
#define EACH(form) form(""), form("WHERE " SESSION), form("WHERE " STATUS), form("WHERE " SESSION " AND " STATUS)

const char *const scp__store_execution_list_sql[] = { EACH(LIST), EACH(TOTAL), NULL };

typedef struct page {
	scp_execution_page pub; /* first */
	scp__arena *arena;
} page;

typedef struct filter {
	unsigned number;
	size_t count;
	scp_db_value values[4]; /* two filters, limit, offset */
} filter;

static filter filter_of(const scp_execution_query *q)
{
	filter f = { 0 };

	if (q->session_id) {
		f.number |= BY_SESSION;
		f.values[f.count++] = T(q->session_id);
	}
	if (q->status) {
		f.number |= BY_STATUS;
		f.values[f.count++] = I(q->status);
	}
	return f;
}

static scp_status read_items(
    scp_db_tx *tx, filter f, uint32_t limit, uint64_t offset, scp__arena *arena, scp_execution_page *p, scp_error *err)
{
	const scp_execution **items = scp__arena_alloc(arena, limit * sizeof(*items));
	scp__execution_apart apart;
	const scp__execution *e;
	scp__rows rows;

	if (!items)
		return scp__nomem(err);
	f.values[f.count++] = I(limit);
	f.values[f.count++] = I(offset);
	scp__rows_open(
	    &rows, tx, scp__store_execution_list_sql[f.number], (scp__args){ f.values, f.count }, arena, err);
	while (p->count < limit && scp__rows_next(&rows) && (e = scp__execution_read(&rows, &apart)))
		items[p->count++] = &e->pub;
	p->items = items;
	return scp__rows_close(&rows);
}

static scp_status read_page(scp_db_tx *tx, const scp_execution_query *q, scp__arena *arena, page *p, scp_error *err)
{
	filter f = filter_of(q);
	const char *total_sql = scp__store_execution_list_sql[FILTERS + f.number];
	scp_status rc = read_items(tx, f, scp__sql_limit(q->limit), q->offset, arena, &p->pub, err);

	if (!rc)
		rc = scp__sql_number(tx, total_sql, (scp__args){ f.values, f.count }, &p->pub.total, err);
	if (!rc)
		rc = scp__sql_next(arena, q->offset, p->pub.count, p->pub.total, &p->pub.next, err);
	return rc;
}

scp_status scp__store_execution_list(
    scp_db_tx *tx, const scp_execution_query *q, scp_execution_page **out, scp_error *err)
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

void scp_execution_page_free(scp_execution_page *p)
{
	if (p)
		scp__arena_free(((page *)p)->arena);
}
