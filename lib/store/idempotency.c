#include "err.h"
#include "sql.h"

#include <stdio.h>

enum { GET, REPLACE, INSERT, NTH_EXPIRED, PURGE };
const char *const scp__store_idempotency_sql[] = {
	[GET] = "SELECT digest, resource_id, expires_us FROM idempotency WHERE route = ? AND actor = ? AND "
		"idem_key = ?" HELD,
	[REPLACE] = "UPDATE idempotency SET digest = ?, resource_id = ?, created_us = ?, expires_us = ? "
		    "WHERE route = ? AND actor = ? AND idem_key = ?",
	[INSERT] = "INSERT INTO idempotency (digest, resource_id, created_us, expires_us, route, actor, idem_key) "
		   "VALUES (?, ?, ?, ?, ?, ?, ?)",
	/* A DELETE with a LIMIT isn't everywhere: find where the batch ends, then delete up to there. */
	[NTH_EXPIRED] = "SELECT expires_us FROM idempotency WHERE expires_us <= ? ORDER BY expires_us LIMIT 1 OFFSET ?",
	[PURGE] = "DELETE FROM idempotency WHERE expires_us <= ?",
	NULL,
};
#define SQL(name) scp__store_idempotency_sql[name]

typedef struct known {
	bool row; /* there is one, expired or not */
	bool alive;
	bool same; /* the request's digest */
	char resource_id[SCP__ID_SIZE];
} known;

static scp_status look_up(scp_db_tx *tx, scp__args key, const char *digest, int64_t now_us, known *out, scp_error *err)
{
	scp__rows rows;

	*out = (known){ 0 };
	scp__rows_open(&rows, tx, SQL(GET), key, NULL, err);
	if (scp__rows_next(&rows)) {
		out->row = true;
		out->same = !strcmp(scp__row_value(&rows).data, digest);
		snprintf(out->resource_id, sizeof(out->resource_id), "%s", (const char *)scp__row_value(&rows).data);
		out->alive = scp__row_int(&rows) > now_us;
	}
	return scp__rows_close(&rows);
}

scp_status scp__store_idempotency(scp_db_tx *tx, const char *route, const char *actor, const char *key,
    const char digest[65], const char *resource_id, int64_t now_us, int64_t expires_us, bool *found,
    char existing[SCP__ID_SIZE], scp_error *err)
{
	const char *who = actor ? actor : "";
	scp__args row = ARGS(T(digest), T(resource_id), I(now_us), I(expires_us), T(route), T(who), T(key));
	known old;
	scp_status rc = look_up(tx, ARGS(T(route), T(who), T(key)), digest, now_us, &old, err);

	*found = false;
	if (rc)
		return rc;
	if (old.alive && !old.same)
		return scp__fail(err, SCP_ECONFLICT, "Idempotency-Key: it was used with another request");
	if (old.alive) {
		memcpy(existing, old.resource_id, SCP__ID_SIZE);
		*found = true;
		return SCP_OK;
	}
	return scp__sql_twin(scp__sql_run(tx, old.row ? SQL(REPLACE) : SQL(INSERT), row, NULL, err), err);
}

scp_status scp__store_idempotency_purge(scp_db_tx *tx, int64_t now_us, uint32_t limit, scp_error *err)
{
	uint64_t cutoff = 0;
	scp_status rc;

	if (!limit)
		return SCP_OK;
	rc = scp__sql_number(tx, SQL(NTH_EXPIRED), ARGS(I(now_us), I(limit - 1)), &cutoff, err);
	return rc ? rc : scp__sql_run(tx, SQL(PURGE), ARGS(I(cutoff ? (int64_t)cutoff : now_us)), NULL, err);
}
