/* Planes on the fake runtime, and the database that fails. */
#include <ftw.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "database.h"
#include "err.h"
#include "fake.h"

char state_dir[64];
fake *runtime;
scp_plane *plane;
scp_plane_options options;
static scp_runtime *runtimes[1];

/* ---- planes ---- */

static void log_line(const scp_log_record *r, void *user)
{
	(void)user;
	(void)fprintf(stderr, "[%s] %s %s %s\n", r->component, r->message, r->session_id ? r->session_id : "",
	    r->execution_id ? r->execution_id : "");
}

void setup(void)
{
	(void)snprintf(state_dir, sizeof(state_dir), "/tmp/scp-core.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state_dir));
	runtime = fake_new();
	fake_keep(runtime);
	plane = NULL;
	options = (scp_plane_options)SCP_PLANE_OPTIONS_INIT;
	options.state_dir = state_dir;
	options.executor_path = "/bin/sh";
	options.allow_unenforced = "disk,memory,cpu,processes";
	options.disk_stock = UINT32_MAX;
	options.retry_base_ms = 1;
	options.log_level = getenv("CORE_TEST_LOG") ? SCP_LOG_DEBUG : SCP_LOG_OFF;
	options.log = getenv("CORE_TEST_LOG") ? log_line : NULL;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

void teardown(void)
{
	fake_hold_run(runtime, false);
	scp_plane_close(plane);
	plane = NULL;
	fake_free(runtime);
	(void)nftw(state_dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

void open_plane(void)
{
	runtimes[0] = fake_runtime(runtime);
	options.runtimes = runtimes;
	options.runtime_count = 1;
	OK(scp_plane_open(&plane, &options, err));
}

void reopen_plane(void)
{
	scp_plane_close(plane);
	plane = NULL;
	open_plane();
}

const char *make_session(scp_session_mode mode)
{
	static char made[64];
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;

	spec.template_id = "shell-basic";
	spec.mode = mode;
	OK(scp_session_create(&s, plane, &spec, err));
	ck_assert_int_eq(s->status, SCP_SESSION_CREATING);
	(void)snprintf(made, sizeof(made), "%s", s->id);
	scp_session_free(s);
	OK(scp_session_wait(&s, plane, made, AWAIT_MS, err));
	ck_assert_str_eq(scp_session_status_name(s->status), "running");
	scp_session_free(s);
	return made;
}

id submit(const char *session_id, const char *code, int retries)
{
	scp_execution_spec spec = SCP_EXECUTION_SPEC_INIT;
	scp_execution *e = NULL;
	id out;

	spec.language = SCP_SHELL;
	spec.code = code;
	spec.retries = retries;
	OK(scp_execute(&e, plane, session_id, &spec, err));
	(void)snprintf(out.s, sizeof(out.s), "%s", e->id);
	scp_execution_free(e);
	return out;
}

scp_execution *await(const char *execution_id)
{
	scp_execution *e = NULL;

	OK(scp_execution_wait(&e, plane, execution_id, AWAIT_MS, err));
	ck_assert_msg(e->result != NULL, "%s isn't over", execution_id);
	return e;
}

void await_result(const char *execution_id, const char *result)
{
	scp_execution *e = await(execution_id);

	ck_assert_msg(!strcmp(e->result, result), "%s, not %s: %s", e->result, result, e->error ? e->error : "");
	scp_execution_free(e);
}

scp_execution *get(const char *execution_id)
{
	scp_execution *e = NULL;

	OK(scp_execution_get(&e, plane, execution_id, err));
	return e;
}

static void nap(void)
{
	const struct timespec t = { 0, 5000000 };

	(void)nanosleep(&t, NULL);
}

void await_status(const char *execution_id, scp_execution_status status)
{
	scp_execution_status is = 0;

	for (int i = 0; i < AWAIT_MS / 5 && is != status; i++) {
		scp_execution *e = get(execution_id);

		is = e->status;
		scp_execution_free(e);
		if (is != status)
			nap();
	}
	ck_assert_str_eq(scp_execution_status_name(is), scp_execution_status_name(status));
}

void await_session(const char *session_id, scp_session_status status)
{
	scp_session_status is = 0;

	for (int i = 0; i < AWAIT_MS / 5 && is != status; i++) {
		scp_session *s = NULL;

		if (!scp_session_get(&s, plane, session_id, NULL))
			is = s->status;
		scp_session_free(s);
		if (is != status)
			nap();
	}
	ck_assert_str_eq(scp_session_status_name(is), scp_session_status_name(status));
}

/* ---- a database that fails ---- */

struct faulty {
	scp_database base;
	scp_database_ops ops;
	scp_database *inner;
	pthread_mutex_t lock;
	bool writes_only, after;
	unsigned n, count, failed;
};

/* 0: it goes through; 1: it fails; 2: it fails once it is made. */
static int fate(faulty *d, scp_db_mode mode)
{
	int fails = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (d->count && (mode == SCP_DB_WRITE || !d->writes_only)) {
		if (d->n > 1) {
			d->n--;
		} else {
			d->count--;
			d->failed++;
			fails = d->after ? 2 : 1;
		}
	}
	(void)pthread_mutex_unlock(&d->lock);
	return fails;
}

static scp_status transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	faulty *d = (faulty *)db;
	int fails = fate(d, mode);
	scp_status rc = SCP_OK;

	if (fails != 1)
		rc = scp__database_transact(d->inner, mode, fn, arg, err);
	return fails ? scp__fail(err, SCP_EUNAVAIL, "the database is away") : rc;
}

static scp_status health(scp_database *db, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	return scp__database_health(((faulty *)db)->inner, deadline_ms, detail, size, err);
}

static void close_faulty(scp_database *db)
{
	faulty *d = (faulty *)db;

	scp__database_close(d->inner);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
}

faulty *faulty_new(const char *url)
{
	faulty *d = calloc(1, sizeof(*d));

	OK(scp__database_open(&d->inner, url, err));
	d->ops = *d->inner->ops;
	d->ops.transact = transact;
	d->ops.health = health;
	d->ops.close = close_faulty;
	d->base.ops = &d->ops;
	(void)pthread_mutex_init(&d->lock, NULL);
	return d;
}

scp_database *faulty_database(faulty *d)
{
	return &d->base;
}

void faulty_fail(faulty *d, bool writes_only, unsigned n, unsigned count, bool after)
{
	(void)pthread_mutex_lock(&d->lock);
	d->writes_only = writes_only;
	d->n = n;
	d->count = count;
	d->after = after;
	(void)pthread_mutex_unlock(&d->lock);
}

unsigned faulty_failed(faulty *d)
{
	unsigned failed;

	(void)pthread_mutex_lock(&d->lock);
	failed = d->failed;
	(void)pthread_mutex_unlock(&d->lock);
	return failed;
}
