/*
 * The conformance suite of the storage port: what sandboxcp/sys/storage.h promises, as cases that know nothing of the
 * adapter. Each case has a place of its own, which is empty when it begins.
 */
#ifndef TEST_CONTRACT_STORAGE_SUITE_H
#define TEST_CONTRACT_STORAGE_SUITE_H

#include <check.h>

#include "../case.h"
#include "storage.h"

/* What is put to the test. */
struct storage_subject {
	/* A storage on an empty place that nobody else has. */
	scp_status (*open)(scp_storage **out, scp_error *err);
	void (*clean)(void); /* after its close; NULL: nothing is to be done */
	/* The storage out of reach, or back; false: that can't be done to it. NULL: likewise. */
	bool (*away)(bool away);
	size_t part; /* sizes around this are tried: of what an upload goes in */
};
extern const struct storage_subject *storage_subject;

struct place {
	scp_storage *st;
	scp_error err;
};
extern struct place at;

void open_place(void);
void close_place(void);

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

/** All of the suite, into a runner of one's own. */
void add_storage_suites(SRunner *runner);
Suite *objects_suite(void);
Suite *listings_suite(void);
Suite *manners_suite(void);

#define LIST_OPTIONS(...) (&(scp_list_options){ .struct_size = sizeof(scp_list_options), __VA_ARGS__ })
#define PUT_OPTIONS(...)                                                                                               \
	(&(scp_put_options){ .struct_size = sizeof(scp_put_options), .owner_uid = -1, .owner_gid = -1, __VA_ARGS__ })

#endif
