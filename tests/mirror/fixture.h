/* A mirror between a folder and a storage that counts, and fails when it is told to. */
#ifndef TEST_MIRROR_FIXTURE_H
#define TEST_MIRROR_FIXTURE_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "database.h"
#include "err.h"
#include "fs_walk.h"
#include "mirror.h"
#include "storage.h"
#include "store.h"

#define WS "ws_0000000000000001"

struct fixture {
	char root[64], disk[96], other[96];
	scp_database *db;
	scp_storage *behind; /* files below root/storage */
	scp__mirror *m;
	scp_error err;
	scp__mirror_done done;
	/* of the storage in front of it: */
	_Atomic unsigned puts, gets, removes;
	_Atomic int fail_after; /* so many puts, then SCP_EUNAVAIL; negative: never */
};
extern struct fixture fx;

void set_up(void);
void tear_down(void);

/** A mirror of another home on the same database and storage. */
scp__mirror *mirror_of(const char *home);

void make_dir(const char *path, mode_t mode);
void write_text(const char *path, const char *text);
void make_link(const char *path, const char *target);
void change_mode(const char *path, mode_t mode);
void remove_path(const char *path);
/** lstat below a folder; false: nothing there. */
bool look(const char *folder, const char *path, struct stat *at);
void assert_text(const char *folder, const char *path, const char *text);
void assert_link(const char *folder, const char *path, const char *target);

scp__mirror_place place_at(const char *folder);
void push(void); /* fx.done; must succeed */
/** Into an empty folder as home_b, which takes the workspace over. */
void restore_elsewhere(void);
/** Does the storage have it? */
bool stored(const char *path);
int64_t rows(void);
bool has_row(const char *path, scp__workspace_file *out);

#define assert_ok(call) ck_assert_msg((call) == SCP_OK, "%s: %s", #call, fx.err.message)

TCase *push_case(void);
TCase *restore_case(void);

#endif
