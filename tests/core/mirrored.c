/* Workspaces behind a storage that has no folders: where files are read and written, and what a result says of them. */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "err.h"
#include "fake.h"
#include "storage.h"

/* ---- a storage without folders, which can be away ---- */

static scp_storage *behind;
static _Atomic bool away;
static scp_storage_ops ops;
static scp_storage front = { &ops };

static scp_status gone(scp_error *err)
{
	return scp__fail(err, SCP_EUNAVAIL, "the storage is away");
}

static scp_status put_open(
    scp_storage *st, const char *key, const scp_put_options *o, scp_object_writer **out, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->put_open(behind, key, o, out, err);
}

static scp_status get_open(scp_storage *st, const char *key, uint64_t offset, uint64_t length, scp_object_reader **out,
    scp_object *object, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->get_open(behind, key, offset, length, out, object, err);
}

static scp_status stat_key(scp_storage *st, const char *key, scp_object *out, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->stat(behind, key, out, err);
}

static scp_status list(scp_storage *st, const char *prefix, const char *after, const scp_list_options *o,
    scp_object_fn *fn, void *user, char *next, size_t next_size, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->list(behind, prefix, after, o, fn, user, next, next_size, err);
}

static scp_status remove_key(scp_storage *st, const char *key, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->remove(behind, key, err);
}

static scp_status remove_prefix(scp_storage *st, const char *prefix, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->remove_prefix(behind, prefix, err);
}

static scp_status health(scp_storage *st, uint32_t deadline_ms, char *detail, size_t size, scp_error *err)
{
	(void)st;
	return away ? gone(err) : behind->ops->health(behind, deadline_ms, detail, size, err);
}

static void closed(scp_storage *st)
{
	(void)st;
	scp__storage_close(behind);
	behind = NULL;
}

static void open_behind(void)
{
	char url[96];

	(void)snprintf(url, sizeof(url), "file:%s/bucket", state_dir);
	OK(scp__localfs_open(&behind, url, err));
	ops = *behind->ops;
	ops.put_open = put_open;
	ops.get_open = get_open;
	ops.stat = stat_key;
	ops.list = list;
	ops.remove = remove_key;
	ops.remove_prefix = remove_prefix;
	ops.health = health;
	ops.close = closed;
	ops.local_folder = NULL;
	options.storage = &front;
}

static void setup_mirrored(void)
{
	setup();
	atomic_store(&away, false);
	open_behind();
	open_plane();
}

/* ---- looks ---- */

static void assert_file(const char *session_id, const char *path, const char *text)
{
	void *data = NULL;
	size_t len;

	OK(scp_file_get_bytes(&data, &len, plane, session_id, path, 0, err));
	ck_assert_str_eq(data, text);
	free(data);
}

/* Where its disk is: below the state folder, as long as it has one. */
static bool on_disk(const char *path)
{
	char command[256];

	(void)snprintf(
	    command, sizeof(command), "test -n \"$(find %s/workspaces -path '*/%s' 2>/dev/null)\"", state_dir, path);
	return system(command) == 0;
}

/* Nobody is told: it is looked for, until the test's time is up. */
static void await_off_disk(const char *path)
{
	while (on_disk(path))
		(void)poll(NULL, 0, 5);
}

static const char *creating(void)
{
	static char made[64];
	scp_session_spec spec = SCP_SESSION_SPEC_INIT;
	scp_session *s = NULL;

	spec.template_id = "shell-basic";
	OK(scp_session_create(&s, plane, &spec, err));
	(void)snprintf(made, sizeof(made), "%s", s->id);
	scp_session_free(s);
	return made;
}

static void await_running(const char *session_id)
{
	scp_session *s = NULL;

	OK(scp_session_wait(&s, plane, session_id, AWAIT_MS, err));
	ck_assert_str_eq(scp_session_status_name(s->status), "running");
	scp_session_free(s);
}

/* ---- what must hold ---- */

START_TEST(an_upload_is_on_the_disk_and_in_the_storage)
{
	const char *sid = make_session(SCP_PERSISTENT);
	OK(scp_file_put_bytes(NULL, plane, sid, "d/f", "text", 4, err));
	ck_assert(on_disk("d/f"));
	assert_file(sid, "d/f", "text");
	OK(scp_session_terminate(NULL, plane, sid, err));
	await_off_disk("d/f");
	assert_file(sid, "d/f", "text");
}
END_TEST

START_TEST(files_given_before_there_is_a_sandbox_are_in_it)
{
	const char *sid;

	fake_refuse_run(runtime, SCP_ECAPACITY, 1);
	sid = creating();
	OK(scp_file_put_bytes(NULL, plane, sid, "early", "text", 4, err));
	await_running(sid);
	ck_assert(on_disk("early"));
	assert_file(sid, "early", "text");
}
END_TEST

