/*
 * A runtime whose containers are threads: each has an executor that speaks the protocol and does what the code of a run
 * says. And a database that fails when it is told to.
 */
#ifndef TESTS_CORE_FAKE_H
#define TESTS_CORE_FAKE_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sandboxcp/sandboxcp.h>
#include <sandboxcp/sys/database.h>
#include <sandboxcp/sys/runtime.h>

#define AWAIT_MS 60000

/*
 * What a run does, by its code:
 *   ok          stdout "hello\n", completed, returns 6
 *   hang        starts; ends when it is cancelled, or by fake_finish()
 *   stubborn    starts; ends by fake_finish() alone
 *   queued      doesn't start before fake_finish()
 *   die         starts; its container ends
 *   die-once    so the first time, then as ok
 *   oom         starts; its container ends by the memory limit
 *   killed      a process of it is killed by the memory limit
 *   timeout     ends as one that was too slow
 *   bad         sends a result that is none
 *   flood       more stdout than an honest executor keeps
 *   large       100,000 bytes of stdout
 *   split       both streams end within a UTF-8 sequence
 *   lines       200 lines on both streams by turns
 *   restarts    says that it starts a thousand times
 *   refuse      400
 *   busy-once   429 the first time, then as ok
 */
typedef struct fake fake;

fake *fake_new(void);
scp_runtime *fake_runtime(fake *f);
/** The runtime lives on in a second plane: its close() only counts. */
void fake_keep(fake *f);
void fake_free(fake *f);

/** End a run that waits: it completes. By its execution's id. */
void fake_finish(fake *f, const char *execution_id);
/** Wait until the executor has the run. */
void fake_await_run(fake *f, const char *execution_id, unsigned attempt);
unsigned fake_runs(fake *f, const char *execution_id); /* how many attempts it began */
bool fake_acknowledged(fake *f, const char *execution_id);
void fake_await_cancel(fake *f, const char *execution_id);
void fake_await_ack(fake *f, const char *execution_id);
/** End a container from outside; `event`: the runtime says so. */
void fake_kill(fake *f, const char *container_id, bool event);
/** Break its connections. */
void fake_break(fake *f, const char *container_id);
void fake_stray(fake *f);		       /* a container that no plane knows */
unsigned fake_containers(fake *f);	       /* that run */
void fake_await_made(fake *f, unsigned count); /* also those that are gone again */
void fake_await_containers(fake *f, unsigned count);
/** Until it is 0: connect() and inspect() say SCP_EUNAVAIL. */
void fake_unreachable(fake *f, bool is);
/** The next `count` run()s fail with this. */
void fake_refuse_run(fake *f, scp_status status, unsigned count);
/** Before a plane has it: the node that it is; "fake-node" at first. Static. */
void fake_name_node(fake *f, const char *name);
/** Before a plane has it: whose its workspaces are on disk. -1 at first. */
void fake_set_owner(fake *f, int32_t uid);
/** The next `count` containers end as soon as they run. */
void fake_end_at_once(fake *f, unsigned count);
/** run() waits before it answers, until it is let go. */
void fake_hold_run(fake *f, bool hold);
void fake_await_held(fake *f);

/* ---- a database that fails ---- */

typedef struct faulty faulty;

faulty *faulty_new(const char *url);
scp_database *faulty_database(faulty *d);
/** From the n-th transaction on (1: the next) `count` ones fail with SCP_EUNAVAIL; `after`: once they were made. */
void faulty_fail(faulty *d, bool writes_only, unsigned n, unsigned count, bool after);
unsigned faulty_failed(faulty *d);

/* ---- planes ---- */

extern char state_dir[64];
extern fake *runtime;
extern scp_plane *plane;
extern scp_plane_options options; /* for open_plane() */

void setup(void);    /* a runtime and options; no plane */
void teardown(void); /* closes what is open */
void open_plane(void);
void reopen_plane(void); /* closes, and opens on the same state and runtime */

#define OK(call)                                                                                                       \
	do {                                                                                                           \
		scp_error ok_err = { 0 };                                                                              \
		scp_error *err = &ok_err;                                                                              \
		scp_status ok_rc = (call);                                                                             \
		ck_assert_msg(                                                                                         \
		    ok_rc == SCP_OK, "%s: %s: %s (%s)", #call, scp_status_name(ok_rc), ok_err.message, ok_err.hint);   \
	} while (0)

/** Ids are in static buffers of the test. */
const char *make_session(scp_session_mode mode);
/** Ids by value: copy. */
typedef struct id {
	char s[64];
} id;
id submit(const char *session_id, const char *code, int retries);
scp_execution *await(const char *execution_id); /* over; the caller's */
void await_result(const char *execution_id, const char *result);
scp_execution *get(const char *execution_id);
/** Polls with a bound: for what has no event. */
void await_status(const char *execution_id, scp_execution_status status);
void await_session(const char *session_id, scp_session_status status);

Suite *suite_parts(void);
Suite *suite_peers(void);
Suite *suite_probes(void);
Suite *suite_life(void);
Suite *suite_runs(void);
Suite *suite_watch(void);
Suite *suite_faults(void);
Suite *suite_files(void);
Suite *suite_mirrored(void);

#endif
