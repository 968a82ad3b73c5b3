/* What the store's files know of each other's rows. */
#ifndef SCP_STORE_ROWS_H
#define SCP_STORE_ROWS_H

#include "sql.h"

/* In the order in which scp__session_read() reads them. */
#define SESSION_COLUMNS                                                                                                \
	"id, template_id, status, mode, runtime_type, node, container_id, pod_name, workspace_path, workspace_id, "    \
	"image, cpu_millis, memory_bytes, disk_bytes, max_processes, timeout_s, agent_id, network_enabled, "           \
	"read_only_root, request_id, actor, execution_count, created_us, started_us, updated_us, last_activity_us, "   \
	"expires_us, terminated_us, languages, error, env_vars"
/** The row that the cursor stands on, in its arena; NULL with rows->rc set. */
scp__session *scp__session_read(scp__rows *rows);

#define EXECUTION_COLUMNS                                                                                              \
	"id, session_id, status, language, timeout_s, attempt, max_retries, not_before_us, deadline_us, seq, owner, "  \
	"epoch, lease_until_us, container_id, cancel_requested, request_id, actor, created_us, started_us, "           \
	"completed_us, last_heartbeat_us, exit_code, signal_number, input_apart, has_output, artifact_count, "         \
	"sync_pending, metrics, error, env_vars"
/** What else there is to read of an execution, and where it stands. */
typedef struct scp__execution_apart {
	bool input;
	bool output;
	uint32_t artifacts;
} scp__execution_apart;
scp__execution *scp__execution_read(scp__rows *rows, scp__execution_apart *apart);

/* ---- execution_output.c ---- */

/** Insert what a finish brings beside the execution's row. */
scp_status scp__output_insert(scp_db_tx *tx, const char *id, const scp__finish *f, scp_error *err);
/** Insert the artifacts of a finish, beside those that were told before. */
scp_status scp__artifacts_insert(
    scp_db_tx *tx, const char *id, const scp_artifact *artifacts, size_t count, scp_error *err);
/** Does it bring any output? */
bool scp__output_any(const scp__finish *f);
/** Fill in output, return value and artifacts. */
scp_status scp__output_load(scp_db_tx *tx, scp__execution *e, const scp__execution_apart *apart, scp_error *err);

#endif
