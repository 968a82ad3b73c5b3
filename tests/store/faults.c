/*
 * Every function of the store, with the n-th call of the database failing, and with the n-th allocation failing, for
 * every n: the error is told, nothing leaks (run under ASan), and a transaction that failed left nothing.
 */
#include "help.h"

/* ---- a database that fails at its n-th call ---- */

typedef struct faulty {
	scp_database base; /* first */
	scp_database_ops ops;
	int fail_at; /* counts down; -1: never */
} faulty;

typedef struct faulty_tx {
	scp_db_tx base; /* first */
	scp_db_tx *real;
} faulty_tx;

typedef struct wrapped {
	faulty *owner;
	scp_db_fn *fn;
	void *arg;
} wrapped;

static faulty *present; /* Check forks: one test, one of them */

static scp_status strike(scp_error *err)
{
	if (present->fail_at < 0 || present->fail_at-- > 0)
		return SCP_OK;
	present->fail_at = -1;
	return scp__fail(err, SCP_EBACKEND, "database: the test's own failure");
}

static scp_status run_wrapped(scp_db_tx *tx, void *arg, scp_error *err)
{
	wrapped *w = arg;
	faulty_tx mine = { { &w->owner->base }, tx };

	return w->fn(&mine.base, w->arg, err);
}

static scp_status faulty_transact(scp_database *base, scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	wrapped w = { (faulty *)base, fn, arg };

	return scp__database_transact(db, mode, run_wrapped, &w, err);
}

static scp_status faulty_prepare(scp_db_tx *tx, const char *sql, scp_db_stmt **out, scp_error *err)
{
	scp_status rc = strike(err);

	*out = NULL;
	return rc ? rc : db->ops->prepare(((faulty_tx *)tx)->real, sql, out, err);
}

static scp_status faulty_bind(scp_db_stmt *stmt, int index, const scp_db_value *value, scp_error *err)
{
	scp_status rc = strike(err);

	return rc ? rc : db->ops->bind(stmt, index, value, err);
}

static scp_status faulty_step(scp_db_stmt *stmt, bool *row, scp_error *err)
{
	scp_status rc = strike(err);

	*row = false;
	return rc ? rc : db->ops->step(stmt, row, err);
}

static uint64_t faulty_matched(scp_db_tx *tx)
{
	return db->ops->matched(((faulty_tx *)tx)->real);
}

static scp_status faulty_exec(scp_db_tx *tx, const char *sql, scp_error *err)
{
	scp_status rc = strike(err);

	return rc ? rc : db->ops->exec(((faulty_tx *)tx)->real, sql, err);
}

static faulty *faulty_new(void)
{
	static faulty f;

	f.ops = *db->ops;
	f.ops.transact = faulty_transact;
	f.ops.prepare = faulty_prepare;
	f.ops.bind = faulty_bind;
	f.ops.step = faulty_step;
	f.ops.matched = faulty_matched;
	f.ops.exec = faulty_exec;
	f.base.ops = &f.ops;
	f.fail_at = -1;
	present = &f;
	return &f;
}

/* ---- allocations that fail: the linker sends the store's here ---- */

static int alloc_fail_at = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool starve(void)
{
	if (alloc_fail_at < 0 || alloc_fail_at-- > 0)
		return false;
	alloc_fail_at = -1;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return starve() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return starve() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return starve() ? NULL : __real_realloc(p, size);
}

/* ---- every function once: each returns the status and frees what it got ---- */

static const scp_pair env[] = { { "A", "b" }, { "TOKEN", "t" } };
static const scp_pair *const template_env[] = { &env[0], &env[1] };
static const scp_language languages[] = { SCP_PYTHON };
static const char *const words[] = { "jq" };
static const scp_error why = { .status = SCP_EUNAVAIL, .code = "BackendUnavailable", .message = "m", .hint = "h" };

