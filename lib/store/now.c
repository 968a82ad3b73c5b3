#include "clock.h"
#include "sql.h"

scp_status scp__store_now(scp_db_tx *tx, int64_t *now_us, scp_error *err)
{
	const char *sql = tx->db->ops->traits->now_us;
	uint64_t number = 0;
	scp_status rc = SCP_OK;

	if (sql)
		rc = scp__sql_number(tx, sql, NO_ARGS, &number, err);
	*now_us = sql ? (int64_t)number : scp__now_us();
	return rc;
}
