/* Two planes on one database: where things are served, who proves what, nodes that are lost; and a database whose clock
 * is another than ours. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "database.h"
#include "fake.h"
#include "upkeep.h"

#define HOUR_US INT64_C(3600000000)
#define LOST_AFTER_S 3

static fake *other_runtime;
static scp_plane *other;
static scp_plane_options other_options;
static char other_dir[80], database_url[96];
static scp_runtime *other_runtimes[1];

static int64_t clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- a database with a clock of its own ---- */

static const scp_db_traits *traits_behind;
static scp_db_traits traits;
static const scp_database_ops *ops_behind;
static scp_database_ops ops;

static scp_database *database_an_hour_ahead(void)
{
	scp_database *db = NULL;

	OK(scp__database_open(&db, database_url, err));
	ops_behind = db->ops;
	traits_behind = ops_behind->traits;
	ops = *ops_behind;
	traits = *traits_behind;
	traits.now_us = "SELECT CAST(strftime('%s', 'now') AS INTEGER) * 1000000 + 3600000000";
	ops.traits = &traits;
	db->ops = &ops;
	return db;
}

static void setup_clock(void)
{
	setup();
	(void)snprintf(database_url, sizeof(database_url), "sqlite:%s/state.db", state_dir);
	options.internal_token = "token-of-the-tests";
	options.database = database_an_hour_ahead();
	open_plane();
}

START_TEST(rows_have_the_databases_time)
{
	scp_session *s = NULL;
	scp_execution *e;
	id run;

	OK(scp_session_get(&s, plane, make_session(SCP_PERSISTENT), err));
	ck_assert_int_lt(llabs(s->created_us - clock_us() - HOUR_US), 30000000);
	ck_assert_int_lt(llabs(s->started_us - clock_us() - HOUR_US), 30000000);
	run = submit(s->id, "ok", 0);
	e = await(run.s);
	ck_assert_int_lt(llabs(e->created_us - clock_us() - HOUR_US), 30000000);
	ck_assert_int_lt(llabs(e->started_us - clock_us() - HOUR_US), 30000000);
	scp_execution_free(e);
	scp_session_free(s);
}
END_TEST

START_TEST(leases_are_by_the_databases_clock)
{
	scp_node_page *nodes = NULL;
	id run;

	run = submit(make_session(SCP_PERSISTENT), "hang", 0);
	await_status(run.s, SCP_EXECUTION_RUNNING);
	OK(scp_node_list(&nodes, plane, NULL, err));
	ck_assert_int_lt(llabs(nodes->items[0]->heartbeat_us - clock_us() - HOUR_US), 30000000);
	ck_assert_str_eq(nodes->items[0]->status, "ready");
	scp_node_page_free(nodes);
	fake_finish(runtime, run.s);
	await_result(run.s, "success");
	ck_assert_uint_eq(fake_runs(runtime, run.s), 1);
}
END_TEST

START_TEST(a_proof_is_about_its_subject_and_for_a_minute)
{
	scp_plane_options later = SCP_PLANE_OPTIONS_INIT;
	char *proof = NULL, dir[80];
	scp_plane *now = NULL;
	scp_runtime *rt[1];
	fake *f = fake_new();

	OK(scp_peer_prove(&proof, plane, "GET /a\nme", err));
	ck_assert_ptr_null(strchr(proof, ' '));
	ck_assert_ptr_null(strstr(proof, "token"));
	OK(scp_peer_check(plane, proof, "GET /a\nme", err));
	ck_assert_int_eq(scp_peer_check(plane, proof, "GET /a\nyou", NULL), SCP_EAUTH);
	ck_assert_int_eq(scp_peer_check(plane, "v1.", "GET /a\nme", NULL), SCP_EAUTH);
	ck_assert_int_eq(scp_peer_check(plane, "", "GET /a\nme", NULL), SCP_EAUTH);
	proof[strlen(proof) - 1] ^= 1;
	ck_assert_int_eq(scp_peer_check(plane, proof, "GET /a\nme", NULL), SCP_EAUTH);
	proof[strlen(proof) - 1] ^= 1;
	/* One with the same token whose database is an hour behind. */
	(void)snprintf(dir, sizeof(dir), "%s/later", state_dir);
	rt[0] = fake_runtime(f);
	later = options;
	later.database = NULL;
	later.state_dir = dir;
	later.runtimes = rt;
	OK(scp_plane_open(&now, &later, err));
	ck_assert_int_eq(scp_peer_check(now, proof, "GET /a\nme", NULL), SCP_EAUTH);
	free(proof);
	OK(scp_peer_prove(&proof, now, "GET /a\nme", err));
	OK(scp_peer_check(now, proof, "GET /a\nme", err));
	ck_assert_int_eq(scp_peer_check(plane, proof, "GET /a\nme", NULL), SCP_EAUTH);
	free(proof);
	scp_plane_close(now);
}
END_TEST