BODY(session_insert)
{
	scp__session s = plain_session("sess_new");

	(void)arg;
	s.env = env;
	s.env_count = 2;
	s.pub.error = &why;
	return scp__store_session_insert(tx, &s, err);
}

BODY(session_get)
{
	scp__session *s = NULL;
	scp_status rc = scp__store_session_get(tx, "sess_1", &s, err);

	(void)arg;
	if (rc)
		ck_assert_ptr_null(s);
	else
		scp_session_free(&s->pub);
	return rc;
}

BODY(session_list)
{
	scp_session_query q = { .status = SCP_SESSION_CREATING, .template_id = "tmpl", .limit = 1 };
	scp_session_page *p = NULL;
	scp_status rc = scp__store_session_list(tx, &q, &p, err);

	(void)arg;
	if (rc)
		ck_assert_ptr_null(p);
	scp_session_page_free(p);
	return rc;
}

BODY(session_changes)
{
	bool changed;
	scp_status rc = scp__store_session_set_status(
	    tx, "sess_1", SCP__BIT(SCP_SESSION_CREATING), SCP_SESSION_RUNNING, &why, 500, &changed, err);

	(void)arg;
	if (!rc)
		rc = scp__store_session_place(tx, "sess_1", "n9", "oci", 500, &(bool){ false }, err);
	if (!rc)
		rc = scp__store_session_set_container(tx, "sess_1", NULL, "c", 500, &changed, err);
	if (!rc)
		rc = scp__store_session_touch(tx, "sess_1", 500, 600, err);
	return rc ? rc : scp__store_session_count_execution(tx, "sess_1", err);
}

BODY(session_questions)
{
	scp__ids ids = { 0 };
	uint64_t active;
	scp_status rc = scp__store_session_count(tx, &active, err);

	(void)arg;
	if (!rc)
		rc = scp__store_session_expired(tx, 1000, 10, &ids, err);
	if (!rc)
		rc = scp__store_session_idle(tx, 1000, 10, &ids, err);
	if (!rc)
		rc = scp__store_session_in(tx, 0xff, NULL, NULL, 10, &ids, err);
	if (!rc)
		rc = scp__store_session_in(tx, 0xff, "n1", "", 10, &ids, err);
	scp__ids_free(&ids);
	return rc;
}

BODY(execution_insert)
{
	static char large[4000];
	scp__execution e = plain_execution("e_new", "sess_1");

	(void)arg;
	memset(large, 'c', sizeof(large) - 1);
	e.pub.code = large;
	e.pub.code_len = sizeof(large) - 1;
	e.env = env;
	e.env_count = 2;
	return scp__store_execution_insert(tx, &e, err);
}

BODY(execution_get)
{
	scp__execution *e = NULL;
	scp_status rc = scp__store_execution_get(tx, "e_over", SCP__LOAD_CODE | SCP__LOAD_RESULT, &e, err);

	(void)arg;
	if (rc)
		ck_assert_ptr_null(e);
	else
		scp_execution_free(&e->pub);
	return rc;
}

BODY(execution_list)
{
	scp_execution_query q = { .session_id = "sess_1", .limit = 1 };
	scp_execution_page *p = NULL;
	scp_status rc = scp__store_execution_list(tx, &q, &p, err);

	(void)arg;
	if (rc)
		ck_assert_ptr_null(p);
	scp_execution_page_free(p);
	return rc;
}

BODY(execution_questions)
{
	scp__ids ids = { 0 }, over = { 0 };
	uint64_t pending, live;
	scp_status rc = scp__store_execution_counts(tx, "sess_1", &pending, &live, err);

	(void)arg;
	if (!rc)
		rc = scp__store_execution_live(tx, "sess_1", 0xff, 10, &ids, err);
	if (!rc)
		rc = scp__store_execution_due(tx, "n1", 1000, 10, &ids, err);
	if (!rc)
		rc = scp__store_execution_over(tx, &ids, &over, err);
	scp__ids_free(&over);
	scp__ids_free(&ids);
	return rc;
}

