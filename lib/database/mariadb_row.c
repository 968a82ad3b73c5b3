/* Running a statement, and the rows it gives: read whole from the server, since others may run before they are used. */
#include "mariadb.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"

enum { CELL_FIRST = 256, CELL_KEPT = 64 * 1024 };

static scp_status fail(scp_db_stmt *stmt, scp_error *err)
{
	return scp__mariadb_fail(stmt->conn, mysql_stmt_errno(stmt->raw), mysql_stmt_error(stmt->raw), "step", err);
}

/* ---- cells ---- */

void scp__mariadb_cells_free(scp_db_stmt *stmt)
{
	for (unsigned i = 0; stmt->cells && i < stmt->column_count; i++)
		free(stmt->cells[i].data);
	free(stmt->cells);
	free(stmt->columns);
	stmt->cells = NULL;
	stmt->columns = NULL;
	stmt->column_count = 0;
}

static scp_status make_cells(scp_db_stmt *stmt, unsigned count, scp_error *err)
{
	if (stmt->cells && stmt->columns && stmt->column_count == count)
		return SCP_OK;
	scp__mariadb_cells_free(stmt);
	stmt->column_count = count;
	stmt->cells = calloc(count, sizeof(*stmt->cells));
	stmt->columns = calloc(count, sizeof(*stmt->columns));
	return stmt->cells && stmt->columns ? SCP_OK : scp__nomem(err);
}

/* Room for so many bytes and a NUL. */
static bool grow(scp__mariadb_cell *cell, size_t len)
{
	char *data;

	if (cell->data && len < cell->capacity)
		return true;
	data = realloc(cell->data, len + 1);
	if (!data)
		return false;
	cell->data = data;
	cell->capacity = len + 1;
	return true;
}

static scp_db_type type_of(const MYSQL_FIELD *field)
{
	enum { BINARY = 63 };

	switch (field->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR:
		return SCP_DB_INTEGER;
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL: /* a sum of integers is one */
		return field->decimals ? SCP_DB_REAL : SCP_DB_INTEGER;
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE:
		return SCP_DB_REAL;
	case MYSQL_TYPE_NULL:
		return SCP_DB_NULL;
	default:
		return field->charsetnr == BINARY ? SCP_DB_BLOB : SCP_DB_TEXT;
	}
}

static bool bind_cell(MYSQL_BIND *to, scp__mariadb_cell *cell, scp_db_type type)
{
	memset(to, 0, sizeof(*to));
	cell->type = type;
	to->is_null = &cell->is_null;
	to->error = &cell->error;
	to->length = &cell->len;
	if (type == SCP_DB_INTEGER || type == SCP_DB_REAL) {
		to->buffer_type = type == SCP_DB_REAL ? MYSQL_TYPE_DOUBLE : MYSQL_TYPE_LONGLONG;
		to->buffer = type == SCP_DB_REAL ? (void *)&cell->real : (void *)&cell->integer;
		return true;
	}
	if (!grow(cell, cell->data ? 0 : CELL_FIRST))
		return false;
	to->buffer_type = type == SCP_DB_NULL ? MYSQL_TYPE_NULL : MYSQL_TYPE_BLOB;
	to->buffer = cell->data;
	to->buffer_length = cell->capacity - 1;
	return true;
}

/* Anew each time: what a column is may change with what is bound, and with a migration. */
static scp_status bind_cells(scp_db_stmt *stmt, scp_error *err)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(stmt->raw);
	scp_status rc = meta ? make_cells(stmt, mysql_num_fields(meta), err) : fail(stmt, err);

	for (unsigned i = 0; !rc && i < stmt->column_count; i++)
		if (!bind_cell(&stmt->columns[i], &stmt->cells[i], type_of(mysql_fetch_field_direct(meta, i))))
			rc = scp__nomem(err);
	if (meta)
		mysql_free_result(meta);
	if (!rc && mysql_stmt_bind_result(stmt->raw, stmt->columns))
		rc = fail(stmt, err);
	return rc;
}

/* ---- step ---- */

static scp_status execute(scp_db_stmt *stmt, scp_error *err)
{
	scp_status rc;

	if (stmt->param_count && mysql_stmt_bind_param(stmt->raw, stmt->params))
		return fail(stmt, err);
	if (mysql_stmt_execute(stmt->raw))
		return fail(stmt, err);
	stmt->executed = true;
	if (!mysql_stmt_field_count(stmt->raw))
		return SCP_OK;
	rc = bind_cells(stmt, err);
	if (!rc && mysql_stmt_store_result(stmt->raw))
		rc = fail(stmt, err);
	return rc;
}

/* What was longer than its room is read again; the next row finds more room. */
static scp_status read_long(scp_db_stmt *stmt, scp_error *err)
{
	bool grown = false;

	for (unsigned i = 0; i < stmt->column_count; i++) {
		scp__mariadb_cell *cell = &stmt->cells[i];
		MYSQL_BIND *bind = &stmt->columns[i];

		if (cell->is_null || !bind->buffer_length || cell->len <= bind->buffer_length)
			continue;
		if (!grow(cell, cell->len))
			return scp__nomem(err);
		bind->buffer = cell->data;
		bind->buffer_length = cell->capacity - 1;
		grown = true;
		if (mysql_stmt_fetch_column(stmt->raw, bind, i, 0))
			return fail(stmt, err);
	}
	return grown && mysql_stmt_bind_result(stmt->raw, stmt->columns) ? fail(stmt, err) : SCP_OK;
}

static scp_status fetch(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	int code = mysql_stmt_fetch(stmt->raw);

	*row = !code || code == MYSQL_DATA_TRUNCATED;
	if (code == MYSQL_DATA_TRUNCATED)
		return read_long(stmt, err);
	return *row || code == MYSQL_NO_DATA ? SCP_OK : fail(stmt, err);
}

scp_status scp__mariadb_step(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = SCP_OK;

	*row = false;
	if (stmt->ended)
		return SCP_OK;
	if (!stmt->executed)
		rc = execute(stmt, err);
	if (!rc && mysql_stmt_field_count(stmt->raw))
		rc = fetch(stmt, row, err);
	if (rc || *row)
		return rc;
	stmt->ended = true;
	stmt->conn->matched = mysql_stmt_field_count(stmt->raw) ? 0 : (uint64_t)mysql_stmt_affected_rows(stmt->raw);
	return SCP_OK;
}

void scp__mariadb_column(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	const scp__mariadb_cell *cell;

	*out = (scp_db_value){ .type = SCP_DB_NULL };
	if (index < 0 || (unsigned)index >= stmt->column_count || stmt->ended || !stmt->executed)
		return;
	cell = &stmt->cells[index];
	if (cell->is_null || cell->type == SCP_DB_NULL)
		return;
	out->type = cell->type;
	if (cell->type == SCP_DB_INTEGER) {
		out->integer = cell->integer;
	} else if (cell->type == SCP_DB_REAL) {
		out->real = cell->real;
	} else {
		cell->data[cell->len] = '\0';
		out->data = cell->data;
		out->len = cell->len;
	}
}

void scp__mariadb_rows_end(scp_db_stmt *stmt)
{
	if (stmt->executed && mysql_stmt_field_count(stmt->raw))
		(void)mysql_stmt_free_result(stmt->raw);
	stmt->executed = stmt->ended = false;
	for (unsigned i = 0; stmt->cells && i < stmt->column_count; i++) {
		scp__mariadb_cell *cell = &stmt->cells[i];

		if (cell->capacity <= CELL_KEPT)
			continue;
		free(cell->data);
		cell->data = NULL;
		cell->capacity = 0;
	}
}
