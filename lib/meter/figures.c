#include "figures.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "clock.h"
#include "err.h"
#include "metrics.h"

enum figure {
	SESSIONS_CREATED,
	SESSIONS_ENDED,
	SESSION_READY,
	SUBMIT,
	QUEUE,
	RUN,
	EXECUTIONS,
	RETRIES,
	CONTAINER_STARTS,
	CONTAINER_START,
	CONTAINER_DEATHS,
	SYNC,
	SYNCED_BYTES,
	BACKEND,
	BACKEND_ERRORS,
	FIGURES
};

struct scp__figures {
	scp__metrics *metrics;
	_Atomic int64_t chore_us[SCP__CHORES]; /* monotonic; 0: no round yet */
};

/* ---- labels ---- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LABEL(name, values)                                                                                            \
	{                                                                                                              \
		name, values, COUNT(values)                                                                            \
	}

/* The ends, as their states are numbered. */
static const char *const session_results[] = { "completed", "failed", "timeout", "terminated" };
static const char *const execution_results[] = { "success", "failed", "timeout", "crashed", "cancelled" };
static const char *const languages[] = { "python", "javascript", "shell" };
static const char *const tiers[] = { "cold", "warm" };
static const char *const starts[] = { "ok", "failed" };
static const char *const reasons[] = { "normal", "sigterm", "sigkill", "oom_killed", "error" };
static const char *const backends[] = { "database", "storage", "runtime" };
static const char *const operations[] = { "read", "write", "put", "get", "stat", "list", "remove", "presign", "prepare",
	"run", "stop", "inspect", "stats", "logs", "connect", "pause", "resume", "health" };
static const char *const chores[] = { "runs", "cancels", "reap", "reconcile", "retain", "forget", "renew", "over",
	"nodes", "sync_running", "sync_owed" };
_Static_assert(COUNT(chores) == SCP__CHORES, "a chore lacks its name");

/* ---- buckets ---- */

#define MS(n) ((n)*UINT64_C(1000))
#define S(n) ((n)*UINT64_C(1000000))

static const uint64_t quick[] = { 100, 250, 500, MS(1), MS(2) + 500, MS(5), MS(10), MS(25), MS(50), MS(100), MS(250),
	MS(500), S(1), S(2) + MS(500), S(5), S(10), 0 };
static const uint64_t slow[] = { MS(1), MS(5), MS(10), MS(25), MS(50), MS(100), MS(250), MS(500), S(1), S(2) + MS(500),
	S(5), S(10), S(30), S(60), S(300), S(900), S(3600), 0 };

static const scp__metric_family families[] = {
	[SESSIONS_CREATED] = { "sandboxcp_sessions_created_total", "Sessions created by this process.", SCP__COUNTER,
	    false, { { 0 } }, NULL },
	[SESSIONS_ENDED] = { "sandboxcp_sessions_ended_total", "Sessions that this process ended, by their status.",
	    SCP__COUNTER, false, { LABEL("result", session_results) }, NULL },
	[SESSION_READY] = { "sandboxcp_session_ready_seconds", "From a session's creation to running.", SCP__HISTOGRAM,
	    true, { LABEL("tier", tiers) }, slow },
	[SUBMIT] = { "sandboxcp_execution_submit_seconds", "How long accepting an execution took.", SCP__HISTOGRAM,
	    false, { { 0 } }, quick },
	[QUEUE] = { "sandboxcp_execution_queue_seconds", "From an execution's submission to its start.", SCP__HISTOGRAM,
	    false, { { 0 } }, slow },
	[RUN] = { "sandboxcp_execution_run_seconds", "From an execution's start to its end.", SCP__HISTOGRAM, true,
	    { LABEL("language", languages) }, slow },
	[EXECUTIONS] = { "sandboxcp_executions_total", "Executions that ended here, by language and result.",
	    SCP__COUNTER, false, { LABEL("language", languages), LABEL("result", execution_results) }, NULL },
	[RETRIES] = { "sandboxcp_execution_retries_total", "Executions sent to a fresh container.", SCP__COUNTER, false,
	    { { 0 } }, NULL },
	[CONTAINER_STARTS] = { "sandboxcp_container_starts_total", "Containers that this process tried to start.",
	    SCP__COUNTER, false, { LABEL("result", starts) }, NULL },
	[CONTAINER_START] = { "sandboxcp_container_start_seconds", "How long a container took to be ready.",
	    SCP__HISTOGRAM, false, { { 0 } }, slow },
	[CONTAINER_DEATHS] = { "sandboxcp_container_deaths_total", "Containers that ended by themselves, by reason.",
	    SCP__COUNTER, false, { LABEL("reason", reasons) }, NULL },
	[SYNC] = { "sandboxcp_workspace_sync_seconds",
	    "How long bringing a workspace to a storage that is no folder took.", SCP__HISTOGRAM, true,
	    { LABEL("result", starts) }, slow },
	[SYNCED_BYTES] = { "sandboxcp_workspace_synced_bytes_total", "Bytes of files that were brought to the storage.",
	    SCP__COUNTER, false, { { 0 } }, NULL },
	[BACKEND] = { "sandboxcp_backend_request_seconds", "How long a backend took to answer.", SCP__HISTOGRAM, true,
	    { LABEL("backend", backends), LABEL("operation", operations) }, quick },
	[BACKEND_ERRORS] = { "sandboxcp_backend_errors_total", "Calls that a backend couldn't serve.", SCP__COUNTER,
	    true, { LABEL("backend", backends), LABEL("operation", operations) }, NULL },
};
_Static_assert(COUNT(families) == FIGURES, "a figure lacks its family");

