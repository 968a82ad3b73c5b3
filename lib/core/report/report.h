/* What report/'s files share. result.c of a run checks what is reported, as it checks what comes over the link. */
#ifndef SCP_CORE_REPORT_H
#define SCP_CORE_REPORT_H

#include "plane.h"
#include "result.h"

/* ---- report.c ---- */

/** SCP_ENOTFOUND, as /internal words it. */
scp_status scp__report_unknown(const char *id, scp_error *err);
/** The row of an execution that isn't over and of which this is the present attempt, read in `tx`; else SCP_ESTATE. */
scp_status scp__report_live(scp_db_tx *tx, const char *id, uint32_t attempt, scp__execution **out, scp_error *err);
scp_status scp__report_begin(void *out, scp_plane *plane, const char *id, scp_error *err);
/** The execution with its result, if `out` isn't NULL. */
scp_status scp__report_answer(scp_execution **out, scp__core *core, const char *id, scp_error *err);

/* ---- report_parse.c ---- */

/** Checked by scp__result_parse(): what is too long is cut, what is malformed dropped. */
scp_status scp__report_parse(scp__result *out, const scp_report *report, int64_t now_us, scp_error *err);

/* ---- report_output.c ---- */

/** The output of an execution, ready to be stored: what the link brought, and behind it what only the report has. */
typedef struct scp__report_output {
	scp__buf out, err, index;
	char out_key[96], err_key[96];
	bool tail; /* there is something that nobody who watches has seen */
	bool driven;
} scp__report_output;

/** Fills in f's output; large streams into storage first. `report` NULL: only what the link brought. */
scp_status scp__report_output_make(
    scp__report_output *o, scp__core *core, const char *id, const scp_report *report, scp__finish *f, scp_error *err);
void scp__report_output_free(scp__report_output *o);

/** What is said of an end once it is stored. */
typedef struct scp__report_end {
	scp__run_figures figures;
	char session_id[SCP__ID_SIZE], request_id[SCP__REQUEST_ID_SIZE];
	int exit_code, signal;
} scp__report_end;

/** Taken down in the transaction that ends it. */
void scp__report_note(scp__report_end *end, const scp__execution *e, const scp__finish *f);
/** It is stored: whoever waits or watches is told, and the run that this process may drive. */
void scp__report_announce(scp__core *core, const char *id, const scp__report_output *o, const scp__report_end *end);

#endif
