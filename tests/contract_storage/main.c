/* contract_storage [large]: the cases, or those that take long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

char endpoint[128];
char server_folder[64];

int server(const char *what)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "%s/services/swift.sh %s %s", SCP_TESTS, what, server_folder);
	status = system(command);
	return status < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool start_server(void)
{
	char command[512];
	FILE *f;

	snprintf(server_folder, sizeof(server_folder), "/tmp/scp-swift-XXXXXX");
	if (!mkdtemp(server_folder))
		return false;
	snprintf(command, sizeof(command), "%s/services/swift.sh start %s", SCP_TESTS, server_folder);
	f = popen(command, "r");
	if (f && fgets(endpoint, sizeof(endpoint), f))
		endpoint[strcspn(endpoint, "\n")] = '\0';
	return f && pclose(f) == 0 && endpoint[0];
}

static bool make_bucket(void)
{
	bool fine;

	setenv("AWS_ACCESS_KEY_ID", "test:tester", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "testing", 1);
	unsetenv("AWS_SESSION_TOKEN");
	unsetenv("http_proxy");
	/* Twice: the second time there is nothing to do. */
	fine = !scp__storage_make(s3_url("contract", ""), NULL, &at.err) &&
	       !scp__storage_make(s3_url("contract", ""), NULL, &at.err);
	if (!fine)
		printf("the bucket: %s\n", at.err.message);
	return fine;
}

static int run(bool large)
{
	SRunner *runner = srunner_create(large ? large_suite() : credentials_suite());
	int failed;

	storage_subject = &s3_subject;
	if (!large) {
		add_storage_suites(runner);
		srunner_add_suite(runner, errors_suite());
		srunner_add_suite(runner, faults_suite());
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed;
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", server_folder);
	if (system(command))
		printf("%s is left\n", server_folder);
}

int main(int argc, char **argv)
{
	bool fine = start_server();

	if (!fine)
		printf("no S3 server: see above\n");
	fine = fine && make_bucket() && !run(argc > 1 && !strcmp(argv[1], "large"));
	server("stop");
	remove_folder();
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
