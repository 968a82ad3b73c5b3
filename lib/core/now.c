/*
 * One clock for all processes on one database: its own. Between two looks it is reckoned by the monotonic clock, so
 * that whatever is done to this machine's wall clock moves nothing.
 */
#include "clock.h"
#include "plane.h"

int64_t scp__core_now_us(scp__core *core)
{
	if (!core->clock_apart)
		return scp__now_us();
	return scp__mono_us() + atomic_load(&core->clock_ahead_us);
}

static scp_status look_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	int64_t before_us = scp__mono_us(), now_us;
	scp_status rc = scp__store_now(tx, &now_us, err);

	/* It was said somewhere between the question and the answer. */
	if (!rc)
		*(int64_t *)arg = now_us - before_us - (scp__mono_us() - before_us) / 2;
	return rc;
}

scp_status scp__core_clock_look(scp__core *core, scp_error *err)
{
	int64_t ahead_us = 0;
	scp_status rc;

	if (!core->clock_apart)
		return SCP_OK;
	rc = scp__database_transact(core->db, SCP_DB_READ, look_tx, &ahead_us, err);
	if (!rc)
		atomic_store(&core->clock_ahead_us, ahead_us);
	return rc;
}

scp_status scp__core_clock_open(scp__core *core, scp_error *err)
{
	core->clock_apart = core->db->ops->traits->now_us != NULL;
	return scp__core_clock_look(core, err);
}
