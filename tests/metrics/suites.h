#ifndef SCP_TESTS_METRICS_SUITES_H
#define SCP_TESTS_METRICS_SUITES_H

#include <check.h>

Suite *metrics_suite(void);
Suite *figures_suite(void);
Suite *meter_suite(void);

#define HAS(text, part) ck_assert_msg(strstr(text, part) != NULL, "no '%s' in:\n%s", part, text)
#define HAS_NOT(text, part) ck_assert_msg(strstr(text, part) == NULL, "'%s' in:\n%s", part, text)

#endif
