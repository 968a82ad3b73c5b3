#include "err.h"
#include "rows.h"

/* Which filters a query has is the statement's number; the total's is behind the list's. */
enum { BY_STATUS = 1, BY_TEMPLATE = 2, BY_AGENT = 4, FILTERS = 8 };

#define STATUS "status = ?"
#define TEMPLATE "template_id = ?"
#define AGENT "agent_id = ?"
#define LIST(where)                                                                                                    \
	"SELECT " SESSION_COLUMNS " FROM session " where " ORDER BY created_us DESC, id DESC LIMIT ? OFFSET ?"
#define TOTAL(where) "SELECT count(*) FROM session " where
#define EACH(form)                                                                                                     \
	form(""), form("WHERE " STATUS), form("WHERE " TEMPLATE), form("WHERE " STATUS " AND " TEMPLATE),              \
	    form("WHERE " AGENT), form("WHERE " STATUS " AND " AGENT), form("WHERE " TEMPLATE " AND " AGENT),          \
	    form("WHERE " STATUS " AND " TEMPLATE " AND " AGENT)

const char *const scp__store_session_list_sql[] = { EACH(LIST), EACH(TOTAL), NULL };

typedef struct page {
	scp_session_page pub; /* first */
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

static filter filter_of(const scp_session_query *q)
{
	filter f = { 0 };

	add(&f, BY_STATUS, I(q->status), q->status != 0);
	add(&f, BY_TEMPLATE, T(q->template_id), q->template_id);
	add(&f, BY_AGENT, T(q->agent_id), q->agent_id);
	return f;
}

static scp_status read_items(
    scp_db_tx *tx, filter f, uint32_t limit, uint64_t offset, scp__arena *arena, scp_session_page *p, scp_error *err)
{
	const scp_session **items = scp__arena_alloc(arena, limit * sizeof(*items));
	const scp__session *s;
	scp__rows rows;

	if (!items)
		return scp__nomem(err);
	f.values[f.count++] = I(limit);
	f.values[f.count++] = I(offset);
	scp__rows_open(&rows, tx, scp__store_session_list_sql[f.number], (scp__args){ f.values, f.count }, arena, err);
	while (p->count < limit && scp__rows_next(&rows) && (s = scp__session_read(&rows)))
		items[p->count++] = &s->pub;
	p->items = items;
	return scp__rows_close(&rows);
}

static scp_status read_page(scp_db_tx *tx, const scp_session_query *q, scp__arena *arena, page *p, scp_error *err)
{
	filter f = filter_of(q);
	const char *total_sql = scp__store_session_list_sql[FILTERS + f.number];
	scp_status rc = read_items(tx, f, scp__sql_limit(q->limit), q->offset, arena, &p->pub, err);

	if (!rc)
		rc = scp__sql_number(tx, total_sql, (scp__args){ f.values, f.count }, &p->pub.total, err);
	if (!rc)
		rc = scp__sql_next(arena, q->offset, p->pub.count, p->pub.total, &p->pub.next, err);
	return rc;
}

scp_status scp__store_session_list(scp_db_tx *tx, const scp_session_query *q, scp_session_page **out, scp_error *err)
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

void scp_session_page_free(scp_session_page *p)
{
	if (p)
		scp__arena_free(((page *)p)->arena);
}
