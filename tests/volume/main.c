#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define MESON_SKIP 77

int main(void)
{
	scp_error err = { 0 };
	SRunner *runner;
	int failed;

	if (!fixture_begin(&err)) {
		fixture_end();
		printf("%s (%s)\n", err.message, err.hint);
		return MESON_SKIP;
	}
	runner = srunner_create(disk_suite());
	srunner_add_suite(runner, shared_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	fixture_end();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
