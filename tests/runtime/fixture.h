/* What the runtime tests share: one runtime on a state folder of its own, the guest, and asking it things. */
#ifndef TESTS_RUNTIME_FIXTURE_H
#define TESTS_RUNTIME_FIXTURE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

#include "runtime.h"

#define MIB (1024ull * 1024)
#define ANSWER 16384

extern scp_runtime *rt; /* open during a test */
extern char state_dir[128];
const char *run_root(void);  /* where the adapter's folders are */
uid_t workspace_owner(void); /* who has its files on disk */
extern char workspace[160];  /* a folder that is workspace_uid()'s */

/* For tests/contract: another way to open one; what is done to its operations. NULL: none. */
extern scp_status (*open_outside)(scp_runtime **out, const char *place, scp_error *err);
extern const scp_runtime_ops *(*corrupt_ops)(const scp_runtime_ops *true_ops);

/** Whether a runtime program works here; if not, says why (for the reason of a skip). */
bool runtime_works(char *why, size_t size);
void suite_begin(void);
void suite_end(void);
void sweep(void); /* what cases left that failed, as they should */
void test_begin(void);
void test_end(void);
void reopen(void);
void open_another(void); /* as another process would; the first is left alone */

/** The guest's program: $TEST_GUEST, or as built. */
const char *guest_path(void);
/** $TEST_IMAGE, or host: */
const char *guest_image(void);
bool with_docker(void);
/** A spec of the guest on guest_image(), 64 MiB, half a core, 48 processes. */
scp_runtime_spec guest_spec(const char *name);
void run_guest(const char *name);
/** One line, its whole answer. "" if nobody listens. */
const char *ask(const char *name, const char *line);
/** How often `needle` occurs in a file of the host; 0 if there is none. */
unsigned occurs(const char *path, const char *needle);

Suite *units_suite(void);
Suite *life_suite(void);
Suite *isolation_suite(bool engine); /* `engine`: without what Docker's containers don't have */
Suite *image_suite(void);
Suite *docker_suite(void);
bool engine_away(bool away); /* kills it, or starts it again */
Suite *engine_suite(void);
Suite *network_suite(void); /* in with_network.sh's world */

#endif
