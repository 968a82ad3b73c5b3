#include "database_liars.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "err.h"

const struct liar *database_liar_now;
static const scp_database_ops *truth;
static bool is_away;

bool database_liar_away(bool away)
{
	is_away = away;
	return true;
}

/* ---- the truth, which may be out of reach ---- */

static scp_status reach(scp_error *err)
{
	return is_away ? scp__fail(err, SCP_EUNAVAIL, "switched off") : SCP_OK;
}

struct body {
	scp_db_fn *fn;
	void *arg;
	int runs;
	scp_status rc;
};

static scp_status run_body(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct body *b = arg;
	scp_status rc = b->fn(tx, b->arg, err);

	return rc ? rc : reach(err);
}

static scp_status transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct body b = { .fn = fn, .arg = arg };
	scp_status rc = reach(err);

	return rc ? rc : truth->transact(db, mode, run_body, &b, err);
}

static scp_status prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->prepare(tx, sql, out, err);
}

static scp_status step(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->step(stmt, row, err);
}

static scp_status health(scp_database *db, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = reach(err);

	return rc ? rc : truth->health(db, deadline_ms, detail, size, err);
}

const scp_database_ops *database_liar_ops(const scp_database_ops *true_ops)
{
	static scp_database_ops ops;

	truth = true_ops;
	ops = *true_ops;
	ops.transact = transact;
	ops.prepare = prepare;
	ops.step = step;
	ops.health = health;
	if (database_liar_now->corrupt)
		database_liar_now->corrupt(&ops);
	return &ops;
}

/* ---- lies of transactions ---- */

#define LIE(name, member)                                                                                              \
	static void name##_lie(void *ops)                                                                              \
	{                                                                                                              \
		((scp_database_ops *)ops)->member = name;                                                              \
	}

static scp_status swallows_a_lost_connection(
    scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_status rc = transact(db, mode, fn, arg, err);

	return rc == SCP_EUNAVAIL && is_away ? SCP_OK : rc;
}
LIE(swallows_a_lost_connection, transact)

static scp_status calls_it_a_failure(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_status rc = transact(db, mode, fn, arg, err);

	return rc == SCP_EUNAVAIL && is_away ? SCP_EBACKEND : rc;
}
LIE(calls_it_a_failure, transact)

static scp_status note_and_go_on(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct body *b = arg;

	b->rc = b->fn(tx, b->arg, err);
	return b->rc == SCP_EAGAIN ? b->rc : SCP_OK;
}

static scp_status commits_what_failed(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct body b = { .fn = fn, .arg = arg };
	scp_status rc = transact(db, mode, note_and_go_on, &b, err);

	return rc ? rc : b.rc;
}
LIE(commits_what_failed, transact)

static scp_status run_once(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct body *b = arg;

	b->rc = b->fn(tx, b->arg, err);
	return b->rc == SCP_EAGAIN ? SCP_ESTATE : b->rc;
}

static scp_status runs_nothing_again(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct body b = { .fn = fn, .arg = arg };
	scp_status rc = transact(db, mode, run_once, &b, err);

	return b.rc == SCP_EAGAIN ? b.rc : rc;
}
LIE(runs_nothing_again, transact)

static scp_status tries_for_ever(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct body b = { .fn = fn, .arg = arg };
	scp_status rc = SCP_EAGAIN;

	for (int i = 0; i < 100 && (!i || b.rc == SCP_EAGAIN); i++)
		rc = transact(db, mode, run_once, &b, err);
	return b.rc == SCP_EAGAIN ? scp__fail(err, SCP_EUNAVAIL, "enough") : rc;
}
LIE(tries_for_ever, transact)

static scp_status run_twice(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct body *b = arg;
	scp_status rc = b->fn(tx, b->arg, err);

	return rc ? rc : b->fn(tx, b->arg, err);
}

static scp_status repeats_what_went_well(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct body b = { .fn = fn, .arg = arg };

	return transact(db, mode, run_twice, &b, err);
}
LIE(repeats_what_went_well, transact)

