#include "help.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sql.h"

#define PROCESSES 10

START_TEST(migrating_again_changes_nothing)
{
	seed_session("sess_a");
	ck_assert_ok(scp__store_migrate(db, NULL));
	ck_assert_ok(scp__store_require(db, NULL));
	ck_assert_int_eq(raw_number("SELECT count(*) FROM schema_version"), 4);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM session"), 1);
}
END_TEST

START_TEST(a_newer_schema_that_needs_a_newer_release_is_refused)
{
	scp_error err = { 0 };

	raw_sql("INSERT INTO schema_version VALUES (9, 7, 0)");
	ck_assert_int_eq(scp__store_migrate(db, &err), SCP_ESTATE);
	ck_assert_ptr_nonnull(strstr(err.message, "version 9"));
	ck_assert_ptr_nonnull(strstr(err.message, "version 7"));
	ck_assert_ptr_nonnull(strstr(err.message, "knows 4"));
	ck_assert_int_eq(scp__store_require(db, NULL), SCP_ESTATE);
}
END_TEST

START_TEST(a_newer_schema_that_only_added_is_accepted)
{
	raw_sql("INSERT INTO schema_version VALUES (9, 1, 0)");
	ck_assert_ok(scp__store_migrate(db, NULL));
	ck_assert_ok(scp__store_require(db, NULL));
}
END_TEST

static scp_database *open_fresh(void)
{
	scp_database *fresh;

	ck_assert_ok(open_named(&fresh, "fresh", NULL));
	return fresh;
}

START_TEST(an_empty_database_only_looked_at_is_refused_and_stays_empty)
{
	scp_database *fresh;
	scp_error err = { 0 };

	drop_named("fresh");
	fresh = open_fresh();
	ck_assert_int_eq(scp__store_require(fresh, &err), SCP_ESTATE);
	ck_assert_ptr_nonnull(strstr(err.hint, "--migrate"));
	ck_assert_int_eq(scp__store_require(fresh, &err), SCP_ESTATE);
	scp__database_close(fresh);
}
END_TEST

/* What the first release left: its tables, and a row in each of those that grew. */
static void back_to_version_1(void)
{
	seed_session("sess_a");
	raw_sql("DELETE FROM schema_version WHERE version >= 2");
	raw_sql("DROP INDEX workspace_dirty /*! ON workspace */");
	raw_sql("ALTER TABLE workspace DROP COLUMN dirty_us");
	raw_sql("ALTER TABLE execution DROP COLUMN sync_pending");
	raw_sql("DROP TABLE workspace_file");
	raw_sql("ALTER TABLE session DROP COLUMN languages");
	raw_sql("ALTER TABLE template DROP COLUMN warm_idle_s");
	raw_sql("ALTER TABLE template DROP COLUMN process_limit");
	raw_sql("DROP INDEX container_newest /*! ON container */");
}

static bool has_index(const char *name)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
	    on_mariadb() ? "SELECT count(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND "
			   "index_name = '%s'"
			 : "SELECT count(*) FROM sqlite_master WHERE name = '%s'",
	    name);
	return raw_number(sql) > 0;
}

START_TEST(a_database_of_the_first_version_is_brought_up_with_what_it_holds)
{
	scp__session *s;

	back_to_version_1(); /* and of a step that was cut short: some of its columns are there */
	ck_assert_int_eq(scp__store_require(db, NULL), SCP_ESTATE);
	ck_assert_ok(scp__store_migrate(db, NULL));
	ck_assert_ok(scp__store_require(db, NULL));
	s = get_session("sess_a");
	ck_assert_uint_eq(s->language_count, 0);
	scp_session_free(&s->pub);
	ck_assert_int_eq(raw_number("SELECT process_limit FROM template"), 1024);
	ck_assert(has_index("container_newest"));
	ck_assert_int_eq(raw_number("SELECT count(*) FROM workspace WHERE node_ready + dirty_us > 0"), 0);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM execution WHERE sync_pending > 0"), 0);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM workspace_file"), 0);
}
END_TEST

