/*
 * The store: every table, its SQL and its migrations, written once for every database driver. One file a table.
 *
 * Functions take a transaction (sys/database.h); the caller composes them into one unit of work. Rows that are read
 * live in an arena of their own: the public snapshot is the first member, so scp_session_free() and the like free it.
 */
#ifndef SCP_STORE_STORE_H
#define SCP_STORE_STORE_H

#include "arena.h"
#include "id.h"
#include <sandboxcp/container.h>
#include <sandboxcp/execution.h>
#include <sandboxcp/session.h>
#include <sandboxcp/sys/database.h>
#include <sandboxcp/sys/runtime.h>
#include <sandboxcp/template.h>

/* ---- schema.c ---- */

/** Bring the schema up, each version in a transaction of its own. SCP_ESTATE: the database's schema is newer and says
 *  that this release can't work with it (message names both versions). Repeatable; several processes may do it at once.
 */
scp_status scp__store_migrate(scp_database *db, scp_error *err);
/** Only look: SCP_ESTATE if a migration is missing or the schema is too new. */
scp_status scp__store_require(scp_database *db, scp_error *err);
/** Whether this user may write rows, or where there is no schema yet, make one. Changes nothing. (probe.c) */
scp_status scp__store_probe(scp_database *db, scp_error *err);

/** A list of ids that a query found. Zero it first; scp__ids_free(). */
typedef struct scp__ids {
	size_t count;
	size_t capacity;
	char (*ids)[SCP__ID_SIZE];
} scp__ids;
void scp__ids_free(scp__ids *ids);
void scp__ids_clear(scp__ids *ids); /* count 0, memory kept: for transaction bodies that run again */

#define SCP__BIT(status) (1u << (unsigned)(status))

/* ---- session.c ---- */

/** A session's row. To insert one, fill it (arena NULL); what was read is freed by scp_session_free(&s->pub). */
typedef struct scp__session {
	scp_session pub;     /* first. env holds masked values when read; not read when inserted */
	const scp_pair *env; /* as given */
	size_t env_count;
	const char *workspace_id;
	const char *image;
	bool read_only_root;
	const scp_language *languages; /* none: a row of a release that didn't keep them; the template's */
	size_t language_count;
	const char *request_id;
	const char *actor;
	uint32_t execution_count; /* how many were ever accepted: an ephemeral session takes one */
	scp__arena *arena;
} scp__session;

scp_status scp__store_session_insert(scp_db_tx *tx, const scp__session *s, scp_error *err);
/** SCP_ENOTFOUND (code SessionNotFound). */
scp_status scp__store_session_get(scp_db_tx *tx, const char *id, scp__session **out, scp_error *err);
/** Likewise, and nobody else changes it before the transaction ends: for a writer that decides by it. */
scp_status scp__store_session_hold(scp_db_tx *tx, const char *id, scp__session **out, scp_error *err);
scp_status scp__store_session_list(scp_db_tx *tx, const scp_session_query *q, scp_session_page **out, scp_error *err);
/** How many are creating or running. */
scp_status scp__store_session_count(scp_db_tx *tx, uint64_t *active, scp_error *err);
/**
 * The one way a status changes: UPDATE … WHERE id = ? AND status IN (from). Sets updated_us; started_us on running;
 * terminated_us on an end. `error` (may be NULL) is stored. *changed: this call won.
 */
scp_status scp__store_session_set_status(scp_db_tx *tx, const char *id, uint32_t from_bits, scp_session_status to,
    const scp_error *error, int64_t now_us, bool *changed, scp_error *err);
/** Record where it runs. *changed: it isn't over, and had no other node before. */
scp_status scp__store_session_place(scp_db_tx *tx, const char *id, const char *node, const char *runtime_type,
    int64_t now_us, bool *changed, scp_error *err);
/** It has no node and no container any more, if it isn't over and had that node. */
scp_status scp__store_session_move(
    scp_db_tx *tx, const char *id, const char *from_node, int64_t now_us, bool *changed, scp_error *err);
/** creating, without a container, and of that node or of none yet; oldest first. */
scp_status scp__store_session_unmade(scp_db_tx *tx, const char *node, uint32_t limit, scp__ids *out, scp_error *err);
/** Compare and set container_id; NULL is "none". *changed: `from` was right and the session isn't over. */
scp_status scp__store_session_set_container(
    scp_db_tx *tx, const char *id, const char *from, const char *to, int64_t now_us, bool *changed, scp_error *err);