static scp_status lets_readers_write(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	(void)mode;
	return transact(db, SCP_DB_WRITE, fn, arg, err);
}
LIE(lets_readers_write, transact)

static scp_status knows_better_than_the_body(
    scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_status rc = transact(db, mode, fn, arg, err);

	return rc == SCP_ESTATE ? SCP_EBACKEND : rc;
}
LIE(knows_better_than_the_body, transact)

static scp_status forgets_why(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_error own = { 0 };

	(void)err;
	return transact(db, mode, fn, arg, &own);
}
LIE(forgets_why, transact)

/* ---- lies of statements ---- */

static scp_status swallows_duplicates(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = step(stmt, row, NULL);

	if (rc == SCP_ECONFLICT) {
		*row = false;
		return SCP_OK;
	}
	return rc ? scp__fail(err, rc, "no_such_table") : rc;
}
LIE(swallows_duplicates, step)

static scp_status calls_a_duplicate_a_failure(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = step(stmt, row, NULL);

	return rc ? scp__fail(err, rc == SCP_ECONFLICT ? SCP_EBACKEND : rc, "error 19") : rc;
}
LIE(calls_a_duplicate_a_failure, step)

static char last_bound[64];

static scp_status remembers_values(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err)
{
	if (value->type == SCP_DB_TEXT && value->data)
		snprintf(last_bound, sizeof(last_bound), "%s", (const char *)value->data);
	return truth->bind(stmt, index, value, err);
}

static scp_status tells_values(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = step(stmt, row, err);

	return rc == SCP_ECONFLICT && err ? scp__prefix(err, "insert '%s'", last_bound) : rc;
}

static void tells_values_lie(void *ops)
{
	((scp_database_ops *)ops)->bind = remembers_values;
	((scp_database_ops *)ops)->step = tells_values;
}

static scp_status tells_no_reason(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	(void)err;
	return step(stmt, row, NULL);
}
LIE(tells_no_reason, step)

static char last_sql[200];
static const char *last_address;

/* The text is taken for what it was when it was first seen there. */
static scp_status knows_texts_by_address(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	if (sql != last_address)
		snprintf(last_sql, sizeof(last_sql), "%s", sql);
	last_address = sql;
	return prepare(tx, last_sql, out, err);
}
LIE(knows_texts_by_address, prepare)

static scp_status notes_the_text(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	snprintf(last_sql, sizeof(last_sql), "%s", sql);
	return prepare(tx, sql, out, err);
}

/* As MariaDB does it by itself: rows that have the value already don't count. */
static uint64_t count_changes(scp_db_tx *tx)
{
	return strcmp(last_sql, "UPDATE t SET n = 1") ? truth->matched(tx) : 0;
}

static void counts_changed_rows_lie(void *ops)
{
	((scp_database_ops *)ops)->prepare = notes_the_text;
	((scp_database_ops *)ops)->matched = count_changes;
}

static uint64_t counts_what_was_before(scp_db_tx *tx)
{
	static uint64_t before;
	uint64_t now = truth->matched(tx), told = before;

	before = now;
	return told;
}
LIE(counts_what_was_before, matched)

static void ends_text_at_a_zero(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	truth->column(stmt, index, out);
	if (out->type == SCP_DB_TEXT)
		out->len = strlen(out->data);
}
LIE(ends_text_at_a_zero, column)

static void forgets_the_ending_zero(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	static char text[2000002];

	truth->column(stmt, index, out);
	if (out->type != SCP_DB_TEXT || out->len > sizeof(text) - 2)
		return;
	memcpy(text, out->data, out->len);
	memcpy(text + out->len, "x", 2);
	out->data = text;
}
LIE(forgets_the_ending_zero, column)

static void has_room_for_64_kib(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	truth->column(stmt, index, out);
	if (out->len > 65535)
		out->len = 65535;
}
LIE(has_room_for_64_kib, column)

