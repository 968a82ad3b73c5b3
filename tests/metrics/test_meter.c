/* The meters before backends of the test's own, which remember what they were asked and whether it was them. */
#include "suites.h"

#include <stdio.h>
#include <string.h>

#include "meter.h"

static scp__figures *f;
static char asked[256]; /* the operations that reached the backend, each with a blank behind */
static unsigned closed;
static scp_status answer;

#define SAW(self, backend, name)                                                                                       \
	do {                                                                                                           \
		ck_assert_ptr_eq(self, &(backend));                                                                    \
		strcat(asked, name " ");                                                                               \
	} while (0)

static void setup(void)
{
	ck_assert_int_eq(scp__figures_new(&f, NULL), SCP_OK);
	asked[0] = '\0';
	closed = 0;
	answer = SCP_OK;
}

static void teardown(void)
{
	scp__figures_free(f);
}

static void must_show(const char *line)
{
	scp__buf out;

	scp__buf_init(&out, 1 << 20);
	ck_assert_int_eq(scp__figures_render(f, &out), SCP_OK);
	HAS(out.data, line);
	scp__buf_free(&out);
}

static void must_count(const char *backend, const char *operation, unsigned n)
{
	char line[160];

	(void)snprintf(line, sizeof(line),
	    "sandboxcp_backend_request_seconds_count{backend=\"%s\",operation=\"%s\"} %u\n", backend, operation, n);
	must_show(line);
}

/* ---- database ---- */

static scp_database database;
static const scp_db_traits traits = { .name = "fake" };

static scp_status db_transact(scp_database *db, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	scp_db_tx tx = { db };

	(void)mode;
	SAW(db, database, "transact");
	return fn(&tx, arg, err);
}

static scp_status db_health(scp_database *db, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	(void)deadline_ms;
	(void)detail;
	(void)detail_size;
	(void)err;
	SAW(db, database, "health");
	return answer;
}

static void db_close(scp_database *db)
{
	closed += db == &database;
}

static const scp_database_ops database_ops = { sizeof(scp_database_ops), &traits, .transact = db_transact,
	.health = db_health, .close = db_close };

static scp_status body(scp_db_tx *tx, void *arg, scp_error *err)
{
	(void)err;
	ck_assert_ptr_eq(tx->db, &database);
	return *(scp_status *)arg;
}

START_TEST(a_metered_database_is_the_one_behind)
{
	scp_database *db = &database;
	scp_status says = SCP_OK;

	database.ops = &database_ops;
	ck_assert_int_eq(scp__meter_database(&db, f, NULL), SCP_OK);
	ck_assert_ptr_ne(db, &database);
	ck_assert_ptr_eq(db->ops->traits, &traits);
	ck_assert_int_eq(db->ops->transact(db, SCP_DB_READ, body, &says, NULL), SCP_OK);
	says = SCP_EBACKEND;
	ck_assert_int_eq(db->ops->transact(db, SCP_DB_WRITE, body, &says, NULL), SCP_EBACKEND);
	ck_assert_int_eq(db->ops->health(db, 1, NULL, 0, NULL), SCP_OK);
	ck_assert_str_eq(asked, "transact transact health ");
	must_count("database", "read", 1);
	must_count("database", "write", 1);
	must_count("database", "health", 1);
	must_show("sandboxcp_backend_errors_total{backend=\"database\",operation=\"write\"} 1\n");
	db->ops->close(db);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(a_meter_taken_away_leaves_the_backend_open)
{
	scp_database *db = &database;

	database.ops = &database_ops;
	ck_assert_int_eq(scp__meter_database(&db, f, NULL), SCP_OK);
	ck_assert_ptr_eq(scp__unmeter_database(db), &database);
	ck_assert_ptr_eq(scp__unmeter_database(&database), &database);
	ck_assert_ptr_null(scp__unmeter_database(NULL));
	ck_assert_uint_eq(closed, 0);
}
END_TEST

/* ---- storage ---- */

static scp_storage storage;

static scp_status st_put_open(
    scp_storage *st, const char *key, const scp_put_options *options, scp_object_writer **out, scp_error *err)
{
	(void)key;
	(void)options;
	(void)out;
	(void)err;
	SAW(st, storage, "put_open");
	return answer;
}

static scp_status st_get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length,
    scp_object_reader **out, scp_object *object, scp_error *err)
{
	(void)key;
	(void)out;
	(void)object;
	(void)err;
	ck_assert_uint_eq(offset * 10 + length, 12);
	SAW(st, storage, "get_open");
	return answer;
}

