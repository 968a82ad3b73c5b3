#include "suites.h"

#include <dirent.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

enum { PLAIN, LABELLED, TIMES, SPARSE };

static const char *const colours[] = { "red", "green" };
static const char *const sizes[] = { "small", "large", "huge" };
static const uint64_t bounds[] = { 100, 2500, 1000000, 0 };

static const scp__metric_family families[] = {
	[PLAIN] = { "plain_total", "Plain.", SCP__COUNTER, false, { { 0 } }, NULL },
	[LABELLED] = { "labelled_total", "Labelled.", SCP__COUNTER, false,
	    { { "colour", colours, 2 }, { "size", sizes, 3 } }, NULL },
	[TIMES] = { "times_seconds", "Times.", SCP__HISTOGRAM, false, { { 0 } }, bounds },
	[SPARSE] = { "sparse_seconds", "Sparse.", SCP__HISTOGRAM, true, { { "colour", colours, 2 } }, bounds },
};

static scp__metrics *m;
static scp__buf out;

static void setup(void)
{
	ck_assert_int_eq(scp__metrics_new(&m, families, 4, NULL), SCP_OK);
	scp__buf_init(&out, 1 << 20);
}

static void teardown(void)
{
	scp__metrics_free(m);
	scp__buf_free(&out);
}

static const char *text(void)
{
	scp__buf_clear(&out);
	ck_assert_int_eq(scp__metrics_render(m, &out), SCP_OK);
	return out.data;
}

START_TEST(a_counter_adds_up)
{
	scp__metric_add(m, PLAIN, SCP__SERIES(0), 2);
	scp__metric_add(m, PLAIN, SCP__SERIES(0), 40);
	ck_assert_uint_eq(scp__metric_value(m, PLAIN, SCP__SERIES(0)), 42);
	HAS(text(), "# HELP plain_total Plain.\n# TYPE plain_total counter\nplain_total 42\n");
}
END_TEST

START_TEST(each_combination_of_labels_is_a_series_of_its_own)
{
	scp__metric_add(m, LABELLED, SCP__SERIES(0, 1), 1);
	scp__metric_add(m, LABELLED, SCP__SERIES(1, 2), 7);
	HAS(text(), "labelled_total{colour=\"red\",size=\"small\"} 0\n"
		    "labelled_total{colour=\"red\",size=\"large\"} 1\n"
		    "labelled_total{colour=\"red\",size=\"huge\"} 0\n"
		    "labelled_total{colour=\"green\",size=\"small\"} 0\n"
		    "labelled_total{colour=\"green\",size=\"large\"} 0\n"
		    "labelled_total{colour=\"green\",size=\"huge\"} 7\n");
}
END_TEST

START_TEST(buckets_are_cumulative_and_their_bounds_belong_to_them)
{
	static const int64_t us[] = { -5, 100, 101, 2500, 1000001 };

	for (size_t i = 0; i < 5; i++)
		scp__metric_observe(m, TIMES, SCP__SERIES(0), us[i]);
	ck_assert_uint_eq(scp__metric_value(m, TIMES, SCP__SERIES(0)), 5);
	HAS(text(), "# TYPE times_seconds histogram\n"
		    "times_seconds_bucket{le=\"0.0001\"} 2\n"
		    "times_seconds_bucket{le=\"0.0025\"} 4\n"
		    "times_seconds_bucket{le=\"1\"} 4\n"
		    "times_seconds_bucket{le=\"+Inf\"} 5\n"
		    "times_seconds_sum 1.002702\n"
		    "times_seconds_count 5\n");
}
END_TEST

START_TEST(a_sparse_family_shows_only_what_counted)
{
	scp__metric_observe(m, SPARSE, SCP__SERIES(1), 0);
	HAS(text(), "sparse_seconds_bucket{colour=\"green\",le=\"0.0001\"} 1\n");
	HAS(text(), "sparse_seconds_count{colour=\"green\"} 1\n");
	HAS_NOT(text(), "sparse_seconds_count{colour=\"red\"}");
}
END_TEST