/** Stamp activity (never backwards); expires_us 0 leaves it. */
scp_status scp__store_session_touch(scp_db_tx *tx, const char *id, int64_t now_us, int64_t expires_us, scp_error *err);
/** The same for one that isn't over; *live: it isn't. */
scp_status scp__store_session_touch_live(scp_db_tx *tx, const char *id, int64_t now_us, bool *live, scp_error *err);
/** execution_count + 1. */
scp_status scp__store_session_count_execution(scp_db_tx *tx, const char *id, scp_error *err);
/** creating or running, expires_us ≤ now_us; oldest first. */
scp_status scp__store_session_expired(scp_db_tx *tx, int64_t now_us, uint32_t limit, scp__ids *out, scp_error *err);
/** running and persistent, last_activity_us ≤ cutoff_us, without a pending or running execution. */
scp_status scp__store_session_idle(scp_db_tx *tx, int64_t cutoff_us, uint32_t limit, scp__ids *out, scp_error *err);
/** In one of the states; `node` NULL: not placed yet or anywhere; by id behind `after`. */
scp_status scp__store_session_in(scp_db_tx *tx, uint32_t status_bits, const char *node, const char *after,
    uint32_t limit, scp__ids *out, scp_error *err);

/** Which of `ids` have left "creating". For waiters whose session another process looks after. */
scp_status scp__store_session_left(scp_db_tx *tx, const scp__ids *ids, scp__ids *left, scp_error *err);

/* ---- execution.c (with output and artifacts) ---- */

/** An execution's row. As scp__session. */
typedef struct scp__execution {
	scp_execution pub; /* first */
	const scp_pair *env;
	size_t env_count;
	const void *stdin_data;
	size_t stdin_len;
	uint32_t attempt; /* = retry_count: 0 for the first */
	int64_t not_before_us;
	int64_t deadline_us; /* 0 until it started */
	uint64_t seq;	     /* the last event's number that is stored */
	const char *owner;   /* the process that drives it; "" none */
	int64_t epoch;	     /* grows with each claim */
	int64_t lease_until_us;
	const char *container_id; /* where this attempt was sent; NULL: nowhere yet */
	bool cancel_requested;
	const char *request_id;
	const char *actor;
	const void *index; /* order of the output: see scp__output_index; empty: stdout, then stderr */
	size_t index_len;
	const char *stdout_key; /* storage key where the output isn't in the row; NULL: it is */
	const char *stderr_key;
	scp__arena *arena;
} scp__execution;

scp_status scp__store_execution_insert(scp_db_tx *tx, const scp__execution *e, scp_error *err);
/** What scp__store_execution_get() reads besides the plain columns. */
enum {
	SCP__LOAD_CODE = 1,
	SCP__LOAD_RESULT = 2, /* output kept in the row, return, artifacts */
	SCP__LOAD_HELD = 4    /* as scp__store_session_hold() */
};
/** SCP_ENOTFOUND (code ExecutionNotFound). */
scp_status scp__store_execution_get(scp_db_tx *tx, const char *id, unsigned load, scp__execution **out, scp_error *err);
scp_status scp__store_execution_list(
    scp_db_tx *tx, const scp_execution_query *q, scp_execution_page **out, scp_error *err);
/** Pending executions of one session, and pending or running ones of all. */
scp_status scp__store_execution_counts(
    scp_db_tx *tx, const char *session_id, uint64_t *session_pending, uint64_t *all_live, scp_error *err);
/** Pending or running executions of a session, oldest first. */
scp_status scp__store_execution_live(
    scp_db_tx *tx, const char *session_id, uint32_t status_bits, uint32_t limit, scp__ids *out, scp_error *err);
/** Those whose last attempt was sent to that container of the session, newest first. */
scp_status scp__store_execution_of(
    scp_db_tx *tx, const char *session_id, const char *container_id, uint32_t limit, scp__ids *out, scp_error *err);
/** Pending ones that are due (not_before_us ≤ now), of sessions on `node` or not placed, and nobody's (owner "" or
 * lease over). */
scp_status scp__store_execution_due(
    scp_db_tx *tx, const char *node, int64_t now_us, uint32_t limit, scp__ids *out, scp_error *err);
/** Make it `owner`'s: epoch + 1. Only if pending or running, and (owner is "" or already this one, or its lease is
 * over). *epoch is the new one. */
