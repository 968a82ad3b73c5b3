/* Disks in a folder of their own for each test; whatever a test leaves is unmounted and deleted. */
#ifndef TEST_VOLUME_FIXTURE_H
#define TEST_VOLUME_FIXTURE_H

#include <check.h>

#include "volume.h"

#define MIB (1024u * 1024)
#define DISK_BYTES (32u * MIB)
#define OWNER 100123

struct fixture {
	char top[64];
	char dir[96];
	scp__volumes *v;
	scp_error err;
};
extern struct fixture fx;

/** false: no disks here, err says why. */
bool fixture_begin(scp_error *err);
void fixture_end(void);
void fixture_set_up(void);
void fixture_tear_down(void);

#define assert_status(call, wanted)                                                                                    \
	do {                                                                                                           \
		scp_status got_ = (call);                                                                              \
		ck_assert_msg(got_ == (wanted), "%s: %s, not %s: %s", #call, scp_status_name(got_),                    \
		    scp_status_name(wanted), fx.err.message);                                                          \
	} while (0)
#define assert_ok(call) assert_status(call, SCP_OK)

/** Waits for what another process or the kernel does soon. */
#define await(condition)                                                                                               \
	do {                                                                                                           \
		int tries_ = 0;                                                                                        \
		while (!(condition) && tries_++ < 4000)                                                                \
			pause_shortly();                                                                               \
		ck_assert_msg(condition, "never: %s", #condition);                                                     \
	} while (0)
void pause_shortly(void);

scp__volumes *open_volumes(uint32_t stock, bool enforce);
/** The workspace folder of an id, static for four calls. */
const char *ws(const char *id);
const char *inside(const char *id, const char *name);
void attach(scp__volumes *v, const char *id);
void write_text(const char *path, const char *text);
void assert_text(const char *path, const char *text);

unsigned loops_in_use(void);  /* loop devices on images of this test */
unsigned mounts_in_use(void); /* mounts below this test's folder */
unsigned stock_files(void);
bool check_image(const char *file); /* e2fsck finds nothing */

Suite *disk_suite(void);
Suite *shared_suite(void);

#endif