BODY(execution_drive)
{
	int64_t epoch;
	bool changed;
	scp_status rc = scp__store_execution_claim(tx, "e1", "me", 500, 900, &changed, &epoch, err);

	(void)arg;
	if (!rc)
		rc = scp__store_execution_sent(tx, "e1", 1, "c", &changed, err);
	if (!rc)
		rc = scp__store_execution_started(tx, "e1", 0, 1, 500, 900, &changed, err);
	if (!rc)
		rc = scp__store_execution_heartbeat(tx, "e1", 1, 500, err);
	if (!rc)
		rc = scp__store_execution_retry(tx, "e1", 0, 1, 500, 5, &changed, err);
	if (!rc)
		rc = scp__store_execution_renew(tx, "me", 950, err);
	if (!rc)
		rc = scp__store_execution_orphan(tx, "n1", "you", err);
	return rc ? rc : scp__store_execution_request_cancel(tx, "e1", err);
}

static const char digest[65] = "d";
static const scp_metrics metrics = { 1, 2, 3, 4, 5, "sampled" };
static const scp_artifact artifacts[] = { { "a", 1, "text/plain", "artifact", "", 1 },
	{ "b", 1, "x/y", "log", "", 1 } };

static scp_status finish_one(scp_db_tx *tx, const char *id, scp_error *err)
{
	scp__finish f = { .to = SCP_EXECUTION_FAILED,
		.error = "why",
		.exit_code = 1,
		.return_json = "1",
		.metrics = &metrics,
		.out = "o",
		.out_len = 1,
		.out_bytes = 1,
		.artifacts = artifacts,
		.artifact_count = 2,
		.now_us = 500 };
	bool changed;

	return scp__store_execution_finish(tx, id, 0xff, -1, -1, &f, &changed, err);
}

BODY(execution_finish)
{
	(void)arg;
	return finish_one(tx, "e1", err);
}

BODY(workspace_all)
{
	scp__workspace w = { .id = "ws_new", .session_id = "sess_1", .node = "n1" }, *got = NULL;
	scp__ids ids = { 0 };
	scp_status rc = scp__store_workspace_insert(tx, &w, err);

	(void)arg;
	if (!rc)
		rc = scp__store_workspace_end(tx, "ws_new", 5, err);
	if (!rc)
		rc = scp__store_workspace_due(tx, 10, 0, 10, &ids, err);
	if (!rc)
		rc = scp__store_workspace_kept(tx, "n1", "", 10, &ids, err);
	if (!rc)
		rc = scp__store_workspace_get(tx, "ws_new", &got, err);
	if (!rc)
		rc = scp__store_workspace_removed(tx, "ws_new", 5, err);
	scp__workspace_free(got);
	scp__ids_free(&ids);
	return rc;
}

BODY(container_all)
{
	scp__container c = plain_container("c_new"), *got = NULL;
	scp__ids ids = { 0 };
	bool changed;
	scp_status rc = scp__store_container_insert(tx, &c, err);

	(void)arg;
	if (!rc)
		rc = scp__store_container_set_status(
		    tx, "c_new", 0xff, SCP_CONTAINER_EXITED, 1, "error", 5, &changed, err);
	if (!rc)
		rc = scp__store_container_in(tx, "n1", 0xff, NULL, 10, &ids, err);
	if (!rc)
		rc = scp__store_container_get(tx, "c_new", &got, err);
	scp__container_free(got);
	scp__ids_free(&ids);
	return rc;
}

BODY(node_all)
{
	scp__node n = { .id = "n_new", .runtime_type = "oci", .url = "oci:", .status = "ready" }, *got = NULL;
	scp__ids ids = { 0 };
	scp_status rc = scp__store_node_put(tx, &n, err);

	(void)arg;
	if (!rc)
		rc = scp__store_node_heartbeat(tx, "n_new", 5, &(bool){ false }, err);
	if (!rc)
		rc = scp__store_node_ids(tx, &ids, err);
	if (!rc)
		rc = scp__store_node_get(tx, "n_new", &got, err);
	scp__node_free(got);
	scp__ids_free(&ids);
	return rc;
}

