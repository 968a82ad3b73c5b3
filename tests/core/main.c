/* Core, upkeep and the plane over a runtime made of threads. Needs no root, and gives it up where it has it. */
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

#include "fake.h"

static void give_up_root(void)
{
	if (geteuid())
		return;
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		(void)fprintf(stderr, "root stays: workspaces get disks\n");
}

int main(void)
{
	SRunner *runner;
	int failed;

	give_up_root();
	runner = srunner_create(suite_runs());
	srunner_add_suite(runner, suite_watch());
	srunner_add_suite(runner, suite_life());
	srunner_add_suite(runner, suite_faults());
	srunner_add_suite(runner, suite_files());
	srunner_add_suite(runner, suite_mirrored());
	srunner_add_suite(runner, suite_parts());
	srunner_add_suite(runner, suite_peers());
	srunner_add_suite(runner, suite_probes());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