START_TEST(a_subject_has_a_bound)
{
	char *long_one = malloc(80000), *proof = NULL;

	memset(long_one, 'a', 79999);
	long_one[79999] = '\0';
	ck_assert_int_eq(scp_peer_prove(&proof, plane, long_one, NULL), SCP_EINVAL);
	ck_assert_ptr_null(proof);
	free(long_one);
}
END_TEST

/* ---- two planes ---- */

static void open_other(void)
{
	other_runtimes[0] = fake_runtime(other_runtime);
	OK(scp_plane_open(&other, &other_options, err));
}

static void close_other(void)
{
	scp_plane_close(other);
	other = NULL;
}

static void setup_two(void)
{
	setup();
	(void)snprintf(database_url, sizeof(database_url), "sqlite:%s/state.db", state_dir);
	(void)snprintf(other_dir, sizeof(other_dir), "%s/other", state_dir);
	options.database_url = database_url;
	options.internal_token = "token-of-the-tests";
	options.node_lost_after_s = LOST_AFTER_S;
	options.retention_s = 2;
	options.advertise_url = "http://127.0.0.1:8000";
	other_runtime = fake_new();
	fake_keep(other_runtime);
	fake_name_node(other_runtime, "other-node");
	open_plane();
	other_options = options;
	other_options.state_dir = other_dir;
	other_options.runtimes = other_runtimes;
	other_options.advertise_url = "http://127.0.0.1:8001";
	open_other();
}

static void teardown_two(void)
{
	close_other();
	fake_free(other_runtime);
	teardown();
}

/* Whoever is faster makes a session: ask for it where only that one can. */
static const char *make_at_other(void)
{
	static char made[64];
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;

	OK(scp_node_drain(NULL, plane, "fake-node", true, err));
	spec.template_id = "shell-basic";
	OK(scp_session_create(&s, other, &spec, err));
	(void)snprintf(made, sizeof(made), "%s", s->id);
	scp_session_free(s);
	OK(scp_session_wait(&s, other, made, AWAIT_MS, err));
	ck_assert_int_eq(s->status, SCP_SESSION_RUNNING);
	ck_assert_str_eq(s->runtime_node, "other-node");
	scp_session_free(s);
	OK(scp_node_drain(NULL, plane, "fake-node", false, err));
	return made;
}

static void await_node_at(scp_plane *at, const char *node, const char *status)
{
	for (int i = 0; i < AWAIT_MS / 10; i++) {
		scp_node_page *page = NULL;
		bool is = false;

		OK(scp_node_list(&page, at, NULL, err));
		for (size_t k = 0; k < page->count; k++)
			is |= !strcmp(page->items[k]->id, node) && !strcmp(page->items[k]->status, status);
		scp_node_page_free(page);
		if (is)
			return;
		usleep(10000);
	}
	ck_abort_msg("node %s isn't %s", node, status);
}

static void await_node(const char *node, const char *status)
{
	await_node_at(plane, node, status);
}

static void await_other(const char *node, const char *status)
{
	await_node_at(other, node, status);
}

START_TEST(each_knows_where_a_session_is_served)
{
	scp_session *s = NULL;
	scp_reach *r = NULL;
	char made[64];
	id run;

	(void)snprintf(made, sizeof(made), "%s", make_at_other());
	OK(scp_reach_get(&r, plane, made, err));
	ck_assert(!r->here);
	ck_assert_str_eq(r->node, "other-node");
	ck_assert_str_eq(r->node_status, "ready");
	ck_assert_str_eq(r->url, "http://127.0.0.1:8001");
	scp_reach_free(r);
	OK(scp_reach_get(&r, other, made, err));
	ck_assert(r->here);
	ck_assert_str_eq(r->node, "other-node");
	ck_assert_ptr_null(r->url);
	scp_reach_free(r);
	/* An execution, while it runs and when it is over; a container. */
	run = submit(made, "hang", 0);
	OK(scp_reach_get(&r, plane, run.s, err));
	ck_assert(!r->here);
	scp_reach_free(r);
	await_status(run.s, SCP_EXECUTION_RUNNING);
	fake_finish(other_runtime, run.s);
	await_result(run.s, "success");
	OK(scp_reach_get(&r, plane, run.s, err));
	ck_assert(r->here);
	scp_reach_free(r);
	OK(scp_session_get(&s, plane, made, err));
	OK(scp_reach_get(&r, plane, s->container_id, err));
	ck_assert(!r->here);
	scp_reach_free(r);
	scp_session_free(s);
	ck_assert_int_eq(scp_reach_get(&r, plane, "sess_0123456789abcdef", NULL), SCP_ENOTFOUND);
	ck_assert_ptr_null(r);
	scp_reach_free(NULL);
}
END_TEST

