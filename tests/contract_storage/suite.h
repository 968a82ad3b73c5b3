/*
 * A storage in an S3 bucket: the conformance suite of tests/contract on it, what only S3 has, and what takes long, also
 * for localfs. The server is a real one (tests/services/swift.sh), started once for all of them.
 */
#ifndef TEST_CONTRACT_STORAGE_S3_SUITE_H
#define TEST_CONTRACT_STORAGE_S3_SUITE_H

#include "../contract/storage/storage_suite.h"

/* The server: main.c starts and stops it. */
extern char endpoint[128];
extern char server_folder[64];
int server(const char *what); /* "kill", "revive"; 0: done */

extern const struct storage_subject s3_subject;
extern const struct storage_subject localfs_subject;

/** The URL of a place in the bucket, with more parameters. */
const char *s3_url(const char *bucket, const char *more);
scp_status open_s3(scp_storage **st, const char *bucket, const char *more);

long rss_kib(void);

Suite *faults_suite(void);
Suite *errors_suite(void);
Suite *credentials_suite(void);
Suite *large_suite(void);

#endif
