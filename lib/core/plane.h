/* What the nouns of core share: the plane's inside, and the few things that one noun asks of another, by id. */
#ifndef SCP_CORE_PLANE_H
#define SCP_CORE_PLANE_H

#include <pthread.h>
#include <stdatomic.h>

#include "database.h"
#include "digest.h"
#include "figures.h"
#include "id.h"
#include "link.h"
#include "log.h"
#include "map.h"
#include "placement.h"
#include "pool.h"
#include "provision.h"
#include "runtime.h"
#include "storage.h"
#include "store.h"
#include "volume.h"
#include <sandboxcp/sandboxcp.h>
#include <sandboxcp/sys/database.h>

#define SCP__REQUEST_ID_SIZE 65
#define SCP__ACTOR_SIZE 129

/** The limits of scp_plane_options, with the defaults filled in. */
typedef struct scp__limits {
	uint32_t session_idle_s;
	uint32_t session_max_age_s;
	uint32_t heartbeat_timeout_s;
	uint32_t retention_s;
	uint32_t history_s; /* 0: for ever */
	uint32_t max_sessions;
	uint32_t max_executions;
	uint32_t max_running_per_session;
	uint32_t max_pending_per_session;
	uint64_t max_upload_bytes;
	uint32_t retry_base_ms;
	uint32_t sync_interval_s; /* 0: never */
	uint32_t node_lost_after_s;
} scp__limits;

typedef struct scp__run scp__run;
typedef struct scp__callbacks scp__callbacks;
typedef struct scp__topics scp__topics;
typedef struct scp__probes scp__probes;

typedef struct scp__core {
	scp__log log;
	scp__limits limits;
	scp__figures *figures;
	scp__probes *probes;
	scp_database *db;
	scp_storage *storage;
	scp_runtime **runtimes;
	size_t runtime_count;
	scp__volumes *volumes;
	scp__link *link;
	scp__provision provision;
	scp__pool *fast;	   /* records and short database work */
	scp__pool *slow;	   /* containers: each job may take seconds */
	scp__pool *io;		   /* files */
	scp__pool *sync;	   /* workspaces brought to the storage; NULL: they are in it */
	scp__callbacks *callbacks; /* to the host */
	scp__topics *topics;
	char *internal_token;		/* report/internal_token.c's */
	char *advertise_url;		/* under which other processes reach this one; NULL: they don't */
	bool clock_apart;		/* now.c's: the database has a clock of its own, */
	_Atomic int64_t clock_ahead_us; /* which is so far ahead of the monotonic one */
	_Atomic int64_t heard_since_us; /* monotonic: since when all renewals were in time; 0: the last one wasn't */
	int64_t renewed_us;		/* the ticker's: when it last tried to */
	_Atomic bool node_lost;		/* one of this process's is, as the others say */
	char instance[SCP__ID_SIZE];	/* this process as an owner of rows */
	char home[SCP__ID_SIZE];	/* its state folder, as where workspaces' disks are */
	int64_t opened_mono_us;
	bool upkeep;

	pthread_mutex_t lock; /* for what follows; never held across a port call */
	pthread_cond_t idle;
	bool draining;
	bool closing;
	unsigned in_flight;
	unsigned queued_requests; /* that no thread has begun with */
	unsigned direct_writes;	  /* uploads that go to the storage without a disk between */
	struct scp__transfer *transfers, *stopped_transfers;
	scp__map *runs;	    /* execution id → scp__run: what this process drives */
	scp__map *settling; /* session id → struct of settle.c */
	scp__map *syncing;  /* workspace id → struct of sync.c */
} scp__core;

/** A plane, or a view of one. */
struct scp_plane {
	scp__core *core;
	bool view;
	uint32_t deadline_ms;
	char request_id[SCP__REQUEST_ID_SIZE];
	char actor[SCP__ACTOR_SIZE];
	void *house; /* plane.c's, in the plane itself */
};

/* ---- call.c: what every public function begins and ends with ---- */

/** SCP_EINVAL for NULL; SCP_ECLOSED when closing (or draining, where the call would begin something new). */
scp_status scp__enter(scp_plane *plane, bool begins, scp_error *err);
void scp__leave(scp_plane *plane);
/** For what isn't a call but must end before the plane does. */
void scp__hold(scp__core *core);
void scp__unhold(scp__core *core);
/** The view's request id and actor; NULL where there is none. */
const char *scp__request_id(const scp_plane *plane);
const char *scp__actor(const scp_plane *plane);
/** wait_ms, bounded by the view's deadline. */
uint32_t scp__bounded_wait(const scp_plane *plane, uint32_t wait_ms);
void scp__core_log(scp__core *core, scp_log_level level, const scp__log_ids *ids, const char *fmt, ...)
    SCP_PRINTF(4, 5);

