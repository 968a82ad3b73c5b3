/* Backends of a user's own that hang: what asks how they are doesn't. */
#include <stdio.h>

#include "database.h"
#include "fake.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hangs;
static unsigned asked;
static const scp_runtime_ops *runtime_behind;
static scp_runtime_ops runtime_ops;
static const scp_database_ops *database_behind;
static scp_database_ops database_ops;

static void hang(void)
{
	(void)pthread_mutex_lock(&lock);
	asked++;
	while (hangs)
		(void)pthread_cond_wait(&changed, &lock);
	(void)pthread_mutex_unlock(&lock);
}

static void set_hanging(bool is)
{
	(void)pthread_mutex_lock(&lock);
	hangs = is;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

static unsigned times_asked(void)
{
	unsigned n;

	(void)pthread_mutex_lock(&lock);
	n = asked;
	(void)pthread_mutex_unlock(&lock);
	return n;
}

static scp_status runtime_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	hang();
	return runtime_behind->health(rt, deadline_ms, detail, size, err);
}

static scp_status transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	hang();
	return database_behind->transact(db, mode, fn, arg, err);
}

/* Without upkeep: what the database hangs for is asked for by the test alone. */
static void open_hanging(void)
{
	scp_runtime *rt = fake_runtime(runtime);
	char url[96];

	asked = 0;
	hangs = false;
	runtime_behind = rt->ops;
	runtime_ops = *rt->ops;
	runtime_ops.health = runtime_health;
	rt->ops = &runtime_ops;
	(void)snprintf(url, sizeof(url), "sqlite:%s/own.db", state_dir);
	OK(scp__database_open(&options.database, url, err));
	database_behind = options.database->ops;
	database_ops = *database_behind;
	options.database->ops = &database_ops;
	options.upkeep = SCP_OFF;
	open_plane();
}

static scp_health_status of(const scp_health *h, const char *name)
{
	for (size_t i = 0; i < h->probe_count; i++)
		if (!strcmp(h->probes[i]->name, name))
			return h->probes[i]->status;
	return 0;
}

START_TEST(a_backend_that_hangs_is_degraded_and_asked_once)
{
	scp_health *h = NULL;

	open_hanging();
	set_hanging(true);
	for (int i = 0; i < 6; i++) {
		OK(scp_plane_health(&h, plane, 20, err));
		ck_assert_int_eq(of(h, "runtime"), SCP_DEGRADED);
		ck_assert_int_eq(h->status, SCP_DEGRADED);
		scp_health_free(h);
	}
	ck_assert_uint_eq(times_asked(), 1);
	set_hanging(false);
	OK(scp_plane_health(&h, plane, AWAIT_MS, err));
	ck_assert_int_eq(of(h, "runtime"), SCP_HEALTHY);
	ck_assert_int_eq(of(h, "database"), SCP_HEALTHY);
	scp_health_free(h);
}
END_TEST

START_TEST(a_backend_that_fails_is_unhealthy)
{
	scp_health *h = NULL;

	open_hanging();
	fake_unreachable(runtime, true);
	OK(scp_plane_health(&h, plane, AWAIT_MS, err));
	ck_assert_int_eq(of(h, "runtime"), SCP_UNHEALTHY);
	ck_assert_int_eq(of(h, "storage"), SCP_HEALTHY);
	ck_assert_int_eq(h->status, SCP_UNHEALTHY);
	scp_health_free(h);
	fake_unreachable(runtime, false);
}
END_TEST

static char *metrics(void)
{
	char *text = NULL;

	OK(scp_plane_metrics(&text, plane, err));
	return text;
}

START_TEST(metrics_stand_without_a_database)
{
	char *text;

	open_hanging();
	database_ops.transact = transact;
	set_hanging(true);
	text = metrics();
	ck_assert_ptr_nonnull(strstr(text, "sandboxcp_build_info{version="));
	ck_assert_ptr_nonnull(strstr(text, "process_resident_memory_bytes "));
	ck_assert_ptr_null(strstr(text, "sandboxcp_sessions_active"));
	free(text);
	set_hanging(false);
	text = metrics();
	ck_assert_ptr_nonnull(strstr(text, "\nsandboxcp_sessions_active{status=\"running\"} 0\n"));
	free(text);
}
END_TEST

static void take_text(void *user, scp_status status, void *result, const scp_error *err)
{
	(void)err;
	ck_assert_int_eq(status, SCP_OK);
	(void)pthread_mutex_lock(&lock);
	*(char **)user = result;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

START_TEST(metrics_are_called_back_with)
{
	scp_request *request = NULL;
	char *text = NULL;

	open_hanging();
	OK(scp_plane_metrics_async(&request, plane, take_text, &text, err));
	(void)pthread_mutex_lock(&lock);
	while (!text)
		(void)pthread_cond_wait(&changed, &lock);
	(void)pthread_mutex_unlock(&lock);
	ck_assert_ptr_nonnull(strstr(text, "\nsandboxcp_calls_in_flight "));
	free(text);
	scp_request_cancel(request);
	ck_assert_int_eq(scp_plane_metrics(NULL, plane, NULL), SCP_EINVAL);
}
END_TEST

Suite *suite_probes(void)
{
	Suite *s = suite_create("probes");
	TCase *t = tcase_create("probes");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_backend_that_hangs_is_degraded_and_asked_once);
	tcase_add_test(t, a_backend_that_fails_is_unhealthy);
	tcase_add_test(t, metrics_stand_without_a_database);
	tcase_add_test(t, metrics_are_called_back_with);
	suite_add_tcase(s, t);
	return s;
}
