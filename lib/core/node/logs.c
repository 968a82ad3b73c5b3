/*
 * What a container said: its executor's log and what its executions wrote, as lines of "TIME SOURCE TEXT". Everything
 * is gathered from its end, so that no more is held than is asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "containers.h"
#include "err.h"
#include "utf8.h"

enum {
	TAIL_DEFAULT = 100,
	TAIL_MAX = 10000,
	EXECUTIONS_MAX = 1000,
	EXECUTOR_LOG_BYTES = 256 << 10,
	LINE_MAX_BYTES = 8 << 10, /* what is longer is cut */
	STAMP_LEN = 24,
};
#define TEXT_MAX_BYTES (1u << 20)
#define WRITTEN_MAX_BYTES (8u << 20) /* a byte that isn't UTF-8 is written as three */
#define LIVE_MAX_BYTES (16u << 20)

struct line {
	int64_t time_us;
	uint32_t place; /* among those of one time: greater is later */
	const char *source;
	const char *text; /* in the arena */
	size_t len;
};

struct gathering {
	scp__arena *arena;
	struct line *lines;
	size_t count, capacity;
	size_t bytes;
	uint32_t tail;
	int64_t since_us;
	uint32_t place; /* falls: the last line is gathered first */
};

static bool full(const struct gathering *g, size_t from)
{
	return g->count - from >= g->tail || g->bytes >= TEXT_MAX_BYTES;
}

static bool grow(struct gathering *g)
{
	size_t capacity = g->capacity ? 2 * g->capacity : 64;
	struct line *lines;

	if (g->count < g->capacity)
		return true;
	lines = realloc(g->lines, capacity * sizeof(*lines));
	if (!lines)
		return false;
	g->lines = lines;
	g->capacity = capacity;
	return true;
}

static scp_status add_line(
    struct gathering *g, int64_t time_us, const char *source, const char *text, size_t len, scp_error *err)
{
	const char *copy;

	if (len > LINE_MAX_BYTES)
		len = LINE_MAX_BYTES;
	copy = scp__arena_memdup(g->arena, text, len);
	if (!copy || !grow(g))
		return scp__nomem(err);
	g->lines[g->count++] = (struct line){ time_us, --g->place, source, copy, len };
	g->bytes += len + STAMP_LEN + strlen(source) + 3;
	return SCP_OK;
}

/* Takes the last line off the text. */
static const char *last_line(const char *text, size_t *len, size_t *line_len)
{
	size_t end = *len;
	const char *before;

	if (end && text[end - 1] == '\n')
		end--;
	before = memrchr(text, '\n', end);
	*len = before ? (size_t)(before + 1 - text) : 0;
	*line_len = end - *len;
	return text + *len;
}

static scp_status add_block(
    struct gathering *g, int64_t time_us, const char *source, const char *text, size_t len, scp_error *err)
{
	scp_status rc = SCP_OK;

	while (!rc && len && !full(g, 0)) {
		size_t line_len;
		const char *line = last_line(text, &len, &line_len);

		rc = add_line(g, time_us, source, line, line_len, err);
	}
	return rc;
}

/* ---- the executor ---- */

/* "2026-01-31T12:00:00.000Z " in front of a line; 0: there is none. */
static int64_t stamp_of(const char *line, size_t len)
{
	char text[STAMP_LEN + 1];
	struct tm tm = { 0 };
	int ms, used = 0;

	if (len <= STAMP_LEN || line[STAMP_LEN] != ' ')
		return 0;
	memcpy(text, line, STAMP_LEN);
	text[STAMP_LEN] = '\0';
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		&tm.tm_min, &tm.tm_sec, &ms, &used) != 7 ||
	    used != STAMP_LEN)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000000 + ms * 1000;
}

/* Lines without a time are its beginning's, or the runtime program's: as old as the container. */
static scp_status add_executor_lines(
    struct gathering *g, const char *text, size_t len, int64_t created_us, scp_error *err)
{
	size_t from = g->count;
	scp_status rc = SCP_OK;

	while (!rc && len && !full(g, from)) {
		size_t line_len;
		const char *line = last_line(text, &len, &line_len);
		int64_t time_us = stamp_of(line, line_len);
		size_t skip = time_us ? STAMP_LEN + 1 : 0;

		if (!time_us)
			time_us = created_us;
		if (time_us >= g->since_us)
			rc = add_line(g, time_us, "executor", line + skip, line_len - skip, err);
	}
	return rc;
}

