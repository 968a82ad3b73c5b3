/*
 * Moving the log's pages into the database file costs fsyncs, which no commit should wait for: a thread with a
 * connection of its own does it beside the writer. Only where it can't keep up (the log can start over only when
 * all of it has been moved and nobody writes) does the writer move the small rest itself.
 */
#include "sqlite.h"

#include "clock.h"
#include "pool.h"

#define SOON_PAGES 1000 /* so many more than at the last request: ask the thread */
#define NOW_PAGES 8000	/* 32 MiB: the writer itself */

/* Failure isn't told: nothing is lost, the log is only longer, and a disk that is ill fails the next commit. */
static void move_pages(sqlite3 *raw)
{
	sqlite3_wal_checkpoint_v2(raw, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void ask(scp__sqlite_checkpoint *c)
{
	pthread_mutex_lock(&c->lock);
	c->wanted = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

/* In the writer's thread, after each of its commits. */
static int on_commit(void *arg, sqlite3 *raw, const char *name, int pages)
{
	scp__sqlite_checkpoint *c = arg;

	(void)name;
	if (pages < c->asked_at_pages)
		c->asked_at_pages = 0; /* the log has started over */
	if (pages >= NOW_PAGES) {
		move_pages(raw);
	} else if (pages - c->asked_at_pages >= SOON_PAGES) {
		c->asked_at_pages = pages;
		ask(c);
	}
	return SQLITE_OK;
}

/* False: the end. */
static bool wait_for_work(scp__sqlite_checkpoint *c)
{
	bool go_on;

	pthread_mutex_lock(&c->lock);
	while (!c->wanted && !c->stop)
		pthread_cond_wait(&c->wake, &c->lock);
	c->wanted = false;
	go_on = !c->stop;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

static void *work(void *arg)
{
	scp__sqlite_checkpoint *c = arg;

	while (wait_for_work(c))
		move_pages(c->conn->raw);
	return NULL;
}

scp_status scp__sqlite_checkpoint_start(scp__sqlite_checkpoint *c, scp__sqlite *db, sqlite3 *writer, scp_error *err)
{
	scp_status rc = scp__sqlite_conn_open(&c->conn, db, false, err);

	if (rc)
		return rc;
	pthread_mutex_init(&c->lock, NULL);
	scp__mono_cond_init(&c->wake);
	rc = scp__thread_start(&c->thread, "sqlite-log", work, c, err);
	if (!rc) {
		c->started = true;
		sqlite3_wal_hook(writer, on_commit, c);
		return SCP_OK;
	}
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	scp__sqlite_conn_close(c->conn);
	return rc;
}

void scp__sqlite_checkpoint_stop(scp__sqlite_checkpoint *c)
{
	if (!c->started)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	scp__sqlite_conn_close(c->conn);
}
