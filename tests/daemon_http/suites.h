#ifndef SCP_TESTS_DAEMON_HTTP_SUITES_H
#define SCP_TESTS_DAEMON_HTTP_SUITES_H

#include <check.h>

Suite *strict_suite(void);
Suite *server_suite(void);
Suite *flow_suite(void);
Suite *parts_suite(void);

#endif
