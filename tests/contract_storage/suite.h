/*
 * What every storage must do, whatever keeps the objects: the same cases for each adapter, in a place of its own for
 * each case. S3's is a real server (tests/services/swift.sh), started once for all of them.
 */
#ifndef TEST_CONTRACT_STORAGE_SUITE_H
#define TEST_CONTRACT_STORAGE_SUITE_H

#include <check.h>

#include "storage.h"

struct place {
	scp_storage *st;
	scp_error err;
	char folder[64]; /* localfs */
	char url[512];
	bool s3;
};
extern struct place at;

enum { LOCALFS, S3, ADAPTERS };

/* The server: main.c starts and stops it. */
extern char endpoint[128];
extern char server_folder[64];
int server(const char *what); /* "kill", "revive"; 0: done */

void open_place(int adapter);
void close_place(void);
/** The URL of a place in the bucket, with more parameters. */
const char *s3_url(const char *bucket, const char *more);
scp_status open_s3(scp_storage **st, const char *bucket, const char *more);

#define assert_status(call, wanted)                                                                                    \
	do {                                                                                                           \
		scp_status got_ = (call);                                                                              \
		ck_assert_msg(got_ == (wanted), "%s: %s, not %s: %s", #call, scp_status_name(got_),                    \
		    scp_status_name(wanted), at.err.message);                                                          \
	} while (0)
#define assert_ok(call) assert_status(call, SCP_OK)

void put(const char *key, const char *text);
/** The object's bytes as a string; free(). */
char *get(const char *key);
void assert_holds(const char *key, const char *text);
/** A listing as "key\nkey/\n"; free(). Directories carry a '/'. */
char *list(const char *prefix, const char *after, const scp_list_options *options, char next[1401]);
void assert_list(const char *prefix, const char *after, const scp_list_options *options, const char *wanted);
/** `size` bytes that tell their place, written and read in steps. */
scp_status put_large(scp_storage *st, const char *key, uint64_t size, size_t step, scp_object *out, scp_error *err);
scp_status check_large(scp_storage *st, const char *key, uint64_t size, size_t step, scp_error *err);
void fill(char *data, size_t len, uint64_t offset);
long rss_kib(void);

Suite *objects_suite(void);
Suite *listings_suite(void);
Suite *faults_suite(void);
Suite *errors_suite(void);
Suite *credentials_suite(void);
Suite *large_suite(void);

#define LIST_OPTIONS(...) (&(scp_list_options){ .struct_size = sizeof(scp_list_options), __VA_ARGS__ })
#define PUT_OPTIONS(...)                                                                                               \
	(&(scp_put_options){ .struct_size = sizeof(scp_put_options), .owner_uid = -1, .owner_gid = -1, __VA_ARGS__ })

#endif
