/* What the store keeps as JSON text in a column: environments, errors, metrics, lists of words. */
#ifndef SCP_STORE_COLUMNS_H
#define SCP_STORE_COLUMNS_H

#include "buf.h"
#include "sql.h"

/* Writing: into a buffer that the caller made with scp__column_init() and frees. Nothing to say leaves it empty. */
void scp__column_init(scp__buf *b);
/** SCP_EINVAL: a name or value isn't UTF-8. */
scp_status scp__env_write(scp__buf *b, const scp_pair *env, size_t count, scp_error *err);
scp_status scp__error_write(scp__buf *b, const scp_error *error, scp_error *err);
scp_status scp__metrics_write(scp__buf *b, const scp_metrics *m, scp_error *err);
scp_status scp__words_write(scp__buf *b, const char *const *words, size_t count, scp_error *err);
/** To bind it: NULL where it is empty. */
scp_db_value scp__column_value(const scp__buf *b);

/* Reading the next column into the rows' arena; NULL where it is NULL. */
const scp_pair *scp__env_read(scp__rows *rows, size_t *count);
const scp_error *scp__error_read(scp__rows *rows);
const scp_metrics *scp__metrics_read(scp__rows *rows);
const char *const *scp__words_read(scp__rows *rows, size_t *count);
/** The same pairs as snapshots show them: "***" for what looks secret if `masked`. */
const scp_pair *const *scp__env_show(scp__rows *rows, const scp_pair *env, size_t count, bool masked);

/** A list of languages as a text of digits: "13" is python and shell. */
scp_status scp__languages_write(scp__buf *b, const scp_language *languages, size_t count, scp_error *err);
const scp_language *scp__languages_read(scp__rows *rows, size_t *count);

/** Four columns: cpu_millis, memory_bytes, disk_bytes, max_processes. */
const scp_resources *scp__resources_read(scp__rows *rows);
#define RESOURCES(r) I((r)->cpu_millis), I((r)->memory_bytes), I((r)->disk_bytes), I((r)->max_processes)

#endif