static scp_status st_stat(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	(void)key;
	(void)out;
	(void)err;
	SAW(st, storage, "stat");
	return answer;
}

static scp_status st_list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *options,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	(void)options;
	(void)fn;
	(void)user;
	(void)next;
	(void)next_size;
	(void)err;
	ck_assert_str_eq(prefix, "p");
	ck_assert_str_eq(after, "a");
	SAW(st, storage, "list");
	return answer;
}

static scp_status st_remove(scp_storage *st, const char *key, scp_error *err)
{
	(void)key;
	(void)err;
	SAW(st, storage, "remove");
	return answer;
}

static scp_status st_remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	(void)prefix;
	(void)err;
	SAW(st, storage, "remove_prefix");
	return answer;
}

static scp_status st_presign(
    scp_storage *st, const char *key, const char *method, uint32_t seconds, char **url, scp_error *err)
{
	(void)key;
	(void)method;
	(void)seconds;
	(void)url;
	(void)err;
	SAW(st, storage, "presign");
	return answer;
}

static scp_status st_local_folder(
    scp_storage *st, const char *prefix, int32_t uid, int32_t gid, char **path, scp_error *err)
{
	(void)prefix;
	(void)uid;
	(void)gid;
	(void)path;
	(void)err;
	SAW(st, storage, "local_folder");
	return answer;
}

static scp_status st_health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t detail_size, scp_error *err)
{
	(void)deadline_ms;
	(void)detail;
	(void)detail_size;
	(void)err;
	SAW(st, storage, "health");
	return answer;
}

static void st_close(scp_storage *st)
{
	closed += st == &storage;
}

