/* Where a workspace can be had: by others than the process that drives its node, or once that node is lost. */
#include "plane.h"

/*
 * A local folder lies where it lies. But a session that is still to get its first sandbox, and that nobody has touched
 * since, has nothing in it.
 */
bool scp__workspace_elsewhere(scp__core *core, const scp__session *s)
{
	(void)core;
	return s->pub.status == SCP_SESSION_CREATING && s->pub.last_activity_us <= s->pub.created_us;
}

/* A folder is served by the process in whose state it is. */
scp_status scp__workspace_everywhere(
    scp_db_tx *tx, scp__core *core, const scp__session *s, bool *everywhere, scp_error *err)
{
	(void)tx;
	(void)core;
	(void)s;
	(void)err;
	*everywhere = false;
	return SCP_OK;
}