struct told {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done, here;
	scp_status status;
};

static void on_reach(void *user, scp_status status, void *result, const scp_error *err)
{
	struct told *t = user;
	scp_reach *r = result;

	(void)err;
	(void)pthread_mutex_lock(&t->lock);
	t->status = status;
	t->here = r && r->here;
	t->done = true;
	(void)pthread_cond_signal(&t->changed);
	(void)pthread_mutex_unlock(&t->lock);
	scp_reach_free(r);
}

START_TEST(it_is_told_later_too)
{
	struct told t = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	scp_request *request = NULL;

	OK(scp_reach_get_async(&request, other, make_at_other(), on_reach, &t, err));
	(void)pthread_mutex_lock(&t.lock);
	while (!t.done)
		(void)pthread_cond_wait(&t.changed, &t.lock);
	(void)pthread_mutex_unlock(&t.lock);
	ck_assert_int_eq(t.status, SCP_OK);
	ck_assert(t.here);
	scp_request_cancel(request);
}
END_TEST

START_TEST(where_all_nodes_are_lost_no_session_is_taken)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_plane_options submit_only = options;
	scp_session *s = NULL;
	scp_error why = { 0 };

	close_other();
	await_node("other-node", "lost");
	scp_plane_close(plane);
	plane = NULL;
	/* Its own node's process is gone as well, and somebody has said so. */
	open_other();
	await_other("fake-node", "lost");
	close_other();
	submit_only.upkeep = SCP_OFF;
	OK(scp_plane_open(&plane, &submit_only, err));
	OK(scp_node_drain(NULL, plane, "other-node", true, err));
	spec.template_id = "shell-basic";
	ck_assert_int_eq(scp_session_create(&s, plane, &spec, &why), SCP_ECAPACITY);
	ck_assert_ptr_nonnull(strstr(why.message, "draining or lost"));
}
END_TEST

START_TEST(a_session_that_has_no_node_gets_one_where_it_is_asked_for)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_plane_options submit_only = options;
	scp_session *s = NULL;
	scp_reach *r = NULL;

	/* Nobody makes it: the one that could is a process that only submits. */
	scp_plane_close(plane);
	close_other();
	submit_only.upkeep = SCP_OFF;
	OK(scp_plane_open(&plane, &submit_only, err));
	spec.template_id = "shell-basic";
	OK(scp_session_create(&s, plane, &spec, err));
	ck_assert_ptr_null(s->runtime_node);
	open_other();
	OK(scp_reach_get(&r, other, s->id, err));
	ck_assert(r->here);
	ck_assert_str_eq(r->node, "other-node");
	scp_reach_free(r);
	scp_session_free(s);
}
END_TEST

START_TEST(what_runs_on_a_node_that_falls_silent_crashes_and_its_session_fails)
{
	scp_session *s = NULL;
	scp_execution *e;
	scp_reach *r = NULL;
	char made[64];
	id run;

	(void)snprintf(made, sizeof(made), "%s", make_at_other());
	run = submit(made, "stubborn", 3);
	await_status(run.s, SCP_EXECUTION_RUNNING);
	close_other();
	await_node("other-node", "lost");
	e = await(run.s);
	ck_assert_str_eq(e->result, "crashed");
	ck_assert_ptr_nonnull(strstr(e->error, "other-node"));
	scp_execution_free(e);
	await_session(made, SCP_SESSION_FAILED);
	OK(scp_session_get(&s, plane, made, err));
	ck_assert_ptr_nonnull(strstr(s->error->message, "other-node"));
	scp_session_free(s);
	OK(scp_reach_get(&r, plane, made, err));
	ck_assert(!r->here);
	ck_assert_str_eq(r->node_status, "lost");
	ck_assert_ptr_null(r->url);
	scp_reach_free(r);
	/* It comes back: what was given up goes, and is believed nothing. */
	ck_assert_uint_eq(fake_containers(other_runtime), 1);
	open_other();
	await_node("other-node", "ready");
	ck_assert_uint_eq(fake_containers(other_runtime), 0);
	await_session(made, SCP_SESSION_FAILED);
}
END_TEST

