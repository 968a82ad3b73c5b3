#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"

static scp__figures *f;
static scp__buf out;

static void setup(void)
{
	ck_assert_int_eq(scp__figures_new(&f, NULL), SCP_OK);
	scp__buf_init(&out, 1 << 20);
}

static void teardown(void)
{
	scp__figures_free(f);
	scp__buf_free(&out);
}

static const char *text(void)
{
	scp__buf_clear(&out);
	ck_assert_int_eq(scp__figures_render(f, &out), SCP_OK);
	return out.data;
}

START_TEST(every_end_of_a_session_has_its_word)
{
	scp__count_session_created(f);
	scp__count_session_ended(f, SCP_SESSION_COMPLETED);
	scp__count_session_ended(f, SCP_SESSION_FAILED);
	scp__count_session_ended(f, SCP_SESSION_TIMEOUT);
	scp__count_session_ended(f, SCP_SESSION_TERMINATED);
	scp__count_session_ended(f, SCP_SESSION_TERMINATED);
	scp__count_session_ended(f, SCP_SESSION_RUNNING); /* no end */
	HAS(text(), "sandboxcp_sessions_created_total 1\n");
	HAS(text(), "sandboxcp_sessions_ended_total{result=\"completed\"} 1\n"
		    "sandboxcp_sessions_ended_total{result=\"failed\"} 1\n"
		    "sandboxcp_sessions_ended_total{result=\"timeout\"} 1\n"
		    "sandboxcp_sessions_ended_total{result=\"terminated\"} 2\n");
}
END_TEST

START_TEST(every_end_of_an_execution_has_the_results_word)
{
	static const char *const words[] = { "success", "failed", "timeout", "crashed", "cancelled" };
	char line[128];

	for (int i = 0; i < 5; i++) {
		scp__run_figures run = { .language = SCP_JAVASCRIPT,
			.to = (scp_execution_status)(SCP_EXECUTION_COMPLETED + i) };

		for (int n = 0; n <= i; n++)
			scp__count_execution_ended(f, &run);
		(void)snprintf(line, sizeof(line),
		    "sandboxcp_executions_total{language=\"javascript\",result=\"%s\"} %d\n", words[i], i + 1);
		HAS(text(), line);
	}
	HAS(text(), "sandboxcp_executions_total{language=\"python\",result=\"success\"} 0\n");
	HAS_NOT(text(), "sandboxcp_execution_run_seconds_count");
	HAS(text(), "sandboxcp_execution_queue_seconds_count 0\n");
}
END_TEST

START_TEST(waiting_and_running_are_apart)
{
	scp__run_figures run = { SCP_SHELL, SCP_EXECUTION_COMPLETED, 1000000, 3000000, 3500000, true };

	scp__count_execution_ended(f, &run);
	HAS(text(), "sandboxcp_execution_queue_seconds_sum 2\n");
	HAS(text(), "sandboxcp_execution_run_seconds_sum{language=\"shell\"} 0.5\n");
}
END_TEST

START_TEST(a_retry_counts_no_waiting)
{
	scp__run_figures run = { SCP_PYTHON, SCP_EXECUTION_FAILED, 1000000, 3000000, 3500000, false };

	scp__count_retry(f);
	scp__count_execution_ended(f, &run);
	HAS(text(), "sandboxcp_execution_retries_total 1\n");
	HAS(text(), "sandboxcp_execution_queue_seconds_count 0\n");
	HAS(text(), "sandboxcp_execution_run_seconds_count{language=\"python\"} 1\n");
}
END_TEST

START_TEST(starts_and_deaths_of_containers_are_told_apart)
{
	scp__count_container_start(f, true, 250000);
	scp__count_container_start(f, false, 90000000);
	scp__count_container_death(f, "oom_killed");
	scp__count_container_death(f, "eaten");
	scp__count_container_death(f, NULL);
	HAS(text(), "sandboxcp_container_starts_total{result=\"ok\"} 1\n"
		    "sandboxcp_container_starts_total{result=\"failed\"} 1\n");
	HAS(text(), "sandboxcp_container_start_seconds_sum 0.25\n");
	HAS(text(), "sandboxcp_container_deaths_total{reason=\"oom_killed\"} 1\n");
	HAS_NOT(text(), "eaten");
}
END_TEST

START_TEST(a_session_was_ready_cold)
{
	scp__count_session_ready(f, false, 40000);
	scp__count_submit(f, 700);
	HAS(text(), "sandboxcp_session_ready_seconds_sum{tier=\"cold\"} 0.04\n");
	HAS_NOT(text(), "warm");
	HAS(text(), "sandboxcp_execution_submit_seconds_sum 0.0007\n");
}
END_TEST

START_TEST(a_no_of_a_backend_is_an_answer)
{
	scp__count_backend(f, SCP__BACKEND_STORAGE, "get", SCP_ENOTFOUND, 1000);
	HAS(text(), "sandboxcp_backend_request_seconds_count{backend=\"storage\",operation=\"get\"} 1\n");
	HAS_NOT(text(), "sandboxcp_backend_errors_total{");
	scp__count_backend(f, SCP__BACKEND_STORAGE, "get", SCP_EUNAVAIL, 1000);
	scp__count_backend(f, SCP__BACKEND_STORAGE, "get", SCP_EBACKEND, 1000);
	scp__count_backend(f, SCP__BACKEND_STORAGE, "get", SCP_ETIMEDOUT, 1000);
	scp__count_backend(f, SCP__BACKEND_STORAGE, "get", SCP_EINTERNAL, 1000);
	HAS(text(), "sandboxcp_backend_errors_total{backend=\"storage\",operation=\"get\"} 4\n");
}
END_TEST

START_TEST(a_chore_has_an_age_once_it_was_done)
{
	HAS_NOT(text(), "sandboxcp_upkeep_age_seconds{");
	scp__count_chore(f, SCP__CHORE_REAP);
	scp__count_chore(f, SCP__CHORES);
	HAS(text(), "sandboxcp_upkeep_age_seconds{chore=\"reap\"} ");
	HAS_NOT(text(), "chore=\"runs\"");
}
END_TEST

START_TEST(without_figures_nothing_counts)
{
	scp__run_figures run = { SCP_PYTHON, SCP_EXECUTION_FAILED, 1, 3, 4, true };

	scp__count_session_created(NULL);
	scp__count_session_ended(NULL, SCP_SESSION_FAILED);
	scp__count_execution_ended(NULL, &run);
	scp__count_chore(NULL, SCP__CHORE_REAP);
	scp__count_backend(NULL, SCP__BACKEND_RUNTIME, "run", SCP_OK, 1);
	ck_assert_int_eq(scp__figures_render(NULL, &out), SCP_OK);
	ck_assert_uint_eq(out.len, 0);
	scp__figures_free(NULL);
}
END_TEST

Suite *figures_suite(void)
{
	Suite *s = suite_create("figures");
	TCase *t = tcase_create("figures");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_end_of_a_session_has_its_word);
	tcase_add_test(t, every_end_of_an_execution_has_the_results_word);
	tcase_add_test(t, waiting_and_running_are_apart);
	tcase_add_test(t, a_retry_counts_no_waiting);
	tcase_add_test(t, starts_and_deaths_of_containers_are_told_apart);
	tcase_add_test(t, a_session_was_ready_cold);
	tcase_add_test(t, a_no_of_a_backend_is_an_answer);
	tcase_add_test(t, a_chore_has_an_age_once_it_was_done);
	tcase_add_test(t, without_figures_nothing_counts);
	suite_add_tcase(s, t);
	return s;
}