scp_status scp__figures_new(scp__figures **out, scp_error *err)
{
	scp__figures *f = calloc(1, sizeof(*f));
	scp_status rc;

	*out = NULL;
	if (!f)
		return scp__nomem(err);
	rc = scp__metrics_new(&f->metrics, families, FIGURES, err);
	if (rc)
		free(f);
	else
		*out = f;
	return rc;
}

void scp__figures_free(scp__figures *f)
{
	if (!f)
		return;
	scp__metrics_free(f->metrics);
	free(f);
}

static void render_chores(const scp__figures *f, scp__buf *out)
{
	static const char name[] = "sandboxcp_upkeep_age_seconds";
	int64_t now = scp__mono_us();

	scp__metric_head(out, name, SCP__GAUGE, "Time since a chore of upkeep was last done.");
	for (size_t i = 0; i < SCP__CHORES; i++) {
		int64_t done = atomic_load_explicit(&f->chore_us[i], memory_order_relaxed);

		if (done)
			scp__metric_line_us(out, name, (scp_pair[]){ { "chore", chores[i] }, { 0 } }, now - done);
	}
}

scp_status scp__figures_render(const scp__figures *f, scp__buf *out)
{
	if (!f)
		return SCP_OK;
	render_chores(f, out);
	return scp__metrics_render(f->metrics, out);
}

static scp__metrics *of(scp__figures *f)
{
	return f ? f->metrics : NULL;
}

/* ---- sessions ---- */

void scp__count_session_created(scp__figures *f)
{
	scp__metric_add(of(f), SESSIONS_CREATED, SCP__SERIES(0), 1);
}

void scp__count_session_ended(scp__figures *f, scp_session_status to)
{
	scp__metric_add(of(f), SESSIONS_ENDED, SCP__SERIES((uint32_t)to - SCP_SESSION_COMPLETED), 1);
}

void scp__count_session_ready(scp__figures *f, bool warm, int64_t us)
{
	scp__metric_observe(of(f), SESSION_READY, SCP__SERIES(warm), us);
}

/* ---- executions ---- */

void scp__count_submit(scp__figures *f, int64_t us)
{
	scp__metric_observe(of(f), SUBMIT, SCP__SERIES(0), us);
}

void scp__count_execution_ended(scp__figures *f, const scp__run_figures *run)
{
	uint32_t language = (uint32_t)run->language - SCP_PYTHON;
	uint32_t result = (uint32_t)run->to - SCP_EXECUTION_COMPLETED;

	scp__metric_add(of(f), EXECUTIONS, SCP__SERIES(language, result), 1);
	if (!run->started_us)
		return;
	scp__metric_observe(of(f), RUN, SCP__SERIES(language), run->ended_us - run->started_us);
	if (run->first_attempt)
		scp__metric_observe(of(f), QUEUE, SCP__SERIES(0), run->started_us - run->created_us);
}

void scp__count_retry(scp__figures *f)
{
	scp__metric_add(of(f), RETRIES, SCP__SERIES(0), 1);
}

/* ---- containers, backends, upkeep ---- */

void scp__count_container_start(scp__figures *f, bool ok, int64_t us)
{
	scp__metric_add(of(f), CONTAINER_STARTS, SCP__SERIES(!ok), 1);
	if (ok)
		scp__metric_observe(of(f), CONTAINER_START, SCP__SERIES(0), us);
}

void scp__count_container_death(scp__figures *f, const char *reason)
{
	scp__metric_add(
	    of(f), CONTAINER_DEATHS, SCP__SERIES(scp__metric_index(&families[CONTAINER_DEATHS].labels[0], reason)), 1);
}

void scp__count_sync(scp__figures *f, bool ok, uint64_t bytes, int64_t us)
{
	scp__metric_observe(of(f), SYNC, SCP__SERIES(!ok), us);
	scp__metric_add(of(f), SYNCED_BYTES, SCP__SERIES(0), bytes);
}

/* Whether the backend is to blame: "there is none" and "that is taken" are answers. */
static bool is_backends_fault(scp_status rc)
{
	return rc == SCP_EUNAVAIL || rc == SCP_EBACKEND || rc == SCP_ETIMEDOUT || rc == SCP_EINTERNAL;
}

void scp__count_backend(scp__figures *f, scp__backend backend, const char *operation, scp_status rc, int64_t us)
{
	scp__series s = SCP__SERIES(backend, scp__metric_index(&families[BACKEND].labels[1], operation));

	scp__metric_observe(of(f), BACKEND, s, us);
	if (is_backends_fault(rc))
		scp__metric_add(of(f), BACKEND_ERRORS, s, 1);
}

void scp__count_chore(scp__figures *f, scp__chore chore)
{
	if (f && (unsigned)chore < SCP__CHORES)
		atomic_store_explicit(&f->chore_us[chore], scp__mono_us(), memory_order_relaxed);
}