START_TEST(a_session_that_was_never_used_is_made_elsewhere)
{
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;
	char made[64];

	OK(scp_node_drain(NULL, plane, "fake-node", true, err));
	fake_refuse_run(other_runtime, SCP_EUNAVAIL, 1000);
	spec.template_id = "shell-basic";
	OK(scp_session_create(&s, other, &spec, err));
	(void)snprintf(made, sizeof(made), "%s", s->id);
	do {
		scp_session_free(s);
		OK(scp_session_get(&s, other, made, err));
	} while (!s->runtime_node && !usleep(1000));
	ck_assert_str_eq(s->runtime_node, "other-node");
	scp_session_free(s);
	close_other();
	OK(scp_node_drain(NULL, plane, "fake-node", false, err));
	await_session(made, SCP_SESSION_RUNNING);
	OK(scp_session_get(&s, plane, made, err));
	ck_assert_str_eq(s->runtime_node, "fake-node");
	scp_session_free(s);
	await_result(submit(made, "ok", 0).s, "success");
}
END_TEST

START_TEST(one_that_another_ended_loses_its_container)
{
	char made[64];

	(void)snprintf(made, sizeof(made), "%s", make_at_other());
	fake_await_containers(other_runtime, 1);
	OK(scp_session_terminate(NULL, plane, made, err));
	fake_await_containers(other_runtime, 0);
}
END_TEST

/* By then its time is up, and both look. */
START_TEST(files_are_removed_by_the_one_in_whose_folder_they_are)
{
	char made[64];
	void *bytes = NULL;
	size_t len;
	scp_error why = { 0 };
	int64_t until = clock_us() + 2100000;

	(void)snprintf(made, sizeof(made), "%s", make_at_other());
	OK(scp_file_put_bytes(NULL, other, made, "f", "kept", 4, err));
	OK(scp_session_terminate(NULL, other, made, err));
	while (clock_us() < until)
		usleep(10000);
	scp__retain(plane->core);
	OK(scp_file_get_bytes(&bytes, &len, other, made, "f", 0, err));
	free(bytes);
	scp__retain(other->core);
	ck_assert_int_eq(scp_file_get_bytes(&bytes, &len, other, made, "f", 0, &why), SCP_ENOTFOUND);
	ck_assert_ptr_nonnull(strstr(why.message, "were removed at"));
}
END_TEST

static const char *const bad_urls[] = { "", "https://a:1", "http://a", "http://:1", "http://a:", "http://a:1/x",
	"http://a b:1", "http://a:1\r\nX: y" };

START_TEST(an_address_is_http_host_and_port)
{
	scp_plane *none = NULL;
	scp_plane_options o = other_options;
	scp_error why = { 0 };

	o.advertise_url = bad_urls[_i];
	ck_assert_int_eq(scp_plane_open(&none, &o, &why), SCP_EINVAL);
	ck_assert_ptr_nonnull(strstr(why.message, "advertise_url"));
}
END_TEST

Suite *suite_peers(void)
{
	Suite *s = suite_create("peers");
	TCase *c = tcase_create("clock");

	tcase_set_timeout(c, 240);
	tcase_add_checked_fixture(c, setup_clock, teardown);
	tcase_add_test(c, rows_have_the_databases_time);
	tcase_add_test(c, leases_are_by_the_databases_clock);
	tcase_add_test(c, a_proof_is_about_its_subject_and_for_a_minute);
	tcase_add_test(c, a_subject_has_a_bound);
	suite_add_tcase(s, c);
	c = tcase_create("two");
	tcase_set_timeout(c, 240);
	tcase_add_checked_fixture(c, setup_two, teardown_two);
	tcase_add_test(c, each_knows_where_a_session_is_served);
	tcase_add_test(c, it_is_told_later_too);
	tcase_add_test(c, where_all_nodes_are_lost_no_session_is_taken);
	tcase_add_test(c, a_session_that_has_no_node_gets_one_where_it_is_asked_for);
	tcase_add_test(c, what_runs_on_a_node_that_falls_silent_crashes_and_its_session_fails);
	tcase_add_test(c, a_session_that_was_never_used_is_made_elsewhere);
	tcase_add_test(c, one_that_another_ended_loses_its_container);
	tcase_add_test(c, files_are_removed_by_the_one_in_whose_folder_they_are);
	tcase_add_loop_test(c, an_address_is_http_host_and_port, 0, 8);
	suite_add_tcase(s, c);
	return s;
}
