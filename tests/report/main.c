#include <grp.h>
#include <stdio.h>
#include <unistd.h>

#include "suites.h"

static void give_up_root(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		(void)fprintf(stderr, "root stays: workspaces get disks\n");
}

void setup_plane(void)
{
	setup();
	open_plane();
}

id running(const char *session_id, const char *code, int retries)
{
	id e = submit(session_id, code, retries);

	await_status(e.s, SCP_EXECUTION_RUNNING);
	return e;
}

scp_report report_of(const char *status)
{
	scp_report r = SCP_REPORT_INIT;

	r.status = status;
	return r;
}

int main(void)
{
	SRunner *runner;
	int failed;

	give_up_root();
	runner = srunner_create(suite_results());
	srunner_add_suite(runner, suite_lives());
	srunner_add_suite(runner, suite_tokens());
	srunner_add_suite(runner, suite_twins());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
