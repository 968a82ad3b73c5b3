#include "fake.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

static pid_t pid;
static char address[64], journal[64];

void fake_start(void)
{
	char script[256];
	int ends[2], log;
	FILE *f;

	snprintf(script, sizeof(script), "%s/services/s3_fake.py", SCP_TESTS);
	snprintf(journal, sizeof(journal), "/tmp/scp-s3-fake-XXXXXX");
	log = mkstemp(journal);
	ck_assert(log >= 0 && !pipe(ends));
	close(log);
	pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		close(ends[0]);
		execlp("python3", "python3", script, journal, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	f = fdopen(ends[0], "r");
	ck_assert_msg(f && fgets(address, sizeof(address), f), "the fake didn't start");
	fclose(f);
	address[strcspn(address, "\n")] = '\0';
}

void fake_stop(void)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(journal);
}

const char *fake_endpoint(void)
{
	return address;
}

int fake_count(const char *text)
{
	char line[4096];
	int count = 0;
	FILE *f = fopen(journal, "r");

	while (f && fgets(line, sizeof(line), f))
		count += strstr(line, text) != NULL;
	if (f)
		fclose(f);
	return count;
}
