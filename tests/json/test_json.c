#include <stdlib.h>

#include "suites.h"

int main(void)
{
	Suite *suite = suite_create("json");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, json_read_case());
	suite_add_tcase(suite, json_write_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
