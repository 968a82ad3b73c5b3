/* What a run costs: from its request until its result has been read, beside a bare start of the same program. */
#include "box.h"

#include <check.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, double *ms, unsigned n)
{
	qsort(ms, n, sizeof(*ms), by_value);
	(void)printf("%-44s p50 %7.3f ms   p99 %7.3f ms   min %7.3f ms\n", what, ms[n / 2], ms[n * 99 / 100], ms[0]);
}

static void bench_bare(const char *what, char *const *argv, unsigned n)
{
	static double ms[ROUNDS_MAX];
	char *const env[] = { NULL };

	for (unsigned i = 0; i < n; i++) {
		double before = now_ms();
		pid_t pid;

		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, env) || waitpid(pid, NULL, 0) != pid)
			return;
		ms[i] = now_ms() - before;
	}
	report(what, ms, n);
}

static void bench_run(const char *what, const struct box *box, struct spec spec, unsigned n)
{
	static unsigned count;
	static double ms[ROUNDS_MAX];
	char id[32];
	char ack[64];

	for (unsigned i = 0; i < n; i++) {
		struct outcome o;
		double before = now_ms();

		(void)snprintf(id, sizeof(id), "bench_%u", count++);
		spec.execution = id;
		run(&o, box, &spec);
		ms[i] = now_ms() - before;
		ck_assert_str_eq(o.status, "completed");
		outcome_free(&o);
		(void)snprintf(ack, sizeof(ack), "/v1/runs/%s/0/ack", id);
		(void)ask(box, "POST", ack);
	}
	report(what, ms, n);
}

static unsigned rounds = 300;

/* The client's checks are Check's: they need a test to fail. */
START_TEST(bench)
{
	char *const bare_true[] = { (char[]){ "/bin/true" }, NULL };
	char *const bare_python[] = { (char[]){ "/usr/bin/python3" }, (char[]){ "-I" }, (char[]){ "-c" },
		(char[]){ "import json" }, NULL };
	struct spec python = {
		.language = "python", .code = "def handler(event):\n    return event", .event = "{\"a\": 1}"
	};
	struct spec javascript = {
		.language = "javascript", .code = "exports.handler = (event) => event", .event = "{\"a\": 1}"
	};
	struct box box;

	box_start(&box, NULL);
	bench_bare("bare /bin/true", bare_true, rounds);
	bench_run("/bin/true", &box, (struct spec){ .code = "/bin/true" }, rounds);
	bench_run("true (by a shell)", &box, (struct spec){ .code = "true" }, rounds);
	bench_bare("bare python3 -I -c 'import json'", bare_python, rounds / 5 + 1);
	bench_run("python handler", &box, python, rounds / 5 + 1);
	bench_run("javascript handler", &box, javascript, rounds / 20 + 1);
	box_stop(&box);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("bench");
	TCase *t = tcase_create("bench");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (argc > 2)
		rounds = (unsigned)atoi(argv[2]);
	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX) {
		(void)fprintf(stderr, "usage: %s sandbox-executor [rounds]\n", argv[0]);
		return 2;
	}
	if (!boxes_init(argv[1]))
		return 2;
	suite_add_tcase(suite, t);
	tcase_add_test(t, bench);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	boxes_fini();
	return failed ? 1 : 0;
}
