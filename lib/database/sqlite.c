#include "sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "err.h"

/* ---- what both ways share ---- */

void scp__sqlite_back_off(unsigned tries)
{
	struct timespec pause = { 0, 1000000L << (tries < 5 ? tries : 5) };

	nanosleep(&pause, NULL);
}

scp_status scp__sqlite_final(scp_status rc, scp_error *err)
{
	if (rc != SCP_EAGAIN)
		return rc;
	if (err)
		err->status = SCP_EUNAVAIL;
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

/* ---- the vtable ---- */

static scp_status sqlite_transact(scp_database *base, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp__sqlite *db = (scp__sqlite *)base;

	if (mode == SCP_DB_WRITE)
		return scp__sqlite_write(db, fn, arg, err);
	return scp__sqlite_read(db, SCP__SQLITE_WAIT_MS, fn, arg, err);
}

static scp_status read_something(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_db_stmt *stmt;
	bool *row = arg;
	scp_status rc = scp__sqlite_prepare(tx, "SELECT count(*) FROM sqlite_schema", &stmt, err);

	if (rc)
		return rc;
	rc = scp__sqlite_step(stmt, row, err);
	scp__sqlite_release(stmt);
	return rc;
}

/* SQLite goes on for ever with a file that was deleted or replaced under it, and all that it writes is lost. */
static scp_status check_file(const scp__sqlite *db, scp_error *err)
{
	struct stat st;

	if (!stat(db->path, &st) && st.st_dev == db->device && st.st_ino == db->inode)
		return SCP_OK;
	scp__fail(err, SCP_EUNAVAIL, "database %s: the file was removed or replaced while it was in use", db->path);
	scp__hint(err, "Stop this process, put the file %s back, and start again", db->path);
	return SCP_EUNAVAIL;
}

static scp_status sqlite_health(
    scp_database *base, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	scp__sqlite *db = (scp__sqlite *)base;
	uint32_t wait_ms = deadline_ms < SCP__SQLITE_WAIT_MS ? deadline_ms : SCP__SQLITE_WAIT_MS;
	bool row = false;
	scp_status rc = check_file(db, err);

	if (!rc)
		rc = scp__sqlite_read(db, wait_ms, read_something, &row, err);
	if (!rc)
		snprintf(detail, detail_size, "SQLite %s, WAL, synchronous %s, %s", sqlite3_libversion(),
		    db->sync_full ? "full: commits survive a power cut" : "normal: commits survive the process",
		    db->path);
	return rc;
}

static void sqlite_close(scp_database *base)
{
	scp__sqlite *db = (scp__sqlite *)base;

	scp__sqlite_checkpoint_stop(&db->checkpoint);
	scp__sqlite_readers_fini(&db->readers);
	scp__sqlite_writer_fini(&db->writer);
	free(db->path);
	free(db);
}

static const scp_db_traits traits = {
	.name = "sqlite",
	.text_key = "TEXT",
	.text_path = "TEXT",
	.text = "TEXT",
	.json = "TEXT",
	.blob = "BLOB",
	.integer = "INTEGER",
	.real = "REAL",
	.insert_ignore = "INSERT OR IGNORE",
	.skip_locked = "",
	.table_suffix = " STRICT",
	.explain = "EXPLAIN QUERY PLAN ",
	.schema_lock = "",
	.schema_unlock = "",
};

static const scp_database_ops ops = {
	.struct_size = sizeof(ops),
	.traits = &traits,
	.transact = sqlite_transact,
	.prepare = scp__sqlite_prepare,
	.bind = scp__sqlite_bind,
	.step = scp__sqlite_step,
	.column = scp__sqlite_column,
	.release = scp__sqlite_release,
	.matched = scp__sqlite_matched,
	.exec = scp__sqlite_exec,
	.health = sqlite_health,
	.close = sqlite_close,
};

/* ---- opening ---- */

static scp_status parse_parameter(scp__sqlite *db, const char *name, scp_error *err)
{
	if (!strcmp(name, "sync=full"))
		db->sync_full = true;
	else if (strcmp(name, "sync=normal") != 0)
		return scp__fail(
		    err, SCP_EINVAL, "database URL: '%s' is unknown; allowed: sync=normal, sync=full", name);
	return SCP_OK;
}

static scp_status parse_url(scp__sqlite *db, const char *url, scp_error *err)
{
	const char *path = url + strlen("sqlite:");
	const char *query = strchr(path, '?');

	if (path[0] != '/')
		return scp__fail(
		    err, SCP_EINVAL, "database URL: '%s' needs an absolute path, as in sqlite:/path/state.db", url);
	db->path = query ? strndup(path, (size_t)(query - path)) : strdup(path);
	if (!db->path)
		return scp__nomem(err);
	return query ? parse_parameter(db, query + 1, err) : SCP_OK;
}

/*
 * A new file is 0600 (SQLite gives its companions the same). It is made without opening it: closing a descriptor of
 * ours would drop the locks that another plane of this process holds on the same file.
 */
static scp_status make_file(const scp__sqlite *db, scp_error *err)
{
	int number;

	if (!mknod(db->path, S_IFREG | 0600, 0) || errno == EEXIST)
		return SCP_OK;
	number = errno;
	scp__fail_errno(err, number, "database %s: make the file", db->path);
	if (err)
		err->status = SCP_EUNAVAIL;
	scp__hint(err, "Make the folder of %s and give this user the right to write in it", db->path);
	return SCP_EUNAVAIL;
}

static scp_status remember_file(scp__sqlite *db, scp_error *err)
{
	struct stat st;

	if (stat(db->path, &st))
		return scp__fail_errno(err, errno, "database %s", db->path);
	db->device = st.st_dev;
	db->inode = st.st_ino;
	return SCP_OK;
}

scp_status scp__sqlite_open(scp_database **out, const char *url, const scp__database_access *access, scp_error *err)
{
	scp__sqlite *db = calloc(1, sizeof(*db));
	scp__sqlite_conn *conn = NULL;
	scp_status rc;

	(void)access; /* a file is made by whoever may */
	*out = NULL;
	if (!db)
		return scp__nomem(err);
	db->base.ops = &ops;
	rc = parse_url(db, url, err);
	if (!rc)
		rc = make_file(db, err);
	if (!rc)
		rc = scp__sqlite_conn_open(&conn, db, true, err);
	if (!rc)
		rc = remember_file(db, err);
	if (!rc)
		rc = scp__sqlite_checkpoint_start(&db->checkpoint, db, conn->raw, err);
	scp__sqlite_readers_init(&db->readers);
	scp__sqlite_writer_init(&db->writer, conn);
	if (rc)
		sqlite_close(&db->base);
	else
		*out = &db->base;
	return rc;
}
