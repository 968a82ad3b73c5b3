#include "columns.h"
#include "err.h"
#include "rows.h"

#define LEFT_BATCH 16
#define LIVE (SCP__BIT(SCP_SESSION_CREATING) | SCP__BIT(SCP_SESSION_RUNNING))

enum {
	INSERT,
	GET,
	HOLD,
	COUNT_LIVE,
	SET_RUNNING,
	SET_ENDED,
	PLACE,
	SET_CONTAINER,
	TOUCH,
	TOUCH_LIVE,
	COUNT_EXECUTION,
	EXPIRED,
	IDLE,
	IN_ANY,
	IN_NODE,
	UNMADE,
	MOVE,
	LEFT
};
const char *const scp__store_session_sql[] = {
	[INSERT] = "INSERT INTO session (" SESSION_COLUMNS ") VALUES "
		   "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[GET] = "SELECT " SESSION_COLUMNS " FROM session WHERE id = ?",
	[HOLD] = "SELECT " SESSION_COLUMNS " FROM session WHERE id = ?" HELD,
	[COUNT_LIVE] = "SELECT count(*) FROM session WHERE status IN (1, 2)",
	[SET_RUNNING] = "UPDATE session SET status = ?, updated_us = ?, started_us = ?, error = COALESCE(?, error) "
			"WHERE id = ? AND status " IN_6,
	[SET_ENDED] = "UPDATE session SET status = ?, updated_us = ?, terminated_us = ?, error = COALESCE(?, error) "
		      "WHERE id = ? AND status " IN_6,
	[PLACE] = "UPDATE session SET node = ?, runtime_type = ?, updated_us = ? WHERE id = ? AND status IN (1, 2) "
		  "AND (node IS NULL OR node = ?)",
	/* `=` doesn't find NULL, and what does isn't the same everywhere. */
	[SET_CONTAINER] = "UPDATE session SET container_id = ?, updated_us = ? WHERE id = ? AND status IN (1, 2) "
			  "AND (container_id = ? OR (container_id IS NULL AND ? IS NULL))",
	[TOUCH] = "UPDATE session SET "
		  "last_activity_us = CASE WHEN last_activity_us < ? THEN ? ELSE last_activity_us END, "
		  "updated_us = CASE WHEN updated_us < ? THEN ? ELSE updated_us END, "
		  "expires_us = CASE WHEN ? > 0 THEN ? ELSE expires_us END WHERE id = ?",
	[TOUCH_LIVE] = "UPDATE session SET "
		       "last_activity_us = CASE WHEN last_activity_us < ? THEN ? ELSE last_activity_us END, "
		       "updated_us = CASE WHEN updated_us < ? THEN ? ELSE updated_us END "
		       "WHERE id = ? AND status IN (1, 2)",
	[COUNT_EXECUTION] = "UPDATE session SET execution_count = execution_count + 1 WHERE id = ?",
	[EXPIRED] = "SELECT id FROM session WHERE status IN (1, 2) AND expires_us > 0 AND expires_us <= ? "
		    "ORDER BY expires_us, id LIMIT ?",
	[IDLE] = "SELECT id FROM session WHERE status = 2 AND mode = 1 AND last_activity_us <= ? AND NOT EXISTS "
		 "(SELECT 1 FROM execution WHERE execution.session_id = session.id AND execution.status IN (1, 2)) "
		 "ORDER BY last_activity_us, id LIMIT ?",
	[IN_ANY] = "SELECT id FROM session WHERE status " IN_6 " AND id > ? ORDER BY id LIMIT ?",
	[IN_NODE] = "SELECT id FROM session WHERE status " IN_6 " AND id > ? AND node = ? ORDER BY id LIMIT ?",
	[UNMADE] = "SELECT id FROM session WHERE status = 1 AND container_id IS NULL AND (node IS NULL OR node = ?) "
		   "ORDER BY created_us, id LIMIT ?",
	[MOVE] = "UPDATE session SET node = NULL, runtime_type = NULL, container_id = NULL, updated_us = ? "
		 "WHERE id = ? AND status IN (1, 2) AND node = ?",
	[LEFT] = "SELECT id FROM session WHERE status > 1 AND id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	NULL,
};
#define SQL(name) scp__store_session_sql[name]

