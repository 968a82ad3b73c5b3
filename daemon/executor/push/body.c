#include "body.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "utf8.h"

#define MIB (1024.0 * 1024.0)

/* ---- text ---- */

static void put_escaped(scp__buf *out, unsigned char c)
{
	if (c == '"' || c == '\\')
		(void)scp__buf_printf(out, "\\%c", c);
	else if (c == '\0')
		(void)scp__buf_puts(out, "\\ufffd"); /* JSON could have it, its readers refuse it */
	else
		(void)scp__buf_printf(out, "\\u%04x", c);
}

static bool needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/* What isn't UTF-8 becomes U+FFFD. */
static void put_text(scp__buf *out, const char *data, size_t len)
{
	scp__buf text;
	bool lossy;
	size_t from = 0;

	scp__buf_init(&text, 3 * len + 1);
	if (scp__utf8_repair(&text, data ? data : "", len, &lossy))
		out->status = SCP_ENOMEM;
	(void)scp__buf_puts(out, "\"");
	for (size_t i = 0; i < text.len; i++) {
		if (!needs_escape(text.data[i]))
			continue;
		(void)scp__buf_append(out, text.data + from, i - from);
		put_escaped(out, (unsigned char)text.data[i]);
		from = i + 1;
	}
	(void)scp__buf_append(out, text.data + from, text.len - from);
	(void)scp__buf_puts(out, "\"");
	scp__buf_free(&text);
}

static void put_member(scp__buf *out, const char *name, const char *data, size_t len)
{
	(void)scp__buf_printf(out, ",\"%s\":", name);
	put_text(out, data, len);
}

/* ---- the records of a result ---- */

struct result {
	scp__record status, exit_code, signal, out_bytes, err_bytes, duration, cpu, peak, io_read, io_write, source,
	    returned, error;
};

static void take_field(struct result *r, const scp__record *f)
{
	const struct {
		const char *name;
		scp__record *to;
	} fields[] = {
		{ SCP__RESULT_STATUS, &r->status },
		{ SCP__RESULT_EXIT_CODE, &r->exit_code },
		{ SCP__RESULT_SIGNAL, &r->signal },
		{ SCP__RESULT_STDOUT_BYTES, &r->out_bytes },
		{ SCP__RESULT_STDERR_BYTES, &r->err_bytes },
		{ SCP__RESULT_DURATION_US, &r->duration },
		{ SCP__RESULT_CPU_US, &r->cpu },
		{ SCP__RESULT_PEAK_BYTES, &r->peak },
		{ SCP__RESULT_IO_READ, &r->io_read },
		{ SCP__RESULT_IO_WRITE, &r->io_write },
		{ SCP__RESULT_SOURCE, &r->source },
		{ SCP__RESULT_RETURN, &r->returned },
		{ SCP__RESULT_ERROR, &r->error },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (scp__record_is(f, fields[i].name))
			*fields[i].to = *f;
}

static uint64_t number(const scp__record *f)
{
	uint64_t n = 0;

	return f->data && scp__record_uint(f, INT64_MAX, &n) ? n : 0;
}

static void put_number(scp__buf *out, const char *name, const scp__record *f)
{
	if (f->data)
		(void)scp__buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)number(f));
	else
		(void)scp__buf_printf(out, ",\"%s\":null", name);
}

static void put_metrics(scp__buf *out, const struct result *r)
{
	(void)scp__buf_printf(out, ",\"metrics\":{\"duration_ms\":%.3f,\"cpu_time_ms\":%.3f,\"peak_memory_mb\":%.3f",
	    (double)number(&r->duration) / 1000, (double)number(&r->cpu) / 1000, (double)number(&r->peak) / MIB);
	(void)scp__buf_printf(out, ",\"io_read_bytes\":%llu,\"io_write_bytes\":%llu",
	    (unsigned long long)number(&r->io_read), (unsigned long long)number(&r->io_write));
	if (r->source.data)
		put_member(out, "source", r->source.data, r->source.len);
	(void)scp__buf_puts(out, "}");
}

static void put_artifact(scp__buf *out, const scp__record *artifact)
{
	const char *at = artifact->data;
	size_t left = artifact->len, used;
	scp__record f, path = { .len = 0 }, size = { .len = 0 }, mtime = { .len = 0 }, sha256 = { .len = 0 };
	char time[SCP__TIME_SIZE];

	for (; left && !scp__record_next(at, left, &f, &used); at += used, left -= used) {
		path = scp__record_is(&f, SCP__ARTIFACT_PATH) ? f : path;
		size = scp__record_is(&f, SCP__ARTIFACT_SIZE) ? f : size;
		mtime = scp__record_is(&f, SCP__ARTIFACT_MTIME_US) ? f : mtime;
		sha256 = scp__record_is(&f, SCP__ARTIFACT_SHA256) ? f : sha256;
	}
	(void)scp__buf_puts(out, "{\"path\":");
	put_text(out, path.data, path.len);
	put_number(out, "size", &size);
	if (sha256.data)
		put_member(out, "sha256", sha256.data, sha256.len);
	(void)scp__time_format(time, (int64_t)number(&mtime));
	if (number(&mtime))
		put_member(out, "created_at", time, strlen(time));
	(void)scp__buf_puts(out, "}");
}

