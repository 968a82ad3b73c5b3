#include "liars.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "case.h"

void *contract_symbol(const char *path, const char *name, bool required)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol = object ? dlsym(object, name) : NULL;

	if (!symbol && required)
		fprintf(stderr, "%s: %s\n", path, dlerror());
	return symbol;
}

int run_suites(add_suites *suites)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

	suites(runner);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Check tells the names of cases in its reports alone: "not ok 7 - file:suite:case: why". */
static void read_failures(FILE *tap, scp__buf *names)
{
	char *line = NULL, *rest, *name;
	size_t size = 0;

	while (getline(&line, &size, tap) > 0) {
		if (strncmp(line, "not ok ", 7))
			continue;
		(void)strtok_r(line, ":", &rest);
		(void)strtok_r(NULL, ":", &rest);
		name = strtok_r(NULL, ":", &rest);
		(void)scp__buf_printf(names, " %s", name ? name : "?");
	}
	free(line);
}

/* The names of the cases that fail, each after a blank. */
static void run_quietly(add_suites *suites, scp__buf *names)
{
	char path[] = "/tmp/scp-contract-tap-XXXXXX";
	FILE *tap = fdopen(mkstemp(path), "r");
	SRunner *runner = srunner_create(NULL);

	suites(runner);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_set_tap(runner, path);
	srunner_run_all(runner, CK_SILENT);
	read_failures(tap, names);
	if (!srunner_ntests_run(runner))
		(void)scp__buf_printf(names, " there_is_no_such_case");
	srunner_free(runner);
	fclose(tap);
	unlink(path);
}

/* Whether " NAME" is among the names, whole. */
static bool among(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = names; (p = strstr(p, name)); p += len)
		if (p[-1] == ' ' && (!p[len] || p[len] == ' '))
			return true;
	return false;
}

static bool is_found(const struct liar *liar, add_suites *suites)
{
	scp__buf names;
	bool fine;

	scp__buf_init(&names, 1 << 16);
	(void)scp__buf_printf(&names, "%s", "");
	run_quietly(suites, &names);
	fine = liar->found_by ? among(names.data, liar->found_by) : !names.len;
	printf("%s: %s:%s\n", fine ? "ok" : "NOT OK", liar->lie, names.len ? names.data : " no case fails");
	if (!fine && liar->found_by)
		printf("\tmust fail: %s\n", liar->found_by);
	fflush(stdout);
	scp__buf_free(&names);
	return fine;
}

int find_liars(const struct liar *liars, size_t count, const struct liar **now, add_suites *suites)
{
	size_t missed = 0;

	for (size_t i = 0; i < count; i++) {
		*now = &liars[i];
		contract_case = liars[i].found_by;
		missed += !is_found(&liars[i], suites);
	}
	printf("%zu%%: Checks: %zu, Failures: %zu, Errors: 0\n", 100 * (count - missed) / count, count, missed);
	return missed ? EXIT_FAILURE : EXIT_SUCCESS;
}