static scp_template full_template(const char *id)
{
	scp_template t = plain_template(id);

	t.languages = languages;
	t.language_count = 1;
	t.packages = words;
	t.package_count = 1;
	t.env = template_env;
	t.env_count = 2;
	return t;
}

BODY(template_seed)
{
	scp_template t = full_template("t_new");

	(void)arg;
	return scp__store_template_seed(tx, &t, err);
}

BODY(template_read)
{
	scp_template_query q = { .limit = 1 };
	scp_template_page *p = NULL;
	scp__template *t = NULL;
	scp_status rc = scp__store_template_get(tx, "t_full", &t, err);

	(void)arg;
	if (!rc)
		rc = scp__store_template_list(tx, &q, &p, err);
	if (t)
		scp_template_free(&t->pub);
	scp_template_page_free(p);
	return rc;
}

BODY(template_change)
{
	scp_template t = full_template("t_made_new");
	scp_status rc = scp__store_template_insert(tx, &t, err);

	(void)arg;
	if (!rc)
		rc = scp__store_template_usable(tx, t.id, err);
	if (!rc)
		rc = scp__store_template_update(tx, &t, err);
	return rc ? rc : scp__store_template_delete(tx, "t_full", false, 5, err);
}

BODY(template_hide)
{
	(void)arg;
	return scp__store_template_delete(tx, "t_full", true, 5, err);
}

BODY(idempotency_all)
{
	char existing[SCP__ID_SIZE];
	bool found;
	scp_status rc = scp__store_idempotency(tx, "r", "a", "k", digest, "x", 1, 2, &found, existing, err);

	(void)arg;
	if (!rc)
		rc = scp__store_idempotency(tx, "r", "a", "k", digest, "x", 3, 4, &found, existing, err);
	return rc ? rc : scp__store_idempotency_purge(tx, 3, 10, err);
}

BODY(meta_all)
{
	char value[8];
	bool found;
	scp_status rc = scp__store_meta_put(tx, "n_new", "v", err);

	(void)arg;
	return rc ? rc : scp__store_meta_get(tx, "n_new", value, sizeof(value), &found, err);
}

static const struct {
	const char *name;
	scp_db_fn *fn;
	scp_db_mode mode;
} functions[] = {
	{ "session_insert", session_insert, SCP_DB_WRITE },
	{ "session_get", session_get, SCP_DB_READ },
	{ "session_list", session_list, SCP_DB_READ },
	{ "session_changes", session_changes, SCP_DB_WRITE },
	{ "session_questions", session_questions, SCP_DB_READ },
	{ "execution_insert", execution_insert, SCP_DB_WRITE },
	{ "execution_get", execution_get, SCP_DB_READ },
	{ "execution_list", execution_list, SCP_DB_READ },
	{ "execution_questions", execution_questions, SCP_DB_READ },
	{ "execution_drive", execution_drive, SCP_DB_WRITE },
	{ "execution_finish", execution_finish, SCP_DB_WRITE },
	{ "workspace_all", workspace_all, SCP_DB_WRITE },
	{ "container_all", container_all, SCP_DB_WRITE },
	{ "node_all", node_all, SCP_DB_WRITE },
	{ "template_seed", template_seed, SCP_DB_WRITE },
	{ "template_read", template_read, SCP_DB_READ },
	{ "template_change", template_change, SCP_DB_WRITE },
	{ "template_hide", template_hide, SCP_DB_WRITE },
	{ "idempotency_all", idempotency_all, SCP_DB_WRITE },
	{ "meta_all", meta_all, SCP_DB_WRITE },
};

#define FUNCTIONS ((int)(sizeof(functions) / sizeof(functions[0])))

