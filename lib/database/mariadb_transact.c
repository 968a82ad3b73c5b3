/*
 * A transaction: a body on a connection, and when it may run again. As long as COMMIT wasn't sent nothing has happened,
 * and the body may run again: after a conflict some times, after the loss of the connection once, on another one. After
 * that the answer alone says what happened; where it doesn't come, nobody knows, and nothing is done again.
 */
#include "mariadb.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"

enum { TRIES = 8, LOSSES = 1, PAUSE_SHIFT_MAX = 5 };
#define CONFLICTS_US 15000000 /* a lock is waited for 5 s, so that is a few of those */

enum verdict { OVER, AGAIN, LOST };

/* ---- one run ---- */

static void roll_back(scp__mariadb_conn *conn)
{
	/* A lock that the body took by name isn't the transaction's: it ends with the connection. */
	if (conn->ran_exec)
		conn->lost = true;
	if (!conn->lost && scp__mariadb_conn_run(conn, "ROLLBACK", NULL))
		conn->lost = true;
}

static enum verdict failed(scp__mariadb_conn *conn, scp_status *rc, scp_error *err)
{
	bool lost = conn->lost, conflict = conn->conflict;

	/* A body that didn't notice. */
	if (!*rc)
		*rc = scp__fail(
		    err, conflict ? SCP_EAGAIN : SCP_EUNAVAIL, "database: the transaction was lost on the way");
	roll_back(conn);
	return lost ? LOST : conflict || *rc == SCP_EAGAIN ? AGAIN : OVER;
}

static scp_status unknown(const scp__mariadb_conn *conn, const scp_error *cause, scp_error *err)
{
	scp__fail(err, SCP_EUNAVAIL,
	    "database %s: the connection was lost while it committed: whether it did is unknown, and it isn't "
	    "repeated: "
	    "%.200s",
	    conn->owner->settings.where, cause->message);
	scp__hint(err, "Look whether it is there, or send the request again with the Idempotency-Key that it had");
	scp__retry_after(err, 1000);
	return SCP_EUNAVAIL;
}

static enum verdict commit(scp__mariadb_conn *conn, scp_db_mode mode, scp_status *rc, scp_error *err)
{
	scp_error cause = { 0 };

	*rc = scp__mariadb_conn_run(conn, "COMMIT", &cause);
	if (!*rc)
		return OVER;
	/* Who only read has what it wanted. */
	if (mode == SCP_DB_READ) {
		conn->lost = true;
		*rc = SCP_OK;
		return OVER;
	}
	if (conn->lost) {
		*rc = unknown(conn, &cause, err);
		return OVER;
	}
	scp__error_copy(err, &cause);
	return failed(conn, rc, err);
}

static enum verdict run(
    scp__mariadb_conn *conn, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_status *rc, scp_error *err)
{
	conn->doomed = conn->conflict = conn->ran_exec = conn->no_memory = false;
	*rc = scp__mariadb_conn_set_mode(conn, mode, err);
	if (*rc)
		return failed(conn, rc, err);
	*rc = fn(&conn->tx, arg, err);
	scp__mariadb_release_all(conn);
	if (!*rc && conn->no_memory)
		*rc = scp__nomem(err);
	return *rc || conn->doomed ? failed(conn, rc, err) : commit(conn, mode, rc, err);
}

/* ---- again ---- */

/* So that those who met don't meet again: somewhere in a time that doubles. */
static void back_off(unsigned tries)
{
	unsigned shift = tries < PAUSE_SHIFT_MAX ? tries : PAUSE_SHIFT_MAX;
	uint64_t noise = ((uint64_t)scp__mono_us() ^ (uint64_t)(uintptr_t)&noise) * 0x9e3779b97f4a7c15u;
	struct timespec pause = { 0, (long)(500000u + (noise >> 32) % (1000000u << shift)) };

	nanosleep(&pause, NULL);
}

struct patience {
	int64_t since_us;
	unsigned conflicts, losses;
};

static bool may_again(struct patience *p, enum verdict verdict)
{
	if (verdict == LOST)
		return ++p->losses <= LOSSES;
	if (verdict != AGAIN || ++p->conflicts >= TRIES || scp__mono_us() - p->since_us > CONFLICTS_US)
		return false;
	back_off(p->conflicts);
	return true;
}

static scp_status run_until_over(scp__mariadb *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	struct patience p = { .since_us = scp__mono_us() };
	scp__mariadb_conn *conn;
	enum verdict verdict;
	scp_status rc;

	do {
		if (err)
			memset(err, 0, sizeof(*err));
		rc = scp__mariadb_take(db, mode, &conn, err);
		if (rc)
			return rc;
		verdict = run(conn, mode, fn, arg, &rc, err);
		scp__mariadb_give(conn);
	} while (may_again(&p, verdict));
	if (rc == SCP_EAGAIN) {
		err->status = rc = SCP_EUNAVAIL;
		scp__retry_after(err, 1000);
	}
	return rc;
}

scp_status scp__mariadb_transact(scp_database *base, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_error failure = { 0 };
	scp__mariadb_quiet quiet;
	scp_status rc;

	scp__mariadb_enter(&quiet);
	rc = run_until_over((scp__mariadb *)(void *)base, mode, fn, arg, &failure);
	scp__mariadb_leave(&quiet);
	if (rc)
		scp__error_copy(err, &failure);
	return rc;
}
