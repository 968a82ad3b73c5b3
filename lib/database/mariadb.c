#include "mariadb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* ---- the vtable ---- */

static uint64_t mariadb_matched(scp_db_tx *tx)
{
	return ((scp__mariadb_conn *)(void *)tx)->matched;
}

static scp_status mariadb_exec(scp_db_tx *tx, const char *sql, scp_error *err)
{
	scp__mariadb_conn *conn = (scp__mariadb_conn *)(void *)tx;

	conn->ran_exec = true;
	return scp__mariadb_conn_run(conn, sql, err);
}

static void mariadb_load(scp_database *base, scp_db_load *out)
{
	scp__mariadb *db = (scp__mariadb *)(void *)base;

	pthread_mutex_lock(&db->pool.lock);
	out->held = db->pool.open - db->pool.idle;
	out->idle = db->pool.idle;
	out->waiting = db->pool.waiting;
	pthread_mutex_unlock(&db->pool.lock);
}

/* The first number of the first row. */
static scp_status ask(scp__mariadb_conn *conn, const char *sql, bool *yes, scp_error *err)
{
	scp_db_value value = { 0 };
	scp_db_stmt *stmt;
	scp_status rc = scp__mariadb_prepare(&conn->tx, sql, &stmt, err);
	bool row = false;

	if (rc)
		return rc;
	rc = scp__mariadb_step(stmt, &row, err);
	if (!rc && row)
		scp__mariadb_column(stmt, 0, &value);
	scp__mariadb_release(stmt);
	*yes = value.integer != 0;
	return rc;
}

static scp_status check_writable(scp__mariadb_conn *conn, scp_error *err)
{
	bool read_only = false;
	scp_status rc = ask(conn, "SELECT @@global.read_only OR @@global.innodb_read_only", &read_only, err);

	if (rc || !read_only)
		return rc;
	scp__fail(err, SCP_EUNAVAIL, "database %s: the server is read-only", conn->owner->settings.where);
	scp__hint(err, "SET GLOBAL read_only = OFF there, or name the primary in --database");
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

/* A connection of its own, whose patience is the caller's: how many others wait is told, but isn't waited for. */
static scp_status mariadb_health(
    scp_database *base, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	scp__mariadb *db = (scp__mariadb *)(void *)base;
	uint32_t patience_s = deadline_ms < 2000 ? 1 : deadline_ms / 2000;
	scp__mariadb_reach reach = { db->settings.name, patience_s, patience_s };
	scp__mariadb_conn *conn;
	scp__mariadb_quiet quiet;
	scp_db_load load;
	scp_status rc;

	scp__mariadb_enter(&quiet);
	rc = scp__mariadb_conn_open(&conn, db, &reach, err);
	if (!rc)
		rc = check_writable(conn, err);
	mariadb_load(base, &load);
	if (!rc)
		snprintf(detail, detail_size, "MariaDB %.60s, %s, TLS %s; connections: %u in use, %u kept, %u wait",
		    mysql_get_server_info(conn->raw), db->settings.where,
		    mysql_get_ssl_cipher(conn->raw) ? mysql_get_ssl_cipher(conn->raw) : "off", load.held, load.idle,
		    load.waiting);
	scp__mariadb_conn_close(conn);
	scp__mariadb_leave(&quiet);
	return rc;
}

static void mariadb_close(scp_database *base)
{
	scp__mariadb *db = (scp__mariadb *)(void *)base;
	scp__mariadb_quiet quiet;

	scp__mariadb_enter(&quiet);
	scp__mariadb_pool_fini(&db->pool);
	scp__mariadb_leave(&quiet);
	scp__mariadb_settings_free(&db->settings);
	free(db);
}

/* Keys are compared by their bytes, blanks at the end among them: utf8mb4_bin takes 'a' and 'a ' for one. */
static const scp_db_traits traits = {
	.name = "mariadb",
	.text_key = "VARCHAR(255)",
	.text_path = "VARBINARY(1024)", /* as text it would be too long for an index */
	.text = "LONGTEXT",
	.json = "JSON", /* text with CHECK (json_valid(…)) */
	.blob = "LONGBLOB",
	.integer = "BIGINT",
	.real = "DOUBLE",
	.insert_ignore = "INSERT IGNORE",
	.skip_locked = " FOR UPDATE SKIP LOCKED",
	.table_suffix = " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
	.explain = "EXPLAIN ",
	.schema_lock = "SELECT GET_LOCK(CONCAT('sandboxcp ', MD5(DATABASE())), 10)",
	.schema_unlock = "SELECT RELEASE_LOCK(CONCAT('sandboxcp ', MD5(DATABASE())))",
	.now_us = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
};

static const scp_database_ops ops = {
	.struct_size = sizeof(ops),
	.traits = &traits,
	.transact = scp__mariadb_transact,
	.prepare = scp__mariadb_prepare,
	.bind = scp__mariadb_bind,
	.step = scp__mariadb_step,
	.column = scp__mariadb_column,
	.release = scp__mariadb_release,
	.matched = mariadb_matched,
	.exec = mariadb_exec,
	.health = mariadb_health,
	.close = mariadb_close,
	.load = mariadb_load,
};

/* ---- opening ---- */

/* Where the user may, the database is made; where not, what the server says about it is as good. */
static void create(scp__mariadb *db)
{
	scp__mariadb_reach reach = { 0 };
	scp__mariadb_conn *conn;
	char sql[200];

	if (scp__mariadb_conn_open(&conn, db, &reach, NULL))
		return;
	snprintf(sql, sizeof(sql), "CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
	    db->settings.name);
	(void)scp__mariadb_conn_run(conn, sql, NULL);
	scp__mariadb_conn_close(conn);
}

static scp_status try_it(scp__mariadb *db, scp_error *err)
{
	scp__mariadb_conn *conn;
	scp_status rc = scp__mariadb_take(db, SCP_DB_READ, &conn, err);

	if (rc)
		return rc;
	rc = check_writable(conn, err);
	if (!conn->lost && scp__mariadb_conn_run(conn, "ROLLBACK", NULL))
		conn->lost = true;
	scp__mariadb_give(conn);
	return rc;
}

scp_status scp__mariadb_open(scp_database **out, const char *url, const scp__database_access *access, scp_error *err)
{
	scp__mariadb *db = calloc(1, sizeof(*db));
	scp__mariadb_quiet quiet;
	scp_status rc;

	*out = NULL;
	if (!db)
		return scp__nomem(err);
	db->base.ops = &ops;
	scp__mariadb_pool_init(&db->pool);
	scp__mariadb_enter(&quiet);
	rc = scp__mariadb_settings_read(&db->settings, url, access->password, err);
	if (!rc && access->create)
		create(db);
	if (!rc)
		rc = try_it(db, err);
	scp__mariadb_leave(&quiet);
	if (rc)
		mariadb_close(&db->base);
	else
		*out = &db->base;
	return rc;
}
