#include <stdlib.h>

#include "suites.h"

int main(void)
{
	SRunner *r = srunner_create(metrics_suite());
	int failed;

	srunner_add_suite(r, figures_suite());
	srunner_add_suite(r, meter_suite());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
