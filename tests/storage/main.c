#include <stdlib.h>

#include "fixture.h"

int main(void)
{
	SRunner *runner = srunner_create(port_suite());
	int failed;

	srunner_add_suite(runner, basic_suite());
	srunner_add_suite(runner, list_suite());
	srunner_add_suite(runner, hostile_suite());
	srunner_add_suite(runner, sigv4_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
