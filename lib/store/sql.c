#include "sql.h"

#include <stdio.h>
#include <stdlib.h>

#include "err.h"

#define IDS_FIRST 16
#define LIMIT_DEFAULT 50
#define LIMIT_MAX 200

/* ---- rows ---- */

static void bind_all(scp__rows *rows, scp__args args)
{
	for (size_t i = 0; !rows->rc && i < args.count; i++)
		rows->rc = rows->ops->bind(rows->stmt, (int)i, &args.values[i], rows->err);
}

void scp__rows_open(scp__rows *rows, scp_db_tx *tx, const char *sql, scp__args args, scp__arena *arena, scp_error *err)
{
	*rows = (scp__rows){ .ops = tx->db->ops, .arena = arena, .err = err };
	rows->rc = rows->ops->prepare(tx, sql, &rows->stmt, err);
	if (rows->rc)
		rows->stmt = NULL;
	bind_all(rows, args);
}

bool scp__rows_next(scp__rows *rows)
{
	bool row = false;

	if (!rows->rc)
		rows->rc = rows->ops->step(rows->stmt, &row, rows->err);
	rows->column = 0;
	return !rows->rc && row;
}

scp_status scp__rows_close(scp__rows *rows)
{
	if (rows->stmt)
		rows->ops->release(rows->stmt);
	rows->stmt = NULL;
	return rows->rc;
}

void scp__rows_fail(scp__rows *rows, scp_status rc)
{
	if (rows->rc || !rc)
		return;
	rows->rc = rc;
	if (rc == SCP_ENOMEM)
		scp__nomem(rows->err);
}

scp_db_value scp__row_value(scp__rows *rows)
{
	scp_db_value value;

	rows->ops->column(rows->stmt, rows->column++, &value);
	return value;
}

int64_t scp__row_int(scp__rows *rows)
{
	scp_db_value value = scp__row_value(rows);

	return value.type == SCP_DB_INTEGER ? value.integer : 0;
}

const char *scp__row_bytes(scp__rows *rows, size_t *len)
{
	scp_db_value value = scp__row_value(rows);
	const char *copy;

	*len = 0;
	if (value.type != SCP_DB_TEXT && value.type != SCP_DB_BLOB)
		return NULL;
	copy = scp__arena_memdup(rows->arena, value.data, value.len);
	if (copy)
		*len = value.len;
	else
		scp__rows_fail(rows, SCP_ENOMEM);
	return copy;
}

const char *scp__row_text(scp__rows *rows)
{
	size_t len;

	return scp__row_bytes(rows, &len);
}

/* ---- whole statements ---- */

scp_status scp__sql_run(scp_db_tx *tx, const char *sql, scp__args args, uint64_t *matched, scp_error *err)
{
	scp__rows rows;

	scp__rows_open(&rows, tx, sql, args, NULL, err);
	while (scp__rows_next(&rows))
		;
	if (!rows.rc && matched)
		*matched = rows.ops->matched(tx);
	return scp__rows_close(&rows);
}

scp_status scp__sql_change(scp_db_tx *tx, const char *sql, scp__args args, bool *changed, scp_error *err)
{
	uint64_t matched = 0;
	scp_status rc = scp__sql_run(tx, sql, args, &matched, err);

	*changed = matched > 0;
	return rc;
}

scp_status scp__sql_number(scp_db_tx *tx, const char *sql, scp__args args, uint64_t *out, scp_error *err)
{
	scp__rows rows;

	*out = 0;
	scp__rows_open(&rows, tx, sql, args, NULL, err);
	if (scp__rows_next(&rows))
		*out = scp__row_uint(&rows);
	return scp__rows_close(&rows);
}

scp_status scp__sql_twin(scp_status rc, scp_error *err)
{
	return rc == SCP_ECONFLICT
		   ? scp__fail(err, SCP_EAGAIN, "database: another process inserted the same key just now")
		   : rc;
}

/* ---- lists ---- */

uint32_t scp__sql_limit(uint32_t limit)
{
	if (!limit)
		return LIMIT_DEFAULT;
	return limit < LIMIT_MAX ? limit : LIMIT_MAX;
}

scp_status scp__sql_next(
    scp__arena *arena, uint64_t offset, size_t count, uint64_t total, const char **out, scp_error *err)
{
	char text[24];

	*out = NULL;
	if (!count || offset + count >= total)
		return SCP_OK;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(offset + count));
	*out = scp__arena_strdup(arena, text);
	return *out ? SCP_OK : scp__nomem(err);
}

/* ---- ids ---- */

void scp__ids_free(scp__ids *ids)
{
	free(ids->ids);
	*ids = (scp__ids){ 0 };
}

void scp__ids_clear(scp__ids *ids)
{
	ids->count = 0;
}

static scp_status add_id(scp__ids *ids, scp_db_value id)
{
	size_t capacity = ids->capacity ? 2 * ids->capacity : IDS_FIRST;
	void *grown;

	if (id.type != SCP_DB_TEXT || id.len >= SCP__ID_SIZE)
		return SCP_EBACKEND;
	if (ids->count == ids->capacity) {
		grown = realloc(ids->ids, capacity * sizeof(ids->ids[0]));
		if (!grown)
			return SCP_ENOMEM;
		ids->ids = grown;
		ids->capacity = capacity;
	}
	memcpy(ids->ids[ids->count], id.data, id.len);
	ids->ids[ids->count++][id.len] = '\0';
	return SCP_OK;
}

scp_status scp__sql_ids(scp_db_tx *tx, const char *sql, scp__args args, scp__ids *out, scp_error *err)
{
	scp_status rc;
	scp__rows rows;

	scp__rows_open(&rows, tx, sql, args, NULL, err);
	while (scp__rows_next(&rows)) {
		rc = add_id(out, scp__row_value(&rows));
		if (rc == SCP_EBACKEND)
			scp__fail(err, rc, "database: an id of a row isn't one");
		scp__rows_fail(&rows, rc);
	}
	return scp__rows_close(&rows);
}
