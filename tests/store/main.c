#include "help.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

scp_database *db;
char db_path[96];
static char folder[64];

static scp_status seed(scp_db_tx *tx, void *arg, scp_error *err)
{
	scp_template t = plain_template("tmpl");

	(void)arg;
	return scp__store_template_seed(tx, &t, err);
}

bool on_mariadb(void)
{
	return getenv("SCP_TEST_MARIADB");
}

scp_status open_named(scp_database **out, const char *name, scp_error *err)
{
	scp__database_access access = { getenv("SCP_TEST_MARIADB_PASSWORD"), true };
	char url[160];

	if (on_mariadb())
		snprintf(url, sizeof(url), "%s/scp_store_%s", getenv("SCP_TEST_MARIADB"), name);
	else
		snprintf(url, sizeof(url), "sqlite:%s/%s.db", folder, name);
	return scp__database_open_as(out, url, &access, err);
}

/* ---- another hand ---- */

static sqlite3 *open_raw(void)
{
	sqlite3 *raw;

	ck_assert_int_eq(sqlite3_open(db_path, &raw), SQLITE_OK);
	return raw;
}

BODY(exec_text)
{
	return tx->db->ops->exec(tx, arg, err);
}

/* One statement a transaction: a schema change among them ends it anyway. */
static void raw_mariadb(const char *sql)
{
	char *copy = strdup(sql), *rest = copy, *one;
	scp_error err = { 0 };

	while ((one = strsep(&rest, ";")))
		ck_assert_msg(
		    !scp__database_transact(db, SCP_DB_WRITE, exec_text, one, &err), "%s: %s", one, err.message);
	free(copy);
}

void raw_sql(const char *sql)
{
	char *message = NULL;
	sqlite3 *raw;

	if (on_mariadb()) {
		raw_mariadb(sql);
		return;
	}
	raw = open_raw();
	ck_assert_msg(sqlite3_exec(raw, "PRAGMA foreign_keys=ON", NULL, NULL, NULL) == SQLITE_OK, "foreign keys");
	ck_assert_msg(sqlite3_exec(raw, sql, NULL, NULL, &message) == SQLITE_OK, "%s", message);
	sqlite3_close(raw);
}

typedef struct question {
	const char *sql;
	int64_t answer;
} question;

BODY(ask)
{
	question *q = arg;
	scp_db_value value = { 0 };
	scp_db_stmt *stmt;
	scp_status rc = tx->db->ops->prepare(tx, q->sql, &stmt, err);
	bool row;

	if (rc)
		return rc;
	rc = tx->db->ops->step(stmt, &row, err);
	if (!rc && row)
		tx->db->ops->column(stmt, 0, &value);
	q->answer = value.integer;
	tx->db->ops->release(stmt);
	return rc;
}

int64_t raw_number(const char *sql)
{
	question q = { sql, 0 };
	scp_error err = { 0 };

	ck_assert_msg(!scp__database_transact(db, SCP_DB_READ, ask, &q, &err), "%s: %s", sql, err.message);
	return q.answer;
}

/* ---- the database of a test ---- */

static void make_folder(void)
{
	strcpy(folder, "/tmp/scp-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(db_path, sizeof(db_path), "%s/state.db", folder);
}

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* A server's database is brought up once, and emptied for each test. */
static void empty_tables(void)
{
	static const char *const tables[] = { "artifact", "output", "execution_input", "execution", "session",
		"template", "workspace", "container", "node", "idempotency", "meta" };
	char sql[64];

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(sql, sizeof(sql), "DELETE FROM %s", tables[i]);
		raw_sql(sql);
	}
}

static void open_migrated(void)
{
	scp_error err = { 0 };

	ck_assert_msg(!open_named(&db, "state", &err), "%s", err.message);
	ck_assert_msg(!scp__store_migrate(db, &err), "%s", err.message);
}

void fixture_open(void)
{
	make_folder();
	open_migrated();
	if (on_mariadb())
		empty_tables();
	WRITE(seed, NULL);
}

void fixture_close(void)
{
	scp__database_close(db);
	db = NULL;
	remove_folder();
}

void drop_named(const char *name)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS scp_store_%s", name);
	if (on_mariadb())
		raw_sql(sql);
}

