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

void fixture_open(void)
{
	char url[128];
	scp_error err = { 0 };

	strcpy(folder, "/tmp/scp-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(db_path, sizeof(db_path), "%s/state.db", folder);
	snprintf(url, sizeof(url), "sqlite:%s", db_path);
	ck_assert_msg(!scp__database_open(&db, url, &err), "%s", err.message);
	ck_assert_msg(!scp__store_migrate(db, &err), "%s", err.message);
	WRITE(seed, NULL);
}

void fixture_close(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	scp__database_close(db);
	db = NULL;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
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

static sqlite3 *open_raw(void)
{
	sqlite3 *raw;

	ck_assert_int_eq(sqlite3_open(db_path, &raw), SQLITE_OK);
	return raw;
}

void raw_sql(const char *sql)
{
	sqlite3 *raw = open_raw();
	char *message = NULL;

	ck_assert_msg(sqlite3_exec(raw, sql, NULL, NULL, &message) == SQLITE_OK, "%s", message);
	sqlite3_close(raw);
}

int64_t raw_number(const char *sql)
{
	sqlite3 *raw = open_raw();
	sqlite3_stmt *stmt;
	int64_t result;

	ck_assert_msg(sqlite3_prepare_v2(raw, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(raw));
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	result = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
	return result;
}

int main(void)
{
	SRunner *runner = srunner_create(session_suite());
	int failed;

	srunner_add_suite(runner, execution_suite());
	srunner_add_suite(runner, rows_suite());
	srunner_add_suite(runner, schema_suite());
	srunner_add_suite(runner, template_suite());
	srunner_add_suite(runner, history_suite());
	srunner_add_suite(runner, fault_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
