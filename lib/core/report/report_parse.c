/* A report as the records that an executor would have sent, so that one place checks both. */
#include <string.h>

#include "err.h"
#include "report.h"
#include "utf8.h"

#define MIB (1024.0 * 1024.0)
#define RECORDS_MAX ((size_t)16 << 20)
#define MOST 9e15 /* what a double counts exactly, and far beyond any measure */

enum { CRASHED, WORDS = 5 };

/* What a Result says, and what the executor calls it; it has no word for the sandbox's own end. */
static const char *const words[WORDS][2] = {
	[CRASHED] = { "crashed", "failed" },
	{ "success", "completed" },
	{ "failed", "failed" },
	{ "timeout", "timeout" },
	{ "cancelled", "cancelled" },
};

static int word_of(const char *status)
{
	for (int i = 0; status && i < WORDS; i++)
		if (!strcmp(words[i][0], status))
			return i;
	return -1;
}

static uint64_t count_of(double value)
{
	return value > 0 && value < MOST ? (uint64_t)value : 0;
}

static void put_metrics(scp__buf *b, const scp_metrics *m)
{
	if (!m)
		return;
	(void)scp__record_put_uint(b, SCP__RESULT_DURATION_US, count_of(m->duration_ms * 1000));
	(void)scp__record_put_uint(b, SCP__RESULT_CPU_US, count_of(m->cpu_time_ms * 1000));
	(void)scp__record_put_uint(b, SCP__RESULT_PEAK_BYTES, count_of(m->peak_memory_mb * MIB));
	(void)scp__record_put_uint(b, SCP__RESULT_IO_READ, m->io_read_bytes);
	(void)scp__record_put_uint(b, SCP__RESULT_IO_WRITE, m->io_write_bytes);
	if (m->source)
		(void)scp__record_put_text(b, SCP__RESULT_SOURCE, m->source);
}

static void put_artifact(scp__buf *b, const scp_artifact *a)
{
	scp__buf one;

	if (!a || !a->path)
		return;
	scp__buf_init(&one, 64 << 10);
	(void)scp__record_put_text(&one, SCP__ARTIFACT_PATH, a->path);
	(void)scp__record_put_uint(&one, SCP__ARTIFACT_SIZE, a->size_bytes);
	if (a->created_us > 0)
		(void)scp__record_put_uint(&one, SCP__ARTIFACT_MTIME_US, (uint64_t)a->created_us);
	if (a->sha256)
		(void)scp__record_put_text(&one, SCP__ARTIFACT_SHA256, a->sha256);
	if (!one.status)
		(void)scp__record_put(b, SCP__RESULT_ARTIFACT, 0, one.data, one.len);
	else if (one.status == SCP_ENOMEM)
		b->status = SCP_ENOMEM;
	scp__buf_free(&one);
}

/* No more than tells that it is too long. */
static void put_text(scp__buf *b, const char *name, const char *text, size_t max)
{
	if (text)
		(void)scp__record_put(b, name, 0, text, strnlen(text, max));
}

static void put_all(scp__buf *b, const scp_report *r, const char *word)
{
	size_t artifacts = r->artifacts ? r->artifact_count : 0;

	(void)scp__record_put_text(b, SCP__RESULT_STATUS, word);
	if (r->exit_code && *r->exit_code >= 0)
		(void)scp__record_put_uint(b, SCP__RESULT_EXIT_CODE, (uint64_t)*r->exit_code);
	if (r->signal > 0)
		(void)scp__record_put_uint(b, SCP__RESULT_SIGNAL, (uint64_t)r->signal);
	(void)scp__record_put_uint(b, SCP__RESULT_STDOUT_BYTES, r->out_bytes < INT64_MAX ? r->out_bytes : 0);
	(void)scp__record_put_uint(b, SCP__RESULT_STDERR_BYTES, r->err_bytes < INT64_MAX ? r->err_bytes : 0);
	put_metrics(b, r->metrics);
	put_text(b, SCP__RESULT_ERROR, r->error, SCP__ERROR_MAX);
	put_text(b, SCP__RESULT_RETURN, r->return_json, SCP__RETURN_MAX + 1);
	for (size_t i = 0; i < artifacts && i < SCP__ARTIFACTS_MAX; i++)
		put_artifact(b, r->artifacts[i]);
}

static const char *known_type(const char *type)
{
	static const char *const types[] = { "artifact", "log", "output" };

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return types[i];
	return NULL;
}

/* What its maker says a file is wins over what its name looks like. */
static void name_type(scp_artifact *a, const scp_report *r)
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		const scp_artifact *from = r->artifacts[i];

		if (!from || !from->path || strcmp(from->path, a->path) != 0)
			continue;
		a->type = known_type(from->type) ? known_type(from->type) : a->type;
		return;
	}
}

/* A number larger than any executor measures would be one that its database can't keep. */
static scp_status check(const scp_report *r, scp_error *err)
{
	if (word_of(r->status) < 0)
		return scp__fail(err, SCP_EINVAL,
		    "status is '%.40s'; allowed are success, failed, timeout, crashed, cancelled",
		    r->status ? r->status : "missing");
	if (r->exit_code && (*r->exit_code < -1 || *r->exit_code > 255))
		return scp__fail(err, SCP_EINVAL, "exit_code is %d; allowed is 0 to 255", *r->exit_code);
	if (r->signal < 0 || r->signal > 64)
		return scp__fail(err, SCP_EINVAL, "signal is %d; allowed is 1 to 64", r->signal);
	if (r->artifacts && r->artifact_count > SCP__ARTIFACTS_MAX)
		return scp__fail(err, SCP_EINVAL, "artifacts are %zu; allowed are at most %u", r->artifact_count,
		    SCP__ARTIFACTS_MAX);
	return SCP_OK;
}

scp_status scp__report_parse(scp__result *out, const scp_report *r, int64_t now_us, scp_error *err)
{
	scp_status rc = check(r, err);
	int word = word_of(r->status);
	scp_artifact *artifacts;
	scp__buf b;

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	scp__buf_init(&b, RECORDS_MAX);
	put_all(&b, r, words[word][1]);
	rc = b.status ? scp__fail(err, b.status, "the report doesn't fit into %zu bytes", RECORDS_MAX)
		      : scp__result_parse(out, b.data, b.len, now_us, err);
	scp__buf_free(&b);
	if (rc)
		return rc;
	if (word == CRASHED)
		out->finish.to = SCP_EXECUTION_CRASHED;
	artifacts = (scp_artifact *)(uintptr_t)out->finish.artifacts; /* the arena's, which is ours */
	for (size_t i = 0; i < out->finish.artifact_count; i++)
		name_type(&artifacts[i], r);
	return SCP_OK;
}
