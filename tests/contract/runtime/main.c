/*
 * contract-runtime [oci: | docker:… | ./backend.so | liars]: the conformance suite of the runtime port on a runtime, on
 * one from outside (contract.h), or on runtimes that lie. $TEST_IMAGE: what containers are made of; default host:.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../liars.h"
#include "runtime_liars.h"
#include "runtime_suite.h"

#define SKIPPED 77 /* what meson takes for "skipped" */

static int run_liars(void)
{
	const struct liar *liars;
	size_t count;
	int rc;

	corrupt_ops = runtime_liar_ops;
	runtime_away = runtime_liar_away;
	liars = runtime_liars(&count);
	rc = find_liars(liars, count, &runtime_liar_now, add_runtime_suites);
	sweep();
	return rc;
}

static int test(const char *what)
{
	char why[600];

	if (strncmp(what, "oci:", 4) == 0 || strncmp(what, "docker:", 7) == 0) {
		setenv("TEST_RUNTIME", what, 1);
	} else if (strcmp(what, "liars")) {
		*(void **)&open_outside = contract_symbol(what, "contract_runtime_open", true);
		*(void **)&runtime_away = contract_symbol(what, "contract_away", false);
		if (!open_outside)
			return EXIT_FAILURE;
	}
	if (!runtime_works(why, sizeof(why))) {
		printf("skipped: %s\n", why);
		return SKIPPED;
	}
	return strcmp(what, "liars") ? run_suites(add_runtime_suites) : run_liars();
}

int main(int argc, char **argv)
{
	int rc;

	suite_begin();
	rc = test(argc > 1 ? argv[1] : "oci:");
	suite_end();
	return rc;
}
