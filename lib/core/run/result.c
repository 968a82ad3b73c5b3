#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fs.h"
#include "json.h"
#include "state.h"
#include "utf8.h"

#define MIB (1024.0 * 1024.0)

enum { EXIT_TIMEOUT = 124 };

struct parse {
	scp__result *r;
	scp_artifact *artifacts;
	size_t capacity;
	int64_t now_us;
	bool status_seen;
	bool no_memory;
	const char *bad_return; /* why the return value makes it a failure, whatever the status says */
};

static const char *kept(struct parse *p, const void *data, size_t len)
{
	const char *copy = scp__arena_memdup(p->r->arena, data, len);

	p->no_memory |= !copy;
	return copy;
}

static uint64_t number_of(const scp__record *record)
{
	uint64_t n = 0;

	return scp__record_uint(record, INT64_MAX, &n) ? n : 0;
}

static bool parse_status(struct parse *p, const scp__record *record)
{
	char word[16];
	scp_execution_status status;

	snprintf(word, sizeof(word), "%.*s", (int)(record->len < 15 ? record->len : 15), (const char *)record->data);
	status = scp__execution_status_parse(word);
	if (status != SCP_EXECUTION_COMPLETED && status != SCP_EXECUTION_FAILED && status != SCP_EXECUTION_TIMEOUT &&
	    status != SCP_EXECUTION_CANCELLED)
		return false;
	p->r->finish.to = status;
	p->status_seen = true;
	return true;
}

static void parse_error_text(struct parse *p, const scp__record *record)
{
	size_t len = record->len < SCP__ERROR_MAX ? record->len : SCP__ERROR_MAX;
	scp__buf text;
	bool lossy;

	scp__buf_init(&text, SCP__ERROR_MAX * 3);
	if (!scp__utf8_repair(&text, record->data, scp__utf8_complete(record->data, len), &lossy))
		p->r->finish.error = kept(p, text.data ? text.data : "", strlen(text.data ? text.data : ""));
	else
		p->no_memory = true;
	scp__buf_free(&text);
}

static const char *type_of(const char *path)
{
	size_t len = strlen(path);

	if (len > 4 && !strcmp(path + len - 4, ".log"))
		return "log";
	return strncmp(path, "output/", 7) ? "artifact" : "output";
}

