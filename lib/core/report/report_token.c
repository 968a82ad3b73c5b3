/* Who may report: the internal token, and what is made of it for one session. */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "hmac.h"
#include "report.h"

#define OPEN_SESSIONS (SCP__BIT(SCP_SESSION_CREATING) | SCP__BIT(SCP_SESSION_RUNNING))

enum { BATCH = 256, BATCHES_MAX = 64, TOKEN_LEN = SCP__SHA256_HEX_SIZE - 1 };

scp_status scp__report_session_token(
    const scp__core *core, const char *session_id, char out[SCP__SHA256_HEX_SIZE], scp_error *err)
{
	if (!core->internal_token)
		return scp__fail(err, SCP_ENOTSUP, "this plane has no internal token");
	return scp__hmac_sha256_hex(core->internal_token, session_id, strlen(session_id), out, err);
}

static scp_status is_of(const scp__core *core, const char *token, const char *session_id, bool *is, scp_error *err)
{
	char right[SCP__SHA256_HEX_SIZE];
	scp_status rc = scp__report_session_token(core, session_id, right, err);

	*is = !rc && scp__same_secret(token, right);
	explicit_bzero(right, sizeof(right));
	return rc;
}

/* The session that an id is about; SCP_ENOTFOUND: of nothing here. */
static scp_status session_of(scp__core *core, const char *id, char session_id[SCP__ID_SIZE], scp_error *err)
{
	scp__execution *e;
	scp_status rc;

	snprintf(session_id, SCP__ID_SIZE, "%.*s", SCP__ID_SIZE - 1, id);
	if (scp__id_is_session(id))
		return SCP_OK;
	if (!scp__id_is_execution(id))
		return scp__report_unknown(id, err);
	rc = scp__execution_load(core, id, 0, &e, err);
	if (rc)
		return rc == SCP_ENOTFOUND ? scp__report_unknown(id, err) : rc;
	snprintf(session_id, SCP__ID_SIZE, "%s", e->pub.session_id);
	scp_execution_free(&e->pub);
	return SCP_OK;
}

/* ---- whose is it? ---- */

struct batch {
	char after[SCP__ID_SIZE];
	scp__ids ids;
};

static scp_status batch_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct batch *b = arg;

	scp__ids_clear(&b->ids);
	return scp__store_session_in(tx, OPEN_SESSIONS, NULL, b->after, BATCH, &b->ids, err);
}

static scp_status look_through(scp__core *core, const char *token, const scp__ids *ids, bool *found, scp_error *err)
{
	scp_status rc = SCP_OK;
	bool is;

	for (size_t i = 0; !rc && i < ids->count; i++) {
		rc = is_of(core, token, ids->ids[i], &is, err);
		*found |= is;
	}
	return rc;
}

/* Whether it is the token of some session that isn't over: to its holder what isn't its own isn't there. */
static scp_status is_anybodys(scp__core *core, const char *token, bool *found, scp_error *err)
{
	struct batch b = { "", { 0 } };
	scp_status rc = SCP_OK;

	*found = false;
	if (strlen(token) != TOKEN_LEN || strspn(token, "0123456789abcdef") != TOKEN_LEN)
		return SCP_OK;
	for (unsigned n = 0; !rc && !*found && n < BATCHES_MAX; n++) {
		rc = scp__database_transact(core->db, SCP_DB_READ, batch_tx, &b, err);
		if (!rc)
			rc = look_through(core, token, &b.ids, found, err);
		if (rc || b.ids.count < BATCH)
			break;
		snprintf(b.after, sizeof(b.after), "%s", b.ids.ids[b.ids.count - 1]);
	}
	scp__ids_free(&b.ids);
	return rc;
}

static scp_status authorize(scp__core *core, const char *token, const char *id, scp_error *err)
{
	char session_id[SCP__ID_SIZE];
	bool own = false, anybodys = false;
	scp_error cause = { 0 };
	scp_status rc;

	if (scp__same_secret(token, core->internal_token))
		return SCP_OK;
	rc = session_of(core, id, session_id, &cause);
	if (!rc)
		rc = is_of(core, token, session_id, &own, &cause);
	if (!rc && own)
		return SCP_OK;
	if (!rc || rc == SCP_ENOTFOUND)
		rc = is_anybodys(core, token, &anybodys, &cause);
	if (rc) {
		scp__error_copy(err, &cause);
		return rc;
	}
	if (anybodys)
		return scp__report_unknown(id, err);
	return scp__fail(err, SCP_EAUTH, "The token is neither the internal one nor a session's");
}

scp_status scp_report_authorize(
    scp_plane *plane, const char *token, const char *session_or_execution_id, scp_error *err)
{
	scp_status rc;

	if (!token || !session_or_execution_id)
		return scp__fail(err, SCP_EINVAL, "token and id must not be NULL");
	rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = authorize(plane->core, token, session_or_execution_id, err);
	scp__leave(plane);
	return rc;
}
