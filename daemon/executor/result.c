/* The last event of a run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "languages/language.h"
#include "run.h"

#define EXIT_TIMEOUT 124u
#define NUMBERS_MAX 1024u /* all records that hold a number or a word */

struct parts {
	char fields[NUMBERS_MAX];
	size_t fields_len;
	const char *artifacts;
	size_t artifacts_len;
	const char *error;
	size_t error_len;
	const char *returned;
	size_t returned_len;
};

static void add_text(struct parts *p, const char *name, const char *text)
{
	size_t len = strlen(text);

	p->fields_len += scp__record_header(p->fields + p->fields_len, name, 0, len);
	memcpy(p->fields + p->fields_len, text, len);
	p->fields_len += len;
}

static void add_number(struct parts *p, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add_text(p, name, text);
}

/* How many bytes a record with `len` of content is; none for an absent part. */
static size_t part_size(const char *name, const char *data, size_t len)
{
	char header[SCP__RECORD_HEADER_MAX];

	return data ? scp__record_header(header, name, 0, len) + len : 0;
}

static char *write_part(char *at, const char *name, const char *data, size_t len)
{
	char header[SCP__RECORD_HEADER_MAX];
	size_t header_len;

	if (!data)
		return at;
	header_len = scp__record_header(header, name, 0, len);
	/* The content may lie where its header goes: it moves first. */
	memmove(at + header_len, data, len);
	memcpy(at, header, header_len);
	return at + header_len + len;
}

static void append(struct run *run, const struct parts *p)
{
	size_t len = p->fields_len + p->artifacts_len + part_size(SCP__RESULT_ERROR, p->error, p->error_len) +
		     part_size(SCP__RESULT_RETURN, p->returned, p->returned_len);
	char *at = spool_event_space(&run->spool, SCP__EVENT_RESULT, len);

	if (!at)
		return; /* can't be: the reservation holds the largest */
	memcpy(at, p->fields, p->fields_len);
	at += p->fields_len;
	if (p->artifacts_len)
		memcpy(at, p->artifacts, p->artifacts_len);
	at += p->artifacts_len;
	at = write_part(at, SCP__RESULT_ERROR, p->error, p->error_len);
	/* Last, as it comes from the reservation's end, which all before it stays clear of. */
	(void)write_part(at, SCP__RESULT_RETURN, p->returned, p->returned_len);
}

static void add_exit(struct parts *p, const struct run *run, const struct report *r)
{
	if (run->stop == STOP_TIMEOUT && r->cause)
		add_number(p, SCP__RESULT_EXIT_CODE, EXIT_TIMEOUT);
	else if (WIFEXITED(r->wait_status))
		add_number(p, SCP__RESULT_EXIT_CODE, (unsigned)WEXITSTATUS(r->wait_status));
	else if (WIFSIGNALED(r->wait_status))
		add_number(p, SCP__RESULT_SIGNAL, (unsigned)WTERMSIG(r->wait_status));
}

static void add_measures(struct parts *p, const struct run *run, const struct report *r)
{
	add_number(p, SCP__RESULT_STDOUT_BYTES, run->out.total);
	add_number(p, SCP__RESULT_STDERR_BYTES, run->errors.total);
	add_number(p, SCP__RESULT_DURATION_US, (uint64_t)(r->ended_us - r->started_us));
	add_number(p, SCP__RESULT_CPU_US, r->cpu_us);
	add_number(p, SCP__RESULT_PEAK_BYTES, r->peak_bytes);
	add_number(p, SCP__RESULT_IO_READ, r->io_read_bytes);
	add_number(p, SCP__RESULT_IO_WRITE, r->io_write_bytes);
	add_text(p, SCP__RESULT_SOURCE, "sampled");
}

/* The result channel holds a return value, or "!" and what went wrong. */
static bool channel_has_error(const struct run *run)
{
	return run->back.kept && spool_tail(&run->spool)[0] == '!';
}

void result_make(struct run *run, const struct report *report, const char *status, const char *error)
{
	struct parts p = { .error = error, .error_len = error ? strlen(error) : 0 };

	add_text(&p, SCP__RESULT_STATUS, status);
	if (report && report->failed_step == START_OK)
		add_exit(&p, run, report);
	if (report)
		add_measures(&p, run, report);
	if (report && run->hand) {
		p.artifacts = run->hand->share->artifacts;
		p.artifacts_len = report->artifact_bytes;
	}
	if (run->back.kept && !strcmp(status, "completed")) {
		p.returned = spool_tail(&run->spool);
		p.returned_len = run->back.kept;
	}
	if (!error && !strcmp(status, "failed") && channel_has_error(run)) {
		p.error = spool_tail(&run->spool) + 1;
		p.error_len = run->back.kept - 1 < SCP__ERROR_MAX ? run->back.kept - 1 : SCP__ERROR_MAX;
	}
	append(run, &p);
}

static void describe_failed_start(const struct report *r, enum language language, char *out, size_t out_size)
{
	static const char *const steps[] = {
		[START_OK] = "start the process",
		[START_CLONE] = "make a process",
		[START_PREPARE] = "prepare the process",
		[START_USER] = "become the code's user",
		[START_WORKSPACE] = "enter the workspace",
		[START_EXEC] = "start the interpreter",
	};

	if (r->failed_step == START_EXEC && r->failed_errno == ENOENT)
		(void)snprintf(out, out_size, "%s is not in this image", language_program(language));
	else
		(void)snprintf(out, out_size, "cannot %s: %s", steps[r->failed_step], strerror(r->failed_errno));
}

static void failed(struct run *run, const struct report *r)
{
	char error[160];

	if (r->failed_step != START_OK) {
		describe_failed_start(r, run->language, error, sizeof(error));
		result_make(run, r, "failed", error);
	} else if (WIFSIGNALED(r->wait_status)) {
		(void)snprintf(error, sizeof(error), "ended by signal %d (%s)", WTERMSIG(r->wait_status),
		    strsignal(WTERMSIG(r->wait_status)));
		result_make(run, r, "failed", error);
	} else {
		result_make(run, r, "failed", NULL);
	}
}

void result_from_report(struct run *run, const struct report *r)
{
	bool good = r->failed_step == START_OK && WIFEXITED(r->wait_status) && WEXITSTATUS(r->wait_status) == 0;
	char error[96];

	/* What was to end it counts only if it came before the end. */
	if (run->stop == STOP_TIMEOUT && r->cause) {
		(void)snprintf(error, sizeof(error), "timed out after %u ms", run->timeout_ms);
		result_make(run, r, "timeout", error);
	} else if (run->stop == STOP_CANCEL && r->cause) {
		result_make(run, r, "cancelled", "cancelled");
	} else if (!good) {
		failed(run, r);
	} else if (run->back.total > SCP__RETURN_MAX) {
		result_make(run, r, "failed", "return value larger than 1 MiB");
	} else {
		result_make(run, r, "completed", r->survivors ? "some of its processes could not be ended yet" : NULL);
	}
}