START_TEST(a_metered_storage_is_the_one_behind)
{
	static const scp_storage_ops ops = { sizeof(ops), "fake", .put_open = st_put_open, .get_open = st_get_open,
		.stat = st_stat, .list = st_list, .remove = st_remove, .remove_prefix = st_remove_prefix,
		.presign = st_presign, .local_folder = st_local_folder, .health = st_health, .close = st_close };
	scp_storage *st = &storage;

	storage.ops = &ops;
	answer = SCP_EUNAVAIL;
	ck_assert_int_eq(scp__meter_storage(&st, f, NULL), SCP_OK);
	ck_assert_int_eq(st->ops->put_open(st, "k", NULL, NULL, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->get_open(st, "k", 1, 2, NULL, NULL, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->stat(st, "k", NULL, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->list(st, "p", "a", NULL, NULL, NULL, NULL, 0, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->remove(st, "k", NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->remove_prefix(st, "k", NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->presign(st, "k", "GET", 1, NULL, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->local_folder(st, "k", 0, 0, NULL, NULL), SCP_EUNAVAIL);
	ck_assert_int_eq(st->ops->health(st, 1, NULL, 0, NULL), SCP_EUNAVAIL);
	ck_assert_str_eq(asked, "put_open get_open stat list remove remove_prefix presign local_folder health ");
	ck_assert_str_eq(st->ops->name, "fake");
	must_count("storage", "put", 1);
	must_count("storage", "get", 1);
	must_count("storage", "stat", 1);
	must_count("storage", "list", 1);
	must_count("storage", "remove", 2);
	must_count("storage", "presign", 1);
	must_count("storage", "health", 1);
	must_show("sandboxcp_backend_errors_total{backend=\"storage\",operation=\"remove\"} 2\n");
	st->ops->close(st);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(what_a_storage_lacks_is_lacking_through_its_meter)
{
	static const scp_storage_ops ops = { sizeof(ops), "fake", .health = st_health, .close = st_close };
	scp_storage *st = &storage;

	storage.ops = &ops;
	ck_assert_int_eq(scp__meter_storage(&st, f, NULL), SCP_OK);
	ck_assert(!st->ops->presign && !st->ops->local_folder);
	ck_assert_ptr_eq(scp__unmeter_storage(st), &storage);
	ck_assert_ptr_eq(scp__unmeter_storage(&storage), &storage);
	ck_assert_ptr_null(scp__unmeter_storage(NULL));
	ck_assert_uint_eq(closed, 0);
}
END_TEST

/* ---- runtime ---- */

static scp_runtime runtime;

static const char *rt_node_name(scp_runtime *rt)
{
	SAW(rt, runtime, "node_name");
	return "here";
}

static int32_t rt_workspace_uid(scp_runtime *rt)
{
	SAW(rt, runtime, "workspace_uid");
	return 7;
}

static scp_status rt_image_prepare(scp_runtime *rt, const char *image, char *digest, size_t size, scp_error *err)
{
	(void)image;
	(void)digest;
	(void)size;
	(void)err;
	SAW(rt, runtime, "prepare");
	return answer;
}

static scp_status rt_run(scp_runtime *rt, const scp_runtime_spec *spec, scp_error *err)
{
	(void)spec;
	(void)err;
	SAW(rt, runtime, "run");
	return answer;
}

static scp_status rt_stop(scp_runtime *rt, const char *name, uint32_t grace_ms, scp_error *err)
{
	(void)name;
	(void)err;
	ck_assert_uint_eq(grace_ms, 5);
	SAW(rt, runtime, "stop");
	return answer;
}

static scp_status rt_remove(scp_runtime *rt, const char *name, scp_error *err)
{
	(void)name;
	(void)err;
	SAW(rt, runtime, "remove");
	return answer;
}

static scp_status rt_inspect(scp_runtime *rt, const char *name, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	(void)name;
	(void)fn;
	(void)user;
	(void)err;
	SAW(rt, runtime, "inspect");
	return answer;
}

static scp_status rt_list(scp_runtime *rt, scp_runtime_info_fn *fn, void *user, scp_error *err)
{
	(void)fn;
	(void)user;
	(void)err;
	SAW(rt, runtime, "list");
	return answer;
}

static scp_status rt_logs(scp_runtime *rt, const char *name, uint32_t tail, char *out, size_t size, scp_error *err)
{
	(void)name;
	(void)out;
	(void)size;
	(void)err;
	ck_assert_uint_eq(tail, 3);
	SAW(rt, runtime, "logs");
	return answer;
}

static scp_status rt_stats(scp_runtime *rt, const char *name, scp_runtime_stats *out, scp_error *err)
{
	(void)name;
	(void)out;
	(void)err;
	SAW(rt, runtime, "stats");
	return answer;
}

static scp_status rt_connect(scp_runtime *rt, const char *name, int *fd, scp_error *err)
{
	(void)name;
	(void)fd;
	(void)err;
	SAW(rt, runtime, "connect");
	return answer;
}

static scp_status rt_next_event(scp_runtime *rt, scp_runtime_event *out, uint32_t timeout_ms, scp_error *err)
{
	(void)out;
	(void)timeout_ms;
	(void)err;
	SAW(rt, runtime, "next_event");
	return SCP_ETIMEDOUT;
}

static void rt_interrupt(scp_runtime *rt)
{
	SAW(rt, runtime, "interrupt");
}

static scp_status rt_capacity(scp_runtime *rt, scp_runtime_capacity *out, scp_error *err)
{
	(void)out;
	(void)err;
	SAW(rt, runtime, "capacity");
	return answer;
}

static void rt_limits(scp_runtime *rt, const scp_runtime_limit **rows, size_t *count)
{
	(void)rows;
	(void)count;
	SAW(rt, runtime, "limits");
}

static scp_status rt_health(scp_runtime *rt, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	(void)deadline_ms;
	(void)detail;
	(void)size;
	(void)err;
	SAW(rt, runtime, "health");
	return answer;
}

static scp_status rt_pause(scp_runtime *rt, const char *name, scp_error *err)
{
	(void)name;
	(void)err;
	SAW(rt, runtime, "pause");
	return answer;
}

static scp_status rt_resume(scp_runtime *rt, const char *name, scp_error *err)
{
	(void)name;
	(void)err;
	SAW(rt, runtime, "resume");
	return answer;
}

static void rt_close(scp_runtime *rt)
{
	closed += rt == &runtime;
}

static const scp_runtime_ops runtime_ops = { sizeof(runtime_ops), "fake", rt_node_name, rt_workspace_uid,
	rt_image_prepare, rt_run, rt_stop, rt_remove, rt_inspect, rt_list, rt_logs, rt_stats, rt_connect, rt_next_event,
	rt_interrupt, rt_capacity, rt_limits, rt_health, rt_pause, rt_resume, rt_close };

START_TEST(a_metered_runtime_is_the_one_behind)
{
	static const char *const timed[] = { "prepare", "run", "stop", "remove", "inspect", "list", "logs", "stats",
		"connect", "health", "pause", "resume" };
	scp_runtime *rt = &runtime;

	runtime.ops = &runtime_ops;
	answer = SCP_ETIMEDOUT;
	ck_assert_int_eq(scp__meter_runtime(&rt, f, NULL), SCP_OK);
	ck_assert_str_eq(rt->ops->type, "fake");
	ck_assert_str_eq(rt->ops->node_name(rt), "here");
	ck_assert_int_eq(rt->ops->workspace_uid(rt), 7);
	ck_assert_int_eq(rt->ops->image_prepare(rt, "i", NULL, 0, NULL), answer);
	ck_assert_int_eq(rt->ops->run(rt, NULL, NULL), answer);
	ck_assert_int_eq(rt->ops->stop(rt, "n", 5, NULL), answer);
	ck_assert_int_eq(rt->ops->remove(rt, "n", NULL), answer);
	ck_assert_int_eq(rt->ops->inspect(rt, "n", NULL, NULL, NULL), answer);
	ck_assert_int_eq(rt->ops->list(rt, NULL, NULL, NULL), answer);
	ck_assert_int_eq(rt->ops->logs(rt, "n", 3, NULL, 0, NULL), answer);
	ck_assert_int_eq(rt->ops->stats(rt, "n", NULL, NULL), answer);
	ck_assert_int_eq(rt->ops->connect(rt, "n", NULL, NULL), answer);
	ck_assert_int_eq(rt->ops->next_event(rt, NULL, 1, NULL), SCP_ETIMEDOUT);
	rt->ops->interrupt(rt);
	ck_assert_int_eq(rt->ops->capacity(rt, NULL, NULL), answer);
	rt->ops->limits(rt, NULL, NULL);
	ck_assert_int_eq(rt->ops->health(rt, 1, NULL, 0, NULL), answer);
	ck_assert_int_eq(rt->ops->pause(rt, "n", NULL), answer);
	ck_assert_int_eq(rt->ops->resume(rt, "n", NULL), answer);
	ck_assert_str_eq(asked, "node_name workspace_uid prepare run stop remove inspect list logs stats connect "
				"next_event interrupt capacity limits health pause resume ");
	for (size_t i = 0; i < sizeof(timed) / sizeof(*timed); i++)
		must_count("runtime", timed[i], 1);
	must_show("sandboxcp_backend_errors_total{backend=\"runtime\",operation=\"run\"} 1\n");
	rt->ops->close(rt);
	ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(what_a_runtime_lacks_is_lacking_through_its_meter)
{
	scp_runtime_ops ops = runtime_ops;
	scp_runtime *rt = &runtime;

	ops.image_prepare = NULL;
	ops.logs = NULL;
	ops.stats = NULL;
	ops.pause = NULL;
	ops.resume = NULL;
	runtime.ops = &ops;
	ck_assert_int_eq(scp__meter_runtime(&rt, f, NULL), SCP_OK);
	ck_assert(!rt->ops->image_prepare && !rt->ops->logs && !rt->ops->stats && !rt->ops->pause && !rt->ops->resume);
	ck_assert_ptr_eq(scp__unmeter_runtime(rt), &runtime);
	ck_assert_ptr_eq(scp__unmeter_runtime(&runtime), &runtime);
	ck_assert_ptr_null(scp__unmeter_runtime(NULL));
	ck_assert_uint_eq(closed, 0);
}
END_TEST

Suite *meter_suite(void)
{
	Suite *s = suite_create("meter");
	TCase *t = tcase_create("meter");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_metered_database_is_the_one_behind);
	tcase_add_test(t, a_meter_taken_away_leaves_the_backend_open);
	tcase_add_test(t, a_metered_storage_is_the_one_behind);
	tcase_add_test(t, what_a_storage_lacks_is_lacking_through_its_meter);
	tcase_add_test(t, a_metered_runtime_is_the_one_behind);
	tcase_add_test(t, what_a_runtime_lacks_is_lacking_through_its_meter);
	suite_add_tcase(s, t);
	return s;
}
