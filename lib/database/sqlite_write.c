/*
 * The writer. SQLite has one, and a commit costs more than most of what is committed: so whoever comes while another
 * commits waits in a queue, and the first of them (the leader) runs all that wait, each in a savepoint of its own,
 * inside one transaction. With sync=full that is one fsync for all of them.
 */
#include "sqlite.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "err.h"

#define GROUP_MAX 64

typedef enum job_state { QUEUED, LEADS, TAKEN, DONE } job_state;

struct scp__sqlite_job {
	scp_db_fn *fn;
	void *arg;
	scp_status rc;
	scp_error failure;
	unsigned tries;
	job_state state; /* under the writer's lock */
	pthread_cond_t wake;
	scp__sqlite_job *next;
};

void scp__sqlite_writer_init(scp__sqlite_writer *writer, scp__sqlite_conn *conn)
{
	pthread_mutex_init(&writer->lock, NULL);
	writer->conn = conn;
	writer->tail = &writer->head;
}

void scp__sqlite_writer_fini(scp__sqlite_writer *writer)
{
	scp__sqlite_conn_close(writer->conn);
	pthread_mutex_destroy(&writer->lock);
}

/* ---- running a group ---- */

/* In a savepoint, so that its failure is its own. False: the whole transaction is lost with it. */
static bool run_in_savepoint(scp__sqlite_conn *conn, scp__sqlite_job *job)
{
	job->rc = scp__sqlite_conn_control(conn, "SAVEPOINT member", &job->failure);
	if (job->rc)
		return false;
	job->rc = scp__sqlite_conn_settle(conn, job->fn(&conn->tx, job->arg, &job->failure), &job->failure);
	if (sqlite3_get_autocommit(conn->raw))
		return false;
	if (job->rc && scp__sqlite_conn_control(conn, "ROLLBACK TO member", NULL))
		return false;
	return !scp__sqlite_conn_control(conn, "RELEASE member", job->rc ? NULL : &job->failure);
}

static bool run_alone(scp__sqlite_conn *conn, scp__sqlite_job *job)
{
	job->rc = scp__sqlite_conn_settle(conn, job->fn(&conn->tx, job->arg, &job->failure), &job->failure);
	return !job->rc && !sqlite3_get_autocommit(conn->raw);
}

/* A disk that is full can roll back everything under a body that didn't notice: then that isn't a success. */
static void lost_is_failure(scp__sqlite_job *job)
{
	if (!job->rc)
		job->rc = scp__fail(&job->failure, SCP_EUNAVAIL, "database: the transaction was lost on the way");
}

static bool may_run_again(scp__sqlite_job *job)
{
	return job->rc == SCP_EAGAIN && ++job->tries < SCP__SQLITE_TRIES;
}

static scp_status begin(scp__sqlite_conn *conn, scp_error *failure)
{
	scp_status rc = scp__sqlite_conn_control(conn, "BEGIN IMMEDIATE", failure);

	if (rc != SCP_EAGAIN)
		return rc;
	/* The busy handler has waited as long as anybody is to wait. */
	scp__fail(failure, SCP_EUNAVAIL, "database %s: another process has kept it locked for %d ms", conn->owner->path,
	    SCP__SQLITE_WAIT_MS);
	scp__hint(failure, "Find the process with: fuser %s", conn->owner->path);
	scp__retry_after(failure, 1000);
	return SCP_EUNAVAIL;
}

/* All that would have been a success isn't. */
static void fail_good(scp__sqlite_job **jobs, size_t count, scp_status rc, const scp_error *failure)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i]->rc)
			continue;
		jobs[i]->rc = rc;
		jobs[i]->failure = *failure;
	}
}

/* The transaction went down with one body: that one has its error, the others start again. */
static size_t without_culprit(scp__sqlite_job **jobs, size_t count, size_t culprit)
{
	lost_is_failure(jobs[culprit]);
	if (may_run_again(jobs[culprit]))
		return count;
	memmove(&jobs[culprit], &jobs[culprit + 1], (count - culprit - 1) * sizeof(jobs[0]));
	return count - 1;
}

static size_t those_that_retry(scp__sqlite_job **jobs, size_t count)
{
	size_t again = 0;

	for (size_t i = 0; i < count; i++)
		if (may_run_again(jobs[i]))
			jobs[again++] = jobs[i];
	return again;
}

