#include "columns.h"
#include "err.h"
#include "rows.h"

/* Code, event and stdin up to this size stand in the execution's row, larger ones apart from it. */
#define INPUT_INLINE_MAX 2048u

enum { INSERT, INSERT_INPUT, GET, HOLD, GET_INPUT, GET_INPUT_APART, COUNT_SESSION, COUNT_LIVE, LIVE, OF, OVER };
#define OVER_BATCH 16
const char *const scp__store_execution_sql[] = {
	[INSERT] = "INSERT INTO execution (" EXECUTION_COLUMNS ", code, event, stdin) VALUES "
		   "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
		   "?)",
	[INSERT_INPUT] = "INSERT INTO execution_input (execution_id, code, event, stdin) VALUES (?, ?, ?, ?)",
	[GET] = "SELECT " EXECUTION_COLUMNS " FROM execution WHERE id = ?",
	[HOLD] = "SELECT " EXECUTION_COLUMNS " FROM execution WHERE id = ?" HELD,
	[GET_INPUT] = "SELECT code, event, stdin FROM execution WHERE id = ?",
	[GET_INPUT_APART] = "SELECT code, event, stdin FROM execution_input WHERE execution_id = ?",
	[COUNT_SESSION] = "SELECT count(*) FROM execution WHERE session_id = ? AND status = 1",
	[COUNT_LIVE] = "SELECT count(*) FROM execution WHERE status IN (1, 2)",
	[LIVE] = "SELECT id FROM execution WHERE session_id = ? AND status " IN_7 " ORDER BY created_us, id LIMIT ?",
	[OF] = "SELECT id FROM execution WHERE session_id = ? AND container_id = ? ORDER BY created_us DESC, id DESC "
	       "LIMIT ?",
	[OVER] = "SELECT id FROM execution WHERE status > 2 AND id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	NULL,
};
#define SQL(name) scp__store_execution_sql[name]

/* ---- insert ---- */

static bool is_apart(const scp__execution *e)
{
	size_t event_len = e->pub.event_json ? strlen(e->pub.event_json) : 0;

	return e->pub.code_len + event_len + e->stdin_len > INPUT_INLINE_MAX;
}

static scp_status insert_row(scp_db_tx *tx, const scp__execution *e, scp_db_value env, bool apart, scp_error *err)
{
	const scp_execution *p = &e->pub;
	const scp_db_value none = { .type = SCP_DB_NULL };

	return scp__sql_run(tx, SQL(INSERT),
	    ARGS(T(p->id), T(p->session_id), I(p->status), I(p->language), I(p->timeout_s), I(e->attempt),
		I(p->max_retries), I(e->not_before_us), I(e->deadline_us), I(e->seq), T(e->owner ? e->owner : ""),
		I(e->epoch), I(e->lease_until_us), T(e->container_id), I(e->cancel_requested), T(e->request_id),
		T(e->actor), I(p->created_us), I(p->started_us), I(p->completed_us), I(p->last_heartbeat_us), I(-1),
		I(0), I(apart), I(0), I(0), I(0), none, T(p->error), env,
		apart ? none : scp__sql_text_len(p->code, p->code_len), apart ? none : T(p->event_json),
		apart ? none : scp__sql_blob(e->stdin_data, e->stdin_len)),
	    NULL, err);
}

static scp_status insert_input(scp_db_tx *tx, const scp__execution *e, scp_error *err)
{
	return scp__sql_run(tx, SQL(INSERT_INPUT),
	    ARGS(T(e->pub.id), scp__sql_text_len(e->pub.code, e->pub.code_len), T(e->pub.event_json),
		scp__sql_blob(e->stdin_data, e->stdin_len)),
	    NULL, err);
}

scp_status scp__store_execution_insert(scp_db_tx *tx, const scp__execution *e, scp_error *err)
{
	bool apart = is_apart(e);
	scp_status rc;
	scp__buf env;

	scp__column_init(&env);
	rc = scp__env_write(&env, e->env, e->env_count, err);
	if (!rc)
		rc = insert_row(tx, e, scp__column_value(&env), apart, err);
	if (!rc && apart)
		rc = insert_input(tx, e, err);
	scp__buf_free(&env);
	return rc;
}

/* ---- read ---- */

static void read_drive(scp__execution *e, scp__rows *rows)
{
	e->attempt = scp__row_u32(rows);
	e->pub.retry_count = e->attempt;
	e->pub.max_retries = scp__row_u32(rows);
	e->not_before_us = scp__row_int(rows);
	e->deadline_us = scp__row_int(rows);
	e->seq = scp__row_uint(rows);
	e->owner = scp__row_text(rows);
	e->epoch = scp__row_int(rows);
	e->lease_until_us = scp__row_int(rows);
	e->container_id = scp__row_text(rows);
	e->cancel_requested = scp__row_bool(rows);
	e->request_id = scp__row_text(rows);
	e->actor = scp__row_text(rows);
}

/* What a Result calls the state; NULL while it isn't over. Static. */
static const char *result_of(scp_execution_status status)
{
	static const char *const names[] = {
		[SCP_EXECUTION_COMPLETED] = "success",
		[SCP_EXECUTION_FAILED] = "failed",
		[SCP_EXECUTION_TIMEOUT] = "timeout",
		[SCP_EXECUTION_CRASHED] = "crashed",
		[SCP_EXECUTION_CANCELLED] = "cancelled",
	};

	return (size_t)status < sizeof(names) / sizeof(names[0]) ? names[status] : NULL;
}

