#ifndef SCP_TEST_JSON_SUITES_H
#define SCP_TEST_JSON_SUITES_H

#include <check.h>

TCase *json_read_case(void);
TCase *json_write_case(void);

#endif