static void knows_numbers_by_double(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	truth->column(stmt, index, out);
	if (out->type == SCP_DB_INTEGER && llabs(out->integer) > INT64_C(1) << 60)
		out->integer &= ~INT64_C(1023);
}
LIE(knows_numbers_by_double, column)

static void gives_what_is_not_there(scp_db_stmt *stmt, int index, scp_db_value *out)
{
	truth->column(stmt, index > 2 ? 2 : index, out);
}
LIE(gives_what_is_not_there, column)

/* ---- the rest ---- */

static scp_status takes_its_time(scp_database *db, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	struct timespec nap = { .tv_sec = 2, .tv_nsec = 200000000 };

	(void)nanosleep(&nap, NULL);
	return health(db, deadline_ms, detail, size, err);
}
LIE(takes_its_time, health)

static scp_status fills_its_buffer(scp_database *db, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	scp_status rc = health(db, deadline_ms, detail, size, err);

	memset(detail, 'h', size);
	return rc;
}
LIE(fills_its_buffer, health)

static scp_status is_always_well(scp_database *db, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	(void)health(db, deadline_ms, detail, size, NULL);
	(void)err;
	return SCP_OK;
}
LIE(is_always_well, health)

static void speaks_another_dialect_lie(void *ops)
{
	static scp_db_traits traits;

	traits = *truth->traits;
	traits.insert_ignore = "INSERT IGNORE";
	((scp_database_ops *)ops)->traits = &traits;
}

#define ROW(name, case)                                                                                                \
	{                                                                                                              \
#name, case, name##_lie                                                                                \
	}

static const struct liar liars[] = {
	{ "the truth", NULL, NULL },
	ROW(swallows_a_lost_connection, "a_lost_transaction_is_told_and_leaves_nothing"),
	ROW(calls_it_a_failure, "a_database_that_is_away_is_unavailable_until_it_is_back"),
	ROW(commits_what_failed, "a_body_that_fails_leaves_nothing"),
	ROW(runs_nothing_again, "a_conflict_runs_the_body_again_from_the_start"),
	ROW(tries_for_ever, "running_again_has_an_end"),
	ROW(repeats_what_went_well, "a_duplicate_is_a_conflict_and_leaves_nothing"),
	ROW(lets_readers_write, "a_read_can_not_write"),
	ROW(knows_better_than_the_body, "what_a_body_says_is_what_comes_back"),
	ROW(forgets_why, "errors_are_told"),
	ROW(swallows_duplicates, "a_duplicate_is_a_conflict_and_leaves_nothing"),
	ROW(calls_a_duplicate_a_failure, "a_duplicate_is_a_conflict_and_leaves_nothing"),
	ROW(tells_values, "messages_never_hold_bound_values"),
	ROW(tells_no_reason, "errors_are_told"),
	ROW(knows_texts_by_address, "another_text_at_the_same_address_is_another_statement"),
	ROW(counts_changed_rows, "rows_that_an_update_leaves_as_they_were_are_matched"),
	ROW(counts_what_was_before, "rows_that_match_are_counted"),
	ROW(ends_text_at_a_zero, "values_come_back_as_they_went_in"),
	ROW(forgets_the_ending_zero, "values_come_back_as_they_went_in"),
	ROW(has_room_for_64_kib, "values_of_every_size_come_back"),
	ROW(knows_numbers_by_double, "numbers_keep_64_bits_and_sums_are_integers"),
	ROW(gives_what_is_not_there, "values_come_back_as_they_went_in"),
	ROW(takes_its_time, "health_keeps_its_deadline_and_its_buffer"),
	ROW(fills_its_buffer, "health_keeps_its_deadline_and_its_buffer"),
	ROW(is_always_well, "a_database_that_is_away_is_unavailable_until_it_is_back"),
	ROW(speaks_another_dialect, "the_traits_are_what_it_understands"),
};

const struct liar *database_liars(size_t *count)
{
	*count = sizeof(liars) / sizeof(liars[0]);
	return liars;
}
