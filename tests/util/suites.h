#ifndef SCP_TEST_UTIL_SUITES_H
#define SCP_TEST_UTIL_SUITES_H

#include <check.h>

TCase *util_basics_case(void);
TCase *util_files_case(void);
TCase *util_hostile_case(void);
TCase *util_pool_case(void);
TCase *util_proc_case(void);

/* A new empty folder, and its end. */
int scratch_open(char path[64]);
void scratch_close(const char *path, int fd);

#endif
