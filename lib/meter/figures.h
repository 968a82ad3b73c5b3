/*
 * What the library counts, each by a function of its own: whoever counts names no metric. Any thread; NULL figures are
 * accepted and count nothing.
 */
#ifndef SCP_METER_FIGURES_H
#define SCP_METER_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/execution.h>
#include <sandboxcp/session.h>

#include "buf.h"

typedef struct scp__figures scp__figures;

scp_status scp__figures_new(scp__figures **out, scp_error *err);
void scp__figures_free(scp__figures *f);
/** Prometheus text of all of them. */
scp_status scp__figures_render(const scp__figures *f, scp__buf *out);

void scp__count_session_created(scp__figures *f);
void scp__count_session_ended(scp__figures *f, scp_session_status to);
/** From its creation to `running`; `warm`: it got a container that was there. */
void scp__count_session_ready(scp__figures *f, bool warm, int64_t us);
/** How long accepting an execution took. */
void scp__count_submit(scp__figures *f, int64_t us);

/** How an execution ended. */
typedef struct scp__run_figures {
	scp_language language;
	scp_execution_status to;
	int64_t created_us;
	int64_t started_us; /* 0: it never did */
	int64_t ended_us;
	bool first_attempt; /* only then is the time before its start one of waiting */
} scp__run_figures;
void scp__count_execution_ended(scp__figures *f, const scp__run_figures *run);
void scp__count_retry(scp__figures *f);

void scp__count_container_start(scp__figures *f, bool ok, int64_t us);
/** One that ended by itself. `reason`: "normal", "sigterm", "sigkill", "oom_killed", "error". */
void scp__count_container_death(scp__figures *f, const char *reason);

/** A workspace was brought to the storage, as far as it went. */
void scp__count_sync(scp__figures *f, bool ok, uint64_t bytes, int64_t us);

typedef enum scp__backend { SCP__BACKEND_DATABASE, SCP__BACKEND_STORAGE, SCP__BACKEND_RUNTIME } scp__backend;

/** A backend's answer. `operation` is one of the names in figures.c. A "no" is an answer, not an error. */
void scp__count_backend(scp__figures *f, scp__backend backend, const char *operation, scp_status rc, int64_t us);

typedef enum scp__chore {
	SCP__CHORE_RUNS,
	SCP__CHORE_CANCELS,
	SCP__CHORE_REAP,
	SCP__CHORE_RECONCILE,
	SCP__CHORE_RETAIN,
	SCP__CHORE_FORGET,
	SCP__CHORE_RENEW,
	SCP__CHORE_OVER,
	SCP__CHORE_NODES,
	SCP__CHORE_SYNC_RUNNING,
	SCP__CHORE_SYNC_OWED,
	SCP__CHORES
} scp__chore;

/** A round of it is over. */
void scp__count_chore(scp__figures *f, scp__chore chore);

#endif