/* ---- now.c ---- */

/** The time of rows, leases and deadlines: the database's. */
int64_t scp__core_now_us(scp__core *core);
/** Once the database is open, before there are threads; and now and then: what time does it have? */
scp_status scp__core_clock_open(scp__core *core, scp_error *err);
scp_status scp__core_clock_look(scp__core *core, scp_error *err);

/* ---- audit.c: who did what ---- */

/** One line of level info for something that a client asked for: `what` is "session.create" and the like. */
void scp__audit(const scp_plane *plane, const char *what, const char *session_id, const char *execution_id,
    scp_status rc, const scp_error *err);

/* ---- probe.c: asking the backends how they are ---- */

/** Once the backends are open. */
scp_status scp__probes_new(scp__probes **out, scp__core *core, scp_error *err);
/** Waits for backends that were asked and still think. NULL is accepted. */
void scp__probes_free(scp__probes *all);

/* ---- callback.c: call-backs to the host, in threads or by dispatch ---- */

scp_status scp__callbacks_new(scp__callbacks **out, scp_callbacks mode, scp_error *err);
void scp__callbacks_post(scp__callbacks *c, scp__job_fn *fn, void *arg);
int scp__callbacks_fd(const scp__callbacks *c);
size_t scp__callbacks_dispatch(scp__callbacks *c);
/** Runs what still waits, in this thread if by dispatch. */
void scp__callbacks_free(scp__callbacks *c);

/* ---- request.c: asynchronous twins ---- */

/** SCP_EAGAIN: it will be completed later, by scp__request_complete(scp__request_of(view), …). */
typedef scp_status scp__request_work_fn(scp_plane *view, void *args, void **result, scp_error *err);

/** One call to be made later. `args` lives in `arena`, which becomes the request's also on failure. */
typedef struct scp__request_spec {
	scp__pool *pool;
	scp__request_work_fn *work;
	scp__arena *arena;
	void *args;
	void (*free_result)(void *result);
	scp_done_fn *fn;
	void *user;
} scp__request_spec;

scp_status scp__request_start(scp_request **out, scp_plane *plane, const scp__request_spec *spec, scp_error *err);
scp_request *scp__request_of(scp_plane *view);
void scp__request_complete(scp_request *r, scp_status status, void *result, const scp_error *err);

/* ---- topic.c: what happens to an execution, for those who watch ---- */

typedef struct scp__topic scp__topic;

scp_status scp__topics_new(scp__topics **out, scp__core *core, scp_error *err);
/** Subscriptions that are still open may be closed later. */
void scp__topics_free(scp__topics *t);
/** Ends every wait with SCP_ECLOSED; subscriptions get nothing more. */
void scp__topics_close(scp__topics *t);
/** Ends the waits whose time is up, and lists the ids (executions and sessions) that somebody watches and that this
 *  process doesn't drive. */
void scp__topics_tick(scp__topics *t, int64_t mono_us, scp__ids *strange);

/** The topic of an execution, made if need be; a reference for the caller. NULL: no memory. */
scp__topic *scp__topic_get(scp__topics *t, const char *id);
void scp__topic_put(scp__topic *topic);

/** The events of an attempt, in order; one that is there already changes nothing. Only the run's job appends. */
scp_status scp__topic_append(scp__topic *topic, scp_event_kind kind, uint64_t seq, const void *data, size_t len);
/** The last event's number, of whatever attempt; 0: none. */
uint64_t scp__topic_last_seq(scp__topic *topic);
/** Whether the present attempt has its "running". */
bool scp__topic_has_started(scp__topic *topic);
/** Later output belongs to a new attempt. */
void scp__topic_new_attempt(scp__topic *topic);
/** Driven here: what subscribers see is all there is (false: only the database knows). */
void scp__topic_drive(scp__topic *topic, bool driven);
/** The output and index (see events.h) of the present attempt; the buffers are the caller's. */
scp_status scp__topic_output(scp__topic *topic, scp__buf *out, scp__buf *err_out, scp__buf *index);
/** It is over and stored: waiters wake, subscribers get the result. */
void scp__topic_over(scp__topic *topic);
/** The same by id; nothing if nobody watches. For a session: it has left "creating". */
void scp__topics_over(scp__topics *t, const char *id);

/** Called once, from any library thread: SCP_OK it is over, SCP_ETIMEDOUT, SCP_ECLOSED. May block shortly. */
typedef void scp__wake_fn(void *arg, scp_status status);

