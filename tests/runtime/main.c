#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../contract/runtime/runtime_suite.h"

#define SKIPPED 77 /* what meson takes for "skipped" */

#if defined(__SANITIZE_THREAD__)
const char *__tsan_default_options(void);

/* Some tests fork a creator, to kill it. */
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

int main(void)
{
	SRunner *units = srunner_create(units_suite());
	const char *url = getenv("TEST_RUNTIME");
	bool engine = url && strncmp(url, "docker:", 7) == 0;
	char why[600];
	int failed;

	srunner_add_suite(units, engine_suite());
	srunner_run_all(units, CK_ENV);
	failed = srunner_ntests_failed(units);
	srunner_free(units);
	suite_begin();
	if (runtime_works(why, sizeof(why))) {
		SRunner *runner = srunner_create(life_suite());

		printf("%s\n", why);
		fflush(stdout);
		runtime_away = engine ? engine_away : NULL;
		add_runtime_suites(runner);
		srunner_add_suite(runner, isolation_suite(engine));
		srunner_add_suite(runner, engine ? docker_suite() : image_suite());
		if (getenv("TEST_NETWORK"))
			srunner_add_suite(runner, network_suite());
		srunner_run_all(runner, CK_ENV);
		failed += srunner_ntests_failed(runner);
		srunner_free(runner);
	} else {
		/* An engine was started for this: that it can't be used is no reason to skip. */
		printf("%s: %s\n", engine ? "failed" : "skipped", why);
		failed = failed ? failed : engine ? 1 : -1;
	}
	suite_end();
	return failed < 0 ? SKIPPED : failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