scp_status scp__store_execution_claim(scp_db_tx *tx, const char *id, const char *owner, int64_t now_us,
    int64_t lease_until_us, bool *claimed, int64_t *epoch, scp_error *err);
/** Take over all live ones of a node from any owner but this: owner "", lease 0. For a process that knows that the old
 * one is dead. */
scp_status scp__store_execution_orphan(scp_db_tx *tx, const char *node, const char *not_owner, scp_error *err);
/** Push the lease of all of the owner's live ones. */
scp_status scp__store_execution_renew(scp_db_tx *tx, const char *owner, int64_t lease_until_us, scp_error *err);
/** Note where the attempt is sent. Conditional on epoch and pending. */
scp_status scp__store_execution_sent(
    scp_db_tx *tx, const char *id, int64_t epoch, const char *container_id, bool *changed, scp_error *err);
/** pending → running. Conditional on attempt and epoch. */
scp_status scp__store_execution_started(scp_db_tx *tx, const char *id, uint32_t attempt, int64_t epoch, int64_t now_us,
    int64_t deadline_us, bool *changed, scp_error *err);
/** last_heartbeat_us. */
scp_status scp__store_execution_heartbeat(scp_db_tx *tx, const char *id, int64_t epoch, int64_t now_us, scp_error *err);
/** running (or pending) → pending, attempt + 1, owner and lease kept, container none, seq stored. Conditional on
 * attempt and epoch. */
scp_status scp__store_execution_retry(scp_db_tx *tx, const char *id, uint32_t attempt, int64_t epoch,
    int64_t not_before_us, uint64_t seq, bool *changed, scp_error *err);
scp_status scp__store_execution_request_cancel(scp_db_tx *tx, const char *id, scp_error *err);
/** Running ones of this owner whose cancel was requested. */
scp_status scp__store_execution_to_cancel(
    scp_db_tx *tx, const char *owner, uint32_t limit, scp__ids *out, scp_error *err);

/** How an execution ends. Everything is borrowed. */
typedef struct scp__finish {
	scp_execution_status to; /* completed, failed, timeout, crashed, cancelled */
	const char *error;
	int exit_code; /* -1: none */
	int signal;
	const char *return_json;
	const scp_metrics *metrics;
	const void *out; /* NULL with a key: the bytes are in storage */
	size_t out_len;
	uint64_t out_bytes;
	const char *stdout_key;
	const void *err;
	size_t err_len;
	uint64_t err_bytes;
	const char *stderr_key;
	const void *index;
	size_t index_len;
	uint64_t seq;
	const scp_artifact *artifacts;
	size_t artifact_count;
	bool sync_pending; /* the workspace's files are still to be brought to the storage */
	int64_t now_us;
} scp__finish;

/** The one way an execution ends: UPDATE … WHERE id = ? AND status IN (from) AND (attempt = ? AND epoch = ?), with its
 *  output and artifacts. attempt and epoch −1: any (cancel of a pending one, expiry). *changed: this call won. */
scp_status scp__store_execution_finish(scp_db_tx *tx, const char *id, uint32_t from_bits, int64_t attempt,
    int64_t epoch, const scp__finish *f, bool *changed, scp_error *err);

/** Add artifacts to those that are stored, by path; its end keeps them. For an execution that isn't over. */
scp_status scp__store_artifacts_merge(
    scp_db_tx *tx, const char *id, const scp_artifact *artifacts, size_t count, scp_error *err);

/** Which of `ids` are over. For waiters whose execution another process drives. */
scp_status scp__store_execution_over(scp_db_tx *tx, const scp__ids *ids, scp__ids *over, scp_error *err);

/* ---- workspace.c ---- */

typedef struct scp__workspace {
	const char *id; /* ws_ + 16 */
	const char *session_id;
	const char *node; /* the home (of a state folder's processes) whose disk has its files; NULL: none has */
	bool node_ready;  /* and all of them: that disk is what counts, a storage only follows it */
	uint64_t disk_bytes;
	int64_t created_us;
	int64_t ended_us;   /* 0: in use */
	int64_t removed_us; /* 0: its files are there */
	int64_t dirty_us;   /* since when something is known that the storage lacks; 0: nothing is */
	scp__arena *arena;
} scp__workspace;
void scp__workspace_free(scp__workspace *w);
scp_status scp__store_workspace_insert(scp_db_tx *tx, const scp__workspace *w, scp_error *err);
scp_status scp__store_workspace_get(scp_db_tx *tx, const char *id, scp__workspace **out, scp_error *err);
scp_status scp__store_workspace_end(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err);
/** Those that ended by then and whose files are still there, but for the first `skip`. */
scp_status scp__store_workspace_due(
    scp_db_tx *tx, int64_t ended_before_us, uint64_t skip, uint32_t limit, scp__ids *out, scp_error *err);