/* One transaction with all of them. Returns how many have to run again; they are then at the front. */
static size_t run_round(scp__sqlite_conn *conn, scp__sqlite_job **jobs, size_t count)
{
	bool alone = count == 1;
	scp_error failure = { 0 };
	scp_status rc = begin(conn, &failure);
	size_t ran = 0;

	for (size_t i = 0; i < count; i++)
		jobs[i]->rc = SCP_OK;
	if (rc) {
		fail_good(jobs, count, rc, &failure);
		return 0;
	}
	while (ran < count && (alone ? run_alone(conn, jobs[ran]) : run_in_savepoint(conn, jobs[ran])))
		ran++;
	if (ran < count) {
		(void)scp__sqlite_conn_rollback(conn);
		return without_culprit(jobs, count, ran);
	}
	rc = scp__sqlite_conn_control(conn, "COMMIT", &failure);
	if (rc)
		fail_good(jobs, count, rc, &failure);
	(void)scp__sqlite_conn_rollback(conn);
	return those_that_retry(jobs, count);
}

static void run_group(scp__sqlite_conn *conn, scp__sqlite_job **jobs, size_t count)
{
	/* Bounded: each round ends at least one of them, or is one of its few tries. */
	while ((count = run_round(conn, jobs, count)) > 0)
		if (jobs[0]->tries)
			scp__sqlite_back_off(jobs[0]->tries);
}

/* ---- the queue ---- */

static void enqueue(scp__sqlite_writer *writer, scp__sqlite_job *job)
{
	*writer->tail = job;
	writer->tail = &job->next;
	writer->waiting++;
}

static void forget(scp__sqlite_writer *writer, const scp__sqlite_job *job)
{
	scp__sqlite_job **link = &writer->head;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (writer->tail == &job->next)
		writer->tail = link;
	writer->waiting--;
}

static size_t take_group(scp__sqlite_writer *writer, scp__sqlite_job **jobs)
{
	size_t count = 0;

	while (writer->head && count < GROUP_MAX) {
		jobs[count] = writer->head;
		writer->head = writer->head->next;
		jobs[count++]->state = TAKEN;
	}
	writer->waiting -= (unsigned)count;
	if (!writer->head)
		writer->tail = &writer->head;
	return count;
}

/* Called with the lock held: the work itself is done without it. */
static void lead(scp__sqlite_writer *writer)
{
	scp__sqlite_job *jobs[GROUP_MAX], *running[GROUP_MAX];
	size_t count = take_group(writer, jobs);

	pthread_mutex_unlock(&writer->lock);
	memcpy(running, jobs, count * sizeof(jobs[0]));
	run_group(writer->conn, running, count);
	pthread_mutex_lock(&writer->lock);
	/* A job is its owner's again as soon as it is DONE and the lock is free. */
	for (size_t i = 0; i < count; i++) {
		jobs[i]->state = DONE;
		pthread_cond_signal(&jobs[i]->wake);
	}
	writer->led = writer->head;
	if (writer->led) {
		writer->head->state = LEADS;
		pthread_cond_signal(&writer->head->wake);
	}
}

/* Until it is done or leads. What a leader took can't be taken back: only a queued job's time is ever up. */
static scp_status wait_turn(scp__sqlite_writer *writer, scp__sqlite_job *job)
{
	struct timespec deadline = scp__mono_in(SCP__SQLITE_WAIT_MS);

	while (job->state == QUEUED)
		if (pthread_cond_timedwait(&job->wake, &writer->lock, &deadline) == ETIMEDOUT && job->state == QUEUED) {
			forget(writer, job);
			return SCP_EUNAVAIL;
		}
	while (job->state == TAKEN)
		pthread_cond_wait(&job->wake, &writer->lock);
	return SCP_OK;
}

static scp_status take_part(scp__sqlite_writer *writer, scp__sqlite_job *job)
{
	scp_status rc = SCP_OK;

	pthread_mutex_lock(&writer->lock);
	enqueue(writer, job);
	if (writer->led)
		rc = wait_turn(writer, job);
	if (!rc && job->state != DONE) {
		writer->led = true;
		lead(writer);
	}
	pthread_mutex_unlock(&writer->lock);
	return rc;
}

scp_status scp__sqlite_write(scp__sqlite *db, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp__sqlite_job job = { .fn = fn, .arg = arg, .state = QUEUED };
	scp_status rc;

	scp__mono_cond_init(&job.wake);
	rc = take_part(&db->writer, &job);
	pthread_cond_destroy(&job.wake);
	if (rc) {
		scp__fail(err, rc, "database: the writer has been busy for %d ms", SCP__SQLITE_WAIT_MS);
		scp__retry_after(err, 1000);
		return rc;
	}
	if (job.rc)
		scp__error_copy(err, &job.failure);
	return scp__sqlite_final(job.rc, err);
}