static void put_artifacts(scp__buf *out, const scp__record *result)
{
	const char *at = result->data;
	size_t left = result->len, used;
	const char *comma = "";
	scp__record f;

	(void)scp__buf_puts(out, ",\"artifacts\":[");
	for (; left && !scp__record_next(at, left, &f, &used); at += used, left -= used) {
		if (!scp__record_is(&f, SCP__RESULT_ARTIFACT))
			continue;
		(void)scp__buf_puts(out, comma);
		put_artifact(out, &f);
		comma = ",";
	}
	(void)scp__buf_puts(out, "]");
}

/* ---- the spool ---- */

struct spooled {
	scp__buf out, errors;
	scp__record record; /* the result's */
	struct result result;
};

static void take_event(struct spooled *s, const scp__record *event)
{
	const char *at = event->data;
	size_t left = event->len, used;
	scp__record f;

	if (scp__record_is(event, SCP__EVENT_STDOUT))
		(void)scp__buf_append(&s->out, event->data, event->len);
	else if (scp__record_is(event, SCP__EVENT_STDERR))
		(void)scp__buf_append(&s->errors, event->data, event->len);
	if (!scp__record_is(event, SCP__EVENT_RESULT))
		return;
	s->record = *event;
	for (; left && !scp__record_next(at, left, &f, &used); at += used, left -= used)
		take_field(&s->result, &f);
}

static void read_spool(struct spooled *s, const struct run *run)
{
	size_t at = 0, used;
	scp__record event;

	memset(s, 0, sizeof(*s));
	scp__buf_init(&s->out, SCP__OUTPUT_MAX);
	scp__buf_init(&s->errors, SCP__OUTPUT_MAX);
	for (; !scp__record_next(run->spool.bytes + at, run->spool.len - at, &event, &used); at += used)
		take_event(s, &event);
}

static bool is_completed(const scp__record *status)
{
	return status->len == 9 && !memcmp(status->data, "completed", 9);
}

static void put_end(scp__buf *out, const struct result *r, bool plain)
{
	static const char why[] = "the return value is not JSON";

	if (plain && is_completed(&r->status))
		put_member(out, "status", "failed", 6);
	else if (is_completed(&r->status))
		put_member(out, "status", "success", 7);
	else
		put_member(out, "status", r->status.data, r->status.len);
	if (plain && r->returned.data)
		put_member(out, "error", why, sizeof(why) - 1);
	else if (r->error.data)
		put_member(out, "error", r->error.data, r->error.len);
	else
		(void)scp__buf_puts(out, ",\"error\":null");
}

void body_result(scp__buf *out, const struct run *run, bool plain)
{
	struct spooled s;

	read_spool(&s, run);
	(void)scp__buf_printf(out, "{\"attempt\":%u", (unsigned)run->attempt);
	put_member(out, "execution_id", run->execution, strlen(run->execution));
	put_end(out, &s.result, plain);
	put_member(out, "stdout", s.out.data, s.out.len);
	put_member(out, "stderr", s.errors.data, s.errors.len);
	put_number(out, "stdout_bytes", &s.result.out_bytes);
	put_number(out, "stderr_bytes", &s.result.err_bytes);
	put_number(out, "exit_code", &s.result.exit_code);
	put_number(out, "signal", &s.result.signal);
	put_metrics(out, &s.result);
	put_artifacts(out, &s.record);
	/* Last: whatever the code put there, what stands before it is ours, and a twin of it is refused. */
	(void)scp__buf_puts(out, ",\"return_value\":");
	if (s.result.returned.data && s.result.returned.len && !plain)
		(void)scp__buf_append(out, s.result.returned.data, s.result.returned.len);
	else
		(void)scp__buf_puts(out, "null");
	(void)scp__buf_puts(out, "}");
	if (s.out.status || s.errors.status)
		out->status = SCP_ENOMEM;
	scp__buf_free(&s.out);
	scp__buf_free(&s.errors);
}

void body_status(scp__buf *out, const struct run *run)
{
	char time[SCP__TIME_SIZE];

	(void)scp__buf_printf(out, "{\"attempt\":%u,\"status\":\"running\",\"started_at\":\"%s\"}",
	    (unsigned)run->attempt, scp__time_format(time, run->due.started_us));
}

void body_heartbeat(scp__buf *out, const struct run *run)
{
	char time[SCP__TIME_SIZE];

	(void)scp__buf_printf(out, "{\"attempt\":%u,\"timestamp\":\"%s\"}", (unsigned)run->attempt,
	    scp__time_format(time, scp__now_us()));
}