scp_status scp__store_session_insert(scp_db_tx *tx, const scp__session *s, scp_error *err)
{
	const scp_session *p = &s->pub;
	scp__buf env, error, languages;
	scp_status rc;

	scp__column_init(&env);
	scp__column_init(&error);
	scp__column_init(&languages);
	rc = scp__languages_write(&languages, s->languages, s->language_count, err);
	if (!rc)
		rc = scp__env_write(&env, s->env, s->env_count, err);
	if (!rc)
		rc = scp__error_write(&error, p->error, err);
	if (!rc)
		rc = scp__sql_run(tx, SQL(INSERT),
		    ARGS(T(p->id), T(p->template_id), I(p->status), I(p->mode), T(p->runtime_type), T(p->runtime_node),
			T(p->container_id), T(p->pod_name), T(p->workspace_path), T(s->workspace_id), T(s->image),
			RESOURCES(p->resources), I(p->timeout_s), T(p->agent_id), I(p->network_enabled),
			I(s->read_only_root), T(s->request_id), T(s->actor), I(s->execution_count), I(p->created_us),
			I(p->started_us), I(p->updated_us), I(p->last_activity_us), I(p->expires_us),
			I(p->terminated_us), scp__column_value(&languages), scp__column_value(&error),
			scp__column_value(&env)),
		    NULL, err);
	scp__buf_free(&languages);
	scp__buf_free(&error);
	scp__buf_free(&env);
	return rc;
}

static void read_plain(scp__session *s, scp__rows *rows)
{
	scp_session *p = &s->pub;

	p->id = scp__row_text(rows);
	p->template_id = scp__row_text(rows);
	p->status = (scp_session_status)scp__row_int(rows);
	p->mode = (scp_session_mode)scp__row_int(rows);
	p->runtime_type = scp__row_text(rows);
	p->runtime_node = scp__row_text(rows);
	p->container_id = scp__row_text(rows);
	p->pod_name = scp__row_text(rows);
	p->workspace_path = scp__row_text(rows);
	s->workspace_id = scp__row_text(rows);
	s->image = scp__row_text(rows);
	p->resources = scp__resources_read(rows);
	p->timeout_s = scp__row_u32(rows);
	p->agent_id = scp__row_text(rows);
	p->network_enabled = scp__row_bool(rows);
	s->read_only_root = scp__row_bool(rows);
	s->request_id = scp__row_text(rows);
	s->actor = scp__row_text(rows);
	s->execution_count = scp__row_u32(rows);
}

scp__session *scp__session_read(scp__rows *rows)
{
	scp__session *s = scp__arena_alloc(rows->arena, sizeof(*s));

	if (!s) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	read_plain(s, rows);
	s->pub.created_us = scp__row_int(rows);
	s->pub.started_us = scp__row_int(rows);
	s->pub.updated_us = scp__row_int(rows);
	s->pub.last_activity_us = scp__row_int(rows);
	s->pub.expires_us = scp__row_int(rows);
	s->pub.terminated_us = scp__row_int(rows);
	s->languages = scp__languages_read(rows, &s->language_count);
	s->pub.error = scp__error_read(rows);
	s->env = scp__env_read(rows, &s->env_count);
	s->pub.env = scp__env_show(rows, s->env, s->env_count, true);
	s->pub.env_count = s->env_count;
	return rows->rc ? NULL : s;
}

