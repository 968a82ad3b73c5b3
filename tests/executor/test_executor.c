#include "box.h"

#include <check.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	SRunner *runner;
	int failed;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s sandbox-executor\n", argv[0]);
		return 2;
	}
	if (!boxes_init(argv[1]))
		return 2;
	runner = srunner_create(results_suite());
	srunner_add_suite(runner, lives_suite());
	srunner_add_suite(runner, wire_suite());
	srunner_add_suite(runner, start_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	boxes_fini();
	return failed ? 1 : 0;
}