/**
 * Call `wake` when scp__topics_over() names the id (an execution that is over, a session that has left "creating"), or
 * at `deadline_mono_us`. Register first, then look at the database: what ends in between is seen by one of the two.
 */
scp_status scp__topic_wait(
    scp__topics *t, const char *id, int64_t deadline_mono_us, scp__wake_fn *wake, void *arg, scp_error *err);
/** Take a wait back by its `arg`; true: `wake` will not be called. */
bool scp__topic_unwait(scp__topics *t, const char *id, const void *arg);
/** Wait here. SCP_OK, SCP_ETIMEDOUT or SCP_ECLOSED. `look` says whether it is over already. */
typedef scp_status scp__look_fn(scp__core *core, const char *id, bool *over, scp_error *err);
scp_status scp__topic_wait_here(scp__core *core, const char *id, uint32_t wait_ms, scp__look_fn *look, scp_error *err);

/* ---- wait.c: waiting for a noun, here or by call-back ---- */

/** How a noun is waited for. */
typedef struct scp__wait_kind {
	scp__look_fn *look;
	scp_status (*load)(void **out, scp__core *core, const char *id, scp_error *err);
	void (*free)(void *snapshot);
	uint32_t wait_max_ms;
} scp__wait_kind;

scp_status scp__wait_blocking(
    void **out, scp_plane *plane, const char *id, uint32_t wait_ms, const scp__wait_kind *kind, scp_error *err);
scp_status scp__wait_async(scp_request **out, scp_plane *plane, const char *id, uint32_t wait_ms,
    const scp__wait_kind *kind, scp_done_fn *fn, void *user, scp_error *err);
/** From a request's work: complete it when `id` is over. Returns SCP_EAGAIN, or an error. */
scp_status scp__wait_then_complete(
    scp_plane *view, const char *id, uint32_t wait_ms, const scp__wait_kind *kind, scp_error *err);

/* ---- session.c, settle.c ---- */

/** Bring reality in line with the session's row, soon, in the background; one at a time for each session. */
void scp__session_settle(scp__core *core, const char *session_id);
/** Whether that goes on right now. */
bool scp__session_is_settling(scp__core *core, const char *session_id);
/** End a session: its status, then its executions, then (in the background) its container. *changed: this call did it.
 */
scp_status scp__session_end(scp__core *core, const char *session_id, scp_session_status to, const scp_error *why,
    bool *changed, scp_error *err);
/** The same if `still` says so inside the transaction: what was found a moment ago may have changed. */
typedef scp_status scp__still_fn(scp_db_tx *tx, const scp__session *s, void *arg, bool *still, scp_error *err);
scp_status scp__session_end_if(scp__core *core, const char *session_id, scp_session_status to, const scp_error *why,
    scp__still_fn *still, void *arg, scp_error *err);
/** End the live executions of a session that is over. SCP_EAGAIN: another process drives some, and will. */
scp_status scp__session_end_executions(scp__core *core, const scp__session *s, scp_error *err);
/** The node of this process that it has, or the best for it. SCP_EUNAVAIL: it has another process's. Blocks. */
scp_status scp__session_choose(scp__core *core, const scp__session *s, scp_runtime **rt, scp_error *err);
/** Load a session. */
scp_status scp__session_load(scp__core *core, const char *id, scp__session **out, scp_error *err);

/* ---- execution.c, run.c ---- */

scp_status scp__execution_load(scp__core *core, const char *id, unsigned load, scp__execution **out, scp_error *err);
/** Take the place of the run that drives an execution here, before anybody else can see that it is to be driven;
 *  NULL: somebody has it already (or no memory). Then scp__run_go() or scp__run_release(). */
scp__run *scp__run_reserve(scp__core *core, const char *execution_id);
void scp__run_release(scp__run *run);
/** Send a pending execution to its session's container, or attach to one that runs there already (after a restart).
 *  `e` (with its code) and `s` are borrowed; the execution must be this process's. */
void scp__run_go(scp__run *run, const scp__execution *e, const scp__session *s);
/** An execution that nobody here drives and whose container is gone: retried, or ends. */
void scp__execution_lost(scp__core *core, const scp__execution *e, bool oom_killed);
/** From a request's work: complete it with the execution once that is over. Returns SCP_EAGAIN, or an error. */
scp_status scp__execution_wait_view(scp_plane *view, const char *id, scp_error *err);
/** End a live execution from outside, with what output there is. *changed: this call did it. */
scp_status scp__execution_force(scp__core *core, const char *id, uint32_t from_bits, scp_execution_status to,
    const char *why, bool *changed, scp_error *err);
