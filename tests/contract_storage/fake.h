/*
 * A server that fails on purpose (tests/services/s3_fake.py): errors that a real one can't be made to give. Buckets
 * there are named after what goes wrong.
 */
#ifndef TEST_CONTRACT_STORAGE_FAKE_H
#define TEST_CONTRACT_STORAGE_FAKE_H

void fake_start(void);
void fake_stop(void);
const char *fake_endpoint(void);
/** How many requests came whose first line has this text. */
int fake_count(const char *text);

#endif
