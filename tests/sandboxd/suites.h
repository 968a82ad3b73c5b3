#ifndef SCP_TESTS_SANDBOXD_SUITES_H
#define SCP_TESTS_SANDBOXD_SUITES_H

#include <check.h>

Suite *config_suite(void);
Suite *pieces_suite(void);
Suite *api_suite(void);
Suite *document_suite(void);
Suite *streams_suite(void);
Suite *figures_suite(void);
Suite *operator_suite(void);
Suite *proxy_suite(void);
Suite *report_suite(void);
Suite *start_suite(void);

#endif