static scp_status gather_executor(struct gathering *g, scp__core *core, const scp_container *c, scp_error *err)
{
	scp_runtime *rt = scp__node_runtime(core, c->node);
	char *text;
	scp_status rc;

	if (c->status == SCP_CONTAINER_REMOVED)
		return SCP_OK;
	if (!rt) {
		scp__fail(err, SCP_EUNAVAIL, "node %s is out of reach for this process", c->node);
		scp__retry_after(err, 1000);
		return SCP_EUNAVAIL;
	}
	text = malloc(EXECUTOR_LOG_BYTES);
	if (!text)
		return scp__nomem(err);
	text[0] = '\0';
	rc = scp__runtime_logs(rt, c->id, g->tail, text, EXECUTOR_LOG_BYTES, err);
	/* Removed meanwhile, or a runtime that keeps no log: what the executions wrote is still there. */
	if (rc == SCP_ENOTFOUND || rc == SCP_ENOTSUP)
		rc = SCP_OK;
	else if (!rc)
		rc = add_executor_lines(g, text, strlen(text), c->created_us, err);
	free(text);
	return rc;
}

/* ---- the executions ---- */

static scp_status add_outputs(struct gathering *g, const char *id, int64_t time_us, const void *out, size_t out_len,
    const void *err_out, size_t err_len, scp_error *err)
{
	char text[SCP__ID_SIZE + 8];
	const char *source[2];
	scp_status rc;

	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s %s", id, i ? "stderr" : "stdout");
		source[i] = scp__arena_strdup(g->arena, text);
		if (!source[i])
			return scp__nomem(err);
	}
	rc = add_block(g, time_us, source[1], err_out, err_len, err);
	return rc ? rc : add_block(g, time_us, source[0], out, out_len, err);
}

/* Of one that runs: what has come so far, if this process drives it. */
static scp_status add_live(struct gathering *g, scp__core *core, const char *id, scp_error *err)
{
	scp__topic *topic = scp__topic_get(core->topics, id);
	scp__buf out, err_out, index;
	scp_status rc;

	if (!topic)
		return scp__nomem(err);
	scp__buf_init(&out, LIVE_MAX_BYTES);
	scp__buf_init(&err_out, LIVE_MAX_BYTES);
	scp__buf_init(&index, LIVE_MAX_BYTES);
	rc = scp__topic_output(topic, &out, &err_out, &index);
	rc = rc ? scp__nomem(err)
		: add_outputs(g, id, scp__core_now_us(core), out.data, out.len, err_out.data, err_out.len, err);
	scp__buf_free(&out);
	scp__buf_free(&err_out);
	scp__buf_free(&index);
	scp__topic_put(topic);
	return rc;
}

static scp_status gather_one(struct gathering *g, scp__core *core, const char *id, scp_error *err)
{
	scp__execution *e;
	scp_status rc = scp__execution_load(core, id, 0, &e, err);
	bool over, old;

	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	over = e->pub.completed_us != 0;
	old = over && e->pub.completed_us < g->since_us;
	scp_execution_free(&e->pub);
	if (old)
		return SCP_OK;
	if (!over)
		return add_live(g, core, id, err);
	rc = scp__execution_load(core, id, SCP__LOAD_RESULT, &e, err);
	if (rc)
		return rc == SCP_ENOTFOUND ? SCP_OK : rc;
	rc = add_outputs(g, id, e->pub.completed_us, e->pub.out, e->pub.out_len, e->pub.err, e->pub.err_len, err);
	scp_execution_free(&e->pub);
	return rc;
}

struct of {
	const scp_container *c;
	scp__ids ids;
};

static scp_status of_tx(scp_db_tx *tx, void *arg, scp_error *err)
{
	struct of *o = arg;

	scp__ids_clear(&o->ids);
	return scp__store_execution_of(tx, o->c->session_id, o->c->id, EXECUTIONS_MAX, &o->ids, err);
}

