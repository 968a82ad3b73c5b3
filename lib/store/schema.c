#include "sql.h"

#include "buf.h"
#include "clock.h"
#include "err.h"

/*
 * Column types are a dialect's: $K a short key compared byte by byte, $P a path likewise, $T text, $J JSON, $B bytes,
 * $I a 64-bit integer, $R a real number; $S ends a table. Each statement may be repeated: where DDL commits by itself,
 * a step that was cut short is simply done again. Migrations only add. Times are microseconds since 1970, 0 where there
 * is none.
 *
 * Events and return values are JSON in plain text: a database's own check may know less depth than is allowed.
 *
 * Columns that stay small and change stand first; what is large stands last, where reading the others skips it.
 */
static const char *const version_1[] = {
	"CREATE TABLE IF NOT EXISTS template ("
	"id $K NOT NULL PRIMARY KEY, name $K NOT NULL UNIQUE, image $T NOT NULL, base_image $T,"
	"cpu_millis $I NOT NULL, memory_bytes $I NOT NULL, disk_bytes $I NOT NULL, max_processes $I NOT NULL,"
	"default_timeout_s $I NOT NULL, network_enabled $I NOT NULL, read_only_root $I NOT NULL,"
	"run_as_user $I NOT NULL, deprecated $I NOT NULL, seed_digest $K NOT NULL," /* '': not a seed, or changed since
										     */
	"created_us $I NOT NULL, updated_us $I NOT NULL, deleted_us $I NOT NULL,"   /* hidden, for the sessions' sake */
	"description $T, languages $T, packages $J, env_vars $J)$S",
	"CREATE INDEX IF NOT EXISTS template_newest ON template (deleted_us, created_us, id)",

	"CREATE TABLE IF NOT EXISTS session ("
	"id $K NOT NULL PRIMARY KEY, template_id $K NOT NULL, status $I NOT NULL, mode $I NOT NULL,"
	"runtime_type $K, node $K, container_id $K, pod_name $K, workspace_path $K NOT NULL, workspace_id $K,"
	"image $T, cpu_millis $I NOT NULL, memory_bytes $I NOT NULL, disk_bytes $I NOT NULL, max_processes $I NOT NULL,"
	"timeout_s $I NOT NULL, agent_id $K, network_enabled $I NOT NULL, read_only_root $I NOT NULL,"
	"request_id $K, actor $K, execution_count $I NOT NULL, created_us $I NOT NULL, started_us $I NOT NULL,"
	"updated_us $I NOT NULL, last_activity_us $I NOT NULL, expires_us $I NOT NULL, terminated_us $I NOT NULL,"
	"error $J, env_vars $J, FOREIGN KEY (template_id) REFERENCES template (id) ON DELETE RESTRICT)$S",
	"CREATE INDEX IF NOT EXISTS session_newest ON session (created_us, id)",
	"CREATE INDEX IF NOT EXISTS session_status_newest ON session (status, created_us, id)",
	"CREATE INDEX IF NOT EXISTS session_template_newest ON session (template_id, created_us, id)",
	"CREATE INDEX IF NOT EXISTS session_agent_newest ON session (agent_id, created_us, id)",
	"CREATE INDEX IF NOT EXISTS session_expiry ON session (status, expires_us, id)",

	"CREATE TABLE IF NOT EXISTS workspace ("
	"id $K NOT NULL PRIMARY KEY, session_id $K, node $K, disk_bytes $I NOT NULL,"
	"created_us $I NOT NULL, ended_us $I NOT NULL, removed_us $I NOT NULL)$S",
	"CREATE INDEX IF NOT EXISTS workspace_due ON workspace (removed_us, ended_us, id)",

	"CREATE TABLE IF NOT EXISTS execution ("
	"id $K NOT NULL PRIMARY KEY, session_id $K NOT NULL, status $I NOT NULL, language $I NOT NULL,"
	"timeout_s $I NOT NULL, attempt $I NOT NULL, max_retries $I NOT NULL, not_before_us $I NOT NULL,"
	"deadline_us $I NOT NULL, seq $I NOT NULL, owner $K NOT NULL, epoch $I NOT NULL, lease_until_us $I NOT NULL,"
	"container_id $K, cancel_requested $I NOT NULL, request_id $K, actor $K, created_us $I NOT NULL,"
	"started_us $I NOT NULL, completed_us $I NOT NULL, last_heartbeat_us $I NOT NULL, exit_code $I NOT NULL,"
	"signal_number $I NOT NULL, input_apart $I NOT NULL, has_output $I NOT NULL, artifact_count $I NOT NULL,"
	"metrics $J, error $T, env_vars $J, code $T, event $T, stdin $B, return_value $T,"
	"FOREIGN KEY (session_id) REFERENCES session (id) ON DELETE CASCADE)$S",
	"CREATE INDEX IF NOT EXISTS execution_newest ON execution (created_us, id)",
	"CREATE INDEX IF NOT EXISTS execution_status_newest ON execution (status, created_us, id)",
	"CREATE INDEX IF NOT EXISTS execution_session_newest ON execution (session_id, created_us, id)",
	"CREATE INDEX IF NOT EXISTS execution_session_status ON execution (session_id, status, created_us, id)",

	/* Where code, event and stdin are large: each UPDATE of the execution would write them anew. */
	"CREATE TABLE IF NOT EXISTS execution_input ("
	"execution_id $K NOT NULL PRIMARY KEY, code $T, event $T, stdin $B,"
	"FOREIGN KEY (execution_id) REFERENCES execution (id) ON DELETE CASCADE)$S",

	"CREATE TABLE IF NOT EXISTS output ("
	"execution_id $K NOT NULL PRIMARY KEY, out_len $I NOT NULL, out_bytes $I NOT NULL, err_len $I NOT NULL,"
	"err_bytes $I NOT NULL, stdout_key $T, stderr_key $T, order_index $B, out_data $B, err_data $B,"
	"FOREIGN KEY (execution_id) REFERENCES execution (id) ON DELETE CASCADE)$S",

	"CREATE TABLE IF NOT EXISTS artifact ("
	"execution_id $K NOT NULL, number $I NOT NULL, path $T NOT NULL, size_bytes $I NOT NULL, mime_type $K,"
	"type $K, sha256 $K, created_us $I NOT NULL, PRIMARY KEY (execution_id, number),"
	"FOREIGN KEY (execution_id) REFERENCES execution (id) ON DELETE CASCADE)$S",

	"CREATE TABLE IF NOT EXISTS container ("
	"id $K NOT NULL PRIMARY KEY, node $K NOT NULL, runtime_type $K NOT NULL, status $I NOT NULL, session_id $K,"
	"workspace_id $K, image $T, cpu_millis $I NOT NULL, memory_bytes $I NOT NULL, disk_bytes $I NOT NULL,"
	"max_processes $I NOT NULL, created_us $I NOT NULL, started_us $I NOT NULL, exited_us $I NOT NULL,"
	"exit_code $I NOT NULL, exit_reason $K, labels $J)$S",
	/* The last two let a node's load be added up without looking at the rows. */
	"CREATE INDEX IF NOT EXISTS container_node ON container (node, status, id, cpu_millis, memory_bytes)",

	"CREATE TABLE IF NOT EXISTS node ("
	"id $K NOT NULL PRIMARY KEY, runtime_type $K NOT NULL, url $T, status $K NOT NULL, cpu_millis $I NOT NULL,"
	"memory_bytes $I NOT NULL, containers $I NOT NULL, heartbeat_us $I NOT NULL)$S",

	"CREATE TABLE IF NOT EXISTS idempotency ("
	"route $K NOT NULL, actor $K NOT NULL, idem_key $K NOT NULL, digest $K NOT NULL, resource_id $K NOT NULL,"
	"created_us $I NOT NULL, expires_us $I NOT NULL, PRIMARY KEY (route, actor, idem_key))$S",
	"CREATE INDEX IF NOT EXISTS idempotency_expiry ON idempotency (expires_us)",

	"CREATE TABLE IF NOT EXISTS meta (name $K NOT NULL PRIMARY KEY, value $T NOT NULL)$S",
	NULL,
};

