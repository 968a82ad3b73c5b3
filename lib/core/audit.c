/* Who did what: one line for whatever a client asked for, whether or not it came to be. */
#include "plane.h"

static const char *result_of(scp_status rc, const scp_error *err)
{
	if (!rc)
		return "ok";
	return err && err->code[0] ? err->code : scp_status_name(rc);
}

/* The error's code alone: its message may name what the client gave. */
void scp__audit(const scp_plane *plane, const char *what, const char *session_id, const char *execution_id,
    scp_status rc, const scp_error *err)
{
	scp__log_ids ids = { scp__request_id(plane), session_id, execution_id, NULL };
	const char *actor = scp__actor(plane);
	scp_pair fields[] = { { "actor", actor ? actor : "-" }, { "result", result_of(rc, err) }, { NULL, NULL } };

	scp__log_write(&plane->core->log, SCP_LOG_INFO, "audit", &ids, fields, "%s", what);
}
