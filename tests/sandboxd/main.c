#include <stdlib.h>

#include "suites.h"

int main(void)
{
	SRunner *r = srunner_create(config_suite());
	int failed;

	srunner_add_suite(r, pieces_suite());
	srunner_add_suite(r, api_suite());
	srunner_add_suite(r, streams_suite());
	srunner_add_suite(r, figures_suite());
	srunner_add_suite(r, document_suite());
	srunner_add_suite(r, operator_suite());
	srunner_add_suite(r, proxy_suite());
	srunner_add_suite(r, report_suite());
	srunner_add_suite(r, start_suite());
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
