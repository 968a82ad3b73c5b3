/* What is long over goes, with all that hangs on it; what isn't, or is still needed, stays. */
#include "help.h"

#include <stdio.h>

#define E(n) "exec_20260101_0000000" n
#define BEFORE 1000

struct sweep {
	uint32_t limit;
	uint64_t sessions;
	scp__ids executions;
};

BODY(find)
{
	struct sweep *s = arg;

	scp__ids_clear(&s->executions);
	return scp__store_history_executions(tx, BEFORE, s->limit, &s->executions, err);
}

BODY(drop)
{
	return scp__store_history_drop(tx, &((struct sweep *)arg)->executions, err);
}

BODY(sweep)
{
	struct sweep *s = arg;

	return scp__store_history_sweep(tx, BEFORE, s->limit, &s->sessions, err);
}

static int64_t count(const char *table)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	return raw_number(sql);
}

static void end_execution(const char *id, int64_t when)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "UPDATE execution SET status = 3, completed_us = %lld WHERE id = '%s'",
	    (long long)when, id);
	raw_sql(sql);
}

START_TEST(executions_that_ended_before_go_with_what_hangs_on_them)
{
	struct sweep s = { .limit = 10 };

	seed_session("s1");
	seed_execution(E("1"), "s1", 200);
	seed_execution(E("2"), "s1", 300);
	seed_execution(E("3"), "s1", 400);
	end_execution(E("1"), BEFORE);
	end_execution(E("2"), BEFORE + 1); /* began before, ended after */
	raw_sql("INSERT INTO output VALUES ('" E("1") "', 1, 1, 0, 0, NULL, NULL, NULL, x'78', NULL)");
	raw_sql("INSERT INTO artifact VALUES ('" E("1") "', 0, 'a', 1, NULL, NULL, NULL, 0)");
	raw_sql("INSERT INTO execution_input VALUES ('" E("1") "', 'code', NULL, NULL)");
	READ(find, &s);
	ck_assert_uint_eq(s.executions.count, 1);
	ck_assert_str_eq(s.executions.ids[0], E("1"));
	WRITE(drop, &s);
	ck_assert_int_eq(count("execution"), 2);
	ck_assert_int_eq(count("output") + count("artifact") + count("execution_input"), 0);
	scp__ids_free(&s.executions);
}
END_TEST

START_TEST(the_oldest_go_first_a_batch_at_a_time)
{
	struct sweep s = { .limit = 2 };

	seed_session("s1");
	for (int i = 0; i < 3; i++) {
		char id[] = E("0");

		id[strlen(id) - 1] = (char)('0' + i);
		seed_execution(id, "s1", 300 - i);
		end_execution(id, 500);
	}
	READ(find, &s);
	ck_assert_uint_eq(s.executions.count, 2);
	ck_assert_str_eq(s.executions.ids[0], E("2"));
	ck_assert_str_eq(s.executions.ids[1], E("1"));
	scp__ids_free(&s.executions);
}
END_TEST

/* One that runs again since it was found isn't over. */
START_TEST(only_what_is_over_is_dropped)
{
	struct sweep s = { .limit = 10 };

	seed_session("s1");
	seed_execution(E("1"), "s1", 200);
	end_execution(E("1"), 500);
	READ(find, &s);
	end_execution(E("1"), 0);
	WRITE(drop, &s);
	ck_assert_int_eq(count("execution"), 1);
	scp__ids_free(&s.executions);
}
END_TEST

static void end_session(const char *id, int64_t when, int64_t removed)
{
	char sql[256];

	seed_session(id);
	snprintf(sql, sizeof(sql),
	    "INSERT INTO workspace (id, session_id, disk_bytes, created_us, ended_us, removed_us) "
	    "VALUES ('ws_%s', '%s', 1, 100, 100, %lld)",
	    id, id, (long long)removed);
	raw_sql(sql);
	snprintf(sql, sizeof(sql),
	    "UPDATE session SET status = 4, terminated_us = %lld, workspace_id = 'ws_%s' WHERE id = '%s'",
	    (long long)when, id, id);
	raw_sql(sql);
}

START_TEST(a_session_goes_last)
{
	struct sweep s = { .limit = 10 };

	end_session("gone", 500, 900);
	end_session("later", BEFORE + 1, 900);
	end_session("files", 500, 0);
	end_session("ran", 500, 900);
	seed_execution(E("1"), "ran", 200);
	end_execution(E("1"), 500);
	end_session("held", 500, 900);
	raw_sql("INSERT INTO container (id, node, runtime_type, status, session_id, cpu_millis, memory_bytes, "
		"disk_bytes, max_processes, created_us, started_us, exited_us, exit_code) "
		"VALUES ('c', 'n', 'oci', 3, 'held', 1, 1, 1, 1, 100, 100, 500, 0)");
	seed_session("lives");
	WRITE(sweep, &s);
	ck_assert_uint_eq(s.sessions, 1);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM session WHERE id = 'gone'"), 0);
	ck_assert_int_eq(raw_number("SELECT count(*) FROM workspace WHERE id = 'ws_gone'"), 0);
	ck_assert_int_eq(count("session"), 5);
	ck_assert_int_eq(count("workspace"), 4);
	/* what held the others goes too */
	raw_sql("UPDATE workspace SET removed_us = 900");
	raw_sql("DELETE FROM execution");
	raw_sql("UPDATE container SET status = 5");
	WRITE(sweep, &s);
	ck_assert_uint_eq(s.sessions, 3);
	ck_assert_int_eq(count("session"), 2);
	ck_assert_int_eq(count("container"), 0);
}
END_TEST

START_TEST(sessions_go_a_batch_at_a_time)
{
	struct sweep s = { .limit = 1 };

	end_session("a", 500, 900);
	end_session("b", 500, 900);
	WRITE(sweep, &s);
	ck_assert_int_eq(count("session"), 1);
	WRITE(sweep, &s);
	ck_assert_int_eq(count("session"), 0);
	WRITE(sweep, &s);
	ck_assert_uint_eq(s.sessions, 0);
}
END_TEST

Suite *history_suite(void)
{
	Suite *s = suite_create("history");
	TCase *c = tcase_create("history");

	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_test(c, executions_that_ended_before_go_with_what_hangs_on_them);
	tcase_add_test(c, the_oldest_go_first_a_batch_at_a_time);
	tcase_add_test(c, only_what_is_over_is_dropped);
	tcase_add_test(c, a_session_goes_last);
	tcase_add_test(c, sessions_go_a_batch_at_a_time);
	suite_add_tcase(s, c);
	return s;
}