/*
 * A statement behind "?" is a look: where it can be made, the next statement was done already and is left out. (ADD
 * COLUMN IF NOT EXISTS isn't everywhere.)
 */
static const char *const version_2[] = {
	"?SELECT languages FROM session LIMIT 1", /* NULL: the template's */
	"ALTER TABLE session ADD COLUMN languages $K",
	"?SELECT seccomp FROM template LIMIT 1",
	"ALTER TABLE template ADD COLUMN seccomp $K NOT NULL DEFAULT 'default'",
	"?SELECT process_limit FROM template LIMIT 1",
	"ALTER TABLE template ADD COLUMN process_limit $I NOT NULL DEFAULT 1024",
	"?SELECT warm_min FROM template LIMIT 1",
	"ALTER TABLE template ADD COLUMN warm_min $I NOT NULL DEFAULT 0",
	"?SELECT warm_max FROM template LIMIT 1",
	"ALTER TABLE template ADD COLUMN warm_max $I NOT NULL DEFAULT 0",
	"?SELECT warm_idle_s FROM template LIMIT 1",
	"ALTER TABLE template ADD COLUMN warm_idle_s $I NOT NULL DEFAULT 0",
	"CREATE INDEX IF NOT EXISTS container_newest ON container (created_us, id)",
	"CREATE INDEX IF NOT EXISTS container_status_newest ON container (status, created_us, id)",
	"CREATE INDEX IF NOT EXISTS container_runtime_newest ON container (runtime_type, created_us, id)",
	"CREATE INDEX IF NOT EXISTS container_session_newest ON container (session_id, created_us, id)",
	"CREATE INDEX IF NOT EXISTS node_status ON node (status, id)",
	NULL,
};