static scp_status gather_executions(struct gathering *g, scp__core *core, const scp_container *c, scp_error *err)
{
	struct of o = { c, { 0 } };
	scp_status rc = SCP_OK;

	if (c->session_id)
		rc = scp__database_transact(core->db, SCP_DB_READ, of_tx, &o, err);
	for (size_t i = 0; !rc && i < o.ids.count && !full(g, 0); i++)
		rc = gather_one(g, core, o.ids.ids[i], err);
	scp__ids_free(&o.ids);
	return rc;
}

/* ---- together ---- */

static int earlier(const void *left, const void *right)
{
	const struct line *a = left, *b = right;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* Whoever reads it in a terminal must not be spoken to by the code. */
static void write_text(scp__buf *out, const char *text, size_t len)
{
	size_t from = out->len;

	scp__utf8_repair(out, text, len, NULL);
	for (size_t i = from; i < out->len; i++)
		if (((unsigned char)out->data[i] < 0x20 && out->data[i] != '\t') || out->data[i] == 0x7f)
			out->data[i] = out->data[i] == '\r' ? ' ' : '?';
}

static void write_line(scp__buf *out, const struct line *l)
{
	char stamp[SCP__TIME_SIZE];

	scp__buf_printf(out, "%s %s ", scp__time_format(stamp, l->time_us), l->source);
	write_text(out, l->text, l->len);
	scp__buf_append(out, "\n", 1);
}

typedef struct logged {
	scp_container_log pub; /* first */
	scp__buf text;
} logged;

static scp_status write_all(struct gathering *g, logged **out, scp_error *err)
{
	logged *l = calloc(1, sizeof(*l));
	size_t from = g->count > g->tail ? g->count - g->tail : 0;

	if (!l)
		return scp__nomem(err);
	if (g->count)
		qsort(g->lines, g->count, sizeof(*g->lines), earlier);
	scp__buf_init(&l->text, WRITTEN_MAX_BYTES);
	for (size_t i = from; i < g->count; i++)
		write_line(&l->text, &g->lines[i]);
	l->pub.text = l->text.data ? l->text.data : "";
	l->pub.len = l->text.len;
	l->pub.line_count = g->count - from;
	*out = l;
	return l->text.status ? scp__nomem(err) : SCP_OK;
}

void scp_container_log_free(scp_container_log *log)
{
	if (log)
		scp__buf_free(&((logged *)log)->text);
	free(log);
}

static scp_status gather(struct gathering *g, scp__core *core, const char *id, scp_error *err)
{
	scp__container_shown *c;
	scp_status rc = scp__container_show(core, id, &c, err);

	if (rc)
		return rc;
	rc = gather_executions(g, core, &c->pub, err);
	if (!rc)
		rc = gather_executor(g, core, &c->pub, err);
	scp_container_free(&c->pub);
	return rc;
}

static scp_status read_log(scp__core *core, const char *id, const scp_log_query *q, logged **out, scp_error *err)
{
	struct gathering g = { .tail = q->tail ? q->tail : TAIL_DEFAULT, .since_us = q->since_us, .place = UINT32_MAX };
	scp_status rc;

	g.arena = scp__arena_new();
	rc = g.arena ? gather(&g, core, id, err) : scp__nomem(err);
	if (!rc)
		rc = write_all(&g, out, err);
	scp__arena_free(g.arena);
	free(g.lines);
	return rc;
}

scp_status scp_container_logs(
    scp_container_log **out, scp_plane *plane, const char *id, const scp_log_query *query, scp_error *err)
{
	static const scp_log_query all = SCP_LOG_QUERY_INIT;
	logged *l = NULL;
	scp_status rc;

	if (!out || !id)
		return scp__fail(err, SCP_EINVAL, "out and id must not be NULL");
	*out = NULL;
	query = query ? query : &all;
	rc = scp__check_range("tail", query->tail, 1, TAIL_MAX, err);
	if (!rc && query->since_us < 0)
		rc = scp__fail(err, SCP_EINVAL, "since must not be before 1970");
	if (!rc)
		rc = scp__enter(plane, false, err);
	if (rc)
		return rc;
	rc = read_log(plane->core, id, query, &l, err);
	if (rc)
		scp_container_log_free(l ? &l->pub : NULL);
	else
		*out = &l->pub;
	scp__leave(plane);
	return rc;
}
