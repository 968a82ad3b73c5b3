/*
 * Counters, gauges and histograms with fixed sets of label values, and their Prometheus text. A table of families says
 * all there is, so that nothing that a client sends can make a series. Counting takes no lock: one atomic addition for
 * a counter, two for a histogram.
 */
#ifndef SCP_METRICS_METRICS_H
#define SCP_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include <sandboxcp/plane.h>

#include "buf.h"

enum { SCP__METRIC_LABELS = 3 };

typedef enum scp__metric_kind { SCP__COUNTER, SCP__GAUGE, SCP__HISTOGRAM } scp__metric_kind;

/** A label and the only values that it can have. */
typedef struct scp__metric_label {
	const char *name; /* NULL: no such label */
	const char *const *values;
	uint32_t count;
} scp__metric_label;

/** One name. Borrowed as long as the metrics live. */
typedef struct scp__metric_family {
	const char *name; /* a counter's ends with _total, a histogram's with _seconds */
	const char *help;
	scp__metric_kind kind;
	bool sparse; /* series that never counted aren't shown */
	scp__metric_label labels[SCP__METRIC_LABELS];
	const uint64_t *bounds_us; /* a histogram's: ascending, ended by 0 */
} scp__metric_family;

/** The index of each label's value. */
typedef struct scp__series {
	uint32_t at[SCP__METRIC_LABELS];
} scp__series;
#define SCP__SERIES(...) ((scp__series){ { __VA_ARGS__ } })

typedef struct scp__metrics scp__metrics;

scp_status scp__metrics_new(scp__metrics **out, const scp__metric_family *families, size_t count, scp_error *err);
void scp__metrics_free(scp__metrics *m);

/* Any thread. NULL metrics, and a label's index that is none, are accepted: nothing is counted. */

void scp__metric_add(scp__metrics *m, size_t family, scp__series series, uint64_t n);
void scp__metric_observe(scp__metrics *m, size_t family, scp__series series, int64_t us);
/** A counter's value; of a histogram how many were observed. */
uint64_t scp__metric_value(const scp__metrics *m, size_t family, scp__series series);

/** The index of a label's value; `count`, which is none, for one that isn't there. */
uint32_t scp__metric_index(const scp__metric_label *label, const char *value);

/* ---- text: what counts by itself, and figures that are looked up when they are asked for ---- */

scp_status scp__metrics_render(const scp__metrics *m, scp__buf *out);
/** HELP and TYPE; the family's lines follow. */
void scp__metric_head(scp__buf *out, const char *name, scp__metric_kind kind, const char *help);
/** `labels` up to a NULL name; NULL: none. */
void scp__metric_line(scp__buf *out, const char *name, const scp_pair *labels, uint64_t value);
void scp__metric_line_us(scp__buf *out, const char *name, const scp_pair *labels, int64_t us); /* in seconds */
/** Of this process: CPU time, memory, descriptors, threads, start. What can't be read is left out. */
void scp__metrics_process(scp__buf *out);

#endif