/** A home's that are dirty or ended; by id, behind `after`. */
scp_status scp__store_workspace_owed(
    scp_db_tx *tx, const char *home, const char *after, uint32_t limit, scp__ids *out, scp_error *err);
/** Those of a node's sessions that ended at all and whose files are still there; by id, behind `after`. */
scp_status scp__store_workspace_kept(
    scp_db_tx *tx, const char *node, const char *after, uint32_t limit, scp__ids *out, scp_error *err);
scp_status scp__store_workspace_removed(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err);
/** Make it a home's, whosever it was, and not ready. *changed: it isn't removed. */
scp_status scp__store_workspace_claim(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err);
/** *changed: it is this home's, and ready now. */
scp_status scp__store_workspace_ready(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err);
/** It is no longer this home's. */
scp_status scp__store_workspace_leave(scp_db_tx *tx, const char *id, const char *home, bool *changed, scp_error *err);
/** Of a node that is lost, whose sessions are over: no home's any more. One that is still node_ready may have more on
 * its old home's disk than the storage has. */
scp_status scp__store_workspace_abandon(scp_db_tx *tx, const char *node, scp_error *err);
/** *is: it is no home's. Nobody takes it before the transaction ends. */
scp_status scp__store_workspace_unplaced(scp_db_tx *tx, const char *id, bool *is, scp_error *err);
/** *are: its files are this home's to change. Nobody takes it away before the transaction ends. */
scp_status scp__store_workspace_ours(scp_db_tx *tx, const char *id, const char *home, bool *are, scp_error *err);
/** The storage lacks something of a session's. */
scp_status scp__store_workspace_dirty(scp_db_tx *tx, const char *session_id, int64_t now_us, scp_error *err);
/** The storage has all that there was at a time: also what the session's results say of it. */
scp_status scp__store_workspace_clean(
    scp_db_tx *tx, const char *id, const char *session_id, int64_t since_us, scp_error *err);

/* ---- workspace_file.c: what of a workspace lies in the storage ---- */

typedef struct scp__workspace_file {
	const char *path; /* below the workspace */
	unsigned kind;	  /* SCP__FS_FILE, SCP__FS_DIRECTORY, SCP__FS_LINK */
	uint32_t mode;	  /* permissions */
	uint64_t size_bytes;
	int64_t mtime_us;
	int64_t ctime_us;   /* on the home's disk, when it was copied; 0: not to be relied on */
	const char *sha256; /* hex; "" but for files */
	const char *target; /* a link's; NULL */
} scp__workspace_file;

typedef struct scp__workspace_files {
	scp__workspace_file *items;
	size_t count;
	scp__arena *arena;
} scp__workspace_files;
void scp__workspace_files_free(scp__workspace_files *files);

/** Up to `limit`, by path, byte by byte, behind `after`. */
scp_status scp__store_workspace_files(scp_db_tx *tx, const char *workspace_id, const char *after, uint32_t limit,
    scp__workspace_files *out, scp_error *err);
/** The one (count 1) or none (0). */
scp_status scp__store_workspace_file(
    scp_db_tx *tx, const char *workspace_id, const char *path, scp__workspace_files *out, scp_error *err);
/** Insert or replace. */
scp_status scp__store_workspace_file_put(
    scp_db_tx *tx, const char *workspace_id, const scp__workspace_file *f, scp_error *err);
scp_status scp__store_workspace_file_remove(scp_db_tx *tx, const char *workspace_id, const char *path, scp_error *err);
scp_status scp__store_workspace_files_drop(scp_db_tx *tx, const char *workspace_id, scp_error *err);

/* ---- container.c ---- */

