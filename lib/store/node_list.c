#include "err.h"
#include "sql.h"

enum { LIST, TOTAL, ONE, ALLOCATED, IMAGES, DRAIN, UNDRAIN, COUNT, COUNT_LOST };
#define COLUMNS                                                                                                        \
	"SELECT id, runtime_type, url, CASE WHEN lost_us > 0 THEN 'lost' ELSE status END, cpu_millis, memory_bytes, "  \
	"containers, heartbeat_us, advertise_url FROM node "
const char *const scp__store_node_list_sql[] = {
	[LIST] = COLUMNS "ORDER BY id LIMIT ? OFFSET ?",
	[TOTAL] = "SELECT count(*) FROM node",
	[ONE] = COLUMNS "WHERE id = ?",
	[ALLOCATED] = "SELECT COALESCE(sum(cpu_millis), 0), COALESCE(sum(memory_bytes), 0), count(*) FROM container "
		      "WHERE node = ? AND status IN (1, 2, 3)",
	[IMAGES] = "SELECT DISTINCT image FROM container WHERE node = ? AND status IN (1, 2, 3) AND image IS NOT NULL "
		   "ORDER BY image LIMIT ?",
	[DRAIN] = "UPDATE node SET status = 'draining' WHERE id = ?",
	[UNDRAIN] = "UPDATE node SET status = CASE WHEN status = 'draining' THEN 'ready' ELSE status END WHERE id = ?",
	[COUNT] = "SELECT count(*) FROM node WHERE status = ? AND lost_us = 0",
	[COUNT_LOST] = "SELECT count(*) FROM node WHERE lost_us > 0",
	NULL,
};
#define SQL(name) scp__store_node_list_sql[name]

enum { IMAGES_MAX = 100 };

typedef struct shown {
	scp_node pub; /* first */
	scp_node_share capacity, allocated;
	scp__arena *arena;
} shown;

static shown *read_row(scp__rows *rows)
{
	shown *n = scp__arena_alloc(rows->arena, sizeof(*n));

	if (!n) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	n->pub.id = scp__row_text(rows);
	n->pub.runtime_type = scp__row_text(rows);
	n->pub.url = scp__row_text(rows);
	n->pub.status = scp__row_text(rows);
	n->capacity.cpu_millis = scp__row_uint(rows);
	n->capacity.memory_bytes = scp__row_uint(rows);
	n->capacity.containers = scp__row_u32(rows);
	n->pub.heartbeat_us = scp__row_int(rows);
	n->pub.advertise_url = scp__row_text(rows);
	n->pub.capacity = &n->capacity;
	n->pub.allocated = &n->allocated;
	return rows->rc ? NULL : n;
}

static scp_status read_images(scp_db_tx *tx, shown *n, scp__arena *arena, scp_error *err)
{
	const char **images = scp__arena_alloc(arena, IMAGES_MAX * sizeof(*images));
	scp__rows rows;

	if (!images)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(IMAGES), ARGS(T(n->pub.id), I(IMAGES_MAX)), arena, err);
	while (n->pub.cached_image_count < IMAGES_MAX && scp__rows_next(&rows))
		images[n->pub.cached_image_count++] = scp__row_text(&rows);
	n->pub.cached_images = images;
	return scp__rows_close(&rows);
}

/* What other tables know of it. */
static scp_status complete(scp_db_tx *tx, shown *n, scp__arena *arena, scp_error *err)
{
	scp__rows rows;
	scp_status rc;

	scp__rows_open(&rows, tx, SQL(ALLOCATED), ARGS(T(n->pub.id)), NULL, err);
	if (scp__rows_next(&rows)) {
		n->allocated.cpu_millis = scp__row_uint(&rows);
		n->allocated.memory_bytes = scp__row_uint(&rows);
		n->allocated.containers = scp__row_u32(&rows);
	}
	rc = scp__rows_close(&rows);
	return rc ? rc : read_images(tx, n, arena, err);
}

static scp_status not_there(const char *id, scp_error *err)
{
	return scp__fail(err, SCP_ENOTFOUND, "node '%.64s' does not exist", id);
}

static scp_status read_one(scp_db_tx *tx, const char *id, scp__arena *arena, shown **out, scp_error *err)
{
	scp__rows rows;
	scp_status rc;

	scp__rows_open(&rows, tx, SQL(ONE), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		*out = read_row(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !*out)
		rc = not_there(id, err);
	return rc ? rc : complete(tx, *out, arena, err);
}

scp_status scp__store_node_show(scp_db_tx *tx, const char *id, scp_node **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	shown *n = NULL;
	scp_status rc = arena ? read_one(tx, id, arena, &n, err) : scp__nomem(err);

	*out = NULL;
	if (rc) {
		scp__arena_free(arena);
		return rc;
	}
	n->arena = arena;
	*out = &n->pub;
	return SCP_OK;
}

void scp_node_free(scp_node *n)
{
	if (n)
		scp__arena_free(((shown *)n)->arena);
}

scp_status scp__store_node_drain(scp_db_tx *tx, const char *id, bool drain, scp_error *err)
{
	bool there;
	scp_status rc = scp__sql_change(tx, drain ? SQL(DRAIN) : SQL(UNDRAIN), ARGS(T(id)), &there, err);

	return rc || there ? rc : not_there(id, err);
}

scp_status scp__store_node_count(scp_db_tx *tx, const char *status, uint64_t *out, scp_error *err)
{
	if (!strcmp(status, "lost"))
		return scp__sql_number(tx, SQL(COUNT_LOST), NO_ARGS, out, err);
	return scp__sql_number(tx, SQL(COUNT), ARGS(T(status)), out, err);
}

/* ---- list ---- */

typedef struct page {
	scp_node_page pub; /* first */
	scp__arena *arena;
} page;

static scp_status read_items(
    scp_db_tx *tx, uint32_t limit, uint64_t offset, scp__arena *arena, scp_node_page *p, scp_error *err)
{
	shown **items = scp__arena_alloc(arena, limit * sizeof(*items));
	scp__rows rows;
	scp_status rc;

	if (!items)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(LIST), ARGS(I(limit), I(offset)), arena, err);
	while (p->count < limit && scp__rows_next(&rows) && (items[p->count] = read_row(&rows)))
		p->count++;
	rc = scp__rows_close(&rows);
	for (size_t i = 0; !rc && i < p->count; i++)
		rc = complete(tx, items[i], arena, err);
	/* The snapshot is each row's first member. */
	p->items = (const scp_node *const *)(const void *)items;
	return rc;
}

static scp_status read_page(scp_db_tx *tx, const scp_node_query *q, scp__arena *arena, page *p, scp_error *err)
{
	scp_status rc = read_items(tx, scp__sql_limit(q->limit), q->offset, arena, &p->pub, err);

	if (!rc)
		rc = scp__sql_number(tx, SQL(TOTAL), NO_ARGS, &p->pub.total, err);
	if (!rc)
		rc = scp__sql_next(arena, q->offset, p->pub.count, p->pub.total, &p->pub.next, err);
	return rc;
}

scp_status scp__store_node_list(scp_db_tx *tx, const scp_node_query *q, scp_node_page **out, scp_error *err)
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

void scp_node_page_free(scp_node_page *p)
{
	if (p)
		scp__arena_free(((page *)p)->arena);
}
