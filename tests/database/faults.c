/* Files that can't be what they should be: each error names the file and says what to do. */
#include "help.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static scp_status open_other(const char *name, scp_error *err)
{
	scp_database *other;
	scp_status rc = scp__database_open(&other, file_url(name, ""), err);

	scp__database_close(other);
	return rc;
}

START_TEST(a_missing_folder_is_named)
{
	scp_error err = { 0 };

	ck_assert_int_eq(open_other("no/such/state.db", &err), SCP_EUNAVAIL);
	ck_assert_int_eq(err.status, SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "no/such/state.db"));
	ck_assert_ptr_nonnull(strstr(err.hint, "folder"));
}
END_TEST

START_TEST(another_kind_of_file_is_refused_and_left_alone)
{
	char text[5000];
	scp_error err = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file("notes.txt", text);
	ck_assert_int_eq(open_other("notes.txt", &err), SCP_EBACKEND);
	ck_assert_ptr_nonnull(strstr(err.message, "notes.txt"));
	ck_assert_ptr_nonnull(strstr(err.hint, "another path"));
}
END_TEST

START_TEST(a_folder_is_no_database)
{
	char path[128];
	scp_error err = { 0 };

	snprintf(path, sizeof(path), "%s/dir.db", folder);
	mkdir(path, 0700);
	ck_assert_int_eq(open_other("dir.db", &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "dir.db"));
	rmdir(path);
}
END_TEST

static scp_status insert_much(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)arg;
	return run(tx, "INSERT INTO t (k, b) VALUES (random(), zeroblob(200000))", NULL, 0, err);
}

/* RLIMIT_FSIZE stands for the full disk: it is checked in a child, since the limit stays. */
START_TEST(a_full_disk_fails_cleanly_and_ends_with_the_fullness)
{
	struct rlimit small = { 400000, RLIM_INFINITY }, large = { RLIM_INFINITY, RLIM_INFINITY };
	scp_error err = { 0 };
	scp_status rc = SCP_OK;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; !rc && i < 10; i++)
		rc = scp__database_transact(db, SCP_DB_WRITE, insert_much, NULL, &err);
	setrlimit(RLIMIT_FSIZE, &large);
	ck_assert_int_eq(rc, SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "state.db"));
	ck_assert_ptr_nonnull(strstr(err.hint, "disk"));
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_much, NULL, &err), SCP_OK);
	ck_assert_int_eq(number("SELECT count(*) FROM t WHERE length(b) <> 200000"), 0);
}
END_TEST

START_TEST(a_lock_that_another_keeps_is_waited_for_with_a_bound)
{
	char path[128];
	sqlite3 *other;
	scp_error err = { 0 };

	snprintf(path, sizeof(path), "%s/state.db", folder);
	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_EUNAVAIL);
	ck_assert_ptr_nonnull(strstr(err.message, "another process"));
	ck_assert_int_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, insert_key, (char[]){ "a" }, &err), SCP_OK);
}
END_TEST

Suite *fault_suite(void)
{
	Suite *s = suite_create("faults");
	TCase *c = tcase_create("faults");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, a_missing_folder_is_named);
	tcase_add_test(c, another_kind_of_file_is_refused_and_left_alone);
	tcase_add_test(c, a_folder_is_no_database);
	tcase_add_test(c, a_full_disk_fails_cleanly_and_ends_with_the_fullness);
	tcase_add_test(c, a_lock_that_another_keeps_is_waited_for_with_a_bound);
	suite_add_tcase(s, c);
	return s;
}