typedef struct scp__container {
	const char *id; /* scp- + 20 */
	const char *node;
	const char *runtime_type;
	scp_container_status status;
	const char *session_id; /* NULL: warm */
	const char *workspace_id;
	const char *image;
	const scp_resources *resources;
	const char *labels_json; /* "{}" */
	int64_t created_us;
	int64_t started_us;
	int64_t exited_us;
	int exit_code;		 /* -1: unknown */
	const char *exit_reason; /* NULL, normal, sigterm, sigkill, oom_killed, error */
	scp__arena *arena;
} scp__container;
void scp__container_free(scp__container *c);
scp_status scp__store_container_insert(scp_db_tx *tx, const scp__container *c, scp_error *err);
scp_status scp__store_container_get(
    scp_db_tx *tx, const char *id, scp__container **out, scp_error *err); /* code ContainerNotFound */
/** Conditional on the present status; running sets started_us, exited sets exited_us, exit_code and exit_reason;
 *  removed sets exited_us and, of one that ran, exit_reason where they aren't known. */
scp_status scp__store_container_set_status(scp_db_tx *tx, const char *id, uint32_t from_bits, scp_container_status to,
    int exit_code, const char *exit_reason, int64_t now_us, bool *changed, scp_error *err);
/** Ids of a node's containers in one of the states, behind `after`. */
scp_status scp__store_container_in(scp_db_tx *tx, const char *node, uint32_t status_bits, const char *after,
    uint32_t limit, scp__ids *out, scp_error *err);
/** Sessions that are over and have a container left on that node. */
scp_status scp__store_container_of_over(scp_db_tx *tx, const char *node, uint32_t limit, scp__ids *out, scp_error *err);

/* ---- container_list.c ---- */

/** A container as it is shown: its row and its session's. */
typedef struct scp__container_shown {
	scp_container pub; /* first */
	scp_usage usage;   /* for pub.usage to point at */
	scp__arena *arena;
} scp__container_shown;
/** Code ContainerNotFound. Freed by scp_container_free(). */
scp_status scp__store_container_show(scp_db_tx *tx, const char *id, scp__container_shown **out, scp_error *err);
scp_status scp__store_container_list(
    scp_db_tx *tx, const scp_container_query *q, scp_container_page **out, scp_error *err);

/* ---- node.c ---- */

typedef struct scp__node {
	const char *id;
	const char *runtime_type;
	const char *url;	   /* without secrets */
	const char *advertise_url; /* under which other processes reach the one whose node it is; NULL: they don't */
	const char *status;	   /* "ready", "draining" */
	uint64_t cpu_millis, memory_bytes;
	uint32_t containers;
	uint64_t allocated_cpu_millis, allocated_memory_bytes; /* of its containers that aren't over; read only */
	uint32_t allocated_containers;
	int64_t heartbeat_us;
	int64_t lost_after_us; /* what silence it is lost after */
	int64_t lost_us;       /* since when it is; 0: it isn't. Read only */
	scp__arena *arena;
} scp__node;
void scp__node_free(scp__node *n);
/** Insert it, or bring urls, capacity and heartbeat up to date; an operator's "draining" stays, and what is lost. */
scp_status scp__store_node_put(scp_db_tx *tx, const scp__node *n, scp_error *err);
scp_status scp__store_node_get(scp_db_tx *tx, const char *id, scp__node **out, scp_error *err); /* code NotFound */
scp_status scp__store_node_ids(scp_db_tx *tx, scp__ids *out, scp_error *err);

/* ---- node_life.c: all times are the database's (now.c) ---- */

/** *heard: it isn't lost. */
scp_status scp__store_node_heartbeat(scp_db_tx *tx, const char *id, int64_t now_us, bool *heard, scp_error *err);
/** Those that aren't lost and should be. */
scp_status scp__store_node_silent(scp_db_tx *tx, int64_t now_us, scp__ids *out, scp_error *err);
/** It is lost, if it is silent still (*changed), and its live executions are nobody's: whoever drives them writes
 *  nothing more. */
scp_status scp__store_node_lose(scp_db_tx *tx, const char *id, int64_t now_us, bool *changed, scp_error *err);
scp_status scp__store_node_lost(scp_db_tx *tx, scp__ids *out, scp_error *err);
scp_status scp__store_node_find_again(scp_db_tx *tx, const char *id, int64_t now_us, scp_error *err);
/** Whether it is lost, which stays so until the transaction ends. */
scp_status scp__store_node_hold(scp_db_tx *tx, const char *id, bool *lost, scp_error *err);

/* ---- now.c ---- */

/** The database's time, by whatever clock its traits name. */
scp_status scp__store_now(scp_db_tx *tx, int64_t *now_us, scp_error *err);

/* ---- node_list.c ---- */