static bool is_digest(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void parse_artifact_field(struct parse *p, scp_artifact *a, const scp__record *f)
{
	if (scp__record_is(f, SCP__ARTIFACT_PATH))
		a->path = kept(p, f->data, f->len);
	else if (scp__record_is(f, SCP__ARTIFACT_SIZE))
		a->size_bytes = number_of(f);
	else if (scp__record_is(f, SCP__ARTIFACT_MTIME_US))
		a->created_us = (int64_t)number_of(f);
	else if (scp__record_is(f, SCP__ARTIFACT_SHA256))
		a->sha256 = kept(p, f->data, f->len);
}

static bool seen(const struct parse *p, const char *path)
{
	for (size_t i = 0; i < p->r->finish.artifact_count; i++)
		if (!strcmp(p->artifacts[i].path, path))
			return true;
	return false;
}

static void parse_artifact(struct parse *p, const scp__record *record)
{
	const char *data = record->data;
	size_t left = record->len, used;
	scp_artifact a = { .sha256 = "" };
	scp__record field;

	if (p->r->finish.artifact_count == SCP__ARTIFACTS_MAX)
		return;
	for (; left && !scp__record_next(data, left, &field, &used); data += used, left -= used)
		parse_artifact_field(p, &a, &field);
	if (!a.path || scp__path_check(a.path, "artifact", NULL) || seen(p, a.path))
		return;
	if (!a.sha256 || !is_digest(a.sha256))
		a.sha256 = "";
	if (a.created_us <= 0 || a.created_us > p->now_us)
		a.created_us = p->now_us;
	a.mime_type = scp__mime_type(a.path);
	a.type = type_of(a.path);
	p->artifacts[p->r->finish.artifact_count++] = a;
}

static void parse_return(struct parse *p, const scp__record *record)
{
	scp_error err = { 0 };

	if (record->len > SCP__RETURN_MAX || scp__json_check(record->data, record->len, "the return value", &err)) {
		const char *why = err.message[0] ? err.message : "the return value is larger than 1 MiB";

		p->bad_return = kept(p, why, strlen(why));
		return;
	}
	p->r->finish.return_json = kept(p, record->data, record->len);
}

static void parse_number(struct parse *p, const scp__record *f)
{
	scp__finish *to = &p->r->finish;
	scp_metrics *m = &p->r->metrics;
	uint64_t n = number_of(f);

	if (scp__record_is(f, SCP__RESULT_EXIT_CODE))
		to->exit_code = n <= 255 ? (int)n : 255;
	else if (scp__record_is(f, SCP__RESULT_SIGNAL))
		to->signal = n <= 64 ? (int)n : 0;
	else if (scp__record_is(f, SCP__RESULT_STDOUT_BYTES))
		to->out_bytes = n;
	else if (scp__record_is(f, SCP__RESULT_STDERR_BYTES))
		to->err_bytes = n;
	else if (scp__record_is(f, SCP__RESULT_DURATION_US))
		m->duration_ms = (double)n / 1000.0;
	else if (scp__record_is(f, SCP__RESULT_CPU_US))
		m->cpu_time_ms = (double)n / 1000.0;
	else if (scp__record_is(f, SCP__RESULT_PEAK_BYTES))
		m->peak_memory_mb = (double)n / MIB;
	else if (scp__record_is(f, SCP__RESULT_IO_READ))
		m->io_read_bytes = n;
	else if (scp__record_is(f, SCP__RESULT_IO_WRITE))
		m->io_write_bytes = n;
}

static bool parse_field(struct parse *p, const scp__record *f)
{
	if (scp__record_is(f, SCP__RESULT_STATUS))
		return parse_status(p, f);
	if (scp__record_is(f, SCP__RESULT_ERROR))
		parse_error_text(p, f);
	else if (scp__record_is(f, SCP__RESULT_RETURN))
		parse_return(p, f);
	else if (scp__record_is(f, SCP__RESULT_ARTIFACT))
		parse_artifact(p, f);
	else if (scp__record_is(f, SCP__RESULT_SOURCE))
		p->r->metrics.source = f->len == 6 && !memcmp(f->data, "cgroup", 6) ? "cgroup" : "sampled";
	else
		parse_number(p, f);
	return true;
}

static scp_status parse_all(struct parse *p, const char *at, size_t len)
{
	scp__record field;
	size_t used;

	for (; len; at += used, len -= used)
		if (scp__record_next(at, len, &field, &used) || !parse_field(p, &field))
			return SCP_EINVAL;
	if (p->no_memory)
		return SCP_ENOMEM;
	return p->status_seen ? SCP_OK : SCP_EINVAL;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const scp_artifact *)a)->path, ((const scp_artifact *)b)->path);
}

/* What the records say together, whatever their order: that of artifacts is a folder's, which is chance. */
static void conclude(struct parse *p)
{
	scp__finish *f = &p->r->finish;

	qsort(p->artifacts, f->artifact_count, sizeof(*p->artifacts), by_path);
	if (f->to == SCP_EXECUTION_TIMEOUT)
		f->exit_code = EXIT_TIMEOUT;
	if (p->bad_return) {
		f->return_json = NULL;
		f->to = f->to == SCP_EXECUTION_COMPLETED ? SCP_EXECUTION_FAILED : f->to;
		f->error = p->bad_return;
	}
	f->metrics = &p->r->metrics;
	f->artifacts = p->artifacts;
	f->now_us = p->now_us;
}

scp_status scp__result_parse(scp__result *out, const void *data, size_t len, int64_t now_us, scp_error *err)
{
	struct parse p = { .r = out, .now_us = now_us };
	scp_status rc;

	memset(out, 0, sizeof(*out));
	out->finish.exit_code = -1;
	out->metrics.source = "sampled";
	out->arena = scp__arena_new();
	p.artifacts = out->arena ? scp__arena_alloc(out->arena, SCP__ARTIFACTS_MAX * sizeof(*p.artifacts)) : NULL;
	if (!p.artifacts) {
		scp__result_free(out);
		return scp__nomem(err);
	}
	rc = parse_all(&p, data, len);
	if (rc) {
		scp__result_free(out);
		return rc == SCP_ENOMEM ? scp__nomem(err) : scp__fail(err, rc, "the executor sent a malformed result");
	}
	conclude(&p);
	return SCP_OK;
}

void scp__result_free(scp__result *r)
{
	scp__arena_free(r->arena);
	memset(r, 0, sizeof(*r));
}