BODY(seed_more)
{
	scp_template t = full_template("t_full");
	scp__session s = plain_session("sess_1");
	scp__execution e = plain_execution("e1", "sess_1"), over = plain_execution("e_over", "sess_1");
	scp_status rc = scp__store_template_seed(tx, &t, err);

	(void)arg;
	s.env = e.env = over.env = env;
	s.env_count = e.env_count = over.env_count = 2;
	s.pub.error = &why;
	s.pub.expires_us = 5;
	if (!rc)
		rc = scp__store_session_insert(tx, &s, err);
	if (!rc)
		rc = scp__store_execution_insert(tx, &e, err);
	if (!rc)
		rc = scp__store_execution_insert(tx, &over, err);
	return rc ? rc : finish_one(tx, "e_over", err);
}

/* Everything in the tables that the functions write, as one number. */
static int64_t fingerprint(void)
{
	return raw_number(
	    "SELECT (SELECT count(*) + sum(status * 7 + updated_us + execution_count) FROM session) * 31 + "
	    "(SELECT count(*) + sum(status * 7 + epoch + attempt + cancel_requested + last_heartbeat_us) FROM "
	    "execution) "
	    "* 37 + (SELECT count(*) FROM execution_input) * 41 + (SELECT count(*) FROM output) * 43 + "
	    "(SELECT count(*) FROM artifact) * 47 + (SELECT count(*) FROM workspace) * 53 + "
	    "(SELECT count(*) FROM container) * 59 + (SELECT count(*) FROM node) * 61 + "
	    "(SELECT count(*) + sum(deleted_us + length(name) * 3) FROM template) * 67 + (SELECT count(*) FROM "
	    "idempotency) * 71 + (SELECT count(*) FROM "
	    "meta)");
}

/* After each failure nothing may have changed; the first run without one ends the loop. */
static void fail_each(int which, int *fail_at, scp_status expected)
{
	faulty *f = faulty_new();
	int64_t before = fingerprint();
	int failures = 0;

	for (int n = 0;; n++) {
		scp_error err = { 0 };
		scp_status rc;
		bool struck;

		*fail_at = n;
		rc = f->ops.transact(&f->base, functions[which].mode, functions[which].fn, NULL, &err);
		struck = *fail_at < 0;
		*fail_at = -1; /* Check allocates too */
		if (!struck) {
			ck_assert_msg(!rc, "%s: %s", functions[which].name, err.message);
			break;
		}
		ck_assert_msg(
		    rc == expected, "%s at %d: %s %s", functions[which].name, n, scp_status_name(rc), err.message);
		ck_assert_int_eq(err.status, rc);
		ck_assert_str_ne(err.message, "");
		ck_assert_msg(fingerprint() == before, "%s at %d left something", functions[which].name, n);
		failures++;
	}
	if (functions[which].mode == SCP_DB_WRITE)
		ck_assert_int_ne(fingerprint(), before);
	if (expected == SCP_EBACKEND)
		ck_assert_int_gt(failures, 1);
}

START_TEST(a_failing_database_leaves_nothing_and_says_so)
{
	faulty_new();
	WRITE(seed_more, NULL);
	fail_each(_i, &present->fail_at, SCP_EBACKEND);
}
END_TEST

START_TEST(a_failing_allocation_leaves_nothing_and_says_so)
{
	WRITE(seed_more, NULL);
	fail_each(_i, &alloc_fail_at, SCP_ENOMEM);
}
END_TEST

Suite *fault_suite(void)
{
	Suite *s = suite_create("faults");
	TCase *c = tcase_create("faults");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, fixture_open, fixture_close);
	tcase_add_loop_test(c, a_failing_database_leaves_nothing_and_says_so, 0, FUNCTIONS);
	tcase_add_loop_test(c, a_failing_allocation_leaves_nothing_and_says_so, 0, FUNCTIONS);
	suite_add_tcase(s, c);
	return s;
}
