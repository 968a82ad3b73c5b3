#include "sql.h"

#include <stdio.h>

#include "err.h"

enum { GET, UPDATE, INSERT };
const char *const scp__store_meta_sql[] = {
	[GET] = "SELECT value FROM meta WHERE name = ?",
	[UPDATE] = "UPDATE meta SET value = ? WHERE name = ?",
	[INSERT] = "INSERT INTO meta (value, name) VALUES (?, ?)",
	NULL,
};
#define SQL(name) scp__store_meta_sql[name]

scp_status scp__store_meta_get(scp_db_tx *tx, const char *name, char *out, size_t out_size, bool *found, scp_error *err)
{
	scp_db_value value;
	scp__rows rows;

	*found = false;
	scp__rows_open(&rows, tx, SQL(GET), ARGS(T(name)), NULL, err);
	if (scp__rows_next(&rows)) {
		value = scp__row_value(&rows);
		*found = value.len < out_size;
		if (*found)
			snprintf(out, out_size, "%s", (const char *)value.data);
		else
			rows.rc =
			    scp__fail(err, SCP_ETOOBIG, "database: the value of '%s' is longer than expected", name);
	}
	return scp__rows_close(&rows);
}

scp_status scp__store_meta_put(scp_db_tx *tx, const char *name, const char *value, scp_error *err)
{
	scp__args args = ARGS(T(value), T(name));
	bool there;
	scp_status rc = scp__sql_change(tx, SQL(UPDATE), args, &there, err);

	if (!rc && !there)
		rc = scp__sql_twin(scp__sql_run(tx, SQL(INSERT), args, NULL, err), err);
	return rc;
}