START_TEST(a_storage_that_is_away_refuses_uploads_and_takes_them_later)
{
	const char *sid = make_session(SCP_PERSISTENT);
	scp_error why = { 0 };

	atomic_store(&away, true);
	ck_assert_int_eq(scp_file_put_bytes(NULL, plane, sid, "f", "text", 4, &why), SCP_EUNAVAIL);
	assert_file(sid, "f", "text"); /* as whoever retries would find it */
	atomic_store(&away, false);
	OK(scp_session_terminate(NULL, plane, sid, err));
	await_off_disk("f");
	assert_file(sid, "f", "text");
}
END_TEST

START_TEST(a_result_says_whether_its_files_are_in_the_storage)
{
	const char *sid = make_session(SCP_PERSISTENT);
	scp_execution *e = await(submit(sid, "run", -1).s);
	id late;

	ck_assert(!e->sync_pending);
	scp_execution_free(e);
	OK(scp_file_put_bytes(NULL, plane, sid, "f", "text", 4, err));
	atomic_store(&away, true);
	(void)scp_file_put_bytes(NULL, plane, sid, "g", "text", 4, NULL);
	late = submit(sid, "run", -1);
	e = await(late.s);
	ck_assert_str_eq(e->result, "success");
	ck_assert(e->sync_pending);
	scp_execution_free(e);
	atomic_store(&away, false);
	for (bool pending = true; pending;) {
		OK(scp_execution_get(&e, plane, late.s, err));
		pending = e->sync_pending;
		scp_execution_free(e);
		(void)poll(NULL, 0, 10);
	}
}
END_TEST

/* A source that gives a byte after it has put the next file: so all are under way at once. */
struct nested {
	const char *sid;
	unsigned depth;
	bool given;
	scp_status deepest;
};

static scp_status give(void *user, void *data, size_t capacity, size_t *len, scp_error *err)
{
	struct nested *n = user, next = { n->sid, n->depth + 1, false, SCP_OK };
	scp_source source = { give, &next };
	char path[16];
	scp_status rc = SCP_OK;

	(void)capacity;
	*len = n->given ? 0 : 1;
	if (n->given)
		return SCP_OK;
	n->given = true;
	*(char *)data = 'x';
	if (n->depth < 17) {
		(void)snprintf(path, sizeof(path), "f%u", next.depth);
		rc = scp_file_put(NULL, plane, n->sid, path, &source, err);
		n->deepest = n->depth == 16 ? rc : next.deepest;
	}
	return SCP_OK;
}

START_TEST(uploads_without_a_disk_between_are_sixteen_at_most)
{
	struct nested n = { .depth = 1 };
	scp_source source = { give, &n };

	/* Of a process that makes no sandboxes. */
	scp_plane_close(plane);
	open_behind();
	options.upkeep = SCP_OFF;
	open_plane();
	n.sid = creating();
	OK(scp_file_put(NULL, plane, n.sid, "f1", &source, err));
	ck_assert_int_eq(n.deepest, SCP_EBUSY);
	OK(scp_file_put_bytes(NULL, plane, n.sid, "later", "x", 1, err));
}
END_TEST

START_TEST(what_was_owed_is_brought_by_the_next_process)
{
	char sid[64];

	(void)snprintf(sid, sizeof(sid), "%s", make_session(SCP_PERSISTENT));
	atomic_store(&away, true);
	(void)scp_file_put_bytes(NULL, plane, sid, "f", "text", 4, NULL);
	OK(scp_session_terminate(NULL, plane, sid, err));
	scp_plane_close(plane);
	plane = NULL;
	atomic_store(&away, false);
	open_behind();
	open_plane();
	await_off_disk("f");
	assert_file(sid, "f", "text");
}
END_TEST

Suite *suite_mirrored(void)
{
	Suite *s = suite_create("mirrored");
	TCase *tc = tcase_create("mirrored");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup_mirrored, teardown);
	tcase_add_test(tc, an_upload_is_on_the_disk_and_in_the_storage);
	tcase_add_test(tc, files_given_before_there_is_a_sandbox_are_in_it);
	tcase_add_test(tc, a_storage_that_is_away_refuses_uploads_and_takes_them_later);
	tcase_add_test(tc, a_result_says_whether_its_files_are_in_the_storage);
	tcase_add_test(tc, uploads_without_a_disk_between_are_sixteen_at_most);
	tcase_add_test(tc, what_was_owed_is_brought_by_the_next_process);
	suite_add_tcase(s, tc);
	return s;
}
