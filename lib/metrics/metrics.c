#include "metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "err.h"

static size_t bounds_of(const scp__metric_family *f)
{
	size_t n = 0;

	while (f->bounds_us && f->bounds_us[n])
		n++;
	return n;
}

static size_t series_of(const scp__metric_family *f)
{
	size_t n = 1;

	for (size_t i = 0; i < SCP__METRIC_LABELS && f->labels[i].name; i++)
		n *= f->labels[i].count;
	return n;
}

/* Where each family's cells begin; the whole number at last. */
static size_t lay_out(scp__metrics *m, const scp__metric_family *families, size_t count)
{
	size_t cells = 0;

	m->families = families;
	m->count = count;
	for (size_t i = 0; i < count; i++) {
		struct scp__cells *c = &m->cells_of[i];

		c->first = cells;
		c->series = series_of(&families[i]);
		c->bounds = bounds_of(&families[i]);
		/* a histogram's: its buckets, the one without a bound, the sum */
		c->width = families[i].kind == SCP__HISTOGRAM ? c->bounds + 2 : 1;
		cells += c->series * c->width;
	}
	return cells;
}

scp_status scp__metrics_new(scp__metrics **out, const scp__metric_family *families, size_t count, scp_error *err)
{
	scp__metrics *m = calloc(1, sizeof(*m) + count * sizeof(m->cells_of[0]));
	size_t cells;

	*out = NULL;
	if (!m)
		return scp__nomem(err);
	cells = lay_out(m, families, count);
	m->cells = calloc(cells ? cells : 1, sizeof(*m->cells));
	if (!m->cells) {
		free(m);
		return scp__nomem(err);
	}
	*out = m;
	return SCP_OK;
}

void scp__metrics_free(scp__metrics *m)
{
	if (!m)
		return;
	free(m->cells);
	free(m);
}

/* NULL: there is no such series. */
static _Atomic uint64_t *find(const scp__metrics *m, size_t family, scp__series series)
{
	const scp__metric_label *labels;
	size_t at = 0;

	if (!m || family >= m->count)
		return NULL;
	labels = m->families[family].labels;
	for (size_t i = 0; i < SCP__METRIC_LABELS && labels[i].name; i++) {
		if (series.at[i] >= labels[i].count)
			return NULL;
		at = at * labels[i].count + series.at[i];
	}
	return m->cells + m->cells_of[family].first + at * m->cells_of[family].width;
}

void scp__metric_add(scp__metrics *m, size_t family, scp__series series, uint64_t n)
{
	_Atomic uint64_t *cell = find(m, family, series);

	if (cell)
		atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
}

void scp__metric_observe(scp__metrics *m, size_t family, scp__series series, int64_t us)
{
	_Atomic uint64_t *cells = find(m, family, series);
	uint64_t value = us > 0 ? (uint64_t)us : 0; /* a clock that was set back */
	size_t i = 0;

	if (!cells)
		return;
	while (i < m->cells_of[family].bounds && value > m->families[family].bounds_us[i])
		i++;
	atomic_fetch_add_explicit(&cells[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&cells[m->cells_of[family].bounds + 1], value, memory_order_relaxed);
}

uint64_t scp__metric_value(const scp__metrics *m, size_t family, scp__series series)
{
	const _Atomic uint64_t *cells = find(m, family, series);
	uint64_t n = 0;

	if (!cells)
		return 0;
	if (m->families[family].kind != SCP__HISTOGRAM)
		return atomic_load_explicit(cells, memory_order_relaxed);
	for (size_t i = 0; i <= m->cells_of[family].bounds; i++)
		n += atomic_load_explicit(&cells[i], memory_order_relaxed);
	return n;
}

uint32_t scp__metric_index(const scp__metric_label *label, const char *value)
{
	uint32_t i = 0;

	while (i < label->count && (!value || strcmp(label->values[i], value) != 0))
		i++;
	return i;
}
