/* What the cases of the C API's end-to-end suite share: a plane on a state folder of its own. */
#ifndef CAPI_H
#define CAPI_H

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sandboxcp/sandboxcp.h>

#define OK(call)                                                                                                       \
	do {                                                                                                           \
		scp_error ok_err = { 0 };                                                                              \
		scp_error *err = &ok_err;                                                                              \
		scp_status ok_rc = (call);                                                                             \
		ck_assert_msg(                                                                                         \
		    ok_rc == SCP_OK, "%s: %s: %s (%s)", #call, scp_status_name(ok_rc), ok_err.message, ok_err.hint);   \
	} while (0)

extern scp_plane *plane; /* of the running test case */
extern char state_dir[64];

void open_plane(void);
void open_plane_to_dispatch(void);
void close_plane(void); /* ends every session first */

/** A running session of the template; the caller's. */
scp_session *make_session(const char *template_id);
scp_execution *run(const char *session_id, scp_language language, const char *code);

/** Something that a call-back fills and a test awaits (at most a minute). */
struct slot {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned calls;
	scp_status status;
	void *result;
	char text[4096];
	pthread_t thread;
};
#define SLOT_INIT                                                                                                      \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                 \
	}
void slot_done(void *user, scp_status status, void *result, const scp_error *err); /* an scp_done_fn */
void slot_await(struct slot *s, unsigned calls);

Suite *suite_life(void);
Suite *suite_events(void);
Suite *suite_files(void);
Suite *suite_async(void);
Suite *suite_templates(void);
Suite *suite_containers(void);

#endif