START_TEST(several_processes_may_migrate_at_once)
{
	pid_t children[PROCESSES];
	scp_error err = { 0 };
	int status;

	drop_named("fresh");
	scp__database_close(db); /* a fork takes no threads along */
	db = NULL;
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (!children[i] && scp__store_migrate(open_fresh(), &err))
			fprintf(stderr, "%s\n", err.message);
		if (!children[i])
			_exit(err.status != SCP_OK);
	}
	for (int i = 0; i < PROCESSES; i++) {
		waitpid(children[i], &status, 0);
		ck_assert_int_eq(status, 0);
	}
	db = open_fresh();
	ck_assert_ok(scp__store_require(db, NULL));
	ck_assert_int_eq(raw_number("SELECT count(*) FROM schema_version"), 4);
	drop_named("fresh");
	scp__database_close(db);
	db = NULL;
}
END_TEST

/* ---- how each statement is run ---- */

static const char *const *const all_statements[] = {
	scp__store_schema_sql,
	scp__store_session_sql,
	scp__store_session_list_sql,
	scp__store_execution_sql,
	scp__store_execution_list_sql,
	scp__store_execution_drive_sql,
	scp__store_output_sql,
	scp__store_artifact_sql,
	scp__store_workspace_sql,
	scp__store_workspace_file_sql,
	scp__store_container_sql,
	scp__store_container_list_sql,
	scp__store_node_sql,
	scp__store_node_life_sql,
	scp__store_node_list_sql,
	scp__store_template_sql,
	scp__store_template_write_sql,
	scp__store_idempotency_sql,
	scp__store_history_sql,
	scp__store_meta_sql,
	scp__store_census_sql,
};

/*
 * The scans that are meant: in the order of an index and ended by a LIMIT, or the number of all rows, which an index
 * gives without the rows. `node` and `schema_version` have a handful of rows, and all of them are asked for.
 */
static const struct {
	const char *sql;  /* begins so */
	const char *scan; /* and is run so */
} meant[] = {
	{ "SELECT id, template_id, status", "SCAN session USING INDEX session_newest" },
	{ "SELECT count(*) FROM session ", "SCAN session USING COVERING INDEX" },
	{ "SELECT id, session_id, status", "SCAN execution USING INDEX execution_newest" },
	{ "SELECT count(*) FROM execution ", "SCAN execution USING COVERING INDEX" },
	{ "SELECT version, min_compatible FROM schema_version", "SCAN schema_version" },
	{ "SELECT c.id, c.runtime_type", "SCAN c USING INDEX container_newest" },
	{ "SELECT count(*) FROM container c ", "SCAN container USING COVERING INDEX" },
	{ "SELECT id, runtime_type, url", "SCAN node USING INDEX" },
	{ "SELECT count(*) FROM node", "SCAN node USING COVERING INDEX" },
	{ "SELECT id FROM node ORDER BY id", "SCAN node USING COVERING INDEX" },
};

static bool is_meant(const char *sql, const char *detail)
{
	for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++)
		if (!strncmp(sql, meant[i].sql, strlen(meant[i].sql)) &&
		    !strncmp(detail, meant[i].scan, strlen(meant[i].scan)) && !strstr(sql, "WHERE"))
			return true;
	return false;
}

static int explain(sqlite3 *raw, const char *sql)
{
	sqlite3_stmt *stmt;
	char text[2048];
	int bad = 0;

	snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
	ck_assert_msg(sqlite3_prepare_v2(raw, text, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(raw));
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(stmt, 3);

		if (!strncmp(detail, "SCAN", 4) && !is_meant(sql, detail)) {
			printf("%s\n\t%s\n", sql, detail);
			bad++;
		}
	}
	sqlite3_finalize(stmt);
	return bad;
}

