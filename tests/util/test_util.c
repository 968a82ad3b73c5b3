#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs.h"
#include "suites.h"

int scratch_open(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/scp-test-util-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

void scratch_close(const char *path, int fd)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(scp__fs_remove_tree(tmp, path + 5), 0);
	close(tmp);
	close(fd);
}

int main(void)
{
	Suite *suite = suite_create("util");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, util_basics_case());
	suite_add_tcase(suite, util_files_case());
	suite_add_tcase(suite, util_hostile_case());
	suite_add_tcase(suite, util_pool_case());
	suite_add_tcase(suite, util_proc_case());
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
