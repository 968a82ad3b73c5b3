/* The connections: some are kept, more are opened under load, and who finds none waits, for a bounded time. */
#include "mariadb.h"

#include <errno.h>
#include <time.h>

#include "clock.h"
#include "err.h"

void scp__mariadb_pool_init(scp__mariadb_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	scp__mono_cond_init(&pool->freed);
}

/* ---- the list of the idle; under the lock ---- */

static void unlink_idle(scp__mariadb_pool *pool, scp__mariadb_conn *conn)
{
	*(conn->newer ? &conn->newer->older : &pool->newest) = conn->older;
	*(conn->older ? &conn->older->newer : &pool->oldest) = conn->newer;
	conn->newer = conn->older = NULL;
	pool->idle--;
}

static void link_idle(scp__mariadb_pool *pool, scp__mariadb_conn *conn)
{
	conn->idle_us = scp__mono_us();
	conn->older = pool->newest;
	*(pool->newest ? &pool->newest->newer : &pool->oldest) = conn;
	pool->newest = conn;
	pool->idle++;
}

void scp__mariadb_pool_fini(scp__mariadb_pool *pool)
{
	while (pool->newest) {
		scp__mariadb_conn *conn = pool->newest;

		unlink_idle(pool, conn);
		scp__mariadb_conn_close(conn);
	}
	pthread_cond_destroy(&pool->freed);
	pthread_mutex_destroy(&pool->lock);
}

/* The one used last, and if there is one, one whose session is of that mode already. */
static scp__mariadb_conn *choose(const scp__mariadb_pool *pool, scp_db_mode mode)
{
	for (scp__mariadb_conn *conn = pool->newest; conn; conn = conn->older)
		if (conn->mode == (int)mode)
			return conn;
	return pool->newest;
}

/* ---- taking ---- */

/* An idle one, or NULL and the right to open one; SCP_EUNAVAIL once the time is up. */
static scp_status take_idle(
    scp__mariadb *db, scp_db_mode mode, const struct timespec *deadline, scp__mariadb_conn **out, uint64_t *generation)
{
	scp__mariadb_pool *pool = &db->pool;
	uint32_t most = db->settings.pool + db->settings.extra;
	scp_status rc = SCP_OK;
	bool late = false;

	pthread_mutex_lock(&pool->lock);
	pool->waiting++;
	while (!late && !pool->newest && pool->open >= most)
		late = pthread_cond_timedwait(&pool->freed, &pool->lock, deadline) == ETIMEDOUT;
	pool->waiting--;
	*out = choose(pool, mode);
	*generation = pool->generation;
	/* Also where the time is up, if there is something: who signalled meant one of those that wait. */
	if (*out)
		unlink_idle(pool, *out);
	else if (pool->open < most)
		pool->open++;
	else
		rc = SCP_EUNAVAIL;
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

/* One less is open. `suspect`: the server went away, and with it what else was opened before. */
static void forget(scp__mariadb_pool *pool, const scp__mariadb_conn *suspect)
{
	pthread_mutex_lock(&pool->lock);
	pool->open--;
	if (suspect && suspect->generation == pool->generation)
		pool->generation++;
	pthread_cond_signal(&pool->freed);
	pthread_mutex_unlock(&pool->lock);
}

static scp_status open_new(scp__mariadb *db, uint64_t generation, scp__mariadb_conn **out, scp_error *err)
{
	scp__mariadb_reach reach = { .name = db->settings.name };
	scp_status rc = scp__mariadb_conn_open(out, db, &reach, err);

	if (rc)
		forget(&db->pool, NULL);
	else
		(*out)->generation = generation;
	return rc;
}

static bool usable(scp__mariadb_conn *conn, uint64_t generation)
{
	if (conn->generation == generation && scp__mariadb_conn_alive(conn))
		return true;
	forget(&conn->owner->pool, conn);
	scp__mariadb_conn_close(conn);
	return false;
}

scp_status scp__mariadb_take(scp__mariadb *db, scp_db_mode mode, scp__mariadb_conn **out, scp_error *err)
{
	struct timespec deadline = scp__mono_in(db->settings.wait_ms);
	uint64_t generation;
	scp_status rc;

	/* Each round closes one that is dead. */
	do {
		rc = take_idle(db, mode, &deadline, out, &generation);
	} while (!rc && *out && !usable(*out, generation));
	if (!rc)
		return *out ? SCP_OK : open_new(db, generation, out, err);
	scp__fail(err, rc, "database %s: all %u connections have been in use for %u ms", db->settings.where,
	    db->settings.pool + db->settings.extra, db->settings.wait_ms);
	scp__hint(err, "Raise pool or extra in the database URL, or see what keeps the server busy");
	scp__retry_after(err, 1000);
	return rc;
}

/* ---- giving back ---- */

/* The one that has been idle for the longest, if that is too long: one at each return keeps up. */
static scp__mariadb_conn *take_stale(scp__mariadb_pool *pool, int64_t idle_us)
{
	scp__mariadb_conn *conn = pool->oldest;

	if (!conn || scp__mono_us() - conn->idle_us < idle_us)
		return NULL;
	unlink_idle(pool, conn);
	return conn;
}

void scp__mariadb_give(scp__mariadb_conn *conn)
{
	scp__mariadb *db = conn->owner;
	scp__mariadb_pool *pool = &db->pool;
	scp__mariadb_conn *stale;
	bool keep;

	pthread_mutex_lock(&pool->lock);
	stale = take_stale(pool, (int64_t)db->settings.idle_s * 1000000);
	keep = !conn->lost && conn->generation == pool->generation && pool->idle < db->settings.pool;
	if (keep) {
		link_idle(pool, conn);
		pthread_cond_signal(&pool->freed);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!keep) {
		forget(pool, conn->lost ? conn : NULL);
		scp__mariadb_conn_close(conn);
	}
	if (stale) {
		forget(pool, NULL);
		scp__mariadb_conn_close(stale);
	}
}