/** Ask the executor to end a run. */
void scp__run_cancel(scp__core *core, const char *id);
/** The same for all of this process's whose row says so. */
void scp__runs_cancel(scp__core *core);
/** The container is gone: every run in it is retried, or ends, soon. */
void scp__runs_lost(scp__core *core, const char *container_id, bool oom_killed);
/** Look after the runs: deadlines that passed, silence. */
void scp__runs_check(scp__core *core, int64_t now_us, int64_t mono_us);
/** Close every stream, at close; what runs in the sandboxes goes on. */
void scp__runs_close(scp__core *core);

/** How long a lease lasts, and this process's owner of rows. */
#define SCP__LEASE_US INT64_C(30000000)

/* ---- sync/ ---- */

/** Ask for those that are owed: dirty ones, and of sessions that are over. */
void scp__sync_owed(scp__core *core);
/** Those of executions that run for long. */
void scp__sync_running(scp__core *core);

/* ---- node/output.c ---- */

/** An execution's output isn't in this process's storage: SCP_EUNAVAIL if another process has it, as far as one knows.
 */
scp_status scp__output_missing(scp__core *core, const scp__execution *e, scp_error *err);

/* ---- transfer.c ---- */

/** Transfers end with SCP_ECLOSED; their hosts may close them later. */
void scp__transfers_stop(scp__core *core);
/** Once no job works for them any more. */
void scp__transfers_free(scp__core *core);

/* ---- container.c, node.c ---- */

scp_runtime *scp__node_runtime(scp__core *core, const char *node); /* NULL: not one of this process */
/** A container has ended (event, or found so). Any thread that may block. */
void scp__container_gone(scp__core *core, const char *container_id, int exit_code, bool oom_killed);
/** Ask the runtime; SCP_OK and *gone. SCP_EUNAVAIL: nobody knows. */
scp_status scp__container_confirm(scp__core *core, scp_runtime *rt, const char *container_id, bool *gone,
    bool *oom_killed, int *exit_code, scp_error *err);
scp_status scp__nodes_register(scp__core *core, scp_error *err);
/** Whether the workspace of a session can be had on another node than the one that it was used on, which is lost. No
 *  database: it is asked inside transactions. */
bool scp__workspace_elsewhere(scp__core *core, const scp__session *s);
/** Whether any process can serve the session's files right now, whatever node it has. */
scp_status scp__workspace_everywhere(
    scp_db_tx *tx, scp__core *core, const scp__session *s, bool *everywhere, scp_error *err);
/** "normal", "sigterm", "sigkill", "oom_killed", "error". Static. */
const char *scp__exit_reason(int exit_code, bool oom_killed);
/** SCP_ECAPACITY: there are nodes, and every one is draining. */
scp_status scp__nodes_check_room(scp_db_tx *tx, scp_error *err);
/** What placement must know of each of this process's runtimes: as many as core->runtime_count. */
scp_status scp__nodes_look(scp__core *core, scp__schedule_node *nodes, scp_error *err);

/* ---- report/: what executors in push mode tell ---- */

/** Take the token that was given, or the state folder's, made if need be. SCP_ESTATE: the database's is another. */
scp_status scp__internal_token_open(scp__core *core, const char *given, const char *state_dir, scp_error *err);
void scp__internal_token_close(scp__core *core);
/** A session's own token, for the executor in its container. */
scp_status scp__report_session_token(const scp__core *core, const char *session_id, char out[65], scp_error *err);

/* ---- seed.c, check.c ---- */

scp_status scp__templates_seed(scp__core *core, const char *seed_images, scp_error *err);
scp_status scp__check_session_spec(const scp_session_spec *spec, scp_error *err);
scp_status scp__check_execution_spec(const scp_execution_spec *spec, scp_error *err);
scp_status scp__check_page(uint32_t limit, scp_error *err);
/** 0 is "default", and fine; else SCP_EINVAL names the field and the range. */
scp_status scp__check_range(const char *field, uint64_t is, uint64_t min, uint64_t max, scp_error *err);
scp_status scp__check_resources(const char *field, const scp_resources *r, scp_error *err); /* NULL is fine */
scp_status scp__check_key(const char *key, scp_error *err);
void scp__digest_text(scp__sha256 *s, const char *text);
void scp__digest_number(scp__sha256 *s, uint64_t n);
void scp__digest_env(scp__sha256 *s, const scp_pair *env, size_t count);
void scp__digest_resources(scp__sha256 *s, const scp_resources *r);
void scp__digest_session_spec(const scp_session_spec *spec, char out[65]);
void scp__digest_execution_spec(const char *session_id, const scp_execution_spec *spec, char out[65]);

#endif
