/* Where a workspace can be had once the node that it was used on is lost. */
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
