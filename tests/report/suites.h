#ifndef TESTS_REPORT_SUITES_H
#define TESTS_REPORT_SUITES_H

#include "fake.h"

/** setup(), and a plane. */
void setup_plane(void);
/** A session and its execution of `code`, which runs or waits for its turn. */
id running(const char *session_id, const char *code, int retries);
/** A report of `status`, nothing else. */
scp_report report_of(const char *status);

Suite *suite_results(void);
Suite *suite_lives(void);
Suite *suite_tokens(void);
Suite *suite_twins(void);

#endif