/* For tests that change the schema: what they did is nobody's afterwards. */
void fixture_open_fresh(void)
{
	make_folder();
	open_migrated();
	drop_named("state");
	scp__database_close(db);
	open_migrated();
	WRITE(seed, NULL);
}

void fixture_close_fresh(void)
{
	if (!db)
		ck_assert_int_eq(open_named(&db, "state", NULL), SCP_OK);
	drop_named("state");
	fixture_close();
}

static const scp_resources resources = { sizeof(resources), 1000, 512ull << 20, 1ull << 30, 64 };

scp_template plain_template(const char *id)
{
	return (scp_template){ .id = id,
		.name = id,
		.image = "host:",
		.default_resources = &resources,
		.default_timeout_s = 300,
		.run_as_user = 1000,
		.created_us = 10,
		.updated_us = 10 };
}

scp__session plain_session(const char *id)
{
	return (scp__session){ .pub = { .id = id,
				   .template_id = "tmpl",
				   .status = SCP_SESSION_CREATING,
				   .mode = SCP_PERSISTENT,
				   .workspace_path = "/workspace",
				   .resources = &resources,
				   .created_us = 100,
				   .updated_us = 100,
				   .last_activity_us = 100 },
		.image = "host:" };
}

scp__execution plain_execution(const char *id, const char *session_id)
{
	return (scp__execution){ .pub = { .id = id,
				     .session_id = session_id,
				     .status = SCP_EXECUTION_PENDING,
				     .language = SCP_PYTHON,
				     .timeout_s = 30,
				     .code = "pass",
				     .code_len = 4,
				     .event_json = "{}",
				     .max_retries = 3,
				     .created_us = 100 } };
}

scp__container plain_container(const char *id)
{
	return (scp__container){ .id = id,
		.node = "n1",
		.runtime_type = "oci",
		.status = SCP_CONTAINER_CREATING,
		.session_id = "sess_1",
		.image = "host:",
		.resources = &resources,
		.created_us = 5,
		.exit_code = -1 };
}

scp_status transact(scp_db_mode mode, scp_db_fn *fn, void *arg, scp_error *err)
{
	return scp__database_transact(db, mode, fn, arg, err);
}

scp_status insert_session(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_session_insert(tx, arg, err);
}

scp_status insert_execution(scp_db_tx *tx, void *arg, scp_error *err)
{
	return scp__store_execution_insert(tx, arg, err);
}

typedef struct wanted {
	const char *id;
	unsigned load;
	void *row;
} wanted;

static scp_status read_session(scp_db_tx *tx, void *arg, scp_error *err)
{
	wanted *w = arg;
	scp__session *s;
	scp_status rc = scp__store_session_get(tx, w->id, &s, err);

	w->row = s;
	return rc;
}

scp__session *get_session(const char *id)
{
	wanted w = { .id = id };

	(void)transact(SCP_DB_READ, read_session, &w, NULL);
	return w.row;
}

static scp_status read_execution(scp_db_tx *tx, void *arg, scp_error *err)
{
	wanted *w = arg;
	scp__execution *e;
	scp_status rc = scp__store_execution_get(tx, w->id, w->load, &e, err);

	w->row = e;
	return rc;
}

scp__execution *get_execution(const char *id, unsigned load)
{
	wanted w = { id, load, NULL };

	(void)transact(SCP_DB_READ, read_execution, &w, NULL);
	return w.row;
}

void seed_session(const char *id)
{
	scp__session s = plain_session(id);

	WRITE(insert_session, &s);
}

void seed_execution(const char *id, const char *session_id, int64_t created_us)
{
	scp__execution e = plain_execution(id, session_id);

	e.pub.created_us = created_us;
	WRITE(insert_execution, &e);
}

int main(void)
{
	SRunner *runner = srunner_create(session_suite());
	int failed;

	srunner_add_suite(runner, execution_suite());
	srunner_add_suite(runner, rows_suite());
	srunner_add_suite(runner, nodes_suite());
	srunner_add_suite(runner, schema_suite());
	srunner_add_suite(runner, template_suite());
	srunner_add_suite(runner, history_suite());
	srunner_add_suite(runner, fault_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
