#include "capi.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

scp_plane *plane;
char state_dir[64];

static void open_with(scp_callbacks callbacks)
{
	scp_plane_options options = SCP_PLANE_OPTIONS_INIT;

	(void)snprintf(state_dir, sizeof(state_dir), "/tmp/scp-capi.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state_dir));
	options.state_dir = state_dir;
	options.callbacks = callbacks;
	options.log_level = SCP_LOG_OFF;
	OK(scp_plane_open(&plane, &options, err));
}

void open_plane(void)
{
	open_with(SCP_CALLBACKS_THREADS);
}

void open_plane_to_dispatch(void)
{
	open_with(SCP_CALLBACKS_DISPATCH);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

/* A failed case may have left its workspace's disk mounted. */
static void unmount_below(const char *folder)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[2048];

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %*s %*s %*s %2047s", point) == 1 && !strncmp(point, folder, strlen(folder)) &&
		    point[strlen(folder)] == '/')
			(void)umount2(point, MNT_DETACH);
	if (mounts)
		(void)fclose(mounts);
}

static void end_sessions(scp_session_status status)
{
	scp_session_query query = SCP_SESSION_QUERY_INIT;
	scp_session_page *page = NULL;

	query.status = status;
	query.limit = 200;
	if (scp_session_list(&page, plane, &query, NULL))
		return;
	for (size_t i = 0; i < page->count; i++)
		(void)scp_session_terminate(NULL, plane, page->items[i]->id, NULL);
	scp_session_page_free(page);
}

/* Containers go in the background, and nobody would take up what this plane leaves: its state folder goes too. */
static size_t count_containers(void)
{
	static const scp_container_status live[] = { SCP_CONTAINER_CREATING, SCP_CONTAINER_RUNNING,
		SCP_CONTAINER_EXITED };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++) {
		scp_container_query query = SCP_CONTAINER_QUERY_INIT;
		scp_container_page *page = NULL;

		query.status = live[i];
		OK(scp_container_list(&page, plane, &query, err));
		count += page->count;
		scp_container_page_free(page);
	}
	return count;
}

static void await_no_containers(void)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	int tries = 12000;

	while (count_containers() && tries--)
		(void)nanosleep(&pause, NULL);
	ck_assert_msg(tries >= 0, "containers are left a minute after their sessions' end");
}

void close_plane(void)
{
	if (plane) {
		end_sessions(SCP_SESSION_CREATING);
		end_sessions(SCP_SESSION_RUNNING);
		await_no_containers();
	}
	scp_plane_close(plane);
	plane = NULL;
	unmount_below(state_dir);
	(void)nftw(state_dir, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

scp_session *make_session(const char *template_id)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *made = NULL, *s = NULL;

	spec.template_id = template_id;
	OK(scp_session_create(&made, plane, &spec, err));
	ck_assert_int_eq(made->status, SCP_SESSION_CREATING);
	OK(scp_session_wait(&s, plane, made->id, 60000, err));
	ck_assert_msg(
	    s->status == SCP_SESSION_RUNNING, "%s", s->error ? s->error->message : "not running after a minute");
	scp_session_free(made);
	return s;
}

scp_execution *run(const char *session_id, scp_language language, const char *code)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;

	spec.language = language;
	spec.code = code;
	OK(scp_run(&e, plane, session_id, &spec, err));
	return e;
}

void slot_done(void *user, scp_status status, void *result, const scp_error *err)
{
	struct slot *s = user;

	(void)pthread_mutex_lock(&s->lock);
	s->calls++;
	s->status = status;
	s->result = result;
	s->thread = pthread_self();
	(void)snprintf(s->text, sizeof(s->text), "%s", status && err ? err->message : "");
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

void slot_await(struct slot *s, unsigned calls)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	(void)pthread_mutex_lock(&s->lock);
	while (s->calls < calls)
		ck_assert_msg(!pthread_cond_timedwait(&s->changed, &s->lock, &until), "no call-back within a minute");
	(void)pthread_mutex_unlock(&s->lock);
}

int main(void)
{
	SRunner *runner = srunner_create(suite_life());
	int failed;

	srunner_add_suite(runner, suite_events());
	srunner_add_suite(runner, suite_files());
	srunner_add_suite(runner, suite_async());
	srunner_add_suite(runner, suite_templates());
	srunner_add_suite(runner, suite_containers());
	/* The plane has threads: a forked case would have none. */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
