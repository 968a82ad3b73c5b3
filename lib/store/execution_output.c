#include "err.h"
#include "rows.h"

enum { INSERT, GET, GET_ARTIFACTS, GET_RETURN };
const char *const scp__store_output_sql[] = {
	[INSERT] = "INSERT INTO output (execution_id, out_len, out_bytes, err_len, err_bytes, stdout_key, stderr_key, "
		   "order_index, out_data, err_data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GET] =
	    "SELECT out_len, out_bytes, err_len, err_bytes, stdout_key, stderr_key, order_index, out_data, err_data "
	    "FROM output WHERE execution_id = ?",
	[GET_ARTIFACTS] = "SELECT path, size_bytes, mime_type, type, sha256, created_us FROM artifact "
			  "WHERE execution_id = ? ORDER BY number LIMIT ?",
	[GET_RETURN] = "SELECT return_value FROM execution WHERE id = ?",
	NULL,
};
#define SQL(name) scp__store_output_sql[name]

/* ---- insert ---- */

/* Most executions write something, many nothing at all: those do without a row. */
bool scp__output_any(const scp__finish *f)
{
	return f->out_len || f->out_bytes || f->err_len || f->err_bytes || f->index_len || f->stdout_key ||
	       f->stderr_key;
}

scp_status scp__output_insert(scp_db_tx *tx, const char *id, const scp__finish *f, scp_error *err)
{
	scp_status rc = SCP_OK;

	if (scp__output_any(f))
		rc = scp__sql_run(tx, SQL(INSERT),
		    ARGS(T(id), I(f->out_len), I(f->out_bytes), I(f->err_len), I(f->err_bytes), T(f->stdout_key),
			T(f->stderr_key), scp__sql_blob(f->index, f->index_len),
			scp__sql_blob(f->stdout_key ? NULL : f->out, f->out_len),
			scp__sql_blob(f->stderr_key ? NULL : f->err, f->err_len)),
		    NULL, err);
	return rc ? rc : scp__artifacts_insert(tx, id, f->artifacts, f->artifact_count, err);
}

/* ---- load ---- */

/* Bytes that are in storage are core's to fetch: then the length is known and the pointer is NULL. */
static void read_output(scp__execution *e, scp__rows *rows)
{
	scp_execution *p = &e->pub;
	size_t stored;

	p->out_len = (size_t)scp__row_uint(rows);
	p->out_bytes = scp__row_uint(rows);
	p->err_len = (size_t)scp__row_uint(rows);
	p->err_bytes = scp__row_uint(rows);
	e->stdout_key = scp__row_text(rows);
	e->stderr_key = scp__row_text(rows);
	e->index = scp__row_bytes(rows, &e->index_len);
	p->out = scp__row_bytes(rows, &stored);
	p->err = scp__row_bytes(rows, &stored);
	if (!p->out && !e->stdout_key)
		p->out = "";
	if (!p->err && !e->stderr_key)
		p->err = "";
	p->out_truncated = p->out_len < p->out_bytes;
	p->err_truncated = p->err_len < p->err_bytes;
}

static scp_status load_output(scp_db_tx *tx, scp__execution *e, scp_error *err)
{
	scp__rows rows;

	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(e->pub.id)), e->arena, err);
	if (scp__rows_next(&rows))
		read_output(e, &rows);
	return scp__rows_close(&rows);
}

static scp_status load_return(scp_db_tx *tx, scp__execution *e, scp_error *err)
{
	scp__rows rows;

	scp__rows_open(&rows, tx, SQL(GET_RETURN), ARGS(T(e->pub.id)), e->arena, err);
	if (scp__rows_next(&rows))
		e->pub.return_json = scp__row_text(&rows);
	return scp__rows_close(&rows);
}

static void read_artifact(scp_artifact *a, scp__rows *rows)
{
	a->path = scp__row_text(rows);
	a->size_bytes = scp__row_uint(rows);
	a->mime_type = scp__row_text(rows);
	a->type = scp__row_text(rows);
	a->sha256 = scp__row_text(rows);
	a->created_us = scp__row_int(rows);
}

static scp_status load_artifacts(scp_db_tx *tx, scp__execution *e, uint32_t count, scp_error *err)
{
	const scp_artifact **list = scp__arena_alloc(e->arena, count * sizeof(*list));
	scp_artifact *items = scp__arena_alloc(e->arena, count * sizeof(*items));
	scp__rows rows;
	size_t n = 0;

	if (!list || !items)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, SQL(GET_ARTIFACTS), ARGS(T(e->pub.id), I(count)), e->arena, err);
	while (n < count && scp__rows_next(&rows)) {
		read_artifact(&items[n], &rows);
		list[n] = &items[n];
		n++;
	}
	e->pub.artifacts = list;
	e->pub.artifact_count = n;
	return scp__rows_close(&rows);
}

scp_status scp__output_load(scp_db_tx *tx, scp__execution *e, const scp__execution_apart *apart, scp_error *err)
{
	scp_status rc;

	if (!e->pub.result)
		return SCP_OK;
	e->pub.out = e->pub.err = "";
	rc = load_return(tx, e, err);
	if (!rc && apart->output)
		rc = load_output(tx, e, err);
	if (!rc && apart->artifacts)
		rc = load_artifacts(tx, e, apart->artifacts, err);
	return rc;
}