scp_status scp__store_node_show(scp_db_tx *tx, const char *id, scp_node **out, scp_error *err); /* code NotFound */
scp_status scp__store_node_list(scp_db_tx *tx, const scp_node_query *q, scp_node_page **out, scp_error *err);
/** Set or end "draining". Code NotFound. */
scp_status scp__store_node_drain(scp_db_tx *tx, const char *id, bool drain, scp_error *err);
/** How many have that status; "lost" ones have no other. */
scp_status scp__store_node_count(scp_db_tx *tx, const char *status, uint64_t *out, scp_error *err);

/* ---- template.c ---- */

typedef struct scp__template {
	scp_template pub; /* first */
	scp__arena *arena;
} scp__template;
/** Insert a seeded one, or bring it up to date where nobody changed it since it was seeded. SCP_ECONFLICT: another one
 *  has its name (nothing changed). */
scp_status scp__store_template_seed(scp_db_tx *tx, const scp_template *t, scp_error *err);
scp_status scp__store_template_get(
    scp_db_tx *tx, const char *id, scp__template **out, scp_error *err); /* code TemplateNotFound */
scp_status scp__store_template_list(
    scp_db_tx *tx, const scp_template_query *q, scp_template_page **out, scp_error *err);
/** May a session be made from it? Code TemplateNotFound, or StateConflict where it is deprecated. */
scp_status scp__store_template_usable(scp_db_tx *tx, const char *id, scp_error *err);

/* ---- template_write.c ---- */

/** Code Conflict names the field that another one has: id or name. A deleted one's place is taken over. */
scp_status scp__store_template_insert(scp_db_tx *tx, const scp_template *t, scp_error *err);
/** All but id and created_us. Codes TemplateNotFound, Conflict (name). No seed replaces it any more. */
scp_status scp__store_template_update(scp_db_tx *tx, const scp_template *t, scp_error *err);
/** Codes TemplateNotFound, TemplateInUse. Hidden where ended sessions name it or `keep` says so, else gone. */
scp_status scp__store_template_delete(scp_db_tx *tx, const char *id, bool keep, int64_t now_us, scp_error *err);

/* ---- idempotency.c ---- */

/**
 * Look a key up, or claim it. Nothing there (or expired): inserts it with `resource_id` and *found is false. There
 * with the same digest: *found and `existing`. With another: SCP_ECONFLICT.
 */
scp_status scp__store_idempotency(scp_db_tx *tx, const char *route, const char *actor, const char *key,
    const char digest[65], const char *resource_id, int64_t now_us, int64_t expires_us, bool *found,
    char existing[SCP__ID_SIZE], scp_error *err);
scp_status scp__store_idempotency_purge(scp_db_tx *tx, int64_t now_us, uint32_t limit, scp_error *err);

/* ---- history.c: what is long over, in batches ---- */

/** Executions that ended until then, the oldest first. */
scp_status scp__store_history_executions(
    scp_db_tx *tx, int64_t before_us, uint32_t limit, scp__ids *out, scp_error *err);
/** Delete those, with their input, output and artifacts; what is in storage is somebody else's to remove. */
scp_status scp__store_history_drop(scp_db_tx *tx, const scp__ids *executions, scp_error *err);
/**
 * Delete up to `limit` containers that were removed until then, and as many sessions that ended until then and have
 * neither executions nor containers nor files any more, with their workspaces' rows. *sessions: how many went.
 */
scp_status scp__store_history_sweep(
    scp_db_tx *tx, int64_t before_us, uint32_t limit, uint64_t *sessions, scp_error *err);

/* ---- census.c ---- */

/** How many rows there are of what isn't over. */
typedef struct scp__census {
	uint64_t sessions_creating, sessions_running;
	uint64_t executions_pending, executions_running;
	uint64_t containers[SCP_CONTAINER_REMOVED]; /* by status */
	uint64_t workspaces_unsynced;		    /* of which the storage is known to lack something */
} scp__census;
scp_status scp__store_census(scp_db_tx *tx, scp__census *out, scp_error *err);

/* ---- meta.c: one value a name, for the process-wide facts that a database keeps ---- */
scp_status scp__store_meta_get(
    scp_db_tx *tx, const char *name, char *out, size_t out_size, bool *found, scp_error *err);
scp_status scp__store_meta_put(scp_db_tx *tx, const char *name, const char *value, scp_error *err);

#endif
