/* A storage of its own for each test, in a folder that goes with it. */
#ifndef TEST_STORAGE_FIXTURE_H
#define TEST_STORAGE_FIXTURE_H

#include <check.h>

#include "storage.h"

struct fixture {
	char top[64]; /* holds root, and what must not be reached from it */
	char root[80];
	char outside[80];
	scp_storage *st;
	scp_error err;
};
extern struct fixture fx;

void fixture_set_up(void);
void fixture_tear_down(void);

#define assert_status(call, wanted)                                                                                    \
	do {                                                                                                           \
		scp_status got_ = (call);                                                                              \
		ck_assert_msg(got_ == (wanted), "%s: %s, not %s: %s", #call, scp_status_name(got_),                    \
		    scp_status_name(wanted), fx.err.message);                                                          \
	} while (0)
#define assert_ok(call) assert_status(call, SCP_OK)

/** Path below the root, static for two calls. */
const char *below(const char *key);
void make_dir(const char *key);
void make_file(const char *key, const char *text);
void put(const char *key, const char *text);
/** The object's bytes as a string; free(). NULL: status in *rc. */
char *get(const char *key, scp_status *rc);

/** A listing as "key\nkey/\n"; free(). Directories carry a '/'. */
char *list(const char *prefix, const char *after, const scp_list_options *options, char next[1401]);

Suite *basic_suite(void);
Suite *list_suite(void);
Suite *hostile_suite(void);
Suite *port_suite(void);
Suite *sigv4_suite(void);

#endif
