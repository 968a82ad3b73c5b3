/* The text that Prometheus reads (version 0.0.4). Numbers are put together from integers: a host's locale may write
 * commas. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "cells.h"

enum { NAME_SIZE = 128 };

static const char *const kinds[] = { "counter", "gauge", "histogram" };

void scp__metric_head(scp__buf *out, const char *name, scp__metric_kind kind, const char *help)
{
	(void)scp__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

static void add_label(scp__buf *out, bool first, const char *name, const char *value)
{
	(void)scp__buf_printf(out, "%s%s=\"", first ? "{" : ",", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			(void)scp__buf_append(out, "\\", 1);
		if (*value == '\n')
			(void)scp__buf_puts(out, "\\n");
		else
			(void)scp__buf_append(out, value, 1);
	}
	(void)scp__buf_append(out, "\"", 1);
}

static void add_name(scp__buf *out, const char *name, const scp_pair *labels)
{
	const scp_pair *l = labels;

	(void)scp__buf_puts(out, name);
	for (; l && l->name; l++)
		add_label(out, l == labels, l->name, l->value);
	(void)scp__buf_puts(out, l != labels ? "} " : " ");
}

void scp__metric_line(scp__buf *out, const char *name, const scp_pair *labels, uint64_t value)
{
	add_name(out, name, labels);
	(void)scp__buf_printf(out, "%" PRIu64 "\n", value);
}

static char *format_us(char text[32], uint64_t us)
{
	int len = snprintf(text, 32, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);

	while (text[len - 1] == '0')
		text[--len] = '\0';
	if (text[len - 1] == '.')
		text[--len] = '\0';
	return text;
}

void scp__metric_line_us(scp__buf *out, const char *name, const scp_pair *labels, int64_t us)
{
	char text[32];

	add_name(out, name, labels);
	(void)scp__buf_printf(out, "%s\n", format_us(text, us > 0 ? (uint64_t)us : 0));
}

/* ---- families ---- */

static void render_histogram(const scp__metric_family *f, size_t bounds, const _Atomic uint64_t *cells,
    scp_pair labels[SCP__METRIC_LABELS + 2], size_t label_count, scp__buf *out)
{
	char name[NAME_SIZE], le[32];
	uint64_t sum = 0;

	(void)snprintf(name, sizeof(name), "%s_bucket", f->name);
	for (size_t i = 0; i <= bounds; i++) {
		sum += atomic_load_explicit(&cells[i], memory_order_relaxed);
		labels[label_count] = (scp_pair){ "le", i < bounds ? format_us(le, f->bounds_us[i]) : "+Inf" };
		scp__metric_line(out, name, labels, sum);
	}
	labels[label_count] = (scp_pair){ NULL, NULL };
	(void)snprintf(name, sizeof(name), "%s_sum", f->name);
	scp__metric_line_us(out, name, labels, (int64_t)atomic_load_explicit(&cells[bounds + 1], memory_order_relaxed));
	(void)snprintf(name, sizeof(name), "%s_count", f->name);
	scp__metric_line(out, name, labels, sum);
}

static bool is_zero(const _Atomic uint64_t *cells, size_t width)
{
	for (size_t i = 0; i < width; i++)
		if (atomic_load_explicit(&cells[i], memory_order_relaxed))
			return false;
	return true;
}

/* The labels of the series with that number; how many they are. */
static size_t name_series(const scp__metric_family *f, size_t number, scp_pair labels[SCP__METRIC_LABELS + 2])
{
	size_t n = 0;

	while (n < SCP__METRIC_LABELS && f->labels[n].name)
		n++;
	labels[n] = (scp_pair){ NULL, NULL };
	labels[n + 1] = (scp_pair){ NULL, NULL };
	for (size_t i = n; i--;) {
		labels[i] = (scp_pair){ f->labels[i].name, f->labels[i].values[number % f->labels[i].count] };
		number /= f->labels[i].count;
	}
	return n;
}

static void render_family(const scp__metrics *m, size_t family, scp__buf *out)
{
	const scp__metric_family *f = &m->families[family];
	const struct scp__cells *c = &m->cells_of[family];
	scp_pair labels[SCP__METRIC_LABELS + 2];

	scp__metric_head(out, f->name, f->kind, f->help);
	for (size_t i = 0; i < c->series; i++) {
		const _Atomic uint64_t *cells = m->cells + c->first + i * c->width;
		size_t label_count = name_series(f, i, labels);

		if (f->sparse && is_zero(cells, c->width))
			continue;
		if (f->kind == SCP__HISTOGRAM)
			render_histogram(f, c->bounds, cells, labels, label_count, out);
		else
			scp__metric_line(out, f->name, labels, atomic_load_explicit(cells, memory_order_relaxed));
	}
}

scp_status scp__metrics_render(const scp__metrics *m, scp__buf *out)
{
	for (size_t i = 0; m && i < m->count; i++)
		render_family(m, i, out);
	return out->status;
}
