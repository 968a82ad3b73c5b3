/* Whether the user in the database may do what the store will ask of it, found out without doing it. */
#include "sql.h"

/*
 * Statements are prepared, which is when rights and a read-only disk are looked at, and not run. Who may not say "look"
 * either, or finds nothing, must be able to make the tables.
 */
enum { LOOK, MAKE, INSERT, UPDATE, DELETE };
const char *const scp__store_probe_sql[] = {
	[LOOK] = "SELECT version FROM schema_version LIMIT 1",
	[MAKE] = "CREATE TABLE schema_probe (id BIGINT)",
	[INSERT] = "INSERT INTO meta (name, value) VALUES (?, ?)",
	[UPDATE] = "UPDATE meta SET value = ? WHERE name = ?",
	[DELETE] = "DELETE FROM meta WHERE name = ?",
	NULL,
};

static scp_status try(scp_db_tx *tx, int which, scp_error *err)
{
	scp_db_stmt *stmt = NULL;
	scp_status rc = tx->db->ops->prepare(tx, scp__store_probe_sql[which], &stmt, err);

	if (!rc)
		tx->db->ops->release(stmt);
	return rc;
}

static scp_status probe(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc;

	(void)arg;
	if (try(tx, LOOK, NULL))
		return try(tx, MAKE, err);
	rc = try(tx, INSERT, err);
	if (!rc)
		rc = try(tx, UPDATE, err);
	return rc ? rc : try(tx, DELETE, err);
}

scp_status scp__store_probe(scp_database *db, scp_error *err)
{
	return db->ops->transact(db, SCP_DB_WRITE, probe, NULL, err);
}
