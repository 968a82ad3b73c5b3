/* Where a workspace can be had: by others than the process that drives its node, or once that node is lost. */
#include "plane.h"

/*
 * A storage of all processes has a workspace as it was synced last. A local folder lies where it lies; but a session
 * that is still to get its first sandbox, and that nobody has touched since, has nothing in it.
 */
bool scp__workspace_elsewhere(scp__core *core, const scp__session *s)
{
	if (core->provision.mirror)
		return true;
	return s->pub.status == SCP_SESSION_CREATING && s->pub.last_activity_us <= s->pub.created_us;
}

/* A folder is served by the process in whose state it is; what the storage of all has, by any. */
scp_status scp__workspace_everywhere(
    scp_db_tx *tx, scp__core *core, const scp__session *s, bool *everywhere, scp_error *err)
{
	scp__workspace *w;
	scp_status rc;

	*everywhere = false;
	if (!core->provision.mirror || !s->workspace_id)
		return SCP_OK;
	rc = scp__store_workspace_get(tx, s->workspace_id, &w, err);
	if (rc)
		return rc;
	*everywhere = !w->node;
	scp__workspace_free(w);
	return SCP_OK;
}
