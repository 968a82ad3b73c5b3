#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define CELL_MAX 80
#define COLUMNS_MAX 10
#define VALUE_MAX (1u << 20)

void print_error(const scp_error *err)
{
	fprintf(stderr, "sandboxctl: %s\n", err->message[0] ? err->message : scp_status_name(err->status));
	if (err->hint[0])
		fprintf(stderr, "  hint: %s\n", err->hint);
}

static int flushed(scp_error *err)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	scp__fail_errno(err, errno, "standard output");
	return -1;
}

int print_json(const struct answer *a, scp_error *err)
{
	(void)fwrite(a->text.data, 1, a->text.len, stdout);
	(void)fputc('\n', stdout);
	return flushed(err);
}

static void print_value(const scp__json *v)
{
	scp__buf text;

	if (scp__json_typeof(v) == SCP__JSON_STRING) {
		(void)fputs(scp__json_string(v), stdout);
		return;
	}
	scp__buf_init(&text, VALUE_MAX);
	if (!scp__json_print(&text, v) && text.data)
		(void)fputs(text.data, stdout);
	scp__buf_free(&text);
}

int print_object(const scp__json *object, scp_error *err)
{
	for (size_t i = 0; i < scp__json_size(object); i++) {
		const scp__json *v = scp__json_at(object, i);

		if (scp__json_typeof(v) == SCP__JSON_NULL)
			continue;
		printf("%-18s", scp__json_key(v));
		print_value(v);
		(void)fputc('\n', stdout);
	}
	return flushed(err);
}

struct table {
	size_t columns, cells, capacity;
	size_t width[COLUMNS_MAX];
	char (*cell)[CELL_MAX];
	bool broken; /* no memory: said when it is printed */
};

struct table *table_new(size_t columns, const char *const *heads)
{
	struct table *t = columns <= COLUMNS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (!t)
		return NULL;
	t->columns = columns;
	for (size_t i = 0; i < columns; i++)
		table_cell(t, heads[i]);
	return t;
}

static bool room(struct table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 64;
	char(*cell)[CELL_MAX];

	if (t->cells < t->capacity)
		return true;
	cell = realloc(t->cell, capacity * sizeof(*cell));
	if (!cell)
		return false;
	t->cell = cell;
	t->capacity = capacity;
	return true;
}

void table_cell(struct table *t, const char *text)
{
	size_t column, len;

	if (!t || t->broken)
		return;
	if (!room(t)) {
		t->broken = true;
		return;
	}
	(void)snprintf(t->cell[t->cells], CELL_MAX, "%s", *text ? text : "-");
	len = strlen(t->cell[t->cells]);
	column = t->cells++ % t->columns;
	if (len > t->width[column])
		t->width[column] = len;
}

void table_free(struct table *t)
{
	if (t)
		free(t->cell);
	free(t);
}

int table_print(struct table *t, scp_error *err)
{
	int rc;

	if (!t || t->broken) {
		scp__nomem(err);
		rc = -1;
	} else {
		for (size_t i = 0; i < t->cells; i++) {
			bool last = i % t->columns == t->columns - 1;

			printf("%-*s%s", last ? 0 : (int)t->width[i % t->columns], t->cell[i], last ? "\n" : "  ");
		}
		rc = flushed(err);
	}
	table_free(t);
	return rc;
}
