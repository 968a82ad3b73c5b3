/* Several processes on one file, and processes that die. The parent has closed its own: a fork takes no threads along.
 */
#include "help.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 3
#define ROUNDS 100

static scp_status add_one(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "UPDATE t SET n = n + 1 WHERE k = 'counter'", NULL, 0, err);
}

/* Children open the database for themselves: a connection doesn't survive a fork. */
static int child_increments(void)
{
	scp_database *own;

	if (scp__database_open(&own, file_url("state.db", ""), NULL))
		return 1;
	for (int i = 0; i < ROUNDS; i++)
		if (scp__database_transact(own, SCP_DB_WRITE, add_one, NULL, NULL))
			return 2;
	scp__database_close(own);
	return 0;
}

START_TEST(processes_share_one_file)
{
	pid_t children[PROCESSES];
	int status;

	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "counter" }, NULL), SCP_OK);
	scp__database_close(db);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		ck_assert_int_ge(children[i], 0);
		if (!children[i])
			_exit(child_increments());
	}
	for (int i = 0; i < PROCESSES; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
	reopen();
	ck_assert_int_eq(number("SELECT n FROM t WHERE k = 'counter'"), 1 + PROCESSES * ROUNDS);
}
END_TEST

/* Opening for the first time sets the journal mode, which several may want at once. */
START_TEST(processes_may_make_one_file_at_once)
{
	pid_t children[4];
	scp_database *own;
	int status;

	scp__database_close(db);
	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (!children[i])
			_exit(scp__database_open(&own, file_url("fresh.db", ""), NULL) != SCP_OK);
	}
	for (int i = 0; i < 4; i++) {
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	reopen();
}
END_TEST

static void child_acknowledges(int fd)
{
	scp_database *own;
	char key[16];

	if (scp__database_open(&own, file_url("state.db", ""), NULL))
		_exit(1);
	for (unsigned char i = 0;; i++) {
		snprintf(key, sizeof(key), "row-%d", i);
		if (scp__database_transact(own, SCP_DB_WRITE, insert_key, key, NULL) || write(fd, &i, 1) != 1)
			_exit(2);
	}
}

START_TEST(what_was_acknowledged_survives_kill_9)
{
	char sql[100];
	unsigned char last = 0;
	int pipe_fds[2];
	pid_t child;

	scp__database_close(db);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	child = fork();
	if (!child)
		child_acknowledges(pipe_fds[1]);
	close(pipe_fds[1]);
	while (last < 100)
		ck_assert_int_eq(read(pipe_fds[0], &last, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	while (read(pipe_fds[0], &last, 1) == 1)
		;
	close(pipe_fds[0]);
	reopen();
	for (int i = 0; i <= last; i++) {
		snprintf(sql, sizeof(sql), "SELECT count(*) FROM t WHERE k = 'row-%d'", i);
		ck_assert_int_eq(number(sql), 1);
	}
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "after" }, NULL), SCP_OK);
}
END_TEST

START_TEST(two_planes_in_one_process_keep_their_locks)
{
	scp_database *second;

	/* Opening and closing a second one must not drop the first one's locks (a POSIX trap): a third still has to see
	 * a database that is in use, so that it doesn't take its log for left over. */
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, NULL), SCP_OK);
	ck_assert_int_eq(scp__database_open(&second, file_url("state.db", ""), NULL), SCP_OK);
	scp__database_close(second);
	ck_assert_int_eq(child_increments(), 0);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "b" }, NULL), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t"), 2);
}
END_TEST

Suite *process_suite(void)
{
	Suite *s = suite_create("process");
	TCase *c = tcase_create("process");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, processes_share_one_file);
	tcase_add_test(c, processes_may_make_one_file_at_once);
	tcase_add_test(c, what_was_acknowledged_survives_kill_9);
	tcase_add_test(c, two_planes_in_one_process_keep_their_locks);
	suite_add_tcase(s, c);
	return s;
}