static void read_end(scp__execution *e, scp__rows *rows, scp__execution_apart *apart)
{
	scp_execution *p = &e->pub;

	p->created_us = scp__row_int(rows);
	p->started_us = scp__row_int(rows);
	p->completed_us = scp__row_int(rows);
	p->last_heartbeat_us = scp__row_int(rows);
	p->exit_code = (int)scp__row_int(rows);
	p->signal = (int)scp__row_int(rows);
	apart->input = scp__row_bool(rows);
	apart->output = scp__row_bool(rows);
	apart->artifacts = scp__row_u32(rows);
	p->sync_pending = scp__row_bool(rows);
	p->metrics = scp__metrics_read(rows);
	p->error = scp__row_text(rows);
	e->env = scp__env_read(rows, &e->env_count);
	p->env = scp__env_show(rows, e->env, e->env_count, true);
	p->env_count = e->env_count;
	p->result = result_of(p->status);
}

scp__execution *scp__execution_read(scp__rows *rows, scp__execution_apart *apart)
{
	scp__execution *e = scp__arena_alloc(rows->arena, sizeof(*e));

	if (!e) {
		scp__rows_fail(rows, SCP_ENOMEM);
		return NULL;
	}
	e->pub.id = scp__row_text(rows);
	e->pub.session_id = scp__row_text(rows);
	e->pub.status = (scp_execution_status)scp__row_int(rows);
	e->pub.language = (scp_language)scp__row_int(rows);
	e->pub.timeout_s = scp__row_u32(rows);
	read_drive(e, rows);
	read_end(e, rows, apart);
	return rows->rc ? NULL : e;
}

static scp_status load_input(scp_db_tx *tx, scp__execution *e, bool apart, scp_error *err)
{
	scp__rows rows;

	scp__rows_open(&rows, tx, apart ? SQL(GET_INPUT_APART) : SQL(GET_INPUT), ARGS(T(e->pub.id)), e->arena, err);
	if (scp__rows_next(&rows)) {
		e->pub.code = scp__row_bytes(&rows, &e->pub.code_len);
		e->pub.event_json = scp__row_text(&rows);
		e->stdin_data = scp__row_bytes(&rows, &e->stdin_len);
	}
	return scp__rows_close(&rows);
}

static scp_status get(
    scp_db_tx *tx, const char *id, unsigned load, scp__arena *arena, scp__execution **out, scp_error *err)
{
	scp__execution_apart apart = { 0 };
	scp__execution *e = NULL;
	scp__rows rows;
	scp_status rc;

	scp__rows_open(&rows, tx, load & SCP__LOAD_HELD ? SQL(HOLD) : SQL(GET), ARGS(T(id)), arena, err);
	if (scp__rows_next(&rows))
		e = scp__execution_read(&rows, &apart);
	rc = scp__rows_close(&rows);
	if (!rc && !e)
		rc = scp__fail_as(err, "ExecutionNotFound", "execution '%.64s' does not exist", id);
	if (rc)
		return rc;
	e->arena = arena;
	if (load & SCP__LOAD_CODE)
		rc = load_input(tx, e, apart.input, err);
	if (!rc && load & SCP__LOAD_RESULT)
		rc = scp__output_load(tx, e, &apart, err);
	*out = e;
	return rc;
}

scp_status scp__store_execution_get(scp_db_tx *tx, const char *id, unsigned load, scp__execution **out, scp_error *err)
{
	scp__arena *arena = scp__arena_new();
	scp_status rc = arena ? get(tx, id, load, arena, out, err) : scp__nomem(err);

	if (rc) {
		scp__arena_free(arena);
		*out = NULL;
	}
	return rc;
}

void scp_execution_free(scp_execution *execution)
{
	if (execution)
		scp__arena_free(((scp__execution *)execution)->arena);
}

/* ---- which ---- */

scp_status scp__store_execution_counts(
    scp_db_tx *tx, const char *session_id, uint64_t *session_pending, uint64_t *all_live, scp_error *err)
{
	scp_status rc = scp__sql_number(tx, SQL(COUNT_SESSION), ARGS(T(session_id)), session_pending, err);

	return rc ? rc : scp__sql_number(tx, SQL(COUNT_LIVE), NO_ARGS, all_live, err);
}

scp_status scp__store_execution_live(
    scp_db_tx *tx, const char *session_id, uint32_t status_bits, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(LIVE), ARGS(T(session_id), BITS_7(status_bits), I(limit)), out, err);
}

scp_status scp__store_execution_of(
    scp_db_tx *tx, const char *session_id, const char *container_id, uint32_t limit, scp__ids *out, scp_error *err)
{
	return scp__sql_ids(tx, SQL(OF), ARGS(T(session_id), T(container_id), I(limit)), out, err);
}

scp_status scp__store_execution_over(scp_db_tx *tx, const scp__ids *ids, scp__ids *over, scp_error *err)
{
	scp_db_value batch[OVER_BATCH];
	scp_status rc = SCP_OK;

	for (size_t from = 0; !rc && from < ids->count; from += OVER_BATCH) {
		for (size_t i = 0; i < OVER_BATCH; i++)
			batch[i] = T(from + i < ids->count ? ids->ids[from + i] : NULL);
		rc = scp__sql_ids(tx, SQL(OVER), (scp__args){ batch, OVER_BATCH }, over, err);
	}
	return rc;
}
