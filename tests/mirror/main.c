#include "fixture.h"

int main(void)
{
	Suite *s = suite_create("mirror");
	TCase *cases[] = { push_case(), restore_case() };
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tcase_add_checked_fixture(cases[i], set_up, tear_down);
		tcase_set_timeout(cases[i], 120);
		suite_add_tcase(s, cases[i]);
	}
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