BODY(write_no_json)
{
	(void)arg;
	return tx->db->ops->exec(tx, "UPDATE session SET env_vars = 'not JSON'", err);
}

BODY(prepare_all)
{
	int *seen = arg;
	scp_db_stmt *stmt;

	for (size_t i = 0; i < sizeof(all_statements) / sizeof(all_statements[0]); i++)
		for (const char *const *sql = all_statements[i]; *sql; sql++, ++*seen) {
			ck_assert_msg(!tx->db->ops->prepare(tx, *sql, &stmt, err), "%s: %s", *sql, err->message);
			tx->db->ops->release(stmt);
		}
	return SCP_OK;
}

START_TEST(the_database_takes_every_statement)
{
	scp_error err = { 0 };
	int seen = 0;

	ck_assert_ok(transact(SCP_DB_WRITE, prepare_all, &seen, &err));
	ck_assert_int_gt(seen, 70);
}
END_TEST

START_TEST(json_is_checked_where_the_database_can)
{
	seed_session("sess_a");
	raw_sql("UPDATE session SET env_vars = '{\"A\": \"b\"}'");
	ck_assert_int_ne(transact(SCP_DB_WRITE, write_no_json, NULL, NULL), SCP_OK);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM session WHERE env_vars LIKE '{%'"), 1);
}
END_TEST

START_TEST(no_statement_scans_a_table)
{
	int bad = 0, seen = 0;
	sqlite3 *raw;

	ck_assert_int_eq(sqlite3_open(db_path, &raw), SQLITE_OK);
	for (size_t i = 0; i < sizeof(all_statements) / sizeof(all_statements[0]); i++)
		for (const char *const *sql = all_statements[i]; *sql; sql++, seen++)
			bad += explain(raw, *sql);
	sqlite3_close(raw);
	ck_assert_int_gt(seen, 70);
	ck_assert_int_eq(bad, 0);
}
END_TEST

/* Lists in the order of an index end with their LIMIT; a sort would read all that match first. */
START_TEST(no_list_sorts)
{
	sqlite3_stmt *stmt;
	char text[2048];
	sqlite3 *raw;

	ck_assert_int_eq(sqlite3_open(db_path, &raw), SQLITE_OK);
	for (int which = 0; which < 3; which++) {
		const char *const *const lists[] = { scp__store_session_list_sql, scp__store_execution_list_sql,
			scp__store_container_list_sql };
		const char *const *sql = lists[which];

		for (; *sql; sql++) {
			snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", *sql);
			ck_assert_int_eq(sqlite3_prepare_v2(raw, text, -1, &stmt, NULL), SQLITE_OK);
			while (sqlite3_step(stmt) == SQLITE_ROW)
				ck_assert_msg(
				    !strstr((const char *)sqlite3_column_text(stmt, 3), "TEMP B-TREE"), "%s", *sql);
			sqlite3_finalize(stmt);
		}
	}
	sqlite3_close(raw);
}
END_TEST

Suite *schema_suite(void)
{
	Suite *s = suite_create("schema");
	TCase *c = tcase_create("schema");

	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, fixture_open_fresh, fixture_close_fresh);
	tcase_add_test(c, migrating_again_changes_nothing);
	tcase_add_test(c, a_newer_schema_that_needs_a_newer_release_is_refused);
	tcase_add_test(c, a_newer_schema_that_only_added_is_accepted);
	tcase_add_test(c, an_empty_database_only_looked_at_is_refused_and_stays_empty);
	tcase_add_test(c, a_database_of_the_first_version_is_brought_up_with_what_it_holds);
	tcase_add_test(c, several_processes_may_migrate_at_once);
	tcase_add_test(c, the_database_takes_every_statement);
	if (on_mariadb()) {
		tcase_add_test(c, json_is_checked_where_the_database_can);
	} else {
		tcase_add_test(c, no_statement_scans_a_table);
		tcase_add_test(c, no_list_sorts);
	}
	suite_add_tcase(s, c);
	return s;
}