START_TEST(what_is_no_label_value_counts_nowhere)
{
	scp__metric_add(m, LABELLED, SCP__SERIES(2, 0), 9);
	scp__metric_add(m, LABELLED, SCP__SERIES(0, 3), 9);
	scp__metric_add(m, 4, SCP__SERIES(0), 9);
	scp__metric_add(NULL, PLAIN, SCP__SERIES(0), 9);
	scp__metric_observe(m, SPARSE, SCP__SERIES(UINT32_MAX), 9);
	ck_assert_uint_eq(scp__metric_value(m, LABELLED, SCP__SERIES(2, 0)), 0);
	HAS_NOT(text(), " 9\n");
	ck_assert_uint_eq(scp__metric_index(&families[SPARSE].labels[0], "green"), 1);
	ck_assert_uint_eq(scp__metric_index(&families[SPARSE].labels[0], "blue"), 2);
	ck_assert_uint_eq(scp__metric_index(&families[SPARSE].labels[0], NULL), 2);
}
END_TEST

START_TEST(label_values_are_escaped)
{
	scp__metric_line(&out, "x", (scp_pair[]){ { "a", "q\"b\\n\nl" }, { NULL, NULL } }, 1);
	ck_assert_str_eq(out.data, "x{a=\"q\\\"b\\\\n\\nl\"} 1\n");
}
END_TEST

START_TEST(seconds_are_written_without_a_locale)
{
	/* where the machine has no such locale the case says little, and still holds */
	(void)setlocale(LC_ALL, "de_DE.UTF-8");
	scp__metric_line_us(&out, "x", NULL, 1500000);
	scp__metric_line_us(&out, "y", NULL, 3000000);
	scp__metric_line_us(&out, "z", NULL, 0);
	scp__metric_line_us(&out, "n", NULL, -7);
	(void)setlocale(LC_ALL, "C");
	ck_assert_str_eq(out.data, "x 1.5\ny 3\nz 0\nn 0\n");
}
END_TEST

START_TEST(text_that_does_not_fit_is_an_error)
{
	scp__buf_free(&out);
	scp__buf_init(&out, 100);
	ck_assert_int_eq(scp__metrics_render(m, &out), SCP_ETOOBIG);
}
END_TEST

/* One, and a sanitizer's own. */
static unsigned count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *e;
	unsigned count = 0;

	while (tasks && (e = readdir(tasks)))
		count += e->d_name[0] != '.';
	if (tasks)
		(void)closedir(tasks);
	return count;
}

START_TEST(this_process_is_described)
{
	unsigned long long start = 0, fds = 0, threads = 0;
	const char *at;

	scp__metrics_process(&out);
	HAS(out.data, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ");
	HAS(out.data, "\nprocess_resident_memory_bytes ");
	HAS(out.data, "\nprocess_virtual_memory_bytes ");
	HAS(out.data, "\nprocess_max_fds ");
	at = strstr(out.data, "\nprocess_threads ");
	threads = at ? strtoull(at + 17, NULL, 10) : 0;
	ck_assert_uint_eq(threads, count_threads());
	at = strstr(out.data, "\nprocess_open_fds ");
	fds = at ? strtoull(at + 18, NULL, 10) : 0;
	ck_assert_uint_ge(fds, 3);
	at = strstr(out.data, "\nprocess_start_time_seconds ");
	start = at ? strtoull(at + 28, NULL, 10) : 0;
	ck_assert_uint_gt(start, 1700000000);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		scp__metric_add(m, LABELLED, SCP__SERIES(1, 1), 1);
		scp__metric_observe(m, TIMES, SCP__SERIES(0), 50);
	}
	return NULL;
}

START_TEST(threads_lose_no_count)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	(void)text(); /* beside them */
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(scp__metric_value(m, LABELLED, SCP__SERIES(1, 1)), THREADS * ROUNDS);
	ck_assert_uint_eq(scp__metric_value(m, TIMES, SCP__SERIES(0)), THREADS * ROUNDS);
	HAS(text(), "times_seconds_sum 4\n");
}
END_TEST

Suite *metrics_suite(void)
{
	Suite *s = suite_create("metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_counter_adds_up);
	tcase_add_test(t, each_combination_of_labels_is_a_series_of_its_own);
	tcase_add_test(t, buckets_are_cumulative_and_their_bounds_belong_to_them);
	tcase_add_test(t, a_sparse_family_shows_only_what_counted);
	tcase_add_test(t, what_is_no_label_value_counts_nowhere);
	tcase_add_test(t, label_values_are_escaped);
	tcase_add_test(t, seconds_are_written_without_a_locale);
	tcase_add_test(t, text_that_does_not_fit_is_an_error);
	tcase_add_test(t, this_process_is_described);
	tcase_add_test(t, threads_lose_no_count);
	suite_add_tcase(s, t);
	return s;
}
