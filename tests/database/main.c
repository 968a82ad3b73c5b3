#include "help.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char folder[64];
static char database_name[40];

const char *file_url(const char *name, const char *query)
{
	static char url[160];

	snprintf(url, sizeof(url), "sqlite:%s/%s%s", folder, name, query);
	return url;
}

bool on_mariadb(void)
{
	return getenv("SCP_TEST_MARIADB");
}

const char *test_url(const char *query)
{
	static char url[200];

	if (!on_mariadb())
		return file_url("state.db", query);
	snprintf(url, sizeof(url), "%s/%s%s", getenv("SCP_TEST_MARIADB"), database_name, query);
	return url;
}

scp_status open_it(scp_database **out, const char *url, scp_error *err)
{
	scp__database_access access = { getenv("SCP_TEST_MARIADB_PASSWORD"), true };

	return scp__database_open_as(out, url, &access, err);
}

void fixture_open(void)
{
	scp_error err = { 0 };

	snprintf(database_name, sizeof(database_name), "scp_database_%d", (int)getpid());
	strcpy(folder, "/tmp/scp-database-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_msg(!open_it(&db, test_url(""), &err), "%s", err.message);
	make_table();
}

void reopen(void)
{
	scp_error err = { 0 };

	ck_assert_msg(!open_it(&db, test_url(""), &err), "%s", err.message);
}

static scp_status drop_all(scp_db_tx *tx, void *arg, scp_error *err)
{
	char sql[80];

	(void)arg;
	snprintf(sql, sizeof(sql), "DROP DATABASE %s", database_name);
	return tx->db->ops->exec(tx, sql, err);
}

void fixture_close(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (on_mariadb())
		ck_assert_int_eq(scp__database_transact(db, SCP_DB_WRITE, drop_all, NULL, NULL), SCP_OK);
	scp__database_close(db);
	db = NULL;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* ---- the port and one connection ---- */

START_TEST(an_unknown_scheme_is_refused_without_showing_the_url)
{
	scp_database *none;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_open(&none, "oracle://u:secret@host/x", &err), SCP_EINVAL);
	ck_assert_ptr_null(none);
	ck_assert_ptr_nonnull(strstr(err.message, "sqlite:"));
	ck_assert_ptr_null(strstr(err.message, "secret"));
}
END_TEST

START_TEST(a_missing_operation_is_named)
{
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_OK);
	ops.matched = NULL;
	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'matched'"));
}
END_TEST

START_TEST(a_missing_trait_is_named)
{
	scp_db_traits traits = *db->ops->traits;
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };
	scp_error err = { 0 };

	ops.traits = &traits;
	traits.text_key = NULL;
	ck_assert_int_eq(scp__database_check(&broken, &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "'text_key'"));
}
END_TEST

START_TEST(an_older_vtable_is_refused)
{
	scp_database_ops ops = *db->ops;
	scp_database broken = { &ops };

	ops.struct_size -= 8;
	ck_assert_int_eq(scp__database_check(&broken, NULL), SCP_EINVAL);
}
END_TEST

START_TEST(every_file_is_for_its_owner_alone)
{
	static const char *const names[] = { "state.db", "state.db-wal", "state.db-shm" };
	char path[128];
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_eq(st.st_mode & 07777, 0600);
	}
}
END_TEST

START_TEST(parameters_of_the_url_are_checked)
{
	scp_database *other;
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_open(&other, file_url("x.db", "?mode=memory"), &err), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(err.message, "mode=memory"));
	ck_assert_int_eq(scp__database_open(&other, "sqlite:relative.db", &err), SCP_EINVAL);
	ck_assert_int_eq(scp__database_open(&other, file_url("x.db", "?sync=full"), &err), SCP_OK);
	scp__database_close(other);
}
END_TEST

START_TEST(health_says_what_it_is_and_misses_a_deleted_file)
{
	char detail[200];
	char path[100];
	scp_error err = { 0 };

	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_OK);
	ck_assert_ptr_nonnull(strstr(detail, "state.db"));
	snprintf(path, sizeof(path), "%s/state.db", folder);
	unlink(path);
	ck_assert_int_eq(scp__database_health(db, 1000, detail, sizeof(detail), &err), SCP_EUNAVAIL);
}
END_TEST

static Suite *port_suite(void)
{
	Suite *s = suite_create("port");
	TCase *c = tcase_create("port");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, an_unknown_scheme_is_refused_without_showing_the_url);
	tcase_add_test(c, a_missing_operation_is_named);
	tcase_add_test(c, a_missing_trait_is_named);
	tcase_add_test(c, an_older_vtable_is_refused);
	tcase_add_test(c, every_file_is_for_its_owner_alone);
	tcase_add_test(c, parameters_of_the_url_are_checked);
	tcase_add_test(c, health_says_what_it_is_and_misses_a_deleted_file);
	suite_add_tcase(s, c);
	return s;
}

/* ---- the conformance suite of tests/contract on both ---- */

static scp_status exec_all(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (const char *const *sql = arg; !rc && *sql; sql++)
		rc = tx->db->ops->exec(tx, *sql, err);
	return rc;
}

/* Who the tests are has no way to the server any more, and what there was is cut. */
static bool lock_out(bool out)
{
	static const char *const away[] = { "ALTER USER scp@'%' ACCOUNT LOCK", "KILL USER scp", NULL },
				 *const back[] = { "ALTER USER scp@'%' ACCOUNT UNLOCK", NULL };
	char url[200];
	scp_database *root;
	scp_error err = { 0 };

	snprintf(
	    url, sizeof(url), "%s/mysql?socket=%s", getenv("SCP_TEST_MARIADB_ROOT"), getenv("SCP_TEST_MARIADB_SOCKET"));
	ck_assert_msg(!scp__database_open(&root, url, &err), "%s", err.message);
	ck_assert_msg(
	    !scp__database_transact(root, SCP_DB_WRITE, exec_all, (void *)(uintptr_t)(out ? away : back), &err), "%s",
	    err.message);
	scp__database_close(root);
	return true;
}

static const struct database_subject file = { fixture_open, fixture_close, NULL };
static const struct database_subject server = { fixture_open, fixture_close, lock_out };

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	database_subject = on_mariadb() ? &server : &file;
	add_database_suites(runner);
	if (on_mariadb()) {
		srunner_add_suite(runner, mariadb_suite());
	} else {
		srunner_add_suite(runner, port_suite());
		srunner_add_suite(runner, group_suite());
		srunner_add_suite(runner, process_suite());
		srunner_add_suite(runner, fault_suite());
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