/* Workspaces whose files lie in a storage that isn't a folder: what of them is there, and where else they are. */
static const char *const version_3[] = {
	"?SELECT node_ready FROM workspace LIMIT 1",
	"ALTER TABLE workspace ADD COLUMN node_ready $I NOT NULL DEFAULT 0",
	"?SELECT dirty_us FROM workspace LIMIT 1",
	"ALTER TABLE workspace ADD COLUMN dirty_us $I NOT NULL DEFAULT 0",
	"CREATE INDEX IF NOT EXISTS workspace_node ON workspace (node, removed_us, id)",
	"CREATE INDEX IF NOT EXISTS workspace_dirty ON workspace (dirty_us)",
	"?SELECT sync_pending FROM execution LIMIT 1",
	"ALTER TABLE execution ADD COLUMN sync_pending $I NOT NULL DEFAULT 0",
	"CREATE TABLE IF NOT EXISTS workspace_file ("
	"workspace_id $K NOT NULL, path $P NOT NULL, kind $I NOT NULL, mode $I NOT NULL, size_bytes $I NOT NULL,"
	"mtime_us $I NOT NULL, ctime_us $I NOT NULL, sha256 $K NOT NULL, target $T,"
	"PRIMARY KEY (workspace_id, path))$S",
	NULL,
};

/* What several processes on one database must know of each other's nodes. */
static const char *const version_4[] = {
	"?SELECT advertise_url FROM node LIMIT 1", /* under which others reach the process whose node it is */
	"ALTER TABLE node ADD COLUMN advertise_url $T",
	"?SELECT lost_after_us FROM node LIMIT 1", /* what silence it is lost after; 0: an older release's, a minute */
	"ALTER TABLE node ADD COLUMN lost_after_us $I NOT NULL DEFAULT 0",
	"?SELECT lost_us FROM node LIMIT 1", /* since when it is lost; 0: it isn't */
	"ALTER TABLE node ADD COLUMN lost_us $I NOT NULL DEFAULT 0",
	"CREATE INDEX IF NOT EXISTS node_lost ON node (lost_us, id)",
	"CREATE INDEX IF NOT EXISTS session_node ON session (node, status, id)",
	NULL,
};

/* Row n brings version n + 1. min_compatible: the oldest release's schema that can still work with it. */
static const struct migration {
	int64_t min_compatible;
	const char *const *statements;
} migrations[] = {
	{ 1, version_1 },
	{ 1, version_2 },
	{ 1, version_3 },
	{ 1, version_4 },
};

#define VERSION ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))
#define LOCK_TRIES 6 /* of 10 s */

static const char version_table[] =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "version $I NOT NULL PRIMARY KEY, min_compatible $I NOT NULL, applied_us $I NOT NULL)$S";

enum { GET_VERSION, ADD_VERSION };
const char *const scp__store_schema_sql[] = {
	[GET_VERSION] = "SELECT version, min_compatible FROM schema_version ORDER BY version DESC LIMIT 1",
	[ADD_VERSION] = "INSERT INTO schema_version (version, min_compatible, applied_us) VALUES (?, ?, ?)",
	NULL,
};

typedef struct schema_state {
	int64_t version;
	int64_t min_compatible;
} schema_state;

static const char *type_of(const scp_db_traits *traits, char letter)
{
	switch (letter) {
	case 'K':
		return traits->text_key;
	case 'P':
		return traits->text_path;
	case 'T':
		return traits->text;
	case 'J':
		return traits->json;
	case 'B':
		return traits->blob;
	case 'I':
		return traits->integer;
	case 'R':
		return traits->real;
	default:
		return traits->table_suffix;
	}
}

static scp_status exec_ddl(scp_db_tx *tx, const char *statement, scp_error *err)
{
	const scp_database_ops *ops = tx->db->ops;
	scp_status rc = SCP_OK;
	scp__buf sql;

	scp__buf_init(&sql, 16 * 1024);
	while (*statement) {
		size_t plain = strcspn(statement, "$");

		scp__buf_append(&sql, statement, plain);
		statement += plain;
		if (!*statement)
			break;
		scp__buf_puts(&sql, type_of(ops->traits, statement[1]));
		statement += 2;
	}
	rc = sql.status ? scp__nomem(err) : ops->exec(tx, sql.data, err);
	scp__buf_free(&sql);
	return rc;
}

