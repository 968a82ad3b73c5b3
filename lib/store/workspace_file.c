#include "err.h"
#include "sql.h"

#define COLUMNS "path, kind, mode, size_bytes, mtime_us, ctime_us, sha256, target"

enum { LIST, GET, UPDATE, INSERT, REMOVE, DROP };
const char *const scp__store_workspace_file_sql[] = {
	[LIST] = "SELECT " COLUMNS " FROM workspace_file WHERE workspace_id = ? AND path > ? ORDER BY path LIMIT ?",
	[GET] = "SELECT " COLUMNS " FROM workspace_file WHERE workspace_id = ? AND path = ?",
	[UPDATE] =
	    "UPDATE workspace_file SET kind = ?, mode = ?, size_bytes = ?, mtime_us = ?, ctime_us = ?, sha256 = ?, "
	    "target = ? WHERE workspace_id = ? AND path = ?",
	[INSERT] =
	    "INSERT INTO workspace_file (kind, mode, size_bytes, mtime_us, ctime_us, sha256, target, workspace_id, "
	    "path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[REMOVE] = "DELETE FROM workspace_file WHERE workspace_id = ? AND path = ?",
	[DROP] = "DELETE FROM workspace_file WHERE workspace_id = ?",
	NULL,
};
#define SQL(name) scp__store_workspace_file_sql[name]

void scp__workspace_files_free(scp__workspace_files *files)
{
	scp__arena_free(files->arena);
	*files = (scp__workspace_files){ 0 };
}

static void read_row(scp__rows *rows, scp__workspace_file *f)
{
	f->path = scp__row_text(rows);
	f->kind = scp__row_u32(rows);
	f->mode = scp__row_u32(rows);
	f->size_bytes = scp__row_uint(rows);
	f->mtime_us = scp__row_int(rows);
	f->ctime_us = scp__row_int(rows);
	f->sha256 = scp__row_text(rows);
	f->target = scp__row_text(rows);
}

static scp_status read_all(
    scp_db_tx *tx, const char *sql, scp__args args, uint32_t limit, scp__workspace_files *out, scp_error *err)
{
	scp__rows rows;
	scp_status rc;

	scp__workspace_files_free(out);
	out->arena = scp__arena_new();
	out->items = out->arena ? scp__arena_alloc(out->arena, limit * sizeof(*out->items)) : NULL;
	if (!out->items) {
		scp__workspace_files_free(out);
		return scp__nomem(err);
	}
	scp__rows_open(&rows, tx, sql, args, out->arena, err);
	while (out->count < limit && scp__rows_next(&rows))
		read_row(&rows, &out->items[out->count++]);
	rc = scp__rows_close(&rows);
	if (rc)
		scp__workspace_files_free(out);
	return rc;
}

scp_status scp__store_workspace_files(scp_db_tx *tx, const char *workspace_id, const char *after, uint32_t limit,
    scp__workspace_files *out, scp_error *err)
{
	return read_all(tx, SQL(LIST), ARGS(T(workspace_id), T(after), I(limit)), limit, out, err);
}

scp_status scp__store_workspace_file(
    scp_db_tx *tx, const char *workspace_id, const char *path, scp__workspace_files *out, scp_error *err)
{
	return read_all(tx, SQL(GET), ARGS(T(workspace_id), T(path)), 1, out, err);
}

scp_status scp__store_workspace_file_put(
    scp_db_tx *tx, const char *workspace_id, const scp__workspace_file *f, scp_error *err)
{
	const scp__args args = ARGS(I(f->kind), I(f->mode), I(f->size_bytes), I(f->mtime_us), I(f->ctime_us),
	    T(f->sha256 ? f->sha256 : ""), T(f->target), T(workspace_id), T(f->path));
	bool there;
	scp_status rc = scp__sql_change(tx, SQL(UPDATE), args, &there, err);

	return rc || there ? rc : scp__sql_twin(scp__sql_run(tx, SQL(INSERT), args, NULL, err), err);
}

scp_status scp__store_workspace_file_remove(scp_db_tx *tx, const char *workspace_id, const char *path, scp_error *err)
{
	return scp__sql_run(tx, SQL(REMOVE), ARGS(T(workspace_id), T(path)), NULL, err);
}

scp_status scp__store_workspace_files_drop(scp_db_tx *tx, const char *workspace_id, scp_error *err)
{
	return scp__sql_run(tx, SQL(DROP), ARGS(T(workspace_id)), NULL, err);
}
