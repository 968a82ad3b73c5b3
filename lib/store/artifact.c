/* The files that an execution made: stored with its end, or told before it. */
#include "err.h"
#include "rows.h"

#define ARTIFACTS_MAX 1000u

enum { INSERT, UPDATE, COUNT, SET_COUNT };
const char *const scp__store_artifact_sql[] = {
	[INSERT] = "INSERT INTO artifact (size_bytes, mime_type, type, sha256, created_us, execution_id, path, number) "
		   "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[UPDATE] = "UPDATE artifact SET size_bytes = ?, mime_type = ?, type = ?, sha256 = ?, created_us = ? "
		   "WHERE execution_id = ? AND path = ?",
	[COUNT] = "SELECT COUNT(*) FROM artifact WHERE execution_id = ?",
	[SET_COUNT] = "UPDATE execution SET artifact_count = ? WHERE id = ?",
	NULL,
};
#define SQL(name) scp__store_artifact_sql[name]
#define VALUES(id, a)                                                                                                  \
	I((a)->size_bytes), T((a)->mime_type), T((a)->type), T((a)->sha256), I((a)->created_us), T(id), T((a)->path)

static scp_status insert(scp_db_tx *tx, const char *id, uint64_t number, const scp_artifact *a, scp_error *err)
{
	return scp__sql_run(tx, SQL(INSERT), ARGS(VALUES(id, a), I(number)), NULL, err);
}

static scp_status merge_one(scp_db_tx *tx, const char *id, uint64_t *count, const scp_artifact *a, scp_error *err)
{
	bool there;
	scp_status rc = scp__sql_change(tx, SQL(UPDATE), ARGS(VALUES(id, a)), &there, err);

	if (rc || there || *count >= ARTIFACTS_MAX)
		return rc;
	return insert(tx, id, (*count)++, a, err);
}

scp_status scp__store_artifacts_merge(
    scp_db_tx *tx, const char *id, const scp_artifact *artifacts, size_t count, scp_error *err)
{
	uint64_t stored = 0;
	scp_status rc = scp__sql_number(tx, SQL(COUNT), ARGS(T(id)), &stored, err);

	for (size_t i = 0; !rc && i < count; i++)
		rc = merge_one(tx, id, &stored, &artifacts[i], err);
	return rc ? rc : scp__sql_run(tx, SQL(SET_COUNT), ARGS(I(stored), T(id)), NULL, err);
}

/* Hardly any execution told of files before its end, so nobody looks whether one did: its first number is taken then.
 */
scp_status scp__artifacts_insert(
    scp_db_tx *tx, const char *id, const scp_artifact *artifacts, size_t count, scp_error *err)
{
	scp_error cause = { 0 };
	scp_status rc = count ? insert(tx, id, 0, &artifacts[0], &cause) : SCP_OK;

	if (rc == SCP_ECONFLICT)
		return scp__store_artifacts_merge(tx, id, artifacts, count, err);
	if (rc)
		scp__error_copy(err, &cause);
	for (size_t i = 1; !rc && i < count; i++)
		rc = insert(tx, id, i, &artifacts[i], err);
	return rc;
}