static scp_status read_version(scp_db_tx *tx, void *arg, scp_error *err)
{
	schema_state *state = arg;
	scp__rows rows;

	*state = (schema_state){ 0 };
	scp__rows_open(&rows, tx, scp__store_schema_sql[GET_VERSION], NO_ARGS, NULL, err);
	if (scp__rows_next(&rows)) {
		state->version = scp__row_int(&rows);
		state->min_compatible = scp__row_int(&rows);
	}
	return scp__rows_close(&rows);
}

static scp_status run_statements(scp_db_tx *tx, const char *const *at, scp_error *err)
{
	scp_status rc = SCP_OK;

	for (; !rc && *at; at++) {
		if (**at != '?')
			rc = exec_ddl(tx, *at, err);
		else if (!scp__sql_run(tx, *at + 1, NO_ARGS, NULL, NULL))
			at++;
	}
	return rc;
}

/* One step, if nobody else took it meanwhile: the version is read where nobody else can raise it. */
static scp_status take_step_alone(scp_db_tx *tx, schema_state *state, scp_error *err)
{
	const struct migration *m;
	scp_status rc = exec_ddl(tx, version_table, err);

	if (!rc)
		rc = read_version(tx, state, err);
	if (rc || state->version >= VERSION)
		return rc;
	m = &migrations[state->version];
	rc = run_statements(tx, m->statements, err);
	if (!rc)
		rc = scp__sql_run(tx, scp__store_schema_sql[ADD_VERSION],
		    ARGS(I(state->version + 1), I(m->min_compatible), I(scp__now_us())), NULL, err);
	if (rc)
		return scp__sql_twin(rc, err);
	*state = (schema_state){ state->version + 1, m->min_compatible };
	return SCP_OK;
}

/* A transaction is enough where schema changes are part of it. Else there is a lock by name, which ends with its
 * connection if this process dies. */
static scp_status lock_schema(scp_db_tx *tx, scp_error *err)
{
	uint64_t locked = 0;
	scp_status rc = SCP_OK;

	for (int i = 0; !rc && !locked && i < LOCK_TRIES; i++)
		rc = scp__sql_number(tx, tx->db->ops->traits->schema_lock, NO_ARGS, &locked, err);
	if (rc || locked)
		return rc;
	scp__fail(err, SCP_EUNAVAIL, "database: another process has been changing its schema for a minute");
	scp__hint(err, "Wait for it, or end it: SHOW PROCESSLIST tells which it is");
	scp__retry_after(err, 10000);
	return SCP_EUNAVAIL;
}

static scp_status take_step(scp_db_tx *tx, void *arg, scp_error *err)
{
	const scp_db_traits *traits = tx->db->ops->traits;
	uint64_t unlocked;
	scp_status rc;

	if (!traits->schema_lock[0])
		return take_step_alone(tx, arg, err);
	rc = lock_schema(tx, err);
	if (rc)
		return rc;
	rc = take_step_alone(tx, arg, err);
	(void)scp__sql_number(tx, traits->schema_unlock, NO_ARGS, &unlocked, NULL);
	return rc;
}

static scp_status refuse_newer(const schema_state *state, scp_error *err)
{
	if (state->min_compatible <= VERSION)
		return SCP_OK;
	scp__fail(err, SCP_ESTATE,
	    "database: its schema is version %lld and needs a release that knows version %lld; this one knows %lld",
	    (long long)state->version, (long long)state->min_compatible, (long long)VERSION);
	scp__hint(err, "Run the newer release, or give this one a database of its own");
	return SCP_ESTATE;
}

scp_status scp__store_migrate(scp_database *db, scp_error *err)
{
	schema_state state;
	scp_status rc = db->ops->transact(db, SCP_DB_READ, read_version, &state, NULL);

	/* An empty database has no version to read: then, and after any other trouble, the writer says what it is. */
	if (rc)
		state.version = 0;
	rc = SCP_OK;
	while (!rc && state.version < VERSION)
		rc = db->ops->transact(db, SCP_DB_WRITE, take_step, &state, err);
	return rc ? rc : refuse_newer(&state, err);
}

scp_status scp__store_require(scp_database *db, scp_error *err)
{
	schema_state state = { 0 };
	scp_error cause = { 0 };
	scp_status rc = db->ops->transact(db, SCP_DB_READ, read_version, &state, &cause);

	if (rc && rc != SCP_EBACKEND) {
		scp__error_copy(err, &cause);
		return rc;
	}
	if (rc || state.version < VERSION) {
		scp__fail(err, SCP_ESTATE, "database: its schema is version %lld, this release needs %lld%s%s",
		    (long long)state.version, (long long)VERSION, rc ? ": " : "", cause.message);
		scp__hint(err, "Run: sandboxd --migrate");
		return SCP_ESTATE;
	}
	return refuse_newer(&state, err);
}