static scp_status get(scp_db_tx *tx, const char *sql, const char *id, scp__session **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp__session *s = NULL;
	scp__rows rows;
	scp_status rc;

	*out = NULL;
	if (!arena)
		return scp__nomem(err);
	scp__rows_open(&rows, tx, sql, ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		s = scp__session_read(&rows);
	rc = scp__rows_close(&rows);
	if (!rc && !s)
		rc = scp__fail_as(err, "SessionNotFound", "session '%.64s' does not exist", id);
	if (rc) {
		scp__arena_free(arena);
		return rc;
	}
	s->arena = arena;
	*out = s;
	return SCP_OK;
}

scp_status scp__store_session_get(scp_db_tx *tx, const char *id, scp__session **out, scp_error *err)
{
	return get(tx, SQL(GET), id, out, err);
}

scp_status scp__store_session_hold(scp_db_tx *tx, const char *id, scp__session **out, scp_error *err)
{
	return get(tx, SQL(HOLD), id, out, err);
}

void scp_session_free(scp_session *session)
{
	if (session)
		scp__arena_free(((scp__session *)session)->arena);
}

scp_status scp__store_session_count(scp_db_tx *tx, uint64_t *active, scp_error *err)
{
	return scp__sql_number(tx, SQL(COUNT_LIVE), NO_ARGS, active, err);
}

scp_status scp__store_session_set_status(scp_db_tx *tx, const char *id, uint32_t from_bits, scp_session_status to,
    const scp_error *error, int64_t now_us, bool *changed, scp_error *err)
{
	const char *sql = SCP__BIT(to) & LIVE ? SQL(SET_RUNNING) : SQL(SET_ENDED);
	scp_status rc;
	scp__buf text;

	*changed = false;
	scp__column_init(&text);
	rc = scp__error_write(&text, error, err);
	if (!rc)
		rc = scp__sql_change(tx, sql,
		    ARGS(I(to), I(now_us), I(now_us), scp__column_value(&text), T(id), BITS_6(from_bits)), changed,
		    err);
	scp__buf_free(&text);
	return rc;
}

scp_status scp__store_session_place(scp_db_tx *tx, const char *id, const char *node, const char *runtime_type,
    int64_t now_us, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(PLACE), ARGS(T(node), T(runtime_type), I(now_us), T(id), T(node)), changed, err);
}

scp_status scp__store_session_move(
    scp_db_tx *tx, const char *id, const char *from_node, int64_t now_us, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(MOVE), ARGS(I(now_us), T(id), T(from_node)), changed, err);
}

scp_status scp__store_session_unmade(scp_db_tx *tx, const char *node, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(UNMADE), ARGS(T(node), I(limit)), out, err);
}

scp_status scp__store_session_set_container(
    scp_db_tx *tx, const char *id, const char *from, const char *to, int64_t now_us, bool *changed, scp_error *err)
{
	return scp__sql_change(tx, SQL(SET_CONTAINER), ARGS(T(to), I(now_us), T(id), T(from), T(from)), changed, err);
}

scp_status scp__store_session_touch(scp_db_tx *tx, const char *id, int64_t now_us, int64_t expires_us, scp_error *err)
{
	return scp__sql_run(tx, SQL(TOUCH),
	    ARGS(I(now_us), I(now_us), I(now_us), I(now_us), I(expires_us), I(expires_us), T(id)), NULL, err);
}

scp_status scp__store_session_touch_live(scp_db_tx *tx, const char *id, int64_t now_us, bool *live, scp_error *err)
{
	return scp__sql_change(tx, SQL(TOUCH_LIVE), ARGS(I(now_us), I(now_us), I(now_us), I(now_us), T(id)), live, err);
}

scp_status scp__store_session_count_execution(scp_db_tx *tx, const char *id, scp_error *err)
{
	return scp__sql_run(tx, SQL(COUNT_EXECUTION), ARGS(T(id)), NULL, err);
}

scp_status scp__store_session_expired(scp_db_tx *tx, int64_t now_us, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(EXPIRED), ARGS(I(now_us), I(limit)), out, err);
}

scp_status scp__store_session_idle(scp_db_tx *tx, int64_t cutoff_us, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(IDLE), ARGS(I(cutoff_us), I(limit)), out, err);
}

scp_status scp__store_session_in(scp_db_tx *tx, uint32_t status_bits, const char *node, const char *after,
    uint32_t limit, scp__ids *out, scp_error *err)
{
	const char *from = after ? after : "";

	if (!node)
		return scp__sql_ids(tx, SQL(IN_ANY), ARGS(BITS_6(status_bits), T(from), I(limit)), out, err);
	return scp__sql_ids(tx, SQL(IN_NODE), ARGS(BITS_6(status_bits), T(from), T(node), I(limit)), out, err);
}

scp_status scp__store_session_left(scp_db_tx *tx, const scp__ids *ids, scp__ids *left, scp_error *err)
{
	scp_db_value batch[LEFT_BATCH];
	scp_status rc = SCP_OK;

	for (size_t from = 0; !rc && from < ids->count; from += LEFT_BATCH) {
		for (size_t i = 0; i < LEFT_BATCH; i++)
			batch[i] = T(from + i < ids->count ? ids->ids[from + i] : NULL);
		rc = scp__sql_ids(tx, SQL(LEFT), (scp__args){ batch, LEFT_BATCH }, left, err);
	}
	return rc;
}
