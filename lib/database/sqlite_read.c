#include "sqlite.h"

#include <errno.h>

#include "clock.h"
#include "err.h"

void scp__sqlite_readers_init(scp__sqlite_readers *readers)
{
	pthread_mutex_init(&readers->lock, NULL);
	scp__mono_cond_init(&readers->freed);
}

void scp__sqlite_readers_fini(scp__sqlite_readers *readers)
{
	for (unsigned i = 0; i < readers->idle_count; i++)
		scp__sqlite_conn_close(readers->idle[i]);
	pthread_cond_destroy(&readers->freed);
	pthread_mutex_destroy(&readers->lock);
}

/* An idle connection, or NULL and the right to open one; SCP_EUNAVAIL once the time is up. */
static scp_status take_idle(scp__sqlite_readers *readers, uint32_t wait_ms, scp__sqlite_conn **out)
{
	struct timespec deadline = scp__mono_in(wait_ms);
	scp_status rc = SCP_OK;

	*out = NULL;
	pthread_mutex_lock(&readers->lock);
	while (!rc && !readers->idle_count && readers->open_count >= SCP__SQLITE_READERS)
		if (pthread_cond_timedwait(&readers->freed, &readers->lock, &deadline) == ETIMEDOUT)
			rc = SCP_EUNAVAIL;
	if (readers->idle_count) {
		*out = readers->idle[--readers->idle_count];
		rc = SCP_OK;
	} else if (!rc) {
		readers->open_count++;
	}
	pthread_mutex_unlock(&readers->lock);
	return rc;
}

/* conn NULL: the one that was to be opened isn't. */
static void give_back(scp__sqlite_readers *readers, scp__sqlite_conn *conn)
{
	pthread_mutex_lock(&readers->lock);
	if (conn)
		readers->idle[readers->idle_count++] = conn;
	else
		readers->open_count--;
	pthread_cond_signal(&readers->freed);
	pthread_mutex_unlock(&readers->lock);
}

static scp_status take(scp__sqlite *db, uint32_t wait_ms, scp__sqlite_conn **out, scp_error *err)
{
	scp_status rc = take_idle(&db->readers, wait_ms, out);

	if (rc) {
		scp__fail(err, rc, "database: all %d read connections have been in use for %u ms", SCP__SQLITE_READERS,
		    wait_ms);
		scp__retry_after(err, 1000);
		return rc;
	}
	if (*out)
		return SCP_OK;
	rc = scp__sqlite_conn_open(out, db, false, err);
	if (rc)
		give_back(&db->readers, NULL);
	return rc;
}

static scp_status run(scp__sqlite_conn *conn, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_status rc = scp__sqlite_conn_control(conn, "BEGIN", err);

	if (rc)
		return rc;
	rc = scp__sqlite_conn_settle(conn, fn(&conn->tx, arg, err), err);
	return rc ? rc : scp__sqlite_conn_control(conn, "COMMIT", err);
}

scp_status scp__sqlite_read(scp__sqlite *db, uint32_t wait_ms, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_error failure = { 0 };
	scp__sqlite_conn *conn;
	scp_status rc = take(db, wait_ms, &conn, err);

	if (rc)
		return rc;
	conn->busy_limit_ms = wait_ms;
	rc = run(conn, fn, arg, &failure);
	for (unsigned tries = 1; rc == SCP_EAGAIN && tries < SCP__SQLITE_TRIES; tries++) {
		(void)scp__sqlite_conn_rollback(conn);
		scp__sqlite_back_off(tries);
		rc = run(conn, fn, arg, &failure);
	}
	if (rc && !scp__sqlite_conn_rollback(conn)) {
		scp__sqlite_conn_close(conn);
		conn = NULL;
	}
	give_back(&db->readers, conn);
	if (rc)
		scp__error_copy(err, &failure);
	return scp__sqlite_final(rc, err);
}
